//! H. HTTP/2.

use crate::model::parity::{Rule, exact};

pub(in crate::model::parity) const RULES: &[Rule] = &[
    exact(
        "http/2",
        "authority and Host",
        "400 when they differ",
        "§14",
        &["the_authority_is_the_host_and_has_to_agree_with_one"],
    ),
    exact("http/2", "cookie crumbs", "", "§14", &["cookie_crumbs_are_joined_before_the_limit_is_applied"]),
    exact(
        "http/2",
        "limits, CONNECT, lengths",
        "",
        "§14",
        &[
            "a9_a10_a11_a12_the_limits_are_those_of_http_1",
            "a17_a22_connect_is_405_and_the_asterisk_is_for_options",
            "b1_b2_b4_a_length_is_one_number_and_no_body_means_none",
            "a9_a17_refused_heads_leave_the_connection_and_no_line",
        ],
    ),
    exact(
        "http/2",
        "headers of a connection, TE, bytes no header may have",
        "the stream is reset",
        "§14",
        &["smuggling_nothing_malformed_in_http_2_reaches_a_dyno_as_http_1"],
    ),
    exact(
        "http/2",
        "bodies, trailers, lengths",
        "",
        "§14",
        &[
            "b13_d11_bodies_and_trailers_pass_both_ways",
            "b22_a_known_length_is_told_to_the_dyno",
            "d16_d17_answers_without_a_body_keep_their_length",
        ],
    ),
    exact(
        "http/2",
        "error pages, unknown hosts",
        "",
        "§14",
        &["f1_f14_the_router_s_own_pages_come_over_streams_too", "a23_an_unknown_host_is_404_without_a_log_line"],
    ),
    exact(
        "http/2",
        "flow control",
        "",
        "§14",
        &[
            "d21_d22_a_dyno_can_be_a_mebibyte_ahead_of_a_stream_and_not_much_more",
            "b18_a_large_upload_is_held_back_by_the_dyno",
            "h28_when_the_client_stops_taking_and_other_streams_go_on",
        ],
    ),
    exact(
        "http/2",
        "H18, H27, H28",
        "a cut answer is a reset stream; data that is not out by then is lost with it",
        "§14",
        &[
            "d14_h18_when_the_dyno_dies_within_its_answer",
            "h27_when_the_client_resets_its_stream_and_others_go_on",
            "h27_when_the_connection_goes_with_requests_in_flight",
            "b19_h28_when_the_client_stops_sending",
        ],
    ),
    exact(
        "http/2",
        "H11, H22",
        "a stream is a request, a connection is a client",
        "§14",
        &["f16_streams_count_towards_h11_and_250_may_be_open"],
    ),
    exact(
        "http/2",
        "idle connections, a stop",
        "",
        "§14",
        &[
            "a20_an_idle_connection_is_closed_after_60_seconds",
            "a20_a_client_that_says_nothing_is_let_go_as_well",
            "f19_a_stop_lets_streams_finish_and_then_cuts_them",
        ],
    ),
    exact(
        "http/2",
        "HTTP/2 without TLS",
        "off by default, as on Heroku",
        "§14",
        &["http_2_without_tls_is_spoken_by_option_only_and_http_1_beside_it"],
    ),
];
