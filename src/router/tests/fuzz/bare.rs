//! hyper alone, without the checks in front of it, and a dyno's connection alone: what they make of bytes.

use super::reference::Header;
use crate::router::body::ClientBody;
use crate::router::head::Framing;
use crate::router::link::{Continue, Link};
use crate::router::{MAX_HEADERS, answer, connection};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use hyper::{client, server};
use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, ReadBuf, join, sink};
use tokio::time::Duration;

/// A message as it was understood.
#[derive(Debug)]
pub(super) struct Seen {
    /// Method and target, or status.
    pub(super) first: String,
    pub(super) headers: Vec<Header>,
    pub(super) data: Vec<u8>,
    /// The body came to its end.
    pub(super) whole: bool,
}

/// Reads the answer to a request of that method out of bytes that come in pieces of that size.
pub(super) type Reader = fn(Vec<u8>, usize, Method) -> Option<Seen>;

/// A socket that brings these bytes, some at a time, and after a while the end; and takes anything.
struct Script {
    bytes: Vec<u8>,
    at: usize,
    piece: usize,
    /// How often there is nothing to read before the end. hyper drops a request that the end comes right behind.
    quiet: usize,
}

impl Read for Script {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, mut out: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let n = (self.bytes.len() - self.at).min(self.piece).min(out.remaining());
        if n == 0 && self.quiet > 0 {
            self.quiet -= 1;
            return Poll::Pending;
        }
        out.put_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Script {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let n = (self.bytes.len() - self.at).min(self.piece).min(out.remaining());
        out.put_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        Poll::Ready(Ok(()))
    }
}

impl Write for Script {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

const QUIET: usize = 16;
/// Nothing here waits for anything, so what is not done after this many polls never will be.
const POLLS: usize = 100_000;

fn done<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..POLLS {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
    }
    panic!("it hangs")
}

fn sorted(headers: &HeaderMap) -> Vec<Header> {
    let mut all: Vec<Header> =
        headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

async fn read(mut body: Incoming) -> (Vec<u8>, bool) {
    let mut data = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => data.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            Err(_) => return (data, false),
        }
    }
    (data, true)
}

/// The requests that hyper's server sees in these bytes, set up as the router's.
pub(super) fn requests(bytes: Vec<u8>, piece: usize) -> Vec<Seen> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let (parts, body) = request.into_parts();
            let (data, whole) = read(body).await;
            let first = format!("{} {}", parts.method, parts.uri);
            seen.borrow_mut().push(Seen { first, headers: sorted(&parts.headers), data, whole });
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let connection = server::conn::http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .max_buf_size(connection::RESPONSE_WINDOW.max(crate::router::head::HEAD + 64 * 1024))
        .header_read_timeout(None)
        .serve_connection(Script { bytes, at: 0, piece, quiet: QUIET }, service);
    let _ = done(connection);
    seen.take()
}

/// The answer that hyper's client sees in these bytes, set up as the router's.
pub(super) fn answer(bytes: Vec<u8>, piece: usize, method: Method) -> Option<Seen> {
    let mut builder = client::conn::http1::Builder::new();
    builder.max_headers(MAX_HEADERS).max_buf_size(answer::HEAD + 64 * 1024);
    let script = Script { bytes: Vec::new(), at: 0, piece, quiet: QUIET };
    // hyper does not take an answer that comes before the request.
    let gate = Rc::new(RefCell::new(Some(bytes)));
    done(async {
        let (mut sender, connection) = builder.handshake(Gated { script, gate }).await.ok()?;
        let request = Request::builder().method(method).uri("/").body(Empty::<Bytes>::new()).unwrap();
        let mut connection = pin!(connection);
        let mut exchange = pin!(async {
            let (parts, body) = sender.send_request(request).await.ok()?.into_parts();
            let (data, whole) = read(body).await;
            let first = parts.status.as_str().to_owned();
            Some(Seen { first, headers: sorted(&parts.headers), data, whole })
        });
        let mut over = false;
        poll_fn(|cx| {
            over = over || connection.as_mut().poll(cx).is_ready();
            exchange.as_mut().poll(cx)
        })
        .await
    })
}

/// The answer that the router sees in these bytes.
pub(super) fn routed_answer(bytes: Vec<u8>, piece: usize, method: Method) -> Option<Seen> {
    let head_only = method == Method::HEAD;
    let request = Request::builder().method(method).uri("/").body(()).unwrap();
    let socket = join(Script { bytes, at: 0, piece, quiet: 0 }, sink());
    // Nothing is ever waited for, so no time passes.
    let mut link = Link::new(Box::new(socket), Duration::MAX, Duration::MAX);
    link.begin(request.into_parts().0, ClientBody::None, Framing::None, Continue::Dropped);
    done(async {
        let parts = poll_fn(|cx| link.poll_head(cx, head_only)).await.ok()?;
        let mut data = Vec::new();
        let whole = loop {
            match poll_fn(|cx| link.poll_frame(cx)).await {
                Some(Ok(frame)) => data.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                Some(Err(_)) => break false,
                None => break true,
            }
        };
        Some(Seen { first: parts.status.as_str().to_owned(), headers: sorted(&parts.headers), data, whole })
    })
}

/// A script that begins when a request was written.
struct Gated {
    script: Script,
    gate: Rc<RefCell<Option<Vec<u8>>>>,
}

impl Read for Gated {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.gate.borrow().is_some() {
            return Poll::Pending;
        }
        Read::poll_read(Pin::new(&mut self.script), cx, out)
    }
}

impl Write for Gated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(bytes) = self.gate.take() {
            self.script.bytes = bytes;
        }
        Pin::new(&mut self.script).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.script).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.script).poll_shutdown(cx)
    }
}
