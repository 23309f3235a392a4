//! An app as its files describe it: process types, builds, config vars, formation.

use super::bare::Bare;
use super::config_vars::ConfigVars;
use super::formation::Formation;
use super::process_type::ProcessType;
use crate::diagnostic::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Everything the project's files say.
#[derive(Clone, Debug)]
pub struct App {
    /// app.json `name`, else the folder's name.
    pub name: String,
    /// The real path of the folder.
    pub root: PathBuf,
    /// One entry for each image to build, by the process type (or `release`) it is built for.
    pub builds: BTreeMap<ProcessType, Build>,
    /// The process types that can run.
    pub processes: BTreeMap<ProcessType, ProcessSpec>,
    /// The release phase, if there is one.
    pub release: Option<ReleaseSpec>,
    /// Config vars with their origins, all layers merged.
    pub config: ConfigVars,
    /// Quantities and sizes before the command line speaks.
    pub formation: Formation,
    /// Add-ons the app declares; dynosim provides none.
    pub addons: Vec<Addon>,
    /// `scripts` of app.json.
    pub scripts: Scripts,
    /// `environments.test` of app.json, if present.
    pub test_environment: Option<TestEnvironment>,
    /// Whether heroku.yml rules (else the Dockerfiles, as `container:push` finds them).
    pub from_heroku_yml: bool,
    /// Whether a Procfile is all there is: no image can be built of it.
    pub only_procfile: bool,
}

impl App {
    /// The app as tests see it: what `environments.test` names is replaced completely (R4).
    #[must_use]
    pub fn under_test(mut self) -> Self {
        if let Some(test) = self.test_environment.clone() {
            self.config = test.config;
            self.addons = test.addons;
            self.formation = test.formation.unwrap_or(self.formation);
        }
        self
    }
}

/// One image to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// The Dockerfile, absolute; of an app that has none, its Procfile.
    pub dockerfile: PathBuf,
    /// The build context, absolute: the Dockerfile's folder (R2).
    pub context: PathBuf,
    /// Multi-stage target.
    pub target: Option<String>,
    /// Build args: heroku.yml `build.config` and `--arg`. Config vars are not among them (R8).
    pub args: BTreeMap<String, String>,
    /// The names of those that `--arg` gave.
    pub given: BTreeSet<String>,
    /// What runs in place of the image on an engine that has none, or why nothing can; `None` until somebody asks.
    pub native: Option<Result<Bare, Diagnostic>>,
}

/// How one process type runs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProcessSpec {
    /// Whose image it runs on: a key of `App::builds`.
    pub image: ProcessType,
    /// The command laid over the image; `None`: the image's `CMD`.
    pub command: Option<CommandText>,
}

/// A command as a text, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CommandText {
    /// The command, for a shell or for `Shellwords` splitting (R1.4).
    pub text: String,
    /// Where it was written: `heroku.yml:18 run.web`, `Procfile:1`.
    pub origin: String,
}

/// The release phase (R2, R9).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReleaseSpec {
    /// Whose image it runs on: a key of `App::builds`.
    pub image: ProcessType,
    /// heroku.yml `release.command`; `None`: the `CMD` of a `release` image.
    pub command: Option<CommandText>,
}

/// An add-on that heroku.yml or app.json declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addon {
    /// `heroku-postgresql`, with its plan if one is named (`heroku-postgresql:essential-0`).
    pub plan: String,
    /// Attachment name.
    pub attached_as: Option<String>,
    /// The config vars it would set (R10).
    pub variables: Vec<String>,
    /// Where it was declared: `heroku.yml:3`, `app.json`.
    pub origin: String,
}

/// app.json `scripts`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scripts {
    /// Run once after the first deploy of a new app.
    pub postdeploy: Option<String>,
    /// Run before a review app is destroyed.
    pub pr_predestroy: Option<String>,
}

/// app.json `environments.test` (R4): its keys replace the base keys.
#[derive(Clone, Debug, Default)]
pub struct TestEnvironment {
    /// Config vars under test: `env` of the environment in place of the base's, over the other layers.
    pub config: ConfigVars,
    /// Formation under test, if it names one.
    pub formation: Option<Formation>,
    /// Add-ons under test.
    pub addons: Vec<Addon>,
    /// `scripts.test-setup`.
    pub test_setup: Option<String>,
    /// `scripts.test`.
    pub test: Option<String>,
}
