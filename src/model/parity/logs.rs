//! R6 and R7: the log.

use super::{Rule, absent, exact, nearly};

pub(super) const RULES: &[Rule] = &[
    exact(
        "R6.1",
        "the text of the R and L lines; `mem=526M(102.9%)`",
        "letter by letter",
        "articles/error-codes; real log lines",
        &[
            "r6_1_lines_are_heroku_s_to_the_letter",
            "r6_1_memory_is_printed_truncated_with_one_decimal_of_percent",
            "r6_1_the_notices_of_lost_lines_are_heroku_s",
        ],
    ),
    exact(
        "R6.2",
        "the order of lines at deploy, restart, scale, crash, stop, one-off and release",
        "explanations are lines of their own, `dynosim[web.1]:`, after Heroku's",
        "real logs of 2015 to 2025",
        &[
            "r6_2_the_first_deploy_is_v3_and_numbers_are_never_reused",
            "r6_2_a_restart_has_heroku_s_lines",
            "r6_2_scaling_down_prints_heroku_s_lines",
            "r6_2_a_boot_timeout_names_the_wrong_port_early_and_restarts_at_once_the_first_time",
            "r6_2_a_message_of_several_lines_becomes_several_lines_with_one_stamp",
        ],
    ),
    nearly(
        "R6.2",
        "lines of Heroku's builds, add-ons and sleeping dynos",
        "those of what is not here are not printed; a build's own output goes to the terminal",
        "real logs",
        &[],
    ),
    exact(
        "R7",
        "`timestamp source[dyno]: message`, microseconds, `+00:00`; stdout and stderr alike",
        "",
        "heroku/logplex `logplex_utils.erl`",
        &[
            "r7_a_line_is_stamp_source_process_and_text",
            "r6_r7_lines_of_all_sources_are_printed_as_heroku_prints_them_in_one_order",
            "r7_lines_are_byte_faithful_with_carriage_returns_empty_lines_and_an_unfinished_end",
        ],
    ),
    exact(
        "R7",
        "lines are cut at 10,000 bytes, the pieces share a stamp",
        "",
        "heroku/log-shuttle `logplex_formatter.go`",
        &[
            "r7_ten_thousand_bytes_are_one_line_and_one_more_makes_two",
            "r7_the_pieces_of_a_line_share_its_stamp_though_they_come_later",
        ],
    ),
    exact(
        "R7",
        "`logs` gives the last 100 lines, `-n` up to 1,500; filters by source, dyno and type",
        "",
        "heroku/logplex `logplex.hrl`",
        &[
            "r7_the_last_lines_are_counted_after_filtering_and_over_segments",
            "r7_lines_are_chosen_by_dyno_name_process_type_and_source",
        ],
    ),
    nearly(
        "R7",
        "lines may arrive out of order",
        "they are in the order in which they were written",
        "articles/logging",
        &["r6_r7_lines_of_all_sources_are_printed_as_heroku_prints_them_in_one_order"],
    ),
    exact(
        "R7",
        "`log-runtime-metrics` about every 20 s",
        "by switch",
        "articles/log-runtime-metrics",
        &["r7_log_runtime_metrics_lines", "r7_log_runtime_metrics_are_written_by_switch"],
    ),
    absent(
        "R7",
        "log drains over syslog and HTTPS",
        "no drains; `dynosim logs -t` follows, `--json` is for programs",
        "articles/log-drains",
    ),
];
