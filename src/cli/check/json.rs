//! Findings as one object.

use crate::lint::{Checked, Finding, severity_word};
use serde_json::{Value, json};

/// All of them.
pub(super) fn of(checked: &Checked) -> Value {
    let ignored = checked.ignored.iter().map(|(one, passed)| {
        let mut value = finding(one);
        value["reason"] = json!(passed.reason);
        value
    });
    json!({
        "findings": checked.findings.iter().map(finding).collect::<Vec<_>>(),
        "ignored": ignored.collect::<Vec<_>>(),
        "complete": !checked.partial,
    })
}

/// One of them; places are numbers from 1, columns count characters.
pub(super) fn finding(finding: &Finding) -> Value {
    let diagnostic = &finding.diagnostic;
    let region = diagnostic.region();
    json!({
        "rule": finding.rule.id,
        "name": finding.rule.name,
        "severity": severity_word(diagnostic.severity),
        "title": diagnostic.title,
        "why": finding.rule.summary,
        "file": diagnostic.place.as_ref().map(|(file, _)| &file.name),
        "line": region.map(|[start, _]| start.0),
        "column": region.map(|[start, _]| start.1),
        "end_line": region.map(|[_, end]| end.0),
        "end_column": region.map(|[_, end]| end.1),
        "help": diagnostic.help,
        "fixable": finding.fix.is_some(),
    })
}
