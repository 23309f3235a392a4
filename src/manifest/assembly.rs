//! Images and process types: what heroku.yml, the Procfile and the Dockerfiles say together (R2, R3, R13).

use super::dockerfiles::{self, Found};
use super::heroku_yml::{HerokuYml, ReleaseEntry, RunEntry};
use super::images;
use super::node::{Located, Reader};
use super::procfile::Process;
use super::{procfile_alone, procfile_laid};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::model::app::{Build, ProcessSpec, ReleaseSpec};
use crate::model::process_type::ProcessType;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the files say about images and processes.
pub(super) struct Sources<'a> {
    /// The real path of the project.
    pub(super) root: &'a Path,
    /// heroku.yml, free of errors.
    pub(super) yml: Option<&'a HerokuYml>,
    /// The Procfile, free of errors.
    pub(super) procfile: Option<(&'a Arc<SourceFile>, &'a [Process])>,
    /// Where it is.
    pub(super) procfile_path: Option<&'a Path>,
    /// The Dockerfiles that `container:push` would find; looked at when heroku.yml names none.
    pub(super) dockerfiles: &'a [Found],
    /// `--context-path`.
    pub(super) context: Option<&'a Path>,
    /// `--arg`.
    pub(super) args: &'a BTreeMap<String, String>,
}

/// Images and processes of the app.
#[derive(Default)]
pub(super) struct Assembled {
    /// Images to build.
    pub(super) builds: BTreeMap<ProcessType, Build>,
    /// Process types that can run.
    pub(super) processes: BTreeMap<ProcessType, ProcessSpec>,
    /// The release phase.
    pub(super) release: Option<ReleaseSpec>,
    /// Which process types only a Dockerfile's name speaks of, with that name.
    pub(super) by_dockerfile: BTreeMap<ProcessType, PathBuf>,
    /// A Procfile is all there is.
    pub(super) only_procfile: bool,
    /// What was found.
    pub(super) findings: Vec<Diagnostic>,
}

/// Puts the sources together.
pub(super) fn assemble(sources: &Sources<'_>) -> Assembled {
    let mut app = Assembled::default();
    match sources.yml {
        Some(yml) => app.heroku_yml(sources, yml),
        None if sources.dockerfiles.is_empty() && procfile_alone::stands(sources) => {
            procfile_alone::take(&mut app, sources);
            return app;
        }
        None => app.dockerfiles(sources),
    }
    if app.builds.is_empty() {
        return app; // an error has been said; what follows would only echo it
    }
    for process_type in app.builds.keys().filter(|t| !t.is_release()) {
        let spec = || ProcessSpec { image: process_type.clone(), command: None };
        app.processes.entry(process_type.clone()).or_insert_with(spec);
    }
    if let Some(yml) = sources.yml {
        let mut reader = Reader::new(&yml.file);
        for run in yml.run.iter().flatten() {
            app.run(&mut reader, run);
        }
        if let Some(release) = &yml.release {
            app.release = app.release_phase(&mut reader, release);
        }
        app.findings.extend(reader.findings);
    }
    if app.release.is_none() && app.builds.contains_key(&ProcessType::release()) {
        app.release = Some(ReleaseSpec { image: ProcessType::release(), command: None });
    }
    procfile_laid::lay(&mut app, sources);
    app
}

impl Assembled {
    fn heroku_yml(&mut self, sources: &Sources<'_>, yml: &HerokuYml) {
        let images = yml.images.as_deref().unwrap_or_default();
        if images.is_empty() {
            self.without_build_section(sources, yml);
            return;
        }
        let mut reader = Reader::new(&yml.file);
        for image in images {
            if let Some(path) = images::dockerfile(&mut reader, sources.root, image) {
                let mut build = build(sources, path);
                build.target.clone_from(&image.target);
                self.builds.insert(image.process_type.clone(), build);
            }
        }
        self.findings.extend(reader.findings);
    }

    /// `run` or `release` alone is a buildpack manifest to Heroku. A Dockerfile beside it says what was meant.
    fn without_build_section(&mut self, sources: &Sources<'_>, yml: &HerokuYml) {
        let section = yml.run_span.clone().or_else(|| yml.release.as_ref().map(|r| r.span.clone()));
        let place = section.unwrap_or(0..0);
        let section = if sources.dockerfiles.is_empty() {
            "  docker:\n    web: Dockerfile".to_owned()
        } else {
            let lines: Vec<String> =
                sources.dockerfiles.iter().map(|f| format!("    {}: {}", f.process_type, f.path.display())).collect();
            format!("  docker:\n{}", lines.join("\n"))
        };
        if sources.dockerfiles.is_empty() {
            let finding = Diagnostic::error("heroku.yml has no `build` section, and there is no Dockerfile beside it")
                .at_line(&yml.file, super::node::line_of(&yml.file.text, place.start), "nothing says what to build");
            self.findings.push(finding.help(format!(
                "either write a Dockerfile beside heroku.yml, which then builds web, or name one of another place:\nbuild:\n{section}{}",
                elsewhere(sources.root)
            )));
            return;
        }
        let names: Vec<String> = sources.dockerfiles.iter().map(|f| f.path.display().to_string()).collect();
        let title =
            format!("heroku.yml has no `build` section: building from {}; Heroku would refuse it", names.join(", "));
        let finding = Diagnostic::warning(title).at_line(
            &yml.file,
            super::node::line_of(&yml.file.text, place.start),
            "nothing says what to build",
        );
        self.findings.push(finding.help(format!("add the section:\nbuild:\n{section}")));
        for found in sources.dockerfiles {
            let build = build(sources, sources.root.join(&found.path));
            self.builds.insert(found.process_type.clone(), build);
            if !found.process_type.is_web() {
                self.by_dockerfile.insert(found.process_type.clone(), found.path.clone());
            }
        }
    }

    fn dockerfiles(&mut self, sources: &Sources<'_>) {
        if sources.dockerfiles.is_empty() {
            let help = "write a Dockerfile for web, a Dockerfile.<type> for each other process type, or a heroku.yml; \
                        `dynosim init` can do that; a Procfile with a command is enough for the native engine";
            let title = format!("{} has no heroku.yml, no Dockerfile and no Procfile", sources.root.display());
            self.findings.push(Diagnostic::error(title).help(format!("{help}{}", elsewhere(sources.root))));
        }
        for found in sources.dockerfiles {
            let build = build(sources, sources.root.join(&found.path));
            self.builds.insert(found.process_type.clone(), build);
            self.by_dockerfile.insert(found.process_type.clone(), found.path.clone());
        }
    }

    fn run(&mut self, reader: &mut Reader, run: &RunEntry) {
        let Located { value: process_type, span } = &run.process_type;
        self.by_dockerfile.remove(process_type);
        let image = if let Some(named) = &run.image {
            match self.named_image(reader, named, &format!("run.{process_type}.image")) {
                Some(image) => image,
                None => return,
            }
        } else if self.builds.contains_key(process_type) {
            process_type.clone()
        } else if self.builds.contains_key(&ProcessType::web()) {
            let title = format!("`run.{process_type}` has no image of its own: it runs on the web image");
            reader.findings.push(
                Diagnostic::note(title)
                    .at(&reader.file, span.clone(), "not under `build.docker`, and without `image`")
                    .help(format!("to say so in the file, write\n{process_type}:\n  command:\n    - …\n  image: web")),
            );
            ProcessType::web()
        } else {
            let title = format!(
                "`run.{process_type}` has no image: nothing builds `{process_type}`, and there is no web image"
            );
            let help = format!("give it `image:` with one of {}, or add it to `build.docker`", self.image_names());
            reader.error(span, title, "which image does it run on?", help);
            return;
        };
        self.processes.insert(process_type.clone(), ProcessSpec { image, command: run.command.clone() });
    }

    fn release_phase(&mut self, reader: &mut Reader, release: &ReleaseEntry) -> Option<ReleaseSpec> {
        let image = match &release.image {
            Some(named) => self.named_image(reader, named, "release.image")?,
            None if self.builds.contains_key(&ProcessType::release()) => ProcessType::release(),
            None if self.builds.contains_key(&ProcessType::web()) => {
                let title = "`release` names no image: its command runs on the web image".to_owned();
                reader.warn(&release.span, title, "no `image`", "say which image it is: `image: web`");
                ProcessType::web()
            }
            None => {
                let title = "`release` names no image, and neither `release` nor `web` is built".to_owned();
                let help = format!("add `image:` with one of {}", self.image_names());
                reader.error(&release.span, title, "which image does it run on?", help);
                return None;
            }
        };
        if release.command.is_none() && !image.is_release() {
            let title = "`release` has no `command`".to_owned();
            let help = "write\nrelease:\n  command:\n    - <command>";
            reader.error(&release.span, title, "nothing to run", help);
            return None;
        }
        Some(ReleaseSpec { image, command: release.command.clone() })
    }

    fn named_image(&self, reader: &mut Reader, named: &Located<String>, path: &str) -> Option<ProcessType> {
        let found = self.builds.keys().find(|t| t.as_str() == named.value).cloned();
        if found.is_none() {
            let title = format!("`{path}` is `{}`, which `build.docker` does not build", named.value);
            reader.error(
                &named.span,
                title,
                "expected the name of an image",
                format!("the images are {}", self.image_names()),
            );
        }
        found
    }

    fn image_names(&self) -> String {
        self.builds.keys().map(|t| format!("`{t}`")).collect::<Vec<_>>().join(", ")
    }
}

pub(super) fn build(sources: &Sources<'_>, dockerfile: PathBuf) -> Build {
    let folder = dockerfile.parent().unwrap_or(sources.root).to_path_buf();
    let mut args = sources.yml.map(|yml| yml.args.clone()).unwrap_or_default();
    args.extend(sources.args.clone());
    let context = sources.context.map_or(folder, Path::to_path_buf);
    Build { dockerfile, context, target: None, args, given: sources.args.keys().cloned().collect(), native: None }
}

/// Names Dockerfiles in other folders, if there are any.
fn elsewhere(root: &Path) -> String {
    match dockerfiles::list(root).as_slice() {
        [] => String::new(),
        found => format!("\nDockerfiles found: {}", found.join(", ")),
    }
}
