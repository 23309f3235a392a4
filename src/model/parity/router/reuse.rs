//! G. Keep-alive and log.

use crate::model::parity::{Rule, exact};

pub(in crate::model::parity) const RULES: &[Rule] = &[
    exact(
        "G1 G6",
        "one dyno connection serves several requests; one line each",
        "",
        "§1, §9.2",
        &[
            "g1_g6_two_requests_use_one_dyno_connection_and_leave_two_lines",
            "g1_other_clients_share_the_pool_newest_first",
        ],
    ),
    exact(
        "G2",
        "without keep-alive to dynos, a connection each",
        "",
        "§1, §9.2",
        &["g2_without_keep_alive_to_dynos_each_request_has_its_own_connection"],
    ),
    exact(
        "G3",
        "a pooled connection that the app closed",
        "replay is off by default",
        "§1, §9.2",
        &[
            "g3_a_connection_that_the_app_closed_while_idle_is_not_used",
            "g3_a_connection_closed_under_a_request_is_h13_or_replayed_by_option",
            "g3_a_request_with_a_body_or_on_a_fresh_connection_is_never_replayed",
        ],
    ),
    exact(
        "G4",
        "a pooled connection ends after 90 s",
        "",
        "§1, §9.2",
        &["g4_an_idle_connection_is_closed_after_90_seconds_without_a_word"],
    ),
    exact(
        "G5",
        "no request reaches a socket of a restarted dyno",
        "",
        "§1, §9.2",
        &[
            "g5_no_request_goes_to_a_socket_of_a_restarted_dyno",
            "g5_a_request_in_flight_at_a_stop_finishes_and_its_socket_is_not_kept",
        ],
    ),
    exact(
        "G7",
        "304 and HEAD count no bytes",
        "",
        "§1, §9.2",
        &["g7_not_modified_counts_no_bytes", "d16_answers_to_head_have_headers_only_and_keep_the_connection"],
    ),
    exact(
        "G8",
        "paths are logged decoded by Router 2.0, raw by the legacy router",
        "",
        "§1, §9.2",
        &["g8_paths_are_logged_decoded_by_router_2_and_raw_by_legacy"],
    ),
    exact(
        "G9 G10",
        "every field of the line; nothing that a client sends forges one",
        "",
        "§1, §9.2",
        &[
            "g1_g6_two_requests_use_one_dyno_connection_and_leave_two_lines",
            "g10_nothing_a_client_sends_forges_a_field_or_a_line",
        ],
    ),
    exact(
        "G11",
        "the lines of errors without a dyno, and over TLS",
        "",
        "§1, §9.2",
        &[
            "g11_the_legacy_line_of_an_error_without_a_dyno",
            "g11_over_https_the_line_says_tls_and_the_app_sees_the_scheme_and_port_of_the_client",
        ],
    ),
    exact(
        "G12",
        "a client of HTTP/2 is served by a dyno of HTTP/1.1",
        "",
        "§1, §9.2",
        &["g12_a_client_of_http_2_is_served_by_a_dyno_of_http_1"],
    ),
];
