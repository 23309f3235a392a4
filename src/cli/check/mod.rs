//! `dynosim check`: what the rules find, in four formats; and its line in `up`, `build` and `test`.

mod json;
mod sarif;
mod text;

use super::args::{BuildArgs, Check, FailOn, Format};
use super::confirm::confirm;
use super::session::Session;
use super::test::annotations;
use crate::diagnostic::{Diagnostic, Severity};
use crate::dyno::explain::count;
use crate::lint::{Checked, Finding};
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::check::{self, Outcome};
use crate::platform::report::Noticed;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How many findings the line of another command names.
const NAMED: usize = 3;

pub(super) fn run(session: &Session, args: &Check) -> Result<ExitCode, PlatformError> {
    let printer = session.printer;
    let place = session.place()?;
    let build = BuildArgs { context_path: args.context_path.clone(), ..BuildArgs::usual() };
    let mut options = session.load_options(&place, &build)?;
    if let Some(file) = &args.file {
        options.dockerfile = Some(dockerfile(&place.folder, file)?);
    }
    let mut outcome = check::check(&place, options.clone())?;
    if args.fix && mend(session, args, &outcome)? {
        outcome = check::check(&place, options)?;
    }
    let format = args.format.unwrap_or(if printer.json { Format::Json } else { Format::Text });
    let Outcome { checked, settings, unreadable, root } = &outcome;
    match format {
        // "Nothing found" is not to be said of what could not be looked at.
        Format::Text if !unreadable.is_empty() && checked.findings.is_empty() => {}
        Format::Text => text::print(printer, checked),
        Format::Json => printer.out_json(&json::of(checked)).map_err(|error| io(error.into()))?,
        Format::Sarif => {
            printer.out_json(&sarif::of(checked, &Below::of(root))).map_err(|error| io(error.into()))?;
        }
        Format::Github => {
            let below = Below::of(root);
            for finding in &checked.findings {
                printer.out(&annotation(finding, &below));
            }
        }
    }
    if checked.partial && !checked.findings.is_empty() && matches!(format, Format::Text | Format::Github) {
        printer.warn("what is refused, or cannot be read, hides other findings: not everything was looked at");
    }
    if !unreadable.is_empty() {
        return Err(PlatformError::Project(unreadable.clone()));
    }
    let fail_on = args.fail_on.or_else(|| settings.fail_on.as_deref().and_then(FailOn::of));
    let least = match fail_on.unwrap_or(FailOn::Error) {
        FailOn::Error => Severity::Error,
        FailOn::Warning => Severity::Warning,
        FailOn::None => return Ok(super::code(Code::Ok)),
    };
    let failed = checked.findings.iter().any(|finding| finding.diagnostic.severity >= least);
    Ok(super::code(if failed { Code::Check } else { Code::Ok }))
}

impl FailOn {
    /// As dynosim.toml writes it.
    fn of(word: &str) -> Option<Self> {
        <Self as clap::ValueEnum>::from_str(word, false).ok()
    }
}

fn io(error: std::io::Error) -> PlatformError {
    PlatformError::io("write the findings")(error)
}

/// The file that `-f` names, from the current folder or, as `-C` has it, from the project's.
fn dockerfile(folder: &Path, file: &Path) -> Result<PathBuf, PlatformError> {
    let found = [file.to_owned(), folder.join(file)]
        .into_iter()
        .find_map(|path| path.canonicalize().ok().filter(|path| path.is_file()));
    found.ok_or_else(|| {
        let finding = Diagnostic::error(format!("there is no file {}", file.display()));
        PlatformError::Project(vec![finding.help("-f takes the path of a Dockerfile")])
    })
}

/// Shows what the certain fixes change, asks, and makes them. Whether anything was changed.
fn mend(session: &Session, args: &Check, outcome: &Outcome) -> Result<bool, PlatformError> {
    let printer = session.printer;
    let edits = check::edits(&outcome.root, &outcome.checked.findings)
        .map_err(PlatformError::io("read what is to be mended"))?;
    if edits.is_empty() {
        printer.err("nothing here has a fix that is certain");
        return Ok(false);
    }
    for edit in &edits {
        printer.err(edit.diff().trim_end());
    }
    if !args.yes && !confirm(printer, &format!("change {}?", count(edits.len(), "file")))? {
        printer.err("nothing was changed");
        return Ok(false);
    }
    for edit in &edits {
        if edit.apply().map_err(PlatformError::io(format!("write {}", edit.name)))? {
            printer.err(&format!("{} {}", printer.paint(2, "mended"), edit.name));
        } else {
            printer.warn(&format!("{} has changed meanwhile: it was left alone", edit.name));
        }
    }
    Ok(true)
}

/// Where a project lies in its repository: what shows findings beside the code names files from there.
struct Below {
    root: PathBuf,
    above: PathBuf,
}

impl Below {
    fn of(root: &Path) -> Self {
        let workspace = std::env::var_os("GITHUB_WORKSPACE").and_then(|path| Path::new(&path).canonicalize().ok());
        let git = || root.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned);
        let top = workspace.filter(|top| root.starts_with(top)).or_else(git);
        let above = top.and_then(|top| root.strip_prefix(top).ok()).unwrap_or(Path::new("")).to_owned();
        Self { root: root.to_owned(), above }
    }

    /// A file of the project as the repository names it; another one as it is.
    fn name(&self, file: &str) -> String {
        let ours = Path::new(file).is_relative() && self.root.join(file).exists();
        if ours { self.above.join(file).display().to_string() } else { file.to_owned() }
    }
}

fn annotation(finding: &Finding, below: &Below) -> String {
    let level = match finding.diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let region = finding.diagnostic.place.as_ref().zip(finding.diagnostic.region());
    let place = region.map_or_else(String::new, |((file, _), [(line, column), (end_line, end_column)])| {
        let columns = if line == end_line { format!(",col={column},endColumn={end_column}") } else { String::new() };
        format!("file={},line={line},endLine={end_line}{columns}", annotations::property(&below.name(&file.name)))
    });
    let help = finding.diagnostic.help.as_deref().unwrap_or_default();
    let text = format!("{}\n{}\nfix: {help}", finding.diagnostic.title, finding.rule.summary);
    annotations::line(level, &place, &format!("{} {}", finding.rule.id, finding.rule.name), &text)
}

/// What `up`, `build` and `test` say; nothing where nothing is amiss.
pub(super) fn noticed(checked: &Checked) -> Option<Noticed> {
    let findings: Vec<Value> = checked.findings.iter().map(json::finding).collect();
    let error = checked.count(Severity::Error) > 0;
    Some(Noticed { line: summary(checked)?, error, json: Value::from(findings).to_string() })
}

fn summary(checked: &Checked) -> Option<String> {
    let worth = |finding: &&Finding| finding.diagnostic.severity > Severity::Note;
    let mut found: Vec<&Finding> = checked.findings.iter().filter(worth).collect();
    found.sort_by_key(|finding| std::cmp::Reverse(finding.diagnostic.severity));
    let counts = counts(checked, Severity::Warning);
    let mut named: Vec<String> = found.iter().take(NAMED).map(|finding| brief(finding)).collect();
    if found.len() > NAMED {
        named.push(format!("{} more", found.len() - NAMED));
    }
    (!found.is_empty()).then(|| format!("{counts}: {}; `dynosim check` shows them", named.join(", ")))
}

/// `D014 shell-without-exec (start.sh:3)`
pub(super) fn brief(finding: &Finding) -> String {
    let place = finding.diagnostic.place.as_ref().zip(finding.diagnostic.line());
    let place = place.map(|((file, _), line)| format!(" ({}:{line})", file.name)).unwrap_or_default();
    format!("{} {}{place}", finding.rule.id, finding.rule.name)
}

/// The same for programs.
pub(super) fn event(noticed: &Noticed) -> Option<Value> {
    let findings: Value = serde_json::from_str(&noticed.json).ok()?;
    Some(json!({"event": "check", "findings": findings}))
}

/// `1 error, 2 warnings`, from a severity on.
fn counts(checked: &Checked, least: Severity) -> String {
    let all = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")];
    let counted =
        all.iter().filter(|(severity, _)| *severity >= least).map(|(severity, noun)| (checked.count(*severity), noun));
    counted.filter(|(number, _)| *number > 0).map(|(number, noun)| count(number, noun)).collect::<Vec<_>>().join(", ")
}
