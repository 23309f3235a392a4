//! `open`

use super::{Done, Steering, failed};
use crate::cli::session::environment;
use crate::model::exit_code::ExitCode as Code;
use std::process::{Command, Stdio};

impl Steering<'_> {
    pub(super) async fn open(&self, path: Option<&str>) -> Done {
        let (_, app) = self.app().await?;
        let base = app.web_url.ok_or_else(|| failed(format!("{} has no web process type to open", app.name)))?;
        let url = format!("{base}{}", path.unwrap_or_default().trim_start_matches('/'));
        if self.json() {
            return self.out_json(&serde_json::json!({ "url": url }));
        }
        if opener().is_some_and(|program| opens(program, &url)) {
            self.session.printer.err(&format!("Opening {url}... done"));
        } else {
            self.out(&url);
        }
        Ok(Code::Ok)
    }
}

/// What opens a browser here, if there is a screen to open it on.
fn opener() -> Option<&'static str> {
    if cfg!(target_os = "macos") {
        return Some("open");
    }
    ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| environment(name).is_some()).then_some("xdg-open")
}

fn opens(program: &str, url: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
