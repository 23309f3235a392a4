//! The client's side of a connection, between its socket and hyper.
//!
//! hyper gets to see one request at a time, and only what the strict checks let through:
//!
//! ```text
//!   Head ──► Deliver ──► Body ──► Hold ──► Head …
//!    │          └──────────────────▲│
//!    └──► Closing (refused, or silent too long)
//! ```
//!
//! - `Head`: bytes are kept here until a whole head has passed [`HeadScan`].
//! - `Deliver`, `Body`: hyper reads the head, then the body as far as [`BodyScan`] follows it.
//! - `Hold`: the request is complete; what the client sends ahead stays here until the answer is written. The end of
//!   the stream now means that the client is gone.
//!
//! It also keeps the client's timers (§7), and the log record of the answer that is being written: the record goes
//! out once the last byte of the answer was handed to the socket.

use super::chunks::{BodyScan, Progress};
use super::client_wire::{Answer, ClientState, ClientWire, Phase};
use super::deadline::Deadline;
use super::failure::Failure;
use super::head::{Framing, HeadScan, Refusal, Scan};
use bytes::{Buf, BytesMut};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Duration, Instant};
use tokio_util::io::poll_read_buf;

/// Bytes asked of the socket at a time: at most of an idle client, at least of a busy one.
const READ_IDLE: usize = 4 * 1024;
const READ: usize = 16 * 1024;
/// How long the unread rest of a request is taken and dropped after the answer, so that a reset does not overtake it.
const LINGER: Duration = Duration::from_secs(2);

/// The client's socket as hyper sees it.
pub(super) struct ClientIo<S> {
    socket: S,
    wire: Arc<ClientWire>,
    /// Read from the socket, not yet seen by hyper.
    ahead: BytesMut,
    reading: Deadline,
    writing: Deadline,
    lingering: Deadline,
    /// What is left of the answer to a refused head.
    last_words: Option<Vec<u8>>,
    /// The client has closed its sending side.
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientIo<S> {
    pub(super) fn new(socket: S, wire: Arc<ClientWire>) -> Self {
        Self {
            socket,
            wire,
            ahead: BytesMut::new(),
            reading: Deadline::default(),
            writing: Deadline::default(),
            lingering: Deadline::default(),
            last_words: None,
            ended: false,
        }
    }

    /// The socket, and what was read of it that hyper has not seen; for an upgraded connection.
    pub(super) fn into_parts(self) -> (S, BytesMut) {
        (self.socket, self.ahead)
    }

    /// Reads what the socket has into `ahead`, which is empty, by way of the stack: a client that stays idle costs no
    /// buffer. Ready with the number of bytes, 0 at the end of the stream.
    fn fill_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [MaybeUninit::uninit(); READ_IDLE];
        let mut part = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut part))?;
        self.ahead.extend_from_slice(part.filled());
        let n = part.filled().len();
        self.ended = n == 0;
        Poll::Ready(Ok(n))
    }

    /// Reads what the socket has into `ahead`. Ready with the number of bytes, 0 at the end of the stream.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.ahead.reserve(READ);
        let n = ready!(poll_read_buf(Pin::new(&mut self.socket), cx, &mut self.ahead))?;
        self.ended = n == 0;
        Poll::Ready(Ok(n))
    }

    /// Waits for a whole head. Ready with whether there is one; otherwise the connection is at its end.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Phase>> {
        loop {
            let wire = Arc::clone(&self.wire);
            let mut state = wire.lock();
            if !self.ahead.is_empty() {
                match state.scan.scan(&self.ahead) {
                    Scan::Done(length) => {
                        self.reading.clear();
                        let Some(mut encoded) = state.scan.encoded(&self.ahead[..length]) else {
                            return Poll::Ready(Ok(Phase::Deliver(length)));
                        };
                        let length_encoded = encoded.len();
                        encoded.extend_from_slice(&self.ahead[length..]);
                        self.ahead = BytesMut::from(&encoded[..]);
                        return Poll::Ready(Ok(Phase::Deliver(length_encoded)));
                    }
                    Scan::Refused(refusal) => {
                        state.refusal = Some(refusal);
                        return Poll::Ready(Ok(Phase::Closing));
                    }
                    Scan::More => {}
                }
            }
            match if self.ahead.is_empty() { self.fill_idle(cx) } else { self.fill(cx) } {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(Phase::Closing)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    let timeouts = &wire.shared.config.timeouts;
                    let limit = if self.ahead.is_empty() { timeouts.keep_alive } else { timeouts.head };
                    self.reading.set(state.idle_since + limit);
                    ready!(self.reading.poll(cx));
                    state.refusal = state.scan.has_request_line().then_some(Refusal(408));
                    return Poll::Ready(Ok(Phase::Closing));
                }
            }
        }
    }

    /// Hands over body bytes as far as they are sound.
    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        state: &mut ClientState,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Phase::Body(body) = &mut state.phase else { return Poll::Ready(Ok(())) };
        if self.ahead.is_empty() {
            match self.fill(cx) {
                Poll::Ready(Ok(0)) => {
                    state.fault = Some(Failure::ClientGone);
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(_)) => self.reading.clear(),
                Poll::Ready(Err(error)) => {
                    state.fault = Some(Failure::ClientGone);
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => {
                    self.reading.start(|| Instant::now() + self.wire.shared.config.timeouts.idle);
                    ready!(self.reading.poll(cx));
                    state.fault = Some(Failure::ClientIdle);
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        let have = self.ahead.len().min(out.remaining());
        let sound = match body.scan(&self.ahead[..have]) {
            Progress::More => have,
            Progress::Done(end) => {
                state.phase = Phase::Hold;
                end
            }
            Progress::Broken(0) => {
                state.fault = Some(Failure::BadChunk);
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            Progress::Broken(end) => end,
        };
        out.put_slice(&self.ahead[..sound]);
        self.ahead.advance(sound);
        Poll::Ready(Ok(()))
    }

    /// Waits for the answer's end. Ready when the next head may be read, or with an error when the client is gone.
    fn poll_hold(&mut self, cx: &mut Context<'_>, state: &mut ClientState) -> Poll<io::Result<Next>> {
        if matches!(state.answer, Answer::None) {
            return Poll::Ready(Ok(Next::Head));
        }
        // What was sent ahead is enough to know that the client is there; it is read on after the answer.
        if !self.ahead.is_empty() || ready!(self.fill_idle(cx))? > 0 {
            return Poll::Pending;
        }
        if matches!(state.answer, Answer::Leaving(_)) || self.wire.shared.config.half_close {
            return Poll::Pending;
        }
        state.fault = Some(Failure::ClientGone);
        Poll::Ready(Ok(Next::End))
    }

    /// Writes what there is of the dyno's `100 Continue`, which comes before all that hyper has to write.
    fn poll_interim(&mut self, cx: &mut Context<'_>, state: &mut ClientState) -> Poll<io::Result<()>> {
        while !state.interim.is_empty() {
            let n = ready!(Pin::new(&mut self.socket).poll_write(cx, state.interim))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            state.interim = &state.interim[n..];
        }
        Poll::Ready(Ok(()))
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.lingering.start(|| Instant::now() + LINGER);
        loop {
            self.ahead.clear();
            match self.fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return self.lingering.poll(cx),
            }
        }
    }
}

enum Next {
    Head,
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ClientIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let wire = Arc::clone(&this.wire);
        loop {
            let mut guard = wire.lock();
            let state = &mut *guard;
            match &mut state.phase {
                Phase::Head => {
                    drop(guard);
                    let phase = ready!(this.poll_head(cx))?;
                    wire.lock().phase = phase;
                }
                Phase::Deliver(left) => {
                    let n = out.remaining().min(*left);
                    out.put_slice(&this.ahead[..n]);
                    this.ahead.advance(n);
                    *left -= n;
                    if *left == 0 {
                        state.phase = match state.scan.framing() {
                            Framing::None => Phase::Hold,
                            framing => Phase::Body(BodyScan::new(framing)),
                        };
                        state.answer = Answer::Awaited;
                    }
                    return Poll::Ready(Ok(()));
                }
                Phase::Body(_) => return this.poll_body(cx, state, out),
                Phase::Hold => match ready!(this.poll_hold(cx, state))? {
                    Next::End => return Poll::Ready(Ok(())),
                    Next::Head => {
                        state.phase = Phase::Head;
                        state.scan = HeadScan::default();
                    }
                },
                Phase::Closing => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientIo<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wire = Arc::clone(&this.wire);
        let mut state = wire.lock();
        let written = match this.poll_interim(cx, &mut state) {
            Poll::Ready(Ok(())) => state.splice.poll_write(&mut this.socket, cx, bytes),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        match written {
            Poll::Ready(Ok(n)) => {
                this.writing.clear();
                state.written += n as u64;
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Err(error)) => {
                state.fault = Some(Failure::ClientGone);
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                this.writing.start(|| Instant::now() + this.wire.shared.config.timeouts.idle);
                ready!(this.writing.poll(cx));
                state.fault = Some(Failure::ClientIdle);
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let wire = Arc::clone(&this.wire);
        let mut state = wire.lock();
        ready!(this.poll_interim(cx, &mut state))?;
        ready!(Pin::new(&mut this.socket).poll_flush(cx))?;
        state.unwritten = false;
        if !matches!(state.answer, Answer::Leaving(_)) {
            return Poll::Ready(Ok(()));
        }
        let answer = std::mem::take(&mut state.answer);
        let written = state.written;
        state.idle_since = Instant::now();
        if matches!(state.phase, Phase::Hold) {
            // hyper reads again only when woken: by the socket, by this deadline, or now for what was sent ahead.
            this.reading.set(state.idle_since + wire.shared.config.timeouts.keep_alive);
            if !this.ahead.is_empty() || this.ended || this.reading.poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        drop(state);
        if let Answer::Leaving(Some(mut record)) = answer {
            record.wire_bytes = written;
            wire.shared.log(&record);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (refusal, unread) = {
            let mut state = this.wire.lock();
            (state.refusal.take(), matches!(state.phase, Phase::Body(_)))
        };
        if let Some(refusal) = refusal {
            this.last_words = Some(this.wire.shared.refusal_answer(refusal));
            this.lingering.start(|| Instant::now() + LINGER);
        }
        while let Some(words) = &mut this.last_words {
            let n = ready!(Pin::new(&mut this.socket).poll_write(cx, words))?;
            words.drain(..n);
            if words.is_empty() || n == 0 {
                this.last_words = None;
            }
        }
        ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
        if unread || this.lingering.is_set() {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
