//! D. Responses.

use crate::model::parity::{Rule, exact, nearly};

pub(in crate::model::parity) const RULES: &[Rule] = &[
    exact(
        "D1 D2",
        "Via is added; Server and Date where the app sent none",
        "",
        "§6, §8, §9.1",
        &["d1_a_plain_answer_gets_via_server_and_date", "d2_the_app_s_own_server_date_and_via_are_kept"],
    ),
    exact("D3 D4", "any status and reason pass", "", "§6, §8, §9.1", &["d3_d4_any_status_and_reason_pass"]),
    exact("D5", "H17 for what is no HTTP/1 response", "", "§6, §8, §9.1", &["d5_h17_for_what_is_no_http_1_response"]),
    nearly(
        "D6 D7",
        "a Content-Length is one number, else H25",
        "a blank behind a Content-Length is tolerated, where the legacy router answers H25",
        "§6, §8, §9.1",
        &["d6_h25_for_an_invalid_content_length", "d7_equal_content_lengths_become_one"],
    ),
    nearly(
        "D8 D9 D10",
        "lines over the limits are H25",
        "besides, a whole response head over 1 MiB is H25; Heroku names no such limit",
        "§6, §8, §9.1",
        &["d8_d9_d10_h25_for_oversized_lines"],
    ),
    nearly(
        "D11 D12",
        "chunks and trailers pass; they are undone for HTTP/1.0",
        "chunks are re-cut; data and trailers are the same",
        "§6, §8, §9.1",
        &[
            "d11_chunks_and_trailers_pass",
            "d12_chunks_are_undone_for_an_http_1_0_client",
            "d12_a_body_without_a_length_closes_the_connection_of_an_http_1_0_client_that_asked_to_stay",
        ],
    ),
    exact(
        "D13 D14",
        "a broken chunk cuts the answer; a dyno that dies within it is H18",
        "",
        "§6, §8, §9.1",
        &[
            "d13_a_broken_chunk_cuts_the_answer_without_its_end",
            "d14_a_dyno_that_dies_within_its_answer_is_h18",
            "d14_within_its_head_the_client_gets_the_error_page",
            "d14_the_legacy_router_has_a_short_answer_whole_before_it_sends_any_of_it",
        ],
    ),
    exact(
        "D15",
        "an answer without a length goes to the end of the stream",
        "re-framed as chunked",
        "§6, §8, §9.1",
        &[
            "d15_an_answer_without_a_length_goes_to_the_end",
            "d15_a_reset_is_h13_before_the_answer_and_h18_within_it_even_without_a_length",
        ],
    ),
    exact(
        "D16",
        "answers to HEAD have headers only",
        "",
        "§6, §8, §9.1",
        &["d16_answers_to_head_have_headers_only_and_keep_the_connection"],
    ),
    exact("D17", "204 and 304 have no body", "", "§6, §8, §9.1", &["d17_204_and_304_have_no_body_whatever_they_claim"]),
    exact(
        "D18 D19",
        "the dyno's HTTP version and close are its own affair",
        "",
        "§6, §8, §9.1",
        &["d18_d19_the_dyno_s_version_and_close_are_its_own_affair"],
    ),
    exact("D20", "hop-by-hop headers are stripped", "", "§6, §8, §9.1", &["d20_hop_by_hop_headers_are_stripped"]),
    exact(
        "D21 D22",
        "a dyno may be 1 MiB ahead of its client",
        "",
        "§6, §8, §9.1",
        &[
            "d21_a_dyno_can_write_a_mebibyte_and_leave_though_the_client_reads_nothing",
            "d22_a_dyno_is_held_back_near_a_mebibyte_while_the_client_reads_nothing",
        ],
    ),
    exact(
        "D23",
        "an unasked 100 is passed on once",
        "a second one is dropped, and HTTP/2 clients get none",
        "§6, §8, §9.1",
        &[
            "d23_vegur_no_expect_continue_an_unasked_100_is_passed_on_once_and_bare",
            "vegur_http_1_0_continue_an_interim_response_never_reaches_an_old_client",
        ],
    ),
    exact(
        "D24",
        "other interim responses are dropped",
        "",
        "§6, §8, §9.1",
        &["d24_other_interim_responses_are_dropped"],
    ),
    exact(
        "D25",
        "an answer before the upload is over reaches the client",
        "",
        "§6, §8, §9.1",
        &[
            "d25_an_answer_that_comes_before_the_upload_is_over_reaches_the_client",
            "d25_the_answer_to_a_large_upload_survives_the_close",
        ],
    ),
    exact("D26", "network error logging headers", "", "§6, §8, §9.1", &["d26_network_error_logging_by_option"]),
];
