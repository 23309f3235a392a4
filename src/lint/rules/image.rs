//! The image as a whole: for which machines, of how many layers, in which format.

use crate::diagnostic::{Severity, SourceFile, line_span};
use crate::lint::command::has_extension;
use crate::lint::folder::text_of;
use crate::lint::hits::{Hit, Hits};
use crate::lint::rule::{Check, Rule, Said};
use crate::lint::scene::Scene;
use crate::model::limits::IMAGE_LAYERS;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// D037
pub(super) static ARCHITECTURE: Rule = Rule {
    id: "D037",
    name: "architecture",
    severity: Severity::Error,
    summary: "Heroku runs linux/amd64: an image for another machine is accepted and then dies of an exec format error",
    explanation: "The Dockerfile names another platform, or a base image of another one (`arm64v8/…`), or the image that was built is \
        for another one. Build for linux/amd64: `docker build --platform linux/amd64`, which `dynosim build` does anyway.",
    source: "R1.2",
    wrong: "FROM --platform=linux/arm64 node:20",
    right: "FROM node:20",
    confirmed: Some("dies of an exec format error; the mended one is up"),
    check: Check::Both(architecture, |image| {
        let other = image.architecture != "amd64" && !image.architecture.is_empty();
        other.then(|| Said {
            title: format!("is for {}; Heroku runs amd64", image.architecture),
            help: "build it with `--platform linux/amd64`".into(),
        })
    }),
};

/// D038
pub(super) static LAYERS: Rule = Rule {
    id: "D038",
    name: "layers",
    severity: Severity::Warning,
    summary: "an image with more than 40 layers may fail to start on Heroku",
    explanation: "Each RUN, COPY and ADD of the deployed stages makes a layer, and the base image has its own. Join commands with `&&`, \
        or copy the result of one stage into another.",
    source: "R1.2",
    wrong: "RUN a\nRUN b\n…                         # more than 40",
    right: "RUN a && b",
    confirmed: None,
    check: Check::Both(layers, |image| {
        (image.layers > IMAGE_LAYERS).then(|| Said {
            title: format!("has {} layers; with more than {IMAGE_LAYERS} it may fail to start", image.layers),
            help: "join RUN instructions, or copy the result of one stage into another".into(),
        })
    }),
};

/// D039
pub(super) static ATTESTATIONS: Rule = Rule {
    id: "D039",
    name: "attestations",
    severity: Severity::Error,
    summary: "Heroku's registry refuses OCI indexes and attestations: `unsupported`, or 405 Method Not Allowed",
    explanation: "A workflow builds and pushes to registry.heroku.com with docker/build-push-action or buildx, which add provenance \
        since BuildKit 0.11, and it does not turn that off: `provenance: false` for the action, `--provenance=false` for \
        buildx. `dynosim container:push` sends what the registry takes, whatever the engine's store holds.",
    source: "R1.2",
    wrong: "- uses: docker/build-push-action@v6\n  with:\n    push: true\n    tags: registry.heroku.com/app/web",
    right: "- uses: docker/build-push-action@v6\n  with:\n    push: true\n    provenance: false\n    tags: registry.heroku.com/app/web",
    confirmed: None,
    check: Check::Files(attestations),
};

fn architecture(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for image in &scene.images {
        let Some(stage) = image.from() else { continue };
        let help = "take it out: Heroku runs linux/amd64";
        if let Some(flag) = stage.platform.as_ref().filter(|flag| !flag.value.contains('$')) {
            let machine = flag.value.trim_start_matches("linux/");
            if !["amd64", "x86_64", "x86-64"].contains(&machine.split('/').next().unwrap_or_default()) {
                let title = format!("the image is built for {}; Heroku runs linux/amd64", flag.value);
                hits.push(Hit::new(title).at(&image.file, flag.span.clone(), "another machine").help(help));
            }
        }
        let name = stage.base.as_deref().unwrap_or_default();
        let other = ["arm64v8/", "arm32v7/", "arm32v6/", "arm32v5/", "i386/", "ppc64le/", "s390x/", "riscv64/"];
        if let Some(prefix) = other.iter().find(|prefix| name.starts_with(**prefix)) {
            let title = format!("{} is an image for another machine; Heroku runs linux/amd64", stage.image.text);
            let help = format!("write `{}`", stage.image.text.trim_start_matches(*prefix));
            hits.push(Hit::new(title).at(&image.file, stage.image.span.clone(), "another machine").help(help));
        }
    }
}

fn layers(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for image in &scene.images {
        let making: Vec<_> =
            image.steps().filter(|(_, one)| ["RUN", "COPY", "ADD"].contains(&one.keyword.as_str())).collect();
        let Some((_, over)) = making.get(IMAGE_LAYERS) else { continue };
        let title = format!(
            "the image gets {} layers on top of its base's; with more than {IMAGE_LAYERS} it may fail to start",
            making.len()
        );
        hits.push(
            Hit::new(title)
                .at(&image.file, over.keyword_span.clone(), format!("the {}st", IMAGE_LAYERS + 1))
                .help("join RUN instructions, or copy the result of one stage into another"),
        );
    }
}

fn attestations(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for file in workflows(&scene.loaded.app.root) {
        if !file.text.contains("registry.heroku.com") {
            continue;
        }
        for step in steps(&file.text) {
            let text = &file.text[step.clone()];
            let code: String =
                text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
            let quiet = code.contains("provenance") || code.contains("BUILDX_NO_DEFAULT_ATTESTATIONS");
            let everywhere = file.text.contains("BUILDX_NO_DEFAULT_ATTESTATIONS");
            let action = code.contains("docker/build-push-action@")
                && code.contains("registry.heroku.com")
                && pushes(&code)
                && recent(&code);
            let buildx = code.lines().any(|line| {
                line.contains("docker buildx build") && line.contains("--push") && line.contains("registry.heroku.com")
            });
            if quiet || everywhere || !(action || buildx) {
                continue;
            }
            let word = if action { "docker/build-push-action@" } else { "docker buildx build" };
            let Some(at) = text.find(word) else { continue };
            let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
            let help = if action { "add `provenance: false` under `with:`" } else { "add `--provenance=false`" };
            hits.push(
                Hit::new("the image is pushed with attestations, which Heroku's registry refuses")
                    .at(&file, step.start + at..step.start + end, "adds provenance")
                    .help(format!("{help}; or push with `dynosim container:push`")),
            );
        }
    }
}

/// `push: true` in any of YAML's spellings, on a line of its own or within `{…}`.
fn pushes(code: &str) -> bool {
    code.split(['\n', ',', '{', '}']).any(|entry| {
        let (key, value) = entry.split_once(':').unwrap_or_default();
        let bare = |text: &str| text.trim().trim_matches(['"', '\'']).trim_start_matches("- ").to_owned();
        let value = value.split(" #").next().unwrap_or_default();
        bare(key) == "push" && bare(value) == "true"
    })
}

/// From version 4 on the action adds provenance by itself.
fn recent(code: &str) -> bool {
    let version = code.split("docker/build-push-action@").nth(1).unwrap_or_default();
    let major: String = version.trim_start_matches('v').chars().take_while(char::is_ascii_digit).collect();
    major.len() > 2 || major.parse::<u32>().map_or(true, |major| major >= 4)
}

/// The workflows of GitHub Actions.
fn workflows(root: &Path) -> Vec<Arc<SourceFile>> {
    let Ok(folder) = fs::read_dir(root.join(".github/workflows")) else { return Vec::new() };
    let mut names: Vec<String> = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    let yaml = names.into_iter().filter(|name| has_extension(name, "yml") || has_extension(name, "yaml"));
    yaml.filter_map(|name| {
        let name = format!(".github/workflows/{name}");
        Some(Arc::new(SourceFile { text: text_of(&root.join(&name))?, name }))
    })
    .collect()
}

/// The entries of lists in a YAML text, by their dashes: each up to the next one that stands as far left.
fn steps(text: &str) -> Vec<std::ops::Range<usize>> {
    let lines = text.matches('\n').count() + 1;
    let starts: Vec<(usize, usize)> = (1..=lines)
        .map(|line| line_span(text, line))
        .filter_map(|span| {
            let line = &text[span.clone()];
            let indent = line.len() - line.trim_start().len();
            line.trim_start().starts_with("- ").then_some((span.start, indent))
        })
        .collect();
    let mut found = Vec::new();
    for (number, (start, indent)) in starts.iter().enumerate() {
        let next = starts[number + 1..].iter().find(|(_, other)| other <= indent);
        found.push(*start..next.map_or(text.len(), |(start, _)| *start));
    }
    found
}
