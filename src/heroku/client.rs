//! Requests and answers: the conventions of the Platform API v3 (cli-api §3).

use super::endpoint::Endpoint;
use super::error::HerokuError;
use super::key::Key;
use super::shapes;
use crate::web::{self, Proxies, Web, innermost};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, RANGE, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// What every request accepts.
const ACCEPTED: &str = "application/vnd.heroku+json; version=3";
/// What a change of images accepts (cli-api §7).
const DOCKER_RELEASES: &str = "application/vnd.heroku+json; version=3.docker-releases";
/// Below this many requests left, the user is told.
const FEW_LEFT: u32 = 100;
/// Bytes of an answer that are read at the most.
const ANSWER_BYTES: usize = 16 << 20;

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the head of an answer, and for each silence in its body.
    pub answer: Duration,
    /// Before the second try; before the third, twice that, and so on.
    pub backoff: Duration,
    /// How often a request is sent at the most.
    pub tries: u32,
    /// A `Retry-After` longer than this is not waited for.
    pub longest_retry: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            backoff: Duration::from_millis(500),
            tries: 4,
            longest_retry: Duration::from_secs(30),
        }
    }
}

/// What the API says beside its answers: warnings, and that a request is sent again.
type Aside = Arc<dyn Fn(&str) + Send + Sync>;

/// The API; clone freely. Must be used inside a tokio runtime.
#[derive(Clone)]
pub struct Client {
    web: Web<Full<Bytes>>,
    api: Endpoint,
    key: Key,
    pub(super) patience: Patience,
    aside: Aside,
}

/// One request.
struct Ask<'a> {
    method: Method,
    path: &'a str,
    accept: &'static str,
    body: Bytes,
    range: Option<&'a str>,
}

impl Ask<'_> {
    fn what(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl Client {
    /// Connects to nothing yet. `aside` hears Heroku's warnings.
    pub fn new(
        api: Endpoint,
        key: Key,
        proxies: &Proxies,
        patience: Patience,
        aside: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, HerokuError> {
        let web = web::client(patience.connect, proxies)?;
        Ok(Self { web, api, key, patience, aside: Arc::new(aside) })
    }

    /// GETs a resource.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, HerokuError> {
        self.ask(&Ask { method: Method::GET, path, accept: ACCEPTED, body: Bytes::new(), range: None }).await
    }

    /// GETs a list: at most `most` of it, in this order (`version`, `desc`), page by page (cli-api §3).
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        by: &str,
        order: &str,
        most: usize,
    ) -> Result<Vec<T>, HerokuError> {
        let mut all = Vec::new();
        let mut range = format!("{by} ..; max={}, order={order}", most.min(1000));
        loop {
            let ask =
                Ask { method: Method::GET, path, accept: ACCEPTED, body: Bytes::new(), range: Some(range.as_str()) };
            let answer = self.send(&ask).await?;
            let next =
                text_of(answer.headers(), "next-range").filter(|_| answer.status() == StatusCode::PARTIAL_CONTENT);
            let page: Vec<T> = self.read(&ask, answer).await?;
            let empty = page.is_empty();
            all.extend(page);
            match next {
                Some(next) if !empty && all.len() < most => range = next,
                _ => break,
            }
        }
        all.truncate(most);
        Ok(all)
    }

    /// PATCHes what images are in.
    pub async fn patch_images<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, HerokuError> {
        let body = self.encoded(path, body)?;
        self.ask(&Ask { method: Method::PATCH, path, accept: DOCKER_RELEASES, body, range: None }).await
    }

    /// POSTs.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, HerokuError> {
        let body = self.encoded(path, body)?;
        self.ask(&Ask { method: Method::POST, path, accept: ACCEPTED, body, range: None }).await
    }

    fn encoded(&self, path: &str, body: &impl Serialize) -> Result<Bytes, HerokuError> {
        serde_json::to_vec(body).map(Bytes::from).map_err(|error| self.unreadable(path.to_owned(), error.to_string()))
    }

    async fn ask<T: DeserializeOwned>(&self, ask: &Ask<'_>) -> Result<T, HerokuError> {
        let answer = self.send(ask).await?;
        self.read(ask, answer).await
    }

    /// Sends a request until it is answered for good.
    async fn send(&self, ask: &Ask<'_>) -> Result<Response<Incoming>, HerokuError> {
        let mut tried = 1;
        loop {
            let (wait, why) = match self.once(ask).await {
                Ok(answer) if answer.status().is_success() => {
                    self.heed(answer.headers());
                    return Ok(answer);
                }
                Ok(answer) => match self.again(ask, &answer, tried) {
                    Some(wait) => (wait, format!("answers {}", answer.status().as_u16())),
                    None => return Err(self.refused(ask, answer).await),
                },
                Err(error) => {
                    let safe = match &error {
                        HerokuError::Unreachable { reason, .. } => !reason.contains("certificate"),
                        HerokuError::Lost { .. } => ask.method == Method::GET,
                        _ => false,
                    };
                    if !safe || tried >= self.patience.tries {
                        return Err(error);
                    }
                    (self.backoff(tried), "does not answer".to_owned())
                }
            };
            (self.aside)(&format!("{} {why}; trying again in {:.1} s", self.api.host(), wait.as_secs_f64()));
            sleep(wait).await;
            tried += 1;
        }
    }

    /// How long to wait before this is sent once more; `None` when that is no use, or not safe.
    fn again(&self, ask: &Ask<'_>, answer: &Response<Incoming>, tried: u32) -> Option<Duration> {
        let status = answer.status();
        let turned_away = status == StatusCode::TOO_MANY_REQUESTS;
        let passing = matches!(status.as_u16(), 500 | 502 | 503 | 504) && ask.method == Method::GET;
        if !(turned_away || passing) || tried >= self.patience.tries {
            return None;
        }
        let told = text_of(answer.headers(), RETRY_AFTER.as_str()).and_then(|text| text.trim().parse().ok());
        let wait = told.map_or_else(|| self.backoff(tried), Duration::from_secs);
        (wait <= self.patience.longest_retry).then_some(wait)
    }

    fn backoff(&self, tried: u32) -> Duration {
        self.patience.backoff * 2_u32.pow(tried.min(8) - 1)
    }

    async fn once(&self, ask: &Ask<'_>) -> Result<Response<Incoming>, HerokuError> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(self.api.url(ask.path))
            .header(ACCEPT, ask.accept)
            .header(USER_AGENT, AGENT);
        if let Some(bearer) = self.key.bearer() {
            request = request.header(AUTHORIZATION, bearer);
        }
        if !ask.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(range) = ask.range {
            request = request.header(RANGE, range);
        }
        let request = request.body(Full::new(ask.body.clone()));
        let request = request.map_err(|error| self.unreadable(ask.what(), error.to_string()))?;
        match timeout(self.patience.answer, self.web.request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.is_connect() => {
                Err(HerokuError::Unreachable { host: self.api.host().into(), reason: innermost(&error) })
            }
            Ok(Err(error)) => Err(self.lost(ask, innermost(&error))),
            Err(_) => Err(self.lost(ask, self.silence())),
        }
    }

    fn silence(&self) -> String {
        format!("nothing came within {} s", self.patience.answer.as_secs_f64())
    }

    fn lost(&self, ask: &Ask<'_>, reason: String) -> HerokuError {
        let unknown = ask.method != Method::GET;
        HerokuError::Lost { host: self.api.host().into(), what: ask.what(), reason, unknown }
    }

    fn unreadable(&self, what: String, reason: String) -> HerokuError {
        HerokuError::Unreadable { host: self.api.host().into(), what, reason }
    }

    async fn read<T: DeserializeOwned>(&self, ask: &Ask<'_>, answer: Response<Incoming>) -> Result<T, HerokuError> {
        let bytes = self.body(ask, answer).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.unreadable(ask.what(), error.to_string()))
    }

    /// The whole body; a silence in it has the same limit as the wait for its head.
    async fn body(&self, ask: &Ask<'_>, answer: Response<Incoming>) -> Result<Vec<u8>, HerokuError> {
        let mut body = answer.into_body();
        let mut whole = Vec::new();
        loop {
            let frame = timeout(self.patience.answer, body.frame()).await;
            match frame.map_err(|_| self.lost(ask, self.silence()))? {
                None => return Ok(whole),
                Some(Err(error)) => return Err(self.lost(ask, innermost(&error))),
                Some(Ok(frame)) => whole.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            }
            if whole.len() > ANSWER_BYTES {
                return Err(self.unreadable(ask.what(), format!("it is longer than {ANSWER_BYTES} bytes")));
            }
        }
    }

    async fn refused(&self, ask: &Ask<'_>, answer: Response<Incoming>) -> HerokuError {
        let status = answer.status();
        let request = text_of(answer.headers(), "request-id").and_then(|ids| {
            // A request that went through several hands has an id of each; the last is Heroku's own.
            ids.rsplit(',').map(str::trim).find(|id| !id.is_empty()).map(str::to_owned)
        });
        let body = match self.body(ask, answer).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        match serde_json::from_slice::<shapes::Error>(&body) {
            Ok(error) => HerokuError::Refused { status, error, request, key: self.key.origin.clone() },
            Err(_) if status.is_server_error() => {
                let error = shapes::Error { id: "server_error".into(), message: words(status), url: None };
                HerokuError::Refused { status, error, request, key: self.key.origin.clone() }
            }
            Err(_) => self.unreadable(ask.what(), format!("status {status}, and no error of Heroku's")),
        }
    }

    /// Passes on Heroku's warnings, and says when few requests are left.
    fn heed(&self, headers: &HeaderMap) {
        for name in ["x-heroku-warning", "warning-message"] {
            if let Some(warning) = text_of(headers, name) {
                (self.aside)(&format!("Heroku says: {warning}"));
            }
        }
        let left = text_of(headers, "ratelimit-remaining").and_then(|text| text.parse::<u32>().ok());
        if let Some(left) = left.filter(|left| *left < FEW_LEFT) {
            (self.aside)(&format!("this account has {left} requests to Heroku's API left for now"));
        }
    }

    /// A request to where an output is: without the key, which goes to the API alone.
    pub(super) fn web(&self) -> &Web<Full<Bytes>> {
        &self.web
    }
}

/// Who asks.
pub(super) const AGENT: &str = concat!("dynosim/", env!("CARGO_PKG_VERSION"));

pub(super) fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn words(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("an error without words").to_owned()
}
