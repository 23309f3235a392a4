use super::leaves::{Leaves, verify};
use super::{Authority, AuthorityError};
use crate::clock::Clock;
use crate::model::domain::Domain;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const NOW: OffsetDateTime = datetime!(2026-11-21 03:08:15 UTC);

fn at(now: OffsetDateTime) -> Clock {
    Clock::anchored(now, 7)
}

fn domains(names: &[&str]) -> Vec<Domain> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn open(config: &Path) -> Result<Authority, AuthorityError> {
    Authority::open(config, &[], &at(NOW))
}

/// What a client that trusts the authority says when it asks for `name`.
async fn handshake(leaves: Leaves, authority: &Authority, name: &str) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone()).unwrap();
    // The client's clock is the machine's; that of the authority in these tests must be too.
    let client = ClientConfig::builder_with_provider(Arc::new(tokio_rustls::rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let acceptor = TlsAcceptor::from(Arc::new(leaves.config().unwrap()));
    let server = tokio::spawn(async move { acceptor.accept(far).await.map(|_| ()) });
    let connector = TlsConnector::from(Arc::new(client));
    let connected = connector.connect(ServerName::try_from(name.to_owned()).unwrap(), near).await;
    let _ = server.await;
    connected.map(|_| ()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn two_that_start_at_once_make_one_authority() {
    let config = tempfile::tempdir().unwrap();
    let starts: Vec<_> = (0..8)
        .map(|seed| {
            let (path, clock) = (config.path().join("dynosim"), Clock::anchored(NOW, seed));
            tokio::task::spawn_blocking(move || Authority::open(&path, &[], &clock).unwrap().fingerprint())
        })
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    for start in starts {
        seen.insert(start.await.unwrap());
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen.contains(&open(&config.path().join("dynosim")).unwrap().fingerprint()));
}

#[tokio::test]
async fn folder_and_key_are_the_user_s_alone_and_are_closed_again_when_they_were_opened() {
    let config = tempfile::tempdir().unwrap();
    open(config.path()).unwrap();
    let folder = config.path().join("authority");
    let key = folder.join("ca-key.pem");
    assert_eq!((mode(&folder), mode(&key)), (0o700, 0o600));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    open(config.path()).unwrap();
    assert_eq!((mode(&folder), mode(&key)), (0o700, 0o600));
}

#[tokio::test]
async fn an_expired_authority_is_named_with_the_way_to_a_new_one() {
    let config = tempfile::tempdir().unwrap();
    let old = open(config.path()).unwrap();
    assert!(!old.ends_soon(&at(NOW)));
    let nearly = at(old.until() - Duration::days(20));
    assert!(Authority::open(config.path(), &[], &nearly).unwrap().ends_soon(&nearly));
    let later = at(old.until() + Duration::seconds(1));
    let error = Authority::open(config.path(), &[], &later).err().unwrap();
    assert!(matches!(error, AuthorityError::Expired { .. }), "{error}");
    let text = format!("{error}; {}", error.help());
    assert!(text.contains("authority/ca.pem expired on 2031-11-20") && text.contains("trust --renew"), "{text}");
    let new = Authority::renew(config.path(), &[], &later).unwrap();
    assert_ne!(new.fingerprint(), old.fingerprint());
    assert_eq!(Authority::open(config.path(), &[], &later).unwrap().fingerprint(), new.fingerprint());
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_told() {
    let config = tempfile::tempdir().unwrap();
    open(config.path()).unwrap();
    let error = Authority::open(config.path(), &[], &at(NOW - Duration::days(30))).err().unwrap();
    assert!(error.to_string().contains("not valid before 2026-11-20"), "{error}");
}

#[tokio::test]
async fn files_that_are_not_an_authority_are_refused_by_name_and_not_overwritten() {
    let config = tempfile::tempdir().unwrap();
    open(config.path()).unwrap();
    let (ca, key) = (config.path().join("authority/ca.pem"), config.path().join("authority/ca-key.pem"));
    let (good_ca, good_key) = (fs::read(&ca).unwrap(), fs::read(&key).unwrap());
    let other = tempfile::tempdir().unwrap();
    open(other.path()).unwrap();
    let foreign = fs::read(other.path().join("authority/ca.pem")).unwrap();
    let refused = |file: &Path, bytes: &[u8], names: &Path| {
        fs::write(file, bytes).unwrap();
        let error = open(config.path()).err().unwrap_or_else(|| panic!("{} is taken", file.display()));
        assert!(matches!(error, AuthorityError::Broken { .. }), "{error}");
        assert!(error.to_string().contains(names.to_str().unwrap()), "{error}");
        assert_eq!(fs::read(file).unwrap(), bytes);
        fs::write(&ca, &good_ca).unwrap();
        fs::write(&key, &good_key).unwrap();
        open(config.path()).unwrap();
    };
    refused(&ca, b"", &ca);
    refused(&ca, b"hello", &ca);
    refused(&ca, &good_ca[..good_ca.len() / 2], &ca);
    refused(&ca, &foreign, &ca);
    refused(&key, b"hello", &key);
    refused(&key, &good_ca, &key);
    fs::remove_file(&key).unwrap();
    let error = open(config.path()).err().unwrap();
    assert!(error.to_string().contains("ca-key.pem is missing"), "{error}");
}

#[tokio::test]
async fn a_key_that_a_crash_left_alone_does_not_stand_in_the_way() {
    let config = tempfile::tempdir().unwrap();
    open(config.path()).unwrap();
    fs::remove_file(config.path().join("authority/ca.pem")).unwrap();
    open(config.path()).unwrap();
}

#[tokio::test]
async fn the_authority_cannot_speak_for_a_name_that_it_was_not_made_for() {
    let config = tempfile::tempdir().unwrap();
    let authority = Authority::open(config.path(), &domains(&["*.shop.com", "www.a.test"]), &at(NOW)).unwrap();
    assert_eq!(authority.names(), ["localhost", "test", "example", "shop.com"]);
    for (name, covered) in [
        ("www.shop.com", true),
        ("*.shop.com", true),
        ("deep.under.shop.com", true),
        ("any.test", true),
        ("www.example.com", false),
        ("notshop.com", false),
    ] {
        assert_eq!(authority.covers(&name.parse().unwrap()), covered, "{name}");
        // What it signs nevertheless is refused by those who trust it.
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = super::leaves::sign(&authority, &key, vec![name.into()], &at(NOW), NOW + Duration::days(1)).unwrap();
        let asked = name.replace('*', "x");
        assert_eq!(verify(&authority, &leaf, &asked, NOW).is_ok(), covered, "{name}");
    }
    let kept = Authority::renew(config.path(), &domains(&["www.other.com"]), &at(NOW)).unwrap();
    assert_eq!(kept.names(), ["localhost", "test", "example", "shop.com", "www.other.com"]);
}

#[tokio::test]
async fn clients_verify_each_name_of_the_app_and_no_other() {
    let config = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let more = domains(&["www.shop.com", "*.wild.test"]);
    for (name, verified) in [
        ("localhost", true),
        ("127.0.0.1", true),
        ("::1", true),
        ("shop.localhost", true),
        ("tenant.localhost", true),
        ("deep.tenant.localhost", true),
        ("www.shop.com", true),
        ("a.wild.test", true),
        ("a.b.wild.test", true),
        ("wild.test", false),
        ("www.example.com", false),
        ("127.0.0.2", false),
    ] {
        let authority = Authority::open(config.path(), &more, &clock).unwrap();
        let leaves =
            Leaves::new(Authority::open(config.path(), &more, &clock).unwrap(), "Shop", &more, &clock).unwrap();
        let said = handshake(leaves, &authority, name).await;
        assert_eq!(said.is_ok(), verified, "{name}: {said:?}");
    }
}

#[tokio::test]
async fn a_domain_that_the_authority_may_not_sign_for_gets_no_certificate() {
    let config = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let authority = Authority::open(config.path(), &[], &clock).unwrap();
    let late = domains(&["www.late.com"]);
    let leaves = Leaves::new(Authority::open(config.path(), &[], &clock).unwrap(), "shop", &late, &clock).unwrap();
    assert!(handshake(leaves, &authority, "www.late.com").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_outlives_its_certificates_makes_new_ones() {
    let config = tempfile::tempdir().unwrap();
    let clock = at(NOW);
    let leaves = Leaves::new(open(config.path()).unwrap(), "shop", &[], &clock).unwrap();
    let first = leaves.for_name("localhost").unwrap();
    assert!(Arc::ptr_eq(&first, &leaves.for_name("LOCALHOST.").unwrap()));
    tokio::time::sleep(std::time::Duration::from_secs(90 * 86_400 + 1)).await;
    let second = leaves.for_name("localhost").unwrap();
    let authority = open(config.path()).unwrap();
    assert!(verify(&authority, &first.cert[0], "localhost", clock.now()).is_err());
    verify(&authority, &second.cert[0], "localhost", clock.now()).unwrap();
}

#[tokio::test]
async fn a_client_that_makes_up_names_does_not_fill_the_memory() {
    let config = tempfile::tempdir().unwrap();
    let leaves = Leaves::new(open(config.path()).unwrap(), "shop", &[], &at(NOW)).unwrap();
    for n in 0..1100 {
        leaves.for_name(&format!("x{n}.localhost")).unwrap();
    }
    assert!(leaves.made.lock().unwrap().len() <= 1000);
}
