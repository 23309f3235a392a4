//! A build context as a rule sees it: which files a build would get. The only place of the rules that touches files.

use crate::diagnostic::{Diagnostic, SourceFile};
use crate::dockerfile::ignore::{Ignore, Inherited};
use std::borrow::Cow;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No script or configuration of a person is larger.
const MOST_BYTES: u64 = 512 * 1024;
/// The builder takes any; nothing is said of a larger one but that.
const MOST_OF_DOCKERFILE: u64 = 4 << 20;

/// A build context.
pub(super) struct Folder {
    /// Absolute.
    pub(super) root: PathBuf,
    /// What stands before its files' names for the user: `worker/`, or nothing.
    pub(super) prefix: String,
    ignore: Ignore,
    /// The `.dockerignore` that counts, if there is one.
    pub(super) ignore_file: Option<Arc<SourceFile>>,
    /// A line of it that is no pattern.
    pub(super) bad_pattern: Option<usize>,
}

/// A file of a context that was read.
#[derive(Clone)]
pub(super) struct Content {
    /// From the context's root.
    pub(super) path: String,
    /// With the name the user knows it by.
    pub(super) file: Arc<SourceFile>,
    /// Absolute.
    pub(super) real: PathBuf,
    /// Whether somebody may execute it.
    pub(super) executable: bool,
}

impl Folder {
    /// The context at `root` of a project at `project`, for a build of `dockerfile`.
    pub(super) fn open(project: &Path, root: &Path, dockerfile: &Path) -> Self {
        let prefix = match root.strip_prefix(project) {
            Ok(below) if below.as_os_str().is_empty() => String::new(),
            Ok(below) => format!("{}/", below.display()),
            Err(_) => format!("{}/", root.display()),
        };
        let own = PathBuf::from(format!("{}.dockerignore", dockerfile.display()));
        let file = if own.is_file() { own } else { root.join(".dockerignore") };
        let name = file.strip_prefix(project).unwrap_or(&file).display().to_string();
        let ignore_file = text_of(&file).map(|text| Arc::new(SourceFile { name, text }));
        let parsed = Ignore::parse(ignore_file.as_ref().map_or("", |file| &file.text));
        let bad_pattern = parsed.as_ref().err().map(|bad| bad.line);
        Self { root: root.to_owned(), prefix, ignore: parsed.unwrap_or_default(), ignore_file, bad_pattern }
    }

    /// Whether something is at a path of the context, ignored or not.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// Whether a folder is at a path of the context.
    pub(super) fn is_dir(&self, path: &str) -> bool {
        self.root.join(path).is_dir()
    }

    /// Whether `.dockerignore` leaves a path out.
    pub(super) fn ignored(&self, path: &str) -> bool {
        let mut above = Inherited::default();
        let mut ignored = false;
        for (at, _) in path.match_indices('/').chain([(path.len(), "")]) {
            (ignored, above) = self.ignore.check(&path[..at], &above);
        }
        ignored
    }

    /// Whether an ignored folder may hold something that is not.
    pub(super) fn may_hold(&self, path: &str) -> bool {
        self.ignore.may_reappear_below(path)
    }

    /// A file that a build would get, read; not one that is no text, or too large.
    pub(super) fn read(&self, path: &str) -> Option<Content> {
        if self.ignored(path) {
            return None;
        }
        let real = self.root.join(path);
        let text = text_of(&real)?;
        let file = Arc::new(SourceFile { name: format!("{}{path}", self.prefix), text });
        Some(Content { path: path.to_owned(), file, executable: executable(&real), real })
    }
}

/// The text of a Dockerfile known to the user as `name`, and whether it is as written: Docker takes bytes, so those that
/// are no UTF-8 are replaced.
pub(super) fn dockerfile(path: &Path, name: &str) -> Result<(String, bool), Diagnostic> {
    let unreadable = |why: String, help: &str| Diagnostic::error(format!("{name} {why}")).help(help);
    let failed =
        |error: std::io::Error| unreadable(format!("cannot be read: {error}"), "let it be read, then check again");
    let facts = fs::metadata(path).map_err(failed)?;
    if !facts.is_file() {
        return Err(unreadable("is no file".into(), "a Dockerfile is a file of text"));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MOST_OF_DOCKERFILE + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > MOST_OF_DOCKERFILE {
        let why = format!("is larger than {} MB", MOST_OF_DOCKERFILE >> 20);
        return Err(unreadable(why, "is it another file under this name? A Dockerfile has a few hundred lines"));
    }
    Ok(match String::from_utf8_lossy(&bytes) {
        Cow::Borrowed(text) => (text.to_owned(), true),
        Cow::Owned(text) => (text, false),
    })
}

/// The text of a file, if it is one.
pub(super) fn text_of(path: &Path) -> Option<String> {
    let facts = fs::metadata(path).ok()?;
    if !facts.is_file() || facts.len() > MOST_BYTES {
        return None;
    }
    let mut text = String::new();
    File::open(path).ok()?.take(MOST_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(unix)]
fn executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|facts| facts.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn executable(_: &Path) -> bool {
    true
}

/// A path of the context without `.` and slashes at its ends; `None` when it leads out.
pub(super) fn clean(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            other => parts.push(other),
        }
    }
    Some(parts.join("/"))
}
