//! Builds images: BuildKit where the engine has it, the classic builder otherwise; the context is streamed, so that
//! memory stays constant whatever its size.

use super::Shared;
use super::error::{self, failed, is_disk_full, told, words};
use super::progress::Progress;
use crate::engine::context::Context;
use crate::engine::hex;
use crate::engine::{BuildEvent, BuildFailure, BuildPlan, BuildSink, EngineError};
use crate::model::image::ImageId;
use bollard::errors::Error;
use bollard::query_parameters::{BuildImageOptions, BuildImageOptionsBuilder, BuilderVersion, TagImageOptionsBuilder};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::pin::pin;
use tokio::sync::mpsc;

/// The context travels in pieces of this size, of which so many may wait.
const PIECE: usize = 256 * 1024;
const WAITING_PIECES: usize = 8;

/// Builds and tags one image.
pub(super) async fn build(shared: &Shared, plan: &BuildPlan, sink: &BuildSink) -> Result<ImageId, EngineError> {
    let dockerfile = std::fs::read(&plan.dockerfile).map_err(|error| unreadable(plan, &error))?;
    let dockerfile = String::from_utf8_lossy(&dockerfile).into_owned();
    let context = Context::open(plan, shared.abilities.buildkit).map_err(|error| unreadable(plan, &error))?;
    let named = format!("{dockerfile}\n{}", plan.args.values().cloned().collect::<Vec<_>>().join("\n"));
    let credentials = shared.config.credentials(&named).await;
    let options = options(shared, plan, &context.dockerfile_name());

    let (pieces, sent) = send(context, sink.clone());
    let mut progress = Progress::new(sink);
    let mut stream =
        pin!(shared.patient.build_image(options, Some(credentials), Some(bollard::body_try_stream(pieces))));
    let mut refusal = None;
    while let Some(message) = stream.next().await {
        match message {
            Ok(message) => progress.take(message),
            Err(error) => {
                refusal = Some(error);
                break;
            }
        }
    }
    // A stream may end in an error although the image was made: what counts is whether it is there.
    if let Some(id) = progress.image.take()
        && let Some(id) = confirmed(shared, &id).await
    {
        return tag(shared, plan, id).await;
    }
    if let Ok(Err(error)) = sent.await {
        return Err(unreadable(plan, &error));
    }
    Err(explain(plan, progress, refusal.as_ref(), &dockerfile))
}

fn options(shared: &Shared, plan: &BuildPlan, dockerfile: &str) -> BuildImageOptions {
    let mut args: HashMap<String, String> = shared.config.proxy_args(&shared.host).into_iter().collect();
    args.extend(plan.args.clone());
    let tag = format!("{}:latest", plan.repository);
    let builder = BuildImageOptionsBuilder::new()
        .dockerfile(dockerfile)
        .t(&tag)
        .nocache(plan.no_cache)
        .rm(true)
        .forcerm(true)
        .buildargs(&args)
        .platform(&plan.platform)
        .target(plan.target.as_deref().unwrap_or_default());
    if shared.abilities.buildkit {
        let session = hex(&rand::random::<[u8; 16]>());
        builder.version(BuilderVersion::BuilderBuildKit).session(&session).build()
    } else {
        builder.version(BuilderVersion::BuilderV1).build()
    }
}

type Piece = Result<Bytes, io::Error>;
type Sent = tokio::task::JoinHandle<io::Result<()>>;

/// Writes the archive on a thread of its own; the stream ends when it is whole.
fn send(context: Context, sink: BuildSink) -> (impl futures_util::Stream<Item = Piece> + Send + 'static, Sent) {
    let (pieces, mut waiting) = mpsc::channel::<Bytes>(WAITING_PIECES);
    let sent = tokio::task::spawn_blocking(move || {
        let mut out = BufWriter::with_capacity(PIECE, PieceWriter { pieces, sink, total: 0 });
        context.write_to(&mut out)?;
        out.flush()
    });
    let stream = futures_util::stream::poll_fn(move |cx| waiting.poll_recv(cx).map(|piece| piece.map(Ok)));
    (stream, sent)
}

/// Hands pieces over to the request, and waits while too many are under way.
struct PieceWriter {
    pieces: mpsc::Sender<Bytes>,
    sink: BuildSink,
    total: u64,
}

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = BytesMut::from(bytes).freeze();
        self.pieces.blocking_send(piece).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        self.total += bytes.len() as u64;
        // A face that looks away does not stop a build.
        let _ = self.sink.send(BuildEvent::Context(self.total));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The id as the engine knows it, if it has the image.
async fn confirmed(shared: &Shared, id: &str) -> Option<String> {
    shared.docker.inspect_image(id).await.ok().map(|found| found.id.unwrap_or_else(|| id.to_owned()))
}

/// Besides `latest`, a tag of its own: an image that the next build replaces does not become a nameless one.
async fn tag(shared: &Shared, plan: &BuildPlan, id: String) -> Result<ImageId, EngineError> {
    let image = ImageId(id);
    for tag in ["latest", image.short()] {
        let options = TagImageOptionsBuilder::new().repo(&plan.repository).tag(tag).build();
        let tagged = shared.docker.tag_image(&image.0, Some(options)).await;
        tagged.map_err(|error| told(&format!("naming the image of {}", plan.label), &error))?;
    }
    Ok(image)
}

fn explain(plan: &BuildPlan, progress: Progress<'_>, refusal: Option<&Error>, dockerfile: &str) -> EngineError {
    let doing = format!("building {}", plan.label);
    let Some(refusal) = refusal else {
        return failed(&doing, &"the builder ended without an image and without a reason");
    };
    let reason = words(refusal);
    if is_disk_full(&reason) || error::is_gone(refusal) {
        return told(&doing, refusal);
    }
    EngineError::Build(Box::new(progress.failure(&plan.label, &reason, dockerfile)))
}

/// A file of the project that cannot be read: the build's fault, not the engine's.
fn unreadable(plan: &BuildPlan, error: &io::Error) -> EngineError {
    if is_disk_full(&error.to_string()) {
        return EngineError::DiskFull(error.to_string());
    }
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied => Some("make it readable, or list it in .dockerignore".to_owned()),
        io::ErrorKind::NotFound => Some(format!("expected {}", plan.dockerfile.display())),
        _ => None,
    };
    EngineError::Build(Box::new(BuildFailure {
        message: format!("building {} failed: the context cannot be read: {error}", plan.label),
        help,
        ..BuildFailure::default()
    }))
}
