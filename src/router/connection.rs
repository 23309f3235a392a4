//! One HTTP/1 client connection: hyper over [`ClientIo`], until it ends or turns into a tunnel.

use super::body::{ClientBody, Cut, ResponseBody};
use super::client::Origin;
use super::client_io::ClientIo;
use super::client_wire::ClientWire;
use super::exchange::{self, Arrival};
use super::link::Continue;
use super::{Shared, headers};
use http::header::CONNECTION;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// What a dyno may have written although the client takes its time (§8): hyper's write buffer, and what is held back for a stream.
pub(super) const RESPONSE_WINDOW: usize = 1024 * 1024;

/// Serves a connection to its end.
pub(super) async fn serve<S>(shared: Arc<Shared>, socket: S, origin: Origin)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let wire = ClientWire::new(Arc::clone(&shared), origin);
    let io = TokioIo::new(ClientIo::new(socket, Arc::clone(&wire)));
    let for_service = Arc::clone(&wire);
    // The exchange is boxed, so that it takes no room while the connection is idle.
    let connection = Builder::new()
        .title_case_headers(true)
        .max_headers(super::MAX_HEADERS)
        .max_buf_size(RESPONSE_WINDOW.max(super::head::HEAD + 64 * 1024))
        .header_read_timeout(None)
        .serve_connection(io, service_fn(move |request| Box::pin(answer(Arc::clone(&for_service), request))))
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut draining = false;
    let (mut force, mut drain) = (shared.force.raised(), shared.drain.raised());
    loop {
        tokio::select! {
            biased;
            () = &mut force => return,
            // What ended it is in the log of its exchanges.
            _ = connection.as_mut() => break,
            () = &mut drain, if !draining => {
                connection.as_mut().graceful_shutdown();
                draining = true;
            }
        }
    }
    if let Some(tunnel) = wire.take_tunnel() {
        tokio::select! {
            biased;
            () = &mut force => {}
            () = Box::pin(tunnel.run::<S>(shared.config.timeouts.idle)) => {}
        }
    }
}

/// hyper's service: answers one request.
async fn answer(wire: Arc<ClientWire>, mut request: Request<Incoming>) -> Result<Response<ResponseBody>, Cut> {
    let (framing, old, last) = wire.open();
    let upgrade = (!old && headers::asks_upgrade(request.headers())).then(|| hyper::upgrade::on(&mut request));
    let closes = last || old && !headers::asks_keep_alive(request.headers());
    let continues = match headers::expects_continue(request.headers()) {
        _ if old => Continue::Dropped,
        true if wire.shared.config.end_to_end_continue => {
            wire.mute_continue();
            Continue::Awaited
        }
        true => Continue::Dropped,
        false => Continue::Passed,
    };
    let (parts, body) = request.into_parts();
    let arrival = Arrival { parts, body: ClientBody::Http1(body), framing, closes, upgrade, continues };
    let mut response = exchange::run(wire, arrival).await?;
    if old && response.headers().contains_key(CONNECTION) {
        // hyper adds `keep-alive` to what says `close` already, if an HTTP/1.0 client asked for it and the answer is
        // of a later version. The status line is written as HTTP/1.1 all the same.
        *response.version_mut() = Version::HTTP_10;
    }
    Ok(response)
}
