//! Releases: numbered, immutable, each a slug and a config (R9).

use super::app::{ProcessSpec, ReleaseSpec};
use super::image::ImageId;
use super::process_type::ProcessType;
use std::collections::BTreeMap;
use std::fmt;

/// `v42`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// The images of one build, by process type.
pub type Slug = BTreeMap<ProcessType, ImageId>;

/// `succeeded`, `failed`, `pending`, `expired` (R9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseStatus {
    /// The release phase runs.
    Pending,
    /// Dynos may boot on it.
    Succeeded,
    /// Its release phase failed; nothing of it runs.
    Failed,
    /// Its release phase was never brought to an end.
    Expired,
}

/// One release.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Release {
    /// Never reused.
    pub version: Version,
    /// `Deployed web (eacd9b960537)`.
    pub description: String,
    /// Who made it: `user@host`.
    pub user: String,
    /// RFC 3339.
    pub created_at: String,
    /// The images.
    pub slug: Slug,
    /// The config vars at that moment.
    pub config: BTreeMap<String, String>,
    /// How its release phase ended.
    pub status: ReleaseStatus,
    /// What its process types run; none in what an older dynosim wrote down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<Commands>,
    /// The dyno of its release phase, whose lines are its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_dyno: Option<String>,
}

/// What the process types of a release run, as the files said then.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Commands {
    /// By process type.
    pub processes: BTreeMap<ProcessType, ProcessSpec>,
    /// Its release phase.
    pub release: Option<ReleaseSpec>,
}

impl Release {
    /// Whether one may go back to it: its release phase succeeded (R9).
    pub fn is_eligible(&self) -> bool {
        self.status == ReleaseStatus::Succeeded
    }
}

impl fmt::Debug for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Release")
            .field("version", &self.version)
            .field("description", &self.description)
            .field("status", &self.status)
            .field("config", &format_args!("[{} vars]", self.config.len()))
            .finish_non_exhaustive()
    }
}
