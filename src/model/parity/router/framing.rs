//! B. Request framing.

use crate::model::parity::{Rule, exact};

pub(in crate::model::parity) const RULES: &[Rule] = &[
    exact(
        "B1 B2 B4",
        "a length that is not one number is 400",
        "",
        "§8, §9.1",
        &["b1_b2_b4_a_length_that_is_not_one_number_is_400"],
    ),
    exact("B3", "equal lengths become one", "", "§8, §9.1", &["b3_equal_lengths_become_one"]),
    exact(
        "B5",
        "chunks win over a length",
        "",
        "§8, §9.1",
        &["b5_chunks_win_over_a_length_and_the_connection_is_closed"],
    ),
    exact(
        "B6 B7 B8",
        "transfer codings other than chunked are 400",
        "",
        "§8, §9.1",
        &["b6_b7_b8_transfer_codings_other_than_chunked_are_400"],
    ),
    exact(
        "B9 B10",
        "broken chunks are 400, and the dyno is let go",
        "",
        "§8, §9.1",
        &["b9_b10_broken_chunks_are_400_and_the_dyno_is_let_go", "b9_the_legacy_router_logs_h26_and_router_2_does_not"],
    ),
    exact(
        "B11",
        "nothing behind an early last chunk reaches the dyno",
        "",
        "§8, §9.1",
        &["b11_nothing_behind_an_early_last_chunk_reaches_the_dyno"],
    ),
    exact(
        "B12",
        "bytes behind a complete body are never a second answer",
        "",
        "§8, §9.1",
        &["b12_what_follows_a_complete_body_is_never_a_second_answer"],
    ),
    exact(
        "B13 B14",
        "trailers reach the dyno; an invalid one is 400",
        "",
        "§8, §9.1",
        &[
            "b13_trailers_reach_the_dyno_announced_or_not",
            "b13_trailers_cannot_change_framing_or_routing",
            "b14_an_invalid_trailer_is_400",
        ],
    ),
    exact(
        "B15 B16",
        "chunk extensions are dropped, data is kept",
        "",
        "§8, §9.1",
        &["b15_b16_extensions_are_dropped_and_data_is_kept"],
    ),
    exact(
        "B17",
        "without its last line end a request is not complete",
        "",
        "§8, §9.1",
        &["b17_without_the_last_line_end_the_request_is_not_complete"],
    ),
    exact(
        "B18",
        "a large upload streams, and is held back by the dyno",
        "",
        "§8, §9.1",
        &["b18_a_large_upload_streams_and_is_held_back_by_the_dyno", "b18_every_byte_of_a_large_upload_arrives"],
    ),
    exact(
        "B19",
        "55 s of silence within an upload is H28",
        "",
        "§8, §9.1",
        &["b19_a_byte_every_54_seconds_is_an_upload_and_56_seconds_of_silence_are_h28"],
    ),
    exact(
        "B20",
        "a client that closes within its upload is H27",
        "",
        "§8, §9.1",
        &["b20_a_client_that_closes_within_its_upload_is_h27"],
    ),
    exact(
        "B21",
        "pipelined requests are answered in order, one at a time",
        "",
        "§8, §9.1",
        &["b21_pipelined_requests_are_answered_in_order_one_at_a_time"],
    ),
    exact(
        "B22 B23",
        "a POST may have no body, and a GET may have one",
        "",
        "§8, §9.1",
        &["b22_b23_a_post_without_a_body_says_so_and_a_get_may_have_one"],
    ),
    exact(
        "smuggling",
        "no request hidden in another reaches a dyno",
        "",
        "§8, §9.1",
        &[
            "smuggling_the_rest_of_a_refused_request_is_never_read_as_a_request",
            "fuzz_no_request_hidden_in_a_body_is_ever_sent_to_a_dyno",
        ],
    ),
    exact(
        "smuggling",
        "nor does one hidden in HTTP/2",
        "",
        "§8, §9.1",
        &[
            "smuggling_nothing_malformed_in_http_2_reaches_a_dyno_as_http_1",
            "smuggling_a_body_that_is_not_as_long_as_it_says_is_never_a_whole_request",
        ],
    ),
];
