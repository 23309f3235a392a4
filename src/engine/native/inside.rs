//! Commands in a dyno that another process may have started: its process 1 is known from its record.
//!
//! In a dyno with spaces of its own, a launcher enters them. Elsewhere it makes the same rules again; either way the
//! command has an init of its own, which ends with the dyno.

use super::plan::{Level, Places, Plan};
use super::record::{GuestRecord, Process, Record};
use super::start::{self, Refused};
use super::stream::Keyboard;
use super::{Shared, image};
use crate::engine::inside::{MOST_PROGRAMS, SHELLS, folders};
use crate::engine::{Console, EngineError, Guest, Inside, OutputSink};
use crate::model::limits::DYNO_GID;
use async_trait::async_trait;
use bytes::Bytes;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How often it is looked whether the dyno still runs.
const PACE: Duration = Duration::from_millis(100);
/// What was killed ends at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// A way into the dyno of this record.
pub(super) fn open(shared: &Arc<Shared>, record: Record) -> Box<dyn Inside> {
    let app = children(record.init.pid).into_iter().next();
    let env = app.map(environment).unwrap_or_default();
    let path = env.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.as_str());
    let path = folders(path).into_iter().map(PathBuf::from).collect();
    Box::new(NativeInside { shared: Arc::clone(shared), own: app.and_then(program), env, path, record })
}

fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_ascii_whitespace().filter_map(|one| one.parse().ok()).collect()
}

/// The variables that a process was started with.
fn environment(pid: u32) -> Vec<(String, String)> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let texts = bytes.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    texts.filter_map(|text| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

fn program(pid: u32) -> Option<String> {
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let first = words.split(|byte| *byte == 0).next().filter(|word| !word.is_empty())?;
    Some(String::from_utf8_lossy(first).into_owned())
}

struct NativeInside {
    shared: Arc<Shared>,
    record: Record,
    env: Vec<(String, String)>,
    path: Vec<PathBuf>,
    /// The program of the dyno itself.
    own: Option<String>,
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

#[async_trait]
impl Inside for NativeInside {
    async fn shell(&self) -> Result<Option<String>, EngineError> {
        Ok(SHELLS.iter().find(|shell| is_program(Path::new(shell))).map(|shell| (*shell).to_owned()))
    }

    async fn has(&self, program: &str) -> Result<bool, EngineError> {
        Ok(if program.contains('/') {
            is_program(&self.record.folder.join(program))
        } else {
            self.path.iter().any(|folder| is_program(&folder.join(program)))
        })
    }

    async fn programs(&self) -> Result<Vec<String>, EngineError> {
        let mut all: Vec<String> = self.own.iter().cloned().collect();
        for entry in self.path.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if all.len() < MOST_PROGRAMS && !all.contains(&name) && is_program(&entry.path()) {
                all.push(name);
            }
        }
        Ok(all)
    }

    async fn exec(
        &self,
        argv: &[String],
        env: &[(String, String)],
        console: Console,
        output: OutputSink,
    ) -> Result<Box<dyn Guest>, EngineError> {
        let doing = format!("running {} in {}", argv.first().map_or("a command", String::as_str), self.record.dyno);
        let plan = self.plan(argv, env, console).map_err(|reason| image::failed(&doing, &reason))?;
        let mut started = match start::start(&self.shared.program, plan, self.record.group.as_ref(), console).await {
            Ok(started) => started,
            Err(Refused::Folder(reason) | Refused::Sandbox(reason)) => return Err(image::failed(&doing, &reason)),
        };
        let init = Process::of(started.init);
        let keeper = started.keeper.id().and_then(Process::of);
        if self.record.level == Level::Landlock
            && let (Some(init), Some(keeper)) = (init, keeper)
        {
            // A dyno that has just ended is seen below.
            let _ = GuestRecord { init, keeper }.write(&self.record.home);
        }
        let keyboard = started.streams.keyboard();
        let (told_end, ended) = watch::channel(None);
        let dyno = self.record.init;
        tokio::spawn(async move {
            let status = follow(started, init, dyno, output).await;
            told_end.send_replace(Some(status));
        });
        Ok(Box::new(NativeGuest { keyboard, ended }))
    }
}

impl NativeInside {
    fn plan(&self, argv: &[String], more: &[(String, String)], console: Console) -> Result<Plan, String> {
        let record = &self.record;
        let mut env = self.env.clone();
        for (name, value) in more {
            env.retain(|(other, _)| other != name);
            env.push((name.clone(), value.clone()));
        }
        Ok(Plan {
            level: record.level,
            enter: (record.level == Level::Namespaces).then_some(record.init.pid),
            argv: argv.to_vec(),
            env,
            folder: record.folder.clone(),
            uid: record.uid,
            gid: DYNO_GID,
            places: Places { layered: record.layered.clone(), tell_lost: false },
            strict_ports: record.strict_ports,
            port: record.port,
            processes: record.processes,
            open_files: record.open_files,
            init: self.shared.abilities.init.clone()?,
            words: ["attached", "machine", "tree", "grace=0"].map(str::to_owned).to_vec(),
            temporary: None,
            passwd: None,
            group: None,
            terminal: matches!(console, Console::Terminal(..)),
        })
    }
}

/// Waits for the command's end, or for the dyno's, which ends it.
async fn follow(started: start::Started, init: Option<Process>, dyno: Process, output: OutputSink) -> i32 {
    // The init stays as long as this end of its socket is held.
    let start::Started { mut keeper, control, streams, told, .. } = started;
    let carried = tokio::spawn(streams.carry(output));
    let gone = async {
        while dyno.runs() {
            sleep(PACE).await;
        }
    };
    let status = tokio::select! {
        status = keeper.wait() => {
            status.map_or(137, super::code_of)
        }
        () = gone => {
            // The keeper ends what is left of the command, and then itself.
            if let Some(init) = init {
                init.kill();
            }
            if timeout(PATIENCE, keeper.wait()).await.is_err() {
                let _ = keeper.kill().await;
            }
            137
        }
    };
    let _ = carried.await;
    drop((control, told));
    status
}

struct NativeGuest {
    keyboard: Keyboard,
    ended: watch::Receiver<Option<i32>>,
}

#[async_trait]
impl Guest for NativeGuest {
    async fn input(&self, bytes: Bytes) {
        self.keyboard.input(bytes).await;
    }

    async fn resize(&self, columns: u16, rows: u16) {
        self.keyboard.resize(columns, rows);
    }

    async fn ended(&self) -> Result<i32, EngineError> {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await.ok().and_then(|status| *status);
        Ok(status.unwrap_or(137))
    }
}
