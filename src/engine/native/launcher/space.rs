//! A user, mount and process space of the dyno's own.

use super::{Fault, mounts};
use crate::engine::native::plan::Plan;
use rustix::process::{getegid, geteuid};
use rustix::thread::{
    CapabilitySet, ThreadNameSpaceType, UnshareFlags, capabilities, configure_capability_in_ambient_set,
    move_into_thread_name_spaces, set_capabilities,
};
use std::fs;
use std::io;
use std::os::fd::AsFd;

/// Makes the spaces and the file system in them. The first process that is started from here on is process 1.
pub(super) fn make(plan: &Plan) -> Result<Vec<mounts::Layer>, Fault> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let spaces = UnshareFlags::NEWUSER | UnshareFlags::NEWNS | UnshareFlags::NEWPID | UnshareFlags::NEWIPC;
    unshare(spaces).map_err(Fault::at("making a user space"))?;
    // The dyno sees its own user (R1.5) where the machine sees ours, and nobody else's.
    let write = |file: &str, text: String| fs::write(format!("/proc/self/{file}"), text).map_err(Fault::at(file));
    write("setgroups", "deny".to_owned())?;
    write("gid_map", format!("{} {gid} 1", plan.gid))?;
    write("uid_map", format!("{} {uid} 1", plan.uid))?;
    mounts::make(plan)
}

/// Enters the spaces of a dyno that runs; `init` is its process 1. The next process that is started is in it.
pub(super) fn enter(init: u32) -> Result<(), Fault> {
    let gone = "the dyno has ended";
    let pid = super::pid(init).ok_or_else(|| Fault::Sandbox(gone.to_owned()))?;
    let handle = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
        .map_err(|_| Fault::Sandbox(gone.to_owned()))?;
    let spaces = ThreadNameSpaceType::USER
        | ThreadNameSpaceType::MOUNT
        | ThreadNameSpaceType::PROCESS_ID
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION;
    move_into_thread_name_spaces(handle.as_fd(), spaces).map_err(Fault::at("entering the dyno"))
}

/// Lets the init, and no other program, have the one capability that mounting `/proc` takes.
pub(super) fn lend_mounting(lend: bool) -> io::Result<()> {
    let mut sets = capabilities(None)?;
    sets.inheritable.set(CapabilitySet::SYS_ADMIN, lend);
    if lend {
        set_capabilities(None, sets)?;
    }
    configure_capability_in_ambient_set(CapabilitySet::SYS_ADMIN, lend)?;
    Ok(())
}

/// The call is unsafe only for a process that shares its table of descriptors, and this flag is never among ours.
#[allow(unsafe_code, reason = "no flag here has to do with descriptors, which is what makes the call unsafe")]
fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    unsafe { rustix::thread::unshare_unsafe(flags) }
}
