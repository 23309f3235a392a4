//! `check`: a project's files and what is known of its images, held against the rules; and fixes, made file by file.

use super::error::PlatformError;
use super::project::Place;
use super::state::{StateDir, write_atomically};
use super::store::{Builds, Images};
use crate::diagnostic::{Diagnostic, Severity};
use crate::lint::{self, Change, Checked, Finding, Settings};
use crate::manifest::{LoadOptions, Loaded, load_or_rest};
use crate::model::image::ImageFacts;
use crate::model::process_type::ProcessType;
use similar::TextDiff;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What came of a check.
pub struct Outcome {
    /// Findings, and those that were let pass.
    pub checked: Checked,
    /// `dynosim.toml`.
    pub settings: Settings,
    /// Why the project could not be read, where no rule has it.
    pub unreadable: Vec<Diagnostic>,
    /// The project's folder.
    pub root: PathBuf,
}

/// Reads a project and checks it; nothing is written and no engine is asked.
pub fn check(place: &Place, mut options: LoadOptions) -> Result<Outcome, PlatformError> {
    let identity = place.identity()?;
    options.root.clone_from(&identity.root);
    let settings = lint::settings(&identity.root).map_err(|wrong| PlatformError::Project(vec![wrong]))?;
    let root = identity.root.clone();
    let outcome = |mut checked: Checked, mut unreadable: Vec<Diagnostic>| {
        unreadable.append(&mut checked.unreadable);
        Outcome { checked, settings: settings.clone(), unreadable, root: root.clone() }
    };
    match load_or_rest(&options) {
        Ok(loaded) => {
            let state = StateDir::find(&place.state_base, &identity);
            let built = state.map(|state| built(&state, &loaded)).unwrap_or_default();
            let built: Vec<(ProcessType, &ImageFacts)> =
                built.iter().map(|(name, facts)| (name.clone(), facts)).collect();
            Ok(outcome(lint::check(&loaded, &built, &settings), Vec::new()))
        }
        Err(refused) => {
            let unreadable = |one: &&Diagnostic| one.code.is_none() && one.severity == Severity::Error;
            let unreadable = refused.findings.iter().filter(unreadable).cloned().collect();
            Ok(outcome(lint::refused(&refused, &settings), unreadable))
        }
    }
}

/// The rules over a project that is about to be built or run: what the reader of its files has not said already.
pub fn quick(loaded: &Loaded) -> Checked {
    let Ok(settings) = lint::settings(&loaded.app.root) else { return Checked::default() };
    let mut checked = lint::check(loaded, &[], &settings);
    checked.findings.retain(|one| !matches!(one.rule.check, lint::Check::Reader | lint::Check::Ignores));
    checked
}

/// What is known of images that were built since their Dockerfiles changed.
fn built(state: &StateDir, loaded: &Loaded) -> Vec<(ProcessType, ImageFacts)> {
    let time = |path: &Path| fs::metadata(path).and_then(|facts| facts.modified()).ok();
    let when = time(&state.file("builds.json"));
    let builds = Builds::open(state.file("builds.json"));
    let images = Images::open(state.file("images.json"));
    let fresh = loaded.app.builds.iter().filter(|(_, build)| when >= time(&build.dockerfile));
    let facts = fresh.filter_map(|(name, _)| {
        let image = &builds.value.get(name.as_str())?.image;
        Some((name.clone(), images.value.get(&image.0)?.clone()))
    });
    facts.collect()
}

/// A file as fixes would leave it.
pub struct Edit {
    /// As the user knows it.
    pub name: String,
    path: PathBuf,
    before: Option<String>,
    after: String,
    executable: bool,
}

impl Edit {
    /// What would change.
    pub fn diff(&self) -> String {
        let before = self.before.clone().unwrap_or_default();
        let mut text = String::new();
        if self.executable {
            let _ = writeln!(text, "{}: the exec bit is set", self.name);
        }
        if before != self.after {
            let lines = TextDiff::from_lines(&before, &self.after);
            let from = if self.before.is_some() { self.name.as_str() } else { "/dev/null" };
            text.push_str(&lines.unified_diff().header(from, &self.name).to_string().replace('\r', "␍"));
        }
        text
    }

    /// Makes it: the file is replaced as a whole, or left as it was. `false` when it has changed since it was looked at.
    pub fn apply(&self) -> io::Result<bool> {
        if read(&self.path)? != self.before {
            return Ok(false);
        }
        if self.before.as_deref() != Some(self.after.as_str()) {
            write_atomically(&self.path, self.after.as_bytes())?;
            if self.before.is_none() {
                fs::set_permissions(&self.path, Permissions::from_mode(0o644))?;
            }
        }
        if self.executable {
            let mode = fs::metadata(&self.path)?.permissions().mode();
            // Whoever may read it may execute it, as `chmod +x` has it under the usual umask.
            fs::set_permissions(&self.path, Permissions::from_mode(mode | ((mode & 0o444) >> 2)))?;
        }
        Ok(true)
    }
}

/// The files that the certain fixes of findings change, each once.
pub fn edits(root: &Path, findings: &[Finding]) -> io::Result<Vec<Edit>> {
    let mut by_path: BTreeMap<PathBuf, (String, Vec<&Change>)> = BTreeMap::new();
    for fix in findings.iter().filter_map(|one| one.fix.as_ref()) {
        let path = fix.real.clone().unwrap_or_else(|| root.join(&fix.name));
        by_path.entry(path).or_insert_with(|| (fix.name.clone(), Vec::new())).1.push(&fix.change);
    }
    let mut edits = Vec::new();
    for (path, (name, changes)) in by_path {
        let before = read(&path)?;
        let Some(after) = lint::fixed(before.as_deref().unwrap_or_default(), &changes) else { continue };
        let executable = changes.contains(&&Change::Executable);
        if executable || before.as_deref() != Some(after.as_str()) {
            edits.push(Edit { name, path, before, after, executable });
        }
    }
    Ok(edits)
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
