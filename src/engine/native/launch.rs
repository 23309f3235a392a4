//! A dyno: planned, started, and handed to its life. And what other commands ask of dynos that run.

use super::cgroup::Group;
use super::life::{Life, Order};
use super::plan::{Level, Places, Plan};
use super::record::{self, Process, Record};
use super::start::{self, Refused};
use super::stream::Keyboard;
use super::{Shared, image, inside};
use crate::engine::files::DynoFiles;
use crate::engine::inside::USUAL_PATH;
use crate::engine::{
    Console, DynoSpec, EngineError, EventSink, Filesystem, Finding, Inside, Instance, OutputSink, ProcessFacts, Signal,
    Swept, Usage,
};
use crate::model::dyno::DynoSize;
use crate::model::limits::{DYNO_GID, EXIT_TIMEOUT};
use async_trait::async_trait;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

/// What is left of an earlier run is killed; the kernel takes no longer to be done with it.
const SWEEP_PATIENCE: Duration = Duration::from_secs(10);
const SWEEP_PACE: Duration = Duration::from_millis(10);

/// The files of a dyno, removed with it.
pub(super) struct Leftovers {
    shared: Arc<Shared>,
    identity: String,
    run: String,
    name: String,
    pub(super) group: Option<Group>,
    pub(super) home: PathBuf,
}

impl Leftovers {
    /// Ends the commands in the dyno, which has ended, and lets its group go.
    pub(super) async fn close(&self) {
        record::end_guests(&self.home).await;
        if let Some(group) = &self.group {
            group.close().await;
        }
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        // One that is busy is removed by the next sweep.
        let _ = self.group.as_ref().map(Group::remove);
        self.shared.files.forget_dyno(&self.identity, &self.run, &self.name);
    }
}

/// Starts one dyno.
pub(super) async fn launch(
    shared: &Arc<Shared>,
    spec: DynoSpec,
    events: EventSink,
    output: OutputSink,
) -> Result<Box<dyn Instance>, EngineError> {
    let doing = format!("starting {}", spec.name);
    let name = format!("{}-{:06x}", spec.name, rand::random::<u32>() & 0x00ff_ffff);
    let mut leftovers = Leftovers {
        shared: Arc::clone(shared),
        identity: spec.run.identity.clone(),
        run: spec.run.run.clone(),
        name: name.clone(),
        group: None,
        home: PathBuf::new(),
    };
    let (owner, files_spec) = (Arc::clone(shared), spec.clone());
    let dyno_name = name.clone();
    let prepared = tokio::task::spawn_blocking(move || owner.files.prepare(&files_spec, &dyno_name));
    let files = prepared.await.map_err(std::io::Error::other).and_then(|files| files);
    let files = files.map_err(|error| image::failed(&doing, &error))?;
    leftovers.home = files.passwd.parent().map(Path::to_owned).unwrap_or_default();
    let mut plan = plan(shared, &spec, &files)?;
    // The init and the keeper are none of the dyno's processes.
    let group_name = format!("dynosim-{}-{name}", spec.run.identity);
    leftovers.group = shared.abilities.groups.make(&group_name, spec.size.processes + 2, spec.size.kill_at);
    if leftovers.group.is_some() {
        plan.processes = None;
    }
    let (orders, inbox) = mpsc::unbounded_channel();
    let started = start::start(&shared.program, plan.clone(), leftovers.group.as_ref(), spec.console).await;
    let keyboard = match started {
        Ok(mut started) => {
            let keyboard = started.streams.keyboard();
            record(&files, &spec, &plan, leftovers.group.clone(), &started);
            tokio::spawn(Life::new(spec, leftovers, events).run(started, inbox, output));
            Some(keyboard)
        }
        Err(Refused::Folder(reason)) => {
            let finding = Finding::ExecFailed { program: spec.image.workdir.clone(), reason };
            tokio::spawn(Life::new(spec, leftovers, events).never_started(126, finding));
            None
        }
        Err(Refused::Sandbox(reason)) => return Err(image::failed(&doing, &reason)),
    };
    Ok(Box::new(NativeInstance { orders, keyboard }))
}

/// A dyno that is not written down runs all the same, out of other commands' sight.
fn record(files: &DynoFiles, spec: &DynoSpec, plan: &Plan, group: Option<Group>, started: &start::Started) {
    let keeper = started.keeper.id().and_then(Process::of);
    let (Some(init), Some(keeper), Some(folder)) = (Process::of(started.init), keeper, files.passwd.parent()) else {
        return;
    };
    let record = Record {
        dyno: spec.name.to_string(),
        home: folder.to_owned(),
        init,
        keeper,
        level: plan.level,
        folder: plan.folder.clone(),
        uid: plan.uid,
        processes: plan.processes,
        group,
        open_files: plan.open_files,
        layered: plan.places.layered.clone(),
        port: plan.port,
        strict_ports: plan.strict_ports,
    };
    let _ = record.write(folder);
}

fn plan(shared: &Shared, spec: &DynoSpec, files: &DynoFiles) -> Result<Plan, EngineError> {
    let abilities = &shared.abilities;
    let folder = PathBuf::from(&spec.image.workdir);
    let layered = match &spec.filesystem {
        Filesystem::ReadOnly { .. } => spec.writable()?.iter().map(PathBuf::from).collect(),
        Filesystem::Ephemeral => vec![folder.clone()],
    };
    let mut env = spec.image.env.clone();
    for (name, value) in &spec.env {
        env.retain(|(other, _)| other != name);
        env.push((name.clone(), value.clone()));
    }
    if env.iter().all(|(name, _)| name != "PATH") {
        env.push(("PATH".to_owned(), USUAL_PATH.to_owned()));
    }
    let init = abilities.init.clone().map_err(|reason| image::failed(&format!("starting {}", spec.name), &reason))?;
    Ok(Plan {
        level: abilities.level,
        enter: None,
        argv: spec.argv.clone(),
        env,
        folder,
        uid: spec.uid,
        gid: DYNO_GID,
        places: Places { layered, tell_lost: spec.filesystem == Filesystem::Ephemeral },
        strict_ports: spec.strict_ports,
        port: spec.port,
        processes: Some(spec.size.processes),
        open_files: spec.size.open_files,
        init,
        words: words(abilities.level, spec.console, spec.port, &spec.size),
        temporary: files.passwd.parent().map(|home| home.join("temporary")),
        passwd: Some(files.passwd.clone()),
        group: Some(files.group.clone()),
        terminal: matches!(spec.console, Console::Terminal(..)),
    })
}

/// What the init is told.
fn words(level: Level, console: Console, port: Option<u16>, size: &DynoSize) -> Vec<String> {
    let mut words = vec![if console == Console::Log { "log" } else { "attached" }.to_owned(), "machine".to_owned()];
    words.push(match level {
        Level::Namespaces => "proc".to_owned(),
        Level::Landlock => "tree".to_owned(),
    });
    words.push(format!("grace={}", EXIT_TIMEOUT.as_millis()));
    words.push(format!("limit={}", size.kill_at));
    words.extend(port.map(|port| format!("port={port}")));
    words
}

/// The handle that the dyno's owner holds.
struct NativeInstance {
    orders: mpsc::UnboundedSender<Order>,
    keyboard: Option<Keyboard>,
}

#[async_trait]
impl Instance for NativeInstance {
    fn signal(&self, signal: Signal) {
        // A life that is over has nothing left to signal.
        let _ = self.orders.send(Order::Signal(signal));
    }

    async fn usage(&self) -> Option<Usage> {
        let (answer, told) = oneshot::channel();
        self.orders.send(Order::Memory(answer)).ok()?;
        told.await.ok()
    }

    async fn processes(&self) -> Vec<ProcessFacts> {
        let (answer, told) = oneshot::channel();
        if self.orders.send(Order::Processes(answer)).is_err() {
            return Vec::new();
        }
        told.await.unwrap_or_default()
    }

    async fn input(&self, bytes: Bytes) {
        if let Some(keyboard) = &self.keyboard {
            keyboard.input(bytes).await;
        }
    }

    async fn resize(&self, columns: u16, rows: u16) {
        if let Some(keyboard) = &self.keyboard {
            keyboard.resize(columns, rows);
        }
    }
}

/// The names of the app's dynos that run.
pub(super) fn dynos(shared: &Shared, identity: &str) -> Vec<String> {
    let running = record::all(&shared.options.files, identity).into_iter().filter(|(_, record)| record.init.runs());
    let mut names: Vec<String> = running.map(|(_, record)| record.dyno).collect();
    names.sort();
    names.dedup();
    names
}

/// A way into the newest dyno of that name.
pub(super) fn enter(shared: &Arc<Shared>, identity: &str, dyno: &str) -> Option<Box<dyn Inside>> {
    let mut all = record::all(&shared.options.files, identity).into_iter().map(|(_, record)| record);
    let found = all.rfind(|record| record.dyno == dyno && record.init.runs())?;
    Some(inside::open(shared, found))
}

/// Kills what runs of runs that are over, and removes their files.
pub(super) async fn sweep(shared: &Shared, identity: &str, live: &[String]) -> Swept {
    let all = record::all(&shared.options.files, identity);
    let over: Vec<Record> = all.into_iter().filter(|(run, _)| !live.contains(run)).map(|(_, record)| record).collect();
    let running: Vec<&Record> = over.iter().filter(|record| record.init.runs() || record.keeper.runs()).collect();
    for record in &running {
        record.init.kill();
    }
    // The keeper ends once nothing of its dyno is left.
    let until = Instant::now() + SWEEP_PATIENCE;
    while running.iter().any(|record| record.init.runs() || record.keeper.runs()) {
        if Instant::now() > until {
            for record in &running {
                record.keeper.kill();
            }
            break;
        }
        sleep(SWEEP_PACE).await;
    }
    for record in &over {
        record::end_guests(&record.home).await;
    }
    shared.abilities.groups.sweep(identity);
    shared.files.forget_runs(identity, live);
    Swept { dynos: running.len(), ..Swept::default() }
}
