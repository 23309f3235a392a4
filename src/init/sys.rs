//! The system calls that std has no words for. Every `unsafe` of the init is here; none of them outlives its line.
#![allow(unsafe_code)] // Each block passes valid pointers to calls that keep none of them.

use crate::processes::{Reach, is_over, pids};
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A signal number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signal(pub i32);

impl Signal {
    pub const HUP: Self = Self(1);
    pub const INT: Self = Self(2);
    pub const QUIT: Self = Self(3);
    pub const KILL: Self = Self(9);
    pub const USR1: Self = Self(10);
    pub const USR2: Self = Self(12);
    pub const PIPE: Self = Self(13);
    pub const TERM: Self = Self(15);
    pub const CHLD: Self = Self(17);
    pub const CONT: Self = Self(18);
    pub const STOP: Self = Self(19);
    pub const TTOU: Self = Self(22);
    pub const WINCH: Self = Self(28);

    /// What is taken from the signal file; of these, all but CHLD are passed on.
    const TAKEN: [Self; 9] =
        [Self::HUP, Self::INT, Self::QUIT, Self::USR1, Self::USR2, Self::TERM, Self::CHLD, Self::CONT, Self::WINCH];
}

/// As large as any libc's `sigset_t`.
#[repr(C, align(8))]
struct SignalSet([u8; 128]);

#[repr(C)]
struct PollFd {
    fd: i32,
    events: i16,
    revents: i16,
}

unsafe extern "C" {
    fn kill(pid: i32, signal: i32) -> i32;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
    fn setsid() -> i32;
    fn setpgid(pid: i32, group: i32) -> i32;
    fn tcsetpgrp(fd: i32, group: i32) -> i32;
    fn isatty(fd: i32) -> i32;
    fn signal(number: i32, handler: usize) -> usize;
    fn sigemptyset(set: *mut SignalSet) -> i32;
    fn sigaddset(set: *mut SignalSet, signal: i32) -> i32;
    fn sigprocmask(how: i32, set: *const SignalSet, old: *mut SignalSet) -> i32;
    fn signalfd(fd: i32, set: *const SignalSet, flags: i32) -> i32;
    fn poll(fds: *mut PollFd, count: usize, timeout: i32) -> i32;
    fn prctl(option: i32, ...) -> i32;
    fn getppid() -> i32;
    fn unshare(flags: i32) -> i32;
    fn dup(fd: i32) -> i32;
    fn close(fd: i32) -> i32;
    fn mount(
        source: *const std::ffi::c_char,
        target: *const std::ffi::c_char,
        kind: *const std::ffi::c_char,
        flags: std::ffi::c_ulong,
        data: *const std::ffi::c_char,
    ) -> i32;
    fn capset(header: *mut u32, data: *const u32) -> i32;
    fn syscall(number: std::ffi::c_long, ...) -> std::ffi::c_long;
    fn fcntl(fd: i32, command: i32, ...) -> i32;
    fn flock(fd: i32, operation: i32) -> i32;
    fn access(path: *const std::ffi::c_char, mode: i32) -> i32;
    fn execve(
        path: *const std::ffi::c_char,
        argv: *const *const std::ffi::c_char,
        env: *const *const std::ffi::c_char,
    ) -> i32;
    static environ: *const *const std::ffi::c_char;
}

/// `PR_SET_PDEATHSIG`, `PR_SET_CHILD_SUBREAPER`, `PR_CAP_AMBIENT` with `PR_CAP_AMBIENT_CLEAR_ALL`.
const SET_PARENT_DEATH_SIGNAL: i32 = 1;
const SET_SUBREAPER: i32 = 36;
const CLEAR_AMBIENT: (i32, usize) = (47, 4);
/// `MS_RDONLY`, `MS_NOSUID | MS_NODEV | MS_NOEXEC`, `MS_REMOUNT`, `MS_BIND | MS_REC`.
const READ_ONLY: std::ffi::c_ulong = 1;
const HARMLESS: std::ffi::c_ulong = 2 | 4 | 8;
const REMOUNT: std::ffi::c_ulong = 32;
const BIND: std::ffi::c_ulong = 4096;
const RECURSIVE: std::ffi::c_ulong = 16384;
/// `CLONE_NEWNS`.
const NEW_MOUNT_SPACE: i32 = 0x2_0000;
/// `_LINUX_CAPABILITY_VERSION_3`.
const CAPABILITY_VERSION: u32 = 0x2008_0522;
/// `SYS_landlock_create_ruleset`, `SYS_landlock_restrict_self`, the same on every architecture; `LANDLOCK_SCOPE_SIGNAL`.
const LANDLOCK_CREATE: std::ffi::c_long = 444;
const LANDLOCK_RESTRICT: std::ffi::c_long = 446;
const SCOPE_SIGNAL: u64 = 2;

/// `SIG_SETMASK`, `SFD_CLOEXEC | SFD_NONBLOCK`, `POLLIN`, `WNOHANG`, `PR_SET_DUMPABLE`, `LOCK_SH | LOCK_NB`, `LOCK_UN`.
const SET_MASK: i32 = 2;
const SIGNAL_FILE_FLAGS: i32 = 0o2_000_000 | 0o4000;
const READABLE: i16 = 1;
const NO_HANG: i32 = 1;
const SET_DUMPABLE: i32 = 4;
const SHARED_NOW: i32 = 1 | 4;
const UNLOCK: i32 = 8;
const ADD_CLOSE_ON_EXEC: (i32, i32) = (2, 1);
const GET_FLAGS: i32 = 3;
const SET_FLAGS: i32 = 4;
const NON_BLOCKING: i32 = 0o4000;
const MAY_EXECUTE: i32 = 1;
/// `SYS_close_range`, the same on every architecture; before Linux 5.9 there is none, and as many are tried one by one.
const CLOSE_RANGE: std::ffi::c_long = 436;
const USUAL_DESCRIPTORS: i32 = 1024;

/// Closes every descriptor but the first three and these: what dynosim was started with is none of the dyno's.
pub fn keep_only(kept: &[i32]) {
    let mut kept = kept.to_vec();
    kept.sort_unstable();
    let mut from = 3;
    for last in kept.into_iter().chain([i32::MAX]) {
        if last > from && unsafe { syscall(CLOSE_RANGE, from, last - 1, 0) } != 0 {
            for fd in from..last.min(USUAL_DESCRIPTORS) {
                unsafe { close(fd) };
            }
        }
        from = from.max(last.saturating_add(1));
    }
}

fn signal_set(signals: &[Signal]) -> SignalSet {
    let mut set = SignalSet([0; 128]);
    unsafe {
        sigemptyset(&raw mut set);
        for one in signals {
            sigaddset(&raw mut set, one.0);
        }
    }
    set
}

/// No other process of the same user may trace us or open our descriptors.
pub fn forbid_inspection() {
    unsafe { prctl(SET_DUMPABLE, 0_usize, 0_usize, 0_usize, 0_usize) };
}

/// When who started us dies, so do we: by SIGKILL where that ends the whole process space, else by a signal that wakes us
/// to end the tree. The tree's orphans become ours.
pub fn die_with_parent(reach: Reach) {
    let signal = if reach == Reach::Space { Signal::KILL } else { Signal::WINCH };
    unsafe {
        if reach == Reach::Tree {
            prctl(SET_SUBREAPER, 1_usize, 0_usize, 0_usize, 0_usize);
        }
        prctl(SET_PARENT_DEATH_SIGNAL, signal.0 as usize, 0_usize, 0_usize, 0_usize);
    }
}

/// Who started us, or who adopted us after its end.
pub fn parent() -> u32 {
    unsafe { getppid() }.cast_unsigned()
}

/// The socket to dynosim, to read from and to write to; the app never sees it.
pub fn control_files(fd: i32) -> (File, File) {
    unsafe {
        let other = dup(fd);
        for one in [fd, other] {
            fcntl(one, ADD_CLOSE_ON_EXEC.0, ADD_CLOSE_ON_EXEC.1);
        }
        let flags = fcntl(fd, GET_FLAGS);
        fcntl(fd, SET_FLAGS, flags | NON_BLOCKING);
        (File::from_raw_fd(fd), File::from_raw_fd(other))
    }
}

fn checked(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What we mount from here on, our parent does not see.
pub fn copy_mounts() -> io::Result<()> {
    checked(unsafe { unshare(NEW_MOUNT_SPACE) })
}

/// Mounts `/proc` of the process space we are in.
pub fn mount_proc() -> io::Result<()> {
    let none = std::ptr::null();
    checked(unsafe { mount(c"proc".as_ptr(), c"/proc".as_ptr(), c"proc".as_ptr(), HARMLESS, none) })
}

/// Makes something under `/proc` read-only.
pub fn make_read_only(path: &str) -> io::Result<()> {
    let path = CString::new(path)?;
    let (path, none) = (path.as_ptr(), std::ptr::null());
    unsafe {
        checked(mount(path, path, none, BIND | RECURSIVE, none))?;
        checked(mount(none, path, none, BIND | REMOUNT | READ_ONLY | HARMLESS, none))
    }
}

/// Nothing is left that this process, or one it starts, could do and another of its user could not.
pub fn give_up_capabilities() -> io::Result<()> {
    let mut header = [CAPABILITY_VERSION, 0];
    unsafe {
        prctl(CLEAR_AMBIENT.0, CLEAR_AMBIENT.1, 0_usize, 0_usize, 0_usize);
        checked(capset(header.as_mut_ptr(), [0_u32; 6].as_ptr()))
    }
}

/// Blocks the signals we care for and hands them over through a file.
pub fn signal_file() -> File {
    let set = signal_set(&Signal::TAKEN);
    unsafe {
        // A terminal must not stop us when the app owns its foreground.
        signal(Signal::TTOU.0, 1);
        sigprocmask(SET_MASK, &raw const set, std::ptr::null_mut());
        let fd = signalfd(-1, &raw const set, SIGNAL_FILE_FLAGS);
        assert!(fd >= 0, "no signal file: {}", io::Error::last_os_error());
        File::from_raw_fd(fd)
    }
}

/// The signals that arrived, each with whether it came from outside the dyno.
pub fn read_signals(file: &mut File) -> Vec<(Signal, bool)> {
    const RECORD: usize = 128;
    let mut buffer = [0_u8; RECORD * 16];
    let mut signals = Vec::new();
    while let Ok(read) = file.read(&mut buffer) {
        for record in buffer[..read].chunks_exact(RECORD) {
            let word = |at: usize| u32::from_ne_bytes(record[at..at + 4].try_into().unwrap_or_default());
            // The kernel tells a sender in another process space as process 0.
            signals.push((Signal(word(0) as i32), word(12) == 0));
        }
        if read < buffer.len() {
            break;
        }
    }
    signals
}

/// Standard input, as a file of our own; the app never sees it.
pub fn standard_input() -> File {
    unsafe {
        fcntl(0, ADD_CLOSE_ON_EXEC.0, ADD_CLOSE_ON_EXEC.1);
        File::from_raw_fd(0)
    }
}

/// Standard error, as a file that never blocks us.
pub fn standard_error() -> File {
    unsafe {
        let flags = fcntl(2, GET_FLAGS);
        fcntl(2, SET_FLAGS, flags | NON_BLOCKING);
        File::from_raw_fd(2)
    }
}

/// What woke the loop.
pub struct Woken {
    pub signals: bool,
    pub commands: bool,
}

/// Sleeps until something can be read, or for `patience`.
pub fn wait_readable(signals: &File, commands: Option<&File>, patience: Duration) -> Woken {
    let fd = |file: Option<&File>| PollFd { fd: file.map_or(-1, AsRawFd::as_raw_fd), events: READABLE, revents: 0 };
    let mut fds = [fd(Some(signals)), fd(commands)];
    let millis = patience.as_millis().min(60_000) as i32 + i32::from(patience.subsec_nanos() % 1_000_000 != 0);
    let ready = unsafe { poll(fds.as_mut_ptr(), fds.len(), millis) };
    Woken { signals: ready > 0 && fds[0].revents != 0, commands: ready > 0 && fds[1].revents != 0 }
}

/// To every process of the dyno. In a tree, processes that are forked meanwhile are looked for until there are no more;
/// those that are to be killed are stopped first, so that none forks away.
pub fn signal_all(reach: Reach, signal: Signal) -> Vec<u32> {
    if reach == Reach::Space {
        let reached = pids(reach);
        unsafe { kill(-1, signal.0) };
        return reached;
    }
    let first = if signal == Signal::KILL { Signal::STOP } else { signal };
    let mut reached: Vec<u32> = Vec::new();
    loop {
        let new: Vec<u32> = pids(reach).into_iter().filter(|pid| !reached.contains(pid)).collect();
        if new.is_empty() {
            break;
        }
        signal_each(new.iter().copied(), first);
        reached.extend(new);
    }
    if signal == Signal::KILL {
        signal_each(reached.iter().copied(), signal);
    }
    reached
}

/// Signals these processes.
pub fn signal_each(pids: impl Iterator<Item = u32>, signal: Signal) {
    for pid in pids {
        unsafe { kill(pid.cast_signed(), signal.0) };
    }
}

/// Kills and reaps until no process of the dyno is left.
pub fn end_all(reach: Reach) {
    signal_all(reach, Signal::KILL);
    if reach == Reach::Space {
        while !matches!(reap(0), Reaped::NoChildren) {}
        return;
    }
    loop {
        while matches!(reap(NO_HANG), Reaped::Child(..)) {}
        if pids(reach).into_iter().all(is_over) {
            while matches!(reap(NO_HANG), Reaped::Child(..)) {}
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
        signal_all(reach, Signal::KILL);
    }
}

/// What a reap found.
pub enum Reaped {
    /// A process and its status as a shell tells it: its own, or 128 + signal.
    Child(i32, i32),
    NoneReady,
    NoChildren,
}

/// Takes one ended process, if there is one.
pub fn reap_one() -> Reaped {
    reap(NO_HANG)
}

/// Waits for the next process that ends.
pub fn reap_next() -> Reaped {
    reap(0)
}

fn reap(options: i32) -> Reaped {
    let mut status = 0;
    match unsafe { waitpid(-1, &raw mut status, options) } {
        0 => Reaped::NoneReady,
        pid if pid > 0 && status & 0x7f == 0 => Reaped::Child(pid, (status >> 8) & 0xff),
        pid if pid > 0 => Reaped::Child(pid, 128 + (status & 0x7f)),
        _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => Reaped::NoneReady,
        _ => Reaped::NoChildren,
    }
}

/// Whether nobody holds the lock of this file any more.
pub fn is_unlocked(file: &File) -> bool {
    let got = unsafe { flock(file.as_raw_fd(), SHARED_NOW) } == 0;
    if got {
        unsafe { flock(file.as_raw_fd(), UNLOCK) };
    }
    got
}

/// Whether we may execute the file.
pub fn may_execute(path: &Path) -> bool {
    CString::new(path.as_os_str().as_bytes()).is_ok_and(|path| unsafe { access(path.as_ptr(), MAY_EXECUTE) } == 0)
}

/// Finds a program as `execvp` would; a name with a slash is taken as it is.
pub fn find_program(name: &OsStr) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(name));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"));
    let mut found = std::env::split_paths(&path)
        .map(|folder| if folder.as_os_str().is_empty() { Path::new(".").join(name) } else { folder.join(name) })
        .filter(|file| file.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0));
    let first = found.next()?;
    if may_execute(&first) { Some(first) } else { found.find(|file| may_execute(file)).or(Some(first)) }
}

/// Starts the app. `detached`: no input, and its error goes where its output goes. Otherwise it gets our three
/// streams, and the foreground of the terminal if there is one.
pub fn spawn(argv: &[OsString], detached: bool, reach: Reach) -> io::Result<i32> {
    let program = find_program(&argv[0]).ok_or_else(|| io::Error::from_raw_os_error(2))?;
    let c_string = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
    let path = c_string(program.as_os_str())?;
    let words = argv.iter().map(|word| c_string(word)).collect::<io::Result<Vec<_>>>()?;
    let terminal = !detached && unsafe { isatty(0) } == 1;

    let mut command = Command::new(&program);
    if detached {
        command.stdin(Stdio::null()).stderr(io::stdout().try_clone_file()?);
    }
    // `execve` itself, not std's `execvp`, which would hand a script without `#!` to a shell where the kernel refuses.
    let become_app = move || unsafe {
        let none = signal_set(&[]);
        for number in [Signal::PIPE, Signal::TTOU] {
            signal(number.0, 0);
        }
        if terminal {
            setpgid(0, 0);
            signal(Signal::TTOU.0, 1);
            tcsetpgrp(0, std::process::id() as i32);
            signal(Signal::TTOU.0, 0);
        } else {
            setsid();
        }
        sigprocmask(SET_MASK, &raw const none, std::ptr::null_mut());
        if reach == Reach::Tree {
            keep_signals_below();
        }
        let mut pointers: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
        pointers.push(std::ptr::null());
        execve(path.as_ptr(), pointers.as_ptr(), environ);
        Err(io::Error::last_os_error())
    };
    unsafe { command.pre_exec(become_app) };
    Ok(command.spawn()?.id() as i32)
}

/// From here on this process and those it starts can signal one another only, where the kernel knows that rule.
fn keep_signals_below() {
    let rules = [0_u64, 0, SCOPE_SIGNAL];
    unsafe {
        let fd = syscall(LANDLOCK_CREATE, rules.as_ptr(), size_of_val(&rules), 0_usize);
        if fd >= 0 {
            syscall(LANDLOCK_RESTRICT, fd, 0_usize);
            fcntl(fd as i32, ADD_CLOSE_ON_EXEC.0, ADD_CLOSE_ON_EXEC.1);
        }
    }
}

/// A second handle on standard output.
trait CloneFile {
    fn try_clone_file(&self) -> io::Result<Stdio>;
}

impl CloneFile for io::Stdout {
    fn try_clone_file(&self) -> io::Result<Stdio> {
        use std::os::fd::AsFd;
        Ok(Stdio::from(self.as_fd().try_clone_to_owned()?))
    }
}
