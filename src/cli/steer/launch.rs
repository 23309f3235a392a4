//! `open`

use super::{Done, Steering, failed};
use crate::cli::browser;
use crate::model::exit_code::ExitCode as Code;

impl Steering<'_> {
    pub(super) async fn open(&self, path: Option<&str>) -> Done {
        let (_, app) = self.app().await?;
        let base = app.web_url.ok_or_else(|| failed(format!("{} has no web process type to open", app.name)))?;
        let url = format!("{base}{}", path.unwrap_or_default().trim_start_matches('/'));
        if self.json() {
            return self.out_json(&serde_json::json!({ "url": url }));
        }
        if browser::opened(&url).is_ok_and(|status| status.success()) {
            self.session.printer.err(&format!("Opening {url}... done"));
        } else {
            self.out(&url);
        }
        Ok(Code::Ok)
    }
}
