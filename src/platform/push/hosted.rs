//! The registry as a release at Heroku needs it: what `latest` is, and copies from app to app.

use super::choose::image_id;
use super::fault::PushError;
use super::send::{failed, so_far};
use super::sign_in::SignIns;
use super::target::Target;
use crate::model::image::ImageId;
use crate::model::process_type::ProcessType;
use crate::platform::heroku::Registry;
use crate::registry::{Blob, Client, Found, Host, Patience, RegistryError, Sessions, Source, Tag};
use async_trait::async_trait;
use std::sync::Arc;

/// The images of apps in one registry.
pub struct AppImages {
    /// Where.
    pub host: Host,
    /// Who one is there.
    pub sign_ins: SignIns,
    /// How long what may take.
    pub patience: Patience,
}

impl AppImages {
    async fn client(&self, app: &str, process_type: &ProcessType) -> Result<Client, PushError> {
        let target = Target { host: self.host.clone(), app: app.to_owned() };
        let login = self.sign_ins.of(&self.host).await;
        Ok(Client::new(target.repository(process_type)?, login, self.patience, &self.sign_ins.proxies)?)
    }

    /// The registry takes every blob over from one repository into the other. One that does not do that gets it by way of
    /// this machine. No tag is set.
    async fn carried(
        &self,
        from: &str,
        to: &str,
        process_type: &ProcessType,
        image: &ImageId,
    ) -> Result<Copy, PushError> {
        let (source, target) = (self.client(from, process_type).await?, self.client(to, process_type).await?);
        let latest = Tag::latest();
        let found = source.manifest(latest.as_str()).await?;
        let missing = || PushError::NotThere { tag: latest.to_string(), repository: source.repository.to_string() };
        let found = found.ok_or_else(missing)?;
        let manifest = found.manifest().ok_or_else(|| not_schema_2(&source, &found))?;
        if manifest.config.digest.as_str() != image.0 {
            let (repository, tag) = (source.repository.to_string(), latest.to_string());
            let found = manifest.config.digest.to_string();
            return Err(PushError::Differs { repository, tag, found, wanted: image.0.parse()? });
        }
        for blob in manifest.blobs() {
            if target.has(&blob.digest, blob.size).await? || target.mount(blob, source.repository.path()).await? {
                continue;
            }
            carry_over(&source, &target, blob).await?;
        }
        Ok(Copy { target, manifest: found })
    }
}

/// An image whose blobs are where its tag is to be.
struct Copy {
    target: Client,
    manifest: Found,
}

fn not_schema_2(client: &Client, found: &Found) -> PushError {
    PushError::NotSchema2 { repository: client.repository.to_string(), kind: found.media_type.clone() }
}

/// Fetches a blob and sends it.
async fn carry_over(source: &Client, target: &Client, blob: &Blob) -> Result<(), PushError> {
    let failed = |source| RegistryError::File { path: "a temporary file".into(), source };
    let file = tempfile::NamedTempFile::new().map_err(failed)?;
    source.download(blob, file.path()).await?;
    let bytes = Source::File(file.path().to_owned());
    target.upload(blob, &bytes, &Forgetful, Arc::new(|_| {})).await?;
    Ok(())
}

/// A copy that was cut off begins anew: its file is gone with its process.
struct Forgetful;

impl Sessions for Forgetful {
    fn recall(&self, _: &Blob) -> Option<String> {
        None
    }

    fn keep(&self, _: &Blob, _: &str) {}

    fn forget(&self, _: &Blob) {}
}

#[async_trait]
impl Registry for AppImages {
    async fn latest(&self, app: &str, process_type: &ProcessType) -> Result<Option<ImageId>, PushError> {
        let client = self.client(app, process_type).await?;
        let Some(found) = client.manifest(Tag::latest().as_str()).await? else { return Ok(None) };
        let config = found.config().ok_or_else(|| not_schema_2(&client, &found))?;
        Ok(Some(image_id(&config)))
    }

    async fn copy(&self, from: &str, to: &str, images: &[(ProcessType, ImageId)]) -> Result<(), PushError> {
        let mut copies = Vec::new();
        for (process_type, image) in images {
            copies.push(self.carried(from, to, process_type, image).await?);
        }
        let mut done = Vec::new();
        for Copy { target, manifest } in copies {
            // The very bytes: another text of the same manifest would have another digest.
            let set = target.tag(&Tag::latest(), &manifest.bytes).await;
            set.map_err(|error| failed(error, so_far(&done)))?;
            done.push(format!("{}:latest", target.repository));
        }
        Ok(())
    }
}
