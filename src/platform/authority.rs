//! The local certificate authority: made on first use, kept in the user's config folder, used by every `up --https`.
//!
//! ```text
//! <config folder>/authority/    0700
//!   ca.pem       the certificate, to be installed where it shall be trusted
//!   ca-key.pem   its private key, 0600
//!   lock         held while one of them is read or made
//! ```
//!
//! Who gets hold of the key could speak for any site to those who trust the certificate. So the certificate is limited
//! to names that lead nowhere else: `localhost`, the reserved `test` and `example`, the loopback addresses, and the
//! domains that the user asked for when it was made. It cannot make further authorities.

mod der;
mod leaves;

pub use leaves::Leaves;

use super::state::{private_dir, write_atomically};
use crate::clock::Clock;
use crate::model::domain::Domain;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints, PublicKeyData, SerialNumber,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::net::Ipv6Addr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use time::{Duration, OffsetDateTime};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// How long the authority lives.
const YEARS: i64 = 5;
/// Clocks of other machines and containers may be behind.
const SLACK: Duration = Duration::days(1);
/// When the end comes this near, it is said.
const NEAR: Duration = Duration::days(30);
/// Names that are reserved, and so lead to nobody else (RFC 2606, RFC 6761); everything under them is included.
const RESERVED: [&str; 3] = ["localhost", "test", "example"];

/// A certificate authority that can sign.
pub struct Authority {
    path: PathBuf,
    pem: String,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    names: Vec<String>,
    until: OffsetDateTime,
}

/// Why there is no authority to work with. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file or folder that the system does not give.
    #[error("{doing} {path}: {source}", path = .path.display())]
    Io {
        /// As "read".
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file that is not what it should be.
    #[error("{path} {reason}", path = .path.display())]
    Broken {
        /// Which.
        path: PathBuf,
        /// As "is not a certificate".
        reason: String,
    },
    /// The authority is too old.
    #[error("the certificate {path} expired on {on}", path = .path.display(), on = .at.date())]
    Expired {
        /// Its file.
        path: PathBuf,
        /// When.
        at: OffsetDateTime,
    },
    /// The authority's time has not come: the clock was set back.
    #[error("the certificate {path} is not valid before {on}", path = .path.display(), on = .at.date())]
    Early {
        /// Its file.
        path: PathBuf,
        /// When.
        at: OffsetDateTime,
    },
    /// The cryptography failed.
    #[error("the certificate for {name} could not be made: {reason}")]
    Making {
        /// For whom.
        name: String,
        /// Why.
        reason: String,
    },
}

impl AuthorityError {
    /// How to mend it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Io { .. } => {
                "give yourself the right to read and write it, or set DYNOSIM_CONFIG_DIR to another folder"
            }
            Self::Broken { .. } | Self::Expired { .. } => {
                "make a new authority with `dynosim trust --renew`; where the old one was installed, install the new one"
            }
            Self::Early { .. } => "set this machine's clock, or make a new authority with `dynosim trust --renew`",
            Self::Making { .. } => "run without --https",
        }
    }
}

impl Authority {
    /// The authority under the config folder, made now if there is none. `domains` widen one that is made, as far as
    /// reserved names do not cover them; they do not change one that is there.
    ///
    /// Blocks for the moment that another process needs to make it.
    pub fn open(config: &Path, domains: &[Domain], clock: &Clock) -> Result<Self, AuthorityError> {
        let files = Files::under(config);
        let _turn = files.turn()?;
        match files.read(&files.certificate)? {
            Some(pem) => Self::load(&files, pem, clock),
            // A key alone is what a crash left on the way: nobody has ever trusted it.
            None => Self::make(&files, domains, clock),
        }
    }

    /// Replaces the authority, whatever state it is in. Domains of the old one stay, where it can be read.
    pub fn renew(config: &Path, domains: &[Domain], clock: &Clock) -> Result<Self, AuthorityError> {
        let files = Files::under(config);
        let _turn = files.turn()?;
        let old = files.read(&files.certificate).ok().flatten().and_then(|pem| Limits::of(pem.as_bytes()));
        let kept = old.into_iter().flat_map(|limits| limits.names).filter_map(|name| name.parse().ok());
        let domains: Vec<Domain> = kept.chain(domains.iter().cloned()).collect();
        Self::make(&files, &domains, clock)
    }

    fn make(files: &Files, domains: &[Domain], clock: &Clock) -> Result<Self, AuthorityError> {
        let failed = |error: rcgen::Error| AuthorityError::Making {
            name: "the local authority".to_owned(),
            reason: error.to_string(),
        };
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = params_of(&key);
        let now = clock.now();
        params.not_before = now - SLACK;
        params.not_after = now + Duration::days(365 * YEARS);
        params.serial_number = Some(SerialNumber::from_slice(&clock.random_bytes()));
        params.name_constraints = Some(constraints(domains));
        let pem = params.self_signed(&key).map_err(failed)?.pem();
        // The certificate last: where it is, the key is.
        files.write(&files.key, &key.serialize_pem())?;
        files.write(&files.certificate, &pem)?;
        Self::load(files, pem, clock)
    }

    fn load(files: &Files, pem: String, clock: &Clock) -> Result<Self, AuthorityError> {
        let path = files.certificate.clone();
        let broken =
            |path: &Path, reason: &str| AuthorityError::Broken { path: path.to_owned(), reason: reason.to_owned() };
        let Some(Limits { certificate, from, until, names }) = Limits::of(pem.as_bytes()) else {
            return Err(broken(&path, "is not a certificate"));
        };
        let Some(key) = files.read(&files.key)? else {
            return Err(broken(&files.key, "is missing: the authority cannot sign without its key"));
        };
        let key = KeyPair::from_pem(&key).map_err(|_| broken(&files.key, "is not a private key"))?;
        let now = clock.now();
        if now >= until {
            return Err(AuthorityError::Expired { path, at: until });
        }
        if now < from {
            return Err(AuthorityError::Early { path, at: from });
        }
        let issuer = Issuer::new(params_of(&key), key);
        let authority = Self { path, pem, certificate, issuer, names, until };
        // What dynosim made verifies; a certificate of another key or another maker does not.
        if let Err(error) = leaves::probe(&authority, clock) {
            let reason = format!("was not made by dynosim for the key {}: {error}", files.key.display());
            return Err(broken(&authority.path, &reason));
        }
        Ok(authority)
    }

    /// Where the certificate is kept, whether it is there or not.
    pub fn file(config: &Path) -> PathBuf {
        Files::under(config).certificate
    }

    /// Whether there is an authority, sound or not.
    pub fn is_there(config: &Path) -> bool {
        Self::file(config).exists()
    }

    /// What the authority that is there is called, also when it cannot be used any more; its key tells.
    pub fn name_at(config: &Path) -> Option<String> {
        let pem = fs::read_to_string(Files::under(config).key).ok()?;
        KeyPair::from_pem(&pem).ok().map(|key| name_of(&key))
    }

    /// The certificate's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The certificate as text.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What the certificate is called in lists: `dynosim local CA 3f9a1c22`.
    pub fn name(&self) -> String {
        name_of(self.issuer.key())
    }

    /// SHA-256 of the certificate, as browsers show it: `3F:9A:…`.
    pub fn fingerprint(&self) -> String {
        let pairs: Vec<String> = Sha256::digest(&self.certificate).iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }

    /// The names it may sign for, each with all names under it.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// When it ends.
    pub fn until(&self) -> OffsetDateTime {
        self.until
    }

    /// Whether it ends soon.
    pub fn ends_soon(&self, clock: &Clock) -> bool {
        self.until - clock.now() < NEAR
    }

    /// Whether it may sign for a domain.
    pub fn covers(&self, domain: &Domain) -> bool {
        self.names.iter().any(|name| is_under(domain.base(), name))
    }
}

/// What a certificate says of itself.
struct Limits {
    certificate: CertificateDer<'static>,
    from: OffsetDateTime,
    until: OffsetDateTime,
    names: Vec<String>,
}

impl Limits {
    fn of(pem: &[u8]) -> Option<Self> {
        let certificate = CertificateDer::from_pem_slice(pem).ok()?;
        let (from, until) = der::validity(&certificate)?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).ok()?;
        let constraints = roots.roots.first()?.name_constraints.as_ref();
        let names = constraints.map(|der| der::permitted_names(der)).unwrap_or_default();
        Some(Self { certificate, from, until, names })
    }
}

/// The authority's files.
struct Files {
    folder: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn under(config: &Path) -> Self {
        let folder = config.join("authority");
        Self { certificate: folder.join("ca.pem"), key: folder.join("ca-key.pem"), folder }
    }

    /// Makes the folder and waits until no other process is at it; the turn ends when the file is dropped.
    fn turn(&self) -> Result<File, AuthorityError> {
        private_dir(&self.folder).map_err(io_at("make", &self.folder))?;
        let path = self.folder.join("lock");
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = lock.map_err(io_at("open", &path))?;
        lock.lock().map_err(io_at("lock", &path))?;
        Ok(lock)
    }

    /// The text of a file; `None` if it is not there. A key that others may read is closed to them.
    fn read(&self, path: &Path) -> Result<Option<String>, AuthorityError> {
        match fs::read(path) {
            Ok(bytes) => {
                if path == self.key {
                    close(path).map_err(io_at("close to others", path))?;
                }
                Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_at("read", path)(error)),
        }
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), AuthorityError> {
        debug_assert!(path.starts_with(&self.folder));
        write_atomically(path, text.as_bytes()).map_err(io_at("write", path))
    }
}

fn close(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
    }
    Ok(())
}

fn io_at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AuthorityError {
    let path = path.to_owned();
    move |source| AuthorityError::Io { doing, path, source }
}

/// What an authority is, apart from its dates and limits: a function of its key, so that the key alone is enough to
/// sign in its name.
fn params_of(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "dynosim");
    params.distinguished_name.push(DnType::CommonName, name_of(key));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Of the key, since two authorities of one name confuse browsers.
fn name_of(key: &KeyPair) -> String {
    let mut name = "dynosim local CA ".to_owned();
    for byte in Sha256::digest(key.subject_public_key_info()).iter().take(4) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

fn constraints(domains: &[Domain]) -> NameConstraints {
    let more = domains.iter().map(Domain::base).filter(|base| !RESERVED.iter().any(|name| is_under(base, name)));
    let more: BTreeSet<&str> = more.collect();
    let names = RESERVED.into_iter().chain(more).map(|name| GeneralSubtree::DnsName(name.to_owned()));
    let addresses =
        [CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8), CidrSubnet::from_v6_prefix(Ipv6Addr::LOCALHOST.octets(), 128)];
    NameConstraints {
        permitted_subtrees: names.chain(addresses.map(GeneralSubtree::IpAddress)).collect(),
        excluded_subtrees: Vec::new(),
    }
}

/// Whether `host` is `name` or stands under it.
fn is_under(host: &str, name: &str) -> bool {
    host.strip_suffix(name).is_some_and(|head| head.is_empty() || head.ends_with('.'))
}

#[cfg(test)]
mod tests;
