//! HTTP/2 from clients (§14): one connection of many streams. Each stream is an exchange like any other, and the dyno
//! is spoken to in HTTP/1.1 all the same. `head` checks what the h2 crate lets through, `upload` is a request's body,
//! `stream` answers one request, `sending` carries its answer out.
//!
//! Not offered: HTTP/2 without TLS, server push, and WebSockets over HTTP/2 (RFC 8441), of which Heroku offers none;
//! browsers open an HTTP/1.1 connection for a WebSocket then.

pub(super) mod head;
mod sending;
mod stream;
mod upload;

pub(super) use upload::Upload;

use super::Shared;
use super::client::{Counted, Origin};
use bytes::Bytes;
use h2::server::{Builder, Connection};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep_until, timeout};

/// Streams of one connection at a time, as Go's server allows.
const STREAMS: u32 = 250;
/// How much of a request's body is taken ahead of the dyno, for one stream and for the connection, in bytes.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;
/// How long a client may take to agree that an idle connection is over.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves a connection to its end.
pub(super) async fn serve<S>(shared: Arc<Shared>, socket: S, origin: Origin)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let _counted = Counted::new(&shared);
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(super::head::HEAD).unwrap_or(u32::MAX));
    tokio::select! {
        biased;
        () = shared.force.raised() => {}
        done = timeout(shared.config.timeouts.head, builder.handshake::<S, Bytes>(socket)) => {
            if let Ok(Ok(connection)) = done {
                streams(&shared, connection, origin).await;
            }
        }
    }
}

/// Takes streams until the connection ends; what is unanswered then is logged as the client's leaving.
async fn streams<S>(shared: &Arc<Shared>, mut connection: Connection<S, Bytes>, origin: Origin)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let idle = shared.config.timeouts.keep_alive;
    let mut streams = JoinSet::new();
    let mut until = Instant::now() + idle;
    let mut leaving = false;
    loop {
        tokio::select! {
            biased;
            () = shared.force.raised() => return,
            () = shared.drain.raised(), if !leaving => {
                connection.graceful_shutdown();
                leaving = true;
                until = Instant::now() + FAREWELL;
            }
            Some(_) = streams.join_next() => until = Instant::now() + if leaving { FAREWELL } else { idle },
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    streams.spawn(stream::serve(Arc::clone(shared), origin, request, respond));
                }
                Some(Err(_)) | None => return,
            },
            () = sleep_until(until), if streams.is_empty() => {
                if leaving {
                    return;
                }
                connection.graceful_shutdown();
                leaving = true;
                until = Instant::now() + FAREWELL;
            }
        }
    }
}
