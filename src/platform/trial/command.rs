//! Runs a step of a test: on this machine, or as a one-off dyno in one of the app's images.

use super::guard::{self, code_of};
use crate::engine::{Console, Output};
use crate::model::launch::LaunchOptions;
use crate::model::process_type::ProcessType;
use crate::platform::PlatformError;
use crate::platform::builds::BuildOptions;
use crate::platform::control::Deployed;
use crate::platform::interrupt::Interrupt;
use crate::platform::one_off::{self, RunOptions};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a process that outlives the command may hold its output open.
const LATE_OUTPUT: Duration = Duration::from_secs(1);
const PIECE: usize = 16 * 1024;

/// A command on this machine.
pub(super) struct OnHost<'a> {
    /// Its words; one that is alone is a command line for the shell.
    pub(super) words: &'a [String],
    /// The project's folder.
    pub(super) folder: &'a Path,
    /// Over this process's own environment.
    pub(super) env: BTreeMap<String, String>,
    /// The program that guards it.
    pub(super) guard: &'a PathBuf,
    /// It writes where this process does.
    pub(super) inherit: bool,
}

impl OnHost<'_> {
    /// Runs it to its end; when a stop is wanted, to an early one. Its status, as a shell has it.
    pub(super) async fn run(self, interrupt: &Interrupt, output: &mpsc::Sender<Output>) -> Result<i32, PlatformError> {
        let doing = || format!("run `{}`", self.words.join(" "));
        let mut child = self.start().map_err(PlatformError::io(doing()))?;
        let mut pipe = child.stdin.take();
        let printed = [
            child.stdout.take().map(|out| tokio::spawn(carry(out, false, output.clone()))),
            child.stderr.take().map(|err| tokio::spawn(carry(err, true, output.clone()))),
        ];
        let (mut stopped, mut killed) = (false, false);
        let status = loop {
            let tell = tokio::select! {
                status = child.wait() => break status.map_err(PlatformError::io(doing()))?,
                _ = interrupt.wanted(), if !stopped => {
                    stopped = true;
                    guard::STOP
                }
                () = interrupt.forced(), if !killed => {
                    killed = true;
                    guard::KILL
                }
            };
            if let Some(pipe) = &mut pipe {
                // A guard that has ended needs no word.
                let _ = pipe.write_all(&[tell]).await;
                let _ = pipe.flush().await;
            }
        };
        for carrying in printed.into_iter().flatten() {
            let stop = carrying.abort_handle();
            if timeout(LATE_OUTPUT, carrying).await.is_err() {
                stop.abort();
            }
        }
        Ok(code_of(status))
    }

    fn start(&self) -> std::io::Result<Child> {
        let mut command = Command::new(self.guard);
        command.args([guard::NAME, "--"]);
        match self.words {
            [line] => command.args(["/bin/sh", "-c", line]),
            words => command.args(words),
        };
        let stream = || if self.inherit { Stdio::inherit() } else { Stdio::piped() };
        command.current_dir(self.folder).envs(&self.env).stdin(Stdio::piped()).stdout(stream()).stderr(stream());
        command.spawn()
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, stderr: bool, to: mpsc::Sender<Output>) {
    let mut piece = vec![0; PIECE];
    while let Ok(count) = from.read(&mut piece).await {
        if count == 0 || to.send(Output { stderr, bytes: Bytes::copy_from_slice(&piece[..count]) }).await.is_err() {
            return;
        }
    }
}

/// Runs words in the image of a process type, as `run` does, and returns their status.
pub(super) async fn in_dyno(
    deployed: &Deployed,
    process_type: &ProcessType,
    words: &[String],
    env: BTreeMap<String, String>,
    (build, launch): (&BuildOptions, LaunchOptions),
    interrupt: &Interrupt,
    output: &mpsc::Sender<Output>,
) -> Result<i32, PlatformError> {
    let app = &deployed.ground.project.app;
    let size = app.formation.get(process_type).map_or(crate::model::dyno::DynoSize::BASIC, |scale| scale.size);
    let options = RunOptions {
        words: words.to_vec(),
        process_type: process_type.clone(),
        size,
        env,
        console: Console::Pipe,
        build: build.clone(),
        launch,
        app_runs: true,
    };
    let dyno = tokio::select! {
        dyno = one_off::start(&deployed.ground, &options, output.clone()) => dyno?,
        _ = interrupt.wanted() => return Err(PlatformError::Interrupted),
    };
    // Nobody types: an empty piece is the end of the input.
    let _ = dyno.stdin().send(Bytes::new()).await;
    let (_input, given) = mpsc::channel(1);
    Ok(dyno.attend(given, interrupt).await)
}
