//! Findings that are let pass, with a reason: a comment above the place, or an entry of `dynosim.toml`.

use super::hits::Finding;
use super::rule::Rule;
use super::rules::RULES;
use super::settings::Settings;
use super::{Found, id_of};
use crate::diagnostic::{Diagnostic, SourceFile, line_span};
use crate::dockerfile;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What begins such a comment, behind the `#`.
const WORD: &str = "dynosim-ignore";

/// Findings that stay, and those that were let pass with their reasons.
pub(super) struct Sifted {
    pub(super) kept: Vec<Finding>,
    pub(super) ignored: Vec<(Finding, Passed)>,
}

/// Why a finding was let pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// In the words of who did.
    pub reason: String,
    /// In dynosim.toml, not beside the place.
    pub outside: bool,
}

/// First and last lines of the instructions of Dockerfiles, by the files' names.
type Instructions<'f> = BTreeMap<&'f str, Vec<(usize, usize)>>;

/// A comment that lets findings pass.
struct Comment {
    file: Arc<SourceFile>,
    span: Range<usize>,
    line: usize,
    ids: Vec<String>,
    reason: String,
    used: Vec<bool>,
}

/// Takes out what is let pass, and finds ignores that are for nothing. `files` are all that comments may stand in,
/// `dockerfiles` those of them where a comment counts for a whole instruction.
pub(super) fn sift(
    found: Found,
    files: &[Arc<SourceFile>],
    dockerfiles: &[&SourceFile],
    settings: &Settings,
    rule: &'static Rule,
) -> Sifted {
    let Found { passable, fatal, partial } = found;
    let mut comments: Vec<Comment> = files.iter().flat_map(comments).collect();
    let starts: Instructions = dockerfiles.iter().map(|file| (file.name.as_str(), instructions(file))).collect();
    let mut by_settings = vec![false; settings.ignores.len()];
    let mut sifted = Sifted { kept: Vec::new(), ignored: Vec::new() };
    let mut reason = |finding: &Finding| {
        by_comment(finding, &mut comments, &starts).or_else(|| {
            let entry = settings.ignores.iter().position(|entry| entry.is_meant(finding))?;
            by_settings[entry] = true;
            Some(Passed { reason: settings.ignores[entry].reason.clone(), outside: true })
        })
    };
    for finding in passable {
        match reason(&finding) {
            Some(passed) => sifted.ignored.push((finding, passed)),
            None => sifted.kept.push(finding),
        }
    }
    for mut finding in fatal {
        if reason(&finding).is_some() {
            let help = finding.diagnostic.help.take().map(|help| format!("{help}\n")).unwrap_or_default();
            finding.diagnostic.help =
                Some(help + "it cannot be let pass: the project is refused as long as it is there");
        }
        sifted.kept.push(finding);
    }
    sifted.kept.extend(comments.iter().flat_map(|comment| complaints(comment, rule, partial)));
    for (entry, used) in settings.ignores.iter().zip(by_settings) {
        let unknown = !RULES.iter().any(|known| known.id == entry.rule);
        if (!used && !partial) || unknown {
            let title = if unknown {
                format!("dynosim.toml ignores {}, which is no rule", entry.rule)
            } else {
                format!("dynosim.toml ignores {}, which finds nothing", entry.rule)
            };
            let said = Diagnostic::warning(title).at(&settings.file, entry.span.clone(), "for nothing");
            sifted.kept.push(finding(rule, said.help("take the entry out; `docs/rules-of-check.md` lists the rules")));
        }
    }
    sifted
}

fn finding(rule: &'static Rule, diagnostic: Diagnostic) -> Finding {
    Finding { rule, diagnostic: diagnostic.code(rule.id), fix: None }
}

/// The reason, where a comment stands in the lines directly above the finding, or above its instruction.
fn by_comment(finding: &Finding, comments: &mut [Comment], starts: &Instructions<'_>) -> Option<Passed> {
    let (file, _) = finding.diagnostic.place.as_ref()?;
    let line = finding.diagnostic.line()?;
    let instructions = starts.get(file.name.as_str()).into_iter().flatten();
    let instruction = instructions.into_iter().find(|(first, last)| (*first..=*last).contains(&line));
    let lines = [Some(line), instruction.map(|(first, _)| *first)];
    for comment in comments.iter_mut().filter(|comment| comment.file.name == file.name && !comment.reason.is_empty()) {
        let above = |line: usize| {
            comment.line < line
                && (comment.line + 1..line)
                    .all(|between| is_comment(&comment.file.text[line_span(&comment.file.text, between)]))
        };
        if !lines.into_iter().flatten().any(above) {
            continue;
        }
        if let Some(at) = comment.ids.iter().position(|id| id == finding.rule.id) {
            comment.used[at] = true;
            return Some(Passed { reason: comment.reason.clone(), outside: false });
        }
    }
    None
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// First and last lines of the instructions of a Dockerfile.
fn instructions(file: &SourceFile) -> Vec<(usize, usize)> {
    let read = dockerfile::read(&file.text).instructions;
    read.iter().map(|one| (one.line, one.line + file.text[one.span.clone()].matches('\n').count())).collect()
}

fn comments(file: &Arc<SourceFile>) -> Vec<Comment> {
    let mut found = Vec::new();
    let mut start = 0;
    for (number, line) in file.text.split_inclusive('\n').enumerate() {
        let at = start;
        start += line.len();
        let text = line.trim_start().strip_prefix('#').map(str::trim);
        let Some(rest) = text.and_then(|text| text.strip_prefix(WORD)) else { continue };
        if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-') {
            continue;
        }
        let (ids, reason) = rest.split_once(':').unwrap_or((rest, ""));
        let ids: Vec<String> = ids.split([',', ' ']).filter(|id| !id.is_empty()).map(id_of).collect();
        let indent = line.len() - line.trim_start().len();
        let span = at + indent..at + line.trim_end().len();
        let used = vec![false; ids.len()];
        found.push(Comment {
            file: Arc::clone(file),
            span,
            line: number + 1,
            ids,
            reason: reason.trim().to_owned(),
            used,
        });
    }
    found
}

/// What is wrong with a comment; where not everything was looked at, it may yet be needed.
fn complaints(comment: &Comment, rule: &'static Rule, partial: bool) -> Vec<Finding> {
    let say = |title: String, help: &str| {
        let said = Diagnostic::warning(title).at(&comment.file, comment.span.clone(), "ignores nothing");
        finding(rule, said.help(help.to_owned()))
    };
    if comment.ids.is_empty() {
        return vec![say("the ignore names no rule".into(), "write `# dynosim-ignore D014: <reason>`")];
    }
    if comment.reason.is_empty() {
        let help = format!("write why: `# {WORD} {}: <reason>`", comment.ids.join(", "));
        return vec![say(
            format!("the ignore of {} gives no reason, so it does not count", comment.ids.join(", ")),
            &help,
        )];
    }
    let known = |id: &String| RULES.iter().any(|known| known.id == id);
    let each = comment.ids.iter().zip(&comment.used).filter(|(id, used)| !(**used || partial && known(id)));
    each.map(|(id, _)| {
        if known(id) {
            say(format!("{id} finds nothing here: the ignore is for nothing"), "take it out")
        } else {
            say(format!("{id} is no rule"), "`docs/rules-of-check.md` lists the rules")
        }
    })
    .collect()
}
