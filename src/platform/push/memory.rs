//! `push.json`: which blob a layer became and where it was put, the manifests of images, and uploads that have begun.
//! It saves work and decides nothing: what the registry has, the registry is asked.

use crate::model::image::ImageId;
use crate::platform::PlatformError;
use crate::platform::builds::used;
use crate::platform::project::Project;
use crate::platform::state::StateDir;
use crate::platform::store::{Builds, Kept};
use crate::registry::{Blob, Digest, Manifest, Repository, Sessions};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    /// By the digest of the layer's uncompressed bytes.
    layers: BTreeMap<Digest, Layer>,
    /// By the image's id at the engine.
    images: BTreeMap<String, Image>,
    /// Where uploads go on, by repository and blob.
    uploads: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Layer {
    blob: Blob,
    /// Repositories that it was sent to.
    at: BTreeSet<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Image {
    config: Blob,
    layers: Vec<Blob>,
}

/// What earlier pushes left. Clones share it.
#[derive(Clone)]
pub(super) struct Memory(Arc<Mutex<Kept<Known>>>);

impl Memory {
    pub(super) fn open(state: &StateDir) -> Self {
        Self(Arc::new(Mutex::new(Kept::open(state.file("push.json")))))
    }

    fn lock(&self) -> MutexGuard<'_, Kept<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What fails to be written down costs the next push time.
    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut kept = self.lock();
        change(&mut kept.value);
        let _ = kept.save();
    }

    /// The manifest that was made of an image.
    pub(super) fn manifest(&self, image: &ImageId) -> Option<Manifest> {
        let known = self.lock().value.images.get(&image.0).cloned()?;
        Some(Manifest { config: known.config, layers: known.layers })
    }

    /// The blob that a layer became.
    pub(super) fn layer(&self, diff: &Digest) -> Option<Blob> {
        self.lock().value.layers.get(diff).map(|layer| layer.blob.clone())
    }

    /// Other repositories of the same registry that a layer was sent to.
    pub(super) fn elsewhere(&self, blob: &Blob, repository: &Repository) -> Vec<String> {
        let (host, own) = (repository.host.as_str(), repository.path());
        let here = |at: &String| at.strip_prefix(host)?.strip_prefix('/').map(str::to_owned);
        let known = self.lock();
        let layers = known.value.layers.values().filter(|layer| layer.blob == *blob);
        layers.flat_map(|layer| layer.at.iter().filter_map(here)).filter(|path| path != own).collect()
    }

    pub(super) fn learn(&self, image: &ImageId, manifest: &Manifest, layers: &BTreeMap<Digest, Blob>) {
        self.change(|known| {
            let made = Image { config: manifest.config.clone(), layers: manifest.layers.clone() };
            known.images.insert(image.0.clone(), made);
            for (diff, blob) in layers {
                let layer = Layer { blob: blob.clone(), at: BTreeSet::new() };
                let layer = known.layers.entry(diff.clone()).or_insert(layer);
                layer.blob = blob.clone();
            }
        });
    }

    /// A repository has these blobs now.
    pub(super) fn arrived(&self, repository: &Repository, blobs: &[Blob]) {
        let name = repository.to_string();
        self.change(|known| {
            for layer in known.layers.values_mut().filter(|layer| blobs.contains(&layer.blob)) {
                layer.at.insert(name.clone());
            }
        });
    }

    /// Forgets what no image that is kept is made of.
    pub(super) fn tidy(&self, project: &Project) -> Result<(), PlatformError> {
        let builds = Builds::open(project.state.file("builds.json"));
        let used = used(&project.state, &builds)?;
        self.change(|known| {
            known.images.retain(|id, _| used.iter().any(|image| image.0 == *id));
            let images = &known.images;
            known.layers.retain(|_, layer| images.values().any(|image| image.layers.contains(&layer.blob)));
            known.uploads.clear();
        });
        Ok(())
    }

    /// The uploads of one repository.
    pub(super) fn uploads(&self, repository: &Repository) -> Uploads {
        Uploads { memory: self.clone(), repository: repository.to_string() }
    }
}

/// Uploads to one repository, remembered over the end of this process.
pub(super) struct Uploads {
    memory: Memory,
    repository: String,
}

impl Uploads {
    fn key(&self, blob: &Blob) -> String {
        format!("{}@{}", self.repository, blob.digest)
    }
}

impl Sessions for Uploads {
    fn recall(&self, blob: &Blob) -> Option<String> {
        self.memory.lock().value.uploads.get(&self.key(blob)).cloned()
    }

    fn keep(&self, blob: &Blob, place: &str) {
        self.memory.change(|known| drop(known.uploads.insert(self.key(blob), place.to_owned())));
    }

    fn forget(&self, blob: &Blob) {
        if self.recall(blob).is_some() {
            self.memory.change(|known| drop(known.uploads.remove(&self.key(blob))));
        }
    }
}
