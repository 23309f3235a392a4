//! What the ledger holds, entry by entry.

use super::{Images, LedgerError};
use crate::model::image::ImageId;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Entry {
    /// Images were tested.
    Tested(Box<Tested>),
    /// Images got a version.
    Tagged(Tagged),
    /// An image was pushed.
    Pushed(Pushed),
}

/// One run of the tests against the images of one build.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tested {
    /// All images of the build, by process type.
    pub images: Images<TestedImage>,
    /// The checked-out commit; none where there is no git.
    pub commit: Option<Commit>,
    /// The test command as it was given.
    pub command: String,
    /// How it went.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What the platform saw meanwhile.
    pub findings: Vec<Finding>,
    /// When it ended, RFC 3339.
    pub time: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Which dynosim wrote this.
    pub dynosim: String,
}

/// One image of a test.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TestedImage {
    /// Its config digest.
    pub config: ImageId,
    /// Its manifest's digest, where the engine knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Hash of everything that went into the build; empty when it changed during the build.
    pub inputs: String,
}

/// The commit of a source tree.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Commit {
    /// Its full hash.
    pub hash: String,
    /// Whether the tree held changes beside it; none when that could not be found out.
    pub dirty: Option<bool>,
}

/// How a test went.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "result", rename_all = "lowercase")]
pub enum Verdict {
    /// The command ended with 0, and no gate was failed.
    Passed,
    /// The command ended with something else.
    Failed {
        /// Its status.
        status: i32,
    },
    /// The command ended with 0, and what the platform saw failed gates.
    Gates {
        /// Which.
        gates: Vec<String>,
    },
}

impl Verdict {
    /// Whether the images passed.
    pub fn passed(&self) -> bool {
        *self == Self::Passed
    }
}

/// Something the platform saw during a test.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// What kind, as `--fail-on` names it: `r14`, `h12`, `dropped`, `writes`, `boot`, `memory`, `shutdown`.
    pub check: String,
    /// Which dyno, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dyno: Option<String>,
    /// The finding in a sentence.
    pub text: String,
}

/// A version of the app, and the images it names.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tagged {
    /// `v1.0.0`
    pub version: String,
    /// By process type.
    pub images: Images<TaggedImage>,
    /// When, RFC 3339.
    pub time: String,
}

/// One image of a version.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TaggedImage {
    /// Its config digest.
    pub config: ImageId,
    /// Its manifest's digest, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
}

impl Tagged {
    /// Takes in a later entry of the same version.
    pub(super) fn add(&mut self, later: &Self) {
        for (process_type, image) in &later.images {
            let known = self.images.entry(process_type.clone()).or_insert_with(|| image.clone());
            known.manifest = known.manifest.take().or_else(|| image.manifest.clone());
        }
        self.time.clone_from(&later.time);
    }

    /// Whether `other`, of the same version, names no other image.
    pub(super) fn agrees_with(&self, other: &Self) -> Result<(), LedgerError> {
        for (process_type, wanted) in &other.images {
            let Some(had) = self.images.get(process_type) else { continue };
            let taken = |had: &str, wanted: &str| LedgerError::Taken {
                version: self.version.clone(),
                process_type: process_type.clone(),
                had: had.to_owned(),
                wanted: wanted.to_owned(),
            };
            if had.config != wanted.config {
                return Err(taken(&had.config.0, &wanted.config.0));
            }
            if let (Some(had), Some(wanted)) = (&had.manifest, &wanted.manifest)
                && had != wanted
            {
                return Err(taken(had, wanted));
            }
        }
        Ok(())
    }
}

/// One push of one image that the registry confirmed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Pushed {
    /// `registry.heroku.com`
    pub registry: String,
    /// `shop/web`
    pub repository: String,
    /// `latest`, `v1.0.0`
    pub tag: String,
    /// The manifest's digest, as the registry has it.
    pub manifest: String,
    /// The image's config digest.
    pub config: ImageId,
    /// When, RFC 3339.
    pub time: String,
}
