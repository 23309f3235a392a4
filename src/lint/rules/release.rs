//! The release phase (R1.6, R9).

use crate::diagnostic::Severity;
use crate::dockerfile::{Form, Instruction};
use crate::lint::hits::{Hit, Hits};
use crate::lint::rule::{Check, Rule};
use crate::lint::scene::{Image, Process, Scene, Setting};

/// D040
pub(super) static SERVER: Rule = Rule {
    id: "D040",
    name: "release-starts-server",
    severity: Severity::Error,
    summary: "a release command must end: a server never does, and no dyno of the release boots until it has",
    explanation: "The release phase runs what starts the web server: the CMD of a `release` image is the web image's, or the release \
        command names a server. Heroku kills it after an hour, and the release has failed.",
    source: "R1.6, R9",
    wrong: "# Dockerfile.release\nCMD gunicorn app",
    right: "# Dockerfile.release\nCMD python manage.py migrate",
    confirmed: Some("never ends, and web never starts; the mended one is released"),
    check: Check::Files(server),
};

/// D041
pub(super) static CURL: Rule = Rule {
    id: "D041",
    name: "release-without-curl",
    severity: Severity::Note,
    summary: "Heroku streams a release command's output by curl; without it the output is in the app's log only",
    explanation: "The image of the release phase begins with a base that has no curl (slim and Alpine images), and no RUN \
        installs it. The release works; `git push` and `heroku releases:output` show nothing of it.",
    source: "R1.6",
    wrong: "FROM python:3.11-slim",
    right: "FROM python:3.11-slim\nRUN apt-get update && apt-get install -y --no-install-recommends curl",
    confirmed: None,
    check: Check::Files(curl),
};

fn release<'s>(scene: &'s Scene<'_>) -> Option<(&'s Process, &'s Image)> {
    scene.each().find(|(process, _)| process.name.is_release())
}

fn server(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let Some((process, image)) = release(scene) else { return };
    let started = process.run.commands.iter().filter(|command| command.sure).find_map(|command| {
        let (server, _) = command.server(image.is_busybox())?;
        // Programs with other uses beside serving.
        let serves = !["java", "dotnet", "uwsgi"].contains(&server.names[0]);
        serves.then_some((command, server))
    });
    if let Some((command, server)) = started {
        hits.push(
            Hit::new(format!("the release command starts {}, a server, and never ends", server.names[0]))
                .at(&command.file, command.span(), "never ends")
                .help("name a command that ends, such as a migration"),
        );
        return;
    }
    let Some((web, web_image)) = scene.web() else { return };
    let same = |one: &Setting, other: &Setting| match (one, other) {
        (Setting::Own(_, one), Setting::Own(_, other)) => words(one) == words(other),
        _ => false,
    };
    if process.command.is_none() && web.command.is_none() && same(&image.cmd, &web_image.cmd) {
        let Setting::Own(at, _) = &image.cmd else { return };
        let one: &Instruction = &image.docker.instructions[*at];
        hits.push(
            Hit::new("the release image's CMD is the web image's: the release phase starts the server, and never ends")
                .at(&image.file, one.span.clone(), "the same command as web's")
                .help("give the release image a CMD that ends, or name one under `release.command` of heroku.yml"),
        );
    }
}

fn words(form: &Form) -> Vec<&str> {
    match form {
        Form::Exec(words) => words.iter().map(|word| word.text.as_str()).collect(),
        Form::Shell(word) => vec![word.text.as_str()],
    }
}

fn curl(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let Some((_, image)) = release(scene) else { return };
    let (Some(known), Some(from)) = (image.known, image.from()) else { return };
    if known.curl || !known.shell || image.mentions("curl") {
        return;
    }
    // What is copied from elsewhere may bring it.
    let copied = image.steps().any(|(_, one)| one.flag("from").is_some() && one.body().contains("/usr"));
    if !copied {
        hits.push(
            Hit::new("the image of the release phase has no curl: Heroku cannot stream what its command prints")
                .at(&image.file, from.image.span.clone(), "without curl")
                .help("install curl in it, or read the output with `heroku logs -p release`"),
        );
    }
}
