//! A client of the running app's API.

use super::shapes;
use super::socket::find;
use crate::platform::state::StateDir;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, RANGE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Write as _;
use std::io;
use tokio::net::UnixStream;

/// The header that names the release which a change has made.
pub const RELEASE: &str = "dynosim-release";

/// Why a request got no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("the app is not running")]
    NotRunning,
    /// The app said no.
    #[error("{}", .error.message)]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// Which says why.
        error: shapes::Error,
    },
    /// The app was stopped before it could answer.
    #[error("the app stopped before it answered")]
    Gone,
    /// The answer makes no sense: another version, perhaps.
    #[error("the running app's answer cannot be read ({0}); is it of another version of dynosim?")]
    Unreadable(String),
    /// The socket.
    #[error("cannot talk to the running app: {0}")]
    Io(io::Error),
}

/// A connection to the running app.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Connects to the app of this state folder. Must be called inside a tokio runtime.
    pub async fn connect(state: &StateDir) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(find(state)).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NotRunning,
            _ => ClientError::Io(error),
        })?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| ClientError::Gone)?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// GETs a resource.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ClientError> {
        read(self.send(Method::GET, path, None, None).await?).await
    }

    /// GETs a part of a list: `version ..; max=15, order=desc`.
    pub async fn range<T: DeserializeOwned>(&mut self, path: &str, range: &str) -> Result<Vec<T>, ClientError> {
        read(self.send(Method::GET, path, None, Some(range)).await?).await
    }

    /// PATCHes a resource.
    pub async fn patch<T: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        read(self.send(Method::PATCH, path, Some(encoded(body)?), None).await?).await
    }

    /// PATCHes a resource, where that may make a release: its number too.
    pub async fn release_by_patch<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<(T, Option<u64>), ClientError> {
        let response = self.send(Method::PATCH, path, Some(encoded(body)?), None).await?;
        let made = response.headers().get(RELEASE).and_then(|number| number.to_str().ok()?.parse().ok());
        Ok((read(response).await?, made))
    }

    /// POSTs.
    pub async fn post<T: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        read(self.send(Method::POST, path, Some(encoded(body)?), None).await?).await
    }

    /// DELETEs.
    pub async fn delete(&mut self, path: &str) -> Result<serde_json::Value, ClientError> {
        read(self.send(Method::DELETE, path, None, None).await?).await
    }

    /// GETs an answer that goes on, line by line.
    pub async fn lines(mut self, path: &str) -> Result<Lines, ClientError> {
        let response = self.send(Method::GET, path, None, None).await?;
        self.going_on(response).await
    }

    /// POSTs, for an answer that goes on, line by line.
    pub async fn post_for_lines(mut self, path: &str, body: &impl Serialize) -> Result<Lines, ClientError> {
        let response = self.send(Method::POST, path, Some(encoded(body)?), None).await?;
        self.going_on(response).await
    }

    async fn going_on(self, response: Response<Incoming>) -> Result<Lines, ClientError> {
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        Ok(Lines { _client: self, body: response.into_body(), rest: Vec::new() })
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        range: Option<&str>,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(range) = range {
            request = request.header(RANGE, range);
        }
        let request = request.body(Full::new(body.unwrap_or_default()));
        let request = request.map_err(|error| ClientError::Io(io::Error::other(error)))?;
        self.sender.ready().await.map_err(|_| ClientError::Gone)?;
        self.sender.send_request(request).await.map_err(|_| ClientError::Gone)
    }
}

/// Lines as they come.
pub struct Lines {
    _client: Client,
    body: Incoming,
    rest: Vec<u8>,
}

impl Lines {
    /// The next whole line, without its end; `None` when the app has stopped.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.rest.drain(..=end).collect();
                line.pop();
                return Some(line);
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.rest.extend_from_slice(&data);
            }
        }
    }
}

fn encoded(body: &impl Serialize) -> Result<Bytes, ClientError> {
    serde_json::to_vec(body).map(Bytes::from).map_err(|error| ClientError::Io(io::Error::other(error)))
}

async fn read<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, ClientError> {
    if !response.status().is_success() {
        return Err(refused(response).await);
    }
    let bytes = response.into_body().collect().await.map_err(|_| ClientError::Gone)?.to_bytes();
    serde_json::from_slice(&bytes).map_err(|error| ClientError::Unreadable(error.to_string()))
}

async fn refused(response: Response<Incoming>) -> ClientError {
    let status = response.status();
    let Ok(body) = response.into_body().collect().await else { return ClientError::Gone };
    match serde_json::from_slice(&body.to_bytes()) {
        Ok(error) => ClientError::Refused { status, error },
        Err(_) => ClientError::Unreadable(status.to_string()),
    }
}

/// A part of a path, percent-encoded.
pub fn part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~*".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
