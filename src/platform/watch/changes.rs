//! What a change of the files means for an image: nothing, some files on top of it, or a build. Pure: two or three looks
//! at a build context in, a verdict out.

use crate::engine::Piece;
use crate::engine::context::{Kind, Survey};
use crate::manifest::{Copies, Subject, Way};
use crate::model::image::ImageFacts;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// More bytes than this are a build's work.
const MOST_BYTES: u64 = 64 << 20;

/// What to do about one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The image is as the files say.
    Same,
    /// These go on top of the image as it was built.
    Sync {
        /// What goes where.
        pieces: Vec<Piece>,
        /// What is new since the last look: paths in the context.
        fresh: Vec<String>,
    },
    /// It must be built: why.
    Build(String),
}

/// One image, as it was built and as it was last looked at.
pub(super) struct Looks<'a> {
    /// The build context's folder.
    pub(super) context: &'a Path,
    /// Nothing is built: dynos run in the context itself.
    pub(super) native: bool,
    /// What dynos write themselves.
    pub(super) dynos_write: &'a [PathBuf],
    /// The Dockerfile's path in the context: what counts is its text.
    pub(super) dockerfile: Option<&'a str>,
    /// Multi-stage target.
    pub(super) target: Option<&'a str>,
    /// What the image was built of.
    pub(super) built: &'a Survey,
    /// The image.
    pub(super) image: &'a ImageFacts,
    /// What was last acted on.
    pub(super) seen: &'a Survey,
    /// What there is now.
    pub(super) now: &'a Survey,
}

impl Looks<'_> {
    /// Judges. Changes that no image depends on are nothing, however many.
    pub(super) fn verdict(&self) -> Verdict {
        if !self.native && self.seen.dockerfile != self.now.dockerfile {
            return Verdict::Build("its Dockerfile changed".into());
        }
        let copies = Copies::read(&self.now.dockerfile, self.target);
        let fresh = relevant(self.seen.differences(self.now));
        let edited = |path: &String| !self.dynos_write.iter().any(|place| self.context.join(path).starts_with(place));
        let fresh = fresh.into_iter().filter(edited).filter(|path| self.way(&copies, path) != Way::Unused);
        let fresh: Vec<String> = fresh.collect();
        if fresh.is_empty() {
            return Verdict::Same;
        }
        if self.native {
            return Verdict::Sync { pieces: self.in_place(&fresh), fresh };
        }
        if self.built.dockerfile != self.now.dockerfile {
            return Verdict::Build("its Dockerfile changed since it was built".into());
        }
        match self.pieces(&copies) {
            Ok(pieces) => Verdict::Sync { pieces, fresh },
            Err(reason) => Verdict::Build(reason),
        }
    }

    /// Files that are where they go already.
    fn in_place(&self, fresh: &[String]) -> Vec<Piece> {
        let there = fresh.iter().filter(|path| self.now.entries.contains_key(*path));
        let paths = there.map(|path| self.context.join(path));
        paths.map(|source| Piece { target: source.to_string_lossy().into_owned(), source, owner: (0, 0) }).collect()
    }

    /// Everything that differs from what was built, and where it goes.
    fn pieces(&self, copies: &Copies) -> Result<Vec<Piece>, String> {
        let mut pieces = BTreeMap::new();
        let mut bytes = 0;
        for path in relevant(self.built.differences(self.now)) {
            let landings = match self.way(copies, &path) {
                Way::Unused => continue,
                Way::Build(reason) => return Err(format!("{path} {reason}")),
                Way::Lands(landings) => landings,
            };
            let Some(stamp) = self.now.entries.get(&path) else {
                return Err(format!("{path} was removed"));
            };
            let before = self.built.entries.get(&path);
            if before.is_some_and(|before| before.kind != stamp.kind) {
                return Err(format!("{path} is of another kind now"));
            }
            if stamp.kind == Kind::Folder && before.is_some() {
                return Err(format!("the mode of the folder {path} changed"));
            }
            if stamp.mode & 0o7000 != 0 {
                return Err(format!("{path} has a special mode"));
            }
            bytes += stamp.size;
            if stamp.kind == Kind::Other {
                continue;
            }
            for landing in landings {
                let source = self.context.join(&path);
                let piece = Piece { target: landing.target.clone(), source, owner: landing.owner };
                pieces.insert(landing.target, piece);
            }
        }
        if bytes > MOST_BYTES {
            return Err(format!("{} MB changed", bytes >> 20));
        }
        Ok(pieces.into_values().collect())
    }

    fn way(&self, copies: &Copies, path: &str) -> Way {
        let subject = |path: &str| {
            let stamp = self.now.entries.get(path).or_else(|| self.built.entries.get(path))?;
            match stamp.kind {
                Kind::File => Some(Subject::File),
                Kind::Folder => Some(Subject::Folder),
                Kind::Link => Some(Subject::Link),
                Kind::Other => None,
            }
        };
        // Config vars are a release of their own, whatever else they lie beside.
        if self.dockerfile == Some(path) || (self.native && path == ".env") {
            return Way::Unused;
        }
        if is_rule(path) {
            return Way::Build("changed".into());
        }
        copies.way(path, &subject, self.image)
    }
}

/// What leaves files out is read by the builder, whatever is copied.
fn is_rule(path: &str) -> bool {
    path == ".dockerignore" || path.ends_with("Dockerfile.dockerignore")
}

/// The paths that somebody edits: without those that programs leave beside, and without Git's own.
pub(super) fn relevant(paths: BTreeSet<String>) -> BTreeSet<String> {
    paths.into_iter().filter(|path| !is_passing(path)).collect()
}

/// Files that come and go while somebody edits others, and what Git keeps. They start nothing; a build takes them along.
pub(super) fn is_passing(path: &str) -> bool {
    if path.split('/').any(|part| part == ".git") {
        return true;
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let starts = |beginnings: &[&str]| beginnings.iter().any(|beginning| name.starts_with(beginning));
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let vim = name == "4913" || (name.starts_with('.') && ends(&[".swp", ".swo", ".swx", ".swpx"]));
    let emacs = starts(&[".#"]) || (name.starts_with('#') && name.ends_with('#') && name.len() > 1);
    let backup = ends(&["~", "___jb_tmp___", "___jb_old___", ".kate-swp"]);
    vim || emacs || backup || starts(&[".goutputstream-", ".dynosim."]) || name == ".DS_Store"
}

/// `app.py`, `app.py, lib.py and 3 more`.
pub(super) fn named(paths: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = paths.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match paths.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
