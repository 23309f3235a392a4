//! Requests to one registry about one repository, signed in to when the registry asks for it.

use super::challenge::{self, Challenge};
use super::error::RegistryError;
use super::login::Login;
use super::place::{Host, Repository};
use super::web::{self, Body, Patience};
use crate::web::{Proxies, Web, innermost, is_loopback};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use std::error::Error;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::{Instant, sleep_until, timeout};

/// No manifest and no error is longer.
const MOST_ANSWER: usize = 4 << 20;
/// Of a registry's own words, so many characters are repeated.
const MOST_WORDS: usize = 400;

/// What the connection did last, for the limit on silence.
#[derive(Clone)]
pub(super) struct Pulse {
    began: Instant,
    last: Arc<AtomicU64>,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), last: Arc::default() }
    }

    pub(super) fn beat(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.began + std::time::Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}

/// An answer, read whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// One registry, one repository, one login.
pub(super) struct Session {
    web: Web<Body>,
    pub(super) host: Host,
    scope: Option<String>,
    login: Option<Login>,
    authorization: Mutex<Option<HeaderValue>>,
    pub(super) patience: Patience,
}

impl Session {
    pub(super) fn new(
        host: &Host,
        repository: Option<&Repository>,
        login: Option<Login>,
        patience: Patience,
        proxies: &Proxies,
    ) -> Result<Self, RegistryError> {
        Ok(Self {
            web: web::web(patience.connecting, proxies)?,
            host: host.clone(),
            scope: repository.map(|repository| format!("repository:{}:pull,push", repository.path())),
            login,
            authorization: Mutex::default(),
            patience,
        })
    }

    /// Sends what `make` makes, signing in when the registry asks for it, and reads the answer whole.
    pub(super) async fn send(
        &self,
        doing: &str,
        pulse: &Pulse,
        make: &(dyn Fn() -> http::Result<Request<Body>> + Sync),
    ) -> Result<Answer, RegistryError> {
        let before = self.known();
        let answer = self.once(doing, pulse, make, before.as_ref()).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let Some(challenge) = challenge::of(&answer.headers) else { return Err(self.unauthorized()) };
        let now = self.meet(&challenge).await?;
        // Basic is the login itself: what was refused once is refused again.
        if before.as_ref() == Some(&now) {
            return Err(self.unauthorized());
        }
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(now.clone());
        let answer = self.once(doing, pulse, make, Some(&now)).await?;
        if answer.status == StatusCode::UNAUTHORIZED { Err(self.unauthorized()) } else { Ok(answer) }
    }

    /// GETs what is too long to be read whole, from where the registry sends us for it. Somebody must have signed in before.
    pub(super) async fn open(&self, doing: &str, url: String) -> Result<http::Response<Incoming>, RegistryError> {
        let mut url = url;
        for _ in 0..5 {
            let request = Request::builder().uri(&url).body(web::bytes(Bytes::new()));
            let mut request = request.map_err(|error| self.odd(doing, error.to_string()))?;
            if let Some(authorization) = self.known().filter(|_| self.is_own(request.uri())) {
                request.headers_mut().insert(AUTHORIZATION, authorization);
            }
            let asked = timeout(self.patience.silence, self.web.request(request)).await;
            let answer = asked.map_err(|_| self.broken(doing, "no answer"))?;
            let answer = answer.map_err(|error| self.unreachable(doing, &error))?;
            if !answer.status().is_redirection() {
                return Ok(answer);
            }
            url = self.location(doing, &self.read(doing, answer).await?)?;
        }
        Err(self.odd(doing, "it sends us round in circles".into()))
    }

    /// A connection that ended before it should have.
    pub(super) fn broken(&self, doing: &str, reason: &str) -> RegistryError {
        RegistryError::Unreachable { host: self.host.clone(), doing: doing.to_owned(), reason: reason.to_owned() }
    }

    fn known(&self) -> Option<HeaderValue> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn unauthorized(&self) -> RegistryError {
        RegistryError::Unauthorized { host: self.host.clone(), signed_in: self.login.is_some() }
    }

    async fn once(
        &self,
        doing: &str,
        pulse: &Pulse,
        make: &(dyn Fn() -> http::Result<Request<Body>> + Sync),
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, RegistryError> {
        let mut request = make().map_err(|error| self.odd(doing, error.to_string()))?;
        if let Some(authorization) = authorization.filter(|_| self.is_own(request.uri())) {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        self.exchange(doing, pulse, request).await
    }

    async fn exchange(&self, doing: &str, pulse: &Pulse, mut request: Request<Body>) -> Result<Answer, RegistryError> {
        request
            .headers_mut()
            .insert(USER_AGENT, HeaderValue::from_static(concat!("dynosim/", env!("CARGO_PKG_VERSION"))));
        pulse.beat();
        let work = async {
            let response = self.web.request(request).await.map_err(|error| self.unreachable(doing, &error))?;
            pulse.beat();
            self.read(doing, response).await
        };
        let silent = async {
            loop {
                let limit = pulse.last() + self.patience.silence;
                if Instant::now() >= limit {
                    return;
                }
                sleep_until(limit).await;
            }
        };
        tokio::select! {
            answer = work => answer,
            () = silent => Err(RegistryError::Unreachable {
                host: self.host.clone(),
                doing: doing.to_owned(),
                reason: format!("not a byte for {} s", self.patience.silence.as_secs_f64()),
            }),
        }
    }

    pub(super) async fn read(&self, doing: &str, response: http::Response<Incoming>) -> Result<Answer, RegistryError> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MOST_ANSWER).collect().await;
        let body = body.map_err(|error| RegistryError::Unreachable {
            host: self.host.clone(),
            doing: doing.to_owned(),
            reason: format!("its answer broke off: {error}"),
        })?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }

    /// What `Authorization` a challenge wants.
    async fn meet(&self, challenge: &Challenge) -> Result<HeaderValue, RegistryError> {
        let text = match challenge {
            Challenge::Basic => format!("Basic {}", self.login.as_ref().ok_or_else(|| self.unauthorized())?.encode()),
            Challenge::Bearer { realm, service, scope } => {
                let scope = self.scope.as_deref().or(scope.as_deref());
                format!("Bearer {}", self.token(realm, service.as_deref(), scope).await?)
            }
        };
        let mut value =
            HeaderValue::from_str(&text).map_err(|_| self.odd("the sign-in", "a token that is none".into()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    async fn token(&self, realm: &str, service: Option<&str>, scope: Option<&str>) -> Result<String, RegistryError> {
        let doing = "asking for a token";
        self.check_realm(realm)?;
        let mut form = String::new();
        for (name, value) in [("service", service), ("scope", scope)] {
            if let Some(value) = value {
                let _ = write!(form, "{}{name}={}", if form.is_empty() { "" } else { "&" }, escaped(value));
            }
        }
        let identity = self.login.as_ref().filter(|login| login.is_identity());
        let make = || -> http::Result<Request<Body>> {
            if let Some(login) = identity {
                let secret = escaped(login.secret());
                let form = format!("grant_type=refresh_token&client_id=dynosim&refresh_token={secret}&{form}");
                let request = Request::builder().method(Method::POST).uri(realm);
                return request
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(web::bytes(Bytes::from(form)));
            }
            let joint = if realm.contains('?') { '&' } else { '?' };
            let mut request = Request::builder().uri(format!("{realm}{joint}{form}"));
            if let Some(login) = &self.login {
                let mut value = HeaderValue::from_str(&format!("Basic {}", login.encode()))?;
                value.set_sensitive(true);
                request = request.header(AUTHORIZATION, value);
            }
            request.body(web::bytes(Bytes::new()))
        };
        let request = make().map_err(|error| self.odd(doing, error.to_string()))?;
        let answer = self.exchange(doing, &Pulse::new(), request).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err(self.unauthorized()),
            _ => return Err(self.refused(doing, &answer)),
        }
        let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let token = told["token"].as_str().or_else(|| told["access_token"].as_str()).unwrap_or_default();
        if token.is_empty() { Err(self.odd(doing, "there is no token in it".into())) } else { Ok(token.to_owned()) }
    }

    /// The token service gets the login: over TLS, or on this machine when the registry is there too.
    fn check_realm(&self, realm: &str) -> Result<(), RegistryError> {
        let uri: Uri = realm.parse().map_err(|_| self.odd("the sign-in", "its token service is no URL".into()))?;
        let fine = match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(_)) => true,
            (Some("http"), Some(host)) => self.host.is_plain() && is_loopback(host),
            _ => false,
        };
        if fine { Ok(()) } else { Err(self.odd("the sign-in", "its token service is not reached over TLS".into())) }
    }

    /// A URL of the registry's own.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.host.base())
    }

    fn is_own(&self, uri: &Uri) -> bool {
        let scheme = if self.host.is_plain() { "http" } else { "https" };
        uri.scheme_str() == Some(scheme)
            && uri.authority().is_some_and(|authority| authority.as_str().eq_ignore_ascii_case(self.host.as_str()))
    }

    /// Where an answer says to go on. Never from TLS to plain HTTP.
    pub(super) fn location(&self, doing: &str, answer: &Answer) -> Result<String, RegistryError> {
        let text = answer.header(LOCATION).ok_or_else(|| self.odd(doing, "it does not say where to go on".into()))?;
        self.follow(doing, text)
    }

    /// The same for a place that was kept.
    pub(super) fn follow(&self, doing: &str, text: &str) -> Result<String, RegistryError> {
        if text.starts_with('/') && !text.starts_with("//") {
            return Ok(self.url(text));
        }
        let uri: Uri = text.parse().map_err(|_| self.odd(doing, "the place to go on is no URL".into()))?;
        let fine = match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(_)) => true,
            (Some("http"), Some(host)) => self.host.is_plain() && is_loopback(host),
            _ => false,
        };
        if fine { Ok(text.to_owned()) } else { Err(self.odd(doing, "it sends us on over plain HTTP".into())) }
    }

    pub(super) fn odd(&self, doing: &str, reason: String) -> RegistryError {
        RegistryError::Odd { host: self.host.clone(), doing: doing.to_owned(), reason }
    }

    fn unreachable(&self, doing: &str, error: &(dyn Error + 'static)) -> RegistryError {
        RegistryError::Unreachable { host: self.host.clone(), doing: doing.to_owned(), reason: innermost(error) }
    }

    /// A status that is no success, in the registry's words.
    pub(super) fn refused(&self, doing: &str, answer: &Answer) -> RegistryError {
        let (host, doing, reason) = (self.host.clone(), doing.to_owned(), self.words(&answer.body));
        match answer.status.as_u16() {
            401 => self.unauthorized(),
            403 => RegistryError::Denied { host, doing, reason },
            405 | 415 => RegistryError::Unsupported { host, doing, reason },
            _ if reason.starts_with("UNSUPPORTED") => RegistryError::Unsupported { host, doing, reason },
            _ if reason.starts_with("DENIED") => RegistryError::Denied { host, doing, reason },
            status => RegistryError::Refused { host, doing, status, reason },
        }
    }

    /// What a refusal says: `CODE: message`, in one line, and never with our secret in it.
    fn words(&self, body: &[u8]) -> String {
        let told: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let first = &told["errors"][0];
        let text = match (first["code"].as_str(), first["message"].as_str()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            _ => String::from_utf8_lossy(body).into_owned(),
        };
        let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if let Some(login) = self.login.as_ref().filter(|login| !login.secret().is_empty()) {
            text = text.replace(login.secret(), "***").replace(&login.encode(), "***");
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MOST_WORDS).collect()
    }
}

/// For a query or a form.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}
