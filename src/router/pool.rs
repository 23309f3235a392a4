//! Connections to one dyno: those in use are leased to an exchange, the others wait here, newest first (§9.2, §18).
//!
//! A lease carries hyper's connection itself, and whoever holds the lease drives it: there is no task per connection
//! and no hop between tasks on the way of a request.

use super::body::RequestBody;
use super::dial::{Dial, DynoStream};
use super::dyno_io::{DynoIo, DynoWire};
use super::traffic::{Passage, Traffic};
use crate::model::dyno::DynoName;
use crate::model::endpoint::Endpoint;
use crate::model::timeouts::Timeouts;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::time::{Duration, Instant, timeout};

/// hyper's connection over our IO.
pub(super) type DynoConnection = Connection<TokioIo<DynoIo>, RequestBody>;

/// One life of one dyno, as the router keeps it.
pub(super) struct Slot {
    /// For the log line.
    pub(super) name: Arc<str>,
    pub(super) key: SlotKey,
    idle: Mutex<Vec<(Instant, Box<Link>)>>,
    /// It failed a connect, and is left alone until then (§12).
    quarantine: Mutex<Option<Instant>>,
    /// It is gone from the table: nothing is kept for it any more.
    closed: AtomicBool,
    /// Requests that are at it.
    pub(super) traffic: Traffic,
}

/// What makes a dyno's life: a new start or a new address is another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SlotKey {
    pub(super) name: DynoName,
    pub(super) generation: u64,
    pub(super) endpoint: Endpoint,
}

/// A connection with its handle. A large thing, which is boxed so that it is cheap to hand on.
pub(super) struct Link {
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) connection: DynoConnection,
    pub(super) wire: Arc<DynoWire>,
    /// The connection future has completed and must not be polled again.
    pub(super) over: bool,
    /// It served a request before.
    pub(super) reused: bool,
    /// Its dyno is not to be sent another request.
    pub(super) spent: bool,
    /// Counts the request it carries.
    pub(super) passage: Option<Passage>,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DialFailure {
    Refused,
    TimedOut,
}

impl Slot {
    pub(super) fn new(key: SlotKey, traffic: Traffic) -> Arc<Self> {
        Arc::new(Self {
            name: Arc::from(key.name.to_string()),
            key,
            idle: Mutex::default(),
            quarantine: Mutex::default(),
            closed: AtomicBool::new(false),
            traffic,
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Instant, Box<Link>)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when it is left alone; `None` when it may be tried.
    pub(super) fn quarantined_until(&self) -> Option<Instant> {
        let until = *self.quarantine.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| *until > Instant::now())
    }

    pub(super) fn quarantine(&self, time: Duration) {
        *self.quarantine.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + time);
    }

    /// The newest pooled connection that is still good.
    pub(super) fn take_idle(&self, max_idle: Duration, cx: &mut Context<'_>) -> Option<Box<Link>> {
        loop {
            let (since, mut link) = self.idle().pop()?;
            if since.elapsed() < max_idle && link.is_usable(cx) {
                link.reused = true;
                return Some(link);
            }
        }
    }

    /// Takes a connection back after a response, if it can carry another request.
    pub(super) fn give_back(&self, mut link: Box<Link>) {
        link.wire.end();
        link.passage = None;
        // Nobody waits for this connection now; whoever takes it next polls it again.
        let mut cx = Context::from_waker(Waker::noop());
        if !link.spent && link.is_usable(&mut cx) && !self.closed.load(Ordering::Acquire) {
            self.idle().push((Instant::now(), link));
        }
        if self.closed.load(Ordering::Acquire) {
            self.idle().clear();
        }
    }

    /// Opens a new connection.
    pub(super) async fn dial(&self, dial: &dyn Dial, timeouts: &Timeouts) -> Result<Box<Link>, DialFailure> {
        match timeout(timeouts.connect, dial.dial(&self.key.endpoint)).await {
            Ok(Ok(stream)) => Link::open(stream, timeouts).await.map_err(|_| DialFailure::Refused),
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => Err(DialFailure::TimedOut),
            Ok(Err(_)) => Err(DialFailure::Refused),
            Err(_) => Err(DialFailure::TimedOut),
        }
    }

    /// The dyno is gone from the table.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.idle().clear();
    }

    /// Drops what has been idle for too long, or was closed by the dyno. Says for how long such a one was idle.
    pub(super) fn sweep(&self, max_idle: Duration) -> Option<Duration> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut closed_after = None;
        self.idle().retain_mut(|(since, link)| {
            let young = since.elapsed() < max_idle;
            let usable = link.is_usable(&mut cx);
            if young && !usable {
                closed_after = Some(since.elapsed());
            }
            young && usable
        });
        closed_after
    }
}

impl Link {
    async fn open(stream: Box<dyn DynoStream>, timeouts: &Timeouts) -> hyper::Result<Box<Self>> {
        let wire = DynoWire::new(timeouts.first_byte, timeouts.idle);
        let io = TokioIo::new(DynoIo::new(stream, Arc::clone(&wire)));
        let (sender, connection) = Builder::new()
            .title_case_headers(true)
            .max_headers(super::MAX_HEADERS)
            .max_buf_size(super::answer::HEAD + 64 * 1024)
            .handshake(io)
            .await?;
        Ok(Box::new(Self { sender, connection, wire, over: false, reused: false, spent: false, passage: None }))
    }

    /// Drives the connection. Never ready again once it was.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.over {
            return Poll::Pending;
        }
        let ended = Pin::new(&mut self.connection).poll_without_shutdown(cx).is_ready();
        self.over = ended;
        if ended { Poll::Ready(()) } else { Poll::Pending }
    }

    fn is_usable(&mut self, cx: &mut Context<'_>) -> bool {
        self.poll(cx).is_pending() && !self.over && self.sender.is_ready()
    }
}
