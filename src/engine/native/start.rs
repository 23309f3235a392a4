//! Starts the launcher with a plan, and hears what becomes of it.

use super::cgroup::Group;
use super::plan::{Plan, Word};
use super::stream::{self, Streams};
use crate::engine::Console;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A sandbox is made in milliseconds; a machine that is very busy may take longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A dyno whose init runs.
pub(super) struct Started {
    /// The launcher, which is the keeper now.
    pub(super) keeper: Child,
    /// The init, as seen here.
    pub(super) init: u32,
    /// What the keeper tells.
    pub(super) told: BufReader<tokio::net::UnixStream>,
    /// To and from the init.
    pub(super) control: tokio::net::UnixStream,
    pub(super) streams: Streams,
}

/// Why there is none.
pub(super) enum Refused {
    /// The app's folder cannot be entered.
    Folder(String),
    /// The sandbox cannot be made.
    Sandbox(String),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Sandbox(error.to_string())
    }
}

/// Starts a dyno.
pub(super) async fn start(
    program: &Path,
    plan: Plan,
    group: Option<&Group>,
    console: Console,
) -> Result<Started, Refused> {
    let (ours, theirs) = UnixStream::pair()?;
    let (control, inits) = UnixStream::pair()?;
    let (streams, ends) = stream::open(console)?;
    let mut command = Command::new(program);
    command.arg(super::LAUNCHER).env_clear().current_dir("/").kill_on_drop(true);
    command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null());
    let keeper = command.spawn()?;
    drop(command);
    // It has started nothing yet: it waits for its plan.
    if let (Some(group), Some(pid)) = (group, keeper.id()) {
        group.join(pid)?;
    }
    let socket = ours.try_clone()?;
    let sent = tokio::task::spawn_blocking(move || send(&socket, &plan, &inits.into(), &ends)).await;
    sent.map_err(io::Error::other)??;
    for socket in [&ours, &control] {
        socket.set_nonblocking(true)?;
    }
    let mut told = BufReader::new(tokio::net::UnixStream::from_std(ours)?);
    let control = tokio::net::UnixStream::from_std(control)?;
    let mut line = String::new();
    match timeout(PATIENCE, told.read_line(&mut line)).await {
        Ok(read) => drop(read?),
        Err(_) => return Err(Refused::Sandbox("the launcher did not answer in time".to_owned())),
    }
    match Word::parse(line.trim_end()) {
        Some(Word::Init(init)) => Ok(Started { keeper, init, told, control, streams }),
        Some(Word::Folder(reason)) => Err(Refused::Folder(reason)),
        Some(Word::Failed(reason)) => Err(Refused::Sandbox(reason)),
        None => Err(Refused::Sandbox("the launcher ended without a word".to_owned())),
    }
}

/// The descriptors go with the length; both ends are closed here when this returns.
fn send(mut socket: &UnixStream, plan: &Plan, control: &OwnedFd, ends: &stream::Ends) -> io::Result<()> {
    let bytes = plan.bytes()?;
    let descriptors = [control.as_fd(), ends[0].as_fd(), ends[1].as_fd(), ends[2].as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(super::plan::DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let length = (bytes.len() as u64).to_le_bytes();
    sendmsg(socket, &[IoSlice::new(&length)], &mut ancillary, SendFlags::NOSIGNAL)?;
    socket.write_all(&bytes)
}
