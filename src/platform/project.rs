//! A project that was read, with everything a command needs to act on it.

use super::error::PlatformError;
use super::report::{News, Reporter};
use super::state::{Identity, StateDir};
use super::store::Secrets;
use crate::clock::Clock;
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{Engine, RunIdentity, Swept};
use crate::manifest::{LoadOptions, Loaded, load};
use crate::model::app::App;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which project, and where its state is kept.
#[derive(Clone, Debug)]
pub struct Place {
    /// The project's folder, as given.
    pub folder: PathBuf,
    /// From `-n`; empty when not given.
    pub instance: String,
    /// `$XDG_STATE_HOME/dynosim`.
    pub state_base: PathBuf,
}

impl Place {
    /// The identity of the app there.
    pub fn identity(&self) -> Result<Identity, PlatformError> {
        let wrong = |reason: String| {
            let finding = Diagnostic::error(format!("{} is not a project folder: {reason}", self.folder.display()));
            PlatformError::Project(vec![finding.help("give the folder of the Dockerfile or heroku.yml with -C")])
        };
        let root = std::fs::canonicalize(&self.folder).map_err(|error| wrong(error.to_string()))?;
        if !root.is_dir() {
            return Err(wrong("it is a file".to_owned()));
        }
        Ok(Identity::of(&root, &self.instance))
    }

    /// Its state folder, named after the project's folder when it is new.
    pub fn state(&self, identity: &Identity) -> Result<StateDir, PlatformError> {
        StateDir::open(&self.state_base, &name_of(&identity.root), identity)
            .map_err(PlatformError::io(format!("open the state folder under {}", self.state_base.display())))
    }
}

/// The files of a project, read; no engine is needed for this.
pub struct Sources {
    /// What they say.
    pub loaded: Loaded,
    /// Who the app is.
    pub identity: Identity,
    /// Its state folder.
    pub state: StateDir,
}

impl Sources {
    /// Reads the project. Errors come back all at once; [`Sources::tell`] has the rest.
    pub fn read(place: &Place, mut options: LoadOptions, clock: &Clock) -> Result<Self, PlatformError> {
        let identity = place.identity()?;
        options.root.clone_from(&identity.root);
        let state = place.state(&identity)?;
        let mut secrets = Secrets::open(state.file("secrets.json"));
        options.generated.clone_from(&secrets.value);
        let mut loaded = load(&options).map_err(PlatformError::Project)?;
        if !loaded.wanted_secrets.is_empty() {
            for name in loaded.wanted_secrets.clone() {
                let secret = secrets.value.entry(name.clone()).or_insert_with(|| clock.random_hex(64));
                loaded.supply_secret(&name, secret);
            }
            secrets.save().map_err(PlatformError::io("keep the generated secrets"))?;
        }
        Ok(Self { loaded, identity, state })
    }

    /// Tells what is worth saying about the files, from this severity on. Notes are for the commands that run or build
    /// the whole app; a one-off command need not hear them each time.
    pub fn tell(&self, report: &Reporter, least: Severity) {
        for finding in self.loaded.findings.iter().filter(|finding| finding.severity >= least) {
            report.tell(News::Finding(finding.clone()));
        }
    }
}

/// A folder's name as Docker and the file system both take it.
fn name_of(root: &Path) -> String {
    let name = root.file_name().map_or_else(|| "app".into(), |name| name.to_string_lossy().to_lowercase());
    let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let short: String = clean.trim_matches('-').chars().take(30).collect();
    if short.is_empty() { "app".into() } else { short }
}

/// A project with an engine under it.
#[derive(Clone)]
pub struct Project {
    /// What its files say.
    pub app: App,
    /// Who it is.
    pub identity: Identity,
    /// Its state folder.
    pub state: StateDir,
    /// Runs its dynos.
    pub engine: Arc<dyn Engine>,
    /// Stamps and chance.
    pub clock: Clock,
    /// Takes news.
    pub report: Reporter,
    /// Who makes releases: `user@host`.
    pub user: String,
}

impl Project {
    /// The part that the names of all its images share.
    pub fn repository(&self) -> String {
        self.state.repository()
    }

    /// Labels for a run.
    pub fn run_identity(&self, run: &str) -> RunIdentity {
        RunIdentity { app: self.app.name.clone(), identity: self.identity.id.clone(), run: run.to_owned() }
    }

    /// Removes what this run and dead ones left behind, as a command ends.
    pub async fn sweep_own(&self, run: &str) -> Result<(), PlatformError> {
        let _turn = self.state.turn_to_sweep().await.map_err(PlatformError::io("wait for the turn to clean up"))?;
        let runs = self.state.runs().map_err(PlatformError::io("look for living runs"))?;
        let others: Vec<String> = runs.live.into_iter().filter(|other| other != run).collect();
        self.engine.sweep(&self.identity.id, &others).await?;
        Ok(())
    }

    /// Removes what runs that are dead left behind; says so if it was anything.
    pub async fn sweep(&self) -> Result<(), PlatformError> {
        sweep(&[self.engine.as_ref()], &self.state, &self.identity, &self.report).await.map(|_| ())
    }
}

/// Removes what the app's dead runs left behind; needs no readable project. Whether there was anything. Images are not
/// among it: a build that goes on beside may just be making one, and removes replaced ones itself.
pub async fn sweep(
    engines: &[&dyn Engine],
    state: &StateDir,
    identity: &Identity,
    report: &Reporter,
) -> Result<bool, PlatformError> {
    let _turn = state.turn_to_sweep().await.map_err(PlatformError::io("wait for the turn to clean up"))?;
    let runs = state.runs().map_err(PlatformError::io("look for living runs"))?;
    let mut swept = Swept::default();
    for engine in engines {
        swept.add(engine.sweep(&identity.id, &runs.live).await?);
    }
    state.forget(&runs.dead);
    if !swept.is_nothing() {
        report.tell(News::Swept(swept));
    }
    Ok(!swept.is_nothing())
}
