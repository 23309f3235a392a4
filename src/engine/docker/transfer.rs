//! Images out of the engine, names for them, and images from registries.

use super::Shared;
use super::config::credentials_of;
use super::error::told;
use crate::engine::{Archive, EngineError};
use crate::model::image::ImageId;
use crate::registry::Login;
use bollard::query_parameters::{CreateImageOptionsBuilder, TagImageOptionsBuilder};
use futures_util::{StreamExt, TryStreamExt};

/// The engine stages an image before it sends the first byte: there is no saying how long that takes.
pub(super) fn export(shared: &Shared, image: &ImageId) -> Archive {
    let doing = format!("exporting image {}", image.short());
    let (docker, id) = (shared.patient.clone(), image.0.clone());
    let pieces = pieces_of(docker, id);
    pieces.map_err(move |error| told(&doing, &error)).boxed()
}

fn pieces_of(
    docker: bollard::Docker,
    id: String,
) -> impl futures_util::Stream<Item = Result<bytes::Bytes, bollard::errors::Error>> + Send {
    let (pieces, out) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        let mut stream = std::pin::pin!(docker.export_image(&id));
        while let Some(piece) = stream.next().await {
            // Nobody reads any more: the export ends with the reader.
            if pieces.send(piece).await.is_err() {
                break;
            }
        }
    });
    futures_util::stream::unfold(out, |mut out| async move { Some((out.recv().await?, out)) })
}

pub(super) async fn tag(shared: &Shared, image: &ImageId, repository: &str, tag: &str) -> Result<(), EngineError> {
    let options = TagImageOptionsBuilder::new().repo(repository).tag(tag).build();
    let doing = || format!("tagging {} as {repository}:{tag}", image.short());
    shared.docker.tag_image(&image.0, Some(options)).await.map_err(|error| told(&doing(), &error))
}

pub(super) async fn pull(
    shared: &Shared,
    repository: &str,
    tag: &str,
    login: Option<&Login>,
) -> Result<ImageId, EngineError> {
    let name = format!("{repository}:{tag}");
    let doing = format!("pulling {name}");
    let host = repository.split('/').next().unwrap_or_default();
    let options = CreateImageOptionsBuilder::new().from_image(repository).tag(tag).platform("linux/amd64").build();
    let credentials = login.map(|login| credentials_of(login, host));
    let mut messages = std::pin::pin!(shared.patient.create_image(Some(options), None, credentials));
    while let Some(message) = messages.next().await {
        message.map_err(|error| told(&doing, &error))?;
    }
    let found = shared.docker.inspect_image(&name).await.map_err(|error| told(&doing, &error))?;
    let missing = || EngineError::Operation { doing, reason: "the engine has no image of that name afterwards".into() };
    found.id.map(ImageId).ok_or_else(missing)
}
