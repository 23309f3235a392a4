//! An image as an engine exports it, read whole: Docker's own layout (`manifest.json`, layers as they are) and OCI's
//! (`index.json`, blobs by digest, perhaps compressed, perhaps with attestations beside the image).
//!
//! Every layer is checked against the config, which names it by the digest of its uncompressed bytes.

use super::place::Digest;
use super::squeeze::Squeezer;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use tempfile::TempPath;

/// Files of the archive up to this size stay in memory.
const SMALL: u64 = 1 << 20;
/// Nobody's config or index is larger.
const MOST_TEXT: usize = 16 << 20;
/// Manifests within indexes within indexes.
const MOST_DEPTH: usize = 4;

/// Why an export is not an image that can be pushed.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// It is not what the engine said it would be.
    #[error("the engine's export of the image is not sound: {0}")]
    Broken(String),
    /// It is for another machine than Heroku's.
    #[error("the image is for {0}, and Heroku's dynos are linux/amd64")]
    Platform(String),
    /// A layer is compressed in a way that schema 2 does not have.
    #[error("a layer is compressed with zstd, which a schema 2 manifest cannot name")]
    Zstd,
    /// The system.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Its error.
        source: io::Error,
    },
}

/// Bytes of the archive.
#[derive(Debug)]
pub(super) enum Bulk {
    Small(Vec<u8>),
    Large(TempPath),
}

#[derive(Debug)]
pub(super) struct Piece {
    pub(super) digest: Digest,
    pub(super) bulk: Bulk,
}

impl Piece {
    pub(super) fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(match &self.bulk {
            Bulk::Small(bytes) => Box::new(&bytes[..]),
            Bulk::Large(path) => Box::new(File::open(path)?),
        })
    }

    fn text(&self) -> Option<&[u8]> {
        if let Bulk::Small(bytes) = &self.bulk { Some(bytes) } else { None }
    }
}

/// One layer: the digest of its uncompressed bytes, and where its bytes are.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) diff: Digest,
    pub(super) file: String,
}

/// An image, read and checked.
#[derive(Debug)]
pub struct Saved {
    /// The config, byte for byte: its digest is the image's.
    pub config: Vec<u8>,
    /// Digests by which an engine may know the image: the config's, and in OCI's layout the manifest's and the index's.
    pub names: Vec<Digest>,
    pub(super) layers: Vec<Layer>,
    pub(super) pieces: HashMap<String, Piece>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifest {
    config: String,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

/// The parts of an image in the archive: its config, its layers and names it goes by.
struct Parts {
    config: String,
    layers: Vec<String>,
    names: Vec<Digest>,
}

/// Reads an archive; what is large goes to files of `squeezer`'s that are never made whole, and vanish with the result.
/// `read` is told how many bytes came.
pub fn open(archive: impl Read, squeezer: &Squeezer, read: impl FnMut(u64)) -> Result<Saved, SavedError> {
    let mut pieces = unpack(archive, squeezer, read)?;
    let parts = match pieces.get("manifest.json") {
        Some(_) => docker_parts(&pieces)?,
        None => oci_parts(&pieces)?,
    };
    let config = text_of(&pieces, &parts.config)?.to_vec();
    let facts = facts_of(&config)?;
    let platform = format!("{}/{}", facts.os, facts.architecture);
    if platform != "linux/amd64" {
        return Err(SavedError::Platform(platform));
    }
    let diffs = facts.rootfs.diff_ids;
    if diffs.len() != parts.layers.len() {
        return Err(broken(format!("{} layers where its config names {}", parts.layers.len(), diffs.len())));
    }
    if let Some(missing) = parts.layers.iter().find(|name| !pieces.contains_key(*name)) {
        return Err(broken(format!("{missing} is missing")));
    }
    pieces.retain(|name, _| parts.layers.contains(name));
    let mut names = vec![Digest::of(&config)];
    names.extend(parts.names);
    let layers = diffs.into_iter().zip(parts.layers).map(|(diff, file)| Layer { diff, file }).collect();
    Ok(Saved { config, names, layers, pieces })
}

impl Saved {
    /// The layers, lowest first, by the digests of their uncompressed bytes.
    pub fn diffs(&self) -> impl Iterator<Item = &Digest> {
        self.layers.iter().map(|layer| &layer.diff)
    }

    /// The image's config digest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.config)
    }
}

fn broken(why: impl Into<String>) -> SavedError {
    SavedError::Broken(why.into())
}

fn io(doing: &'static str) -> impl Fn(io::Error) -> SavedError {
    move |source| SavedError::Io { doing, source }
}

fn unpack(
    archive: impl Read,
    squeezer: &Squeezer,
    mut read: impl FnMut(u64),
) -> Result<HashMap<String, Piece>, SavedError> {
    let reading = io("reading the engine's export");
    let mut archive = tar::Archive::new(archive);
    let (mut pieces, mut links) = (HashMap::new(), Vec::new());
    for entry in archive.entries().map_err(&reading)? {
        let mut entry = entry.map_err(&reading)?;
        let name = plain(&String::from_utf8_lossy(&entry.path_bytes()));
        match entry.header().entry_type() {
            kind if kind.is_symlink() || kind.is_hard_link() => {
                let target = entry.link_name_bytes().map(|target| String::from_utf8_lossy(&target).into_owned());
                let target = target.unwrap_or_default();
                links.push((name.clone(), if kind.is_symlink() { beside(&name, &target) } else { plain(&target) }));
            }
            kind if kind.is_file() => {
                let size = entry.size();
                let piece = keep(&mut entry, size, squeezer, &mut read)?;
                pieces.insert(name, piece);
            }
            _ => {}
        }
    }
    // The same layer twice is a link to the first (Docker up to 24).
    for (name, target) in links {
        if let Some(piece) = pieces.get(&target) {
            let again = Piece { digest: piece.digest.clone(), bulk: copy_of(piece, squeezer)? };
            pieces.insert(name, again);
        }
    }
    Ok(pieces)
}

fn copy_of(piece: &Piece, squeezer: &Squeezer) -> Result<Bulk, SavedError> {
    let writing = io("keeping a layer");
    Ok(match &piece.bulk {
        Bulk::Small(bytes) => Bulk::Small(bytes.clone()),
        Bulk::Large(path) => {
            let new = squeezer.begin().map_err(&writing)?.into_temp_path();
            std::fs::copy(path, &new).map_err(&writing)?;
            Bulk::Large(new)
        }
    })
}

fn keep(
    entry: &mut impl Read,
    size: u64,
    squeezer: &Squeezer,
    read: &mut impl FnMut(u64),
) -> Result<Piece, SavedError> {
    let (reading, writing) = (io("reading the engine's export"), io("keeping a layer"));
    let mut hash = Sha256::new();
    if size <= SMALL {
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(&reading)?;
        hash.update(&bytes);
        read(bytes.len() as u64);
        return Ok(Piece { digest: Digest::finish(hash), bulk: Bulk::Small(bytes) });
    }
    let mut file = squeezer.begin().map_err(&writing)?;
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = entry.read(&mut buffer).map_err(&reading)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        file.write_all(&buffer[..count]).map_err(&writing)?;
        read(count as u64);
    }
    Ok(Piece { digest: Digest::finish(hash), bulk: Bulk::Large(file.into_temp_path()) })
}

/// A name in the archive, however it is written.
fn plain(name: &str) -> String {
    name.trim_start_matches("./").trim_start_matches('/').to_owned()
}

/// What a symbolic link at `name` means: Docker writes `../<layer>/layer.tar`.
fn beside(name: &str, target: &str) -> String {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn text_of<'p>(pieces: &'p HashMap<String, Piece>, name: &str) -> Result<&'p [u8], SavedError> {
    let piece = pieces.get(name).ok_or_else(|| broken(format!("{name} is missing")))?;
    let text = piece.text().filter(|text| text.len() <= MOST_TEXT);
    text.ok_or_else(|| broken(format!("{name} is too large to be a description")))
}

fn facts_of(config: &[u8]) -> Result<Config, SavedError> {
    serde_json::from_slice(config).map_err(|error| broken(format!("its config cannot be read: {error}")))
}

/// Docker's layout. Of several images (one for each platform) the one for Heroku's machines.
fn docker_parts(pieces: &HashMap<String, Piece>) -> Result<Parts, SavedError> {
    let text = text_of(pieces, "manifest.json")?;
    let found: Vec<DockerManifest> =
        serde_json::from_slice(text).map_err(|error| broken(format!("manifest.json cannot be read: {error}")))?;
    let mut other = None;
    for one in found {
        let config = plain(&one.config);
        let parts = Parts { layers: one.layers.iter().map(|name| plain(name)).collect(), config, names: Vec::new() };
        let facts = facts_of(text_of(pieces, &parts.config)?)?;
        if facts.architecture == "amd64" && facts.os == "linux" {
            return Ok(Parts { names: oci_names(pieces, &parts.config), ..parts });
        }
        other = Some(parts);
    }
    other.ok_or_else(|| broken("manifest.json names no image"))
}

/// Where OCI's layout stands beside Docker's: the digests of the manifest of this config and of what leads there.
fn oci_names(pieces: &HashMap<String, Piece>, config: &str) -> Vec<Digest> {
    match oci_parts(pieces) {
        Ok(parts) if parts.config == config => parts.names,
        _ => Vec::new(),
    }
}

/// OCI's layout: from the index to the one manifest of an image for Heroku's machines.
fn oci_parts(pieces: &HashMap<String, Piece>) -> Result<Parts, SavedError> {
    let index = pieces.get("index.json").ok_or_else(|| broken("it has neither manifest.json nor index.json"))?;
    let mut seen = Vec::new();
    let index = index.text().ok_or_else(|| broken("index.json is too large"))?;
    let found = manifest_in(pieces, index, &[], &mut seen, 0)?;
    found.ok_or_else(|| match seen.first() {
        Some(platform) => SavedError::Platform(platform.clone()),
        None => broken("index.json names no image"),
    })
}

fn manifest_in(
    pieces: &HashMap<String, Piece>,
    text: &[u8],
    above: &[Digest],
    seen: &mut Vec<String>,
    depth: usize,
) -> Result<Option<Parts>, SavedError> {
    let value: Value =
        serde_json::from_slice(text).map_err(|error| broken(format!("an index cannot be read: {error}")))?;
    if depth > MOST_DEPTH {
        return Err(broken("its indexes lead nowhere"));
    }
    if value["config"]["digest"].is_string() {
        let config = blob_name(&value["config"])?;
        let facts = facts_of(text_of(pieces, &config)?)?;
        let platform = format!("{}/{}", facts.os, facts.architecture);
        if platform != "linux/amd64" {
            seen.push(platform);
            return Ok(None);
        }
        let layers = value["layers"].as_array().map(Vec::as_slice).unwrap_or_default();
        if layers.iter().any(|layer| layer["mediaType"].as_str().is_some_and(|kind| kind.ends_with("zstd"))) {
            return Err(SavedError::Zstd);
        }
        let layers = layers.iter().map(blob_name).collect::<Result<_, _>>()?;
        return Ok(Some(Parts { config, layers, names: above.to_vec() }));
    }
    for one in value["manifests"].as_array().map(Vec::as_slice).unwrap_or_default() {
        // Attestations are no image: they stand beside it under a platform that nobody has.
        let attestation =
            one["annotations"]["vnd.docker.reference.type"].is_string() || one["platform"]["os"] == "unknown";
        let name = blob_name(one)?;
        // Of an image for several platforms an engine may have fetched one alone.
        if attestation || !pieces.contains_key(&name) {
            continue;
        }
        let mut above = above.to_vec();
        above.extend(pieces.get(&name).map(|piece| piece.digest.clone()));
        if let Some(parts) = manifest_in(pieces, text_of(pieces, &name)?, &above, seen, depth + 1)? {
            return Ok(Some(parts));
        }
    }
    Ok(None)
}

/// Where the layout keeps what a descriptor names.
fn blob_name(descriptor: &Value) -> Result<String, SavedError> {
    let digest = descriptor["digest"].as_str().unwrap_or_default();
    let digest: Digest = digest.parse().map_err(|error: super::place::BadName| broken(error.0))?;
    Ok(format!("blobs/sha256/{}", digest.hex()))
}
