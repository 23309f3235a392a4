//! Files of the build context: scripts, what is copied and what is left out.

use super::secrets::is_secret;
use crate::diagnostic::Severity;
use crate::dockerfile::Instruction;
use crate::lint::fix::Fix;
use crate::lint::folder::clean;
use crate::lint::hits::{Hit, Hits};
use crate::lint::locate::{copied, workdir_at};
use crate::lint::rule::{Check, Rule};
use crate::lint::run::Script;
use crate::lint::scene::{Image, Scene, absolute};
use crate::lint::sources::named_files;
use crate::manifest::read_env;
use crate::model::glob;

/// D024
pub(super) static CRLF: Rule = Rule {
    id: "D024",
    name: "crlf-script",
    severity: Severity::Error,
    summary: "with Windows line ends the interpreter is `/bin/sh` and a carriage return: not found, status 127",
    explanation: "A script that the dyno executes has CRLF line ends. Git on Windows makes them at a checkout; `* text eol=lf` in \
        .gitattributes keeps them away. The rule says nothing where the Dockerfile converts the file (`dos2unix`, `sed`, \
        `tr`).",
    source: "R1.4",
    wrong: "#!/bin/sh\\r\\n",
    right: "#!/bin/sh\\n",
    confirmed: Some("status 127, crashed; the mended one is up"),
    check: Check::Files(crlf),
};

/// D025
pub(super) static NOT_EXECUTABLE: Rule = Rule {
    id: "D025",
    name: "not-executable",
    severity: Severity::Error,
    summary: "a script without the exec bit cannot be started: `Permission denied`, status 126",
    explanation: "The script is executed by name, it has no exec bit in the project, and nothing in the Dockerfile gives it one \
        (`chmod +x`, `--chmod`). `git update-index --chmod=+x FILE` keeps the bit where a file system knows none.",
    source: "R1.4",
    wrong: "COPY start.sh /start.sh      # -rw-r--r--\nENTRYPOINT [\"/start.sh\"]",
    right: "COPY --chmod=755 start.sh /start.sh\nENTRYPOINT [\"/start.sh\"]",
    confirmed: Some("cannot be started; the mended one is up"),
    check: Check::Files(not_executable),
};

/// D026
pub(super) static MISSING: Rule = Rule {
    id: "D026",
    name: "not-in-context",
    severity: Severity::Error,
    summary: "Heroku builds in the Dockerfile's own folder; what is not below it, or is left out, cannot be copied",
    explanation: "COPY or ADD names something that the build will not get: it lies outside of the Dockerfile's folder, stands only \
        at the root of the project, or is left out by .dockerignore. Compose and `docker build -f` let a Dockerfile in a \
        folder take files from above; heroku.yml does not.\n\nThe rule says nothing of files that are nowhere: a build \
        before may make them.",
    source: "R2 (build context)",
    wrong: "# web/Dockerfile\nCOPY package.json .       # stands beside heroku.yml",
    right: "# Dockerfile, beside heroku.yml\nCOPY package.json .",
    confirmed: Some("the build fails, exit code 3; the mended one builds"),
    check: Check::Files(missing),
};

/// D027
pub(super) static DOTENV: Rule = Rule {
    id: "D027",
    name: "dotenv-in-image",
    severity: Severity::Warning,
    summary: ".env is copied into the image: its secrets are pushed, and a library may read them in place of config vars",
    explanation: "A `.env` lies in the build context, .dockerignore does not leave it out, and a COPY of the image's own stages takes \
        it. Whoever has the image has the secrets, and dotenv libraries load them on Heroku too. Leave it out of the \
        context.\n\nOf `.env.production` and its kin, and of a `.env` in a folder below, the rule speaks where a value has a \
        name that says it is a secret: such files often hold what may be seen.",
    source: "R8",
    wrong: "COPY . .                  # .env lies there, .dockerignore does not name it",
    right: "# .dockerignore\n.env",
    confirmed: Some("the file is in the image; in the mended one it is not"),
    check: Check::Files(dotenv),
};

/// D028
pub(super) static HOST_MODULES: Rule = Rule {
    id: "D028",
    name: "host-modules",
    severity: Severity::Warning,
    summary: "node_modules of this machine replace those that the build installed for Linux",
    explanation: "The Dockerfile installs packages, then copies the whole folder over them, and node_modules is not left out. \
        Packages with native code are then those of the developer's machine: \"invalid ELF header\", or an architecture \
        that Heroku does not have. It also makes the build context large.",
    source: "R1.2",
    wrong: "RUN npm ci\nCOPY . .                  # node_modules lies there",
    right: "# .dockerignore\nnode_modules",
    confirmed: None,
    check: Check::Files(host_modules),
};

/// D029
pub(super) static IGNORE_ELSEWHERE: Rule = Rule {
    id: "D029",
    name: "dockerignore-elsewhere",
    severity: Severity::Warning,
    summary: "the .dockerignore that counts lies in the build context, which on Heroku is the Dockerfile's folder",
    explanation: "The Dockerfile lies in a folder of the project, and the only .dockerignore lies at the root: nothing reads it \
        for this image. Put one beside the Dockerfile.",
    source: "R2 (build context)",
    wrong: "web/Dockerfile  .dockerignore",
    right: "web/Dockerfile  web/.dockerignore",
    confirmed: Some("what it names is in the image; in the mended one it is not"),
    check: Check::Files(ignore_elsewhere),
};

/// D030
pub(super) static IGNORE_PATTERN: Rule = Rule {
    id: "D030",
    name: "dockerignore-pattern",
    severity: Severity::Error,
    summary: "Docker refuses to build with a .dockerignore that it cannot read",
    explanation: "A line of .dockerignore is no pattern: a bracket is never closed, a backslash escapes nothing, or `!` stands alone.",
    source: "Docker's file rules",
    wrong: "build/[a-",
    right: "build/[a-z]*",
    confirmed: Some("the build is refused"),
    check: Check::Files(ignore_pattern),
};

fn scripts<'s>(scene: &'s Scene<'_>) -> impl Iterator<Item = (&'s Image, &'s Script)> {
    scene.each().flat_map(|(process, image)| process.run.scripts.iter().map(move |script| (image, script)))
}

fn crlf(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (image, script) in scripts(scene) {
        let file = &script.content.file;
        let first = file.text.split('\n').next().unwrap_or_default();
        if !script.direct || !first.starts_with("#!") || !first.ends_with('\r') {
            continue;
        }
        let converts = ["dos2unix", "\\r", "fromdos", "d2u", "\\015"];
        if image.runs().any(|text| converts.iter().any(|word| text.contains(word))) {
            continue;
        }
        hits.push(
            Hit::new(format!("{} has Windows line ends: its interpreter is not found", file.name))
                .at(file, 0..first.len() - 1, "and a carriage return")
                .help("save it with LF, and keep it so with `* text eol=lf` in .gitattributes")
                .fix(Some(Fix::line_ends(file, &script.content.real))),
        );
    }
}

fn not_executable(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (image, script) in scripts(scene) {
        let copy = &image.docker.instructions[script.copied_by];
        if !script.direct || script.content.executable || copy.flag("chmod").is_some() {
            continue;
        }
        if image.docker.instructions.iter().any(|one| one.keyword == "RUN" && changes_mode(&image.whole(one))) {
            continue;
        }
        let name = &script.content.file.name;
        let (file, span) = &script.named;
        hits.push(
            Hit::new(format!("{name} has no exec bit, and nothing gives it one"))
                .at(file, span.clone(), "cannot be executed")
                .help(format!(
                    "`chmod +x {name}`, and `git update-index --chmod=+x {name}`; or `--chmod=755` at its COPY"
                ))
                .fix(Some(Fix::executable(&script.content.file, &script.content.real))),
        );
    }
}

fn changes_mode(text: &str) -> bool {
    ["chmod", "install -m", "install -D", "--chmod"].iter().any(|word| text.contains(word))
}

/// `COPY` and `ADD` that take from the context.
fn copies(image: &Image) -> impl Iterator<Item = (usize, &Instruction)> {
    let every = image.docker.instructions.iter().enumerate();
    every.filter(|(_, one)| ["COPY", "ADD"].contains(&one.keyword.as_str()) && one.flag("from").is_none())
}

fn missing(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let root = &scene.loaded.app.root;
    for image in &scene.images {
        // Stages that the image does not need are not built.
        let needed = needed_stages(image);
        for (at, one) in copies(image) {
            let stage = image.stages.iter().position(|stage| stage.range.contains(&at));
            if !stage.is_some_and(|stage| needed.contains(&stage)) || one.heredocs.iter().len() > 0 {
                continue;
            }
            let Some(words) = one.paths() else { continue };
            for word in &words[..words.len() - 1] {
                let written = word.text.as_str();
                if written.contains(['$', '*', '?', '[', '\\'])
                    || written.contains("://")
                    || written.starts_with("git@")
                {
                    continue;
                }
                let say = |label: &str, title: String, help: String| {
                    Hit::new(title).at(&image.file, word.span.clone(), label).help(help)
                };
                // BuildKit takes `..` at the context's root for the root itself.
                let path = in_context(written);
                if path.is_empty() {
                    continue;
                }
                if clean(written).is_none() && !image.folder.exists(&path) {
                    let title = format!("`{written}` lies outside of the build context");
                    hits.push(say("leads out of it", title, "move the Dockerfile up, or the file below it".into()));
                    continue;
                }
                if image.folder.exists(&path) {
                    if image.folder.ignored(&path) && !image.folder.may_hold(&path) {
                        let title = format!("`{written}` is left out of the build by .dockerignore");
                        hits.push(say(
                            "not sent to the build",
                            title,
                            format!("take it back in with a line `!{path}`"),
                        ));
                    }
                    continue;
                }
                if image.folder.root != *root && image.folder.root.starts_with(root) && root.join(&path).exists() {
                    let title = format!("`{written}` is not in the build context {}", image.folder.prefix);
                    let help = "Heroku builds in the Dockerfile's folder: move the Dockerfile to the project's root, or the file into that folder";
                    hits.push(say("stands at the project's root only", title, help.into()));
                }
            }
        }
    }
}

/// Stages that the image is made of or copies from.
fn needed_stages(image: &Image) -> Vec<usize> {
    let mut needed = image.chain.clone();
    let mut next = 0;
    while let Some(stage) = needed.get(next).copied() {
        next += 1;
        let (chain, _) = image.docker.chain(&image.stages, stage);
        let copied = image.docker.of(&image.stages[stage]).iter().filter_map(|one| one.flag("from"));
        let copied =
            copied.filter_map(|flag| image.docker.target(&image.stages, Some(&flag.value))).collect::<Vec<_>>();
        for one in chain.into_iter().chain(copied) {
            if !needed.contains(&one) {
                needed.push(one);
            }
        }
    }
    needed
}

/// The instructions that a build of the image carries out, with their numbers: its own stages and those it copies from.
pub(super) fn built_steps(image: &Image) -> impl Iterator<Item = (usize, &Instruction)> {
    let stages = needed_stages(image).into_iter().map(|stage| image.stages[stage].range.clone());
    stages.flat_map(|range| range.skip(1).map(|at| (at, &image.docker.instructions[at])))
}

/// A path as a build looks it up: from the root of the context, which nothing leads out of.
fn in_context(path: &str) -> String {
    absolute(path, Some("/")).unwrap_or_default().trim_start_matches('/').to_owned()
}

/// Whether an instruction copies `path` of the context.
pub(super) fn takes(image: &Image, at: usize, path: &str) -> bool {
    let one = &image.docker.instructions[at];
    if !["COPY", "ADD"].contains(&one.keyword.as_str()) || one.flag("from").is_some() || one.flag("exclude").is_some() {
        return false;
    }
    let Some((sources, _)) = copied(image, at) else { return false };
    sources.iter().any(|source| {
        let source = in_context(source);
        let by_pattern = !path.contains('/') && source.contains(['*', '?']) && glob::matches(&source, path);
        source.is_empty()
            || by_pattern
            || source == path
            || path.strip_prefix(&source).is_some_and(|rest| rest.starts_with('/'))
    })
}

/// Files of the environment in the context that a build would get: `.env` itself, and others that hold a secret.
fn env_files(image: &Image) -> Vec<String> {
    let made_up = [".example", ".sample", ".template", ".dist", ".defaults", ".schema", ".test"];
    let is_env = |name: &str| name == ".env" || name.starts_with(".env.");
    let named = named_files(&image.folder, |name| is_env(name) && !made_up.iter().any(|end| name.contains(end)));
    let secret = |path: &str| {
        let values = image.folder.read(path).and_then(|content| read_env(path, &content.file.text).ok());
        values.is_some_and(|values| values.iter().any(|(name, value)| is_secret(name, value)))
    };
    named.into_iter().filter(|path| path == ".env" || secret(path)).collect()
}

fn dotenv(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for image in &scene.images {
        // Symfony's .env is a committed file of defaults, which the app reads.
        let composer = image.folder.read("composer.json");
        if composer.is_some_and(|content| content.file.text.contains("\"symfony/")) {
            continue;
        }
        if image.runs().any(|text| text.contains("rm ") && text.contains(".env")) {
            continue;
        }
        let files = env_files(image);
        for (at, one) in image.steps() {
            let taken: Vec<&String> = files.iter().filter(|path| takes(image, at, path)).collect();
            let Some(first) = taken.first() else { continue };
            let names: Vec<String> = taken.iter().map(|path| format!("{}{path}", image.folder.prefix)).collect();
            let (verb, lines) = if taken.len() == 1 { ("is", "a line") } else { ("are", "lines") };
            let patterns: Vec<String> = taken.iter().map(|path| format!("`{path}`")).collect();
            hits.push(
                Hit::new(format!("{} {verb} copied into the image", names.join(", ")))
                    .at(&image.file, one.span.clone(), "takes it with the rest")
                    .help(format!("leave it out: {lines} {} in .dockerignore", patterns.join(", ")))
                    .fix(Some(Fix::ignored(&image.folder, first))),
            );
            break;
        }
    }
}

/// Whether a command installs Node's packages in the folder it runs in.
fn installs(text: &str) -> bool {
    let words = ["npm ci", "npm install", "npm i", "yarn install", "pnpm install", "pnpm i", "yarn"];
    !text.contains("cd ")
        && text.split(['&', ';', '|', '\n']).map(str::trim).any(|part| {
            let command = words
                .iter()
                .any(|word| part.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with(" -")));
            command && !part.contains(" -g") && !part.contains("--global") && !part.contains("--prefix")
        })
}

fn host_modules(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for image in &scene.images {
        if !image.folder.is_dir("node_modules") || image.folder.ignored("node_modules") {
            continue;
        }
        for stage in needed_stages(image) {
            let (chain, _) = image.docker.chain(&image.stages, stage);
            let steps: Vec<usize> = chain.iter().flat_map(|one| image.stages[*one].range.clone().skip(1)).collect();
            let one = |at: usize| &image.docker.instructions[at];
            let runs =
                |at: usize| one(at).keyword == "RUN" && installs(image.whole(one(at)).trim_start_matches("RUN "));
            let Some(installed) = steps.iter().rposition(|at| runs(*at)) else { continue };
            let folder = workdir_at(image, steps[installed]);
            let over = |at: &&usize| {
                takes(image, **at, "node_modules") && copied(image, **at).is_some_and(|(_, (to, _))| Some(to) == folder)
            };
            // What is installed after the copy replaces it.
            let Some(at) = steps[installed..].iter().find(over) else { continue };
            hits.push(
                Hit::new("node_modules of this machine is copied over what the build installed")
                    .at(&image.file, one(*at).span.clone(), "takes it with the rest")
                    .help("leave it out: a line `node_modules` in .dockerignore")
                    .fix(Some(Fix::ignored(&image.folder, "node_modules"))),
            );
        }
    }
}

fn ignore_elsewhere(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let root = &scene.loaded.app.root;
    for image in &scene.images {
        let folder = &image.folder;
        if folder.root == *root || folder.ignore_file.is_some() || !folder.root.starts_with(root) {
            continue;
        }
        let common = root.join(".dockerignore");
        let others = scene.images.iter().any(|other| other.folder.root == *root);
        let Some(text) = crate::lint::folder::text_of(&common).filter(|_| !others) else { continue };
        let file = std::sync::Arc::new(crate::diagnostic::SourceFile { name: ".dockerignore".into(), text });
        let line = crate::diagnostic::line_span(&file.text, 1);
        hits.push(
            Hit::new(format!("the .dockerignore is not read: the build context is {}", folder.prefix))
                .at(&file, line, "without effect")
                .help(format!("move it to {}.dockerignore, its paths without `{}`", folder.prefix, folder.prefix)),
        );
    }
}

fn ignore_pattern(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for image in &scene.images {
        let (Some(file), Some(line)) = (&image.folder.ignore_file, image.folder.bad_pattern) else { continue };
        let span = crate::diagnostic::line_span(&file.text, line);
        hits.push(
            Hit::new(format!("`{}` is not a pattern", file.text[span.clone()].trim()))
                .at(file, span, "Docker refuses this")
                .help("close the bracket, or escape it with a backslash"),
        );
    }
}
