//! The dyno's side of a connection, between its socket and hyper.
//!
//! A response head is kept here until it has passed [`AnswerScan`]; interim responses are dropped, but for a
//! `100 Continue` that the client may have. It keeps the
//! dyno's timers (§7): 30 s to the first byte, from when the whole request was written, and 55 s from byte to byte
//! after it. A timer counts only while hyper wants to read: a client that takes its time is not the dyno's silence.
//!
//! A dyno that closes while it is still being sent a request may have answered first (413, say). So a failed write is
//! swallowed, and the reading side tells what became of the request.

use super::answer::{AnswerScan, Scan};
use super::deadline::Deadline;
use super::dial::DynoStream;
use super::failure::Failure;
use super::splice::Splice;
use bytes::{Buf, BytesMut};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Duration, Instant};
use tokio_util::io::poll_read_buf;

/// Bytes asked of the socket at a time for a head, at least.
const READ: usize = 8 * 1024;
/// Bytes asked of the socket at a time for a body, at most; keeps hyper's adaptive buffer small.
const READ_BODY: usize = 64 * 1024;

/// What a connection's IO and the exchange that uses it share. Both live in one task.
#[derive(Debug)]
pub(super) struct DynoWire {
    first_byte: Duration,
    idle: Duration,
    state: Mutex<DynoState>,
}

#[derive(Debug, Default)]
struct DynoState {
    phase: Phase,
    /// hyper was given the whole request to write.
    sent: bool,
    /// The whole request was written.
    waiting: bool,
    /// A byte of the response has come.
    answered: bool,
    fault: Option<Failure>,
    splice: Splice,
    continues: Continue,
    continued: Continued,
}

/// Whether `100 Continue` has come.
#[derive(Debug, Default, PartialEq, Eq)]
enum Continued {
    #[default]
    No,
    /// It has, and the client is still to be told.
    Untold,
    Done,
}

/// What becomes of the dyno's `100 Continue` (§10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Continue {
    /// It is dropped.
    #[default]
    Dropped,
    /// The first is passed on, though nobody asked for it.
    Passed,
    /// The client waits for it, so there may be one only.
    Awaited,
}

#[derive(Debug, Default)]
enum Phase {
    /// Between requests.
    #[default]
    Idle,
    Head(AnswerScan),
    Deliver(usize),
    Body,
}

impl DynoState {
    /// A `100 Continue` has come.
    fn go_on(&mut self) -> Result<(), Failure> {
        self.continued = match (&self.continued, self.continues) {
            (Continued::No, Continue::Dropped) => Continued::Done,
            (Continued::No, _) => Continued::Untold,
            (_, Continue::Awaited) => return Err(Failure::SecondContinue),
            (Continued::Untold, _) => Continued::Untold,
            (Continued::Done, _) => Continued::Done,
        };
        Ok(())
    }
}

impl DynoWire {
    pub(super) fn new(first_byte: Duration, idle: Duration) -> Arc<Self> {
        Arc::new(Self { first_byte, idle, state: Mutex::new(DynoState::default()) })
    }

    fn lock(&self) -> MutexGuard<'_, DynoState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is about to be sent.
    pub(super) fn begin(&self, continues: Continue) {
        *self.lock() = DynoState { phase: Phase::Head(AnswerScan::default()), continues, ..DynoState::default() };
    }

    /// Whether the client is to be sent `100 Continue` now.
    pub(super) fn take_continue(&self) -> bool {
        let mut state = self.lock();
        let untold = state.continued == Continued::Untold;
        if untold {
            state.continued = Continued::Done;
        }
        untold
    }

    /// The client waited for `100 Continue`, and got none.
    pub(super) fn is_uncontinued(&self) -> bool {
        let state = self.lock();
        state.continues == Continue::Awaited && state.continued == Continued::No
    }

    /// The response is over.
    pub(super) fn end(&self) {
        self.lock().phase = Phase::Idle;
    }

    /// hyper has the whole request.
    pub(super) fn request_sent(&self) {
        self.lock().sent = true;
    }

    /// Whether hyper has the whole request.
    pub(super) fn is_request_sent(&self) -> bool {
        self.lock().sent
    }

    /// Puts trailers at the end of the request that is being written.
    pub(super) fn splice_trailers(&self, trailers: &http::HeaderMap) {
        self.lock().splice.trailers(trailers);
    }

    /// What went wrong on the dyno's side, if that was more than a closed connection.
    pub(super) fn fault(&self) -> Option<Failure> {
        self.lock().fault
    }

    /// Whether a byte of the response has come.
    pub(super) fn is_answered(&self) -> bool {
        self.lock().answered
    }
}

/// A dyno's socket as hyper sees it.
pub(super) struct DynoIo {
    socket: Box<dyn DynoStream>,
    wire: Arc<DynoWire>,
    head: BytesMut,
    silence: Deadline,
    /// It takes no bytes of the request: the idle time applies.
    stall: Deadline,
    /// It has closed, and takes no more bytes.
    deaf: bool,
}

impl DynoIo {
    pub(super) fn new(socket: Box<dyn DynoStream>, wire: Arc<DynoWire>) -> Self {
        Self {
            socket,
            wire,
            head: BytesMut::new(),
            silence: Deadline::default(),
            stall: Deadline::default(),
            deaf: false,
        }
    }

    /// The socket, and what was read of it that hyper has not seen; for an upgraded connection.
    pub(super) fn into_parts(self) -> (Box<dyn DynoStream>, BytesMut) {
        (self.socket, self.head)
    }

    /// Ready with the failure once the dyno has been silent for too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>, state: &mut DynoState) -> Poll<io::Error> {
        if state.answered {
            self.silence.start(|| Instant::now() + self.wire.idle);
        } else if state.waiting {
            self.silence.start(|| Instant::now() + self.wire.first_byte);
        }
        ready!(self.silence.poll(cx));
        state.fault = Some(if state.answered { Failure::Idle } else { Failure::FirstByte });
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// Waits for a whole head. Ready with its length, 0 at the end of the stream.
    fn poll_head(&mut self, cx: &mut Context<'_>, state: &mut DynoState) -> Poll<io::Result<usize>> {
        let Phase::Head(mut scan) = std::mem::take(&mut state.phase) else { return Poll::Ready(Ok(0)) };
        let outcome = loop {
            match scan.scan(&self.head) {
                Scan::Done(length) => return Poll::Ready(Ok(length)),
                Scan::Interim(length) => {
                    if self.head[9..12] == *b"100"
                        && let Err(failure) = state.go_on()
                    {
                        state.fault = Some(failure);
                        break Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                    }
                    self.head.advance(length);
                    // The times of §7 are those of a response, which this is not while the request is being sent.
                    state.answered = state.sent || !self.head.is_empty();
                    continue;
                }
                Scan::Refused(failure) => {
                    state.fault = Some(failure);
                    break Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                Scan::More => {}
            }
            self.head.reserve(READ);
            match poll_read_buf(Pin::new(&mut self.socket), cx, &mut self.head) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Ok(0)),
                Poll::Ready(Ok(_)) => {
                    state.answered = true;
                    self.silence.clear();
                }
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break self.poll_silence(cx, state).map(Err),
            }
        };
        state.phase = Phase::Head(scan);
        outcome
    }
}

/// Reads into `out`, but no more than `most` bytes.
fn poll_read_at_most(
    socket: Pin<&mut (impl AsyncRead + ?Sized)>,
    cx: &mut Context<'_>,
    out: &mut ReadBuf<'_>,
    most: usize,
) -> Poll<io::Result<()>> {
    if out.remaining() <= most {
        return socket.poll_read(cx, out);
    }
    let mut part = ReadBuf::new(out.initialize_unfilled_to(most));
    ready!(socket.poll_read(cx, &mut part))?;
    let n = part.filled().len();
    out.advance(n);
    Poll::Ready(Ok(()))
}

impl AsyncRead for DynoIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let wire = Arc::clone(&this.wire);
        let mut guard = wire.lock();
        let state = &mut *guard;
        if matches!(state.phase, Phase::Head(_)) {
            match ready!(this.poll_head(cx, state))? {
                0 => return Poll::Ready(Ok(())),
                length => state.phase = Phase::Deliver(length),
            }
        }
        if let Phase::Deliver(left) = &mut state.phase {
            let n = out.remaining().min(*left);
            out.put_slice(&this.head[..n]);
            this.head.advance(n);
            *left -= n;
            if *left == 0 {
                state.phase = Phase::Body;
            }
            return Poll::Ready(Ok(()));
        }
        if !this.head.is_empty() {
            let n = out.remaining().min(this.head.len());
            out.put_slice(&this.head[..n]);
            this.head.advance(n);
            return Poll::Ready(Ok(()));
        }
        match poll_read_at_most(Pin::new(&mut this.socket), cx, out, READ_BODY) {
            Poll::Ready(Ok(())) => {
                this.silence.clear();
                Poll::Ready(Ok(()))
            }
            Poll::Pending if matches!(state.phase, Phase::Body) => this.poll_silence(cx, state).map(Err),
            other => other,
        }
    }
}

impl AsyncWrite for DynoIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.deaf {
            return Poll::Ready(Ok(bytes.len()));
        }
        let mut state = this.wire.lock();
        match state.splice.poll_write(&mut this.socket, cx, bytes) {
            Poll::Ready(Ok(n)) if n > 0 => {
                this.stall.clear();
                Poll::Ready(Ok(n))
            }
            Poll::Ready(_) => {
                this.deaf = true;
                Poll::Ready(Ok(bytes.len()))
            }
            Poll::Pending => {
                this.stall.start(|| Instant::now() + this.wire.idle);
                ready!(this.stall.poll(cx));
                state.fault = Some(if state.answered { Failure::Idle } else { Failure::FirstByte });
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.deaf && ready!(Pin::new(&mut this.socket).poll_flush(cx)).is_err() {
            this.deaf = true;
        }
        let wire = Arc::clone(&this.wire);
        let mut state = wire.lock();
        if state.sent && !state.waiting {
            state.waiting = true;
            if !state.answered && this.poll_silence(cx, &mut state).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
