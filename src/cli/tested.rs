//! `dynosim tested`: the ledger of tested images.

use super::args::Tested;
use super::session::Session;
use super::steer::text::{ago, header};
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::tested::{Entry, Ledger, LedgerError, Tested as Test, Verdict};
use serde_json::json;
use std::process::ExitCode;
use time::OffsetDateTime;

pub(super) fn run(session: &Session, _args: &Tested) -> Result<ExitCode, PlatformError> {
    let place = session.place()?;
    let state = place.state(&place.identity()?)?;
    let ledger = Ledger::open(&state).map_err(PlatformError::io("read the ledger of tested images"))?;
    let printer = session.printer;
    if printer.json {
        let entries: Vec<&Entry> = ledger.iter().collect();
        let broken = ledger.broken().map(|broken| json!({"line": broken.line, "why": broken.to_string()}));
        printer.out(&json!({"entries": entries, "broken": broken}).to_string());
    } else if ledger.iter().next().is_none() && ledger.broken().is_none() {
        session.report.note("nothing was tested yet: `dynosim test -- COMMAND`");
    } else {
        printer.out(&header("Tested images"));
        for entry in ledger.iter().rev() {
            printer.out(&line(entry, session.clock.now()));
        }
    }
    let Some(broken) = ledger.broken().cloned() else { return Ok(super::code(Code::Ok)) };
    let error = LedgerError::Broken { broken, file: ledger.path().display().to_string() };
    Err(PlatformError::Unable { reason: error.to_string(), help: error.help() })
}

fn line(entry: &Entry, now: OffsetDateTime) -> String {
    match entry {
        Entry::Tested(test) => {
            let images: Vec<String> =
                test.images.iter().map(|(name, image)| format!("{name} {}", image.config.short())).collect();
            format!(
                "{:<8} {}  {}{}  {}",
                word(&test.verdict),
                images.join(", "),
                test.command,
                commit(test),
                ago(&test.time, now)
            )
        }
        Entry::Tagged(version) => {
            let images: Vec<String> =
                version.images.iter().map(|(name, image)| format!("{name} {}", image.config.short())).collect();
            format!("{:<8} {}  {}  {}", "version", version.version, images.join(", "), ago(&version.time, now))
        }
        Entry::Pushed(push) => format!(
            "{:<8} {}  {}/{}:{}  {}",
            "pushed",
            push.config.short(),
            push.registry,
            push.repository,
            push.tag,
            ago(&push.time, now)
        ),
    }
}

fn word(verdict: &Verdict) -> &'static str {
    if verdict.passed() { "passed" } else { "failed" }
}

/// `  commit c0ffee1`, and whether the tree held more.
fn commit(test: &Test) -> String {
    let Some(commit) = &test.commit else { return String::new() };
    let dirty = if commit.dirty == Some(true) { " and changes" } else { "" };
    format!("  commit {}{dirty}", commit.hash.get(..7).unwrap_or(&commit.hash))
}
