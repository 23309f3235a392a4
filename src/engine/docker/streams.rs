//! A container's streams and its end, as the API hands them over.

use super::Shared;
use bollard::container::AttachContainerResults;
use bollard::query_parameters::{AttachContainerOptions, AttachContainerOptionsBuilder, WaitContainerOptionsBuilder};
use bytes::Bytes;
use futures_util::StreamExt;
use std::pin::{Pin, pin};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// The engine holds back the first of these keys until the next one is pressed, and there is no way to name none. The
/// default, Ctrl-P, is the shell's way to the previous command.
pub(super) const DETACH_KEYS: &str = "ctrl-\\,ctrl-],ctrl-\\,ctrl-]";

/// What a container reads as its standard input.
pub(super) type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// Both directions of a container's streams.
pub(super) async fn attach(shared: &Shared, container: &str) -> Result<AttachContainerResults, bollard::errors::Error> {
    let options: AttachContainerOptions = AttachContainerOptionsBuilder::new()
        .stream(true)
        .stdin(true)
        .stdout(true)
        .stderr(true)
        .detach_keys(DETACH_KEYS)
        .build();
    shared.docker.attach_container(container, Some(options)).await
}

/// Resolves when the container does not run any more, or when nobody can say.
pub(super) async fn ended(shared: &Shared, container: &str) {
    let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
    // The status comes from an inspection afterwards: bollard makes an error of any that is not 0.
    let _ = pin!(shared.patient.wait_container(container, Some(options))).next().await;
}

/// Hands a one-off dyno what is typed; an empty piece ends the input.
pub(super) async fn pass_input(mut input: Input, mut typed: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = typed.recv().await {
        let written = if bytes.is_empty() {
            input.shutdown().await
        } else {
            async {
                input.write_all(&bytes).await?;
                input.flush().await
            }
            .await
        };
        if written.is_err() || bytes.is_empty() {
            return;
        }
    }
}
