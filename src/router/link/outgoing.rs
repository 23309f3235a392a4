//! A request on its way to a dyno.

use super::super::body::ClientBody;
use super::super::dial::DynoStream;
use super::super::head::Framing;
use super::super::splice::{trailer_lines, write_line};
use super::Deadline;
use bytes::{Buf, Bytes};
use http::request;
use http_body::{Body, Frame};
use std::collections::VecDeque;
use std::io::{IoSlice, Write as _};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;
use tokio::time::{Duration, Instant};

/// Bytes of body that are taken from the client before some are written.
const AHEAD: usize = 64 * 1024;
/// Pieces written at a time.
const PIECES: usize = 8;

/// How far the sending is, where it is at an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The whole request is written.
    All,
    /// The client broke it off.
    Broken,
    /// The dyno takes no more of it.
    Stalled,
}

/// What is left of a request.
pub(super) struct Outgoing {
    /// The head, and what stands between chunks; kept until all that is queued is written.
    lines: Vec<u8>,
    /// To be written, in this order.
    queue: VecDeque<Piece>,
    queued: usize,
    body: ClientBody,
    chunked: bool,
    taken: Taken,
    /// The dyno has closed, and takes no more bytes.
    deaf: bool,
    stall: Deadline,
}

/// How much of the body was taken from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Some,
    All,
    /// The client broke it off; what it sent before is written all the same.
    Broken,
}

/// Some of what is to be written.
enum Piece {
    /// Of the lines.
    Lines(Range<usize>),
    Data(Bytes),
}

impl Piece {
    fn bytes<'a>(&'a self, lines: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Lines(range) => &lines[range.clone()],
            Self::Data(data) => data,
        }
    }

    /// Takes off what was written, up to its end. What is left of `n`.
    fn advance(&mut self, n: usize) -> usize {
        match self {
            Self::Lines(range) => {
                let part = n.min(range.len());
                range.start += part;
                n - part
            }
            Self::Data(data) => {
                let part = n.min(data.len());
                data.advance(part);
                n - part
            }
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Lines(range) => range.is_empty(),
            Self::Data(data) => data.is_empty(),
        }
    }
}

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            queue: VecDeque::new(),
            queued: 0,
            body: ClientBody::None,
            chunked: false,
            taken: Taken::All,
            deaf: false,
            stall: Deadline::default(),
        }
    }
}

impl Outgoing {
    /// Begins with a request, whose headers are as the dyno is to see them.
    pub(super) fn begin(&mut self, parts: &request::Parts, body: ClientBody, framing: Framing) {
        self.queue.clear();
        self.queued = 0;
        self.lines.clear();
        let (mark, query) = parts.uri.query().map_or(("", ""), |query| ("?", query));
        // Path and query, whatever form the client's target has; of an empty path this is the root (§5).
        let path = match parts.uri.path() {
            "" => "/",
            path => path,
        };
        for word in [parts.method.as_str(), " ", path, mark, query, " HTTP/1.1\r\n"] {
            self.lines.extend_from_slice(word.as_bytes());
        }
        for (name, value) in &parts.headers {
            write_line(&mut self.lines, name, value);
        }
        self.lines.extend_from_slice(b"\r\n");
        self.push_lines(0);
        self.chunked = framing == Framing::Chunked;
        self.taken = Taken::Some;
        self.stall.clear();
        self.body = body;
        self.look_for_end();
    }

    /// Whether the client has sent all of it.
    pub(super) fn is_drained(&self) -> bool {
        self.taken == Taken::All
    }

    /// Whether all of it was written.
    pub(super) fn is_written(&self) -> bool {
        self.is_drained() && self.queue.is_empty()
    }

    /// Whether the dyno was seen to take no more bytes.
    pub(super) fn is_refused(&self) -> bool {
        self.deaf
    }

    /// Writes as much as the dyno takes. Ready when there is no more to write, or it takes nothing for `idle`.
    pub(super) fn poll(
        &mut self,
        socket: &mut Box<dyn DynoStream>,
        cx: &mut Context<'_>,
        idle: Duration,
    ) -> Poll<Sent> {
        loop {
            let taken = self.poll_take(cx);
            while !self.queue.is_empty() {
                if ready!(self.poll_write(socket, cx, idle)).is_err() {
                    return Poll::Ready(Sent::Stalled);
                }
            }
            match self.taken {
                Taken::Some => ready!(taken),
                Taken::All => return Poll::Ready(Sent::All),
                Taken::Broken => return Poll::Ready(Sent::Broken),
            }
        }
    }

    /// Takes of the body what the client has sent, to some amount. Pending when there is no more now.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.taken == Taken::Some && self.queued < AHEAD {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => self.take(frame),
                Some(Err(_)) => self.taken = Taken::Broken,
                None => self.finish(&[]),
            }
        }
        Poll::Ready(())
    }

    fn take(&mut self, frame: Frame<Bytes>) {
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                if self.chunked {
                    let from = self.lines.len();
                    // Writing to a vector cannot fail.
                    let _ = write!(self.lines, "{:X}\r\n", data.len());
                    self.push_lines(from);
                }
                self.queued += data.len();
                self.queue.push_back(Piece::Data(data));
                if self.chunked {
                    let from = self.lines.len();
                    self.lines.extend_from_slice(b"\r\n");
                    self.push_lines(from);
                }
                self.look_for_end();
            }
            Err(frame) => {
                let lines = frame.into_trailers().map(|trailers| trailer_lines(&trailers)).unwrap_or_default();
                self.finish(&lines);
            }
        }
    }

    /// A body that tells its end is not asked again.
    fn look_for_end(&mut self) {
        if self.body.is_end_stream() {
            self.finish(&[]);
        }
    }

    fn finish(&mut self, trailers: &[u8]) {
        if self.chunked {
            let from = self.lines.len();
            for part in [b"0\r\n", trailers, b"\r\n"] {
                self.lines.extend_from_slice(part);
            }
            self.push_lines(from);
        }
        self.taken = Taken::All;
        self.body = ClientBody::None;
    }

    /// Queues the lines from there on.
    fn push_lines(&mut self, from: usize) {
        let range = from..self.lines.len();
        self.queued += range.len();
        self.queue.push_back(Piece::Lines(range));
    }

    /// Writes some of the queue.
    fn poll_write(
        &mut self,
        socket: &mut Box<dyn DynoStream>,
        cx: &mut Context<'_>,
        idle: Duration,
    ) -> Poll<Result<(), Stalled>> {
        if self.deaf {
            self.written(self.queued);
            return Poll::Ready(Ok(()));
        }
        let socket = Pin::new(socket);
        let mut pieces = [IoSlice::new(&[]); PIECES];
        for (slice, piece) in pieces.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(piece.bytes(&self.lines));
        }
        let written = match self.queue.len() {
            1 => socket.poll_write(cx, &pieces[0]),
            n => socket.poll_write_vectored(cx, &pieces[..n.min(PIECES)]),
        };
        match written {
            Poll::Ready(Ok(n)) if n > 0 => {
                self.stall.clear();
                self.written(n);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(_) => {
                self.deaf = true;
                Poll::Ready(Ok(()))
            }
            Poll::Pending => {
                self.stall.start(|| Instant::now() + idle);
                ready!(self.stall.poll(cx));
                Poll::Ready(Err(Stalled))
            }
        }
    }

    fn written(&mut self, mut n: usize) {
        self.queued -= n;
        while let Some(first) = self.queue.front_mut() {
            n = first.advance(n);
            if !first.is_empty() {
                return;
            }
            self.queue.pop_front();
        }
        self.lines.clear();
    }
}

/// The dyno took nothing for the idle time.
struct Stalled;
