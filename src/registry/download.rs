//! Blobs, fetched: into a file, and checked against their digest as they come.

use super::client::{Client, retried, short};
use super::error::RegistryError;
use super::manifest::Blob;
use super::place::Digest;
use http::StatusCode;
use http_body_util::BodyExt;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

impl Client {
    /// Writes a blob into a file. When this returns, the file is what the digest says.
    pub async fn download(&self, blob: &Blob, to: &Path) -> Result<(), RegistryError> {
        retried(&self.session.patience, || Box::pin(self.fetch(blob, to))).await
    }

    async fn fetch(&self, blob: &Blob, to: &Path) -> Result<(), RegistryError> {
        let doing = format!("fetching blob {}", short(&blob.digest));
        let file = |source| RegistryError::File { path: to.display().to_string(), source };
        let url = self.url(&format!("blobs/{}", blob.digest));
        // This signs in, where that is needed.
        if !self.has(&blob.digest, blob.size).await? {
            return Err(self.session.odd(&doing, "it does not have it".into()));
        }
        let mut answer = self.session.open(&doing, url).await?;
        if answer.status() != StatusCode::OK {
            let answer = self.session.read(&doing, answer).await?;
            return Err(self.session.refused(&doing, &answer));
        }
        let mut out = tokio::fs::File::create(to).await.map_err(file)?;
        let (mut hash, mut length) = (Sha256::new(), 0);
        loop {
            let frame = timeout(self.session.patience.silence, answer.body_mut().frame()).await;
            let frame = frame.map_err(|_| self.session.broken(&doing, "not a byte for too long"))?;
            let Some(frame) = frame else { break };
            let data =
                frame.map_err(|error| self.session.broken(&doing, &error.to_string()))?.into_data().unwrap_or_default();
            length += data.len() as u64;
            if length > blob.size {
                break;
            }
            hash.update(&data);
            out.write_all(&data).await.map_err(file)?;
        }
        out.flush().await.map_err(file)?;
        let found = Digest::finish(hash);
        if length == blob.size && found == blob.digest {
            return Ok(());
        }
        let (host, wanted) = (self.session.host.clone(), blob.digest.clone());
        Err(RegistryError::Mismatch { host, doing, wanted, found: found.as_str().to_owned() })
    }
}
