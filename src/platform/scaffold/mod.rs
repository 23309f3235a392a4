//! What a folder needs to become an app, made of `templates/init`: Dockerfiles, heroku.yml and the files around them.
//! First a plan, which somebody can look at; then files, of which none is ever overwritten.

mod context;
mod remote;
mod render;
mod start;
#[cfg(test)]
mod tests;
mod write;

pub use remote::{Ci, Remote};
pub use write::{Written, write};

use crate::diagnostic::Diagnostic;
use crate::manifest::{Stack, Survey};
use context::Context;
use similar::TextDiff;
use std::path::{Path, PathBuf};

/// What a site's Dockerfile copies.
const NGINX: &str = "nginx.conf.template";

/// What the caller decides.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The continuous integration to write for; `None`: by the git remote.
    pub ci: Option<Ci>,
    /// The app's name on Heroku; `None`: that of app.json, or the folder's.
    pub app: Option<String>,
}

/// One file of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Path from the root.
    pub path: PathBuf,
    /// What it is to hold.
    pub text: String,
    /// What stands there already, which stays.
    pub there: Option<There>,
}

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum There {
    /// It holds just what would be written.
    Same,
    /// It holds something else; `None` when it is no text.
    Other(Option<String>),
}

/// Every file, those that are there included.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// In the order in which they are written: an unfinished run is gone on with by the next.
    pub files: Vec<Planned>,
    /// Notes on what was decided.
    pub notes: Vec<Diagnostic>,
}

impl Plan {
    /// The files to be written.
    pub fn missing(&self) -> impl Iterator<Item = &Planned> {
        self.files.iter().filter(|file| file.there.is_none())
    }
}

impl Planned {
    /// How what stands there differs from what would be written: a unified diff, empty when it does not.
    pub fn diff(&self) -> String {
        let Some(There::Other(Some(before))) = &self.there else { return String::new() };
        let name = self.path.display().to_string();
        let diff = TextDiff::from_lines(before, &self.text);
        diff.unified_diff().header(&name, &format!("{name} as init would write it")).to_string()
    }
}

/// Plans what a surveyed folder needs. `remote` is what its git repository says.
pub fn plan(survey: &Survey, remote: &Remote, options: &Options) -> Result<Plan, Vec<Diagnostic>> {
    let mut notes = Vec::new();
    let ci = remote.choose(options.ci, &survey.root, &mut notes);
    let context = Context::of(survey, remote, options);
    let render = render::Renderer::new();
    let mut files = Vec::new();
    let mut add = |path: PathBuf, text: Result<String, String>| match text {
        Ok(text) => files.push(planned(&survey.root, path, text)),
        Err(fault) => notes.push(Diagnostic::error(format!("the template of {} is wrong: {fault}", path.display()))),
    };
    add(".dockerignore".into(), render.file("dockerignore", &context));
    let writes = context.planned.iter().any(|image| !survey.root.join(&image.dockerfile).exists());
    if matches!(survey.stack, Some(Stack::Site(_))) && (writes || survey.root.join(NGINX).exists()) {
        add(NGINX.into(), render.file("nginx.conf", &context));
    }
    add("heroku.yml".into(), render.file("heroku.yml", &context));
    add("app.json".into(), render.file("app.json", &context));
    add(".env.example".into(), render.file("env.example", &context));
    if let Some(ci) = ci {
        add(ci.path().into(), render.file(ci.template(), &context));
    }
    // Dockerfiles last, and web's at the very end: while it is not there, init knows that the others are its own.
    for image in context.planned.iter().rev() {
        add(PathBuf::from(&image.dockerfile), render.dockerfile(&context, image));
    }
    if let Some(fault) = notes.iter().position(|note| note.severity == crate::diagnostic::Severity::Error) {
        return Err(vec![notes.swap_remove(fault)]);
    }
    Ok(Plan { files, notes })
}

fn planned(root: &Path, path: PathBuf, text: String) -> Planned {
    let full = root.join(&path);
    // A link that leads nowhere is something too.
    let there = full.symlink_metadata().is_ok().then(|| match std::fs::read_to_string(&full) {
        Ok(before) if before == text => There::Same,
        Ok(before) => There::Other(Some(before)),
        Err(_) => There::Other(None),
    });
    Planned { path, text, there }
}
