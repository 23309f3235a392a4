//! Blobs, sent in pieces. The registry says after each piece how much it has; from there it goes on, also after a cut
//! connection and in a later push.

use super::client::{Client, retried, short};
use super::error::RegistryError;
use super::manifest::Blob;
use super::session::{Answer, Pulse};
use super::web::{self, Body, Meter};
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{Method, Request, StatusCode};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::time::sleep;

/// Most bytes of one piece. A blob that is no larger is one piece.
const PIECE: u64 = 16 << 20;

/// Where a blob's bytes are.
#[derive(Clone, Debug)]
pub enum Source {
    /// Here.
    Bytes(Bytes),
    /// In this file.
    File(PathBuf),
}

/// What became of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The registry had it.
    Present,
    /// It was sent.
    Sent {
        /// What an earlier push had sent of it.
        before: u64,
    },
}

/// Remembers uploads that have begun, over the end of this process.
pub trait Sessions: Send + Sync {
    /// Where the upload of a blob goes on.
    fn recall(&self, blob: &Blob) -> Option<String>;
    /// It goes on there.
    fn keep(&self, blob: &Blob, place: &str);
    /// It is over.
    fn forget(&self, blob: &Blob);
}

/// An upload that has begun.
struct Upload {
    place: String,
    offset: u64,
}

impl Client {
    /// Has the registry take a blob over from another of its repositories; `false` when it does not.
    pub async fn mount(&self, blob: &Blob, from: &str) -> Result<bool, RegistryError> {
        match self.begin(blob, Some(from)).await? {
            None => Ok(true),
            Some(upload) => {
                self.cancel(&upload.place).await;
                Ok(false)
            }
        }
    }

    /// An upload that is not wanted goes; one that stays costs the registry a little room for a while.
    async fn cancel(&self, place: &str) {
        let make = || Request::builder().method(Method::DELETE).uri(place).body(web::bytes(Bytes::new()));
        let _ = self.session.send("giving an upload up", &Pulse::new(), &make).await;
    }

    /// Makes sure that the registry has a blob. `sent` is told how many bytes are there, as they go.
    pub async fn upload(
        &self,
        blob: &Blob,
        source: &Source,
        sessions: &dyn Sessions,
        sent: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Outcome, RegistryError> {
        if self.has(&blob.digest, blob.size).await? {
            sessions.forget(blob);
            return Ok(Outcome::Present);
        }
        let mut upload = self.resumed(blob, sessions).await?;
        let before = upload.as_ref().map_or(0, |upload| upload.offset);
        let mut piece = PIECE;
        // Only what gets further than ever before counts as going on.
        let (mut failures, mut furthest, mut pause) = (0, before, self.session.patience.pause);
        loop {
            let current = match upload.take() {
                Some(upload) => upload,
                None => match self.begin(blob, None).await? {
                    Some(upload) => upload,
                    None => return Ok(Outcome::Present),
                },
            };
            sessions.keep(blob, &current.place);
            sent(current.offset);
            let (offset, place) = (current.offset, current.place.clone());
            let step = if offset < blob.size {
                self.piece(blob, source, current, piece, &sent).await.map(Some)
            } else {
                self.finish(blob, &place).await.map(|()| None)
            };
            match step {
                Ok(None) => {
                    sessions.forget(blob);
                    sent(blob.size);
                    return Ok(Outcome::Sent { before });
                }
                Ok(Some(next)) => {
                    if next.offset > furthest {
                        (failures, furthest, pause) = (0, next.offset, self.session.patience.pause);
                    }
                    upload = Some(next);
                }
                Err(error) => {
                    failures += 1;
                    let whole = piece >= blob.size;
                    if failures >= self.session.patience.tries || !(error.is_passing() || (offset > 0 && !whole)) {
                        return Err(error);
                    }
                    if error.is_passing() {
                        sleep(pause).await;
                        pause *= 2;
                        upload = self.status(blob, &place).await;
                    } else {
                        // A registry that does not take a second piece gets the blob in one.
                        piece = blob.size;
                    }
                }
            }
        }
    }

    /// An upload of an earlier push that the registry still knows.
    async fn resumed(&self, blob: &Blob, sessions: &dyn Sessions) -> Result<Option<Upload>, RegistryError> {
        let Some(kept) = sessions.recall(blob) else { return Ok(None) };
        let place = self.session.follow("going on with an upload", &kept)?;
        let found = self.status(blob, &place).await;
        if found.is_none() {
            sessions.forget(blob);
        }
        Ok(found)
    }

    /// How far an upload is; `None` when the registry does not know it any more.
    async fn status(&self, blob: &Blob, place: &str) -> Option<Upload> {
        let doing = format!("asking how much of blob {} is there", short(&blob.digest));
        let make = || Request::builder().uri(place).body(web::bytes(Bytes::new()));
        let answer = self.session.send(&doing, &Pulse::new(), &make).await.ok()?;
        if answer.status != StatusCode::NO_CONTENT {
            return None;
        }
        self.next(&doing, &answer, blob).ok()
    }

    /// Begins an upload; `None` when the registry took the blob over from elsewhere.
    async fn begin(&self, blob: &Blob, mount: Option<&str>) -> Result<Option<Upload>, RegistryError> {
        let doing = format!("beginning to send blob {}", short(&blob.digest));
        let query = mount.map(|from| format!("?mount={}&from={from}", blob.digest)).unwrap_or_default();
        let url = self.url(&format!("blobs/uploads/{query}"));
        let make = || {
            let request = Request::builder().method(Method::POST).uri(&url).header(CONTENT_LENGTH, 0);
            request.body(web::bytes(Bytes::new()))
        };
        let once = || async {
            let answer = self.session.send(&doing, &Pulse::new(), &make).await?;
            self.passed(&doing, answer).await
        };
        let answer = retried(&self.session.patience, || once().boxed()).await?;
        match answer.status {
            StatusCode::CREATED if mount.is_some() => Ok(None),
            StatusCode::ACCEPTED => Ok(Some(Upload { place: self.session.location(&doing, &answer)?, offset: 0 })),
            _ => Err(self.session.refused(&doing, &answer)),
        }
    }

    async fn piece(
        &self,
        blob: &Blob,
        source: &Source,
        upload: Upload,
        most: u64,
        sent: &Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Upload, RegistryError> {
        let doing = format!("sending blob {}", short(&blob.digest));
        let length = most.min(blob.size - upload.offset);
        let pulse = Pulse::new();
        let make = || {
            let (pulse, sent, count) =
                (pulse.clone(), Arc::clone(sent), std::sync::atomic::AtomicU64::new(upload.offset));
            let meter: Meter = Arc::new(move |bytes| {
                pulse.beat();
                sent(count.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed) + bytes);
            });
            let last = upload.offset + length - 1;
            Request::builder()
                .method(Method::PATCH)
                .uri(&upload.place)
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_LENGTH, length)
                .header(CONTENT_RANGE, format!("{}-{last}", upload.offset))
                .body(part(source, upload.offset, length, meter))
        };
        let answer = self.session.send(&doing, &pulse, &make).await?;
        match answer.status {
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT => {
                let next = self.next(&doing, &answer, blob)?;
                if next.offset <= upload.offset {
                    return Err(self.session.odd(&doing, "it took nothing of what was sent".into()));
                }
                Ok(next)
            }
            _ => {
                let answer = self.passed(&doing, answer).await?;
                Err(self.session.refused(&doing, &answer))
            }
        }
    }

    async fn finish(&self, blob: &Blob, place: &str) -> Result<(), RegistryError> {
        let doing = format!("ending the upload of blob {}", short(&blob.digest));
        let joint = if place.contains('?') { '&' } else { '?' };
        let url = format!("{place}{joint}digest={}", blob.digest);
        let make = || {
            let request = Request::builder().method(Method::PUT).uri(&url).header(CONTENT_LENGTH, 0);
            request.body(web::bytes(Bytes::new()))
        };
        let answer = self.session.send(&doing, &Pulse::new(), &make).await?;
        if answer.status != StatusCode::CREATED {
            let answer = self.passed(&doing, answer).await?;
            return Err(self.session.refused(&doing, &answer));
        }
        self.same(&doing, &answer, &blob.digest)
    }

    /// Where to go on, and how much is there.
    fn next(&self, doing: &str, answer: &Answer, blob: &Blob) -> Result<Upload, RegistryError> {
        let place = self.session.location(doing, answer)?;
        let range = answer.header(RANGE).unwrap_or("0-0");
        let end: u64 = range.rsplit('-').next().and_then(|end| end.parse().ok()).unwrap_or(0);
        // `0-0` stands for nothing; a single byte is sent again.
        let offset = if end == 0 { 0 } else { end + 1 };
        if offset > blob.size {
            return Err(self.session.odd(doing, format!("it has {offset} of {} bytes", blob.size)));
        }
        Ok(Upload { place, offset })
    }
}

fn part(source: &Source, start: u64, length: u64, meter: Meter) -> Body {
    match source {
        Source::File(path) => web::part_of(path.clone(), start, length, meter),
        Source::Bytes(bytes) => {
            let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(bytes.len());
            meter(length);
            web::bytes(bytes.slice(at(start)..at(start + length)))
        }
    }
}
