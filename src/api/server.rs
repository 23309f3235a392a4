//! The server: one task for each connection, until the app stops; then what is being answered still gets its answer.

use super::fault::Fault;
use super::log_sessions::LogRequest;
use super::request::{Answer, Body, Call, json};
use super::shapes::id_of;
use super::socket::Place;
use super::{Subject, routes};
use crate::engine::native::runs_in_dyno;
use crate::platform::state::StateDir;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long an answer may take once the app has stopped.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How long a client may take to say what it wants.
const HEAD_LIMIT: Duration = Duration::from_secs(30);

/// What every request can use.
pub(super) struct Shared {
    pub(super) subject: Subject,
    /// The app stops: streams end.
    pub(super) stopping: CancellationToken,
    sessions: Mutex<BTreeMap<String, LogRequest>>,
    count: AtomicU64,
}

/// How many log sessions are remembered; each is used once.
const SESSIONS: usize = 1000;

impl Shared {
    pub(super) fn new(subject: Subject) -> Self {
        Self { subject, stopping: CancellationToken::new(), sessions: Mutex::default(), count: AtomicU64::default() }
    }

    /// Remembers what a log session is to show, until it is read.
    pub(super) fn keep_session(&self, request: LogRequest) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let id = id_of(&["log-session", &self.subject.clock.random_hex(16), &count.to_string()]);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= SESSIONS {
            sessions.pop_first();
        }
        sessions.insert(id.clone(), request);
        id
    }

    pub(super) fn session(&self, id: &str) -> Option<LogRequest> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

/// The app's socket, bound. Clients that come before it is served wait.
pub struct Server {
    listener: UnixListener,
    place: Place,
}

/// A server at work.
pub struct Serving {
    shared: Arc<Shared>,
    place: Arc<Place>,
    task: JoinHandle<()>,
}

impl Server {
    /// Binds the socket of an app whose lock the caller holds. Must be called inside a tokio runtime.
    pub fn bind(state: &StateDir) -> io::Result<Self> {
        let (listener, place) = Place::bind(state)?;
        Ok(Self { listener: UnixListener::from_std(listener)?, place })
    }

    /// Serves from now on.
    pub fn serve(self, subject: Subject) -> Serving {
        let shared = Arc::new(Shared::new(subject));
        let place = Arc::new(self.place);
        let task = tokio::spawn(accept(self.listener, Arc::clone(&shared)));
        Serving { shared, place, task }
    }
}

impl Serving {
    /// Takes no more requests, and waits a moment for the answers under way.
    pub async fn shutdown(self) {
        self.place.remove();
        self.shared.stopping.cancel();
        let abort = self.task.abort_handle();
        if timeout(LAST_ANSWERS, self.task).await.is_err() {
            abort.abort();
        }
    }
}

async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                // No file descriptors, for a moment: those that wait are not lost.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
            () = shared.stopping.cancelled() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(stream: UnixStream, shared: Arc<Shared>) {
    let asks = stream.peer_cred().ok().and_then(|who| who.pid()).and_then(|pid| u32::try_from(pid).ok());
    let from_dyno = asks.is_some_and(runs_in_dyno);
    let service = {
        let shared = Arc::clone(&shared);
        service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { if from_dyno { Ok(keep_out()) } else { respond(shared, request).await } }
        })
    };
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = shared.stopping.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Answers in a task of its own: a client that goes away does not leave a change half done.
async fn respond(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let answer = match Call::read(request).await {
        Ok(call) => tokio::spawn(async move { routes::answer(&shared, call).await })
            .await
            .unwrap_or_else(|_| Err(Fault::internal("The request could not be carried out."))),
        Err(fault) => Err(fault),
    };
    Ok(answer.or_else(|fault| refuse(&fault)).unwrap_or_else(|_| Response::new(Body::default())))
}

/// A native dyno runs as the user whose socket this is, and may steer no more than a dyno on Heroku may.
fn keep_out() -> Response<Body> {
    let fault = Fault::forbidden("A dyno may not steer dynosim.");
    refuse(&fault).unwrap_or_else(|_| Response::new(Body::default()))
}

fn refuse(fault: &Fault) -> Answer {
    json(fault.status, &fault.error)
}
