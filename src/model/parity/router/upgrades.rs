//! E. Expect and upgrade.

use crate::model::parity::{Rule, exact};

pub(in crate::model::parity) const RULES: &[Rule] = &[
    exact(
        "E1 E2 E3",
        "the router answers Expect itself; any other expectation is 417",
        "",
        "§10, §11",
        &[
            "e1_the_router_answers_an_expectation_itself",
            "e2_an_empty_expectation_is_none",
            "e3_any_other_expectation_is_417",
        ],
    ),
    exact(
        "E4",
        "end-to-end continue by labs feature",
        "with --feature http-end-to-end-continue",
        "§10, §11",
        &["e4_vegur_non_terminal_a_second_100_is_502", "a_client_may_take_its_time_after_the_dyno_s_100"],
    ),
    exact("E5", "an upgrade to nothing is 400", "", "§10, §11", &["e5_an_upgrade_to_nothing_is_400"]),
    exact(
        "E6",
        "a tunnel carries bytes both ways at once",
        "",
        "§10, §11",
        &["e6_a_tunnel_carries_a_mebibyte_both_ways_at_once", "e6_websocket_messages_of_a_mebibyte_are_echoed"],
    ),
    exact(
        "E7",
        "a Connection list separated by spaces, in any case",
        "",
        "§10, §11",
        &["e7_the_connection_list_may_be_separated_by_spaces_and_in_any_case"],
    ),
    exact(
        "E8",
        "a dyno may decline an upgrade",
        "",
        "§10, §11",
        &["e8_a_dyno_that_declines_an_upgrade_answers_normally"],
    ),
    exact("E9", "a HEAD request can open a tunnel", "", "§10, §11", &["e9_a_head_request_can_open_a_tunnel"]),
    exact(
        "E10",
        "bytes right behind the heads are delivered",
        "",
        "§10, §11",
        &["e10_bytes_right_behind_the_heads_are_delivered"],
    ),
    exact(
        "E11",
        "either side ends the tunnel, one log line",
        "",
        "§10, §11",
        &["e11_either_side_ends_the_tunnel_and_it_is_logged_once"],
    ),
    exact(
        "E12",
        "55 s of silence end a tunnel: H15",
        "",
        "§10, §11",
        &["e12_a_tunnel_that_is_silent_for_55_seconds_is_h15"],
    ),
];
