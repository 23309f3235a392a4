//! Those who run a Procfile, as processes.

use crate::times::first_200;
use crate::{App, Result, TICK};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use tokio::time::Instant;

/// One that has not ended so long after Ctrl-C will not.
const STUCK: Duration = Duration::from_secs(15);

/// How one of them is started.
pub(crate) struct Runner {
    pub(crate) name: &'static str,
    /// `PORT` stands for the port of web.
    args: &'static [&'static str],
}

/// dynosim first.
pub(crate) const RUNNERS: &[Runner] = &[
    Runner { name: "dynosim", args: &["up", "--engine", "native", "--no-watch", "-p", "PORT"] },
    Runner { name: "heroku", args: &["local", "-p", "PORT"] },
    Runner { name: "honcho", args: &["start", "-p", "PORT"] },
    Runner { name: "foreman", args: &["start", "-p", "PORT"] },
    Runner { name: "overmind", args: &["start", "-p", "PORT"] },
];

/// Programs of the app, which do not count as the runner's.
const OF_THE_APP: &[&str] = &["sh", "busybox", "httpd", "python3", "sleep", "cat"];

/// Where `$PATH` has a program.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
}

impl Runner {
    /// Says so when it is not.
    pub(crate) fn is_there(&self) -> bool {
        let there = self.program().is_some();
        if !there {
            println!("{} is not installed: left out", self.name);
        }
        there
    }

    /// Whether it is another than ours.
    pub(crate) fn is_peer(&self) -> bool {
        self.name != "dynosim"
    }

    fn program(&self) -> Option<PathBuf> {
        if self.name == "dynosim" { Some(env!("CARGO_BIN_EXE_dynosim").into()) } else { find(self.name) }
    }

    fn command(&self, app: &App, port: u16) -> Result<Command> {
        let mut command = Command::new(self.program().ok_or("it is gone")?);
        let port = port.to_string();
        command.args(self.args.iter().map(|word| if *word == "PORT" { port.as_str() } else { word }));
        command.current_dir(&app.dir).env("XDG_STATE_HOME", app.home.path().join("state"));
        command.env("HEROKU_DISABLE_AUTOUPDATE", "1").env("DO_NOT_TRACK", "1").env("PYTHONUNBUFFERED", "1");
        Ok(command)
    }
}

/// One that runs, in a process group of its own, as in a terminal.
pub(crate) struct Running<'r> {
    runner: &'r Runner,
    child: Child,
    port: u16,
    output: PathBuf,
    began: Instant,
}

impl<'r> Running<'r> {
    pub(crate) fn start(runner: &'r Runner, app: &App) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let output = app.output();
        let file = File::create(&output)?;
        let mut command = runner.command(app, port)?;
        command.stdin(Stdio::null()).stderr(file.try_clone()?).stdout(file).process_group(0);
        let began = Instant::now();
        Ok(Self { runner, child: command.spawn()?, port, output, began })
    }

    /// When a text was in its output.
    pub(crate) fn printed(&self, text: &str, within: Duration) -> Result<Duration> {
        let finder = memchr::memmem::Finder::new(text);
        let mut from = 0;
        while self.began.elapsed() < within {
            let mut file = File::open(&self.output)?;
            file.seek(SeekFrom::Start(from))?;
            let mut new = Vec::new();
            file.read_to_end(&mut new)?;
            if finder.find(&new).is_some() {
                return Ok(self.began.elapsed());
            }
            from += u64::try_from(new.len().saturating_sub(text.len()))?;
            sleep(TICK);
        }
        Err(format!("{} did not print `{text}` within {within:?}", self.runner.name).into())
    }

    /// When web answered first.
    pub(crate) fn answers(&self) -> Result<Duration> {
        first_200(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), self.began)
    }

    /// Until a new web process answers.
    pub(crate) fn restart(&mut self, app: &App) -> Result<Duration> {
        if self.runner.name == "dynosim" {
            let began = Instant::now();
            let mut restart = Command::new(env!("CARGO_BIN_EXE_dynosim"));
            restart.args(["ps:restart", "web"]).current_dir(&app.dir).stdout(Stdio::null()).stderr(Stdio::null());
            restart.env("XDG_STATE_HOME", app.home.path().join("state"));
            restart.status()?;
            // The router holds requests until the new one is there.
            return first_200(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), began);
        }
        let began = Instant::now();
        self.end()?;
        *self = Self::start(self.runner, app)?;
        self.answers()?;
        Ok(began.elapsed())
    }

    /// Resident memory of the runner and its helpers, without the app's own processes, in KiB: the line of `status` that
    /// begins with `what`.
    pub(crate) fn memory(&self, what: &str) -> Result<u64> {
        let of_runner = |pid: &u32| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            *pid == self.child.id() || !OF_THE_APP.contains(&name.trim())
        };
        let tree = self.tree()?;
        Ok(tree.into_iter().filter(of_runner).filter_map(|pid| status(pid, what)).sum())
    }

    /// The runner and all that it started, and those started by them.
    fn tree(&self) -> Result<Vec<u32>> {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let Some(parent) = status(pid, "PPid:") else { continue };
            children.entry(u32::try_from(parent)?).or_default().push(pid);
        }
        let (mut tree, mut left) = (Vec::new(), vec![self.child.id()]);
        while let Some(pid) = left.pop() {
            left.extend(children.get(&pid).into_iter().flatten());
            tree.push(pid);
        }
        Ok(tree)
    }

    /// Ctrl-C, until it has ended.
    pub(crate) fn stop(mut self) -> Result<Duration> {
        self.end()
    }

    fn end(&mut self) -> Result<Duration> {
        let began = Instant::now();
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::INT);
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > STUCK {
                self.kill();
                return Err(format!("{} did not end within {STUCK:?} of Ctrl-C", self.runner.name).into());
            }
            sleep(TICK);
        }
        Ok(began.elapsed())
    }

    /// It and all that it started.
    fn kill(&mut self) {
        let tree = self.tree().unwrap_or_default();
        for pid in tree.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

/// A number of a process, as the kernel tells it.
fn status(pid: u32, what: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(what))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
