//! Connections to servers that are not ours: TLS by the system's own roots, plain HTTP for this machine alone, through the
//! proxy that the environment names. What is said over them is `heroku`'s and `registry`'s.

mod proxy;

use bytes::Bytes;
use http_body::Body;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
pub use proxy::Proxies;
use proxy::Way;
use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::ring;

/// A client that keeps its connections.
pub type Web<B> = Client<HttpsConnector<Way>, B>;

/// Why no connection can be opened at all.
#[derive(Debug, thiserror::Error)]
pub enum NoWay {
    /// There are no certificates to check a server with.
    #[error("no certificate authority of this machine can be read: {0}")]
    NoRoots(io::Error),
    /// A variable of the environment names no proxy that can be used. Its value is not shown: there may be a password in it.
    #[error("{0} names no HTTP proxy")]
    BadProxy(&'static str),
}

impl NoWay {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::NoRoots(_) => "install the system's ca-certificates, or name a file of them in SSL_CERT_FILE",
            Self::BadProxy(_) => "write it as http://HOST:PORT or https://HOST:PORT, or unset it; SOCKS is not spoken",
        }
    }
}

/// Opens no connection yet. `connecting` is how long one may take to open. Fails when this machine has no roots to trust.
pub fn client<B>(connecting: Duration, proxies: &Proxies) -> Result<Web<B>, NoWay>
where
    B: Body<Data = Bytes> + Send,
{
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    plain.set_connect_timeout(Some(connecting));
    plain.set_nodelay(true);
    let tls = tls().map_err(NoWay::NoRoots)?;
    // Whether plain HTTP is allowed is decided by the URL's host, before any connection.
    let secured = |tls| HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
    // A proxy may speak TLS itself; what goes through it does so in any case.
    let way = Way::new(secured(tls.clone()).wrap_connector(plain), proxies.clone(), connecting);
    let connector = secured(tls).wrap_connector(way);
    Ok(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector))
}

fn tls() -> io::Result<ClientConfig> {
    let config = ClientConfig::builder_with_provider(ring::default_provider().into());
    let config = config.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    Ok(config.with_native_roots()?.with_no_client_auth())
}

/// Whether a host is this machine.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The innermost reason: a user reads "Connection refused", not the names of a library's layers.
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
