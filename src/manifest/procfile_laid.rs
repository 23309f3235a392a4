//! A Procfile beside Dockerfiles. Heroku's container stack ignores it (R1.6); dynosim lays its commands over the
//! images when heroku.yml has no `run`, and says how to move them there.

use super::assembly::{Assembled, Sources};
use super::procfile::Process;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::model::app::ProcessSpec;
use crate::model::process_type::ProcessType;
use std::fmt::Write;
use std::sync::Arc;

/// Lays the Procfile's commands over the images of `app`, with its findings.
pub(super) fn lay(app: &mut Assembled, sources: &Sources<'_>) {
    let Some((file, processes)) = sources.procfile.filter(|(_, processes)| !processes.is_empty()) else { return };
    if sources.yml.is_some_and(|yml| yml.run.is_some()) {
        let note = Diagnostic::note(
            "the Procfile is not read: heroku.yml has a `run` section, and Heroku's container stack ignores a Procfile",
        );
        app.findings.push(note.at_line(file, 1, "without effect"));
        return;
    }
    let (release, processes): (Vec<_>, Vec<_>) = processes.iter().partition(|p| p.process_type.value.is_release());
    if !processes.is_empty() {
        app.findings.push(ignored_on_heroku(file, &processes, app, sources));
    }
    for process in release {
        app.findings.push(release_ignored(file, process));
    }
    for process in processes {
        lay_one(app, file, process);
    }
}

fn lay_one(app: &mut Assembled, file: &Arc<SourceFile>, process: &Process) {
    let process_type = &process.process_type.value;
    let image = if app.builds.contains_key(process_type) {
        process_type.clone()
    } else if app.builds.contains_key(&ProcessType::web()) {
        let title = format!("`{process_type}` of the Procfile has no image of its own: it runs on the web image");
        app.findings.push(Diagnostic::note(title).at(
            file,
            process.process_type.span.clone(),
            "no Dockerfile of this type",
        ));
        ProcessType::web()
    } else {
        let title = format!(
            "`{process_type}` of the Procfile is passed over: no Dockerfile builds it, and there is no web image"
        );
        let warning = Diagnostic::warning(title).at(file, process.process_type.span.clone(), "no image");
        app.findings.push(warning.help(format!("write a Dockerfile.{process_type}, or a Dockerfile for web")));
        return;
    };
    app.by_dockerfile.remove(process_type);
    app.processes.insert(process_type.clone(), ProcessSpec { image, command: Some(process.command.clone()) });
}

fn ignored_on_heroku(
    file: &Arc<SourceFile>,
    processes: &[&Process],
    app: &Assembled,
    sources: &Sources<'_>,
) -> Diagnostic {
    let mut lines = String::from("to run them on Heroku too, write into heroku.yml:\n");
    if sources.yml.is_none() {
        lines.push_str("build:\n  docker:\n");
        for (process_type, build) in &app.builds {
            let path = build.dockerfile.strip_prefix(sources.root).unwrap_or(&build.dockerfile);
            let _ = writeln!(lines, "    {process_type}: {}", path.display());
        }
    }
    lines.push_str("run:");
    for process in processes {
        let _ = write!(lines, "\n  {}: {}", process.process_type.value, yaml_text(&process.command.text));
    }
    Diagnostic::warning("Heroku's container stack ignores a Procfile; here its commands are laid over the images")
        .at(file, processes[0].process_type.span.clone(), "without effect on Heroku")
        .help(lines)
}

fn release_ignored(file: &Arc<SourceFile>, process: &Process) -> Diagnostic {
    let command = yaml_text(&process.command.text);
    Diagnostic::warning("`release` of the Procfile is ignored, as on Heroku's container stack: no release phase runs")
        .at(file, process.process_type.span.clone(), "without effect")
        .help(format!("write into heroku.yml:\nrelease:\n  command:\n    - {command}\n  image: web"))
}

/// A text as a YAML scalar: plain where that is safe, in single quotes elsewhere.
fn yaml_text(text: &str) -> String {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.' || c == '/' || c == '_');
    if starts_well && !text.contains(": ") && !text.contains(" #") && !text.ends_with(':') {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{node::Value, yaml};
    use super::yaml_text;
    use crate::diagnostic::SourceFile;
    use proptest::prelude::*;
    use std::sync::Arc;

    proptest! {
        #[test]
        fn suggested_yaml_reads_back_as_the_command(command in "[a-zA-Z.$'\"!-~][ -~]{0,20}[!-~]") {
            let text = format!("web: {}\n", yaml_text(&command));
            let node = yaml::parse(&Arc::new(SourceFile { name: "x".into(), text })).unwrap();
            let Value::Map(entries) = node.value else { panic!("a map") };
            prop_assert_eq!(entries[0].node.scalar(), Some(command.as_str()));
        }
    }
}
