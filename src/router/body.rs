//! The two bodies of an exchange, as hyper's halves pull them: the request's on its way to the dyno, the response's
//! on its way to the client.

use super::checkout::Lease;
use super::dyno_io::DynoWire;
use super::exchange::Exchange;
use super::http2::Upload;
use super::pool::Link;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
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

/// A request body that tells the dyno's side when it has ended.
pub(super) struct RequestBody {
    client: ClientBody,
    wire: Arc<DynoWire>,
}

impl RequestBody {
    pub(super) fn new(client: ClientBody, wire: Arc<DynoWire>) -> Self {
        if client.is_end_stream() {
            wire.request_sent();
        }
        Self { client, wire }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = std::task::ready!(Pin::new(&mut self.client).poll_frame(cx));
        let last = self.client.is_end_stream();
        let Some(Ok(frame)) = frame else {
            if frame.is_none() {
                self.wire.request_sent();
            }
            return Poll::Ready(frame);
        };
        // hyper would write only trailers that a `Trailer` header announced.
        if let Some(trailers) = frame.trailers_ref() {
            self.wire.splice_trailers(trailers);
            self.wire.request_sent();
            return Poll::Ready(None);
        }
        if last {
            self.wire.request_sent();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.client.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.client.size_hint()
    }
}

/// Reads a whole response body of at most `limit` bytes.
pub(super) async fn collect(incoming: &mut Incoming, link: &mut Link, limit: usize) -> Result<Bytes, hyper::Error> {
    let mut whole = BytesMut::with_capacity(limit);
    loop {
        let frame = poll_fn(|cx| match Pin::new(&mut *incoming).poll_frame(cx) {
            Poll::Pending => {
                let _ = link.poll(cx);
                Pin::new(&mut *incoming).poll_frame(cx)
            }
            ready @ Poll::Ready(_) => ready,
        });
        match frame.await {
            Some(Ok(frame)) => whole.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            Some(Err(error)) => return Err(error),
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
    incoming: Incoming,
    /// What ended it early, kept back until the client has what came before.
    broken: Option<hyper::Error>,
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

    pub(super) fn dyno(incoming: Incoming, lease: Lease, exchange: Exchange) -> Self {
        Self::Dyno(Box::new(DynoBody { incoming, broken: None, source: Some((lease, exchange)) }))
    }
}

impl DynoBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Some((lease, exchange)) = &mut self.source else { return Poll::Ready(None) };
        if self.broken.is_some() {
            return self.cut();
        }
        let mut frame = Pin::new(&mut self.incoming).poll_frame(cx);
        if frame.is_pending() {
            // The connection brings the body; what it brought is there at once.
            let _ = lease.link.poll(cx);
            frame = Pin::new(&mut self.incoming).poll_frame(cx);
        }
        match std::task::ready!(frame) {
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
            Some(Err(error)) => {
                self.broken = Some(error);
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
        if let (Some((lease, exchange)), Some(error)) = (self.source.take(), &self.broken) {
            let failure = exchange.blame(error, &lease.link);
            exchange.cut(failure);
        }
        Poll::Ready(Some(Err(Cut)))
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
        if self.incoming.is_end_stream() {
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
            Self::Dyno(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Page(page) => SizeHint::with_exact(page.len() as u64),
            Self::Dyno(body) => body.incoming.size_hint(),
        }
    }
}
