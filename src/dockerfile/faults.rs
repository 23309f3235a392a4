//! What the builder refuses, and what it takes for something else than is meant.

use super::read::{Dockerfile, Fault, Instruction};

/// What the builder knows.
const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Adds the faults of a file whose instructions are read; `end` is the text's.
pub(super) fn find(file: &mut Dockerfile, end: usize) {
    if !file.has_own_syntax() {
        let found: Vec<Fault> = file.instructions.iter().filter_map(of).collect();
        file.faults.extend(found);
    }
    order(file, end);
}

fn of(one: &Instruction) -> Option<Fault> {
    if !KEYWORDS.contains(&one.keyword.as_str()) {
        let help = "every line begins with an instruction such as RUN, or belongs to the one above by a `\\` at that line's end";
        return Some(Fault {
            title: format!("`{}` is not an instruction", printable(&one.keyword)),
            span: one.keyword_span.clone(),
            label: REFUSES,
            help: help.into(),
        });
    }
    if one.is_broken_list() {
        let shell = ["CMD", "ENTRYPOINT", "RUN"].contains(&one.keyword.as_str());
        return Some(Fault {
            title: format!("the list of {} is no JSON", one.keyword),
            span: one.span.clone(),
            label: if shell { "the builder takes it for a text of the shell" } else { "no list of words" },
            help: "write double quotes around each word, a comma between two, and none behind the last: `[\"node\", \"server.js\"]`"
                .into(),
        });
    }
    let (title, help) = arguments(one)?;
    Some(Fault { title, span: one.span.clone(), label: REFUSES, help })
}

/// What most faults come to.
pub(super) const REFUSES: &str = "the builder refuses this";

/// What is wrong with what an instruction is given: a sentence, and how to mend it.
fn arguments(one: &Instruction) -> Option<(String, String)> {
    let keyword = one.keyword.as_str();
    let body = one.body().trim();
    let words = one.plain_words();
    let says = |wrong: &str, help: &str| Some((format!("{keyword} {wrong}"), help.to_owned()));
    if body.is_empty() {
        return match keyword {
            // These may be empty.
            "CMD" | "ENTRYPOINT" | "RUN" => None,
            "FROM" => says("names no image", "write `FROM <image>`"),
            _ => says("is given nothing", "give it what it is for, or take it out"),
        };
    }
    match keyword {
        "FROM" => {
            let named = words.len() == 3 && words[1].text.eq_ignore_ascii_case("as");
            let help = "write `FROM <image>` or `FROM <image> AS <name>`; a comment stands on a line of its own";
            if words.len() == 1 || named { None } else { says("takes an image, and a name behind AS", help) }
        }
        // Quotes do not keep words together here.
        "COPY" | "ADD" if one.paths().is_none() && body.split_whitespace().count() < 2 => says(
            "names one path: what is copied, or where to, is missing",
            &format!("write `{keyword} <source> <destination>`"),
        ),
        "ENV" | "LABEL" => {
            let assigns = words.first().is_some_and(|word| word.text.contains('='));
            let bare = words.iter().find(|word| !word.text.contains('='));
            if words.iter().any(|word| assigns && word.text.starts_with('=')) {
                return says("sets a value without a name", &format!("write `{keyword} NAME=value`"));
            }
            match bare {
                Some(_) if !assigns && words.len() > 1 => None,
                Some(bare) => says(
                    &format!("gives `{}` no value", printable(&bare.text)),
                    &format!("write `{keyword} NAME=value`, and quotes around a value with blanks"),
                ),
                None => None,
            }
        }
        "SHELL" if one.list().is_none() => says("takes a JSON list", "write `SHELL [\"/bin/bash\", \"-c\"]`"),
        "ONBUILD" => {
            let what = words.first().map(|word| word.text.to_ascii_uppercase()).unwrap_or_default();
            if ["ONBUILD", "FROM", "MAINTAINER"].contains(&what.as_str()) {
                return says(&format!("may not hold {what}"), "take it out, or hold another instruction");
            }
            None
        }
        "HEALTHCHECK" => {
            let what = words.first().map(|word| word.text.to_ascii_uppercase()).unwrap_or_default();
            let good = match what.as_str() {
                "NONE" => words.len() == 1,
                "CMD" => words.len() > 1,
                _ => false,
            };
            if good { None } else { says("takes `CMD <command>` or `NONE`", "write `HEALTHCHECK CMD <command>`") }
        }
        _ => None,
    }
}

/// Without signs that a terminal would obey.
fn printable(word: &str) -> String {
    word.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Only `ARG` may stand before the first `FROM`, and there must be one.
fn order(file: &mut Dockerfile, end: usize) {
    let first = file.instructions.iter().position(|one| one.keyword == "FROM");
    let early = file.instructions.iter().take(first.unwrap_or(usize::MAX)).find(|one| one.keyword != "ARG");
    if let Some(early) = early.filter(|one| KEYWORDS.contains(&one.keyword.as_str())) {
        file.faults.push(Fault {
            title: format!("`{}` stands before the first FROM", early.keyword),
            span: early.keyword_span.clone(),
            label: REFUSES,
            help: "begin the file with `FROM <image>`; only ARG may stand before it".into(),
        });
    } else if first.is_none() && file.faults.is_empty() {
        file.faults.push(Fault {
            title: "the Dockerfile has no FROM".into(),
            span: end..end,
            label: REFUSES,
            help: "begin the file with `FROM <image>`".into(),
        });
    }
}
