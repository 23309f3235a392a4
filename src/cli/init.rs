//! `dynosim init`: shows what a folder lacks to be an app, asks, and writes it.

use super::args::Init;
use super::confirm::confirm;
use super::printer::Printer;
use super::session::Session;
use crate::diagnostic::Diagnostic;
use crate::manifest::{Survey, survey};
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::scaffold::{Options, Plan, Planned, Remote, There, Written, plan, write};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

#[allow(clippy::unused_async, reason = "commands are async")]
pub(super) async fn run(session: &Session, args: Init) -> Result<ExitCode, PlatformError> {
    let folder = session.common.directory.clone().unwrap_or_else(|| ".".into());
    let survey = survey(&folder, args.language).map_err(PlatformError::Project)?;
    let remote = Remote::read(&survey.root);
    let options = Options { ci: args.ci, app: args.app.clone() };
    let plan = plan(&survey, &remote, &options).map_err(PlatformError::Project)?;
    let printer = session.printer;
    if printer.json {
        printer.out(&as_json(&survey, &plan).to_string());
    } else {
        show(printer, &survey, &plan, args.diff);
    }
    let count = plan.missing().count();
    if count == 0 {
        printer.err("nothing to write: every file is there");
        return Ok(super::code(Code::Ok));
    }
    if args.dry_run {
        printer.err("nothing was written: this was a dry run");
        return Ok(super::code(Code::Ok));
    }
    let question = format!("Write {}?", files(count));
    if !args.yes && !confirm(printer, &question)? {
        printer.err("nothing was written");
        return Ok(super::code(Code::Failed));
    }
    write_all(printer, &survey.root, &plan)?;
    if !printer.json {
        next(printer, &survey);
    }
    Ok(super::code(Code::Ok))
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// What was found, what is kept, and every file that would be written, in full.
fn show(printer: Printer, survey: &Survey, plan: &Plan, diff: bool) {
    let commands = survey.processes.iter().filter_map(|(name, command)| {
        let command = command.as_ref()?;
        Some((format!("{name}: {}", command.text), command.origin.as_str()))
    });
    let facts = survey.facts.iter().map(|fact| (fact.what.clone(), fact.origin.as_str()));
    let found: Vec<(String, &str)> = facts.chain(commands).collect();
    let width = found.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0).min(60);
    for (what, origin) in &found {
        printer.out(&format!("found  {what:width$}  {origin}"));
    }
    for file in &plan.files {
        let path = file.path.display();
        match &file.there {
            Some(There::Same) => _ = printer.out(&format!("keep   {path}  as init would write it")),
            Some(There::Other(_)) => {
                printer.out(&format!("keep   {path}  it is there already"));
                if diff {
                    indented(printer, &file.diff());
                }
            }
            None => {
                printer.out(&format!("write  {path}"));
                indented(printer, &file.text);
            }
        }
    }
    for finding in survey.findings.iter().chain(&plan.notes) {
        printer.err(finding.render(printer.err_colour).trim_end());
    }
}

fn indented(printer: Printer, text: &str) {
    for line in text.lines() {
        printer.out(format!("     | {line}").trim_end());
    }
}

fn as_json(survey: &Survey, plan: &Plan) -> Value {
    let files: Vec<Value> = plan.files.iter().map(planned).collect();
    let found: Vec<Value> = survey.facts.iter().map(|fact| json!({"what": fact.what, "origin": fact.origin})).collect();
    let processes: serde_json::Map<String, Value> = survey
        .processes
        .iter()
        .map(|(name, command)| {
            let command = command.as_ref().map(|command| json!({"command": command.text, "origin": command.origin}));
            (name.to_string(), command.unwrap_or(Value::Null))
        })
        .collect();
    let notes: Vec<&str> = survey.findings.iter().chain(&plan.notes).map(|note| note.title.as_str()).collect();
    let language = survey.stack.as_ref().map(crate::manifest::Stack::word);
    json!({"event": "plan", "language": language, "found": found, "processes": processes, "files": files, "notes": notes})
}

fn planned(file: &Planned) -> Value {
    let action = if file.there.is_none() { "write" } else { "keep" };
    json!({"path": file.path, "action": action, "content": file.text})
}

/// Writes file by file; each is whole, so a run that was cut short is gone on with by the next.
fn write_all(printer: Printer, root: &Path, plan: &Plan) -> Result<(), PlatformError> {
    for file in plan.missing() {
        let path = file.path.display();
        match write(root, file).map_err(PlatformError::io(format!("write {path}")))? {
            Written::Yes if printer.json => {
                _ = printer.out(&json!({"event": "written", "path": file.path}).to_string());
            }
            Written::Yes => printer.err(&format!("{} {path}", printer.paint(2, "wrote"))),
            Written::Another => {
                let note = Diagnostic::warning(format!("{path} has appeared meanwhile: it was left alone"));
                printer.err(note.render(printer.err_colour).trim_end());
            }
        }
    }
    Ok(())
}

fn next(printer: Printer, survey: &Survey) {
    printer.err("next: `dynosim up` builds it and runs it as Heroku would");
    let ignores = std::fs::read_to_string(survey.root.join(".gitignore")).unwrap_or_default();
    if !ignores.lines().any(|line| [".env", "/.env", ".env*", "*.env"].contains(&line.trim())) {
        printer.err("      `.env` holds secrets, and .gitignore does not name it yet");
    }
}
