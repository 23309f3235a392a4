//! Certificates of the router: made afresh for each run, kept in memory only, one for each name that clients ask for.
//!
//! One certificate is for `localhost` in all its spellings. It has no `*.localhost`: browsers and OpenSSL do not take that
//! for a name under it, and rustls refuses the whole certificate for it. A wildcard of Heroku's, too, covers names at any
//! depth, and one of X.509 a single label. So each further name under `localhost`, and each that a domain of the app
//! matches, gets a certificate of its own when it is first asked for.

use super::{Authority, AuthorityError, is_under};
use crate::clock::Clock;
use crate::model::domain::Domain;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SerialNumber};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use time::Duration;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// How long a certificate of the router lives; a run that lasts longer makes new ones as it goes.
const DAYS: i64 = 90;
/// A certificate is made anew this long before it ends.
const EARLY: Duration = Duration::days(1);
/// How far back it reaches: clients' clocks may be behind.
const SLACK: Duration = Duration::hours(1);
/// Certificates kept at a time; a client that makes up names does not fill the memory.
const KEPT: usize = 1000;

/// The router's certificates.
pub struct Leaves {
    authority: Authority,
    clock: Clock,
    key: KeyPair,
    provider: Arc<CryptoProvider>,
    /// In the certificate of all who ask for nothing else.
    local: Vec<String>,
    /// Further names that are served.
    domains: Vec<Domain>,
    pub(super) made: Mutex<HashMap<String, Made>>,
}

/// A certificate and when to make a new one.
#[derive(Clone)]
pub(super) struct Made {
    key: Arc<CertifiedKey>,
    renew: time::OffsetDateTime,
}

impl Leaves {
    /// Certificates for the app of this name and its domains, those of them that the authority may sign for.
    pub fn new(authority: Authority, app: &str, domains: &[Domain], clock: &Clock) -> Result<Self, AuthorityError> {
        let mut local: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        local.extend(format!("{app}.localhost").parse::<Domain>().ok().map(|name| name.to_string()));
        let domains = domains.iter().filter(|domain| authority.covers(domain)).cloned().collect();
        let leaves = Self {
            authority,
            clock: clock.clone(),
            key: KeyPair::generate().map_err(|error| making("localhost", error))?,
            provider: Arc::new(ring::default_provider()),
            local,
            domains,
            made: Mutex::default(),
        };
        // What can fail, fails now and not in a handshake.
        leaves.for_name("localhost")?;
        Ok(leaves)
    }

    /// A server's TLS settings with these certificates.
    pub fn config(self) -> Result<ServerConfig, AuthorityError> {
        let provider = Arc::clone(&self.provider);
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let versions = versions.map_err(|error| making("localhost", error))?;
        Ok(versions.with_no_client_auth().with_cert_resolver(Arc::new(self)))
    }

    /// The certificate to show to a client that asks for `name`.
    pub(super) fn for_name(&self, name: &str) -> Result<Arc<CertifiedKey>, AuthorityError> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let is_local = self.local.contains(&name);
        let is_ours = is_under(&name, "localhost") || self.domains.iter().any(|domain| domain.matches(&name));
        let name = if is_local || !is_ours { "localhost".to_owned() } else { name };
        let now = self.clock.now();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = made.get(&name).filter(|one| now < one.renew) {
            return Ok(Arc::clone(&one.key));
        }
        let names = if name == "localhost" { self.local.clone() } else { vec![name.clone()] };
        let until = self.authority.until().min(now + Duration::days(DAYS));
        let leaf = sign(&self.authority, &self.key, names, &self.clock, until)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let key = CertifiedKey::from_der(vec![leaf], key, &self.provider).map_err(|error| making(&name, error))?;
        let one = Made { key: Arc::new(key), renew: until - EARLY };
        if made.len() >= KEPT {
            made.clear();
        }
        made.insert(name, one.clone());
        Ok(one.key)
    }
}

impl ResolvesServerCert for Leaves {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.for_name(hello.server_name().unwrap_or("localhost")).ok()
    }
}

impl fmt::Debug for Leaves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaves").field("local", &self.local).field("domains", &self.domains).finish_non_exhaustive()
    }
}

/// A certificate for these names, the first of them its subject.
pub(super) fn sign(
    authority: &Authority,
    key: &KeyPair,
    names: Vec<String>,
    clock: &Clock,
    until: time::OffsetDateTime,
) -> Result<CertificateDer<'static>, AuthorityError> {
    let subject = names.first().cloned().unwrap_or_default();
    let mut params = CertificateParams::new(names).map_err(|error| making(&subject, error))?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "dynosim");
    // A common name has room for 64 letters, and nobody reads it.
    params.distinguished_name.push(DnType::CommonName, subject.chars().take(64).collect::<String>());
    params.not_before = clock.now() - SLACK;
    params.not_after = until;
    params.serial_number = Some(SerialNumber::from_slice(&clock.random_bytes()));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let made = params.signed_by(key, &authority.issuer).map_err(|error| making(&subject, error))?;
    Ok(made.der().clone())
}

fn making(name: &str, error: impl fmt::Display) -> AuthorityError {
    AuthorityError::Making { name: name.to_owned(), reason: error.to_string() }
}

/// Signs a certificate and lets rustls verify it, as a client would: whether authority and key belong together.
pub(super) fn probe(authority: &Authority, clock: &Clock) -> Result<(), AuthorityError> {
    let key = KeyPair::generate().map_err(|error| making("localhost", error))?;
    let leaf = sign(authority, &key, vec!["localhost".to_owned()], clock, authority.until)?;
    verify(authority, &leaf, "localhost", clock.now())
}

/// What a client of rustls says to a certificate.
pub(super) fn verify(
    authority: &Authority,
    leaf: &CertificateDer<'_>,
    name: &str,
    now: time::OffsetDateTime,
) -> Result<(), AuthorityError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone()).map_err(|error| making(name, error))?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()));
    let verifier = verifier.build().map_err(|error| making(name, error))?;
    let server = ServerName::try_from(name.to_owned()).map_err(|error| making(name, error))?;
    let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    verifier.verify_server_cert(leaf, &[], &server, &[], now).map_err(|error| making(name, error))?;
    Ok(())
}
