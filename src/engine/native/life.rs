//! One dyno's life, from the init's start to the last word about it.

use super::cgroup::Group;
use super::launch::Leftovers;
use super::orphans;
use super::start::Started;
use crate::engine::reports::{Report, Reports, reachable};
use crate::engine::{
    DynoSpec, Ended, EventSink, Finding, InstanceEvent, Listener, LostWrite, OutputSink, ProcessFacts, Signal, Usage,
};
use crate::model::dyno::Exit;
use crate::model::endpoint::Endpoint;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

/// How long the streams of a dyno may be held after its keeper has ended.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the owner asks for.
pub(super) enum Order {
    Signal(Signal),
    Processes(oneshot::Sender<Vec<ProcessFacts>>),
    Memory(oneshot::Sender<Usage>),
}

/// See the module.
pub(super) struct Life {
    spec: DynoSpec,
    leftovers: Leftovers,
    events: EventSink,
    reports: Reports,
    listing: Vec<oneshot::Sender<Vec<ProcessFacts>>>,
    measuring: Vec<oneshot::Sender<Usage>>,
    bound: bool,
    out_of_memory: bool,
    lost: Vec<LostWrite>,
}

impl Life {
    pub(super) fn new(spec: DynoSpec, leftovers: Leftovers, events: EventSink) -> Self {
        Self {
            spec,
            leftovers,
            events,
            reports: Reports::default(),
            listing: Vec::new(),
            measuring: Vec::new(),
            bound: false,
            out_of_memory: false,
            lost: Vec::new(),
        }
    }

    /// A dyno whose folder could not be used.
    pub(super) async fn never_started(self, status: i32, finding: Finding) {
        self.tell(InstanceEvent::Finding(finding)).await;
        let exit = Exit { status, out_of_memory: false };
        self.tell(InstanceEvent::Exited(Ended { exit, lost_writes: Vec::new() })).await;
    }

    pub(super) async fn run(
        mut self,
        started: Started,
        mut orders: mpsc::UnboundedReceiver<Order>,
        output: OutputSink,
    ) {
        let Started { mut keeper, told, control, streams, .. } = started;
        let (mut reports, mut init) = control.into_split();
        let mut told = Some(told.lines());
        let printed_to = streams.names();
        let mut carried = tokio::spawn(streams.carry(output));
        let (mut status, mut silent, mut drained) = (None, false, false);
        let mut buffer = [0; 8192];
        while status.is_none() || !silent || !drained || told.is_some() {
            tokio::select! {
                biased;
                order = orders.recv() => {
                    let Some(order) = order else {
                        // Dropped: the keeper's end is the init's, and the init's that of all the others.
                        let _ = keeper.kill().await;
                        carried.abort();
                        return self.leftovers.close().await;
                    };
                    self.carry_out(order, &mut init).await;
                }
                read = reports.read(&mut buffer), if !silent => match read {
                    Ok(read @ 1..) => {
                        for report in self.reports.take(&buffer[..read]) {
                            self.take(report).await;
                        }
                    }
                    _ => silent = true,
                },
                line = next_line(&mut told) => match line {
                    Some(line) => self.lost.extend(lost(&line)),
                    None => told = None,
                },
                ended = keeper.wait(), if status.is_none() => status = Some(ended.map_or(137, super::code_of)),
                _ = &mut carried, if !drained => drained = true,
                // The keeper ends last, and a slow reader of the output is no reason to end anything.
                () = sleep(PATIENCE), if status.is_some() && !drained => orphans::end(&printed_to),
            }
        }
        self.out_of_memory |= self.leftovers.group.as_ref().is_some_and(Group::ran_out_of_memory);
        self.leftovers.close().await;
        let status = if self.out_of_memory { 137 } else { status.unwrap_or(137) };
        let exit = Exit { status, out_of_memory: self.out_of_memory };
        let lost_writes = std::mem::take(&mut self.lost);
        self.tell(InstanceEvent::Exited(Ended { exit, lost_writes })).await;
    }

    async fn take(&mut self, report: Report) {
        match report {
            Report::Listening(listeners) => {
                let found = reachable(&listeners, self.spec.port).cloned();
                self.tell(InstanceEvent::Listening(listeners)).await;
                if let Some(found) = found.filter(|_| !self.bound) {
                    self.bound = true;
                    self.tell(InstanceEvent::Bound(endpoint(&found))).await;
                }
            }
            Report::Finding(finding) => self.tell(InstanceEvent::Finding(finding)).await,
            Report::OutOfMemory => self.out_of_memory = true,
            Report::Processes(list, _) => {
                for answer in self.listing.drain(..) {
                    // Whoever asked may have given up.
                    let _ = answer.send(list.clone());
                }
            }
            Report::Memory(usage) => {
                for answer in self.measuring.drain(..) {
                    let _ = answer.send(usage);
                }
            }
        }
    }

    /// The init does it; one that has ended has nothing left to do it to.
    async fn carry_out(&mut self, order: Order, init: &mut OwnedWriteHalf) {
        let line = match order {
            Order::Signal(Signal::Term) => "term\n",
            Order::Signal(Signal::Kill) => "kill\n",
            Order::Signal(Signal::Hup) => "hup\n",
            Order::Signal(Signal::Int) => "int\n",
            Order::Processes(answer) => {
                self.listing.push(answer);
                "ps\n"
            }
            Order::Memory(answer) => {
                self.measuring.push(answer);
                "mem\n"
            }
        };
        if init.write_all(line.as_bytes()).await.is_err() {
            self.listing.clear();
            self.measuring.clear();
        }
    }

    /// An owner that listens no more has no use for it.
    async fn tell(&self, event: InstanceEvent) {
        let _ = self.events.send(event).await;
    }
}

/// The next line; never resolves when there is nobody to tell one.
async fn next_line(told: &mut Option<Lines<BufReader<UnixStream>>>) -> Option<String> {
    match told {
        Some(told) => told.next_line().await.ok().flatten(),
        None => std::future::pending().await,
    }
}

/// What the keeper tells of a file: `lost`, path and size.
fn lost(line: &str) -> Option<LostWrite> {
    let mut fields = line.split('\t').map(crate::engine::reports::unescape);
    (fields.next()? == "lost").then_some(())?;
    Some(LostWrite { path: fields.next()?, size: fields.next()?.parse().ok() })
}

/// Where a listener of this machine can be dialled.
fn endpoint(listener: &Listener) -> Endpoint {
    let address = match listener.address {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        // It may be bound for this protocol alone.
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    };
    Endpoint(SocketAddr::new(address, listener.port))
}
