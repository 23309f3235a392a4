//! Opens an address in the user's browser.

use super::session::environment;
use std::io;
use std::process::{Command, ExitStatus, Stdio};

/// Starts the browser and does not wait for it.
pub(super) fn open(url: &str) -> io::Result<()> {
    let mut child = command(url)?.spawn()?;
    // Somebody has to take its status when it ends.
    std::thread::spawn(move || child.wait());
    Ok(())
}

/// Starts what opens the browser, and waits until that says whether it could.
pub(super) fn opened(url: &str) -> io::Result<ExitStatus> {
    command(url)?.status()
}

/// `$BROWSER`, or what this system opens addresses with, if there is a screen to open them on.
fn command(url: &str) -> io::Result<Command> {
    let screen = cfg!(target_os = "macos") || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|n| environment(n).is_some());
    let usual = || screen.then(|| if cfg!(target_os = "macos") { "open" } else { "xdg-open" }.to_owned());
    let program = environment("BROWSER").or_else(usual).ok_or(io::ErrorKind::NotFound)?;
    let mut command = Command::new(program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}
