//! What a client connection's IO and its exchanges tell one another: which request hyper is at, how far its answer
//! is, what went wrong on the client's side.
//!
//! The log record of an exchange waits here until the last byte of its answer was handed to the socket; an answer
//! that never gets that far is logged as interrupted when the connection goes.

use super::chunks::BodyScan;
use super::client::{Client, Counted, Origin};
use super::head::{Framing, HeadScan, Refusal};
use super::record::Record;
use super::splice::{CONTINUE, Splice};
use super::{Shared, failure::Failure, headers, upgrade::Tunnel};
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Requests that the legacy router takes on one connection.
const LEGACY_REQUESTS: u32 = 100;

/// What a connection's IO and its exchanges share. Both live in one task, so the lock is never contended.
pub(super) struct ClientWire {
    pub(super) shared: Arc<Shared>,
    origin: Origin,
    state: Mutex<ClientState>,
    _counted: Counted,
}

/// What both see.
pub(super) struct ClientState {
    pub(super) phase: Phase,
    pub(super) scan: HeadScan,
    /// When the connection was accepted or the last answer ended.
    pub(super) idle_since: Instant,
    pub(super) answer: Answer,
    pub(super) fault: Option<Failure>,
    pub(super) refusal: Option<Refusal>,
    pub(super) splice: Splice,
    /// What is left of a `100 Continue` from the dyno.
    pub(super) interim: &'static [u8],
    pub(super) written: u64,
    /// Requests so far.
    pub(super) requests: u32,
    /// hyper was given some of an answer that is not written.
    pub(super) unwritten: bool,
    pub(super) tunnel: Option<Tunnel>,
}

/// How far the answer to the request is.
#[derive(Default)]
pub(super) enum Answer {
    /// There is no request, or its answer was written.
    #[default]
    None,
    /// An exchange is at work on it.
    Awaited,
    /// hyper has all of it; to be logged, if at all, when it is written.
    Leaving(Option<Box<Record>>),
}

/// Where hyper is with the client's bytes; see [`super::client_io`].
pub(super) enum Phase {
    Head,
    Deliver(usize),
    Body(BodyScan),
    Hold,
    Closing,
}

impl ClientWire {
    pub(super) fn new(shared: Arc<Shared>, origin: Origin) -> Arc<Self> {
        let state = ClientState {
            phase: Phase::Head,
            scan: HeadScan::default(),
            idle_since: Instant::now(),
            answer: Answer::None,
            fault: None,
            refusal: None,
            splice: Splice::default(),
            interim: &[],
            written: 0,
            requests: 0,
            unwritten: false,
            tunnel: None,
        };
        let counted = Counted::new(&shared);
        Arc::new(Self { shared, origin, state: Mutex::new(state), _counted: counted })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ClientState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An exchange begins: how its body is delimited, whether the client speaks HTTP/1.0, and whether this is the last
    /// request that the connection may carry: the legacy router takes a hundred (§8).
    pub(super) fn open(&self) -> (Framing, bool, bool) {
        let mut state = self.lock();
        state.written = 0;
        state.requests += 1;
        let last = self.shared.config.is_legacy() && state.requests >= LEGACY_REQUESTS;
        (state.scan.framing(), state.scan.is_old(), last)
    }

    /// Keeps hyper from asking for the body: the dyno will.
    pub(super) fn mute_continue(&self) {
        self.lock().splice.mute_continue();
    }

    pub(super) fn take_tunnel(&self) -> Option<Tunnel> {
        self.lock().tunnel.take()
    }
}

impl Client for ClientWire {
    fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn origin(&self) -> Origin {
        self.origin
    }

    fn fault(&self) -> Option<Failure> {
        self.lock().fault
    }

    fn finish(&self, record: Option<Box<Record>>) {
        self.lock().answer = Answer::Leaving(record);
    }

    fn cut(&self, mut record: Box<Record>) {
        record.wire_bytes = self.lock().written;
        self.shared.log(&record);
    }

    fn go_on(&self) {
        self.lock().interim = CONTINUE;
    }

    /// What hyper would not write goes in behind its back: see [`super::splice`].
    fn head(&self, headers: &mut HeaderMap, bodiless: bool) {
        let lines = if bodiless { headers::take_framing(headers) } else { Vec::new() };
        let mut state = self.lock();
        if state.scan.is_old() && !bodiless && !headers.contains_key(CONTENT_LENGTH) {
            // HTTP/1.0 has no chunks: the body ends with the connection, whatever the client asked for.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if !lines.is_empty() || state.scan.is_old() {
            state.splice.head(lines);
        }
    }

    fn trailers(&self, trailers: HeaderMap) -> Option<HeaderMap> {
        let mut state = self.lock();
        // An HTTP/1.0 client has no use for them.
        if !state.scan.is_old() {
            state.splice.trailers(&trailers);
        }
        None
    }

    fn handed_over(&self) {
        self.lock().unwritten = true;
    }

    fn is_unwritten(&self) -> bool {
        self.lock().unwritten
    }

    fn leave_tunnel(&self, tunnel: Tunnel) {
        self.lock().tunnel = Some(tunnel);
    }
}

impl Drop for ClientWire {
    /// An answer that was never written to its end.
    fn drop(&mut self) {
        let failure = self.interruption();
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Answer::Leaving(Some(mut record)) = std::mem::take(&mut state.answer) {
            record.failure = Some(failure);
            record.wire_bytes = state.written;
            self.shared.log(&record);
        }
    }
}
