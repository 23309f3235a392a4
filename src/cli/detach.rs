//! `dynosim up -d`, at the caller: starts the background, passes on what it says, and returns when the app is started.

use super::background::STARTED;
use super::session::Session;
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::process::{ExitCode, Stdio};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};

/// Starts this program anew without what the caller's shell may have left open besides the standard streams: whoever
/// waits for the end of such a pipe must not wait for the app. Longer numbers are closed on exec by those who use them.
const CLEAN_START: &str = r#"exec "$0" "$@" 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-"#;

pub(super) async fn run(session: &Session) -> Result<ExitCode, PlatformError> {
    let mut child = start().map_err(PlatformError::io("start in the background"))?;
    let Some(out) = child.stdout.take() else { return Ok(super::code(Code::Failed)) };
    let started = tokio::select! {
        started = listen(session, out) => started.map_err(PlatformError::io("listen to the background"))?,
        error = pass_signals(&child) => return Err(PlatformError::io("listen for signals")(error)),
    };
    if let Some(code) = started {
        return Ok(ExitCode::from(code));
    }
    // It has said why on stderr.
    let status = child.wait().await.map_err(PlatformError::io("wait for the background"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(super::code(Code::Failed), ExitCode::from))
}

fn start() -> io::Result<Child> {
    let program = std::env::current_exe()?;
    Command::new("/bin/sh")
        .args(["-c", CLEAN_START])
        .arg(program)
        .arg("--background")
        .args(std::env::args_os().skip(1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
}

/// Prints the background's lines until it says with which code this command ends; `None` when it ended without.
async fn listen(session: &Session, out: ChildStdout) -> io::Result<Option<u8>> {
    let mut lines = BufReader::new(out).lines();
    while let Some(line) = lines.next_line().await? {
        match line.strip_prefix(STARTED) {
            Some(code) => return Ok(Some(code.parse().unwrap_or(Code::Failed as u8))),
            None => {
                session.printer.out(&line);
            }
        }
    }
    Ok(None)
}

/// What would stop this command stops the background, which is in no reach of the terminal any more; it then ends itself.
async fn pass_signals(child: &Child) -> io::Error {
    let listen = || -> io::Result<_> {
        Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?))
    };
    let (mut int, mut term, mut hup) = match listen() {
        Ok(signals) => signals,
        Err(error) => return error,
    };
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    loop {
        let signal = tokio::select! {
            Some(()) = int.recv() => Signal::INT,
            Some(()) = term.recv() => Signal::TERM,
            Some(()) = hup.recv() => Signal::HUP,
            else => std::future::pending().await,
        };
        if let Some(pid) = pid {
            // One that is gone has closed its pipe too.
            let _ = kill_process(pid, signal);
        }
    }
}
