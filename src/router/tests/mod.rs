//! The conformance cases of §17 by their ids, through the whole router: a client and dynos that speak raw bytes over
//! in-memory pipes, in paused time. Limits of single parts are tested beside those parts.

mod a_head;
mod b_request_framing;
mod c_request_headers;
mod d_responses;
mod e_expect_and_upgrade;
mod f_timers_and_states;
mod fuzz;
mod g_keep_alive_and_log;
mod h_http2;
mod over_tcp;
mod stage;
mod under_load;
