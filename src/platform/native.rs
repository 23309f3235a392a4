//! Apps on an engine that has no images: what stands for each image, what is refused, and what is said about it.

use super::error::PlatformError;
use super::project::Project;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::engine::Filesystem;
use crate::manifest::Reading;
use crate::model::app::{App, Build, CommandText};
use crate::model::bare::Bare;
use crate::model::image::ImageFiles;
use crate::model::launch::{Launch, shellwords_split};
use crate::model::process_type::ProcessType;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Finds out for every image of the app what runs in its place. `path` is `$PATH` of this machine.
#[must_use]
pub fn fitted(mut app: App, path: &str) -> App {
    let (root, only_procfile) = (app.root.clone(), app.only_procfile);
    for build in app.builds.values_mut() {
        build.native = Some(read(build, &root, only_procfile, path));
    }
    let builds = app.builds.clone();
    let here = |image: &ProcessType, command: &mut Option<CommandText>| {
        let bare = builds.get(image).and_then(|build| build.native.as_ref()?.as_ref().ok());
        if let (Some(bare), Some(command)) = (bare, command) {
            command.text = bare.lands.here_in_line(&command.text);
        }
    };
    app.processes.values_mut().for_each(|spec| here(&spec.image, &mut spec.command));
    if let Some(release) = &mut app.release {
        here(&release.image, &mut release.command);
    }
    app
}

fn read(build: &Build, root: &Path, only_procfile: bool, path: &str) -> Result<Bare, Diagnostic> {
    let name = build.dockerfile.strip_prefix(root).unwrap_or(&build.dockerfile).display().to_string();
    let text = match fs::read(&build.dockerfile) {
        // `--start-cmd` stands in no file.
        Err(_) if only_procfile => Vec::new(),
        read => read.map_err(|error| Diagnostic::error(format!("{name} cannot be read: {error}")))?,
    };
    let source = Arc::new(SourceFile { name, text: String::from_utf8_lossy(&text).into_owned() });
    let reading = Reading { context: &build.context, target: build.target.as_deref(), args: &build.args, path };
    let mut bare = if only_procfile { reading.procfile(source) } else { reading.dockerfile(source).map_err(|e| *e)? };
    bare.facts.files = ImageFiles {
        has_shell: Path::new("/bin/sh").exists(),
        tmp_mode: Some(0o1777),
        var_tmp_mode: Some(0o1777),
        ..ImageFiles::default()
    };
    Ok(bare)
}

/// The file system as it is without images: `--writable` paths of an image become those of the project, and one that could
/// not be made is refused.
pub fn filesystem(app: &App, wanted: Filesystem) -> Result<Filesystem, PlatformError> {
    let Filesystem::ReadOnly { writable } = wanted else { return Ok(wanted) };
    let root = real(&app.root);
    let place = |path: String| {
        let bares = app.builds.values().filter_map(|build| build.native.as_ref()?.as_ref().ok());
        let here = bares.into_iter().find_map(|bare| bare.lands.here(&path)).unwrap_or_else(|| path.clone());
        let place = real(Path::new(&here));
        if place.exists() || place.starts_with(&root) {
            return Ok(place.to_string_lossy().into_owned());
        }
        let title =
            format!("--writable {path}: there is no such folder, and none is made outside of the app's own folder");
        let help = format!("make it, or name a path below {}", app.root.display());
        Err(PlatformError::Project(vec![Diagnostic::error(title).help(help)]))
    };
    Ok(Filesystem::ReadOnly { writable: writable.into_iter().map(place).collect::<Result<_, _>>()? })
}

/// Where dynos write to the project's own files: nobody can tell that from an edit there, so it is not watched.
pub fn dynos_write(project: &Project, filesystem: &Filesystem) -> Vec<PathBuf> {
    if !project.engine.facts().writes_through {
        return Vec::new();
    }
    match filesystem {
        Filesystem::ReadOnly { writable } if writable.is_empty() => Vec::new(),
        Filesystem::ReadOnly { writable } => {
            let words = writable.join(", ");
            project.report.note(format!("dynos write to your own files here: edits below {words} are not watched"));
            writable.iter().map(PathBuf::from).collect()
        }
        Filesystem::Ephemeral => {
            project.report.note("dynos write to your own files here (--fs ephemeral): edits are not watched");
            vec![project.app.root.clone()]
        }
    }
}

/// A path without symbolic links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|above| Some((above, fs::canonicalize(above).ok()?)));
    let Some((above, real)) = there else { return path.to_owned() };
    let rest = path.strip_prefix(above).unwrap_or(path);
    if rest == Path::new("") { real } else { real.join(rest) }
}

/// Refuses images that nothing can run in place of.
pub(super) fn refuse_unfit(app: &App, wanted: &BTreeSet<ProcessType>) -> Result<(), PlatformError> {
    let builds = app.builds.iter().filter(|(name, _)| wanted.contains(*name));
    let mut unfit: Vec<Diagnostic> =
        builds.filter_map(|(_, build)| build.native.as_ref()?.as_ref().err().cloned()).collect();
    unfit.dedup();
    if unfit.is_empty() { Ok(()) } else { Err(PlatformError::NotNative(unfit)) }
}

/// What stands for the image `name`, on an engine without images.
fn bare<'a>(app: &'a App, name: &ProcessType) -> Option<&'a Bare> {
    app.builds.get(name)?.native.as_ref()?.as_ref().ok()
}

/// A Dockerfile without a command, whose base image may have one: only a container engine knows it.
pub(super) fn no_command(app: &App, image: &ProcessType, process_type: &ProcessType) -> Option<PlatformError> {
    let bare = bare(app, image)?;
    let title = format!("`{process_type}` has no command that could run without its image");
    let finding = Diagnostic::error(title)
        .at_line(&bare.source, bare.line, "the image below may have a CMD, which only a container engine knows")
        .help(format!(
            "write a CMD, or a command for {process_type} under `run` in heroku.yml; or use a container engine: \
             `--engine docker`"
        ));
    Some(PlatformError::NotNative(vec![finding]))
}

/// A command whose program is named by a path that only the image has.
pub(super) fn no_program(
    app: &App,
    image: &ProcessType,
    process_type: &ProcessType,
    launch: &Launch,
) -> Option<PlatformError> {
    let bare = bare(app, image)?;
    let program = program(launch)?;
    if !program.starts_with('/') || Path::new(&program).exists() {
        return None;
    }
    let word = if launch.shell { launch.argv.last() } else { launch.argv.first() };
    let word = word.map(|word| word.origin.to_string()).unwrap_or_default();
    let not_here = if app.only_procfile {
        "which this machine does not have"
    } else {
        "which is in its image and not on this machine"
    };
    let title = format!("`{process_type}` runs {program}, {not_here}");
    let finding = Diagnostic::error(title).at_line(&bare.source, bare.line, format!("named by {word}")).help(
        if app.only_procfile {
            "name a program of this machine".to_owned()
        } else {
            "name a program of this machine under `run` in heroku.yml, or use a container engine: `--engine docker`"
                .to_owned()
        },
    );
    Some(PlatformError::NotNative(vec![finding]))
}

/// The program that a command line begins with; `None` where a shell decides.
fn program(launch: &Launch) -> Option<String> {
    if !launch.shell {
        return launch.argv.first().map(|word| word.text.clone());
    }
    let words = shellwords_split(&launch.command).ok()?;
    let first = words.into_iter().next()?;
    (!first.contains(['$', '=', '`', '('])).then_some(first)
}

/// What the files ask for and nobody does: said once.
pub(super) fn undone(app: &App, wanted: &BTreeSet<ProcessType>) -> BTreeSet<String> {
    wanted.iter().filter_map(|name| bare(app, name)).flat_map(|bare| bare.undone.clone()).collect()
}

#[cfg(test)]
mod tests;
