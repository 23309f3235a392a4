//! What a release command prints, as it prints it (cli-api §5.3).
//!
//! The stream is there a little after the release is, has a NUL byte now and then while the command is silent, and may
//! break: it is taken up again with `Range`, which Heroku's schema offers for `text/plain`.

use super::client::{AGENT, Client, text_of};
use super::error::HerokuError;
use crate::web::{innermost, is_loopback};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, RANGE, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Between two looks for a stream that is not there yet, and before one that broke is taken up again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a stream that breaks without a new byte is taken up again.
const BREAKS: u32 = 30;

/// The output of one release command; dropping it stops the reading.
pub struct Output {
    pieces: mpsc::Receiver<Result<Bytes, HerokuError>>,
    reading: JoinHandle<()>,
}

impl Output {
    /// Starts to read. `wait` is for a release that is being made: the stream may not be there yet. Without it, one that is
    /// not there ends at once.
    pub fn follow(client: &Client, url: &str, wait: bool) -> Result<Self, HerokuError> {
        let place = usable(url).ok_or_else(|| HerokuError::StrangeStream(url.to_owned()))?;
        let (sender, pieces) = mpsc::channel(16);
        let reader = Reader { client: client.clone(), place, wait, seen: 0, sender };
        Ok(Self { pieces, reading: tokio::spawn(reader.run()) })
    }

    /// The next piece, without the NUL bytes; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, HerokuError>> {
        self.pieces.recv().await
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

fn usable(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?;
    let safe = uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && is_loopback(host));
    safe.then_some(uri)
}

struct Reader {
    client: Client,
    place: Uri,
    wait: bool,
    /// Bytes of output so far, which is where a broken stream goes on.
    seen: usize,
    sender: mpsc::Sender<Result<Bytes, HerokuError>>,
}

/// How a look at the stream ended.
enum Look {
    NotThere,
    Broke(String),
    Ended,
}

impl Reader {
    async fn run(mut self) {
        let mut barren = 0;
        loop {
            let before = self.seen;
            match self.look().await {
                Look::Ended => return,
                Look::NotThere if !self.wait => return,
                Look::NotThere => {}
                Look::Broke(_) if self.seen > before => barren = 0,
                Look::Broke(_) if barren < BREAKS => barren += 1,
                Look::Broke(reason) => {
                    let host = self.place.authority().map(ToString::to_string).unwrap_or_default();
                    let what = "the release's output".to_owned();
                    let _ = self.sender.send(Err(HerokuError::Lost { host, what, reason, unknown: false })).await;
                    return;
                }
            }
            sleep(PAUSE).await;
        }
    }

    async fn look(&mut self) -> Look {
        let mut request = Request::get(self.place.clone()).header(ACCEPT, "text/plain").header(USER_AGENT, AGENT);
        if self.seen > 0 {
            request = request.header(RANGE, format!("bytes={}-", self.seen));
        }
        let Ok(request) = request.body(Full::new(Bytes::new())) else { return Look::Ended };
        let answer = match timeout(self.client.patience.answer, self.client.web().request(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Look::Broke(innermost(&error)),
            Err(_) => return Look::Broke("no answer".into()),
        };
        // Who does not know of ranges sends all of it again: what was seen is passed over.
        let skip = match answer.status() {
            StatusCode::OK => self.seen,
            StatusCode::PARTIAL_CONTENT => self.seen.saturating_sub(starts_at(&answer).unwrap_or(self.seen)),
            StatusCode::NOT_FOUND if self.seen == 0 => return Look::NotThere,
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::NO_CONTENT => return Look::Ended,
            status => return Look::Broke(format!("status {status}")),
        };
        self.drain(answer.into_body(), skip).await
    }

    async fn drain(&mut self, mut body: Incoming, mut skip: usize) -> Look {
        // A silence is no break: a command may think for an hour. Whoever reads knows when the release is over.
        while let Some(frame) = body.frame().await {
            let data = match frame {
                Ok(frame) => frame.into_data().unwrap_or_default(),
                Err(error) => return Look::Broke(innermost(&error)),
            };
            let mut piece: Vec<u8> = data.into_iter().filter(|byte| *byte != 0).collect();
            let passed = skip.min(piece.len());
            piece.drain(..passed);
            skip -= passed;
            if piece.is_empty() {
                continue;
            }
            self.seen += piece.len();
            if self.sender.send(Ok(Bytes::from(piece))).await.is_err() {
                return Look::Ended;
            }
        }
        Look::Ended
    }
}

/// Where the part begins that an answer holds: `Content-Range: bytes 5-9/*`.
fn starts_at(answer: &hyper::Response<Incoming>) -> Option<usize> {
    let range = text_of(answer.headers(), "content-range")?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}
