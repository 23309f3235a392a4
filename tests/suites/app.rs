//! The dyno behind the router: a small app whose answers show one thing each, and a WebSocket echo.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::net::TcpListener;

/// `compressed by the app` twenty times, as gzip.
pub(crate) const GZIP: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03K\xce\xcf-(J-.NMQH\xaaT(\xc9HUH,(\xe0J\x1e\x15\x1d\xe4\xa2\x00\x9a\x9b\xd0\xc0\xb8\x01\x00\x00";

/// Serves the app on a free port.
pub(crate) async fn serve() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = socket.accept().await.unwrap();
            let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(served);
        }
    });
    address
}

/// The bytes of `/size/N` and `/stream/N`. They repeat after a prime number of bytes, so that a piece that is lost,
/// doubled or moved does not go unseen.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    const PERIOD: usize = 65_537;
    let block: Vec<u8> = (0..PERIOD).map(|at| (at ^ (at >> 8)).to_le_bytes()[0]).collect();
    let mut bytes = block.repeat(length / PERIOD + 1);
    bytes.truncate(length);
    bytes
}

/// What `/sum` answers to these bytes of the pattern.
pub(crate) fn sum(length: usize) -> String {
    format!("{length} bytes of the pattern")
}

/// A body of some parts, with a length or in chunks.
struct Parts {
    frames: VecDeque<Frame<Bytes>>,
    length: Option<u64>,
}

impl Parts {
    fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let length = Some(bytes.len() as u64);
        Self { frames: [Frame::data(bytes)].into(), length }
    }

    fn chunks(bytes: &[u8]) -> Self {
        let frames = bytes.chunks(10_000).map(|part| Frame::data(Bytes::copy_from_slice(part))).collect();
        Self { frames, length: None }
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.pop_front().map(Ok))
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}

async fn answer(request: Request<Incoming>) -> hyper::Result<Response<Parts>> {
    let path = request.uri().path().to_owned();
    let number = path.rsplit('/').next().and_then(|n| n.parse().ok());
    let folder = path.split('/').nth(1).unwrap_or_default();
    let headers = request.headers().clone();
    let mut response = Response::new(Parts::whole(""));
    match (folder, number) {
        ("size", Some(length)) => sized(&headers, length, &mut response),
        ("stream", Some(length)) => *response.body_mut() = Parts::chunks(&pattern(length)),
        ("status", Some(status)) => *response.status_mut() = u16::try_from(status).unwrap().try_into().unwrap(),
        ("early", None) => {
            *response.status_mut() = hyper::StatusCode::PAYLOAD_TOO_LARGE;
            *response.body_mut() = Parts::whole("too large\n");
        }
        ("seen", None) => *response.body_mut() = Parts::whole(seen(&request)),
        ("gzip", None) => {
            let wanted = headers.get("accept-encoding").is_some_and(|coding| coding.to_str().unwrap().contains("gzip"));
            assert!(wanted, "the client's Accept-Encoding is passed on");
            response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
            *response.body_mut() = Parts::whole(GZIP);
        }
        ("sum", None) => {
            let bytes = request.collect().await?.to_bytes();
            let same = bytes == pattern(bytes.len());
            *response.body_mut() = Parts::whole(if same { sum(bytes.len()) } else { "other bytes".into() });
        }
        _ => *response.body_mut() = Parts::whole(request.collect().await?.to_bytes()),
    }
    Ok(response)
}

/// `Range` is the app's affair: the router passes it on, and the answer back.
fn sized(headers: &HeaderMap, length: usize, response: &mut Response<Parts>) {
    let bytes = pattern(length);
    response.headers_mut().insert("accept-ranges", "bytes".parse().unwrap());
    let range = headers.get("range").and_then(|range| range.to_str().ok()?.strip_prefix("bytes="));
    let part = range.and_then(|range| {
        let (from, to) = range.split_once('-')?;
        match (from.parse::<usize>(), to.parse::<usize>()) {
            (Ok(from), Ok(to)) => Some(from..to + 1),
            (Ok(from), Err(_)) => Some(from..length),
            (Err(_), Ok(last)) => Some(length - last..length),
            (Err(_), Err(_)) => None,
        }
    });
    match part {
        Some(part) => {
            let told = format!("bytes {}-{}/{length}", part.start, part.end - 1);
            response.headers_mut().insert("content-range", told.parse().unwrap());
            *response.status_mut() = hyper::StatusCode::PARTIAL_CONTENT;
            *response.body_mut() = Parts::whole(bytes[part].to_vec());
        }
        None => *response.body_mut() = Parts::whole(bytes),
    }
}

/// The request as the dyno sees it, a line for each of its parts.
fn seen(request: &Request<Incoming>) -> String {
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
    let headers: String = request.headers().iter().map(line).collect();
    format!("{} {} {:?}\n{headers}", request.method(), request.uri(), request.version())
}

/// Serves a WebSocket echo on a free port; text and binary messages come back as they are.
pub(crate) async fn serve_websocket() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = socket.accept().await.unwrap();
            tokio::spawn(async move {
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                while let Some(Ok(message)) = socket.next().await {
                    if (message.is_binary() || message.is_text()) && socket.send(message).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}
