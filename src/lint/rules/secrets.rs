//! Secrets that would be read by whoever has the image or the repository.

use super::files::takes;
use crate::diagnostic::{Severity, SourceFile};
use crate::dockerfile::{expand, names};
use crate::lint::command::has_extension;
use crate::lint::hits::{Hit, Hits};
use crate::lint::locate::copied;
use crate::lint::rule::{Check, Rule, Said};
use crate::lint::scene::{Image, Scene};
use crate::lint::sources::named_files;
use crate::model::image::ImageFacts;
use regex::Regex;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

/// D034
pub(super) static IN_BUILD: Rule = Rule {
    id: "D034",
    name: "secret-in-build",
    severity: Severity::Warning,
    summary: "build args and ENV stay in the image's history: whoever can pull it can read them",
    explanation: "An ENV of the deployed stages has a value and a name that says it is a secret, or such an ARG is used by a RUN. Set \
        it as a config var (`heroku config:set`), or give it to the build as a BuildKit secret.\n\nThe rule passes over \
        values that are plainly made up for the build (`dummy`, `changeme`, …) and over stages of which only files are \
        copied.",
    source: "R8",
    wrong: "ENV STRIPE_SECRET_KEY=rk_51H8...",
    right: "# none: heroku config:set STRIPE_SECRET_KEY=...",
    confirmed: Some("every dyno and whoever has the image reads it; in the mended one it is not there"),
    check: Check::Both(in_build, in_image),
};

/// D035
pub(super) static LITERAL: Rule = Rule {
    id: "D035",
    name: "secret-in-file",
    severity: Severity::Error,
    summary: "a key of a known service stands in a file that is committed and, most likely, in the image",
    explanation: "A Dockerfile, heroku.yml or app.json holds a text of the shape that AWS, GitHub, Stripe, Slack, Google, Heroku \
        or SendGrid give their keys, or a private key. Take it out, make a new one (this one is known to whoever read the \
        repository), and set it as a config var.",
    source: "R8",
    wrong: "ENV AWS_ACCESS_KEY_ID=AKIA................",
    right: "# none: heroku config:set AWS_ACCESS_KEY_ID=...",
    confirmed: Some("every dyno and whoever has the image reads it; in the mended one it is not there"),
    check: Check::Files(literal),
};

/// D036
pub(super) static KEY_FILE: Rule = Rule {
    id: "D036",
    name: "key-in-image",
    severity: Severity::Warning,
    summary: "a private key is copied into the image: whoever can pull it can read it",
    explanation: "A COPY of the deployed stages names a private key or a file of credentials (id_rsa, *.pem, *.key, \
        service-account.json, .npmrc, .netrc), or takes one with its folder, and the file holds one. What lies there for \
        tests is not meant. Give it as a config var and write it to /tmp at the \
        start, or to the build as a BuildKit secret.",
    source: "R8",
    wrong: "COPY id_rsa /app/.ssh/id_rsa",
    right: "RUN --mount=type=ssh git clone …",
    confirmed: Some("the key is in the image; in the mended one it is not"),
    check: Check::Files(key_file),
};

/// Whether a name says that its value is a secret.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    // What begins so is built into pages that every browser gets.
    if ["REACT_APP_", "VITE_", "VUE_APP_", "GATSBY_"].iter().any(|start| name.starts_with(start)) {
        return false;
    }
    let parts: Vec<&str> = name.split('_').collect();
    let says =
        ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "APIKEY", "CREDENTIALS"].iter().any(|word| parts.contains(word));
    let key = name.ends_with("_KEY")
        && ["API", "SECRET", "PRIVATE", "ACCESS", "MASTER", "ENCRYPTION"].iter().any(|word| parts.contains(word));
    let about = [
        "FILE", "PATH", "DUMMY", "URL", "NAME", "ID", "LENGTH", "TTL", "EXPIRY", "EXPIRES", "HEADER", "PUBLIC", "TYPE",
        "LIFETIME",
    ];
    (says || key) && !about.iter().any(|word| parts.contains(word))
}

/// Whether a variable holds a secret, by its name, and by a value that is not plainly made up.
pub(super) fn is_secret(name: &str, value: &str) -> bool {
    is_secret_name(name) && !is_made_up(value)
}

/// Whether a value is plainly not the real one.
fn is_made_up(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let words = [
        "dummy",
        "changeme",
        "change_me",
        "change-me",
        "placeholder",
        "example",
        "fake",
        "xxx",
        "your",
        "test",
        "build",
        "secret",
        "temp",
        "none",
        "null",
        "true",
        "false",
        "todo",
        "default",
        "insecure",
        "foo",
        "password",
        "replace",
        "not",
        "does",
        "any",
        "irrelevant",
    ];
    value.len() < 8
        || value.contains('$')
        || value.contains('<')
        || words.iter().any(|word| lower.contains(word))
        || value.chars().all(|c| c.is_ascii_digit())
        || value.chars().collect::<std::collections::BTreeSet<_>>().len() < 4
        || value.starts_with('/')
}

/// The file with bytes of it masked: what a terminal or a CI shows must not hold the secret again.
fn masked(file: &SourceFile, span: &Range<usize>) -> Arc<SourceFile> {
    let mut bytes = file.text.as_bytes().to_vec();
    for byte in bytes.iter_mut().take(span.end).skip(span.start) {
        if !matches!(*byte, b'\n' | b'\r') {
            *byte = b'*';
        }
    }
    let text = String::from_utf8(bytes).unwrap_or_default();
    Arc::new(SourceFile { name: file.name.clone(), text })
}

fn in_build(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for image in &scene.images {
        for (at, one) in image.steps() {
            for pair in one.pairs().into_iter().filter(|_| ["ENV", "ARG"].contains(&one.keyword.as_str())) {
                let name = pair.name.text.as_str();
                if !is_secret_name(name) {
                    continue;
                }
                let value = pair.value.as_ref();
                let text = value.and_then(|value| expand(&value.text, &image.vars, image.docker.escape).ok());
                if let (Some(value), Some(text)) = (value, &text)
                    && !is_made_up(text)
                {
                    let file = masked(&image.file, &value.span);
                    hits.push(
                        Hit::new(format!("the image holds a value for {name}, by its name a secret"))
                            .at(&file, pair.name.span.clone(), "stays in the image's history")
                            .help(format!("take it out and set it on Heroku: `heroku config:set {name}=…`")),
                    );
                } else if one.keyword == "ARG"
                    && value.is_none()
                    && !name.ends_with("_KEY")
                    && used_by_run(image, at, name)
                {
                    hits.push(
                        Hit::new(format!(
                            "the build arg {name} is, by its name, a secret, and stays in the image's history"
                        ))
                        .at(&image.file, pair.name.span.clone(), "shown by `docker history`")
                        .help(format!(
                            "use it in a stage of which only files are copied, or `RUN --mount=type=secret,id={}`",
                            name.to_ascii_lowercase()
                        )),
                    );
                }
            }
        }
    }
}

fn used_by_run(image: &Image, at: usize, name: &str) -> bool {
    image
        .steps()
        .filter(|(later, one)| *later > at && one.keyword == "RUN")
        .any(|(_, one)| names(one.body()).contains(&name))
}

fn in_image(image: &ImageFacts) -> Option<Said> {
    let found: Vec<&str> =
        image.env.iter().filter(|(name, value)| is_secret(name, value)).map(|(name, _)| name.as_str()).collect();
    (!found.is_empty()).then(|| Said {
        title: format!("holds a value for {}, by the name a secret", found.join(", ")),
        help: "take it out of the Dockerfile and set it with `heroku config:set`".into(),
    })
}

static KEYS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?-u:\b)(?:AKIA|ASIA)[A-Z0-9]{16}(?-u:\b)|(?-u:\b)gh[pousr]_[A-Za-z0-9]{36,}(?-u:\b)|(?-u:\b)github_pat_[A-Za-z0-9_]{50,}(?-u:\b)|(?-u:\b)[sr]k_live_[A-Za-z0-9]{20,}(?-u:\b)",
        r"|(?-u:\b)xox[abpr]-[A-Za-z0-9-]{20,}(?-u:\b)|(?-u:\b)AIza[A-Za-z0-9_-]{35}(?-u:\b)|(?-u:\b)SG\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{30,}(?-u:\b)|(?-u:\b)HRKU-[A-Za-z0-9_-]{30,}(?-u:\b)",
        r"|-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY-----|(?-u:\b)npm_[A-Za-z0-9]{36}(?-u:\b)|(?-u:\b)glpat-[A-Za-z0-9_-]{20}(?-u:\b)",
    ))
    .ok()
});

fn literal(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let Some(keys) = KEYS.as_ref() else { return };
    let app_json = crate::lint::folder::text_of(&scene.loaded.app.root.join("app.json"));
    let app_json = app_json.map(|text| Arc::new(SourceFile { name: "app.json".into(), text }));
    let files = scene.images.iter().map(|image| &image.file).chain(&scene.heroku_yml).chain(&app_json);
    for file in files {
        for found in keys.find_iter(&file.text).filter(|found| !found.as_str().contains("EXAMPLE")) {
            let shown = masked(file, &found.range());
            hits.push(
                Hit::new(format!("{} holds a key of a known service, or a private key", file.name))
                    .at(&shown, found.range(), "a secret")
                    .help("make a new one, for this one is known, and set it with `heroku config:set`"),
            );
        }
    }
}

/// Names under which programs keep keys and sign-ins.
const KEPT: &[&str] = &["id_rsa", "id_ed25519", "id_ecdsa", ".npmrc", ".netrc", "_netrc", ".pypirc"];

fn key_file(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for image in &scene.images {
        let of_key = |path: &str| [".pem", ".key", ".p12"].iter().any(|end| path.ends_with(end));
        let for_tests = |path: &str| {
            ["test", "spec", "fixture", "example", "sample", "demo", "doc"].iter().any(|word| path.contains(word))
        };
        let kept = |name: &str| KEPT.contains(&name) || of_key(name);
        let all: Vec<String> = named_files(&image.folder, kept)
            .into_iter()
            .filter(|path| !for_tests(&path.to_ascii_lowercase()) && holds_secret(image, path))
            .collect();
        for (at, one) in image
            .steps()
            .filter(|(_, one)| ["COPY", "ADD"].contains(&one.keyword.as_str()) && one.flag("from").is_none())
        {
            let (Some((sources, _)), Some(words)) = (copied(image, at), one.paths()) else { continue };
            let mut said = false;
            for (source, word) in sources.iter().zip(&words) {
                let path = source.trim_start_matches("./");
                let name = path.rsplit('/').next().unwrap_or_default();
                if (KEPT.contains(&name) || of_key(name) || has_extension(name, "json")) && holds_secret(image, path) {
                    hits.push(copied_key(image, path, word.span.clone()));
                    said = true;
                }
            }
            let with_the_rest = all.iter().find(|path| takes(image, at, path));
            if let Some(path) = with_the_rest.filter(|_| !said) {
                hits.push(copied_key(image, path, one.span.clone()));
            }
        }
    }
}

fn copied_key(image: &Image, path: &str, span: Range<usize>) -> Hit {
    Hit::new(format!("{}{path} holds a secret and is copied into the image", image.folder.prefix))
        .at(&image.file, span, "stays in a layer, even when a later step removes it")
        .help("leave it out by .dockerignore; give it as a config var, or to the build as a BuildKit secret (`RUN --mount=type=secret`)")
}

/// Whether a file that a build would get holds a private key or a sign-in.
fn holds_secret(image: &Image, path: &str) -> bool {
    image.folder.read(path).is_some_and(|content| {
        let text = &content.file.text;
        text.contains("PRIVATE KEY-----") || text.contains("\"private_key\"") || holds_token(text)
    })
}

/// A sign-in of npm or netrc with a value of its own.
fn holds_token(text: &str) -> bool {
    text.lines().any(|line| {
        let value = line
            .split_once("_authToken=")
            .map(|(_, value)| value)
            .or_else(|| line.split_once("password ").map(|(_, value)| value));
        value.is_some_and(|value| !value.trim().is_empty() && !value.contains('$'))
    })
}
