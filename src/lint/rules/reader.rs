//! What the reader of the project's files finds by itself: it says so in every command, and `check` gives it a number.

use crate::diagnostic::Severity;
use crate::lint::folder::text_of;
use crate::lint::hits::{Hit, Hits};
use crate::lint::rule::{Check, Rule};
use crate::lint::scene::Scene;

/// A rule of the reader's.
macro_rules! rule {
    ($item:ident, $id:literal, $name:literal, $severity:ident, $summary:literal, $explanation:literal, $source:literal, $wrong:literal, $right:literal, $confirmed:expr) => {
        pub(super) static $item: Rule = Rule {
            id: $id,
            name: $name,
            severity: Severity::$severity,
            summary: $summary,
            explanation: $explanation,
            source: $source,
            wrong: $wrong,
            right: $right,
            confirmed: $confirmed,
            check: Check::Reader,
        };
    };
}

rule!(
    HEROKU_YML_KEY,
    "D044",
    "heroku-yml-key",
    Error,
    "Heroku refuses a heroku.yml with a key that it does not know: `… in body is a forbidden property`",
    "A key is misspelt, or stands in the wrong section: `run` below `build`, `docker` at the margin, a key of Compose. The \
     finding says where it belongs.",
    "R2",
    "build:\n  run:\n    web: node server.js",
    "build:\n  docker:\n    web: Dockerfile\nrun:\n  web: node server.js",
    Some("refused with its line, exit code 2")
);
rule!(
    HEROKU_YML,
    "D045",
    "heroku-yml",
    Error,
    "Heroku refuses a manifest that it cannot read, and runs what it reads",
    "heroku.yml is no YAML, names a Dockerfile or an image that is not there, leaves a section empty, or leaves open which \
     image a command runs on.",
    "R2",
    "run:\n  worker:\n    command:\n      - work\n    image: wroker",
    "run:\n  worker:\n    command:\n      - work\n    image: worker",
    Some("refused with its line, exit code 2")
);
rule!(
    PROCFILE,
    "D046",
    "procfile-ignored",
    Warning,
    "Heroku's container stack does not read a Procfile: process types come from images and heroku.yml",
    "A Procfile lies beside Dockerfiles. dynosim lays its commands over the images, as `heroku local` would; on Heroku each \
     image runs its CMD, and `release:` is no release phase. Move the commands to `run` and `release` of heroku.yml.",
    "R1.6, R3",
    "Procfile: web: gunicorn app",
    "heroku.yml: run:\n  web: gunicorn app",
    None
);
rule!(
    REQUIRED,
    "D047",
    "required-config",
    Error,
    "app.json requires this config var, and nothing sets it: the app cannot be created, and here it does not start",
    "`env` of app.json lists a variable that is required (the default) without a value, and no .env, `-e` file or \
     `setup.config` sets it. Where there is no .env at all, which is so in a CI, it is a note.",
    "R4",
    "app.json: {\"env\": {\"STRIPE_KEY\": {}}}",
    ".env: STRIPE_KEY=sk_test_…",
    Some("`up` refuses to start, exit code 2")
);
rule!(
    NAME,
    "D048",
    "config-name",
    Warning,
    "Heroku asks for names of letters, digits and `_`, that begin with no digit and not with `__`",
    "A config var has a name outside of what Heroku documents. Heroku takes it all the same, and so does dynosim; but a shell \
     cannot read a variable with a dot in its name, and names with `__` in front are kept for the platform.",
    "R8",
    ".env: MY.KEY=1",
    ".env: MY_KEY=1",
    None
);
rule!(
    PLATFORM_NAME,
    "D049",
    "platform-config",
    Warning,
    "PORT and DYNO are the platform's, and names that begin with HEROKU_ are kept for it",
    "A file sets a variable that Heroku sets itself. PORT is the usual one: the app must take the port it is given, which is \
     another at every start. Of names that begin with HEROKU_ Heroku's texts only say that an app should not use them, so \
     those are a note; dynosim does not hand them to dynos.",
    "R8, R5.2",
    ".env: PORT=5000",
    "# none",
    Some("ignored: the dyno's PORT is another")
);
rule!(
    SIZE,
    "D050",
    "config-size",
    Error,
    "all names and values of an app together may have 64 kB",
    "The config vars are over Heroku's limit. Keep large values (certificates, keys in JSON) in a store, and their place in a \
     config var.",
    "R8, R13#8",
    ".env: CERTIFICATES=<70 kB>",
    ".env: CERTIFICATES_URL=https://…",
    Some("`up` refuses to start, exit code 2")
);
/// D051
pub(super) static DIALECT: Rule = Rule {
    id: "D051",
    name: "env-dialect",
    severity: Severity::Note,
    summary: "a line of .env means one thing to dynosim, another to `heroku local`, Compose or `docker run --env-file`",
    explanation: "Quotes, `#`, `$`, escapes and `export` are read differently by each. dynosim takes values as they stand; Compose \
     replaces `$NAME`; `docker run --env-file` keeps quotes; `heroku local` cuts at `#`. Heroku itself reads no .env: set \
     there what the app shall get.\n\nOf Compose and `docker run` it speaks where a Compose file, a Makefile or a script at the \
     project's root hands them the file.",
    source: "R8 (`.env` is a local convention), docs/config.md",
    wrong: ".env: PASSWORD=a#b$c",
    right: ".env: PASSWORD='a#b$c'",
    confirmed: None,
    check: Check::Files(dialect),
};
rule!(
    ENV_LINE,
    "D052",
    "env-line",
    Warning,
    "a line that is no `NAME=value` sets nothing, and a name that is given twice counts once",
    "A line of an env file has no `=`, a bad name, an open quote, text behind a closing quote, an escape that means nothing, or \
     sets a name again. What cannot be read is an error.",
    "R8, docs/config.md",
    ".env: API KEY=1",
    ".env: API_KEY=1",
    Some("`up` refuses to start, exit code 2")
);
rule!(
    ADDON,
    "D053",
    "addon-absent",
    Warning,
    "the app declares an add-on whose config vars nobody sets here; on Heroku the add-on sets them",
    "heroku.yml or app.json names an add-on. dynosim provides none: run the service yourself and put its URL into .env. A \
     withdrawn add-on does not come on Heroku either.",
    "R10",
    "heroku.yml: setup:\n  addons:\n    - plan: heroku-postgresql",
    ".env: DATABASE_URL=postgres://host.docker.internal/app",
    None
);
rule!(
    APP_JSON,
    "D054",
    "app-json",
    Warning,
    "Heroku reads app.json when an app or a review app is made: what its schema does not have does nothing, or is refused",
    "app.json is no JSON, or has a value of another kind than the schema's: Heroku refuses that. Or it has a key that the schema \
     does not know (a slip of the pen, most likely), or a formation for a type that the app does not have: that does nothing.",
    "R4",
    "app.json: {\"enviroments\": {}}",
    "app.json: {\"environments\": {}}",
    None
);

/// D055
pub(super) static DOCKERFILE: Rule = Rule {
    id: "D055",
    name: "dockerfile",
    severity: Severity::Error,
    summary: "the builder refuses this file, or takes a list of words for a text of the shell",
    explanation: "An instruction that is none, or that is given too little; no FROM; a here-document without an end. Or it could \
        be a command that lost the `\\` at the end of the line above.\n\nA CMD or ENTRYPOINT that is written as a list, but with \
        other quotes, without a comma or with one too many, is no JSON: the builder gives it to `/bin/sh -c` as it \
        stands, which finds no such program.",
    source: "Docker's file rules",
    wrong: "FROM node\nRUN npm ci\n  && npm run build",
    right: "FROM node\nRUN npm ci \\\n  && npm run build",
    confirmed: Some("the build fails, exit code 3"),
    check: Check::Files(dockerfile),
};

/// D056
pub(super) static IGNORE: Rule = Rule {
    id: "D056",
    name: "unused-ignore",
    severity: Severity::Warning,
    summary: "an ignore that finds nothing hides the next mistake, and one without a reason tells nobody why",
    explanation: "A `# dynosim-ignore` comment, or an entry of dynosim.toml, names a rule that finds nothing there, names no rule, or \
        gives no reason. Take it out, or write `# dynosim-ignore D014: <reason>` in the line above the finding.",
    source: "docs/check.md",
    wrong: "# dynosim-ignore D014",
    right: "# dynosim-ignore D014: the wrapper traps SIGTERM",
    confirmed: None,
    check: Check::Ignores,
};

/// D058
pub(super) static LOCALHOST: Rule = Rule {
    id: "D058",
    name: "localhost-config",
    severity: Severity::Note,
    summary: "inside a dyno, localhost is the dyno itself: neither this machine nor another dyno",
    explanation: "The value of a config var names localhost or 127.0.0.1. A service on this machine is host.docker.internal for a dyno \
        of dynosim; on Heroku it is whatever the add-on says.",
    source: "R1.5 (dynos cannot reach one another)",
    wrong: ".env: REDIS_URL=redis://localhost:6379",
    right: ".env: REDIS_URL=redis://host.docker.internal:6379",
    confirmed: Some("a dyno does not reach the service; the mended one does"),
    check: Check::Reader,
};

/// Who reads `.env` otherwise, of those that this project hands it to.
fn dialect(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let root = &scene.loaded.app.root;
    let text = |name: &str| text_of(&root.join(name)).unwrap_or_default();
    let compose = ["docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"]
        .iter()
        .any(|name| text(name).lines().any(|line| line.trim_start().starts_with("env_file")));
    let run = ["Makefile", "run.sh", "bin/run", "justfile", "package.json"]
        .iter()
        .any(|name| text(name).lines().any(|line| line.contains("docker run") && line.contains("--env-file")));
    if !compose && !run {
        return;
    }
    let readings = crate::manifest::env_readings(&text(".env"));
    let compose_reads = readings.entries.iter().find(|entry| compose && entry.dollar);
    let run_reads = readings.entries.iter().find(|entry| run && (entry.quoted || entry.exported));
    let mut say = |entry: Option<&crate::manifest::EnvReading>, title: &str, help: &str| {
        if let Some(entry) = entry {
            let lines: Vec<String> = readings
                .entries
                .iter()
                .filter(
                    |other| if title.starts_with("Compose") { other.dollar } else { other.quoted || other.exported },
                )
                .map(|entry| entry.line.to_string())
                .collect();
            let noun = if lines.len() == 1 { "line" } else { "lines" };
            hits.push(
                Hit::new(format!("{title} {noun} {} of .env otherwise", lines.join(", ")))
                    .at(&readings.masked, entry.name.clone(), "read in two ways")
                    .help(help),
            );
        }
    };
    say(compose_reads, "Compose reads", "it replaces `$NAME`: put the value into single quotes");
    say(run_reads, "`docker run --env-file` reads", "it keeps quotes and `export` as they stand: write plain values");
}

fn dockerfile(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for image in &scene.images {
        for fault in &image.docker.faults {
            hits.push(
                Hit::new(format!("{}: {}", image.file.name, fault.title))
                    .at(&image.file, fault.span.clone(), fault.label)
                    .help(fault.help.clone()),
            );
        }
        if image.chain.is_empty() && !image.docker.instructions.is_empty() && image.docker.faults.is_empty() {
            let target = image.build.target.as_deref().unwrap_or_default();
            hits.push(
                Hit::new(format!("{} has no stage `{target}`, which heroku.yml names", image.file.name))
                    .help("write the name of a stage: `FROM … AS name`"),
            );
        }
    }
}
