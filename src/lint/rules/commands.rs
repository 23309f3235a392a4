//! How `ENTRYPOINT`, `CMD` and commands of heroku.yml become one command line (R1.4).

use crate::diagnostic::Severity;
use crate::dockerfile::{Form, Word};
use crate::lint::bases::{Default as BaseDefault, Entry};
use crate::lint::command::dollar_names;
use crate::lint::fix::Fix;
use crate::lint::hits::{Hit, Hits};
use crate::lint::rule::{Check, Rule};
use crate::lint::scene::{Image, Process, Scene, Setting};

/// D004
pub(super) static LITERAL_VARIABLE: Rule = Rule {
    id: "D004",
    name: "exec-form-variable",
    severity: Severity::Error,
    summary: "an exec form has no shell: the program gets the letters `$PORT`, on Heroku as in Docker",
    explanation: "A variable stands in a CMD or ENTRYPOINT that is written as a JSON list. Nobody replaces it. Heroku keeps \
        such a CMD with its `$` escaped, so the shell that it is given to does not replace it either.\n\nThe rule says \
        nothing where a shell is in the list (`[\"sh\", \"-c\", \"… $PORT\"]`), where the entrypoint is a script of the \
        project that evaluates its arguments, and where heroku.yml lays another command over the image.",
    source: "R1.4",
    wrong: "CMD [\"gunicorn\", \"--bind\", \"0.0.0.0:$PORT\", \"app:app\"]",
    right: "CMD exec gunicorn --bind 0.0.0.0:$PORT app:app",
    confirmed: Some("the server is told the port `$PORT` and crashes; the mended one is up"),
    check: Check::Files(literal_variable),
};

/// D008
pub(super) static NO_COMMAND: Rule = Rule {
    id: "D008",
    name: "no-command",
    severity: Severity::Error,
    summary: "Heroku refuses to release an image without a command: `No command specified for process type web`",
    explanation: "The image has no CMD. That is so where neither the Dockerfile nor its base image sets one, and where an \
        ENTRYPOINT takes the base image's CMD away. An ENTRYPOINT alone is not enough for Heroku.",
    source: "R1.3",
    wrong: "FROM node:20\nENTRYPOINT [\"node\", \"server.js\"]",
    right: "FROM node:20\nCMD [\"node\", \"server.js\"]",
    confirmed: Some("refused in Heroku's words, exit code 4"),
    check: Check::Files(no_command),
};

/// D009
pub(super) static PROMPT: Rule = Rule {
    id: "D009",
    name: "prompt-of-base",
    severity: Severity::Error,
    summary: "a process that ends, whatever its status, is a crash on Heroku",
    explanation: "The Dockerfile has no CMD, so the base image's counts: a shell or the prompt of a language. Where nobody \
        types it ends at once, and the dyno has crashed.",
    source: "R1.3, R5.4",
    wrong: "FROM python:3.11\nCOPY . /app",
    right: "FROM python:3.11\nCOPY . /app\nCMD [\"python\", \"/app/main.py\"]",
    confirmed: Some("ends with status 0 and has crashed"),
    check: Check::Files(prompt),
};

/// D010
pub(super) static SHELL_ENTRYPOINT: Rule = Rule {
    id: "D010",
    name: "entrypoint-ignores-command",
    severity: Severity::Error,
    summary: "an ENTRYPOINT in shell form runs its own text and never sees the command, of Heroku's one-off dynos neither",
    explanation: "`ENTRYPOINT text` is `/bin/sh -c text`; the command becomes arguments that nothing reads. So CMD, `run` of \
        heroku.yml, and `heroku run bash` all start the text. Write it in exec form, or as CMD.",
    source: "R1.4",
    wrong: "ENTRYPOINT python\nCMD [\"app.py\"]",
    right: "ENTRYPOINT [\"python\"]\nCMD [\"app.py\"]",
    confirmed: Some("the one-off command is not run; the mended one runs it"),
    check: Check::Files(shell_entrypoint),
};

/// D011
pub(super) static DEAF_SCRIPT: Rule = Rule {
    id: "D011",
    name: "script-ignores-command",
    severity: Severity::Warning,
    summary: "one-off dynos, the release phase and `run` of heroku.yml all go through the ENTRYPOINT",
    explanation: "The entrypoint is a script that never looks at its arguments. What Heroku gives it, it starts the same \
        thing: `heroku run bash` starts another server. End it in `exec \"$@\"`, and name the server in CMD.",
    source: "R1.4, R1.6",
    wrong: "#!/bin/sh\npython manage.py migrate\ngunicorn app",
    right: "#!/bin/sh\npython manage.py migrate\nexec \"$@\"",
    confirmed: Some("the one-off command is not run; the mended one runs it"),
    check: Check::Files(deaf_script),
};

/// D015
pub(super) static NO_SHELL: Rule = Rule {
    id: "D015",
    name: "no-shell-in-image",
    severity: Severity::Error,
    summary: "without an ENTRYPOINT Heroku starts a command by `/bin/sh -c`, and this image has no /bin/sh",
    explanation: "The image is built from scratch or a distroless base. Name the program in ENTRYPOINT: Heroku runs that \
        without a shell; a CMD must be there too. A release command always needs a shell, in whatever image it runs.",
    source: "R1.4, R1.6",
    wrong: "FROM scratch\nCOPY app /app\nCMD [\"/app\"]",
    right: "FROM scratch\nCOPY app /app\nENTRYPOINT [\"/app\"]\nCMD [\"serve\"]",
    confirmed: Some("crashes for want of /bin/sh; the mended one is up"),
    check: Check::Files(no_shell),
};

pub(super) fn own_words(setting: &Setting) -> &[Word] {
    match setting {
        Setting::Own(_, Form::Exec(words)) => words,
        _ => &[],
    }
}

pub(super) fn is_shell(word: &Word) -> bool {
    let name = word.text.rsplit('/').next().unwrap_or_default();
    ["sh", "bash", "ash", "dash", "zsh", "busybox", "eval", "envsubst", "sigil"].contains(&name)
}

fn literal_variable(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (process, image) in scene.each() {
        if process.name.is_release() {
            continue;
        }
        let entry = own_words(&image.entrypoint);
        let command = if process.command.is_some() { &[][..] } else { own_words(&image.cmd) };
        let evaluates = |text: &str| ["eval", "envsubst", "sh -c", "bash -c"].iter().any(|word| text.contains(word));
        let shells = entry.iter().chain(command).any(is_shell);
        if shells || process.run.scripts.iter().any(|script| evaluates(&script.content.file.text)) {
            continue;
        }
        if matches!(image.entrypoint, Setting::Own(_, Form::Shell(_))) {
            continue;
        }
        for word in entry.iter().chain(command) {
            let names = dollar_names(&word.text);
            let Some(name) = names.iter().find(|name| name.chars().all(|c| !c.is_ascii_lowercase())) else { continue };
            let hit = Hit::new(format!("no shell replaces the variable in `{}`", word.text))
                .at(&image.file, word.span.clone(), format!("the program gets the letters `${name}`"))
                .help("write CMD in shell form, without brackets, or as `[\"sh\", \"-c\", \"exec …\"]`")
                .fix(shell_form(image, process, entry));
            hits.push(hit);
        }
    }
}

/// The exec form as a shell form, where every word says the same in both.
fn shell_form(image: &Image, process: &Process, entry: &[Word]) -> Option<Fix> {
    let Setting::Own(at, Form::Exec(words)) = &image.cmd else { return None };
    let first = words.first().map_or("", |word| word.text.as_str());
    let known = matches!(image.entrypoint, Setting::Base)
        && image.known.is_some_and(|known| {
            // Node's ENTRYPOINT puts `node` before what is no program, PHP's `php` before an option.
            let node = image.base.as_ref().is_some_and(|base| base.name == "node");
            let program = ["node", "npm", "npx", "yarn", "pnpm", "sh", "bash"].contains(&first);
            let as_is = !first.starts_with('-') && (program || !node);
            known.shell && (known.entry == Entry::None || (known.entry == Entry::PassesOn && as_is))
        });
    if !entry.is_empty() || !known || process.command.is_some() || image.types.len() != 1 {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.,:+/@=${}".contains(c);
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let fine = texts.iter().all(|text| !text.is_empty() && text.chars().all(plain));
    let one = &image.docker.instructions[*at];
    let span = one.body_span(0..one.body().trim_end().len());
    fine.then(|| Fix::replace(&image.file, span, &format!("exec {}", texts.join(" ")))).flatten()
}

fn no_command(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (process, image) in scene.each() {
        if process.command.is_some() || scene.is_base(process) {
            continue;
        }
        let name = &process.name;
        match &image.cmd {
            Setting::TakenAway(at) => {
                let one = &image.docker.instructions[*at];
                hits.push(
                    Hit::new(format!("the image of {name} has an ENTRYPOINT and no CMD"))
                        .at(&image.file, one.span.clone(), "takes the base image's CMD away")
                        .help("add a CMD: the arguments of the ENTRYPOINT, or the command in place of it"),
                );
            }
            Setting::Own(at, Form::Exec(words)) if words.is_empty() => {
                let one = &image.docker.instructions[*at];
                hits.push(
                    Hit::new(format!("the CMD of {name} is empty"))
                        .at(&image.file, one.span.clone(), "no command")
                        .help("name the program that this process type runs"),
                );
            }
            Setting::Base
                if image
                    .known
                    .is_some_and(|known| known.default == BaseDefault::Nothing && known.entry != Entry::Program) =>
            {
                let Some(from) = image.from() else { continue };
                hits.push(
                    Hit::new(format!("the image of {name} has no CMD, and {} has none either", from.image.text))
                        .at(&image.file, from.image.span.clone(), "without a command")
                        .help("add a CMD that names the program"),
                );
            }
            _ => {}
        }
    }
}

fn prompt(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (process, image) in scene.each() {
        let (Some(known), Some(from)) = (image.known, image.from()) else { continue };
        let BaseDefault::Prompt(program) = known.default else { continue };
        if process.command.is_some()
            || image.cmd != Setting::Base
            || image.entrypoint != Setting::Base
            || scene.is_base(process)
        {
            continue;
        }
        hits.push(
            Hit::new(format!("{} runs `{program}` of its base image: the Dockerfile has no CMD", process.name))
                .at(&image.file, from.image.span.clone(), format!("its CMD is `{program}`"))
                .help("add a CMD that names the app's program"),
        );
    }
}

fn shell_entrypoint(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (process, image) in scene.each() {
        let Setting::Own(at, Form::Shell(word)) = &image.entrypoint else { continue };
        let hears = ["$@", "$*", "$0", "$1", "${@", "${*", "${0", "${1"].iter().any(|sign| word.text.contains(sign));
        let command =
            process.command.is_some() || matches!(&image.cmd, Setting::Own(_, form) if *form != Form::Exec(Vec::new()));
        if hears || !command || process.name.is_release() {
            continue;
        }
        let whose = if process.command.is_some() { "its command" } else { "CMD" };
        let one = &image.docker.instructions[*at];
        // That has its own finding.
        if one.is_broken_list() {
            continue;
        }
        hits.push(
            Hit::new(format!("the ENTRYPOINT of {} is in shell form and ignores {whose}", process.name))
                .at(&image.file, one.span.clone(), "runs this text and nothing else")
                .help("write it in exec form (`[\"program\", \"argument\"]`), or make it the CMD"),
        );
    }
}

fn deaf_script(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (process, image) in scene.each() {
        for script in process.run.scripts.iter().filter(|script| script.entrypoint && !script.passes_on) {
            let followed = process.run.scripts.iter().any(|other| !other.entrypoint);
            if followed && process.run.scripts.iter().any(|other| other.passes_on) {
                continue;
            }
            let file = &script.content.file;
            let line = file.text.lines().count().max(1);
            let last = (1..=line)
                .rev()
                .find(|line| !file.text[crate::diagnostic::line_span(&file.text, *line)].trim().is_empty());
            let span = crate::diagnostic::line_span(&file.text, last.unwrap_or(1));
            let ignored = if process.command.is_some() || matches!(image.cmd, Setting::Own(..)) {
                "the command"
            } else {
                "what it is given"
            };
            hits.push(
                Hit::new(format!("the entrypoint {} never looks at its arguments: {ignored} is ignored", file.name))
                    .at(file, span, "nothing here runs \"$@\"")
                    .help("end it in `exec \"$@\"`, and name the server in CMD"),
            );
        }
    }
}

fn no_shell(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (process, image) in scene.each() {
        let (Some(known), Some(from)) = (image.known, image.from()) else { continue };
        if known.shell || brings_shell(image) {
            continue;
        }
        let own = matches!(&image.entrypoint, Setting::Own(_, Form::Exec(words)) if !words.is_empty());
        let entry = own || (image.entrypoint == Setting::Base && known.entry == Entry::Program);
        let base = &from.image;
        if process.name.is_release() {
            hits.push(
                Hit::new("a release command gets `/bin/sh -c`, and its image has no shell")
                    .at(&image.file, base.span.clone(), "no /bin/sh in it")
                    .help("run the release phase on an image that has a shell"),
            );
        } else if !entry {
            hits.push(
                Hit::new(format!("{} has neither a shell nor an ENTRYPOINT: Heroku cannot start it", process.name))
                    .at(&image.file, base.span.clone(), "no /bin/sh in it")
                    .help("name the program in ENTRYPOINT, in exec form, and its arguments in CMD"),
            );
        }
    }
}

/// Whether a shell may come into the image by a `COPY` or an archive.
fn brings_shell(image: &Image) -> bool {
    image.steps().any(|(_, one)| match one.keyword.as_str() {
        "ADD" => true,
        "COPY" => {
            let words = one.paths().unwrap_or_default();
            let whole = words.last().is_some_and(|word| word.text == "/");
            let shell = words.iter().any(|word| {
                ["sh", "bash", "busybox"].contains(&word.text.rsplit('/').next().unwrap_or_default())
                    && !word.text.ends_with("/busybox")
                    || word.text == "/bin/sh"
                    || word.text == "/bin"
                    || word.text == "/bin/"
            });
            whole || shell
        }
        _ => false,
    })
}
