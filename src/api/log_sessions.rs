//! Log sessions: what to show is remembered, and shown as server-sent events. A client whose connection breaks comes back
//! with the id of the last event it got (`Last-Event-ID`), and gets every line after it, once.

use super::fault::Fault;
use super::request::{Answer, Call, json};
use super::server::Shared;
use super::streams::{HEARTBEAT, streaming};
use crate::logs::{Filter, Follower, Position, Start, TAIL_LINES, TAIL_LINES_MAX};
use crate::model::log::Source;
use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write as _};
use std::io;
use std::str::FromStr;
use tokio::time::timeout;

/// What a log session shows.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct LogRequest {
    #[serde(default)]
    dyno: Option<String>,
    #[serde(default, rename = "type")]
    process_type: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    lines: Option<usize>,
    #[serde(default)]
    tail: bool,
}

/// Remembers what is to be shown, and says where.
pub(super) fn open(shared: &Shared, call: &Call) -> Answer {
    let request: LogRequest = call.json()?;
    source_of(&request)?;
    let id = shared.keep_session(request);
    json(StatusCode::CREATED, &shared.subject.log_session(id, &call.host()))
}

fn source_of(request: &LogRequest) -> Result<Option<Source>, Fault> {
    match request.source.as_deref() {
        None | Some("") => Ok(None),
        Some("app") => Ok(Some(Source::App)),
        Some("heroku") => Ok(Some(Source::Heroku)),
        Some("dynosim") => Ok(Some(Source::Dynosim)),
        Some(_) => Err(Fault::invalid("source must be app, heroku or dynosim")),
    }
}

/// Where an event is: so many lines of the session's after a place in the journal, which nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct EventId {
    /// `None` for the journal's begin, while it had no lines.
    after: Option<Position>,
    lines: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { segment, offset } = self.after.unwrap_or(Position { segment: 0, offset: 0 });
        write!(f, "{segment}-{offset}-{}", self.lines)
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut numbers = text.split('-').map(str::parse::<u64>);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(segment)), Some(Ok(offset)), Some(Ok(lines)), None) => {
                let after = (segment > 0 || offset > 0).then_some(Position { segment, offset });
                Ok(Self { after, lines })
            }
            _ => Err(()),
        }
    }
}

/// A session's lines, each with its id.
struct Events {
    follower: Follower,
    /// The last line that was given out.
    at: EventId,
    /// Lines from there that the client has.
    skip: u64,
}

impl Events {
    fn begin(shared: &Shared, request: &LogRequest, last: Option<EventId>) -> Result<Self, Fault> {
        let unreadable = |error: io::Error| Fault::internal(format!("the log cannot be read: {error}"));
        let subject = &shared.subject;
        let filter = Filter {
            processes: request.dyno.iter().chain(&request.process_type).cloned().collect(),
            source: source_of(request)?,
            ..Filter::default()
        };
        let start = match last {
            None => Start::Last(request.lines.unwrap_or(TAIL_LINES).min(TAIL_LINES_MAX)),
            Some(EventId { after: None, .. }) => Start::Oldest,
            Some(EventId { after: Some(position), .. }) => Start::At(position),
        };
        let follower = if request.tail {
            subject.logs.follow(start, filter)
        } else {
            Follower::outside(&subject.state.file("journal"), start, filter, Box::new(|| false))
        };
        let follower = follower.map_err(unreadable)?;
        let after = last.map_or_else(|| follower.position(), |last| last.after);
        Ok(Self { follower, at: EventId { after, lines: 0 }, skip: last.map_or(0, |last| last.lines) })
    }

    /// The next events; `None` at the end. May be dropped and called again.
    async fn next(&mut self) -> io::Result<Option<String>> {
        let Some(lines) = self.follower.next_lines().await? else { return Ok(None) };
        let mut events = String::new();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            self.at.lines += 1;
            if self.at.lines > self.skip {
                let _ = write!(events, "id: {}\ndata: {}\n\n", self.at, one_line(line));
            }
        }
        // Lines are counted from the nearest place, so that few are read again.
        if self.at.lines >= self.skip {
            self.skip = 0;
            self.at = EventId { after: self.follower.position(), lines: 0 };
        }
        Ok(Some(events))
    }
}

/// The lines of a log session as server-sent events, those after `last` if a client comes back.
pub(super) async fn follow(shared: &Shared, id: &str, last: Option<&str>) -> Answer {
    let request = shared.session(id).ok_or_else(|| Fault::not_found("Couldn't find that log session."))?;
    let _ = shared.subject.logs.flush().await;
    // An id that is none of ours is of no session: it begins anew.
    let mut events = Events::begin(shared, &request, last.and_then(|id| id.parse().ok()))?;
    let (response, sender) = streaming("text/event-stream");
    let stopping = shared.stopping.clone();
    tokio::spawn(async move {
        // Without a short retry, Heroku's client lingers for seconds after the last line.
        let mut piece = String::from("retry: 1\n\n");
        while piece.is_empty() || sender.send(Bytes::from(std::mem::take(&mut piece))).await.is_ok() {
            let next = tokio::select! {
                next = timeout(HEARTBEAT, events.next()) => next,
                () = stopping.cancelled() => return,
                () = sender.closed() => return,
            };
            match next {
                Err(_) => piece.push_str(":\n\n"),
                Ok(Ok(Some(events))) => piece = events,
                Ok(Ok(None) | Err(_)) => return,
            }
        }
    });
    Ok(response)
}

/// A line as one line of an event: a carriage return would end it.
fn one_line(line: &[u8]) -> String {
    String::from_utf8_lossy(line).replace('\r', "")
}
