//! Exports in both layouts, made here, and what becomes of them.

use super::saved::{Saved, SavedError, open};
use super::{Digest, Source, Squeezer};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;

/// An archive of these files; `->` before the contents makes a symbolic link.
fn archive(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        if let Some(target) = bytes.strip_prefix(b"->") {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, name, std::str::from_utf8(target).unwrap()).unwrap();
        } else {
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, &bytes[..]).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

fn config(architecture: &str, layers: &[&[u8]]) -> Vec<u8> {
    let diffs: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = json!({"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": diffs}});
    config.to_string().into_bytes()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn blob(bytes: &[u8]) -> (String, Value) {
    let digest = Digest::of(bytes);
    (format!("blobs/sha256/{}", digest.hex()), json!({"digest": digest.as_str(), "size": bytes.len()}))
}

fn read(archive: &[u8]) -> Result<Saved, SavedError> {
    let folder = tempfile::tempdir().unwrap();
    open(archive, &Squeezer::new(folder.path().to_owned()), |_| ())
}

/// OCI's layout: an index of an index of an image and its attestation, layers compressed.
fn oci(architecture: &str, layer: &[u8], kind: &str, squeeze: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let (config, squeezed) = (config(architecture, &[layer]), squeeze(layer));
    let (config_name, config_entry) = blob(&config);
    let (layer_name, mut layer_entry) = blob(&squeezed);
    layer_entry["mediaType"] = json!(format!("application/vnd.oci.image.layer.v1.tar{kind}"));
    let manifest = text(&json!({"schemaVersion": 2, "config": config_entry, "layers": [layer_entry]}));
    let (manifest_name, manifest_entry) = blob(&manifest);
    let statement = text(&json!({"schemaVersion": 2, "config": {"digest": Digest::of(b"x").as_str()}, "layers": []}));
    let (statement_name, mut statement_entry) = blob(&statement);
    statement_entry["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    statement_entry["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let inner = text(&json!({"schemaVersion": 2, "manifests": [statement_entry, manifest_entry]}));
    let (inner_name, inner_entry) = blob(&inner);
    let index = text(&json!({"schemaVersion": 2, "manifests": [inner_entry]}));
    archive(&[
        ("oci-layout", b"{}".to_vec()),
        (&inner_name, inner),
        (&statement_name, statement),
        (&manifest_name, manifest),
        (&config_name, config),
        (&layer_name, squeezed),
        ("index.json", index),
    ])
}

#[test]
fn r1_2_an_oci_index_with_attestations_becomes_one_schema_2_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let saved = read(&oci("amd64", b"the layer", "+gzip", gzipped)).unwrap();
    assert_eq!(saved.names.len(), 3, "the config's, the index's and the manifest's digests name it");
    let squeezer = Squeezer::new(folder.path().to_owned());
    let prepared = squeezer.prepare(&saved, &BTreeMap::new()).unwrap();
    assert_eq!(prepared.manifest.config.digest, Digest::of(&config("amd64", &[b"the layer"])));
    let layers: Vec<&Digest> = prepared.manifest.layers.iter().map(|layer| &layer.digest).collect();
    assert_eq!(layers, [&Digest::of(&gzipped(b"the layer"))], "what is compressed is sent as it is");
    let Source::File(path) = &prepared.sources[layers[0]] else { panic!() };
    assert_eq!(std::fs::read(path).unwrap(), gzipped(b"the layer"));
}

#[test]
fn docker_s_layout_is_read_whatever_stands_first_and_a_layer_twice_is_one_blob() {
    let config = config("amd64", &[b"low", b"low"]);
    let manifest = text(&json!([{"Config": "c.json", "Layers": ["a/layer.tar", "b/layer.tar"]}]));
    let files = [
        ("b/layer.tar", b"->../a/layer.tar".to_vec()),
        ("a/layer.tar", b"low".to_vec()),
        ("c.json", config.clone()),
        ("manifest.json", manifest),
    ];
    let folder = tempfile::tempdir().unwrap();
    let saved = read(&archive(&files)).unwrap();
    assert_eq!((&saved.config, saved.names.len()), (&config, 1), "the config is what it was, to the byte");
    let squeezer = Squeezer::new(folder.path().to_owned());
    let prepared = squeezer.prepare(&saved, &BTreeMap::new()).unwrap();
    assert_eq!(prepared.manifest.layers.len(), 2);
    assert_eq!(prepared.sources.len(), 2, "one layer and the config");
    let again = squeezer.prepare(&read(&archive(&files)).unwrap(), &BTreeMap::new()).unwrap();
    assert_eq!(again.manifest, prepared.manifest, "the same bytes every time");
    let known = squeezer.prepare(&read(&archive(&files)).unwrap(), &prepared.layers).unwrap();
    assert_eq!((known.manifest, known.sources.len()), (prepared.manifest, 1), "known layers are only named");
}

#[test]
fn what_cannot_run_at_heroku_or_is_not_what_its_config_says_is_refused() {
    assert!(matches!(read(&oci("arm64", b"x", "+gzip", gzipped)), Err(SavedError::Platform(p)) if p == "linux/arm64"));
    let zstd = |_: &[u8]| [&[0x28, 0xb5, 0x2f, 0xfd][..], b"rest"].concat();
    assert!(matches!(read(&oci("amd64", b"x", "+zstd", zstd)), Err(SavedError::Zstd)));
    let folder = tempfile::tempdir().unwrap();
    let squeezer = Squeezer::new(folder.path().to_owned());
    let prepare = |saved: Saved| squeezer.prepare(&saved, &BTreeMap::new()).map(drop);
    let unnamed = read(&oci("amd64", b"x", "", zstd)).unwrap();
    assert!(matches!(prepare(unnamed), Err(SavedError::Zstd)), "whatever the index calls it");
    let other = read(&oci("amd64", b"x", "+gzip", |_| gzipped(b"y"))).unwrap();
    assert!(matches!(prepare(other), Err(SavedError::Broken(why)) if why.contains("holds")));
}

#[test]
fn what_is_still_read_when_a_push_is_broken_off_leaves_no_file() {
    let layers = [vec![1; 3 << 20], vec![2; 3 << 20]];
    let files = [("a/layer.tar", layers[0].clone()), ("b/layer.tar", layers[1].clone())];
    let folder = tempfile::tempdir().unwrap();
    let squeezer = Squeezer::new(folder.path().to_owned());
    let made = || std::fs::read_dir(folder.path()).unwrap().count();
    let mut most = 0;
    // In the middle of the first layer: the file of the second would be made afterwards.
    let opened = open(&archive(&files)[..], &squeezer, |_| {
        most = most.max(made());
        squeezer.break_off();
    });
    assert!(matches!(opened, Err(SavedError::Io { .. })), "{opened:?}");
    assert_eq!((most, made()), (1, 0));
}

#[test]
fn a_broken_archive_is_an_error_and_no_panic() {
    let whole = oci("amd64", b"the layer", "+gzip", gzipped);
    for cut in (0..whole.len()).step_by(101) {
        let _ = read(&whole[..cut]);
    }
    let missing = archive(&[("manifest.json", text(&json!([{"Config": "../../etc/passwd", "Layers": []}])))]);
    assert!(matches!(read(&missing), Err(SavedError::Broken(why)) if why.contains("is missing")));
    for torn in ["{}", "[]", "[{}]", "null", "x"] {
        assert!(read(&archive(&[("manifest.json", torn.into())])).is_err(), "{torn}");
        assert!(read(&archive(&[("index.json", torn.into())])).is_err(), "{torn}");
    }
    let around = text(&json!({"manifests": [{"digest": "sha256:../../../etc/passwd"}]}));
    assert!(read(&archive(&[("index.json", around)])).is_err());
}
