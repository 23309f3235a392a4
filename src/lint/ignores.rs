//! Findings that are let pass, with a reason: a comment above the place, or an entry of `dynosim.toml`.

use super::hits::Finding;
use super::rule::Rule;
use super::rules::RULES;
use super::settings::Settings;
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
    pub(super) ignored: Vec<(Finding, String)>,
}

/// A comment that lets findings pass.
struct Comment {
    file: Arc<SourceFile>,
    span: Range<usize>,
    line: usize,
    ids: Vec<String>,
    reason: String,
    used: Vec<bool>,
}

/// Takes out what is let pass, and finds ignores that are for nothing. `files` are all that comments may stand in.
pub(super) fn sift(found: Vec<Finding>, files: &[Arc<SourceFile>], settings: &Settings, rule: &'static Rule) -> Sifted {
    let mut comments: Vec<Comment> = files.iter().flat_map(comments).collect();
    let starts: BTreeMap<&str, Vec<(usize, usize)>> =
        files.iter().map(|file| (file.name.as_str(), instructions(file))).collect();
    let mut by_settings = vec![false; settings.ignores.len()];
    let mut sifted = Sifted { kept: Vec::new(), ignored: Vec::new() };
    for finding in found {
        let reason = by_comment(&finding, &mut comments, &starts).or_else(|| {
            let entry = settings.ignores.iter().position(|entry| {
                let name = finding.diagnostic.place.as_ref().map(|(file, _)| file.name.as_str());
                entry.rule == finding.rule.id && entry.file.as_deref().is_none_or(|file| name == Some(file))
            })?;
            by_settings[entry] = true;
            Some(settings.ignores[entry].reason.clone())
        });
        match reason {
            Some(reason) => sifted.ignored.push((finding, reason)),
            None => sifted.kept.push(finding),
        }
    }
    sifted.kept.extend(comments.iter().flat_map(|comment| complaints(comment, rule)));
    for (entry, used) in settings.ignores.iter().zip(by_settings) {
        let unknown = !RULES.iter().any(|known| known.id == entry.rule);
        if !used || unknown {
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
fn by_comment(
    finding: &Finding,
    comments: &mut [Comment],
    starts: &BTreeMap<&str, Vec<(usize, usize)>>,
) -> Option<String> {
    let (file, _) = finding.diagnostic.place.as_ref()?;
    let line = finding.diagnostic.line()?;
    let instruction = starts.get(file.name.as_str())?.iter().find(|(first, last)| (*first..=*last).contains(&line));
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
            return Some(comment.reason.clone());
        }
    }
    None
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// First and last lines of the instructions of a Dockerfile; none of other files.
fn instructions(file: &Arc<SourceFile>) -> Vec<(usize, usize)> {
    if !file.name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase().contains("dockerfile") {
        return Vec::new();
    }
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
        let ids: Vec<String> = ids.split([',', ' ']).filter(|id| !id.is_empty()).map(str::to_ascii_uppercase).collect();
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

fn complaints(comment: &Comment, rule: &'static Rule) -> Vec<Finding> {
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
    let each = comment.ids.iter().zip(&comment.used).filter(|(_, used)| !**used);
    each.map(|(id, _)| {
        if RULES.iter().any(|known| known.id == id) {
            say(format!("{id} finds nothing here: the ignore is for nothing"), "take it out")
        } else {
            say(format!("{id} is no rule"), "`docs/rules-of-check.md` lists the rules")
        }
    })
    .collect()
}
