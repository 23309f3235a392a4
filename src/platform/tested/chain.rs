//! A file of lines that shows when it was changed: each line carries the hash of the line before and its own.
//!
//! ```text
//! {"hash":"9f2c…","before":"0000…","entry":{…}}
//! {"hash":"41aa…","before":"9f2c…","entry":{…}}
//! ```
//!
//! A line's hash is the SHA-256 of the bytes behind it, `"before":…` to the closing brace. How many lines there are stands in
//! a file beside it, so that lines taken off the end are missed. It shows that somebody changed a line; it cannot show that
//! somebody wrote the whole file anew, since the hashes need no key.

use crate::platform::state::write_atomically;
use sha2::{Digest, Sha256};
use std::fmt::{self, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The hash that stands before the first line.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Where a ledger stops being what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The first line that is wrong, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not what was written, or not in its place.
    Changed,
    /// It was written and is not there.
    Missing,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::Changed => write!(f, "line {} was changed after it was written", self.line),
            Fault::Missing => write!(f, "line {} was written and is missing", self.line),
        }
    }
}

/// The file.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    path: PathBuf,
}

/// What a look at the file finds.
#[derive(Debug)]
pub(super) struct Found<T> {
    /// The entries of the sound lines, in order; those of a newer dynosim, which this one cannot read, are left out.
    pub(super) entries: Vec<T>,
    /// The first wrong line.
    pub(super) broken: Option<Broken>,
    lines: usize,
    /// Bytes of the sound lines.
    end: u64,
    /// The hash of the last sound line.
    last: String,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Link<T> {
    before: String,
    entry: T,
}

/// What was acknowledged so far.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Head {
    lines: usize,
    hash: String,
}

impl Chain {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads and checks every line. A last line without its end was torn by a crash: nobody was told of it, so it is
    /// passed over.
    pub(super) fn read<T: serde::de::DeserializeOwned>(&self) -> io::Result<Found<T>> {
        // First how many there must be: lines that are added meanwhile are no lines too few.
        let head = self.head()?;
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(check(&bytes, &head))
    }

    fn head(&self) -> io::Result<Head> {
        match fs::read(self.beside("head")) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Head::default()),
            Err(error) => Err(error),
        }
    }

    /// Waits for the turn to write; it ends when the file is dropped, or with the process.
    pub(super) fn turn(&self) -> io::Result<File> {
        let path = self.beside("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.lock()?;
        Ok(file)
    }

    /// Adds a line behind what was found, in the turn in which it was found. When this returns, no crash loses it.
    pub(super) fn append<T>(&self, found: &Found<T>, entry: &impl serde::Serialize) -> io::Result<()> {
        let before = if found.lines == 0 { NOTHING } else { &found.last };
        let link = serde_json::to_string(&Link { before: before.to_owned(), entry })?;
        let rest = link.strip_prefix('{').unwrap_or(&link);
        let hash = hash_of(rest.as_bytes());
        let line = format!("{{\"hash\":\"{hash}\",{rest}\n");
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&self.path)?;
        // What a crash left of a line that nobody was told of goes.
        file.set_len(found.end)?;
        file.seek(SeekFrom::Start(found.end))?;
        if let Err(error) = file.write_all(line.as_bytes()).and_then(|()| file.sync_all()) {
            let _ = file.set_len(found.end);
            return Err(error);
        }
        if found.end == 0
            && let Some(folder) = self.path.parent()
        {
            File::open(folder)?.sync_all()?;
        }
        let head = Head { lines: found.lines + 1, hash };
        write_atomically(&self.beside("head"), &serde_json::to_vec(&head)?)
    }

    fn beside(&self, ending: &str) -> PathBuf {
        self.path.with_extension(ending)
    }
}

fn check<T: serde::de::DeserializeOwned>(bytes: &[u8], head: &Head) -> Found<T> {
    let mut found = Found { entries: Vec::new(), broken: None, lines: 0, end: 0, last: NOTHING.to_owned() };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(whole) = line.strip_suffix(b"\n") else { break };
        let wrong = Broken { line: found.lines + 1, fault: Fault::Changed };
        let Some((hash, link)) = link_of(whole).filter(|(_, link)| link.before == found.last) else {
            found.broken = Some(wrong);
            return found;
        };
        if head.lines == found.lines + 1 && head.hash != hash {
            found.broken = Some(wrong);
            return found;
        }
        found.entries.extend(serde_json::from_value(link.entry));
        found.lines += 1;
        found.end += line.len() as u64;
        found.last = hash;
    }
    if found.lines < head.lines {
        found.broken = Some(Broken { line: found.lines + 1, fault: Fault::Missing });
    }
    found
}

/// A line's own hash and what it holds, if the two go together.
fn link_of(line: &[u8]) -> Option<(String, Link<serde_json::Value>)> {
    let text = std::str::from_utf8(line).ok()?;
    let (hash, rest) = text.strip_prefix("{\"hash\":\"")?.split_once("\",")?;
    if hash_of(rest.as_bytes()) != hash {
        return None;
    }
    Some((hash.to_owned(), serde_json::from_str(&format!("{{{rest}")).ok()?))
}

fn hash_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
