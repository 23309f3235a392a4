//! What an engine may give for an image, on the scripted engine, against a registry that has nothing.

use super::choose::Chosen;
use super::memory::Memory;
use super::prepare::prepare;
use super::{PushError, SignIns, heroku_registry};
use crate::clock::Clock;
use crate::engine::fake::FakeEngine;
use crate::heroku::Endpoint;
use crate::manifest::LoadOptions;
use crate::model::image::{ImageFacts, ImageId};
use crate::model::process_type::ProcessType;
use crate::platform::PlatformError;
use crate::platform::project::{Place, Project, Sources};
use crate::platform::report::Reporter;
use crate::registry::{Client, Digest, DockerLogins, Host, Login, Manifest, Patience, Repository, Squeezer};
use crate::web::Proxies;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

/// A registry that has nothing, until the test process ends.
fn empty_registry() -> Host {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    Host::parse(&format!("127.0.0.1:{port}")).unwrap()
}

/// An export in OCI's layout; the config's digest and the manifest's.
fn export() -> (Vec<u8>, Digest, Digest) {
    let layer = b"a layer, as far as anybody here looks";
    let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [Digest::of(layer).as_str()]}});
    let config = config.to_string().into_bytes();
    let entry = |bytes: &[u8]| json!({"digest": Digest::of(bytes).as_str(), "size": bytes.len()});
    let manifest = json!({"config": entry(&config), "layers": [entry(layer)]}).to_string().into_bytes();
    let index = json!({"manifests": [entry(&manifest)]}).to_string().into_bytes();
    let mut tar = tar::Builder::new(Vec::new());
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", Digest::of(bytes).hex());
    for (name, bytes) in [
        (blob(layer), &layer[..]),
        (blob(&config), &config),
        (blob(&manifest), &manifest),
        ("index.json".into(), &index),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    (tar.into_inner().unwrap(), Digest::of(&config), Digest::of(&manifest))
}

/// What a push would send for an image of this id, of which the engine gives this export.
async fn prepared(id: &str, archive: Vec<u8>) -> Result<Manifest, PlatformError> {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("shop");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("Dockerfile"), "FROM scratch\nCMD [\"x\"]\n").unwrap();
    let place = Place { folder, instance: String::new(), state_base: home.path().join("state") };
    let clock = Clock::system();
    let sources = Sources::read(&place, LoadOptions::default(), &clock)?;
    let project = Project {
        app: sources.loaded.app,
        identity: sources.identity,
        state: sources.state,
        engine: Arc::new(FakeEngine::new().archive(id, archive)),
        clock,
        report: Reporter::new().0,
        user: "user@example.com".into(),
    };
    let repository = Repository::new(empty_registry(), "shop/web").unwrap();
    let client = Client::new(repository, None, Patience::default(), &Proxies::none()).unwrap();
    let chosen = Chosen {
        process_type: ProcessType::web(),
        image: ImageId(id.into()),
        version: None,
        facts: ImageFacts::default(),
    };
    let squeezer = Squeezer::new(home.path().to_owned());
    let ready = prepare(&project, &client, &chosen, &Memory::open(&project.state), &squeezer).await?;
    assert_eq!(ready.missing.len(), 2, "the layer and the config");
    Ok(ready.manifest)
}

#[tokio::test]
async fn an_engine_may_name_an_image_by_its_manifest_and_the_registry_gets_the_config_all_the_same() {
    let (archive, config, manifest) = export();
    for name in [&config, &manifest] {
        let made = prepared(name.as_str(), archive.clone()).await.unwrap();
        assert_eq!(made.config.digest, config);
    }
}

#[tokio::test]
async fn another_image_than_was_asked_for_is_not_pushed() {
    let (archive, config, _) = export();
    let asked = Digest::of(b"tested");
    let error = prepared(asked.as_str(), archive).await.unwrap_err();
    let PlatformError::Push(PushError::NotTheImage { image, found, .. }) = error else { panic!("{error}") };
    assert_eq!((image.0.as_str(), found), (asked.as_str(), config));
}

#[tokio::test]
async fn heroku_s_key_is_for_heroku_s_registry_and_comes_first_when_the_environment_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"{"auths": {"registry.heroku.com": {"auth": "XzpvZi1kb2NrZXI="}}}"#;
    std::fs::write(folder.path().join("config.json"), text).unwrap();
    let api = |host: &'static str| Endpoint::find(&|name| (name == "HEROKU_HOST").then(|| host.to_owned())).unwrap();
    let own = heroku_registry(&api("heroku.com")).unwrap();
    assert_eq!(own.as_str(), "registry.heroku.com");
    assert_eq!(heroku_registry(&api("http://localhost:5000")).unwrap().as_str(), "localhost:5000");
    let sign_ins = |key_first| SignIns {
        docker: DockerLogins::load(folder.path()),
        heroku: Some((own.clone(), Login::new("_", "of-heroku"))),
        key_first,
        proxies: Proxies::none(),
    };
    assert_eq!(sign_ins(true).of(&own).await.unwrap().secret(), "of-heroku");
    assert_eq!(sign_ins(false).of(&own).await.unwrap().secret(), "of-docker");
    let other = Host::parse("registry.example.com").unwrap();
    assert_eq!(sign_ins(true).of(&other).await, None);
    let alone = SignIns { docker: DockerLogins::default(), ..sign_ins(false) };
    assert_eq!(alone.of(&own).await.unwrap().secret(), "of-heroku");
}
