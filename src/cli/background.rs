//! `up -d`, from inside: the process that goes on in the background.
//!
//! It is this program again, started by [`super::detach`] with `--background`. Until the app is started, or could not be,
//! it writes to its caller's stderr as any `up` does, so that progress and errors look the same. Then it lets go of all
//! that the caller had, and says so on its stdout, a pipe to the caller.

use super::printer::Printer;
use super::session::Session;
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::interrupt::Interrupter;
use crate::platform::report::News;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::setsid;
use rustix::stdio::{dup2_stderr, dup2_stdout};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Begins the line that tells the caller its exit code. Other lines are for its stdout: objects of `--json`.
pub(super) const STARTED: &str = "started ";

/// Between looks whether the caller still lives.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// The background's ties to its caller.
#[derive(Clone)]
pub(super) struct Background {
    file: PathBuf,
    wait: bool,
    left: Arc<AtomicBool>,
}

impl Background {
    /// Leaves the caller's session: no key pressed at its terminal, and no hang-up of it, comes here any more. `wait`
    /// is whether the caller waits for every dyno.
    pub(super) fn enter(session: &Session, wait: bool) -> Result<Self, PlatformError> {
        // Refused only for who has a session already.
        let _ = setsid();
        let place = session.place()?;
        let state = place.state(&place.identity()?)?;
        Ok(Self { file: state.file("background.log"), wait, left: Arc::default() })
    }

    /// With what code the caller is let go after this news.
    pub(super) fn ends_at(&self, news: &News) -> Option<Code> {
        if self.left.load(Ordering::Relaxed) {
            return None;
        }
        match news {
            News::Release { .. } if !self.wait => Some(Code::Ok),
            News::Ready { .. } => Some(Code::Ok),
            News::NotUp(why) => Some(why.exit_code()),
            _ => None,
        }
    }

    /// Lets the caller go. Everything that is written from here on goes to a file of the state folder.
    pub(super) fn leave(&self, code: Code) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.file);
        // A full disk is no reason to hold on to the caller.
        let file = file.or_else(|_| File::options().write(true).open("/dev/null"))?;
        self.left.store(true, Ordering::Relaxed);
        dup2_stderr(&file)?;
        let mut out = io::stdout().lock();
        writeln!(out, "{STARTED}{}", code as u8)?;
        out.flush()?;
        dup2_stdout(&file)?;
        Ok(())
    }

    /// Stops what was begun for a caller that is gone before it was started: killed, that is, for other ends it passes on.
    pub(super) fn watch_caller(&self, interrupter: Interrupter) {
        let left = Arc::clone(&self.left);
        std::thread::spawn(move || {
            while !left.load(Ordering::Relaxed) {
                let out = io::stdout();
                let mut fds = [PollFd::new(&out, PollFlags::empty())];
                let gone = poll(&mut fds, Some(&LOOK)).is_ok_and(|ready| ready > 0);
                if gone && !left.load(Ordering::Relaxed) {
                    interrupter.press("the caller of `up -d` is gone");
                    return;
                }
            }
        });
    }
}

/// How the background writes once it is on its own.
pub(super) fn printer(json: bool) -> Printer {
    Printer { out_colour: false, err_colour: false, live: false, json }
}
