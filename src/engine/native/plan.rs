//! What dynosim tells the launcher, over a socket: a length, the file descriptors that go with it, and JSON. Nothing of it
//! is seen in a list of processes.

use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// How a dyno is kept apart from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Level {
    /// A user, mount and process space of its own.
    Namespaces,
    /// Landlock, and a tree of processes that is watched.
    Landlock,
}

/// What the dyno may write to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Places {
    /// Folders whose writes go to a layer that ends with the dyno.
    pub(super) layered: Vec<PathBuf>,
    /// What was written to them is told when the dyno has ended.
    pub(super) tell_lost: bool,
}

/// A dyno, or a command in one that runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) level: Level,
    /// The process 1 of the dyno whose spaces are entered, as seen here.
    pub(super) enter: Option<u32>,
    pub(super) argv: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) folder: PathBuf,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) places: Places,
    /// Every bind but that of `port` is denied.
    pub(super) strict_ports: bool,
    pub(super) port: Option<u16>,
    /// The most processes; `None` where a control group counts them.
    pub(super) processes: Option<u32>,
    pub(super) open_files: u32,
    /// The init's program, and the words it gets before the command.
    pub(super) init: PathBuf,
    pub(super) words: Vec<String>,
    /// The folder on disk for what the dyno writes to `/tmp` and `/var/tmp`, as an image's are; in memory without one.
    pub(super) temporary: Option<PathBuf>,
    pub(super) passwd: Option<PathBuf>,
    pub(super) group: Option<PathBuf>,
    /// Standard input is a terminal, which becomes the dyno's own.
    pub(super) terminal: bool,
}

/// Descriptors that go with a plan: the init's socket, and the dyno's three streams.
pub(super) const DESCRIPTORS: usize = 4;
/// A plan is not larger: config vars have 64 KiB, a command what the kernel allows.
const MOST: u64 = 16 << 20;

impl Plan {
    /// The bytes after the length.
    pub(super) fn bytes(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }

    /// Reads a plan of that length.
    pub(super) fn read(length: [u8; 8], socket: impl Read) -> io::Result<Self> {
        let length = u64::from_le_bytes(length);
        if length > MOST {
            return Err(io::Error::other("the plan is too long"));
        }
        let mut bytes = Vec::new();
        socket.take(length).read_to_end(&mut bytes)?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}

/// What launcher and keeper tell: lines of fields divided by tabs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The init runs, under this process id as seen here.
    Init(u32),
    /// The sandbox cannot be made.
    Failed(String),
    /// The app's folder cannot be entered: a fault of the app.
    Folder(String),
}

impl Word {
    /// Tells it.
    pub(super) fn tell(&self, mut socket: impl Write) -> io::Result<()> {
        let clean = |text: &str| text.replace(['\t', '\n'], " ");
        let line = match self {
            Self::Init(pid) => format!("init\t{pid}\n"),
            Self::Failed(reason) => format!("failed\t{}\n", clean(reason)),
            Self::Folder(reason) => format!("folder\t{}\n", clean(reason)),
        };
        socket.write_all(line.as_bytes())
    }

    /// Reads a line.
    pub(super) fn parse(line: &str) -> Option<Self> {
        match line.split_once('\t')? {
            ("init", pid) => Some(Self::Init(pid.parse().ok()?)),
            ("failed", reason) => Some(Self::Failed(reason.to_owned())),
            ("folder", reason) => Some(Self::Folder(reason.to_owned())),
            _ => None,
        }
    }
}
