//! What is wanted of a registry here: which image a tag names, and a copy from one app to another.

use crate::model::image::ImageId;
use crate::model::process_type::ProcessType;
use crate::registry::{
    BadName, Blob, Client, Found, Host, Login, Patience, RegistryError, Repository, Sessions, Source, Tag,
};
use async_trait::async_trait;
use std::sync::Arc;

/// The registry of Heroku's apps, or one like it.
#[async_trait(?Send)]
pub trait Registry {
    /// The config digest of `APP/TYPE:latest`, which is what Heroku releases (R1.1, R1.2); `None` when there is none.
    async fn latest(&self, app: &str, process_type: &ProcessType) -> Result<Option<ImageId>, ImageError>;

    /// Makes `TO/TYPE:latest` the very manifest that `FROM/TYPE:latest` is, without sending what the registry has. When this
    /// fails, the tag is as it was.
    async fn copy(&self, from: &str, to: &str, process_type: &ProcessType) -> Result<(), ImageError>;
}

/// Why the registry did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The registry, or the way there.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An app or a process type that no repository can be named after.
    #[error(transparent)]
    Name(#[from] BadName),
    /// What is there is no image that Heroku takes (R1.2).
    #[error("{repository}:latest is {kind}, which Heroku's registry does not take")]
    NotSchema2 {
        /// Where.
        repository: Repository,
        /// Its media type.
        kind: String,
    },
    /// There is nothing to copy.
    #[error("there is no {0}:latest any more")]
    Gone(Repository),
}

impl ImageError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.help(),
            Self::NotSchema2 { .. } => {
                Some("push it with `dynosim container:push`, which sends what Heroku takes".into())
            }
            Self::Name(_) | Self::Gone(_) => None,
        }
    }
}

/// A registry that is spoken to over the network.
#[derive(Clone)]
pub struct Remote {
    /// Which.
    pub host: Host,
    /// Who one is there.
    pub login: Option<Login>,
    /// How long to wait for what.
    pub patience: Patience,
}

impl Remote {
    fn of(&self, app: &str, process_type: &ProcessType) -> Result<Client, ImageError> {
        let repository = Repository::new(self.host.clone(), &format!("{app}/{process_type}"))?;
        Ok(Client::new(repository, self.login.clone(), self.patience)?)
    }
}

#[async_trait(?Send)]
impl Registry for Remote {
    async fn latest(&self, app: &str, process_type: &ProcessType) -> Result<Option<ImageId>, ImageError> {
        let client = self.of(app, process_type)?;
        let Some(found) = client.manifest(Tag::latest().as_str()).await? else { return Ok(None) };
        let config = found.config().ok_or_else(|| not_schema_2(&client, &found))?;
        Ok(Some(ImageId(config.as_str().to_owned())))
    }

    async fn copy(&self, from: &str, to: &str, process_type: &ProcessType) -> Result<(), ImageError> {
        let (source, target) = (self.of(from, process_type)?, self.of(to, process_type)?);
        let found = source.manifest(Tag::latest().as_str()).await?;
        let found = found.ok_or_else(|| ImageError::Gone(source.repository.clone()))?;
        let manifest = found.manifest().ok_or_else(|| not_schema_2(&source, &found))?;
        for blob in manifest.blobs() {
            if !target.mount(blob, source.repository.path()).await? {
                carry_over(&source, &target, blob).await?;
            }
        }
        Ok(target.tag(&Tag::latest(), &found.bytes).await?)
    }
}

fn not_schema_2(client: &Client, found: &Found) -> ImageError {
    ImageError::NotSchema2 { repository: client.repository.clone(), kind: found.media_type.clone() }
}

/// A registry that does not let one repository take a blob over from another gets it by way of this machine.
async fn carry_over(source: &Client, target: &Client, blob: &Blob) -> Result<(), ImageError> {
    let file = tempfile::NamedTempFile::new()
        .map_err(|source| RegistryError::File { path: "a temporary file".into(), source })?;
    source.download(blob, file.path()).await?;
    let from = Source::File(file.path().to_owned());
    target.upload(blob, &from, None, &Forgetful, Arc::new(|_| {})).await?;
    Ok(())
}

/// A copy begins anew: it is short, and its file is gone with this process.
struct Forgetful;

impl Sessions for Forgetful {
    fn recall(&self, _: &Blob) -> Option<String> {
        None
    }

    fn keep(&self, _: &Blob, _: &str) {}

    fn forget(&self, _: &Blob) {}
}
