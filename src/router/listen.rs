//! The sockets the router serves: plain ones, and those where TLS ends (§9.3).

use super::client::{Origin, Protocol};
use super::lanes::Lanes;
use super::{Shared, connection, http2};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ProtocolVersion, ServerConfig};
use tokio_util::task::TaskTracker;

/// Protocols as ALPN names them.
const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// A bound socket, and how clients speak on it.
pub struct Listener {
    socket: TcpListener,
    tls: Option<ServerConfig>,
}

impl Listener {
    /// Plain HTTP.
    pub fn http(socket: TcpListener) -> Self {
        Self { socket, tls: None }
    }

    /// HTTPS with the certificate of `config`; which protocols are offered by ALPN is the router's affair.
    pub fn https(socket: TcpListener, config: ServerConfig) -> Self {
        Self { socket, tls: Some(config) }
    }

    /// The same socket, in the runtime that this is called in.
    pub(super) fn here(self) -> io::Result<Self> {
        Ok(Self { socket: TcpListener::from_std(self.socket.into_std()?)?, tls: self.tls })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Takes connections until the router is stopped, and gives each to the lane that has fewest.
pub(super) async fn accept(shared: Arc<Shared>, listener: Listener, tracker: TaskTracker, lanes: Arc<Lanes>) {
    let tls = listener.tls.map(|mut tls| {
        tls.alpn_protocols =
            if shared.speaks_http2() { vec![HTTP2.to_vec(), HTTP1.to_vec()] } else { vec![HTTP1.to_vec()] };
        TlsAcceptor::from(Arc::new(tls))
    });
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.drain.raised() => return,
            accepted = listener.socket.accept() => accepted,
        };
        let Ok((socket, peer)) = accepted else {
            // Out of file descriptors, most likely: others will be closed meanwhile.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let port = socket.local_addr().map_or(0, |address| address.port());
        // An answer of two writes must not wait for the client's acknowledgement of the first.
        let _ = socket.set_nodelay(true);
        let origin = Origin { peer: peer.ip(), port, tls: None, protocol: Protocol::Http1 };
        let shared = Arc::clone(&shared);
        // One after the other, so that the room a connection takes is that of its own kind.
        match &tls {
            None if shared.config.h2c => lanes.give(&tracker, socket, move |socket| either(shared, socket, origin)),
            None => lanes.give(&tracker, socket, move |socket| connection::serve(shared, socket, origin)),
            Some(tls) => {
                let tls = tls.clone();
                lanes.give(&tracker, socket, move |socket| secure(shared, tls, socket, origin));
            }
        }
    }
}

/// Serves a connection without TLS by what it begins with; by option only.
async fn either(shared: Arc<Shared>, socket: TcpStream, origin: Origin) {
    if shared.speaks_http2() && begins_http2(&socket, shared.config.timeouts.head).await {
        http2::serve(shared, socket, Origin { protocol: Protocol::Http2, ..origin }).await;
    } else {
        connection::serve(shared, socket, origin).await;
    }
}

/// Whether the preface of HTTP/2 is what comes first; whatever came stays to be read.
async fn begins_http2(socket: &TcpStream, patience: Duration) -> bool {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut bytes = [0; PREFACE.len()];
    let look = async {
        loop {
            match socket.peek(&mut bytes).await {
                Ok(n) if n == PREFACE.len() => return bytes == PREFACE,
                Ok(n) if n > 0 && PREFACE.starts_with(&bytes[..n]) => sleep(Duration::from_millis(5)).await,
                Ok(_) | Err(_) => return false,
            }
        }
    };
    timeout(patience, look).await.unwrap_or(false)
}

/// Serves a connection once its handshake is done, for which there is as much time as for a request's head (§7).
async fn secure(shared: Arc<Shared>, tls: TlsAcceptor, socket: TcpStream, origin: Origin) {
    let handshake = timeout(shared.config.timeouts.head, tls.accept(socket));
    let socket = tokio::select! {
        biased;
        () = shared.drain.raised() => return,
        done = handshake => match done {
            Ok(Ok(socket)) => socket,
            // Not TLS, or a client that does not trust the certificate: nothing that a request could be logged of.
            Ok(Err(_)) | Err(_) => return,
        },
    };
    let version = match socket.get_ref().1.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "tls1.2",
        Some(ProtocolVersion::TLSv1_3) => "tls1.3",
        _ => "unknown",
    };
    let origin = Origin { tls: Some(version), ..origin };
    if socket.get_ref().1.alpn_protocol() == Some(HTTP2) {
        http2::serve(shared, socket, Origin { protocol: Protocol::Http2, ..origin }).await;
    } else {
        connection::serve(shared, socket, origin).await;
    }
}
