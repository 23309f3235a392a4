//! `dynosim trust`: the local certificate authority, and the machine's trust in it.

use super::args::Trust;
use super::confirm::confirm;
use super::printer::Printer;
use super::session::{Session, config_base, environment};
use crate::diagnostic::Diagnostic;
use crate::model::domain::Domain;
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::authority::Authority;
use crate::platform::trust::{self, Anchor, Machine, Plan, Step};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

#[allow(clippy::unused_async, reason = "commands are async")]
pub(super) async fn run(session: &Session, args: Trust) -> Result<ExitCode, PlatformError> {
    let config = config_base(&environment).map_err(|reason| wrong(reason, None))?;
    if is_another_s() {
        let title = "under sudo this would be root's own authority, which no `dynosim up` of yours uses";
        let help = "run it without sudo: it prints the commands that need root";
        return Err(wrong(title.to_owned(), Some(help)));
    }
    if args.uninstall {
        return uninstall(session, &config, args.yes);
    }
    let authority = if args.renew {
        let question = "Replace the authority? What trusts the old one will not trust the new one.";
        if !args.yes && Authority::is_there(&config) && !confirm(session.printer, question)? {
            return Ok(super::code(Code::Failed));
        }
        renew(session, &config, &args.domains)?
    } else {
        Authority::open(&config, &[], &session.clock)?
    };
    if args.print {
        session.printer.out(authority.pem().trim_end());
        return Ok(super::code(Code::Ok));
    }
    if args.install {
        return install(session, &authority, args.yes);
    }
    show(session.printer, &authority);
    Ok(super::code(Code::Ok))
}

/// Makes a new authority, and says how to get the old one out of stores that would keep it beside the new one.
fn renew(session: &Session, config: &Path, domains: &[Domain]) -> Result<Authority, PlatformError> {
    let old = Authority::name_at(config);
    let authority = Authority::renew(config, domains, &session.clock)?;
    if let Some(old) = old {
        let mut plan = Plan::default();
        with_machine(|machine| trust::forget(machine, &old, &mut plan));
        if !plan.steps.is_empty() {
            let steps: Vec<&Step> = plan.steps.iter().collect();
            tell(session.printer, "forget", "to take the old one away where it was installed:", &steps, uid());
        }
    }
    Ok(authority)
}

/// Says what the authority is and what would install it.
fn show(printer: Printer, authority: &Authority) {
    let trusted = trust::is_trusted(authority.pem(), cfg!(target_os = "macos"));
    let name = authority.name();
    let path = authority.path();
    let uid = uid();
    let plan = with_machine(|machine| trust::install(machine, &Anchor { path, name: Some(&name) }));
    let lines: Vec<String> = plan.steps.iter().map(|step| step.line(uid)).collect();
    if printer.json {
        let shown = json!({
            "event": "authority",
            "name": name,
            "certificate": path,
            "sha256": authority.fingerprint(),
            "until": authority.until().date().to_string(),
            "names": authority.names(),
            "trusted": trusted,
            "install": lines,
            "notes": plan.notes,
        });
        printer.out(&shown.to_string());
        return;
    }
    let say = |what: &str, text: &str| printer.out(&format!("{what:<12} {text}"));
    say("authority", &name);
    say("certificate", &path.display().to_string());
    say("sha256", &authority.fingerprint());
    say("valid until", &authority.until().date().to_string());
    say("signs for", &format!("{} and names under them; 127.0.0.1, ::1", authority.names().join(", ")));
    say("trusted", if trusted { "yes, by this machine's own store" } else { "not yet by this machine's own store" });
    printer.out("");
    if trusted {
        printer.out("to take it away again: dynosim trust --uninstall");
    } else if !lines.is_empty() {
        printer.out("to install it, `dynosim trust --install`, or:");
        for line in &lines {
            printer.out(&format!("    {line}"));
        }
    }
    for note in &plan.notes {
        printer.out(note);
    }
    printer.out("for one command: curl --cacert <(dynosim trust --print) https://localhost:5443");
}

fn install(session: &Session, authority: &Authority, yes: bool) -> Result<ExitCode, PlatformError> {
    let name = authority.name();
    let anchor = Anchor { path: authority.path(), name: Some(&name) };
    let plan = with_machine(|machine| trust::install(machine, &anchor));
    carry_out(session, &plan, yes, "installed: browsers that are open see it after a restart")
}

fn uninstall(session: &Session, config: &Path, yes: bool) -> Result<ExitCode, PlatformError> {
    // An authority that cannot be used any more can still be taken away; none is made for that.
    let path = Authority::file(config);
    let there = Authority::is_there(config);
    let name = Authority::name_at(config);
    let plan = with_machine(|machine| trust::uninstall(machine, &Anchor { path: &path, name: name.as_deref() }));
    let done = if there { format!("uninstalled; its file is still {}", path.display()) } else { "uninstalled".into() };
    carry_out(session, &plan, yes, &done)
}

/// Shows the commands, asks, and runs those that this user may run.
fn carry_out(session: &Session, plan: &Plan, yes: bool, done: &str) -> Result<ExitCode, PlatformError> {
    let printer = session.printer;
    let uid = uid();
    let (for_root, mine): (Vec<&Step>, Vec<&Step>) = plan.steps.iter().partition(|step| step.root && uid != 0);
    for note in &plan.notes {
        session.report.note(note.clone());
    }
    if !mine.is_empty() {
        tell(printer, "run", "to be run:", &mine, uid);
        if !yes && !confirm(printer, "Run these?")? {
            return Ok(super::code(Code::Failed));
        }
        for step in mine {
            run_step(step)?;
        }
    }
    if !for_root.is_empty() {
        tell(printer, "run-as-root", "this needs root; run:", &for_root, uid);
        return Ok(super::code(Code::Failed));
    }
    if plan.steps.is_empty() {
        return Ok(super::code(Code::Failed));
    }
    if printer.json {
        printer.out(&json!({"event": "trust", "text": done}).to_string());
    } else {
        printer.err(done);
    }
    Ok(super::code(Code::Ok))
}

fn tell(printer: Printer, event: &str, heading: &str, steps: &[&Step], uid: u32) {
    let lines: Vec<String> = steps.iter().map(|step| step.line(uid)).collect();
    if printer.json {
        printer.out(&json!({"event": event, "commands": lines}).to_string());
        return;
    }
    printer.err(heading);
    for line in lines {
        printer.err(&format!("    {line}"));
    }
}

fn run_step(step: &Step) -> Result<(), PlatformError> {
    let failed = |reason: String| {
        let error = std::io::Error::other(reason);
        PlatformError::io(format!("run `{}`", step.line(0)))(error)
    };
    let Some((program, arguments)) = step.argv.split_first() else { return Ok(()) };
    // What a program prints is no result of ours: stdout stays clean.
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() || step.may_fail {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(format!("{}: {}", output.status, said.trim())))
}

fn with_machine<T>(act: impl FnOnce(&Machine<'_>) -> T) -> T {
    let path = environment("PATH").unwrap_or_default();
    // Programs for root are often outside of a user's PATH.
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect();
    let has_program = |name: &str| folders.iter().any(|folder| folder.join(name).is_file());
    act(&Machine {
        macos: cfg!(target_os = "macos"),
        uid: uid(),
        home: environment("HOME").map(PathBuf::from).unwrap_or_default(),
        has_program: &has_program,
    })
}

fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// Whether root acts for somebody else, whose authority is elsewhere.
fn is_another_s() -> bool {
    uid() == 0
        && environment("SUDO_USER").is_some_and(|user| user != "root")
        && environment("DYNOSIM_CONFIG_DIR").is_none()
}

fn wrong(title: String, help: Option<&str>) -> PlatformError {
    let finding = Diagnostic::error(title);
    PlatformError::Project(vec![match help {
        Some(help) => finding.help(help),
        None => finding,
    }])
}
