//! The client's side of an exchange, as the exchange sees it: an HTTP/1 connection, or one stream of an HTTP/2
//! connection. What differs between the two on the way to the client is said here, and nowhere else.

use super::Shared;
use super::failure::Failure;
use super::record::Record;
use super::upgrade::Tunnel;
use http::HeaderMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Where a request comes from, and what it arrived at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) peer: IpAddr,
    pub(super) port: u16,
    /// `tls1.3` and the like, on a TLS listener.
    pub(super) tls: Option<&'static str>,
    pub(super) protocol: Protocol,
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Protocol {
    #[default]
    Http1,
    /// Router 2.0 offers it on TLS listeners, and speaks HTTP/1.1 to the dyno all the same (§14).
    Http2,
}

impl Protocol {
    /// The value of `protocol=` in Router 2.0's log line (§1).
    pub(super) fn logged(self) -> &'static str {
        match self {
            Self::Http1 => "http1.1",
            Self::Http2 => "http2.0",
        }
    }
}

/// What an exchange tells its client's side, and asks of it.
pub(super) trait Client: Send + Sync {
    fn shared(&self) -> &Arc<Shared>;

    fn origin(&self) -> Origin;

    /// What is wrong with the client's side, if anything.
    fn fault(&self) -> Option<Failure>;

    /// The exchange has handed over its whole answer; the record is logged when that is written.
    fn finish(&self, record: Option<Box<Record>>);

    /// The exchange is over without an answer that could be completed.
    fn cut(&self, record: Box<Record>);

    /// Makes of a response's headers what this client's protocol has. `bodiless`: there are no body bytes, whatever
    /// the framing headers say; they are kept for the client all the same (§9.1).
    fn head(&self, headers: &mut HeaderMap, bodiless: bool);

    /// Sends `100 Continue`. Only HTTP/1.1 clients get one from the dyno.
    fn go_on(&self) {}

    /// Trailers that end the response; what comes back is still to be sent as a frame of the body.
    fn trailers(&self, trailers: HeaderMap) -> Option<HeaderMap>;

    /// Some of the answer was handed over.
    fn handed_over(&self) {}

    /// Whether some of what was handed over would be lost if the answer were cut now.
    fn is_unwritten(&self) -> bool {
        false
    }

    /// Leaves an upgraded connection for when the protocol is done with it.
    fn leave_tunnel(&self, tunnel: Tunnel);

    /// Why an exchange was dropped in the middle: the router was stopped, or the client is to blame.
    fn interruption(&self) -> Failure {
        if self.shared().is_forced() { Failure::Forced } else { self.fault().unwrap_or(Failure::ClientGone) }
    }
}

/// One client connection, for as long as it counts (H22).
pub(super) struct Counted(Arc<Shared>);

impl Counted {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
