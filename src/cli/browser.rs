//! Opens an address in the user's browser.

use std::io;
use std::process::{Command, Stdio};

/// Starts the browser and does not wait for it.
pub(super) fn open(url: &str) -> io::Result<()> {
    let named = super::session::environment("BROWSER");
    let usual = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let program = named.unwrap_or_else(|| usual.to_owned());
    let mut child =
        Command::new(program).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // Somebody has to take its status when it ends.
    std::thread::spawn(move || child.wait());
    Ok(())
}
