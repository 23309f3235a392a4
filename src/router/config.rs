//! What the router can be told, as plain values.

use crate::model::limits;
use crate::model::timeouts::Timeouts;

/// Which of Heroku's two routers is emulated (§14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generation {
    /// Router 2.0, the default of new apps since July 2025.
    #[default]
    Router2,
    /// The router before it: one dyno connection per request, `Via: 1.1 vegur`, H26.
    Legacy,
}

/// The router's options. [`RouterConfig::new`] gives Heroku's defaults.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent switches, each a Heroku feature flag or an option")]
pub struct RouterConfig {
    /// Every timer of §7.
    pub timeouts: Timeouts,
    /// Router 2.0 or legacy.
    pub generation: Generation,
    /// `X-Forwarded-Port`; `None`: the port the client connected to (§5).
    pub forwarded_port: Option<u16>,
    /// In-flight requests per running web dyno, else H11 (§12).
    pub in_flight_per_dyno: usize,
    /// Client connections in all, else H22; `None`: no limit (§2).
    pub connection_limit: Option<usize>,
    /// Reuse dyno connections (off: the labs flag `http-disable-keepalive-to-dyno`; §9.2).
    pub keep_alive_to_dynos: bool,
    /// Offer HTTP/2 to clients of TLS listeners; Router 2.0 only (§14).
    pub http2: bool,
    /// Serve HTTP/2 without TLS too, to clients that begin with its preface. Heroku does not (§14).
    pub h2c: bool,
    /// Error pages that say the code and what failed, in place of Heroku's (§3).
    pub inline_pages: bool,
    /// Send a request again, once, when a pooled connection turns out closed before a byte of it was answered and
    /// the request has no body. Heroku does not: it answers H13 (§9.2).
    pub replay_stale: bool,
    /// `http-session-affinity` (§12).
    pub session_affinity: bool,
    /// Emit the `Nel`, `Report-To` and `Reporting-Endpoints` headers (§6).
    pub network_error_logging: bool,
    /// All dynos quarantined for the whole queue time is H34 instead of H99 (§20 U1).
    pub quarantine_is_h34: bool,
    /// The labs flag `http-end-to-end-continue`: pass `Expect: 100-continue` to the dyno and its 100 to the client,
    /// over HTTP/1 only (§10). Off: the router answers 100 itself.
    pub end_to_end_continue: bool,
    /// Threads that serve connections, at most 8: as many as there are processors. 0: none; connections are served in the
    /// runtime that the router is started in.
    pub threads: usize,
    /// Keep answering a client that has closed its sending side. Heroku's routers take that for a client that is
    /// gone (H27), and so does dynosim unless told.
    pub half_close: bool,
}

impl RouterConfig {
    /// Router 2.0 with Heroku's defaults and these timers.
    pub fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            generation: Generation::Router2,
            forwarded_port: None,
            in_flight_per_dyno: limits::IN_FLIGHT_PER_DYNO,
            connection_limit: None,
            keep_alive_to_dynos: true,
            http2: true,
            h2c: false,
            inline_pages: false,
            replay_stale: false,
            session_affinity: false,
            network_error_logging: false,
            quarantine_is_h34: false,
            end_to_end_continue: false,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            half_close: false,
        }
    }

    pub(super) fn is_legacy(&self) -> bool {
        self.generation == Generation::Legacy
    }
}
