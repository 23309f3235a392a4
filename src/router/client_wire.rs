//! What a client connection's IO and its exchanges tell one another: which request hyper is at, how far its answer
//! is, what went wrong on the client's side.
//!
//! The log record of an exchange waits here until the last byte of its answer was handed to the socket; an answer
//! that never gets that far is logged as interrupted when the connection goes.

use super::chunks::BodyScan;
use super::head::{Framing, HeadScan, Refusal};
use super::record::Record;
use super::splice::Splice;
use super::{Shared, failure::Failure, upgrade::Tunnel};
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Where a connection comes from and arrived at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) peer: IpAddr,
    pub(super) port: u16,
    /// `tls1.3` and the like, on a TLS listener.
    pub(super) tls: Option<&'static str>,
}

/// What a connection's IO and its exchanges share. Both live in one task, so the lock is never contended.
pub(super) struct ClientWire {
    pub(super) shared: Arc<Shared>,
    pub(super) origin: Origin,
    state: Mutex<ClientState>,
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
    pub(super) written: u64,
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
            written: 0,
            unwritten: false,
            tunnel: None,
        };
        shared.connections.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { shared, origin, state: Mutex::new(state) })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ClientState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An exchange begins: how its body is delimited, and whether the client speaks HTTP/1.0.
    pub(super) fn open(&self) -> (Framing, bool) {
        let mut state = self.lock();
        state.written = 0;
        (state.scan.framing(), state.scan.is_old())
    }

    /// The exchange has handed its whole answer to hyper; the record is logged when it is written.
    pub(super) fn finish(&self, record: Option<Record>) {
        self.lock().answer = Answer::Leaving(record.map(Box::new));
    }

    /// Some of the answer was handed to hyper.
    pub(super) fn handed_over(&self) {
        self.lock().unwritten = true;
    }

    /// Whether some of what hyper was handed is not written.
    pub(super) fn is_unwritten(&self) -> bool {
        self.lock().unwritten
    }

    /// The exchange is over without an answer that could be completed.
    pub(super) fn cut(&self, mut record: Record) {
        record.wire_bytes = self.lock().written;
        self.shared.log(&record);
    }

    /// What is wrong with the client's side, if anything.
    pub(super) fn fault(&self) -> Option<Failure> {
        self.lock().fault
    }

    /// Why an exchange was dropped in the middle: the router was stopped, or the client is to blame.
    pub(super) fn interruption(&self) -> Failure {
        if self.shared.is_forced() { Failure::Forced } else { self.fault().unwrap_or(Failure::ClientGone) }
    }

    /// Puts `lines` into the response head that comes next, and makes its version 1.1.
    pub(super) fn splice_head(&self, lines: Vec<u8>) {
        self.lock().splice.head(lines);
    }

    /// Puts trailers at the end of the response that is being written.
    pub(super) fn splice_trailers(&self, trailers: &http::HeaderMap) {
        self.lock().splice.trailers(trailers);
    }

    /// Leaves an upgraded connection for when hyper lets go of it.
    pub(super) fn leave_tunnel(&self, tunnel: Tunnel) {
        self.lock().tunnel = Some(tunnel);
    }

    pub(super) fn take_tunnel(&self) -> Option<Tunnel> {
        self.lock().tunnel.take()
    }
}

impl Drop for ClientWire {
    /// An answer that was never written to its end.
    fn drop(&mut self) {
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Answer::Leaving(Some(mut record)) = std::mem::take(&mut state.answer) {
            let fault = state.fault.unwrap_or(Failure::ClientGone);
            record.failure = Some(if self.shared.is_forced() { Failure::Forced } else { fault });
            record.wire_bytes = state.written;
            self.shared.log(&record);
        }
    }
}
