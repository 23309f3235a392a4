//! Manifests and blobs of one repository.

use super::error::RegistryError;
use super::login::Login;
use super::manifest::{self, Manifest};
use super::place::{Digest, Host, Repository, Tag};
use super::session::{Answer, Pulse, Session};
use super::web::{self, Patience};
use crate::web::Proxies;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use std::time::Duration;
use tokio::time::sleep;

/// The header with a manifest's digest.
const DIGEST: &str = "docker-content-digest";
/// No registry makes us wait longer between two tries.
const MOST_PAUSE: Duration = Duration::from_secs(30);

/// One repository of one registry, for one login.
pub struct Client {
    pub(super) session: Session,
    /// What it is about.
    pub repository: Repository,
}

/// A manifest as a registry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Of its bytes.
    pub digest: Digest,
    /// What the registry calls it.
    pub media_type: String,
    /// As they came.
    pub bytes: Bytes,
}

impl Found {
    /// The image it names, if it is a schema 2 manifest of one image.
    pub fn manifest(&self) -> Option<Manifest> {
        Manifest::read(&self.bytes)
    }

    /// The config digest: the image's own, which Heroku releases (R1.1).
    pub fn config(&self) -> Option<Digest> {
        manifest::config_of(&self.bytes)
    }
}

impl Client {
    /// Asks nothing yet.
    pub fn new(
        repository: Repository,
        login: Option<Login>,
        patience: Patience,
        proxies: &Proxies,
    ) -> Result<Self, RegistryError> {
        let session = Session::new(&repository.host, Some(&repository), login, patience, proxies)?;
        Ok(Self { session, repository })
    }

    /// Whether a registry takes a login.
    pub async fn check(host: &Host, login: Login, patience: Patience, proxies: &Proxies) -> Result<(), RegistryError> {
        let session = Session::new(host, None, Some(login), patience, proxies)?;
        let url = session.url("/v2/");
        let make = || Request::builder().uri(&url).body(web::bytes(Bytes::new()));
        let doing = "signing in";
        let answer =
            retried(&session.patience, || async { session.send(doing, &Pulse::new(), &make).await }.boxed()).await?;
        if answer.status == StatusCode::OK { Ok(()) } else { Err(session.refused(doing, &answer)) }
    }

    /// What a tag or a digest names; `None` when the registry has no such thing.
    pub async fn manifest(&self, reference: &str) -> Result<Option<Found>, RegistryError> {
        let doing = format!("reading {reference}");
        let url = self.url(&format!("manifests/{reference}"));
        let make = || Request::builder().uri(&url).header(ACCEPT, manifest::ACCEPTED).body(web::bytes(Bytes::new()));
        let answer = self.ask(&doing, &make).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(self.session.refused(&doing, &answer)),
        }
        let digest = Digest::of(&answer.body);
        self.same(&doing, &answer, &digest)?;
        let media_type = answer.header(CONTENT_TYPE).unwrap_or_default().to_owned();
        Ok(Some(Found { digest, media_type, bytes: answer.body }))
    }

    /// Whether the registry has a blob.
    pub async fn has(&self, digest: &Digest, size: u64) -> Result<bool, RegistryError> {
        let doing = format!("looking for blob {}", short(digest));
        let url = self.url(&format!("blobs/{digest}"));
        let make = || Request::builder().method(Method::HEAD).uri(&url).body(web::bytes(Bytes::new()));
        let answer = self.ask(&doing, &make).await?;
        let length = || answer.header(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        match answer.status {
            StatusCode::OK if length().is_some_and(|length| length != size) => {
                let reason = format!("{} bytes where {size} were sent", length().unwrap_or_default());
                Err(self.session.odd(&doing, reason))
            }
            StatusCode::OK => Ok(true),
            // It sends us to where it keeps it: it has it.
            status if status.is_redirection() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.session.refused(&doing, &answer)),
        }
    }

    /// Gives a manifest a tag. All its blobs must be there.
    pub async fn tag(&self, tag: &Tag, manifest: &[u8]) -> Result<(), RegistryError> {
        let doing = format!("setting tag {tag}");
        let url = self.url(&format!("manifests/{tag}"));
        let make = || {
            let request = Request::builder().method(Method::PUT).uri(&url).header(CONTENT_TYPE, manifest::SCHEMA_2);
            request.body(web::bytes(Bytes::copy_from_slice(manifest)))
        };
        let answer = self.ask(&doing, &make).await?;
        if !answer.status.is_success() {
            return Err(self.session.refused(&doing, &answer));
        }
        self.same(&doing, &answer, &Digest::of(manifest))
    }

    /// What the registry says it has must be what it is.
    pub(super) fn same(&self, doing: &str, answer: &Answer, wanted: &Digest) -> Result<(), RegistryError> {
        match answer.header(DIGEST) {
            Some(found) if found != wanted.as_str() => Err(RegistryError::Mismatch {
                host: self.session.host.clone(),
                doing: doing.to_owned(),
                wanted: wanted.clone(),
                found: found.chars().take(80).collect(),
            }),
            _ => Ok(()),
        }
    }

    /// An answer that is no failure of the moment.
    pub(super) async fn passed(&self, doing: &str, answer: Answer) -> Result<Answer, RegistryError> {
        let error = self.session.refused(doing, &answer);
        if answer.status.is_success() || !error.is_passing() {
            return Ok(answer);
        }
        wait_as_told(&answer).await;
        Err(error)
    }

    pub(super) fn url(&self, path: &str) -> String {
        self.session.url(&format!("/v2/{}/{path}", self.repository.path()))
    }

    /// Asks; what fails for a moment is asked again.
    async fn ask(
        &self,
        doing: &str,
        make: &(dyn Fn() -> http::Result<Request<web::Body>> + Sync),
    ) -> Result<Answer, RegistryError> {
        let once = || async {
            let answer = self.session.send(doing, &Pulse::new(), make).await?;
            self.passed(doing, answer).await
        };
        retried(&self.session.patience, || once().boxed()).await
    }
}

/// A registry that names a time is given that time.
async fn wait_as_told(answer: &Answer) {
    if let Some(seconds) = answer.header(RETRY_AFTER).and_then(|text| text.parse().ok()) {
        sleep(Duration::from_secs(seconds).min(MOST_PAUSE)).await;
    }
}

/// Tries until it succeeds, fails for good, or was tried often enough.
pub(super) async fn retried<'w, T>(
    patience: &Patience,
    work: impl Fn() -> BoxFuture<'w, Result<T, RegistryError>> + Send,
) -> Result<T, RegistryError> {
    let mut pause = patience.pause;
    for _ in 1..patience.tries {
        match work().await {
            Err(error) if error.is_passing() => sleep(pause).await,
            other => return other,
        }
        pause = (pause * 2).min(MOST_PAUSE);
    }
    work().await
}

pub(super) fn short(digest: &Digest) -> &str {
    &digest.hex()[..12]
}
