//! Findings as SARIF 2.1.0, for what collects them beside the code.

use super::Below;
use crate::diagnostic::Severity;
use crate::lint::{Checked, Finding, Passed, RULES, Rule};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The whole log, of one run.
pub(super) fn of(checked: &Checked, below: &Below) -> Value {
    let kept = checked.findings.iter().map(|finding| result(finding, None, below));
    let ignored = checked.ignored.iter().map(|(finding, passed)| result(finding, Some(passed), below));
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "dynosim",
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": RULES.iter().map(|rule| self::rule(rule)).collect::<Vec<_>>(),
                },
            },
            "columnKind": "unicodeCodePoints",
            "results": kept.chain(ignored).collect::<Vec<_>>(),
        }],
    })
}

fn rule(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.explanation},
        "help": {"text": rule.text()},
        "defaultConfiguration": {"level": level(rule.severity)},
    })
}

fn result(finding: &Finding, passed: Option<&Passed>, below: &Below) -> Value {
    let diagnostic = &finding.diagnostic;
    let text = match &diagnostic.help {
        Some(help) => format!("{}. Fix: {help}", diagnostic.title),
        None => diagnostic.title.clone(),
    };
    let mut result = json!({
        "ruleId": finding.rule.id,
        "ruleIndex": RULES.iter().position(|rule| rule.id == finding.rule.id),
        "level": level(diagnostic.severity),
        "message": {"text": text},
    });
    if let Some(((file, _), [start, end])) = diagnostic.place.as_ref().zip(diagnostic.region()) {
        result["locations"] = json!([{
            "physicalLocation": {
                "artifactLocation": {"uri": uri(&below.name(&file.name)), "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": start.0, "startColumn": start.1, "endLine": end.0, "endColumn": end.1},
            },
        }]);
    }
    if let Some(Passed { reason, outside }) = passed {
        let kind = if *outside { "external" } else { "inSource" };
        result["suppressions"] = json!([{"kind": kind, "justification": reason}]);
    }
    result
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// A path as a relative reference.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::{Below, of, uri};
    use crate::diagnostic::{Diagnostic, SourceFile};
    use crate::lint::{Checked, Finding, Passed, RULES};
    use std::sync::Arc;

    #[test]
    fn the_log_has_what_the_format_requires() {
        let file = Arc::new(SourceFile { name: "my app/Dockerfile".into(), text: "FROM x\nCMD é 1\n".into() });
        let diagnostic = Diagnostic::error("wrong").at(&file, 14..15, "here").help("mend it");
        let finding = |place: bool| Finding {
            rule: RULES[3],
            diagnostic: if place { diagnostic.clone() } else { Diagnostic::note("the image") },
            fix: None,
        };
        let passed = |outside: bool| (finding(true), Passed { reason: "why".into(), outside });
        let checked = Checked {
            findings: vec![finding(true), finding(false)],
            ignored: vec![passed(false), passed(true)],
            ..Checked::default()
        };
        let log = of(&checked, &Below::of(std::path::Path::new("/nowhere")));
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        assert_eq!(rules.len(), RULES.len());
        for rule in rules {
            for key in ["id", "name"] {
                assert!(rule[key].is_string(), "{rule}");
            }
            assert!(rule["shortDescription"]["text"].is_string() && rule["help"]["text"].is_string());
        }
        let results = run["results"].as_array().unwrap();
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            assert!(result["message"]["text"].is_string());
            assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        }
        let place = &results[0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "my%20app/Dockerfile");
        assert_eq!(place["region"]["startLine"], 2);
        assert_eq!(place["region"]["startColumn"], 7, "columns are characters");
        assert_eq!(results[2]["suppressions"][0]["justification"], "why");
        assert_eq!(results[2]["suppressions"][0]["kind"], "inSource");
        assert_eq!(results[3]["suppressions"][0]["kind"], "external");
        assert_eq!(uri("ä.sh"), "%C3%A4.sh");
    }
}
