//! Releases in words: the same of an app that runs here and of one at Heroku.

use super::text::{ago, columns, header, object, quoted};
use crate::api::shapes::{ConfigVars, Release};
use time::OffsetDateTime;

/// `releases`
pub(in crate::cli) fn releases(name: &str, releases: &[Release], now: OffsetDateTime) -> Vec<String> {
    if releases.is_empty() {
        return vec![format!("{name} has no releases.")];
    }
    let current = releases.iter().find(|release| release.current);
    let current = current.map(|release| format!(" - Current: v{}", release.version)).unwrap_or_default();
    let row = |release: &Release| {
        let status = status_words(&release.status).map(|words| format!(" {words}")).unwrap_or_default();
        vec![
            format!("v{}", release.version),
            format!("{}{status}", release.description),
            release.user.email.clone(),
            ago(&release.created_at, now),
        ]
    };
    let mut lines = vec![header(&format!("{name} Releases{current}"))];
    lines.extend(columns(&releases.iter().map(row).collect::<Vec<_>>()));
    lines
}

/// `releases:info`
pub(in crate::cli) fn release(release: &Release, config: &ConfigVars, shell: bool) -> Vec<String> {
    let status = status_words(&release.status).map(|words| format!(" ({words})")).unwrap_or_default();
    let change = format!("{}{status}", release.description);
    let mut pairs = vec![("By", release.user.email.as_str()), ("Change", change.as_str())];
    pairs.push(("Eligible for Rollback?", if release.eligible_for_rollback { "Yes" } else { "No" }));
    let images: Vec<String> = release.images.iter().map(|(name, image)| format!("{name} ({image})")).collect();
    let images = images.join(", ");
    if !images.is_empty() {
        pairs.push(("Images", &images));
    }
    pairs.push(("When", &release.created_at));
    let mut lines = vec![header(&format!("Release v{}", release.version))];
    lines.extend(object(&pairs));
    lines.push(String::new());
    lines.push(header(&format!("v{} Config vars", release.version)));
    lines.extend(if shell { in_shell(config) } else { config_vars(config) });
    lines
}

/// Names and values in two columns.
pub(in crate::cli) fn config_vars(config: &ConfigVars) -> Vec<String> {
    let pairs: Vec<(&str, &str)> = config.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    object(&pairs)
}

/// Names and values as a shell reads them.
pub(in crate::cli) fn in_shell(config: &ConfigVars) -> Vec<String> {
    config.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect()
}

/// `releases:output` of a release without any.
pub(in crate::cli) fn no_output(version: u64) -> String {
    format!("Release v{version} has no release output available.")
}

/// What is said after a rollback to `made`. `app` is what `-a` named.
pub(in crate::cli) fn after_rollback(made: &Release, app: Option<&str>) -> [String; 2] {
    let at = app.map(|app| format!(" -a {app}")).unwrap_or_default();
    let undo = format!("To undo, run: dynosim rollback v{}{at}", made.version - 1);
    ["Rollback affects code and config vars; it doesn't add or remove addons.".into(), undo]
}

/// What to go back to when no release is named: the newest before the current one that one may go back to. `releases` are
/// the newest first.
pub(in crate::cli) fn rollback_target(app: &str, releases: &[Release]) -> Result<Release, String> {
    let after = releases.iter().skip_while(|release| !release.current).skip(1);
    let found = after.into_iter().find(|release| release.eligible_for_rollback).cloned();
    found.ok_or_else(|| format!("No eligible release found for {app} to roll back to."))
}

/// What is worth saying of a status.
fn status_words(status: &str) -> Option<&'static str> {
    match status {
        "pending" => Some("release command executing"),
        "failed" => Some("release command failed"),
        "expired" => Some("release expired"),
        _ => None,
    }
}
