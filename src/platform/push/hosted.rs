//! The registry as a release at Heroku needs it: what `latest` is, and copies from app to app.

use super::choose::image_id;
use super::fault::PushError;
use super::sign_in::SignIns;
use super::target::Target;
use crate::model::image::ImageId;
use crate::model::process_type::ProcessType;
use crate::platform::heroku::{Registry, RegistryFault};
use crate::registry::{Client, Host, Manifest, Patience, Tag};
use async_trait::async_trait;

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
        Ok(Client::new(target.repository(process_type)?, login, self.patience)?)
    }

    /// Copies: every blob is taken over within the registry, none is sent from here.
    async fn copied(&self, from: &str, to: &str, process_type: &ProcessType) -> Result<(), PushError> {
        let (source, target) = (self.client(from, process_type).await?, self.client(to, process_type).await?);
        let found = source.manifest(Tag::latest().as_str()).await?;
        let manifest = found.as_ref().and_then(crate::registry::Found::manifest);
        let missing = || PushError::NoVersion { version: "latest".into(), what: source.repository.to_string() };
        let manifest: Manifest = manifest.ok_or_else(missing)?;
        for blob in manifest.blobs() {
            if target.has(&blob.digest, blob.size).await? || target.mount(blob, source.repository.path()).await? {
                continue;
            }
            return Err(crate::registry::RegistryError::Unsupported {
                host: self.host.clone(),
                doing: format!("copying from {} to {}", source.repository.path(), target.repository.path()),
                reason: "it does not take blobs over from one repository into another for this login".into(),
            }
            .into());
        }
        // The very bytes: another text of the same manifest would have another digest.
        let bytes = found.map(|found| found.bytes).unwrap_or_default();
        Ok(target.tag(&Tag::latest(), &bytes).await?)
    }
}

fn fault(error: &PushError) -> RegistryFault {
    RegistryFault { message: error.to_string(), help: error.help().unwrap_or_default() }
}

#[async_trait]
impl Registry for AppImages {
    async fn latest(&self, app: &str, process_type: &ProcessType) -> Result<Option<ImageId>, RegistryFault> {
        let client = self.client(app, process_type).await.map_err(|error| fault(&error))?;
        let found = client.manifest(Tag::latest().as_str()).await.map_err(|error| fault(&error.into()))?;
        Ok(found.and_then(|found| found.config()).map(|config| image_id(&config)))
    }

    async fn copy(&self, from: &str, to: &str, process_type: &ProcessType) -> Result<(), RegistryFault> {
        self.copied(from, to, process_type).await.map_err(|error| fault(&error))
    }
}
