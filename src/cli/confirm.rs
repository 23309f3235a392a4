//! A question with yes or no.

use super::printer::Printer;
use super::terminal;
use crate::diagnostic::Diagnostic;
use crate::platform::PlatformError;
use std::io::BufRead;

/// Asks on the terminal; where there is none, says which switch stands for yes.
pub(super) fn confirm(printer: Printer, question: &str) -> Result<bool, PlatformError> {
    if !terminal::is_interactive() || printer.json {
        let finding = Diagnostic::error("there is nobody to ask: stdin or stdout is no terminal").help("add --yes");
        return Err(PlatformError::Project(vec![finding]));
    }
    printer.err(&format!("{question} [y/N]"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(PlatformError::io("read the answer"))?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
