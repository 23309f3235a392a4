//! Findings for people, as rustc shows them.

use super::counts;
use crate::cli::printer::Printer;
use crate::diagnostic::Severity;
use crate::dyno::explain::count;
use crate::lint::{Checked, Finding, RULES};

/// Prints findings on stdout and how it went on stderr.
pub(super) fn print(printer: Printer, checked: &Checked) {
    for finding in &checked.findings {
        printer.out(&format!("{}\n", rendered(finding, printer.out_colour).trim_end()));
    }
    let rules = count(RULES.len(), "rule");
    let passed = checked.ignored.len();
    let passed = if passed == 0 { String::new() } else { format!("; {} let pass", count(passed, "finding")) };
    if checked.findings.is_empty() {
        printer.err(&format!("{} {:<8} {rules}, nothing found{passed}", printer.paint(2, "✔"), "check"));
        return;
    }
    let errors = checked.count(Severity::Error) > 0;
    let fixable = checked.findings.iter().filter(|finding| finding.fix.is_some()).count();
    let fixable = if fixable == 0 { String::new() } else { format!("; `dynosim check --fix` mends {fixable}") };
    let (colour, sign) = if errors { (1, "✘") } else { (3, "!") };
    let counts = counts(checked, Severity::Note);
    printer.err(&format!("{} {:<8} {counts} of {rules}{passed}{fixable}", printer.paint(colour, sign), "check"));
}

fn rendered(finding: &Finding, colour: bool) -> String {
    let mut diagnostic = finding.diagnostic.clone();
    let more = format!("`dynosim explain {}` says more", finding.rule.id);
    diagnostic.help = Some(match diagnostic.help {
        Some(help) => format!("{help}\n{more}"),
        None => more,
    });
    diagnostic.render_with_reason(colour, finding.rule.summary)
}
