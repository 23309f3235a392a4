//! The output of a release command: there a little late, silent at times, and it may break (cli-api §5.3).

use super::answer::{Answer, Body, refuse};
use super::{Phase, Shared};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Runs a release command to its end.
pub(super) async fn run(shared: Arc<Shared>, app: String, version: u64, stream: String, phase: Phase) {
    for (pause, text) in phase.prints {
        tokio::time::sleep(pause).await;
        shared.world().streams.get_mut(&stream).unwrap().bytes.extend_from_slice(text);
        shared.changed.notify_waiters();
    }
    {
        let mut world = shared.world();
        world.streams.get_mut(&stream).unwrap().over = true;
        let app = world.app(&app);
        let at = usize::try_from(version).unwrap() - 1;
        app.releases[at]["status"] = phase.ends.into();
        app.settle();
    }
    shared.changed.notify_waiters();
}

/// `GET /streams/{id}`
pub(super) fn read(shared: Arc<Shared>, id: &str, range: Option<&str>) -> Answer {
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    {
        let mut world = shared.world();
        let Some(stream) = world.streams.get_mut(id) else { return refuse(404, "not_found", "No such stream.") };
        if stream.too_early > 0 {
            stream.too_early -= 1;
            return refuse(404, "not_found", "No such stream.");
        }
    }
    let start = from.unwrap_or(0);
    let mut answer =
        Response::builder().status(if from.is_some() { 206 } else { 200 }).header("content-type", "text/plain");
    if from.is_some() {
        answer = answer.header("content-range", format!("bytes {start}-/*"));
    }
    answer.body(body(shared, id.to_owned(), start)).unwrap()
}

fn body(shared: Arc<Shared>, id: String, from: usize) -> Body {
    let pieces = stream::unfold(Some(from), move |at| {
        let (shared, id) = (shared.clone(), id.clone());
        async move {
            let mut at = at?;
            let piece = next(&shared, &id, &mut at).await?;
            let goes_on = piece.is_ok().then_some(at);
            Some((piece.map(Frame::data), goes_on))
        }
    });
    StreamBody::new(pieces).boxed()
}

/// What comes next, waiting for it; `None` at the end.
async fn next(shared: &Shared, id: &str, at: &mut usize) -> Option<io::Result<Bytes>> {
    let wake = shared.changed.notified();
    let breaks;
    {
        let mut world = shared.world();
        let stream = world.streams.get_mut(id).unwrap();
        let end = stream.bytes.len().min(stream.breaks_after.unwrap_or(usize::MAX));
        if end > *at {
            let piece = Bytes::copy_from_slice(&stream.bytes[*at..end]);
            *at = end;
            return Some(Ok(piece));
        }
        breaks = stream.breaks_after.take_if(|limit| *limit <= *at).is_some();
        if stream.over && !breaks {
            return None;
        }
    }
    if breaks {
        // What was there goes out first.
        tokio::task::yield_now().await;
        return Some(Err(io::Error::other("broken")));
    }
    let _ = tokio::time::timeout(Duration::from_millis(200), wake).await;
    // A byte that is no output keeps the connection alive.
    Some(Ok(Bytes::from_static(b"\0")))
}
