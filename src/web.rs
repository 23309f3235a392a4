//! Connections to servers that are not ours: TLS by the system's own roots, plain HTTP for this machine alone. What is said
//! over them is `heroku`'s and `registry`'s.

use bytes::Bytes;
use http_body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use tokio_rustls::rustls::crypto::ring;

/// A client that keeps its connections.
pub type Web<B> = Client<HttpsConnector<HttpConnector>, B>;

/// Opens no connection yet. `connecting` is how long one may take to open. Fails when this machine has no roots to trust.
pub fn client<B>(connecting: Duration) -> io::Result<Web<B>>
where
    B: Body<Data = Bytes> + Send,
{
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    plain.set_connect_timeout(Some(connecting));
    plain.set_nodelay(true);
    let secured = HttpsConnectorBuilder::new().with_provider_and_native_roots(ring::default_provider())?;
    // Whether plain HTTP is allowed is decided by the URL's host, before any connection.
    let connector = secured.https_or_http().enable_http1().wrap_connector(plain);
    Ok(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector))
}

/// Whether a host is this machine.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}
