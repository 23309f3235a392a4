//! The threads that serve connections. Each is an event loop of its own, and all that serves a client, the connections
//! to dynos included, stays on the one its connection was given to: on the way of a request no thread waits for another,
//! and no socket goes from one processor to the next.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio_util::task::TaskTracker;

/// There are no more of them, however many processors there are.
pub(super) const MOST: usize = 8;

thread_local! {
    /// Below `MOST`.
    static HERE: Cell<usize> = const { Cell::new(0) };
}

/// The lane whose thread this is; the first, on a thread that is none.
pub(super) fn here() -> usize {
    HERE.get()
}

/// All of them.
pub(super) struct Lanes(Vec<Lane>);

struct Lane {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
}

/// A connection's place on a lane, until it is dropped.
struct Place(Arc<AtomicUsize>);

impl Lanes {
    /// Starts so many, each of which runs until its `over` is ready. Without any, or where the system has no room for
    /// threads, the runtime that this is called in serves alone.
    pub(super) fn start<F: Future<Output = ()> + Send + 'static>(count: usize, over: impl Fn() -> F) -> Self {
        let mut lanes: Vec<Lane> = (0..count).map_while(|index| Lane::start(index, over()).ok()).collect();
        if lanes.is_empty() {
            lanes.push(Lane { runtime: Handle::current(), connections: Arc::default() });
        }
        Self(lanes)
    }

    /// The one that takes connections in.
    pub(super) fn first(&self) -> &Handle {
        &self.0[0].runtime
    }

    /// Gives a client's connection to the lane that has fewest; of several, to the first. What comes of `serve` is run there.
    pub(super) fn give<F>(
        &self,
        tracker: &TaskTracker,
        socket: TcpStream,
        serve: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let load = |lane: &&Lane| lane.connections.load(Ordering::Relaxed);
        let fewest = self.0.iter().enumerate().min_by_key(|(_, lane)| load(lane));
        let (index, lane) = fewest.unwrap_or((0, &self.0[0]));
        lane.connections.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(&lane.connections));
        if index == here() {
            // Made inside, what serves takes its room once.
            let stays = async move {
                serve(socket).await;
                drop(place);
            };
            tracker.spawn_on(stays, &lane.runtime);
        } else if let Ok(socket) = socket.into_std() {
            let moved = async move {
                // Its readiness is told to the loop of that lane from now on.
                if let Ok(socket) = TcpStream::from_std(socket) {
                    serve(socket).await;
                }
                drop(place);
            };
            tracker.spawn_on(moved, &lane.runtime);
        }
    }
}

impl Lane {
    fn start(index: usize, over: impl Future<Output = ()> + Send + 'static) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new().name(format!("router-{index}")).spawn(move || {
            HERE.set(index);
            runtime.block_on(over);
        })?;
        Ok(Self { runtime: handle, connections: Arc::default() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
