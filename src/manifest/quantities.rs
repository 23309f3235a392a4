//! The formation before the command line speaks: app.json's, else what the files suggest.

use super::app_json::{AppJson, Wanted};
use super::assembly::Assembled;
use crate::diagnostic::Diagnostic;
use crate::model::dyno::DynoSize;
use crate::model::formation::{Formation, Scale};
use crate::model::process_type::ProcessType;

/// Quantities and sizes: those of `wanted` first; else 1 for web, for `worker`, and for each type that heroku.yml or
/// the Procfile names; else 0. `release` never stands in a formation (R9).
pub(super) fn formation(
    app: &Assembled,
    json: Option<(&AppJson, &[Wanted])>,
    findings: &mut Vec<Diagnostic>,
) -> Formation {
    let wanted = json.map(|(_, wanted)| wanted).unwrap_or_default();
    let mut formation = Formation::new();
    for process_type in app.processes.keys() {
        let entry = wanted.iter().find(|w| w.process_type.value == *process_type);
        let suggested = u32::from(!idle(app, process_type));
        let quantity = entry.and_then(|w| w.quantity).unwrap_or(suggested);
        let size = entry.and_then(|w| w.size).unwrap_or(DynoSize::BASIC);
        formation.insert(process_type.clone(), Scale { quantity, size });
    }
    if let Some((json, wanted)) = json {
        let unknown = wanted.iter().filter(|w| !formation.contains_key(&w.process_type.value));
        findings.extend(unknown.map(|entry| without_effect(json, entry, &formation)));
    }
    formation
}

/// Says which process types start at 0 because only a Dockerfile's name speaks of them.
pub(super) fn idle_notes(app: &Assembled, formation: &Formation) -> Vec<Diagnostic> {
    let idle = app.by_dockerfile.iter().filter(|(process_type, _)| {
        idle(app, process_type) && formation.get(process_type).is_some_and(|scale| scale.quantity == 0)
    });
    idle.map(|(process_type, path)| {
        Diagnostic::note(format!("`{process_type}` starts at 0: only the name of {} speaks of it", path.display()))
            .help(format!("start it with `dynosim up {process_type}=1`, or name it in heroku.yml"))
    })
    .collect()
}

/// `Dockerfile.dev`, `Dockerfile.test` and the like are seldom meant to run beside the app.
fn idle(app: &Assembled, process_type: &ProcessType) -> bool {
    app.by_dockerfile.contains_key(process_type) && !process_type.is_web() && process_type.as_str() != "worker"
}

fn without_effect(json: &AppJson, entry: &Wanted, formation: &Formation) -> Diagnostic {
    let process_type = &entry.process_type.value;
    let (title, help) = if process_type.is_release() {
        (
            "`release` cannot be scaled: it runs once for each release".to_owned(),
            "take it out of `formation`".to_owned(),
        )
    } else {
        let known: Vec<String> = formation.keys().map(|t| format!("`{t}`")).collect();
        let title = format!("`formation` names `{process_type}`, which this app does not have");
        (title, format!("it has {}", known.join(", ")))
    };
    Diagnostic::warning(title).at(&json.file, entry.process_type.span.clone(), "without effect").help(help)
}
