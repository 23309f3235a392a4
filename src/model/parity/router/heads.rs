//! A. Request heads.

use crate::model::parity::{Rule, exact, nearly};

pub(in crate::model::parity) const RULES: &[Rule] = &[
    exact(
        "A1–A5",
        "a request has exactly one Host, else 400",
        "",
        "§4, §8",
        &["a1_to_a5_a_request_without_exactly_one_host_is_400"],
    ),
    exact(
        "A6",
        "the Host header wins over an absolute target",
        "",
        "§4, §8",
        &["a6_the_host_header_beats_an_absolute_target"],
    ),
    exact(
        "A7 A8 A9",
        "request line: single spaces, a known version, 8,192 bytes",
        "GET / without a version is 400",
        "§4, §8",
        &["a7_a8_a9_request_lines_that_are_refused"],
    ),
    exact(
        "A10 A11 A12",
        "header names of 1,000 bytes, values of 8,192, 1,000 headers",
        "",
        "§4, §8",
        &["a10_a11_a12_header_limits_reach_through_the_whole_router"],
    ),
    exact("A13", "up to five empty lines before a request", "", "§4, §8", &["a13_empty_lines_before_the_request"]),
    exact("A14 A15", "broken header lines and bare LF are 400", "", "§4, §8", &["a14_a15_broken_header_lines_are_400"]),
    exact("A16 A17", "any method but CONNECT", "CONNECT is 405", "§4, §8", &["a16_a17_any_method_but_connect"]),
    exact("A18", "a head may come byte by byte", "", "§4, §8", &["a18_a_head_may_come_byte_by_byte"]),
    exact("A19", "half a head after 60 s is 408", "", "§4, §8", &["a19_half_a_head_is_408_after_60_seconds_in_all"]),
    exact(
        "A20",
        "silence for 60 s ends in a silent close",
        "",
        "§4, §8",
        &["a20_silence_and_half_a_request_line_end_in_a_silent_close"],
    ),
    nearly(
        "A21 A22",
        "targets reach the dyno as they are, but for the fragment",
        "double quotes, angle brackets, backquotes, carets, backslashes and bytes beyond ASCII in a target reach the app percent-encoded",
        "§4, §8",
        &["a21_a22_targets_reach_the_dyno_as_they_are_but_for_the_fragment"],
    ),
    exact(
        "A23",
        "an unknown host is 404, without a log line",
        "",
        "§4, §8",
        &["a23_an_unknown_host_is_404_without_a_log_line"],
    ),
];
