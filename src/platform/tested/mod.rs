//! The ledger: which images were tested and how that went, which version names which image, and what was pushed where.
//! `ledger.jsonl` in the app's state folder; `chain` has the form of its lines.
//!
//! An image is meant by its config digest, the one name that build, test, push and release have in common (R1.1). The
//! ledger vouches for what passed, and for nothing from its first wrong line on.

mod chain;
mod entry;
#[cfg(test)]
mod tests;

pub use chain::{Broken, Fault};
pub use entry::{Commit, Entry, Finding, Pushed, Tagged, TaggedImage, Tested, TestedImage, Verdict};

use super::state::StateDir;
use crate::model::image::ImageId;
use crate::model::process_type::ProcessType;
use chain::{Chain, Found};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Name of the file in the app's state folder.
const FILE: &str = "ledger.jsonl";

/// What the app's ledger said when it was read, and a hand to write more.
#[derive(Debug)]
pub struct Ledger {
    chain: Chain,
    entries: Vec<Entry>,
    broken: Option<Broken>,
}

/// Why nothing was written into the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It is not what was written.
    #[error("the ledger of tested images cannot be trusted: {broken} ({file})")]
    Broken {
        /// Where it stops being true.
        broken: Broken,
        /// The file.
        file: String,
    },
    /// The version names another image already.
    #[error("version {version} already names another image for {process_type}: {had}, not {wanted}")]
    Taken {
        /// The version.
        version: String,
        /// Whose image.
        process_type: ProcessType,
        /// The digest it names.
        had: String,
        /// The digest it was to name.
        wanted: String,
    },
    /// The file cannot be read or written.
    #[error("the ledger of tested images cannot be used: {0}")]
    Io(#[from] io::Error),
}

impl LedgerError {
    /// How to go on.
    pub fn help(&self) -> String {
        match self {
            Self::Broken { file, .. } => {
                format!("find out who changed it; then move {file} away and test the images again")
            }
            Self::Taken { version, .. } => format!("choose another version than {version}: versions are not moved"),
            Self::Io(_) => "see that the state folder can be written to".into(),
        }
    }
}

impl From<LedgerError> for io::Error {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Io(error) => error,
            other => Self::new(io::ErrorKind::InvalidData, format!("{other}; {}", other.help())),
        }
    }
}

impl Ledger {
    /// Reads and checks it. One that is broken is read up to there: see [`Ledger::broken`].
    pub fn open(state: &StateDir) -> io::Result<Self> {
        let chain = Chain::new(state.file(FILE));
        let Found { entries, broken, .. } = chain.read()?;
        Ok(Self { chain, entries, broken })
    }

    /// The first line that is not as it was written, if there is one. It and what follows count for nothing.
    pub fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.chain.path()
    }

    /// All entries, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// All tests, oldest first.
    pub fn tests(&self) -> impl DoubleEndedIterator<Item = &Tested> {
        self.iter().filter_map(|entry| if let Entry::Tested(tested) = entry { Some(&**tested) } else { None })
    }

    /// The newest test that this image passed.
    pub fn vouches_for(&self, config_digest: &ImageId) -> Option<&Tested> {
        self.tests().rev().find(|tested| {
            tested.verdict.passed() && tested.images.values().any(|image| image.config == *config_digest)
        })
    }

    /// The images that a version names, by process type; several `tag` commands of one version add up.
    pub fn by_version(&self, version: &str) -> Option<Tagged> {
        let mut found: Option<Tagged> = None;
        for entry in &self.entries {
            if let Entry::Tagged(one) = entry
                && one.version == version
            {
                match &mut found {
                    Some(all) => all.add(one),
                    None => found = Some(one.clone()),
                }
            }
        }
        found
    }

    /// The images that a version names, and so may be wanted again.
    pub fn versioned_images(&self) -> Vec<ImageId> {
        let versions = self.iter().filter_map(|entry| if let Entry::Tagged(one) = entry { Some(one) } else { None });
        versions.flat_map(|version| version.images.values().map(|image| image.config.clone())).collect()
    }

    /// Writes down a test. When this returns, no crash loses it.
    pub fn record(&mut self, tested: Tested) -> Result<(), LedgerError> {
        self.put(Entry::Tested(Box::new(tested)))
    }

    /// Gives images a version. What the version names already it goes on naming; nothing is written when that is all of it.
    pub fn tag(&mut self, version: Tagged) -> Result<(), LedgerError> {
        self.write(|ledger| {
            if let Some(known) = ledger.by_version(&version.version) {
                known.agrees_with(&version)?;
                if version.images.iter().all(|(name, image)| known.images.get(name) == Some(image)) {
                    return Ok(None);
                }
            }
            Ok(Some(Entry::Tagged(version)))
        })
    }

    /// Writes down a push.
    pub fn pushed(&mut self, pushed: Pushed) -> Result<(), LedgerError> {
        self.put(Entry::Pushed(pushed))
    }

    fn put(&mut self, entry: Entry) -> Result<(), LedgerError> {
        self.write(|_| Ok(Some(entry)))
    }

    /// Reads what others wrote meanwhile, decides, and writes, all in one turn: two processes never interleave.
    fn write(&mut self, decide: impl FnOnce(&Self) -> Result<Option<Entry>, LedgerError>) -> Result<(), LedgerError> {
        let _turn = self.chain.turn()?;
        let mut found: Found<Entry> = self.chain.read()?;
        self.entries = std::mem::take(&mut found.entries);
        self.broken = found.broken.take();
        if let Some(broken) = self.broken.clone() {
            return Err(LedgerError::Broken { broken, file: self.path().display().to_string() });
        }
        if let Some(entry) = decide(self)? {
            self.chain.append(&found, &entry)?;
            self.entries.push(entry);
        }
        Ok(())
    }
}

/// By process type.
type Images<T> = BTreeMap<ProcessType, T>;
