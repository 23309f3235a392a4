//! What a build on Heroku knows, and what it does not.

use super::files::built_steps;
use crate::diagnostic::Severity;
use crate::dockerfile::{Instruction, Pair, names};
use crate::lint::hits::{Hit, Hits};
use crate::lint::rule::{Check, Rule};
use crate::lint::scene::{Image, Scene};
use crate::lint::shell;
use std::collections::BTreeSet;

/// D031
pub(super) static EMPTY_ARG: Rule = Rule {
    id: "D031",
    name: "empty-arg",
    severity: Severity::Warning,
    summary: "Heroku passes a build what stands under `build.config` of heroku.yml, and nothing else",
    explanation: "An ARG has no default, is used, and heroku.yml sets no such key under `build.config`: it is empty in Heroku's \
        build. Config vars are not build args. Give it a default, or a value in heroku.yml (which is in Git: no secrets).\n\nThe \
        rule says nothing without a heroku.yml (`container:push --arg` gives what it is told), where a default stands at the \
        use (`${NAME:-x}`), and where the RUN asks what the variable holds before it uses it.",
    source: "R2 (build.config), R8",
    wrong: "ARG NODE_ENV\nRUN npm run build:$NODE_ENV",
    right: "ARG NODE_ENV=production\nRUN npm run build:$NODE_ENV",
    confirmed: Some("the build fails for an empty text, exit code 3; the mended one builds"),
    check: Check::Files(empty_arg),
};

/// D032
pub(super) static UNUSED_CONFIG: Rule = Rule {
    id: "D032",
    name: "unused-build-config",
    severity: Severity::Warning,
    summary: "a key of `build.config` reaches a build only where an ARG of that name is declared",
    explanation: "heroku.yml sets a build arg that no Dockerfile it builds declares with ARG. It has no effect, and it is not a \
        config var of the app either: those stand under `setup.config`, for a new app, or are set with `heroku \
        config:set`.",
    source: "R2 (build.config)",
    wrong: "build:\n  docker:\n    web: Dockerfile\n  config:\n    RAILS_ENV: production    # the Dockerfile has no ARG RAILS_ENV",
    right: "# Dockerfile\nARG RAILS_ENV",
    confirmed: Some("the variable is empty; in the mended one it has its value"),
    check: Check::Files(unused_config),
};

/// D033
pub(super) static CONFIG_VAR: Rule = Rule {
    id: "D033",
    name: "config-var-in-build",
    severity: Severity::Warning,
    summary: "config vars are not there while an image is built: in a RUN this variable is empty",
    explanation: "A RUN uses a variable that is a config var of the app, and the Dockerfile sets it neither with ARG nor with ENV. \
        What needs a database or a key belongs into the release phase, or into the start of the dyno.",
    source: "R8",
    wrong: "RUN psql $DATABASE_URL -f schema.sql",
    right: "# heroku.yml\nrelease:\n  image: web\n  command:\n    - psql $DATABASE_URL -f schema.sql",
    confirmed: Some("the build fails for an empty text, exit code 3; the mended one does it at the start"),
    check: Check::Files(config_var),
};

/// Set by the builder itself.
fn is_predefined(name: &str) -> bool {
    let proxy = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];
    let upper = name.to_ascii_uppercase();
    proxy.contains(&upper.as_str())
        || ["TARGET", "BUILD"].iter().any(|side| {
            name.strip_prefix(side).is_some_and(|rest| ["PLATFORM", "OS", "ARCH", "VARIANT"].contains(&rest))
        })
        || name.starts_with("BUILDKIT_")
        || ["SOURCE_DATE_EPOCH", "TARGETSTAGE", "DEBIAN_FRONTEND"].contains(&name)
}

fn empty_arg(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    // `container:push --arg` says its own; only heroku.yml is known.
    if !scene.loaded.app.from_heroku_yml {
        return;
    }
    for image in &scene.images {
        let all: Vec<(usize, Pair)> = image
            .docker
            .instructions
            .iter()
            .enumerate()
            .filter(|(_, one)| one.keyword == "ARG")
            .flat_map(|(at, one)| one.pairs().into_iter().map(move |pair| (at, pair)))
            .collect();
        let has_value = |name: &str| all.iter().any(|(_, pair)| pair.name.text == name && pair.value.is_some());
        for (at, pair) in &all {
            let name = pair.name.text.as_str();
            if pair.value.is_some() || image.build.args.contains_key(name) || is_predefined(name) || has_value(name) {
                continue;
            }
            let Some(user) = used_after(image, *at, name) else { continue };
            let config = scene.loaded.app.config.get(name).is_some();
            let more = if config { "; its config var of that name is not there in a build" } else { "" };
            hits.push(
                Hit::new(format!("the build arg {name} is empty on Heroku: `{user}` uses it"))
                    .at(&image.file, pair.name.span.clone(), "no default, and not under `build.config`")
                    .help(format!("give it a default, or a value under `build.config` of heroku.yml{more}")),
            );
        }
    }
}

/// The first instruction behind `at` that uses a variable, in a way that minds that it is empty.
fn used_after(image: &Image, at: usize, name: &str) -> Option<String> {
    let uses = |text: &str| {
        names(text).contains(&name)
            && [format!("${name}"), format!("${{{name}}}")].iter().any(|plain| text.contains(plain))
    };
    let later =
        image.docker.instructions.iter().skip(at + 1).filter(|one| !["ARG", "LABEL"].contains(&one.keyword.as_str()));
    later
        .filter(|one| !["CMD", "ENTRYPOINT", "HEALTHCHECK"].contains(&one.keyword.as_str()))
        .find(|one| uses(one.body()) && !is_looked_at(one.body(), name))
        .map(Instruction::shown)
}

/// Whether a text asks what a variable holds before it uses it: `[ -n "$NAME" ]`, `case $NAME in`.
fn is_looked_at(text: &str, name: &str) -> bool {
    shell::commands(text).iter().any(|command| {
        let asks = command.words.first().is_some_and(|word| ["[", "[[", "test"].contains(&word.text.as_str()));
        asks && command.words.iter().any(|word| names(&word.text).contains(&name))
    }) || text.split("case ").skip(1).any(|rest| names(rest.split(" in").next().unwrap_or_default()).contains(&name))
}

fn unused_config(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let Some(file) = scene.heroku_yml.as_ref().filter(|_| !scene.images.is_empty()) else { return };
    let declared: BTreeSet<String> = scene
        .images
        .iter()
        .flat_map(|image| image.docker.instructions.iter().filter(|one| one.keyword == "ARG"))
        .flat_map(|one| one.pairs().into_iter().map(|pair| pair.name.text))
        .collect();
    if scene.images.iter().any(|image| image.docker.has_own_syntax()) {
        return;
    }
    let names: BTreeSet<&String> = scene.images.iter().flat_map(|image| image.build.args.keys()).collect();
    for name in names.into_iter().filter(|name| !declared.contains(*name) && !is_predefined(name)) {
        let Some(span) = key_under(&file.text, "config:", name) else { continue };
        hits.push(
            Hit::new(format!("`build.config.{name}` has no effect: no Dockerfile declares `ARG {name}`"))
                .at(file, span, "without effect")
                .help(format!("add `ARG {name}` where the Dockerfile needs it, or take it out; config vars belong under `setup.config`")),
        );
    }
}

/// A key that stands below another in heroku.yml, behind `build:`.
fn key_under(text: &str, section: &str, name: &str) -> Option<std::ops::Range<usize>> {
    let build =
        text.match_indices("build:").find(|(at, _)| *at == 0 || text[..*at].ends_with('\n')).map(|(at, _)| at)?;
    let start = build + text[build..].find(section)?;
    let mut at = start;
    for line in text[start..].split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        let key = line.trim_start().trim_start_matches(['"', '\'']);
        if key.strip_prefix(name).is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
        {
            let from = at + indent + (line.trim_start().len() - key.len());
            return Some(from..from + name.len());
        }
        at += line.len();
    }
    None
}

fn config_var(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let app = &scene.loaded.app;
    let of_addons = app.addons.iter().flat_map(|addon| addon.variables.iter().map(String::as_str));
    let missing = scene.loaded.missing.iter().map(|var| var.name.as_str());
    let vars: BTreeSet<&str> = app.config.iter().map(|(name, _)| name).chain(of_addons).chain(missing).collect();
    for image in &scene.images {
        let set: BTreeSet<String> = image
            .docker
            .instructions
            .iter()
            .filter(|one| ["ARG", "ENV"].contains(&one.keyword.as_str()))
            .flat_map(|one| one.pairs().into_iter().map(|pair| pair.name.text))
            .collect();
        for (_, one) in built_steps(image).filter(|(_, one)| one.keyword == "RUN" && one.heredocs.is_empty()) {
            if one.flag("mount").is_some() {
                continue;
            }
            let body = one.body();
            let found = shell::commands(body).into_iter().flat_map(|command| command.words).find_map(|word| {
                let plain = |name: &str| {
                    [format!("${name}"), format!("${{{name}}}")].iter().any(|form| word.text.contains(form))
                };
                let used = names(&word.text)
                    .into_iter()
                    .find(|name| vars.contains(name) && !set.contains(*name) && plain(name))?;
                let assigned = body.contains(&format!("{used}=")) || body.contains(&format!("read {used}"));
                (!word.literal && !assigned).then(|| (used.to_owned(), word.range))
            });
            let Some((name, range)) = found else { continue };
            hits.push(
                Hit::new(format!("{name} is empty while the image is built: it is a config var"))
                    .at(&image.file, one.body_span(range), "empty in a build")
                    .help("do this in the release phase, or when the dyno starts; or declare an ARG with a value that is no secret"),
            );
        }
    }
}
