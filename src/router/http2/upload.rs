//! A request's body as a stream brings it: given on as fast as the dyno takes it, and given up when the client is
//! silent for too long (§7).

use super::stream::StreamWire;
use crate::router::body::Broken;
use crate::router::deadline::Deadline;
use crate::router::failure::Failure;
use crate::router::head::Framing;
use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::Instant;

/// The body of one request.
pub(in crate::router) struct Upload {
    stream: RecvStream,
    wire: Arc<StreamWire>,
    silence: Deadline,
    /// A body of known length has no room for trailers on its way to the dyno.
    takes_trailers: bool,
}

impl Upload {
    pub(super) fn new(stream: RecvStream, wire: Arc<StreamWire>, framing: Framing) -> Self {
        Self { stream, wire, silence: Deadline::default(), takes_trailers: framing == Framing::Chunked }
    }

    fn fail(&self, failure: Failure) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.wire.set_fault(failure);
        Poll::Ready(Some(Err(Broken)))
    }

    /// A stream that the client reset, or a connection that is gone, is its leaving; anything else it did wrong: more
    /// or less data than it announced, say.
    fn broken(&self, error: &h2::Error) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.fail(if error.is_remote() || error.is_io() { Failure::ClientGone } else { Failure::BadChunk })
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match ready!(self.stream.poll_trailers(cx)) {
            Ok(Some(trailers)) if self.takes_trailers => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Ok(_) => Poll::Ready(None),
            Err(error) => self.broken(&error),
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        match this.stream.poll_data(cx) {
            Poll::Ready(Some(Ok(data))) => {
                this.silence.clear();
                // It is in the dyno's hands now. An error means that the stream is over, which the next poll tells.
                let _ = this.stream.flow_control().release_capacity(data.len());
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Some(Err(error))) => this.broken(&error),
            Poll::Ready(None) => this.poll_trailers(cx),
            Poll::Pending => {
                this.silence.start(|| Instant::now() + this.wire.idle());
                ready!(this.silence.poll(cx));
                this.fail(Failure::ClientIdle)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}
