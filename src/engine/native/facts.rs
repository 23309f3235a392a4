//! What this machine allows, tried out once, and what is only approximate in it.

use super::NativeOptions;
use crate::engine::EngineFacts;
use crate::engine::files::{self, PrivateFiles};
use std::path::Path;

#[cfg(target_os = "linux")]
pub(super) use linux::Abilities;

/// What decides how dynos are started.
#[cfg(not(target_os = "linux"))]
#[derive(Clone, Debug)]
pub(super) struct Abilities;

/// Everything about the engine.
pub(super) async fn ask(options: &NativeOptions, files: &PrivateFiles, program: &Path) -> (EngineFacts, Abilities) {
    let mut facts = EngineFacts {
        product: "native".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: "this machine".to_owned(),
        platform: format!("{}/{}", std::env::consts::OS, files::here()),
        builder: "none: the app's folder runs as it is".to_owned(),
        local: true,
        native: true,
        ..EngineFacts::default()
    };
    #[cfg(target_os = "linux")]
    {
        let abilities = linux::ask(options.sandbox, files, program).await;
        linux::describe(&mut facts, &abilities);
        (facts, abilities)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (options.sandbox, files, program);
        facts.writes_through = true;
        facts.init_missing = Some(format!("dynosim's init runs on Linux, and this is {}", std::env::consts::OS));
        facts.approximations = vec![
            "dynos are process groups of your own user without a sandbox: they may write and signal what you may, the \
             limits on memory and processes are not kept, and a process that leaves its group outlives its dyno"
                .to_owned(),
            "listening sockets are not seen: a web dyno is up once $PORT takes connections, and a bind to loopback \
             alone is not told apart"
                .to_owned(),
        ];
        (facts, Abilities)
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use crate::engine::files::{self, PrivateFiles};
    use crate::engine::native::plan::{Level, Places, Plan};
    use crate::engine::native::{Sandbox, start};
    use crate::engine::native::{cgroup, launcher};
    use crate::engine::{Console, EngineFacts};
    use crate::model::limits::DYNO_GID;
    use std::path::{Path, PathBuf};
    use std::time::Duration;
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    /// A trial that takes longer has failed.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// What decides how dynos are started.
    #[derive(Clone, Debug)]
    pub(in crate::engine::native) struct Abilities {
        pub(in crate::engine::native) level: Level,
        /// The init on this machine's disk, or why there is none.
        pub(in crate::engine::native) init: Result<PathBuf, String>,
        /// Where a dyno's control group can be made.
        pub(in crate::engine::native) groups: cgroup::Place,
        /// Why dynos have no spaces of their own.
        pub(super) without_spaces: Option<String>,
    }

    pub(super) async fn ask(sandbox: Sandbox, files: &PrivateFiles, program: &Path) -> Abilities {
        let init = files.install_init(files::here());
        let without_spaces = match (&init, sandbox) {
            (Err(reason), _) => Some(reason.clone()),
            (Ok(_), Sandbox::Landlock) => Some("it was asked for".to_owned()),
            (Ok(init), Sandbox::Best) => try_spaces(program, init).await.err(),
        };
        let level = if without_spaces.is_some() { Level::Landlock } else { Level::Namespaces };
        Abilities { level, init, groups: cgroup::Place::find(), without_spaces }
    }

    /// Starts a dyno that does nothing.
    async fn try_spaces(program: &Path, init: &Path) -> Result<(), String> {
        let plan = Plan {
            level: Level::Namespaces,
            enter: None,
            argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), ":".to_owned()],
            env: Vec::new(),
            folder: PathBuf::from("/"),
            uid: 10_000,
            gid: DYNO_GID,
            places: Places { layered: Vec::new(), tell_lost: false },
            strict_ports: false,
            port: None,
            processes: None,
            open_files: 256,
            init: init.to_owned(),
            words: ["log", "proc", "grace=0"].map(str::to_owned).to_vec(),
            temporary: None,
            passwd: None,
            group: None,
            terminal: false,
        };
        let tried = async {
            let mut started = match start::start(program, plan, None, Console::Pipe).await {
                Ok(started) => started,
                Err(start::Refused::Folder(reason) | start::Refused::Sandbox(reason)) => return Err(reason),
            };
            let (sink, mut output) = mpsc::channel(4);
            tokio::spawn(started.streams.carry(sink));
            let mut said = String::new();
            while let Some(piece) = output.recv().await {
                said.push_str(&String::from_utf8_lossy(&piece.bytes));
            }
            match started.keeper.wait().await {
                Ok(status) if status.success() => Ok(()),
                Ok(status) if said.is_empty() => Err(format!("a trial ended with {status}")),
                Ok(_) => Err(said.trim().to_owned()),
                Err(error) => Err(error.to_string()),
            }
        };
        timeout(PATIENCE, tried).await.unwrap_or_else(|_| Err("a trial did not end in time".to_owned()))
    }

    pub(super) fn describe(facts: &mut EngineFacts, abilities: &Abilities) {
        facts.init_missing = abilities.init.clone().err();
        facts.strict_ports = launcher::denies_binds();
        facts.swap = true;
        abilities.groups.version().clone_into(&mut facts.cgroup);
        facts.approximations = vec![
            "dynos run this machine's programs, as far as $PATH leads to them, and can read what you can read"
                .to_owned(),
            "dynos share this machine's network: they can reach one another, and what listens on loopback".to_owned(),
            "programs read the machine's memory as theirs, not the dyno's quota".to_owned(),
        ];
        let more = &mut facts.approximations;
        if !abilities.groups.counts_memory() {
            let text = "memory is looked at five times a second: what grows faster is killed a little late (R15)";
            more.push(text.to_owned());
        }
        let counted = abilities.groups.counts_processes();
        if rustix::process::geteuid().is_root() && !counted {
            more.push(
                "dynosim runs as root, whose processes the kernel does not count: there is no limit on them".to_owned(),
            );
        }
        let Some(reason) = &abilities.without_spaces else { return };
        facts.writes_through = true;
        facts.version = format!("{} (Landlock)", facts.version);
        more.push(format!(
            "dynos have no user and process space of their own ({reason}): they run as your user and see its processes"
        ));
        if !counted {
            more.push("a dyno's limit on processes also counts those that your user starts meanwhile".to_owned());
        }
        if launcher::keeps_files() {
            more.push(
                "Landlock keeps a dyno from writing: /tmp, /var/tmp and /dev/shm are the machine's own (but where the \
                 app's folder lies in one, which then is read-only), what is written there stays, and --fs ephemeral \
                 and --writable write to your files"
                    .to_owned(),
            );
        } else {
            more.push("this kernel has no Landlock: a dyno may write what you may write".to_owned());
        }
        more.push(
            "a dyno can change mode and times of your files, set limits of your other processes and connect to sockets of \
             your services"
                .to_owned(),
        );
        if !launcher::keeps_signals() {
            more.push(
                "this kernel's Landlock does not keep a dyno from signalling your other processes (that takes Linux \
                 6.12)"
                    .to_owned(),
            );
        }
        if !launcher::denies_binds() {
            more.push("this kernel's Landlock cannot deny a bind (that takes Linux 6.7)".to_owned());
        }
    }
}
