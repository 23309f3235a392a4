//! C. Request headers.

use crate::model::parity::{Rule, exact};

pub(in crate::model::parity) const RULES: &[Rule] = &[
    exact(
        "C1",
        "the forwarded headers: X-Forwarded-For, -Proto, -Port, X-Request-Start, X-Request-Id, Via",
        "",
        "§5",
        &["c1_a_plain_request_gets_the_forwarded_headers", "c1_the_forwarded_port_can_be_configured"],
    ),
    exact(
        "C2",
        "the client's address is appended to X-Forwarded-For",
        "",
        "§5",
        &["c2_the_client_s_address_is_appended"],
    ),
    exact(
        "C3",
        "spoofed X-Forwarded-Proto, -Port and X-Request-Start are replaced",
        "",
        "§5",
        &["c3_spoofed_headers_are_replaced"],
    ),
    exact(
        "C4 C5",
        "X-Request-Id of 20 to 200 good characters is kept, else made anew",
        "",
        "§5",
        &["c4_c5_request_ids_are_kept_if_heroku_keeps_them"],
    ),
    exact("C6", "Via is appended to", "", "§5", &["c6_via_is_appended"]),
    exact("C7", "hop-by-hop headers go, Trailer stays", "", "§5", &["c7_hop_by_hop_headers_go_and_trailer_stays"]),
    exact(
        "C8 C9",
        "names in Connection are dropped but for the vital ones",
        "",
        "§5",
        &["c8_c9_names_in_connection_are_dropped_but_for_the_vital_ones"],
    ),
    exact(
        "C10",
        "X-Forwarded-Host, -By and Forwarded pass untouched",
        "",
        "§5",
        &["c10_x_forwarded_host_is_none_of_the_router_s_business"],
    ),
    exact("C11", "dynos see HTTP/1.1 whatever the client speaks", "", "§5", &["c11_dynos_see_http_1_1"]),
    exact(
        "C12",
        "Server and Connection of Router 2.0; times and close of the legacy router",
        "",
        "§5",
        &["c12_router_2_names_itself_and_keeps_the_connection", "c12_the_legacy_router_closes_and_tells_times"],
    ),
    exact(
        "C13",
        "repeated headers stay apart and in order",
        "",
        "§5",
        &["c13_repeated_headers_stay_apart_and_in_order"],
    ),
    exact(
        "C14",
        "cookies of 8,192 bytes pass, longer ones do not",
        "",
        "§5",
        &["c14_cookies_of_8192_bytes_pass_and_longer_ones_do_not"],
    ),
];
