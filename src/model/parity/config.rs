//! R8 to R12: config vars, releases, add-ons, names, and the other generation of the platform.

use super::{Rule, absent, exact, nearly};

pub(super) const RULES: &[Rule] = &[
    exact(
        "R8",
        "config vars reach every dyno and win over the image's `ENV`; `PORT` and `DYNO` are the platform's",
        "",
        "articles/config-vars",
        &[
            "r8_config_vars_override_image_env_and_the_platform_overrides_both",
            "r8_platform_names_are_ignored_with_a_warning",
            "r8_env_files_are_layered_and_none_of_the_host_s_variables_leaks_in",
        ],
    ),
    nearly(
        "R8",
        "names and 64 kB in all; the API takes names that break the documented rule",
        "odd names are warned of and set, but for those in `HEROKU_` that are not an add-on's, which are left out; over 64 kB is \
         an error; `config:set` refuses names that no config var has",
        "articles/config-vars",
        &[
            "r13_8_and_r8_more_than_64_kilobytes_is_an_error_that_names_the_largest",
            "r8_odd_names_are_warned_of_and_set_all_the_same",
            "r8_names_that_no_config_var_has_are_refused_and_the_file_stays",
        ],
    ),
    exact(
        "R8",
        "every change of config is a release and restarts all dynos",
        "",
        "articles/config-vars",
        &["r9_a_config_change_is_one_release_and_leaves_the_rest_of_the_file_alone"],
    ),
    exact(
        "R8",
        "dyno metadata (`HEROKU_APP_NAME`, …) by labs feature; no `HEROKU_DYNO_ID` for container apps",
        "by switch",
        "articles/dyno-metadata",
        &["r8_dyno_metadata_is_given_by_switch_only"],
    ),
    exact(
        "R9",
        "releases v1, v2, …; the first deploy is v3; a rollback is a new release of old images and config vars",
        "",
        "articles/releases",
        &[
            "r6_2_the_first_deploy_is_v3_and_numbers_are_never_reused",
            "r9_a_rollback_brings_back_image_config_and_env_as_a_new_release",
            "r9_a_rollback_whose_image_is_gone_changes_nothing",
        ],
    ),
    exact(
        "R9",
        "no dyno of a release boots before its release phase has succeeded; limit 1 h",
        "failure is exit code 4",
        "articles/release-phase",
        &[
            "r9_nothing_boots_on_a_release_whose_command_fails",
            "r9_a_failed_release_leaves_the_current_one",
            "r9_the_release_phase_of_heroku_yml_runs_first_and_keeps_a_failed_release_from_going_live",
            "r1_6_a_release_command_that_never_ends_is_noticed_and_fails_at_its_limit",
        ],
    ),
    nearly(
        "R9",
        "Heroku CI: `environments.test` of app.json; `test-setup`, then `test`; disposable; `CI=true`",
        "`dynosim test`; add-ons are not provided",
        "articles/heroku-ci",
        &[
            "r9_scripts_of_app_json_run_in_the_image_and_so_does_in",
            "r4_the_test_environment_s_env_replaces_the_base_and_goes_before_env_files",
        ],
    ),
    absent(
        "R9",
        "review apps and pipelines",
        "`container:promote` copies a release between two apps at Heroku; nothing of it is imitated here",
        "articles/release-phase",
    ),
    nearly(
        "R10",
        "add-ons set config vars",
        "not provided; listed with the variables that would be missing",
        "articles/app-json-schema",
        &[
            "r10_add_ons_of_both_files_are_listed_with_what_is_missing",
            "r10_only_variables_that_nobody_sets_are_missing",
        ],
    ),
    exact("R11", "app names up to 30 characters", "", "articles/limits", &["r11_names_are_put_into_heroku_s_letters"]),
    absent(
        "R11",
        "limits of an account: apps, dynos of an app, one-off dynos, API calls, pushes",
        "this machine's own limits are the limit",
        "articles/limits",
    ),
    absent(
        "R12",
        "the Fir generation: arm64, IPv6, Cloud Native Buildpacks, telemetry",
        "Cedar's Common Runtime is what is imitated",
        "articles/generations",
    ),
];
