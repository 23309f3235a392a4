//! Bodies to send to a registry, and how long to wait for it.

use super::error::RegistryError;
use crate::web::{Proxies, Web};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// What is sent.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

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
pub(super) fn web(connecting: Duration, proxies: &Proxies) -> Result<Web<Body>, RegistryError> {
    Ok(crate::web::client(connecting, proxies)?)
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
            let mut file = if let Some(file) = file {
                file
            } else {
                let mut file = tokio::fs::File::open(&path).await?;
                file.seek(SeekFrom::Start(start)).await?;
                file
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
