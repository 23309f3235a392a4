//! What stands for an image: the app's folder as it is. Only what is said of it is kept, so that releases have an
//! honest id and can be numbered, compared and rolled back to; files are not among what is kept.

use super::Shared;
use crate::engine::context::fingerprint;
use crate::engine::hex;
use crate::engine::{BuildPlan, EngineError, Patch};
use crate::model::image::{ImageFacts, ImageId};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Takes the folder of a plan as an image. The id is a digest over what its files look like now (name, mode, size, time),
/// its command, its folder and its variables.
pub(super) async fn build(shared: &Shared, plan: &BuildPlan) -> Result<ImageId, EngineError> {
    let (plan, store) = (plan.clone(), store(shared));
    let work = move || {
        let facts = describe(&plan)?;
        write(&store, &facts)?;
        Ok(ImageId(facts.id))
    };
    let built: io::Result<ImageId> = tokio::task::spawn_blocking(work).await.map_err(io::Error::other).and_then(|r| r);
    built.map_err(|error| failed("taking the app's folder as its image", &error))
}

/// The files are where they go: what is new is the id, by which a restart is told from none.
pub(super) fn patch(shared: &Shared, patch: &Patch) -> Result<ImageFacts, EngineError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut hash = Sha256::new();
    let count = format!("{} {}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let targets = patch.pieces.iter().map(|piece| piece.target.as_str());
    for part in ["dynosim native patch", &patch.base.id, &count].into_iter().chain(targets) {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let facts = ImageFacts { id: format!("sha256:{}", hex(&hash.finalize())), ..patch.base.clone() };
    write(&store(shared), &facts).map_err(|error| failed("restarting with changed files", &error))?;
    Ok(facts)
}

/// What is known of an image; `None` when it was never made here.
pub(super) fn inspect(shared: &Shared, image: &ImageId) -> Option<ImageFacts> {
    let text = fs::read(place(&store(shared), &image.0)?).ok()?;
    let facts: ImageFacts = serde_json::from_slice(&text).ok()?;
    Path::new(&facts.workdir).is_dir().then_some(facts)
}

/// Forgets what is not in `keep`.
pub(super) fn prune(shared: &Shared, keep: &[ImageId]) -> usize {
    let store = store(shared);
    let kept: Vec<PathBuf> = keep.iter().filter_map(|image| place(&store, &image.0)).collect();
    let all = fs::read_dir(&store).into_iter().flatten().flatten().map(|entry| entry.path());
    all.filter(|path| !kept.contains(path) && fs::remove_file(path).is_ok()).count()
}

/// Why something that needs a real image cannot be done.
pub(super) fn none(doing: &str) -> EngineError {
    failed(
        doing,
        &"the native engine runs the app's folder and makes no images: use --engine docker, where a container engine \
          answers",
    )
}

/// An error of ours.
pub(super) fn failed(doing: &str, reason: &impl ToString) -> EngineError {
    EngineError::Operation { doing: doing.to_owned(), reason: reason.to_string() }
}

fn store(shared: &Shared) -> PathBuf {
    shared.options.files.join("native-images")
}

fn place(store: &Path, id: &str) -> Option<PathBuf> {
    let hex = id.strip_prefix("sha256:").filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some(store.join(format!("{hex}.json")))
}

fn write(store: &Path, facts: &ImageFacts) -> io::Result<()> {
    fs::create_dir_all(store)?;
    let place = place(store, &facts.id).ok_or_else(|| io::Error::other("the id is no digest"))?;
    let mut file = tempfile::NamedTempFile::new_in(store)?;
    serde_json::to_writer(&mut file, facts)?;
    file.persist(place)?;
    Ok(())
}

fn describe(plan: &BuildPlan) -> io::Result<ImageFacts> {
    let facts = plan.native.clone().ok_or_else(|| io::Error::other("nothing says what runs without an image"))?;
    let mut hash = Sha256::new();
    for part in ["dynosim native", &fingerprint(plan)?, &serde_json::to_string(&facts)?] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    Ok(ImageFacts { id: format!("sha256:{}", hex(&hash.finalize())), ..facts })
}
