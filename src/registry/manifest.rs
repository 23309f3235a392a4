//! Docker's image manifest, version 2 schema 2: the only kind that Heroku's registry takes (R1.2).

use super::place::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The media type of the manifest.
pub(super) const SCHEMA_2: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// What we can make sense of when a registry is asked for a tag; schema 2 first.
pub(super) const ACCEPTED: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.image.manifest.v1+json;q=0.5, \
    application/vnd.docker.distribution.manifest.list.v2+json;q=0.2, \
    application/vnd.oci.image.index.v1+json;q=0.2";

/// Something that a registry keeps: bytes by their digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Of the bytes.
    pub digest: Digest,
    /// How many.
    pub size: u64,
}

/// A schema 2 manifest: an image's config and its layers, lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The config, whose digest is the image's.
    pub config: Blob,
    /// The layers, compressed.
    pub layers: Vec<Blob>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text {
    schema_version: u8,
    media_type: String,
    config: Entry,
    layers: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    media_type: String,
    size: u64,
    digest: Digest,
}

impl Entry {
    fn of(media_type: &str, blob: &Blob) -> Self {
        Self { media_type: media_type.into(), size: blob.size, digest: blob.digest.clone() }
    }

    fn blob(self) -> Blob {
        Blob { digest: self.digest, size: self.size }
    }
}

impl Manifest {
    /// The bytes: the same for the same image, always.
    pub fn bytes(&self) -> Vec<u8> {
        let text = Text {
            schema_version: 2,
            media_type: SCHEMA_2.into(),
            config: Entry::of(CONFIG, &self.config),
            layers: self.layers.iter().map(|layer| Entry::of(LAYER, layer)).collect(),
        };
        serde_json::to_vec_pretty(&text).unwrap_or_default()
    }

    /// Of bytes that are such a manifest and nothing else.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let text: Text = serde_json::from_slice(bytes).ok()?;
        let ours = text.schema_version == 2
            && text.media_type == SCHEMA_2
            && text.config.media_type == CONFIG
            && text.layers.iter().all(|layer| layer.media_type == LAYER);
        ours.then(|| Self { config: text.config.blob(), layers: text.layers.into_iter().map(Entry::blob).collect() })
    }

    /// Its bytes' digest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes())
    }

    /// All that it names, the config last.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.layers.iter().chain([&self.config])
    }
}

/// The config digest that any manifest of one image names, schema 2 or OCI's; `None` for a list of several.
pub(super) fn config_of(bytes: &[u8]) -> Option<Digest> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    value["config"]["digest"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Blob, Digest, Manifest, config_of};

    fn blob(text: &str) -> Blob {
        Blob { digest: Digest::of(text.as_bytes()), size: text.len() as u64 }
    }

    #[test]
    fn r1_2_what_is_made_is_schema_2_to_the_letter() {
        let manifest = Manifest { config: blob("{}"), layers: vec![blob("one"), blob("two")] };
        let value: serde_json::Value = serde_json::from_slice(&manifest.bytes()).unwrap();
        assert_eq!(value["schemaVersion"], 2);
        assert_eq!(value["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
        assert_eq!(value["config"]["mediaType"], "application/vnd.docker.container.image.v1+json");
        assert_eq!(value["layers"][1]["mediaType"], "application/vnd.docker.image.rootfs.diff.tar.gzip");
        assert_eq!(value.as_object().unwrap().len(), 4, "nothing else, such as annotations");
        assert_eq!(Manifest::read(&manifest.bytes()), Some(manifest.clone()));
        assert_eq!(config_of(&manifest.bytes()), Some(blob("{}").digest));
        let oci = String::from_utf8(manifest.bytes())
            .unwrap()
            .replace("docker.distribution.manifest.v2", "oci.image.manifest.v1");
        assert_eq!(Manifest::read(oci.as_bytes()), None);
        assert_eq!(config_of(oci.as_bytes()), Some(blob("{}").digest));
    }
}
