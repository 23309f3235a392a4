//! The router: every documented behaviour of Heroku's HTTP router, on loopback. It is given a [`table::Table`] of who
//! is up and a clock, and gives back one log line for each request; it knows nothing of engines, dynos or releases.
//!
//! The way of a request, each a file: `listen` → `connection` → `client_io` (with `head` and `chunks`) → hyper →
//! `exchange` → `checkout` (with `registry` and `pool`) → `link` (with `answer`) → `body` or `upgrade` → `record`. HTTP/2
//! comes in by `http2` instead; the exchange sees either as a `client::Client`. A failure at any of them is a
//! `failure::Failure`, told apart nowhere else.
//!
//! Everything that serves one client connection runs in one task: hyper's server half, the exchange, and the
//! connection to the dyno, which the exchange drives itself. A stream of HTTP/2 has such a task of its own. A client's
//! tasks stay on one thread (`lanes`), which has its own event loop, its own view of the table and its own pools.

mod affinity;
mod answer;
mod body;
mod checkout;
mod chunks;
mod client;
mod client_io;
mod client_wire;
pub mod config;
mod connection;
mod deadline;
pub mod dial;
mod exchange;
mod failure;
mod fields;
mod head;
mod headers;
mod http2;
mod lanes;
mod link;
pub mod listen;
mod nel;
mod pages;
mod pool;
mod record;
mod registry;
mod signal;
mod splice;
pub mod table;
#[cfg(test)]
mod tests;
pub mod traffic;
mod upgrade;

pub use config::{Generation, RouterConfig};
pub use dial::{Dial, TcpDial};
pub use listen::Listener;

use crate::clock::Clock;
use crate::model::codes::H;
use crate::model::log::{Message, Process, Source};
use client::{Origin, Protocol};
use failure::Failure;
use head::Refusal;
use lanes::Lanes;
use pool::Slot;
use record::Record;
use registry::{Common, Registry};
use signal::Signal;
use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use table::Table;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tokio::sync::watch;
use tokio::time::{Duration, sleep, timeout};
use tokio_util::task::TaskTracker;

/// What hyper is told to take; the strict checks stop at 1000 before it does.
const MAX_HEADERS: usize = 1010;
/// Pace at which pooled connections are looked over.
const SWEEP: Duration = Duration::from_secs(1);

/// `Sat, 21 Nov 2026 03:08:15 GMT`
const HTTP_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// Where finished requests are told: called once for each, and must not block.
type Log = Box<dyn Fn(Message) + Send + Sync>;

/// A request that ended in a code, told to whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The code.
    pub code: H,
    /// The dyno that had it, or was tried last.
    pub dyno: Option<String>,
    /// `POST`
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// How long the dyno had it; none when it never came so far.
    pub service: Option<Duration>,
    /// Other requests that are at the same dyno.
    pub others: usize,
}

/// Where they are told; called from the router's tasks, and must not block.
type Watch = Box<dyn Fn(Failed) + Send + Sync>;

/// A running router. Dropping it stops it at once.
pub struct Router {
    shared: Arc<Shared>,
    tracker: TaskTracker,
}

/// What all connections share.
struct Shared {
    config: RouterConfig,
    /// One for each lane.
    desks: Box<[Desk]>,
    dial: Box<dyn Dial>,
    log: Log,
    /// Signs session cookies; of this run alone.
    affinity_key: [u8; 16],
    /// Take no new connections and no new requests.
    drain: Signal,
    /// End what is left.
    force: Signal,
    /// Dynos whose short keep-alive was explained.
    explained: Mutex<HashSet<Arc<str>>>,
    /// Who wants to know of requests that fail.
    watch: OnceLock<Watch>,
    /// Client connections now.
    connections: AtomicUsize,
}

/// What a lane has for itself, apart in memory from the next one's.
#[repr(align(128))]
struct Desk {
    registry: Registry,
    clock: Clock,
}

impl Router {
    /// Serves `listeners` by the tables that `table` brings; must be called inside a tokio runtime. `log` is called
    /// once for each finished request and must not block.
    ///
    /// # Errors
    /// The system lets no event loop have the listeners.
    pub fn start(
        listeners: Vec<Listener>,
        table: &watch::Receiver<Arc<Table>>,
        config: RouterConfig,
        clock: &Clock,
        log: impl Fn(Message) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let shared = Shared::new(table, config, clock, Box::new(TcpDial), Box::new(log));
        let tracker = TaskTracker::new();
        // Dropped before its time, it ends the lanes.
        let router = Self { shared: Arc::clone(&shared), tracker: tracker.clone() };
        let lanes = Arc::new(Lanes::start(shared.config.threads.min(lanes::MOST), || {
            let (shared, tracker) = (Arc::clone(&shared), tracker.clone());
            async move {
                shared.drain.raised().await;
                tracker.wait().await;
            }
        }));
        for listener in listeners {
            let inside = lanes.first().enter();
            let listener = listener.here()?;
            drop(inside);
            let accept = listen::accept(Arc::clone(&shared), listener, tracker.clone(), Arc::clone(&lanes));
            tracker.spawn_on(accept, lanes.first());
        }
        tracker.spawn(sweep(shared));
        Ok(router)
    }

    /// Tells `watch` of every request that ends in a code, after its log line. Of several watches the first counts.
    pub fn watch_failures(&self, watch: impl Fn(Failed) + Send + Sync + 'static) {
        // A second one is a mistake of the caller's that harms nobody.
        let _ = self.shared.watch.set(Box::new(watch));
    }

    /// Takes no new connections and requests, lets those in flight finish for `grace`, then cuts them (H24).
    pub async fn shutdown(self, grace: Duration) {
        self.shared.drain.raise();
        self.tracker.close();
        if timeout(grace, self.tracker.wait()).await.is_err() {
            self.shared.force.raise();
            self.tracker.wait().await;
        }
        for desk in &self.shared.desks {
            desk.registry.close();
        }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.shared.drain.raise();
        self.shared.force.raise();
        self.tracker.close();
    }
}

/// Closes pooled connections in time, and explains a dyno that closes its own too early (§9.2).
async fn sweep(shared: Arc<Shared>) {
    let max_idle = shared.config.timeouts.pool_idle;
    loop {
        tokio::select! {
            biased;
            () = shared.drain.raised() => return,
            () = sleep(SWEEP) => {}
        }
        let mut explain = |slot: &Slot, after: Duration| {
            let new = shared.explained.lock().unwrap_or_else(PoisonError::into_inner).insert(Arc::clone(&slot.name));
            if new {
                let text = format!(
                    "closed an idle connection after {} s. Heroku's router keeps idle connections to a dyno for {} s, \
                     and a request that meets one just closing fails with H13: let the app's server keep idle \
                     connections for 95 s",
                    after.as_secs(),
                    max_idle.as_secs()
                );
                (shared.log)(Message::explain(&slot.key.name, text));
            }
        };
        for desk in &shared.desks {
            desk.registry.sweep(max_idle, &mut explain);
        }
    }
}

impl Shared {
    fn new(
        table: &watch::Receiver<Arc<Table>>,
        config: RouterConfig,
        clock: &Clock,
        dial: Box<dyn Dial>,
        log: Log,
    ) -> Arc<Self> {
        let affinity_key = clock.random_bytes();
        let common = Arc::new(Common::default());
        let desk = |_| Desk { registry: Registry::new(table, Arc::clone(&common)), clock: clock.apart() };
        Arc::new(Self {
            desks: (0..config.threads.clamp(1, lanes::MOST)).map(desk).collect(),
            config,
            dial,
            log,
            affinity_key,
            drain: Signal::default(),
            force: Signal::default(),
            explained: Mutex::default(),
            watch: OnceLock::new(),
            connections: AtomicUsize::new(0),
        })
    }

    fn log(&self, record: &Record) {
        let text = record.line(self.config.generation);
        (self.log)(Message { source: Source::Heroku, process: Process::Router, text });
        if let (Some(failure), Some(watch)) = (record.failure, self.watch.get()) {
            watch(self.failed(record, failure));
        }
    }

    fn failed(&self, record: &Record, failure: Failure) -> Failed {
        let name = record.dyno.as_ref().map(|(name, _)| &**name);
        let live = self.registry().current();
        let slot = live.apps.iter().flat_map(|app| &app.up).find(|slot| Some(&*slot.name) == name);
        Failed {
            code: failure.verdict().code,
            dyno: name.map(str::to_owned),
            method: record.method.to_string(),
            path: record.target.path().to_owned(),
            service: record.dispatched.map(|at| at.elapsed()),
            others: slot.map_or(0, |slot| slot.traffic.requests()),
        }
    }

    /// What this thread's lane has.
    fn desk(&self) -> &Desk {
        self.desks.get(lanes::here()).unwrap_or(&self.desks[0])
    }

    fn registry(&self) -> &Registry {
        &self.desk().registry
    }

    fn clock(&self) -> &Clock {
        &self.desk().clock
    }

    fn is_forced(&self) -> bool {
        self.force.is_raised()
    }

    /// Whether there are more client connections than the router takes (H22).
    fn is_full(&self) -> bool {
        self.config.connection_limit.is_some_and(|limit| self.connections.load(Ordering::Relaxed) > limit)
    }

    /// Whether dyno connections are reused.
    fn pools(&self) -> bool {
        self.config.keep_alive_to_dynos && !self.config.is_legacy()
    }

    /// Whether HTTP/2 is offered.
    fn speaks_http2(&self) -> bool {
        self.config.http2 && !self.config.is_legacy()
    }

    /// The router's entry in `Via`, with the version that the client speaks.
    fn via(&self, origin: Origin) -> &'static str {
        match (self.config.generation, origin.protocol) {
            (Generation::Router2, Protocol::Http1) => "1.1 heroku-router",
            (Generation::Router2, Protocol::Http2) => "2.0 heroku-router",
            (Generation::Legacy, _) => "1.1 vegur",
        }
    }

    /// The time, as a `Date` header has it.
    fn date(&self) -> String {
        self.clock().now().format(HTTP_DATE).unwrap_or_default()
    }

    /// The `Server` of answers that have none.
    fn server(&self) -> &'static str {
        match self.config.generation {
            Generation::Router2 => "Heroku",
            Generation::Legacy => "Cowboy",
        }
    }

    /// The whole answer to a head that is refused before any app is known: no body, and the connection is closed.
    fn refusal_answer(&self, refusal: Refusal) -> Vec<u8> {
        let status = http::StatusCode::from_u16(refusal.0).unwrap_or(http::StatusCode::BAD_REQUEST);
        let reason = status.canonical_reason().unwrap_or_default();
        let (code, server) = (status.as_str(), self.server());
        let date = self.date();
        format!(
            "HTTP/1.1 {code} {reason}\r\nServer: {server}\r\nDate: {date}\r\nConnection: close\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }
}
