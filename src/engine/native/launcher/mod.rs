//! The launcher: a process of dynosim between it and a dyno. It makes the sandbox, starts the init in it, and becomes the
//! init's keeper.
//!
//! ```text
//! dynosim ── launcher, then keeper ── init (process 1 of the dyno, or the root of its tree) ── the app
//! ```
//!
//! It has one thread, which the kernel asks of a process that enters another user space.

mod landlock;
mod mounts;
mod space;

pub(super) use landlock::{denies_binds, keeps_files, keeps_signals};

use super::plan::{DESCRIPTORS, Level, Plan, Word};
use super::record::INIT;
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{
    Pid, Resource, Rlimit, geteuid, getpid, getrlimit, ioctl_tiocsctty, set_child_subreaper, setrlimit, setsid,
};
use rustix::thread::{CapabilitiesSecureBits, set_capabilities_secure_bits};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// What the launcher ends with when there is no dyno to have a status.
const NO_DYNO: i32 = 125;

/// Why there is no dyno.
pub(super) enum Fault {
    /// The sandbox cannot be made.
    Sandbox(String),
    /// The app's folder cannot be entered.
    Folder(String),
}

impl Fault {
    /// For `map_err`: what was being done.
    fn at<E: std::fmt::Display>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        let doing = doing.into();
        move |error| Self::Sandbox(format!("{doing}: {error}"))
    }
}

/// Reads a plan from standard input and carries it out. Returns the status to end with.
pub(super) fn run() -> i32 {
    // Not even the init gets this one: whoever holds it speaks as the keeper.
    let Ok(socket) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) else { return NO_DYNO };
    let socket = UnixStream::from(socket);
    let word = match carry_out(&socket) {
        Err(Fault::Sandbox(reason)) => Word::Failed(reason),
        Err(Fault::Folder(reason)) => Word::Folder(reason),
        Ok(status) => return status,
    };
    // Whoever started us is gone when it does not listen.
    let _ = word.tell(&socket);
    NO_DYNO
}

/// Returns the status of a command in a dyno; for a dyno itself, this process is the keeper in the end.
fn carry_out(socket: &UnixStream) -> Result<i32, Fault> {
    let (plan, descriptors) = receive(socket).map_err(Fault::at("reading the plan"))?;
    let init = File::open(&plan.init).map_err(Fault::at(format!("opening {}", plan.init.display())))?;
    setsid().map_err(Fault::at("opening a session"))?;
    let layers = match (plan.level, plan.enter) {
        (Level::Namespaces, None) => space::make(&plan)?,
        (Level::Namespaces, Some(pid)) => {
            space::enter(pid)?;
            Vec::new()
        }
        (Level::Landlock, _) => {
            set_child_subreaper(Some(getpid())).map_err(Fault::at("adopting orphans"))?;
            Vec::new()
        }
    };
    std::env::set_current_dir(&plan.folder)
        .map_err(|error| Fault::Folder(format!("{}: {}", plan.folder.display(), words(&error))))?;
    limit(&plan)?;
    if plan.level == Level::Landlock && geteuid().is_root() {
        // Root's programs get root's capabilities, unless they are told not to.
        set_capabilities_secure_bits(CapabilitiesSecureBits::NO_ROOT | CapabilitiesSecureBits::NO_ROOT_LOCKED)
            .map_err(Fault::at("giving up root's capabilities"))?;
    }
    rustix::thread::set_no_new_privs(true).map_err(Fault::at("giving up new privileges"))?;
    landlock::restrict(&plan)?;
    let mut child = start(&plan, &init, descriptors)?;
    Word::Init(child.id()).tell(socket).map_err(Fault::at("telling dynosim"))?;
    if plan.level == Level::Namespaces && plan.enter.is_some() {
        // The dyno's `/proc`, where we are not, leads to no program. What the command leaves behind ends with the dyno.
        let status = child.wait().map_err(Fault::at("waiting for the command"))?;
        return Ok(super::code_of(status));
    }
    let fault = keeper(&plan, &init, child.id(), &layers).exec();
    Err(Fault::Sandbox(format!("becoming the keeper: {fault}")))
}

/// The system's words, without std's number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(words, _)| words.to_owned())
}

fn receive(socket: &UnixStream) -> io::Result<(Plan, [OwnedFd; DESCRIPTORS])> {
    let mut length = [0_u8; 8];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut found = Vec::new();
    let got = recvmsg(socket, &mut [IoSliceMut::new(&mut length)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            found.extend(descriptors);
        }
    }
    if got.bytes < length.len() {
        return Err(io::Error::other("it is not whole"));
    }
    let plan = Plan::read(length, socket)?;
    let found = found.try_into().map_err(|_| io::Error::other("its descriptors are missing"))?;
    Ok((plan, found))
}

/// Open files (R5.7), and processes where the kernel counts them for the dyno alone.
fn limit(plan: &Plan) -> Result<(), Fault> {
    lower(Resource::Nofile, plan.open_files.into()).map_err(Fault::at("limiting open files"))?;
    let counted = match (plan.processes, plan.level) {
        (None, _) => None,
        // The init and the keeper are none of the dyno's processes.
        (Some(most), Level::Namespaces) => Some(u64::from(most) + 2),
        (Some(most), Level::Landlock) => tasks_of_user().map(|others| others + u64::from(most) + 1),
    };
    match counted {
        Some(most) => lower(Resource::Nproc, most).map_err(Fault::at("limiting processes")),
        None => Ok(()),
    }
}

fn lower(resource: Resource, most: u64) -> io::Result<()> {
    let most = getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

/// Processes and threads of our user on this machine.
fn tasks_of_user() -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let own = rustix::process::geteuid().as_raw();
    let mut count = 0;
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        if entry.metadata().is_ok_and(|facts| facts.uid() == own) {
            count += std::fs::read_dir(entry.path().join("task")).map_or(0, |tasks| tasks.count() as u64);
        }
    }
    Some(count)
}

/// Starts the init with the dyno's streams.
fn start(plan: &Plan, init: &File, descriptors: [OwnedFd; DESCRIPTORS]) -> Result<Child, Fault> {
    let [control, input, output, errors] = descriptors;
    if plan.terminal {
        ioctl_tiocsctty(&input).map_err(Fault::at("taking the terminal"))?;
    }
    let inherit =
        fcntl_getfd(&control).map(|flags| flags - FdFlags::CLOEXEC).map_err(Fault::at("starting the init"))?;
    fcntl_setfd(&control, inherit).map_err(Fault::at("starting the init"))?;
    let mut command = Command::new(path_of(init));
    command.arg0(INIT).args(&plan.words).arg(format!("control={}", control.as_raw_fd()));
    command.arg("--").args(&plan.argv);
    command.env_clear().envs(plan.env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::from(input)).stdout(Stdio::from(output)).stderr(Stdio::from(errors));
    let new_space = plan.level == Level::Namespaces && plan.enter.is_none();
    if new_space {
        space::lend_mounting(true).map_err(Fault::at("starting the init"))?;
    }
    let child = command.spawn();
    if new_space {
        space::lend_mounting(false).map_err(Fault::at("starting the init"))?;
    }
    child.map_err(Fault::at("starting the init"))
}

/// What this process goes on as: small, and with nothing to do but to wait.
fn keeper(plan: &Plan, init: &File, child: u32, layers: &[mounts::Layer]) -> Command {
    let mut command = Command::new(path_of(init));
    command.env_clear().arg0("dyno-keeper").arg("keep").arg(format!("child={child}"));
    if plan.level == Level::Landlock {
        command.arg("tree");
    }
    for layer in layers.iter().filter(|_| plan.places.tell_lost) {
        // A layer that is not told of is no reason to end the dyno.
        if fcntl_setfd(&layer.upper, FdFlags::empty()).is_ok() {
            command.arg(format!("upper={}", layer.upper.as_raw_fd()));
            command.arg(format!("shown={}", layer.place.display()));
        }
    }
    command
}

/// A path to an open file that stays good when others are mounted over its own.
fn path_of(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// A process id for rustix.
fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}
