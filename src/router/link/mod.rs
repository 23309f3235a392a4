//! A connection to a dyno. Whoever holds it drives it: there is no task per connection, and no hop between tasks on
//! the way of a request. What is sent is [`outgoing`], what is read [`incoming`].
//!
//! It keeps the dyno's timers (§7): 30 s to the first byte, from when the whole request was written, and 55 s from
//! byte to byte after it. A timer counts only while the router wants to read: a client that takes its time is not the
//! dyno's silence.
//!
//! A dyno that closes while it is still being sent a request may have answered first (413, say). So a failed write is
//! swallowed, and the reading side tells what became of the request.

mod head;
mod incoming;
mod outgoing;

use super::answer::{AnswerScan, Scan};
use super::body::ClientBody;
use super::deadline::Deadline;
use super::dial::DynoStream;
use super::failure::Failure;
use super::head::Framing;
use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, request, response};
use http_body::Frame;
use incoming::{Incoming, Piece};
use outgoing::{Outgoing, Sent};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Duration, Instant};
use tokio_util::io::poll_read_buf;

/// Bytes asked of the socket at a time for a head, at least.
const READ: usize = 8 * 1024;
/// Bytes asked of the socket at a time for a body.
const READ_BODY: usize = 64 * 1024;
/// Room that an idle connection may keep.
const KEPT: usize = 2 * READ;

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

/// Whether `100 Continue` has come.
#[derive(Debug, Default, PartialEq, Eq)]
enum Continued {
    #[default]
    No,
    /// It has, and the client is still to be told.
    Untold,
    Done,
}

/// A connection. A large thing, which is boxed so that it is cheap to hand on.
pub(super) struct Link {
    socket: Box<dyn DynoStream>,
    /// Read, and not yet looked at.
    inbox: BytesMut,
    outgoing: Outgoing,
    scan: AnswerScan,
    /// The request's map of headers, emptied: the response's have its room.
    spare: HeaderMap,
    incoming: Incoming,
    /// To the first byte of a response.
    first_byte: Duration,
    /// Between two bytes of a response, and of a request that the dyno does not take.
    idle: Duration,
    silence: Deadline,
    /// A byte of the response has come.
    answered: bool,
    continues: Continue,
    continued: Continued,
    /// It served a request before.
    pub(super) reused: bool,
    /// Its dyno is not to be sent another request.
    pub(super) spent: bool,
}

impl Link {
    pub(super) fn new(socket: Box<dyn DynoStream>, first_byte: Duration, idle: Duration) -> Box<Self> {
        Box::new(Self {
            socket,
            inbox: BytesMut::new(),
            outgoing: Outgoing::default(),
            scan: AnswerScan::default(),
            spare: HeaderMap::new(),
            incoming: Incoming::Nothing,
            first_byte,
            idle,
            silence: Deadline::default(),
            answered: false,
            continues: Continue::Dropped,
            continued: Continued::No,
            reused: false,
            spent: false,
        })
    }

    /// Begins with a request, which is sent as the connection is polled.
    pub(super) fn begin(&mut self, parts: request::Parts, body: ClientBody, framing: Framing, continues: Continue) {
        self.outgoing.begin(&parts, body, framing);
        self.spare = parts.headers;
        self.spare.clear();
        self.scan.clear();
        self.incoming = Incoming::Nothing;
        self.silence.clear();
        self.answered = false;
        self.continues = continues;
        self.continued = Continued::No;
    }

    /// The response is over: whether the connection can carry another request, as far as can be seen from here.
    pub(super) fn end(&mut self) -> bool {
        let over = self.incoming.is_over() && self.outgoing.is_written();
        let usable = over && !self.spent && self.inbox.is_empty() && !self.outgoing.is_refused();
        if self.inbox.capacity() > KEPT {
            self.inbox = BytesMut::new();
        }
        usable
    }

    /// Whether it is open and silent, as a connection between two requests is to be.
    pub(super) fn is_silent(&mut self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0];
        Pin::new(&mut self.socket).poll_read(cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    /// Whether the client is to be sent `100 Continue` now.
    pub(super) fn take_continue(&mut self) -> bool {
        let untold = self.continued == Continued::Untold;
        if untold {
            self.continued = Continued::Done;
        }
        untold
    }

    /// The client waited for `100 Continue`, and got none.
    pub(super) fn is_uncontinued(&self) -> bool {
        self.continues == Continue::Awaited && self.continued == Continued::No
    }

    /// Whether the client has sent its whole request.
    pub(super) fn is_request_sent(&self) -> bool {
        self.outgoing.is_drained()
    }

    /// The bytes of body that are still to come, where that is known.
    pub(super) fn body_left(&self) -> Option<u64> {
        self.incoming.left()
    }

    /// The whole body, if all of it has come with the head: nothing needs to be waited for then.
    pub(super) fn take_whole(&mut self) -> Option<Bytes> {
        let left = self.incoming.left().and_then(|left| usize::try_from(left).ok())?;
        if left > self.inbox.len() {
            return None;
        }
        self.incoming = Incoming::Nothing;
        Some(self.inbox.split_to(left).freeze())
    }

    /// The socket, and what was read of it behind the head; for an upgraded connection.
    pub(super) fn into_parts(self) -> (Box<dyn DynoStream>, BytesMut) {
        // A tunnel may stay for long, and keeps none of the room that heads were read into.
        (self.socket, BytesMut::from(&self.inbox[..]))
    }

    /// Writes what is left of the request. Ready when all of it is written, or it cannot be.
    pub(super) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_send(cx).map(|_| ())
    }

    /// Waits for the head of the response, while the request is sent. `bodiless` is what the request has to say of
    /// the response: there is no body to the answer of a HEAD.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>, bodiless: bool) -> Poll<Result<response::Parts, Failure>> {
        if let Poll::Ready(length) = self.poll_scan(cx) {
            let head = self.inbox.split_to(length?).freeze();
            let (parts, incoming, last) =
                head::parse(&head, self.scan.fields(), bodiless, std::mem::take(&mut self.spare))?;
            self.incoming = incoming;
            self.spent |= last;
            return Poll::Ready(Ok(parts));
        }
        if let Poll::Ready(Err(failure)) = self.poll_send(cx) {
            return Poll::Ready(Err(failure));
        }
        self.poll_silence(cx).map(Err)
    }

    /// Reads on in the response's body, while what is left of the request is sent.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if !self.outgoing.is_written()
            && let Poll::Ready(Err(failure)) = self.poll_send(cx)
        {
            return Poll::Ready(Some(Err(failure)));
        }
        loop {
            match self.incoming.next(&mut self.inbox) {
                Piece::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Piece::Trailers(trailers) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Piece::End => return Poll::Ready(None),
                Piece::Broken => return Poll::Ready(Some(Err(Failure::Interrupted))),
                Piece::More => {}
            }
            self.inbox.reserve(READ_BODY);
            match poll_read_buf(Pin::new(&mut self.socket), cx, &mut self.inbox) {
                Poll::Ready(Ok(0)) if self.incoming.ends_with_connection() => self.incoming = Incoming::Nothing,
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Some(Err(Failure::Interrupted))),
                Poll::Ready(Ok(_)) => self.silence.clear(),
                Poll::Pending => return self.poll_silence(cx).map(|failure| Some(Err(failure))),
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let sent = ready!(self.outgoing.poll(&mut self.socket, cx, self.idle));
        Poll::Ready(match sent {
            Sent::All => Ok(()),
            // The client's side knows better.
            Sent::Broken => Err(Failure::ClientGone),
            Sent::Stalled => Err(self.silence_is()),
        })
    }

    /// Waits for a whole head. Ready with its length.
    fn poll_scan(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Failure>> {
        loop {
            match self.scan.scan(&self.inbox) {
                Scan::Done(length) => return Poll::Ready(Ok(length)),
                Scan::Interim(length) => {
                    if self.inbox[9..12] == *b"100" {
                        self.go_on()?;
                    }
                    self.inbox.advance(length);
                    // The times of §7 are those of a response, which this is not while the request is being sent.
                    self.answered = self.outgoing.is_drained() || !self.inbox.is_empty();
                    continue;
                }
                Scan::Refused(failure) => return Poll::Ready(Err(failure)),
                Scan::More => {}
            }
            self.inbox.reserve(READ);
            match ready!(poll_read_buf(Pin::new(&mut self.socket), cx, &mut self.inbox)) {
                Ok(0) | Err(_) if self.answered => return Poll::Ready(Err(Failure::Interrupted)),
                Ok(0) | Err(_) => return Poll::Ready(Err(Failure::Unanswered)),
                Ok(_) => {
                    self.answered = true;
                    self.silence.clear();
                }
            }
        }
    }

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

    /// Ready with the failure once the dyno has been silent for too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        if self.answered {
            self.silence.start(|| Instant::now() + self.idle);
        } else if self.outgoing.is_written() {
            self.silence.start(|| Instant::now() + self.first_byte);
        }
        ready!(self.silence.poll(cx));
        Poll::Ready(self.silence_is())
    }

    /// What a dyno's silence is, by whether it has begun to answer.
    fn silence_is(&self) -> Failure {
        if self.answered { Failure::Idle } else { Failure::FirstByte }
    }
}
