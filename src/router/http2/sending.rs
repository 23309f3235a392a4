//! An answer's body on its way to the client, as far as the client's window allows. The dyno may be ahead of it by
//! [`WINDOW`] bytes, as over HTTP/1 (§8).

use crate::router::body::ResponseBody;
use crate::router::connection::RESPONSE_WINDOW as WINDOW;
use crate::router::deadline::Deadline;
use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;
use http_body::Body as _;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::{Duration, Instant};

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All of it was handed over.
    Sent,
    /// The dyno did not bring all of it.
    Broken,
    /// The client reset the stream, or its connection is gone.
    Gone,
    /// The client took nothing for the idle time.
    Stalled,
}

/// What comes after the last of the data.
enum Last {
    Nothing,
    Trailers(HeaderMap),
    Broken,
}

/// A body that is being sent.
pub(super) struct Sending {
    body: ResponseBody,
    stream: SendStream<Bytes>,
    /// Taken from the dyno, not yet given to the client.
    ahead: VecDeque<Bytes>,
    size: usize,
    last: Option<Last>,
    idle: Duration,
    stall: Deadline,
}

impl Sending {
    pub(super) fn new(body: ResponseBody, stream: SendStream<Bytes>, idle: Duration) -> Self {
        Self { body, stream, ahead: VecDeque::new(), size: 0, last: None, idle, stall: Deadline::default() }
    }

    pub(super) fn reset(&mut self, reason: Reason) {
        self.stream.send_reset(reason);
    }

    /// Ready once it is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if self.stream.poll_reset(cx).is_ready() {
            return Poll::Ready(End::Gone);
        }
        loop {
            self.take(cx);
            if self.ahead.is_empty() {
                let Some(last) = self.last.take() else { return Poll::Pending };
                return Poll::Ready(self.finish(last));
            }
            let Some(room) = ready!(self.poll_room(cx)) else { return Poll::Ready(End::Gone) };
            if room == 0 {
                return Poll::Ready(End::Stalled);
            }
            if let Err(end) = self.give(room) {
                return Poll::Ready(end);
            }
        }
    }

    /// Takes what the dyno has, up to the window.
    fn take(&mut self, cx: &mut Context<'_>) {
        while self.last.is_none() && self.size < WINDOW {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => return,
                Poll::Ready(None) => self.last = Some(Last::Nothing),
                Poll::Ready(Some(Err(_))) => self.last = Some(Last::Broken),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        self.size += data.len();
                        self.ahead.push_back(data);
                    }
                    Err(frame) => {
                        self.last = Some(frame.into_trailers().map_or(Last::Nothing, Last::Trailers));
                    }
                },
            }
        }
    }

    /// How many bytes the client has room for; 0 when it took nothing for the idle time, none when it is gone.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        self.stream.reserve_capacity(self.size);
        loop {
            let room = self.stream.capacity();
            if room > 0 {
                self.stall.clear();
                return Poll::Ready(Some(room));
            }
            match self.stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(None | Some(Err(_))) => return Poll::Ready(None),
                Poll::Pending => {
                    self.stall.start(|| Instant::now() + self.idle);
                    ready!(self.stall.poll(cx));
                    return Poll::Ready(Some(0));
                }
            }
        }
    }

    fn give(&mut self, room: usize) -> Result<(), End> {
        let Some(front) = self.ahead.front_mut() else { return Ok(()) };
        let part = front.split_to(room.min(front.len()));
        if front.is_empty() {
            self.ahead.pop_front();
        }
        self.size -= part.len();
        self.stream.send_data(part, false).map_err(|_| End::Gone)
    }

    fn finish(&mut self, last: Last) -> End {
        let sent = match last {
            Last::Broken => return End::Broken,
            Last::Nothing => self.stream.send_data(Bytes::new(), true),
            Last::Trailers(trailers) => self.stream.send_trailers(trailers),
        };
        if sent.is_ok() { End::Sent } else { End::Gone }
    }
}
