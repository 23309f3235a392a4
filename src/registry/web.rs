//! Connections to a registry and bodies to send: TLS by the system's own roots, plain for this machine's.

use super::error::RegistryError;
use bytes::Bytes;
use futures_util::stream::try_unfold;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_rustls::rustls::crypto::ring;

/// What is sent.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;
/// A client that keeps its connections.
pub(super) type Web = Client<HttpsConnector<HttpConnector>, Body>;

/// Files are read in pieces of this size.
const PIECE: u64 = 256 * 1024;

/// How long what may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until a connection is open.
    pub connecting: Duration,
    /// Without a byte going either way.
    pub silence: Duration,
    /// How often in all something is tried that fails for a moment.
    pub tries: u32,
    /// Before the second try; doubled for each further one.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connecting: Duration::from_secs(10),
            silence: Duration::from_secs(60),
            tries: 5,
            pause: Duration::from_millis(500),
        }
    }
}

/// Opens no connection yet.
pub(super) fn web(connecting: Duration) -> Result<Web, RegistryError> {
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    plain.set_connect_timeout(Some(connecting));
    plain.set_nodelay(true);
    let secured = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(ring::default_provider())
        .map_err(|error| RegistryError::NoRoots(error.to_string()))?;
    // Whether plain HTTP is allowed is decided by the URL's host, before any connection.
    let connector = secured.https_or_http().enable_http1().wrap_connector(plain);
    Ok(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector))
}

pub(super) fn bytes(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// Told of every piece that goes out.
pub(super) type Meter = Arc<dyn Fn(u64) + Send + Sync>;

/// `length` bytes of a file from `start`.
pub(super) fn part_of(path: PathBuf, start: u64, length: u64, meter: Meter) -> Body {
    let pieces = try_unfold((None, length), move |(file, left)| {
        let (path, meter) = (path.clone(), Arc::clone(&meter));
        async move {
            if left == 0 {
                return Ok::<_, io::Error>(None);
            }
            let mut file = match file {
                Some(file) => file,
                None => {
                    let mut file = tokio::fs::File::open(&path).await?;
                    file.seek(SeekFrom::Start(start)).await?;
                    file
                }
            };
            let mut piece = vec![0; usize::try_from(left.min(PIECE)).unwrap_or(usize::MAX)];
            file.read_exact(&mut piece).await?;
            let size = piece.len() as u64;
            meter(size);
            Ok(Some((Frame::data(Bytes::from(piece)), (Some(file), left - size))))
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}
