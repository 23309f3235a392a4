//! `events`

use super::{Done, Steering};
use crate::api::Client;
use crate::model::exit_code::ExitCode as Code;
use serde_json::Value;

impl Steering<'_> {
    pub(super) async fn events(&self) -> Done {
        let mut lines = Client::connect(&self.state).await?.lines("/dynosim/events").await?;
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                // Ctrl-C is how this is ended.
                _ = tokio::signal::ctrl_c() => None,
            };
            let Some(line) = line else { return Ok(Code::Ok) };
            let line = String::from_utf8_lossy(&line).into_owned();
            let text = if self.json() { line } else { described(&serde_json::from_str(&line).unwrap_or_default()) };
            // Nobody reads any more, as behind `| head`.
            if !self.session.printer.out(&text) {
                return Ok(Code::Ok);
            }
        }
    }
}

/// An event as one line for people.
fn described(event: &Value) -> String {
    let data = &event["data"];
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let gone = if event["action"] == "destroy" { " gone" } else { "" };
    let what = match event["resource"].as_str().unwrap_or_default() {
        "dyno" => format!("{} {} v{}{gone}", word(&data["name"]), word(&data["state"]), data["release"]["version"]),
        "formation" => {
            format!("formation {}={}:{}{gone}", word(&data["type"]), data["quantity"], word(&data["size"]))
        }
        "release" => {
            let current = if data["current"] == true { ", current" } else { "" };
            format!("release v{} {}{current}: {}", data["version"], word(&data["status"]), word(&data["description"]))
        }
        "app" => format!("app {} maintenance={}", word(&data["name"]), data["maintenance"]),
        "app-feature" => format!("feature {}={}", word(&data["name"]), data["enabled"]),
        other => other.to_owned(),
    };
    format!("{} {what}", word(&event["created_at"]))
}

#[cfg(test)]
mod tests {
    use super::described;
    use serde_json::json;

    #[test]
    fn an_event_is_one_line_for_people() {
        let event = json!({"created_at": "2026-11-21T03:08:15Z", "resource": "dyno", "action": "update",
            "data": {"name": "web.1", "state": "up", "release": {"version": 4}}});
        assert_eq!(described(&event), "2026-11-21T03:08:15Z web.1 up v4");
        let event = json!({"created_at": "t", "resource": "release", "action": "create",
            "data": {"version": 4, "status": "pending", "current": false, "description": "Set A config vars"}});
        assert_eq!(described(&event), "t release v4 pending: Set A config vars");
    }
}
