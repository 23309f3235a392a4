//! The bottom line of the terminal: a prompt that stays below everything that is printed meanwhile.
//!
//! Log lines, notes and prompts share one screen, so whoever prints lifts the prompt up and puts it back in one piece.

use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// To the start of the line, and the line empty.
const ERASE: &[u8] = b"\r\x1b[2K";

/// What is at the bottom; there is one screen, hence one of these.
static LINE: Mutex<String> = Mutex::new(String::new());

fn line() -> MutexGuard<'static, String> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows a prompt, or with an empty text none.
pub(super) fn set(text: &str) {
    let mut line = line();
    if line.is_empty() && text.is_empty() {
        return;
    }
    text.clone_into(&mut line);
    let mut out = io::stdout().lock();
    // Nobody can be told that the terminal is gone.
    let _ = out.write_all(&[ERASE, text.as_bytes()].concat()).and_then(|()| out.flush());
}

/// Writes whole lines above the prompt.
pub(super) fn above(lines: &[u8], to: &mut (impl Write + AsFd)) -> io::Result<()> {
    let line = line();
    if line.is_empty() {
        write_patiently(lines, to)?;
    } else {
        write_patiently(&[ERASE, lines, line.as_bytes()].concat(), to)?;
    }
    to.flush()
}

/// Another program that shares the terminal may have made it non-blocking, and then a full one refuses.
fn write_patiently(mut bytes: &[u8], to: &mut (impl Write + AsFd)) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for_room(to)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn wait_for_room(to: &impl AsFd) -> io::Result<()> {
    match poll(&mut [PollFd::new(to, PollFlags::OUT)], None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
