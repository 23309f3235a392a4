//! The guard of a test command: a process between dynosim and the command, which ends the command and everything the
//! command started when dynosim says so, or dies, even by SIGKILL.
//!
//! It is this program again. Its standard input is a pipe from dynosim: [`STOP`] ends the command with SIGTERM and, after
//! [`GRACE`], SIGKILL; [`KILL`] at once; the end of the pipe, when dynosim is gone, is as good as a [`STOP`].

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

/// The name of the hidden command.
pub const NAME: &str = "test:guard";
/// Ends the command.
pub(super) const STOP: u8 = b't';
/// Kills it.
pub(super) const KILL: u8 = b'k';
/// From SIGTERM to SIGKILL.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// How often it is looked whether everything has ended.
const PACE: Duration = Duration::from_millis(10);

/// Runs the command, and returns its status as a shell has it: 128 and the signal's number when a signal ended it. The error
/// is that of a command that could not be started.
pub async fn guard(words: &[OsString]) -> io::Result<i32> {
    let (program, arguments) = words.split_first().ok_or_else(|| io::Error::other("there is no command"))?;
    // Ctrl-C at a terminal comes here too; what becomes of it is dynosim's to say.
    let _int = signal(SignalKind::interrupt())?;
    let (mut term, mut hup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).process_group(0);
    let mut child = command.spawn()?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let mut told = tokio::io::stdin();
    let mut byte = [0];
    let status = tokio::select! {
        status = child.wait() => status?,
        read = told.read(&mut byte) => {
            let kill = read.is_ok_and(|count| count > 0) && byte[0] == KILL;
            end(&mut child, group, if kill { Duration::ZERO } else { GRACE }, &mut told).await?
        }
        _ = term.recv() => end(&mut child, group, GRACE, &mut told).await?,
        _ = hup.recv() => end(&mut child, group, GRACE, &mut told).await?,
    };
    sweep(group).await;
    Ok(code_of(status))
}

/// A status as a shell has it.
pub(super) fn code_of(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

async fn end(
    child: &mut Child,
    group: Option<Pid>,
    grace: Duration,
    told: &mut (impl AsyncReadExt + Unpin),
) -> io::Result<std::process::ExitStatus> {
    send(group, Signal::TERM);
    let impatient = async {
        let mut byte = [0];
        loop {
            match told.read(&mut byte).await {
                Ok(1) if byte[0] == KILL => return,
                Ok(1) => {}
                _ => return std::future::pending().await,
            }
        }
    };
    tokio::select! {
        ended = timeout(grace, child.wait()) => if let Ok(status) = ended { return status; },
        () = impatient => {}
    }
    send(group, Signal::KILL);
    child.wait().await
}

/// Ends what the command left behind of itself.
async fn sweep(group: Option<Pid>) {
    let Some(group) = group else { return };
    send(Some(group), Signal::TERM);
    let until = Instant::now() + GRACE;
    while test_kill_process_group(group).is_ok() {
        if Instant::now() > until {
            return send(Some(group), Signal::KILL);
        }
        sleep(PACE).await;
    }
}

fn send(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // It may have ended just now.
        let _ = kill_process_group(group, signal);
    }
}
