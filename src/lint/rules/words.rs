//! Commands that meet an `ENTRYPOINT` in words, without a shell between (R1.4).

use super::commands::{is_shell, own_words};
use crate::diagnostic::{Severity, SourceFile};
use crate::dockerfile::Form;
use crate::lint::command::{dollar_names, has_extension};
use crate::lint::hits::{Hit, Hits};
use crate::lint::rule::{Check, Rule};
use crate::lint::scene::{Image, Process, Scene, Setting};
use crate::model::launch::shellwords_split;
use std::ops::Range;
use std::sync::Arc;

/// D012
pub(super) static NOT_INTERPRETED: Rule = Rule {
    id: "D012",
    name: "no-shell-for-command",
    severity: Severity::Warning,
    summary: "behind an ENTRYPOINT a command of heroku.yml is cut into words and no shell reads it",
    explanation: "The command holds shell syntax (`$NAME`, `&&`, a pipe), and the image has an ENTRYPOINT in exec form: each \
        word reaches it as written. Wrap the command in `sh -c '…'`, or leave the ENTRYPOINT out. `release` is not meant: \
        a release command always gets a shell.\n\nHeroku's texts do not say this plainly (R13#2), so it is \
        a warning.",
    source: "R1.4, R13#2",
    wrong: "run:\n  web: gunicorn --bind 0.0.0.0:$PORT app    # ENTRYPOINT [\"tini\", \"--\"]",
    right: "run:\n  web: sh -c 'gunicorn --bind 0.0.0.0:$PORT app'",
    confirmed: Some("the server is told the port `$PORT` and crashes; the mended one is up"),
    check: Check::Files(not_interpreted),
};

/// D013
pub(super) static ONE_WORD: Rule = Rule {
    id: "D013",
    name: "shell-takes-one-word",
    severity: Severity::Error,
    summary: "`sh -c` runs only the first word it is given; the rest become $0, $1, …",
    explanation: "The ENTRYPOINT is a shell with `-c`, and the command is several words: only the first of them runs. Give \
        it the whole command as one word, or leave the ENTRYPOINT out: Heroku gives a command to `/bin/sh -c` by itself.",
    source: "R1.4",
    wrong: "ENTRYPOINT [\"/bin/sh\", \"-c\"]\nCMD [\"httpd\", \"-f\"]",
    right: "CMD [\"httpd\", \"-f\"]",
    confirmed: Some("only the first word runs"),
    check: Check::Files(one_word),
};

/// D059
pub(super) static TWICE: Rule = Rule {
    id: "D059",
    name: "program-twice",
    severity: Severity::Warning,
    summary: "behind an ENTRYPOINT a command of heroku.yml becomes its arguments, and does not take its place",
    explanation: "The ENTRYPOINT is a program, and the command of heroku.yml (or the CMD) begins with the same one: `java -jar app.jar \
        java -jar app.jar`. Name the program once: leave the ENTRYPOINT out, or give arguments alone.",
    source: "R1.4",
    wrong: "run:\n  web: java -jar app.jar        # ENTRYPOINT [\"java\", \"-jar\", \"app.jar\"]",
    right: "# Dockerfile\nCMD java -jar app.jar",
    confirmed: Some("the program is given its own name and crashes; the mended one is up"),
    check: Check::Files(twice),
};

fn not_interpreted(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (process, image) in scene.each() {
        let Some(overlay) = process.command.as_ref().filter(|_| !process.name.is_release()) else { continue };
        let entry = own_words(&image.entrypoint);
        if entry.is_empty() || entry.iter().any(is_shell) {
            continue;
        }
        let evaluates = |text: &str| ["eval", "envsubst", "sh -c", "bash -c"].iter().any(|word| text.contains(word));
        let unseen = process.run.scripts.is_empty() && has_extension(&entry[0].text, "sh");
        if unseen || process.run.scripts.iter().any(|script| evaluates(&script.content.file.text)) {
            continue;
        }
        let words = shellwords_split(&overlay.command.text).unwrap_or_default();
        let starts_shell =
            words.iter().any(|word| ["sh", "bash"].contains(&word.rsplit('/').next().unwrap_or_default()));
        let syntax = words.iter().find(|word| ["&&", "||", "|", ";", ">", "<", "&"].contains(&word.as_str()));
        let variable = words.iter().find(|word| !dollar_names(word).is_empty());
        let Some(piece) = syntax.or(variable).filter(|_| !starts_shell) else { continue };
        hits.push(
            Hit::new(format!(
                "no shell reads the command of {}: `{piece}` reaches the ENTRYPOINT as written",
                process.name
            ))
            .at(&overlay.file, overlay.span.clone(), format!("the image's ENTRYPOINT is `{}`", entry[0].text))
            .help("wrap the command in `sh -c '…'`, or leave the ENTRYPOINT out of the Dockerfile"),
        );
    }
}

/// The words that an `ENTRYPOINT` is given, and where they stand.
fn behind_entrypoint<'s>(
    process: &'s Process,
    image: &'s Image,
) -> Option<(Vec<String>, &'s Arc<SourceFile>, Range<usize>)> {
    match (&process.command, &image.cmd) {
        (Some(overlay), _) => {
            let words = shellwords_split(&overlay.command.text).unwrap_or_default();
            Some((words, &overlay.file, overlay.span.clone()))
        }
        (None, Setting::Own(at, Form::Exec(words))) => {
            let words = words.iter().map(|word| word.text.clone()).collect();
            Some((words, &image.file, image.docker.instructions[*at].span.clone()))
        }
        _ => None,
    }
}

fn one_word(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (process, image) in scene.each() {
        let entry = own_words(&image.entrypoint);
        let [shell, .., last] = entry else { continue };
        let takes_text = last.text.starts_with('-') && !last.text.starts_with("--") && last.text.ends_with('c');
        if !is_shell(shell) || !takes_text || process.name.is_release() {
            continue;
        }
        let Some((words, file, span)) = behind_entrypoint(process, image) else { continue };
        if words.len() > 1 {
            hits.push(
                Hit::new(format!(
                    "of the command of {} only `{}` runs: the ENTRYPOINT is `{} {}`",
                    process.name, words[0], shell.text, last.text
                ))
                .at(file, span, format!("{} words, the shell takes one", words.len()))
                .help("leave the ENTRYPOINT out, or give it the whole command as one word"),
            );
        }
    }
}

fn twice(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (process, image) in scene.each().filter(|(process, _)| !process.name.is_release()) {
        let [first, ..] = own_words(&image.entrypoint) else { continue };
        let name = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
        let Some((words, file, span)) = behind_entrypoint(process, image) else { continue };
        // Wrappers and scripts run what they are given.
        let script = process.run.scripts.iter().any(|script| script.entrypoint);
        let wraps = ["env", "tini", "dumb-init", "sudo", "exec", "npx", "bundle", "poetry", "busybox"]
            .contains(&name(&first.text).as_str());
        if script
            || wraps
            || is_shell(first)
            || has_extension(&first.text, "sh")
            || words.first().is_none_or(|word| name(word) != name(&first.text))
        {
            continue;
        }
        hits.push(
            Hit::new(format!(
                "the command of {} begins with `{}`, which its ENTRYPOINT already is",
                process.name, words[0]
            ))
            .at(file, span, "becomes arguments of the ENTRYPOINT")
            .help("leave the ENTRYPOINT out of the Dockerfile, or give arguments alone"),
        );
    }
}
