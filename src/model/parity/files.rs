//! R2 to R4: the files that say what an app is.

use super::{Rule, absent, exact, nearly};

pub(super) const RULES: &[Rule] = &[
    exact(
        "R2",
        "heroku.yml: `setup`, `build.docker`, `build.config`, `release`, `run`; a type without `run` runs its `CMD`",
        "unknown keys are refused with their line and the fix",
        "articles/build-docker-images-heroku-yml",
        &[
            "r2_and_r13_3_every_section_of_a_full_manifest_is_read",
            "r2_a_full_manifest_becomes_images_processes_and_a_release_phase",
            "r2_the_shapes_of_manifests_in_the_wild_load",
            "r2_the_release_words_of_the_tutorial_are_one_command",
            "r2_run_below_build_is_refused_with_heroku_s_words_and_the_fix",
        ],
    ),
    absent(
        "R2",
        "`build.languages`, `build.packages`, `build.pipelines`: the buildpack form of the manifest",
        "refused with the reason: container apps only",
        "articles/build-docker-images-heroku-yml",
    ),
    nearly(
        "R2",
        "builds run on Heroku's machine, with the classic builder, without the app's config vars",
        "BuildKit where the engine has it; config vars are not given to builds either",
        "build logs of 2021",
        &["r1_5_no_secret_and_nothing_of_the_developer_s_machine_goes_into_an_image"],
    ),
    nearly(
        "R3",
        "the container stack does not read a Procfile",
        "without a heroku.yml `run` it is laid over the images, which is said once with Heroku's view",
        "logs; articles/procfile",
        &[
            "r3_a_procfile_is_laid_over_the_images_and_heroku_s_view_is_said_once",
            "r3_a_procfile_beside_a_run_section_is_not_read",
        ],
    ),
    nearly(
        "R3",
        "lines that are not `type: command` are ignored",
        "every line is understood or refused",
        "ddollar/foreman `procfile.rb`",
        &["r3_lines_become_process_types_and_commands", "r3_and_r13_16_bad_lines_are_errors_and_never_passed_over"],
    ),
    nearly(
        "R4",
        "app.json is read when an app is created: `env`, `formation`, `scripts`, `environments`",
        "read at each `up`, as if the app were new",
        "articles/app-json-schema",
        &[
            "r4_the_sections_that_matter_are_read_and_the_others_passed_over",
            "r4_app_json_gives_quantities_and_sizes",
            "r4_required_variables_without_a_value_are_missing_with_their_descriptions",
        ],
    ),
    nearly(
        "R4",
        "`postdeploy` and `pr-predestroy` scripts run when an app or a review app is made and removed",
        "of the scripts only those of `environments.test` are run, by `dynosim test`",
        "articles/app-json-schema",
        &["r4_scripts_run_in_order_under_the_test_environment_and_the_first_failure_ends_it"],
    ),
];
