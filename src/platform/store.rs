//! What an app remembers: releases, builds, image facts, generated secrets. Plain files, crash-safe.
//!
//! A release is one JSON line, written and synced before anybody is told of it; a later line of the same version
//! replaces the earlier. A line that a crash cut off was never acknowledged and is passed over.

use super::state::{StateDir, write_atomically};
use crate::model::image::{ImageFacts, ImageId};
use crate::model::limits::FIRST_DEPLOY;
use crate::model::release::{Release, ReleaseStatus, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// The releases of an app.
#[derive(Debug)]
pub struct Releases {
    path: PathBuf,
    all: BTreeMap<Version, Release>,
}

impl Releases {
    /// Reads them.
    pub fn open(state: &StateDir) -> io::Result<Self> {
        let path = state.file("releases.jsonl");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let all = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Release>(line).ok())
            .map(|release| (release.version, release))
            .collect();
        Ok(Self { path, all })
    }

    /// Closes what a run that was killed left open: nobody runs those release phases any more.
    pub fn expire(&mut self) -> io::Result<()> {
        let pending = |release: &&Release| release.status == ReleaseStatus::Pending;
        for release in self.all.values().filter(pending).cloned().collect::<Vec<_>>() {
            self.put(Release { status: ReleaseStatus::Expired, ..release })?;
        }
        Ok(())
    }

    /// The number of the next release; the first deploy is v3 (R6.2).
    pub fn next(&self) -> Version {
        Version(self.all.keys().last().map_or(FIRST_DEPLOY, |last| last.0 + 1))
    }

    /// Whether the app was ever released.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The newest release whose release phase succeeded: what dynos boot on.
    pub fn current(&self) -> Option<&Release> {
        self.all.values().rev().find(|release| release.status == ReleaseStatus::Succeeded)
    }

    /// All, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Release> {
        self.all.values()
    }

    /// Keeps a release, new or changed. When this returns, no crash loses it.
    pub fn put(&mut self, release: Release) -> io::Result<()> {
        let mut line = serde_json::to_vec(&release)?;
        line.push(b'\n');
        let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&self.path)?;
        let start = file.metadata()?.len();
        if start > 0 {
            // A line that a crash or a full disk left torn must not swallow this one.
            let mut last = [0];
            file.seek(SeekFrom::Start(start - 1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                line.insert(0, b'\n');
            }
        }
        if let Err(error) = file.write_all(&line).and_then(|()| file.sync_all()) {
            let _ = file.set_len(start);
            return Err(error);
        }
        if start == 0
            && let Some(folder) = self.path.parent()
        {
            File::open(folder)?.sync_all()?;
        }
        self.all.insert(release.version, release);
        Ok(())
    }
}

/// What was last built: by process type, from which inputs to which image.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Built {
    /// Hash of everything that went in.
    pub inputs: String,
    /// The image.
    pub image: ImageId,
    /// What the command line added to the project's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Given>,
}

/// What `--arg` and `--context-path` gave to a build: enough to tell, without them, whether the sources have changed since.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Given {
    /// The names of the build args; a value may be a secret.
    pub args: BTreeSet<String>,
    /// The context, where it is not the Dockerfile's folder.
    pub context: Option<PathBuf>,
    /// Hash of everything else that went in.
    pub sources: String,
}

/// A small JSON file that is read whole and written whole. One that cannot be read is started anew: everything kept
/// this way can be found out again.
#[derive(Debug)]
pub struct Kept<T> {
    path: PathBuf,
    /// What it holds.
    pub value: T,
}

impl<T: Default + serde::Serialize + serde::de::DeserializeOwned> Kept<T> {
    /// Reads it.
    pub fn open(path: PathBuf) -> Self {
        let value = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { path, value }
    }

    /// Writes it.
    pub fn save(&self) -> io::Result<()> {
        write_atomically(&self.path, &serde_json::to_vec_pretty(&self.value)?)
    }
}

/// `scaled.json`: quantity and size by process type, as `ps:scale` and `ps:type` left them.
pub type Scaled = Kept<BTreeMap<String, (u32, String)>>;
/// `builds.json`: by process type.
pub type Builds = Kept<BTreeMap<String, Built>>;
/// `images.json`: by config digest.
pub type Images = Kept<BTreeMap<String, ImageFacts>>;
/// `synced.json`: images that dynos run and no build made.
pub type Synced = Kept<Vec<ImageId>>;
/// `secrets.json`: by name.
pub type Secrets = Kept<BTreeMap<String, String>>;

#[cfg(test)]
mod tests {
    use super::{Kept, Releases};
    use crate::model::release::{Release, ReleaseStatus, Version};
    use crate::platform::state::{Identity, StateDir};
    use std::collections::BTreeMap;
    use std::io::Write;
    use std::path::Path;

    fn release(version: u64, status: ReleaseStatus) -> Release {
        Release {
            version: Version(version),
            description: "Deployed web (eacd9b960537)".into(),
            user: "user@example.com".into(),
            created_at: "2026-11-21T03:08:15Z".into(),
            slug: BTreeMap::new(),
            config: BTreeMap::from([("A".into(), "1".into())]),
            status,
            commands: None,
            release_dyno: None,
        }
    }

    fn state() -> (tempfile::TempDir, StateDir) {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::open(base.path(), "shop", &Identity::of(Path::new("/a"), "")).unwrap();
        (base, state)
    }

    #[test]
    fn r6_2_the_first_deploy_is_v3_and_numbers_are_never_reused() {
        let (_base, state) = state();
        let mut releases = Releases::open(&state).unwrap();
        assert_eq!(releases.next(), Version(3));
        releases.put(release(3, ReleaseStatus::Failed)).unwrap();
        assert_eq!(releases.next(), Version(4));
        assert_eq!(Releases::open(&state).unwrap().next(), Version(4));
    }

    #[test]
    fn r9_a_failed_release_leaves_the_current_one() {
        let (_base, state) = state();
        let mut releases = Releases::open(&state).unwrap();
        releases.put(release(3, ReleaseStatus::Succeeded)).unwrap();
        releases.put(release(4, ReleaseStatus::Pending)).unwrap();
        releases.put(release(4, ReleaseStatus::Failed)).unwrap();
        let again = Releases::open(&state).unwrap();
        assert_eq!(again.current().unwrap().version, Version(3));
        assert_eq!(again.iter().count(), 2);
    }

    #[test]
    fn a_torn_line_loses_neither_the_releases_before_nor_the_next() {
        let (_base, state) = state();
        let mut releases = Releases::open(&state).unwrap();
        releases.put(release(3, ReleaseStatus::Succeeded)).unwrap();
        let path = state.file("releases.jsonl");
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"version\":4,\"desc").unwrap();
        let mut again = Releases::open(&state).unwrap();
        assert_eq!(again.next(), Version(4));
        again.put(release(4, ReleaseStatus::Succeeded)).unwrap();
        let versions: Vec<Version> = Releases::open(&state).unwrap().iter().map(|r| r.version).collect();
        assert_eq!(versions, [Version(3), Version(4)]);
    }

    #[test]
    fn what_can_be_found_out_again_survives_a_broken_file() {
        let (_base, state) = state();
        let path = state.file("builds.json");
        std::fs::write(&path, "{ half").unwrap();
        let mut kept: Kept<BTreeMap<String, String>> = Kept::open(path.clone());
        assert!(kept.value.is_empty());
        kept.value.insert("web".into(), "x".into());
        kept.save().unwrap();
        assert_eq!(Kept::<BTreeMap<String, String>>::open(path).value, kept.value);
    }
}
