//! The two bodies of an exchange: the request's, as the connection to the dyno pulls it, and the response's, as the
//! client's side does.

use super::checkout::Lease;
use super::exchange::Exchange;
use super::failure::Failure;
use super::http2::Upload;
use super::link::Link;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A request's body as its client sends it.
pub(super) enum ClientBody {
    /// The request has no body, or none that could be sent again.
    None,
    Http1(Incoming),
    Http2(Upload),
}

/// The client broke off its request; its side knows why.
#[derive(Debug, thiserror::Error)]
#[error("the request's body is broken")]
pub(super) struct Broken;

impl Body for ClientBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::None => Poll::Ready(None),
            Self::Http1(incoming) => {
                Pin::new(incoming).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(|_| Broken)))
            }
            Self::Http2(upload) => Pin::new(upload).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::None => true,
            Self::Http1(incoming) => incoming.is_end_stream(),
            Self::Http2(upload) => upload.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::None => SizeHint::with_exact(0),
            Self::Http1(incoming) => incoming.size_hint(),
            Self::Http2(_) => SizeHint::default(),
        }
    }
}

/// Reads a whole response body of at most `limit` bytes.
pub(super) async fn collect(link: &mut Link, limit: usize) -> Result<Bytes, Failure> {
    let mut whole = BytesMut::with_capacity(limit);
    loop {
        match poll_fn(|cx| link.poll_frame(cx)).await {
            Some(Ok(frame)) => whole.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            Some(Err(failure)) => return Err(failure),
            None => return Ok(whole.freeze()),
        }
    }
}

/// A response body.
pub(super) enum ResponseBody {
    /// The router's own page, a response that was read whole, or nothing.
    Page(Bytes),
    /// What the dyno sends.
    Dyno(Box<DynoBody>),
}

/// What the dyno sends, with the connection it comes from and the exchange it ends.
pub(super) struct DynoBody {
    /// What ended it early, kept back until the client has what came before.
    broken: Option<Failure>,
    /// Gone once the response is over.
    source: Option<(Lease, Exchange)>,
}

/// The response was cut; the log line says why.
#[derive(Debug, thiserror::Error)]
#[error("the response was cut")]
pub(super) struct Cut;

impl ResponseBody {
    pub(super) fn empty() -> Self {
        Self::Page(Bytes::new())
    }

    pub(super) fn dyno(lease: Lease, exchange: Exchange) -> Self {
        Self::Dyno(Box::new(DynoBody { broken: None, source: Some((lease, exchange)) }))
    }
}

impl DynoBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Some((lease, exchange)) = &mut self.source else { return Poll::Ready(None) };
        if self.broken.is_some() {
            return self.cut();
        }
        match std::task::ready!(lease.link.poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    exchange.count(data.len());
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
                Err(frame) => {
                    let left = frame.into_trailers().ok().and_then(|trailers| exchange.trailers(trailers));
                    self.complete();
                    Poll::Ready(left.map(|trailers| Ok(Frame::trailers(trailers))))
                }
            },
            None => {
                self.complete();
                Poll::Ready(None)
            }
            Some(Err(failure)) => {
                self.broken = Some(failure);
                self.cut()
            }
        }
    }

    /// Cuts the response. An error makes hyper drop what it has not written, so it has to be written first; hyper asks
    /// again after that.
    fn cut(&mut self) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if self.source.as_ref().is_some_and(|(_, exchange)| exchange.is_unwritten()) {
            return Poll::Pending;
        }
        if let (Some((_, exchange)), Some(failure)) = (self.source.take(), self.broken) {
            let failure = exchange.blame(failure);
            exchange.cut(failure);
        }
        Poll::Ready(Some(Err(Cut)))
    }

    /// The bytes that are still to come, where that is known.
    fn left(&self) -> Option<u64> {
        self.source.as_ref().map_or(Some(0), |(lease, _)| lease.link.body_left())
    }

    fn complete(&mut self) {
        if let Some((lease, exchange)) = self.source.take() {
            exchange.complete(lease);
        }
    }
}

impl Drop for DynoBody {
    /// hyper drops a body of known length with its last frame. A body dropped earlier is a client that went away, and
    /// the exchange says so as it is dropped.
    fn drop(&mut self) {
        if self.left() == Some(0) {
            self.complete();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Page(page) if page.is_empty() => Poll::Ready(None),
            Self::Page(page) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(page))))),
            Self::Dyno(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Page(page) => page.is_empty(),
            Self::Dyno(body) => body.left() == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Page(page) => SizeHint::with_exact(page.len() as u64),
            Self::Dyno(body) => body.left().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
