//! What is built, how a build goes on, and how one fails.

use crate::model::image::ImageFacts;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildPlan {
    /// The process types it is for, for messages: `web`, `web, worker`.
    pub label: String,
    /// The name the image gets: `dynosim/shop-3f9a1c227be4/web`.
    pub repository: String,
    /// The Dockerfile, absolute; of an app that has none, its Procfile.
    pub dockerfile: PathBuf,
    /// The context folder, absolute.
    pub context: PathBuf,
    /// Multi-stage target.
    pub target: Option<String>,
    /// Build args.
    pub args: BTreeMap<String, String>,
    /// `linux/amd64` unless told otherwise.
    pub platform: String,
    /// Build every step anew.
    pub no_cache: bool,
    /// What an engine without images takes in place of one: command, environment and folder as the files have them, all
    /// of this machine. Always there when [`EngineFacts::native`](super::EngineFacts::native) is.
    pub native: Option<ImageFacts>,
}

/// Progress of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildEvent {
    /// A step began, or its state changed.
    Step(BuildStep),
    /// A step printed something.
    Output {
        /// Its id.
        step: String,
        /// Bytes as printed.
        bytes: Bytes,
    },
    /// The context is being sent: bytes so far.
    Context(u64),
    /// A base image is being fetched: what, bytes so far, bytes in all.
    Pull(String, u64, u64),
}

/// One step of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildStep {
    /// Identifies it within the build.
    pub id: String,
    /// `[2/5] RUN pip install …`
    pub name: String,
    /// It was taken from the cache.
    pub cached: bool,
    /// It has begun.
    pub started: bool,
    /// It has ended.
    pub finished: bool,
    /// Why it failed.
    pub error: Option<String>,
}

/// A failed build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildFailure {
    /// One sentence.
    pub message: String,
    /// The step, as `[2/5] RUN pip install …`; empty when none was reached.
    pub step: String,
    /// Its output, last lines.
    pub output: Vec<String>,
    /// Line of the Dockerfile, from 1, when it could be told.
    pub line: Option<usize>,
    /// How to mend it, when that could be told.
    pub help: Option<String>,
}
