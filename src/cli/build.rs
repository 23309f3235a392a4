//! `dynosim build`

use super::args::Build;
use super::session::Session;
use crate::diagnostic::Severity;
use crate::model::exit_code::ExitCode as Code;
use crate::model::process_type::ProcessType;
use crate::platform::PlatformError;
use crate::platform::{builds, up};
use serde_json::json;
use std::collections::BTreeSet;
use std::process::ExitCode;

pub(super) async fn run(session: &Session, args: Build) -> Result<ExitCode, PlatformError> {
    let sources = session.sources(&args.how, Severity::Note)?;
    let project = session.project_of_images(sources).await?;
    let wanted = wanted(&project.app, &args.types)?;
    let interrupt = session.interrupt()?;
    let options = args.how.options();
    let built = tokio::select! {
        built = builds::build(&project, &wanted, &options) => built?,
        _ = interrupt.wanted() => return Err(PlatformError::Interrupted),
    };
    let printer = session.printer;
    for (process_type, image) in &built.slug {
        if printer.json {
            printer.out(&json!({"event": "image", "type": process_type.as_str(), "image": image.0}).to_string());
        } else {
            printer.out(&format!("{process_type} {}", image.0));
        }
    }
    Ok(super::code(Code::Ok))
}

/// The builds that the named types need; all that `up` would build when none is named.
fn wanted(app: &crate::model::app::App, types: &[ProcessType]) -> Result<BTreeSet<ProcessType>, PlatformError> {
    if types.is_empty() {
        return Ok(up::builds_wanted(app, &app.formation));
    }
    types
        .iter()
        .map(|name| {
            let image = match app.processes.get(name) {
                Some(spec) => spec.image.clone(),
                None => name.clone(),
            };
            if app.builds.contains_key(&image) {
                return Ok(image);
            }
            Err(PlatformError::no_such_type(app, name))
        })
        .collect()
}
