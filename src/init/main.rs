//! dynosim's init: process 1 of every dyno.
//!
//! It starts the app in a session of its own, reaps whatever ends, passes signals to *every* process (R5.3), sees who
//! listens where, and notices when dynosim is gone. It runs as the dyno's own unprivileged user, needs no file of the
//! image, and copies no byte of the app's output: the app inherits the very file descriptors.
//!
//! ```text
//! init log      grace=MS port=N alive=PATH -- PROGRAM [ARG...]
//! init attached grace=MS        alive=PATH -- PROGRAM [ARG...]
//! init keep child=PID
//! ```
//!
//! - `log`: standard input carries commands from dynosim, standard error carries reports to it, standard output is
//!   the app's output *and* error, one pipe, so that their order is exact.
//! - `attached`: the three streams, or the terminal, are the app's; there are no reports.
//!
//! `alive` is a file that dynosim keeps locked: once its lock is free, dynosim has died.
//!
//! Without a container, the native engine's words go with it:
//!
//! - `control=FD`: commands come and reports go through this socket, in both modes.
//! - `machine`: the network is the machine's; only sockets of the dyno's own processes are told.
//! - `proc`: the process space is new, and init mounts `/proc` for it, with capabilities that it then gives up.
//! - `tree`: there is no process space of its own. Init adopts every orphan below it, and means those by "all".
//! - `limit=BYTES`: resident and swapped bytes at which the dyno is killed, found by looking.
//! - `keep`: the process outside of the dyno that waits for init, see `keeper`.

// The few system calls that std has no words for; all of them are in `sys`.
#![deny(unsafe_code)]

mod findings;
mod keeper;
mod memory;
mod mounts;
mod processes;
mod protocol;
mod sockets;
mod sys;
mod tables;

use processes::Reach;
use protocol::Command;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::process::exit;
use std::time::{Duration, Instant};
use sys::Signal;

/// Pace of the socket check until `$PORT` is bound, and of everything else afterwards.
const BOOT_PACE: Duration = Duration::from_millis(20);
const SLOW_BOOT_PACE: Duration = Duration::from_millis(100);
const CALM_PACE: Duration = Duration::from_secs(1);
/// Pace of looking at the memory, where the kernel does not watch its limit.
const MEMORY_PACE: Duration = Duration::from_millis(200);

fn main() {
    let mut words = std::env::args_os().skip(1).peekable();
    if words.peek().is_some_and(|word| word == "keep") {
        keeper::keep(words.skip(1));
    }
    let options = Options::parse(words).unwrap_or_else(|usage| {
        eprintln!("dynosim init: {usage}");
        exit(125)
    });
    sys::keep_only(options.control.as_slice());
    sys::die_with_parent(options.reach);
    if options.new_proc
        && let Err(error) = mounts::new_proc()
    {
        eprintln!("dynosim init: /proc cannot be mounted: {error}");
        exit(125)
    }
    // The app runs as the same user: without this it could open our descriptors and forge reports.
    sys::forbid_inspection();
    Init::start(options).run()
}

struct Options {
    log: bool,
    grace: Duration,
    port: Option<u16>,
    alive: Option<String>,
    control: Option<i32>,
    machine: bool,
    new_proc: bool,
    reach: Reach,
    limit: Option<u64>,
    argv: Vec<OsString>,
}

impl Options {
    fn parse(args: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut args = args.peekable();
        let mode = args.next().unwrap_or_default();
        let reports = match mode.to_str() {
            Some("log") => true,
            Some("attached") => false,
            _ => return Err(format!("unknown mode {mode:?}")),
        };
        let mut options = Self {
            log: reports,
            grace: Duration::from_secs(30),
            port: None,
            alive: None,
            control: None,
            machine: false,
            new_proc: false,
            reach: Reach::Space,
            limit: None,
            argv: Vec::new(),
        };
        for word in args.by_ref() {
            let word = word.to_string_lossy().into_owned();
            match word.split_once('=') {
                None if word == "--" => break,
                Some(("grace", ms)) => {
                    options.grace = Duration::from_millis(ms.parse().map_err(|_| format!("bad {word}"))?);
                }
                Some(("port", port)) => options.port = port.parse().ok(),
                Some(("alive", path)) => options.alive = Some(path.to_owned()),
                Some(("control", fd)) => options.control = fd.parse().ok(),
                Some(("limit", bytes)) => options.limit = bytes.parse().ok(),
                None if word == "machine" => options.machine = true,
                None if word == "proc" => options.new_proc = true,
                None if word == "tree" => options.reach = Reach::Tree,
                _ => return Err(format!("unknown word {word}")),
            }
        }
        options.argv = args.collect();
        if options.argv.is_empty() { Err("no program".into()) } else { Ok(options) }
    }
}

/// Everything that the loop knows.
struct Init {
    options: Options,
    reporter: protocol::Reporter,
    signals: File,
    commands: Option<File>,
    unread: Vec<u8>,
    main: i32,
    main_status: Option<i32>,
    /// A stop was asked for: stragglers get their time, and are seen by the platform.
    stopping: bool,
    /// Who got SIGTERM.
    told: Vec<u32>,
    /// SIGKILL was asked for: that is how the dyno ends, also where the main process had ended and a straggler had not (R5.3).
    killed: bool,
    /// dynosim is gone; everything is killed at this time.
    kill_at: Option<Instant>,
    began: Instant,
    next_check: Instant,
    next_look: Option<Instant>,
    /// Who started us; another parent means that it is gone. Only where that is told by no signal.
    keeper: Option<u32>,
    sockets: sockets::Watch,
    memory: processes::OomCounter,
    /// An open handle on the file that dynosim keeps locked.
    alive: Option<File>,
}

impl Init {
    fn start(options: Options) -> Self {
        let control = options.control.map(sys::control_files);
        let (commands, reports) = match control {
            Some((commands, reports)) => (Some(commands), Some(reports)),
            None if options.log => (Some(sys::standard_input()), Some(sys::standard_error())),
            None => (None, None),
        };
        let mut reporter = protocol::Reporter::new(reports);
        let signals = sys::signal_file();
        // A lock that is free from the start is none: file systems differ in what they let us see.
        let alive = options.alive.as_ref().and_then(|path| File::open(path).ok());
        let alive = alive.filter(|file| !sys::is_unlocked(file));
        let main = match sys::spawn(&options.argv, options.log, options.reach) {
            Ok(pid) => pid,
            Err(error) => {
                let status = findings::report_exec_failure(&mut reporter, &options.argv, &error);
                reporter.finish();
                exit(status)
            }
        };
        let now = Instant::now();
        Self {
            commands,
            sockets: sockets::Watch::new(options.port, options.machine, options.reach),
            next_look: options.limit.map(|_| now + MEMORY_PACE),
            keeper: (options.reach == Reach::Tree).then(sys::parent),
            // The machine's own counter counts everybody's.
            memory: if options.machine { processes::OomCounter::none() } else { processes::OomCounter::new() },
            unread: Vec::new(),
            main_status: None,
            stopping: false,
            told: Vec::new(),
            killed: false,
            kill_at: None,
            began: now,
            next_check: now + BOOT_PACE,
            options,
            reporter,
            signals,
            main,
            alive,
        }
    }

    fn run(mut self) -> ! {
        loop {
            let woken = sys::wait_readable(&self.signals, self.commands.as_ref(), self.patience());
            if woken.signals {
                self.take_signals();
            }
            if woken.commands {
                self.take_commands();
            }
            let now = Instant::now();
            if now >= self.next_check {
                self.check();
            }
            if self.next_look.is_some_and(|at| now >= at) {
                self.look_at_memory();
            }
            if self.keeper.is_some_and(|keeper| keeper != sys::parent()) {
                self.perish();
            }
            if self.kill_at.is_some_and(|at| Instant::now() >= at) {
                self.kill_at = None;
                self.signal_all(Signal::KILL);
            }
            self.reporter.flush();
        }
    }

    /// How long the loop may sleep.
    fn patience(&self) -> Duration {
        let now = Instant::now();
        let others = [self.kill_at, self.next_look].into_iter().flatten();
        others.fold(self.next_check, Instant::min).saturating_duration_since(now)
    }

    fn signal_all(&self, signal: Signal) {
        sys::signal_all(self.options.reach, signal);
    }

    /// SIGTERM to every process (R5.3).
    fn terminate(&mut self) {
        self.stopping = true;
        self.told = sys::signal_all(self.options.reach, Signal::TERM);
    }

    /// A shell that was just starting a program holds signals back meanwhile: it ends by ours once the program runs, which
    /// then was not there to be signalled.
    fn terminate_late(&mut self) {
        let late = processes::pids(self.options.reach).into_iter().filter(|pid| !self.told.contains(pid));
        sys::signal_each(late, Signal::TERM);
    }

    /// The process that waits for us was killed: nothing of the dyno outlives it.
    fn perish(&mut self) -> ! {
        self.signal_all(Signal::KILL);
        exit(128 + Signal::KILL.0)
    }

    fn look_at_memory(&mut self) {
        self.next_look = Some(Instant::now() + MEMORY_PACE);
        if self.options.limit.is_some_and(|limit| memory::is_over(self.options.reach, limit)) {
            self.next_look = None;
            self.out_of_memory();
        }
    }

    fn take_signals(&mut self) {
        for (signal, from_outside) in sys::read_signals(&mut self.signals) {
            if signal == Signal::CHLD {
                self.reap();
            } else if from_outside {
                // Only what the engine sends (`docker stop`): an app that signals process 1 has no effect on Heroku.
                if signal == Signal::TERM {
                    self.terminate();
                } else {
                    self.signal_all(signal);
                }
            }
        }
    }

    fn take_commands(&mut self) {
        let mut buffer = [0_u8; 4096];
        let read = self.commands.as_mut().map_or(Ok(0), |file| file.read(&mut buffer));
        let Ok(read @ 1..) = read else {
            self.commands = None;
            return self.abandon();
        };
        self.unread.extend_from_slice(&buffer[..read]);
        for command in protocol::take_lines(&mut self.unread) {
            match command {
                Command::Term => self.terminate(),
                Command::Kill => {
                    self.killed = true;
                    self.signal_all(Signal::KILL);
                }
                Command::Hup => self.signal_all(Signal::HUP),
                Command::Int => self.signal_all(Signal::INT),
                Command::Processes => self.reporter.processes(&processes::list(self.options.reach)),
                Command::Memory => self.reporter.memory(&memory::used(self.options.reach)),
            }
        }
    }

    /// dynosim is gone, even if by SIGKILL: no orphan outlives it.
    fn abandon(&mut self) {
        if self.kill_at.is_none() {
            self.kill_at = Some(Instant::now() + self.options.grace);
            self.terminate();
        }
    }

    fn check(&mut self) {
        if self.options.port.is_some() {
            if let Some(listeners) = self.sockets.changed() {
                self.reporter.listeners(&listeners);
            }
        }
        let booting = self.options.port.is_some() && !self.sockets.bound();
        let pace = match self.began.elapsed() {
            _ if !booting => CALM_PACE,
            age if age < Duration::from_secs(10) => BOOT_PACE,
            _ => SLOW_BOOT_PACE,
        };
        self.next_check = Instant::now() + pace;
        if self.memory.grew() {
            self.out_of_memory();
        }
        if self.alive.as_ref().is_some_and(sys::is_unlocked) {
            self.alive = None;
            self.abandon();
        }
    }

    /// The kernel killed a process at the hard limit: on Heroku that is the end of the dyno (R15).
    fn out_of_memory(&mut self) {
        self.reporter.out_of_memory();
        self.signal_all(Signal::KILL);
    }

    fn reap(&mut self) {
        loop {
            match sys::reap_one() {
                sys::Reaped::Child(pid, status) => {
                    if pid == self.main {
                        self.main_status = Some(status);
                        if self.stopping && status == 128 + Signal::TERM.0 {
                            self.terminate_late();
                        }
                    }
                    if status == 128 + Signal::KILL.0 && self.memory.grew() {
                        self.out_of_memory();
                    }
                }
                sys::Reaped::NoneReady => break,
                sys::Reaped::NoChildren => self.finish(),
            }
        }
        if self.main_status.is_some() && !self.stopping {
            // The dyno ends with its main process; what it left behind goes too.
            sys::end_all(self.options.reach);
            self.finish();
        }
    }

    fn finish(&mut self) -> ! {
        let main = self.main_status.filter(|_| !self.killed);
        let status = main.unwrap_or(128 + Signal::KILL.0);
        if matches!(status, 126 | 127) {
            findings::report_scripts(&mut self.reporter, &self.options.argv, status);
        }
        self.reporter.finish();
        exit(status)
    }
}
