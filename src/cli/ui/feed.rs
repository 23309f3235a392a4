//! What the app's API tells, as events: its resources whenever one of them changes, memory at a steady pace, its log as
//! it comes. Asks again and again while nobody answers.

use super::state::{Event, Picture};
use crate::api::client::Lines;
use crate::api::shapes::{DynoUsage, LogSession, Release};
use crate::api::{APP, Client, ClientError};
use crate::logs::TAIL_LINES_MAX;
use crate::platform::state::StateDir;
use futures_util::FutureExt as _;
use serde_json::json;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Between two questions whether the app runs.
const RETRY: Duration = Duration::from_secs(1);
/// Between two measurements of memory.
const MEASURE: Duration = Duration::from_secs(2);
/// Releases that are listed.
const RELEASES: &str = "version ..; max=50, order=desc";
/// Lines that are passed on at once, at most.
const BATCH: usize = 1_000;

/// Why a session ended.
enum End {
    Api(ClientError),
    /// Nobody wants events any more.
    Unheard,
}

impl From<ClientError> for End {
    fn from(error: ClientError) -> Self {
        Self::Api(error)
    }
}

type Never = std::convert::Infallible;

/// Tells until nobody listens.
pub(super) async fn run(state: StateDir, to: mpsc::Sender<Event>) {
    loop {
        let why = match session(&state, &to).await {
            Ok(never) => match never {},
            Err(End::Unheard) => return,
            Err(End::Api(ClientError::NotRunning | ClientError::Gone)) => None,
            Err(End::Api(error)) => Some(error.to_string()),
        };
        if to.send(Event::Gone(why)).await.is_err() {
            return;
        }
        sleep(RETRY).await;
    }
}

/// From the first answer to the last.
async fn session(state: &StateDir, to: &mpsc::Sender<Event>) -> Result<Never, End> {
    let mut client = Client::connect(state).await?;
    let wish = json!({"lines": TAIL_LINES_MAX, "tail": true});
    let session: LogSession = client.post(&format!("{APP}/log-sessions"), &wish).await?;
    let log = Client::connect(state).await?.lines(&format!("/streams/logs/{}", session.id)).await?;
    let changes = Client::connect(state).await?.lines("/dynosim/events").await?;
    let meter = Client::connect(state).await?;
    tell(to, Event::Connected).await?;
    tokio::select! {
        end = lines(log, to) => end,
        end = pictures(changes, client, to) => end,
        end = usage(meter, to) => end,
    }
}

async fn tell(to: &mpsc::Sender<Event>, event: Event) -> Result<(), End> {
    to.send(event).await.map_err(|_| End::Unheard)
}

/// The log; what has come already is passed on together.
async fn lines(mut log: Lines, to: &mpsc::Sender<Event>) -> Result<Never, End> {
    loop {
        let mut line = log.next().await.ok_or(ClientError::Gone)?;
        let mut batch = Vec::new();
        loop {
            // The other lines of the stream are its own: counts, pauses.
            if let Some(text) = line.strip_prefix(b"data: ") {
                batch.push(String::from_utf8_lossy(text).into_owned());
            }
            match log.next().now_or_never() {
                Some(Some(next)) if batch.len() < BATCH => line = next,
                _ => break,
            }
        }
        if !batch.is_empty() {
            tell(to, Event::Lines(batch)).await?;
        }
    }
}

/// The resources, each time that one has changed; changes that come together are looked at once.
async fn pictures(mut changes: Lines, mut client: Client, to: &mpsc::Sender<Event>) -> Result<Never, End> {
    loop {
        changes.next().await.ok_or(ClientError::Gone)?;
        while let Some(Some(_)) = changes.next().now_or_never() {}
        let picture = Picture {
            app: client.get(APP).await?,
            dynos: client.get(&format!("{APP}/dynos")).await?,
            formation: client.get(&format!("{APP}/formation")).await?,
            releases: client.range::<Release>(&format!("{APP}/releases"), RELEASES).await?,
        };
        tell(to, Event::Picture(Box::new(picture))).await?;
    }
}

async fn usage(mut client: Client, to: &mpsc::Sender<Event>) -> Result<Never, End> {
    let mut pace = interval(MEASURE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let usage: Vec<DynoUsage> = client.get("/dynosim/usage").await?;
        tell(to, Event::Usage(usage)).await?;
    }
}
