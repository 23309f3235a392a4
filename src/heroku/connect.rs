//! Connections: TLS by the system's own roots, and plain for this machine's stand-ins.

use super::error::HerokuError;
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;
use tokio_rustls::rustls::crypto::ring;

/// A client that keeps its connections.
pub(super) type Web = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Opens none yet. `connecting` is how long one may take to open.
pub(super) fn web(connecting: Duration) -> Result<Web, HerokuError> {
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    plain.set_connect_timeout(Some(connecting));
    plain.set_nodelay(true);
    let secured = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(ring::default_provider())
        .map_err(|error| HerokuError::NoRoots(error.to_string()))?;
    // Whether plain HTTP is allowed is decided by the URL's host, before any connection.
    let connector = secured.https_or_http().enable_http1().wrap_connector(plain);
    Ok(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector))
}
