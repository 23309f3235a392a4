//! Errors of the platform as the user reads them: what happened, where, and how to mend it.

use super::printer::Printer;
use crate::engine::{BuildFailure, EngineError};
use crate::model::exit_code::ExitCode;
use crate::platform::PlatformError;
use serde_json::json;
use std::path::Path;

/// Prints the error; returns its exit code.
pub(super) fn report(printer: Printer, error: &PlatformError) -> ExitCode {
    let code = error.exit_code();
    if printer.json {
        printer.out(&json!({"event": "error", "error": error.to_string(), "exit_code": code as u8}).to_string());
    }
    match error {
        PlatformError::Project(findings) | PlatformError::NotNative(findings) => {
            for finding in findings {
                printer.err(finding.render(printer.err_colour).trim_end());
            }
        }
        PlatformError::Build { label, dockerfile, failure } => build(printer, label, dockerfile, failure),
        PlatformError::Refused { process_type, help, .. } => {
            printer.error(&error.to_string(), Some(&format!("{process_type}: {help}")));
        }
        PlatformError::ReleaseFailed { .. } => printer.error(
            &format!("{error}; nothing of it runs"),
            Some("its output is in the log: `dynosim logs -p release`"),
        ),
        PlatformError::AlreadyRunning { .. } => printer
            .error(&error.to_string(), Some("stop it with `dynosim down`, or run a second instance with `-n NAME`")),
        PlatformError::PortTaken { .. } => {
            let help = "choose another with --port or --https=PORT, or leave the number out for the next free one";
            printer.error(&error.to_string(), Some(help));
        }
        PlatformError::Unable { help, .. } => printer.error(&error.to_string(), Some(help)),
        PlatformError::Authority(cause) => printer.error(&error.to_string(), Some(cause.help())),
        PlatformError::Heroku(fault) => printer.error(&error.to_string(), fault.help().as_deref()),
        PlatformError::Push(error) => printer.error(&error.to_string(), error.help().as_deref()),
        PlatformError::Engine(EngineError::Unreachable { tried }) => unreachable(printer, tried),
        PlatformError::Engine(EngineError::DiskFull(_)) => {
            printer.error(&error.to_string(), Some("free some room: `docker system df` shows what the engine keeps"));
        }
        PlatformError::Interrupted => printer.err(&printer.dim("interrupted; nothing was left behind")),
        PlatformError::Engine(_) | PlatformError::NoSuchType { .. } | PlatformError::Io { .. } => {
            printer.error(&error.to_string(), None);
        }
    }
    code
}

/// What was looked for, and how to get an engine.
fn unreachable(printer: Printer, tried: &[String]) {
    printer.error("no container engine answers", None);
    for line in tried {
        printer.err(&format!("       tried {line}"));
    }
    printer.err(&format!(
        " {} start Docker (`sudo systemctl start docker`, or Docker Desktop, Colima, Podman with its API socket),\n       \
         or name it with --engine or DOCKER_HOST; to install one: https://docs.docker.com/engine/install/\n       \
         or run without images: --engine native",
        printer.paint(6, "help:")
    ));
}

fn build(printer: Printer, label: &str, dockerfile: &Path, failure: &BuildFailure) {
    let place = match failure.line {
        Some(line) => format!("{}:{line}", dockerfile.display()),
        None => dockerfile.display().to_string(),
    };
    printer.error(&format!("the image for {label} could not be built: {}", failure.message), None);
    printer.err(&format!("   {} {place}", printer.paint(6, "-->")));
    if !failure.step.is_empty() {
        printer.err(&format!("       {}", failure.step));
    }
    for line in &failure.output {
        printer.err(&format!("     {} {line}", printer.paint(6, "|")));
    }
    if let Some(help) = &failure.help {
        printer.err(&format!(" {} {help}", printer.paint(6, "help:")));
    }
}
