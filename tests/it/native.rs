//! Dynos as native processes, in both kinds of sandbox: with spaces of their own, and with Landlock alone. None of this
//! needs a container engine or root; `as_an_unprivileged_user` shows the latter.

use crate::support::{Dyno, PATIENCE};
use bytes::Bytes;
use dynosim::engine::native::{NativeEngine, NativeOptions, Sandbox, runs_in_dyno};
use dynosim::engine::{
    BuildPlan, Console, DynoSpec, Ended, Engine, EngineError, Filesystem, Finding, InstanceEvent, Listener,
    RunIdentity, Signal,
};
use dynosim::model::dyno::{DynoKind, DynoName, DynoSize};
use dynosim::model::endpoint::Endpoint;
use dynosim::model::image::ImageFacts;
use dynosim::model::process_type::ProcessType;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

/// The engine, with an app's folder.
struct Bench {
    engine: NativeEngine,
    run: RunIdentity,
    app: PathBuf,
    level: Sandbox,
    files: TempDir,
    _folder: TempDir,
}

const BOTH: [Sandbox; 2] = [Sandbox::Best, Sandbox::Landlock];

impl Bench {
    async fn open(level: Sandbox) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (files, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let app = folder.path().canonicalize().unwrap().join("shop");
        std::fs::create_dir(&app).unwrap();
        std::fs::write(app.join("Procfile"), "web: ./serve\n").unwrap();
        let program = Some(PathBuf::from(env!("CARGO_BIN_EXE_dynosim")));
        let options = NativeOptions { files: files.path().to_owned(), sandbox: level, program };
        let engine = NativeEngine::open(options).await.unwrap();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let identity = format!("{:06x}{count:06x}", std::process::id() & 0x00ff_ffff);
        let run = RunIdentity { app: "shop".into(), identity, run: "r1".into() };
        Self { engine, run, app, level, files, _folder: folder }
    }

    /// Whether dynos have spaces of their own here: not everywhere, even where they are asked for.
    fn has_spaces(&self) -> bool {
        self.level == Sandbox::Best && !self.engine.facts().version.contains("Landlock")
    }

    fn facts(&self) -> ImageFacts {
        let home = self.app.to_str().unwrap().to_owned();
        let path = std::env::var("PATH").unwrap();
        ImageFacts {
            workdir: home.clone(),
            env: vec![("PATH".into(), path), ("HOME".into(), home)],
            ..ImageFacts::default()
        }
    }

    fn sh(&self, script: &str) -> DynoSpec {
        DynoSpec {
            run: self.run.clone(),
            name: DynoName::new(ProcessType::web(), 1),
            kind: DynoKind::Formation,
            image: self.facts(),
            argv: vec!["/bin/sh".into(), "-c".into(), script.into()],
            env: vec![("DYNO".into(), "web.1".into())],
            uid: 23_456,
            size: DynoSize::BASIC,
            filesystem: Filesystem::ReadOnly { writable: Vec::new() },
            port: None,
            strict_ports: false,
            console: Console::Log,
        }
    }

    /// A port that no other run of these tests is likely to propose.
    fn port(&self) -> u16 {
        self.engine.port(20_000 + u16::try_from(std::process::id() % 30_000).unwrap())
    }

    async fn launch(&self, spec: DynoSpec) -> Dyno {
        let (events_tx, events) = mpsc::channel(64);
        let (output_tx, output) = mpsc::channel(64);
        let instance = self.engine.launch(spec, events_tx, output_tx).await.unwrap_or_else(|e| panic!("{e:?}"));
        Dyno { instance, events, output, printed: Vec::new(), errors: Vec::new() }
    }

    async fn run(&self, spec: DynoSpec) -> (String, Ended) {
        let mut dyno = self.launch(spec).await;
        let ended = dyno.ended().await;
        (dyno.text(), ended)
    }

    async fn prints(&self, script: &str) -> String {
        self.run(self.sh(script)).await.0
    }
}

async fn bound(dyno: &mut Dyno) -> Endpoint {
    let pick = |event: &InstanceEvent| match event {
        InstanceEvent::Bound(endpoint) => Some(endpoint.clone()),
        _ => None,
    };
    dyno.event("bound", pick).await
}

async fn listeners(dyno: &mut Dyno, wanted: impl Fn(&[Listener]) -> bool) -> Vec<Listener> {
    let pick = |event: &InstanceEvent| match event {
        InstanceEvent::Listening(list) if wanted(list) => Some(list.clone()),
        _ => None,
    };
    dyno.event("listeners", pick).await
}

/// A Python program in the app's folder.
fn python(bench: &Bench, name: &str, text: &str) -> String {
    std::fs::write(bench.app.join(name), text).unwrap();
    format!("exec python3 {name}")
}

/// A process of this machine that does nothing.
struct Sleeper(std::process::Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("300").stdin(Stdio::null()).spawn().unwrap())
    }

    fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A number of seconds that no other test, and no other run of this one, lets a process sleep.
fn own(number: u32) -> String {
    format!("{number}.{:08}", std::process::id())
}

/// Whether a process of this machine has this word in its command line.
fn somebody_runs(word: &str) -> bool {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).any(|line| line.contains(word))
}

/// Waits until a process has this word in its command line.
async fn appears(word: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    while !somebody_runs(word) {
        assert!(Instant::now() < until, "{word} never runs");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until no process has this word in its command line.
async fn all_gone(word: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    while somebody_runs(word) {
        assert!(Instant::now() < until, "{word} still runs");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn r1_5_the_dyno_is_u_uid_of_group_dyno_without_any_capability() {
    let bench = Bench::open(Sandbox::Best).await;
    if !bench.has_spaces() {
        return;
    }
    let printed = bench.prints("id; id -un; grep -e CapEff -e CapPrm -e CapAmb -e NoNewPrivs /proc/self/status").await;
    assert!(printed.contains("uid=23456(u23456) gid=1000(dyno)"), "{printed}");
    assert!(printed.contains("\nu23456\n") && printed.contains("NoNewPrivs:\t1"), "{printed}");
    assert_eq!(printed.matches("0000000000000000").count(), 3, "{printed}");
}

#[tokio::test]
async fn r1_4_a_dyno_runs_in_its_folder_with_its_own_variables_and_no_other() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        let mut spec = bench.sh("pwd; env");
        spec.env.push(("GREETING".into(), "hello".into()));
        let (printed, _) = bench.run(spec).await;
        let app = bench.app.to_str().unwrap();
        assert!(printed.starts_with(&format!("{app}\n")), "{printed}");
        let mut names: Vec<&str> = printed.lines().skip(1).filter_map(|line| Some(line.split_once('=')?.0)).collect();
        names.sort_unstable();
        // The shell sets the first two itself.
        names.retain(|name| !["PWD", "OLDPWD", "_", "SHLVL"].contains(name));
        assert_eq!(names, ["DYNO", "GREETING", "HOME", "PATH"], "{printed}");
    }
}

#[tokio::test]
async fn stdout_and_stderr_arrive_in_the_order_they_were_written() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        let printed = bench.prints("i=0; while [ $i -lt 2000 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done").await;
        let expected = (0..2000).map(|i| format!("o{i}\ne{i}\n")).collect::<Vec<_>>().concat();
        assert!(printed == expected, "{} of {} bytes, or out of order", printed.len(), expected.len());
    }
}

#[tokio::test]
async fn a_flood_of_output_loses_nothing_before_the_exit() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        let (printed, ended) = bench.run(bench.sh("yes 0123456789abcdef | head -n 1000000; exit 9")).await;
        assert_eq!((printed.len(), ended.exit.status), (1_000_000 * 17, 9));
    }
}

const SERVER: &str = "import http.server, os\n\
    http.server.test(http.server.SimpleHTTPRequestHandler, port=int(os.environ['PORT']), bind='0.0.0.0')\n";

#[tokio::test]
async fn r5_2_a_web_dyno_is_bound_when_one_of_its_own_processes_listens() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        let stranger = TcpListener::bind("0.0.0.0:0").unwrap();
        let taken = stranger.local_addr().unwrap().port();
        let port = bench.engine.port(taken);
        assert_ne!(port, taken, "somebody else of this machine has it");
        let mut spec = bench.sh(&python(&bench, "serve.py", SERVER));
        spec.port = Some(port);
        spec.env.push(("PORT".into(), port.to_string()));
        let mut dyno = bench.launch(spec).await;
        let list = listeners(&mut dyno, |list| !list.is_empty()).await;
        assert!(list.iter().all(|one| one.port == port), "a stranger's socket is none of the dyno's: {list:?}");
        assert!(list[0].process.as_ref().is_some_and(|(_, name)| name.starts_with("python")), "{list:?}");
        let endpoint = bound(&mut dyno).await;
        let mut stream = tokio::net::TcpStream::connect(endpoint.0).await.unwrap();
        stream.write_all(b"GET /Procfile HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("web: ./serve"), "{answer}");
        dyno.instance.signal(Signal::Kill);
        dyno.ended().await;
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}

#[tokio::test]
async fn r5_2_a_loopback_bind_is_told_with_its_process_and_is_not_bound() {
    let bench = Bench::open(Sandbox::Best).await;
    let port = bench.port();
    let mut spec = bench.sh(&python(&bench, "serve.py", &SERVER.replace("0.0.0.0", "127.0.0.1")));
    spec.port = Some(port);
    spec.env.push(("PORT".into(), port.to_string()));
    let mut dyno = bench.launch(spec).await;
    let list = listeners(&mut dyno, |list| !list.is_empty()).await;
    assert!(list[0].address.is_loopback() && list[0].process.is_some(), "{list:?}");
    assert!(timeout(Duration::from_millis(500), bound(&mut dyno)).await.is_err());
}

#[tokio::test]
async fn r5_3_sigterm_reaches_every_process_and_a_straggler_keeps_the_dyno() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        let child = "trap 'echo child' TERM; echo set; while :; do sleep 0.1; done";
        let script =
            format!("trap 'echo parent; exit 7' TERM; (setsid sh -c \"{child}\") & while :; do sleep 0.1; done");
        let mut dyno = bench.launch(bench.sh(&script)).await;
        dyno.prints("set").await;
        dyno.instance.signal(Signal::Term);
        dyno.prints("child").await;
        dyno.prints("parent").await;
        let lives = dyno.until_processes(|all| !all.iter().any(|one| one.command.contains("echo parent"))).await;
        assert!(lives.iter().any(|one| one.command.contains("echo child")), "{lives:?}");
        dyno.instance.signal(Signal::Kill);
        assert_eq!(dyno.ended().await.exit.status, 137, "what was left had to be killed");
    }
}

/// As a shell does for a moment whenever it starts a program.
#[tokio::test]
async fn r5_3_sigterm_reaches_a_program_that_was_just_being_started() {
    let start = "import os, signal, time\nterm = [signal.SIGTERM]\nsignal.pthread_sigmask(signal.SIG_BLOCK, term)\n\
        print('up', flush=True)\nwhile signal.SIGTERM not in signal.sigpending(): time.sleep(0.01)\nchild = os.fork()\n\
        signal.pthread_sigmask(signal.SIG_UNBLOCK, term)\ntime.sleep(600)\n";
    for level in BOTH {
        let bench = Bench::open(level).await;
        let mut dyno = bench.launch(bench.sh(&python(&bench, "start.py", start))).await;
        dyno.prints("up").await;
        dyno.instance.signal(Signal::Term);
        assert_eq!(dyno.ended().await.exit.status, 143, "{level:?}");
    }
}

#[tokio::test]
async fn r5_3_the_status_is_the_app_s_own_or_128_and_the_signal() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        for (script, status) in [("exit 0", 0), ("exit 3", 3), ("kill -SEGV $$", 139), ("kill -KILL $$", 137)] {
            assert_eq!(bench.run(bench.sh(script)).await.1.exit.status, status, "{script}");
        }
        // At every moment of a shell's starting a program.
        for _ in 0..50 {
            let mut dyno = bench.launch(bench.sh("echo up; sleep 600")).await;
            dyno.prints("up").await;
            dyno.instance.signal(Signal::Term);
            assert_eq!(dyno.ended().await.exit.status, 143);
        }
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_the_app_s_fault() {
    let bench = Bench::open(Sandbox::Best).await;
    let mut spec = bench.sh("");
    spec.argv = vec!["no-such-program".into()];
    let mut dyno = bench.launch(spec).await;
    let pick = |event: &InstanceEvent| match event {
        InstanceEvent::Finding(Finding::ExecFailed { program, .. }) => Some(program.clone()),
        _ => None,
    };
    assert_eq!(dyno.event("finding", pick).await, "no-such-program");
    assert_eq!(dyno.ended().await.exit.status, 127);
}

#[tokio::test]
async fn a_dyno_writes_to_tmp_only_and_its_app_s_folder_stays_to_be_read() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        let outside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).or_else(|_| tempfile::tempdir()).unwrap();
        let script = format!(
            "for f in {app} {home} {outside} /etc /usr; do echo x > $f/new 2>/dev/null && echo wrote $f; done; \
             for f in /var/tmp /dev/shm; do echo x > $f/dynosim-$$ && rm $f/dynosim-$$ && echo may $f; done; \
             echo x >> Procfile; cat Procfile",
            app = bench.app.display(),
            home = std::env::var("HOME").unwrap(),
            outside = outside.path().display(),
        );
        let printed = bench.prints(&script).await;
        assert!(!printed.contains("wrote") && printed.contains("web: ./serve"), "{level:?}: {printed}");
        assert_eq!(printed.matches("may").count(), 2, "{level:?}: {printed}");
        assert!(std::fs::read_dir(outside.path()).unwrap().next().is_none());
        assert_eq!(std::fs::read_to_string(bench.app.join("Procfile")).unwrap(), "web: ./serve\n");
    }
}

#[tokio::test]
async fn a_dyno_has_temporary_folders_devices_and_processes_of_its_own() {
    let bench = Bench::open(Sandbox::Best).await;
    if !bench.has_spaces() {
        return;
    }
    let seen = tempfile::NamedTempFile::new().unwrap();
    let script = format!(
        "echo private > /tmp/dynosim-private; ls /tmp /run; test -e {} && echo seen; ls /dev; ls -d /proc/[0-9]* | wc -l; \
         echo 1 > /proc/sys/kernel/panic; echo c > /proc/sysrq-trigger; ls /run/docker.sock",
        seen.path().display()
    );
    let printed = bench.prints(&script).await;
    assert!(printed.contains("dynosim-private") && !Path::new("/tmp/dynosim-private").exists(), "{printed}");
    assert!(!printed.contains("seen") && !printed.contains("kmsg") && !printed.contains("sda"), "{printed}");
    assert!(printed.contains("Read-only file system") && printed.contains("urandom"), "{printed}");
    let processes: usize = printed.lines().find_map(|line| line.trim().parse().ok()).unwrap();
    assert!(processes <= 5, "{printed}");
}

#[tokio::test]
async fn writable_places_take_writes_that_end_with_the_dyno() {
    let bench = Bench::open(Sandbox::Best).await;
    if !bench.has_spaces() {
        return;
    }
    let path = |name: &str| bench.app.join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(bench.app.join("log")).unwrap();
    std::fs::write(bench.app.join("log/old"), "old").unwrap();
    std::fs::write(bench.app.join("dev.db"), "rows").unwrap();
    let mut spec = bench
        .sh("cat log/old; echo new > log/new; echo x > log/old; cat log/old; mkdir absent/a; cat dev.db; \
        echo more >> dev.db; cat dev.db; cat Procfile; echo no > Procfile; ls absent");
    spec.filesystem = Filesystem::ReadOnly { writable: vec![path("log"), path("absent"), path("dev.db")] };
    let (printed, ended) = bench.run(spec).await;
    assert!(printed.starts_with("oldx\nrowsrowsmore\nweb: ./serve\n"), "{printed}");
    assert!(printed.contains("Read-only file system") && printed.ends_with("\na\n"), "{printed}");
    assert_eq!(ended.lost_writes, []);
    assert_eq!(std::fs::read_to_string(bench.app.join("log/old")).unwrap(), "old");
    assert!(!bench.app.join("log/new").exists() && !bench.app.join("absent").exists());
    assert_eq!(std::fs::read_to_string(bench.app.join("dev.db")).unwrap(), "rows");
}

#[tokio::test]
async fn r1_5_an_ephemeral_dyno_writes_to_its_folder_and_lists_what_is_lost() {
    let bench = Bench::open(Sandbox::Best).await;
    if !bench.has_spaces() {
        return;
    }
    std::fs::create_dir(bench.app.join("public")).unwrap();
    let mut spec = bench.sh("echo 12345 > public/upload; rm Procfile; echo x > /tmp/x; ls; echo x > /etc/x");
    spec.filesystem = Filesystem::Ephemeral;
    let (printed, ended) = bench.run(spec).await;
    assert!(printed.starts_with("public\n") && printed.contains("Read-only"), "{printed}");
    let lost: Vec<(String, Option<u64>)> = ended.lost_writes.into_iter().map(|one| (one.path, one.size)).collect();
    assert_eq!(lost, [(bench.app.join("public/upload").to_str().unwrap().to_owned(), Some(6))]);
    assert!(bench.app.join("Procfile").exists() && !bench.app.join("public/upload").exists());
}

#[tokio::test]
async fn r5_7_a_dyno_over_its_r15_limit_is_killed_with_all_its_processes() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        let eat = "import time\nheld = []\nwhile True:\n held.append(bytearray(b'x') * (8 << 20))\n time.sleep(0.01)\n";
        std::fs::write(bench.app.join("eat.py"), eat).unwrap();
        let mut spec = bench.sh("python3 eat.py & wait");
        spec.size.kill_at = 128 << 20;
        let (_, ended) = bench.run(spec).await;
        assert!(ended.exit.out_of_memory && ended.exit.status == 137, "{level:?}: {:?}", ended.exit);
    }
}

#[tokio::test]
async fn r7_memory_and_processes_are_told_and_shared_pages_count_once() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        let fork = "import os, time\nheld = bytearray(b'x') * (64 << 20)\nfor _ in range(4):\n if os.fork() == 0: break\n\
            print('ready', flush=True)\ntime.sleep(60)\n";
        let mut dyno = bench.launch(bench.sh(&python(&bench, "fork.py", fork))).await;
        dyno.prints("ready\nready\nready\nready\nready\n").await;
        let used = dyno.instance.usage().await.unwrap();
        assert!((64 << 20..160 << 20).contains(&used.rss), "{level:?}: {used:?}");
        assert_eq!(dyno.instance.processes().await.len(), 5);
        drop(dyno);
    }
}

#[tokio::test]
async fn r5_7_processes_and_open_files_are_limited() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        let spread = "import os, resource, time\nn = 0\ntry:\n while n < 400:\n  if os.fork() == 0: time.sleep(60); os._exit(0)\n  n += 1\n\
            except OSError as e: print('processes', n, e)\nfiles = []\ntry:\n while True: files.append(os.dup(1))\n\
            except OSError as e: print('files', len(files), e)\n";
        let mut spec = bench.sh(&python(&bench, "spread.py", spread));
        spec.size.open_files = 100;
        let (printed, _) = bench.run(spec).await;
        let number = |word: &str| -> usize {
            let line = printed.lines().find_map(|line| line.strip_prefix(word));
            line.and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or_else(|| panic!("{word}: {printed}"))
        };
        assert!(number("files") < 100, "{printed}");
        let told = |words: &str| bench.engine.facts().approximations.iter().any(|line| line.contains(words));
        if !told("no limit on them") {
            // Where the user's other processes count, those that end meanwhile make room.
            let most = if told("those that your user starts") { 399 } else { 256 };
            assert!((200..=most).contains(&number("processes")), "{level:?}: {printed}");
        }
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

#[tokio::test]
async fn strict_ports_deny_every_bind_but_that_of_port() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        if !bench.engine.facts().strict_ports {
            return;
        }
        let (port, other) = (bench.port(), bench.port());
        let bind = format!(
            "import socket\nfor port in ({other}, {port}, 0):\n try: socket.socket().bind(('0.0.0.0', port)); print(port, 'bound')\n \
             except OSError as e: print(port, e.strerror)\n"
        );
        let mut spec = bench.sh(&python(&bench, "bind.py", &bind));
        (spec.port, spec.strict_ports) = (Some(port), true);
        let (printed, _) = bench.run(spec).await;
        assert_eq!(printed, format!("{other} Permission denied\n{port} bound\n0 Permission denied\n"), "{level:?}");
        let (printed, _) = bench.run(bench.sh("exec python3 bind.py")).await;
        assert_eq!(printed.matches("bound").count(), 3, "a dyno may bind other ports for itself: {printed}");
    }
}

#[tokio::test]
async fn a_dyno_cannot_kill_a_neighbour_or_another_process_of_the_same_user() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        let told = bench.engine.facts().approximations.iter().any(|line| line.contains("signalling your other"));
        if !bench.has_spaces() && told {
            return; // Said to be so.
        }
        let mut sleeper = Sleeper::start();
        let mut neighbour = bench.launch(bench.sh(&format!("echo up; exec sleep {}", own(271)))).await;
        neighbour.prints("up").await;
        let is_target = |entry: &std::fs::DirEntry| {
            std::fs::read(entry.path().join("cmdline"))
                .is_ok_and(|line| line == format!("sleep\0{}\0", own(271)).as_bytes())
        };
        // It is `sleep` a moment after it has said that it is up.
        let until = Instant::now() + Duration::from_secs(20);
        let target = loop {
            if let Some(found) = std::fs::read_dir("/proc").unwrap().flatten().find(is_target) {
                break found.file_name().into_string().unwrap();
            }
            assert!(Instant::now() < until, "{level:?}: the neighbour does not sleep");
            sleep(Duration::from_millis(5)).await;
        };
        let script = format!("kill -9 {target} {} $PPID; kill -9 -1; echo tried", sleeper.0.id());
        let printed = bench.prints(&script).await;
        assert!(sleeper.runs(), "{level:?}: {printed}");
        assert_eq!(neighbour.instance.processes().await.len(), 1, "{level:?}: {printed}");
        neighbour.instance.signal(Signal::Kill);
        neighbour.ended().await;
    }
}

#[tokio::test]
async fn a_dyno_gets_no_open_file_but_its_three_streams() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        // As after `exec 9>file` in the shell that dynosim is started from.
        let file = tempfile::tempfile().unwrap();
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
        let printed = bench.prints("ls /proc/$$/fd").await;
        assert_eq!(printed, "0\n1\n2\n", "{level:?}");
    }
}

#[tokio::test]
async fn temporary_folders_are_on_disk_and_shared_memory_is_as_small_as_in_a_container() {
    let bench = Bench::open(Sandbox::Best).await;
    if !bench.has_spaces() {
        return;
    }
    let script = "stat -f -c %T /tmp /var/tmp; mkdir -m 0 /tmp/closed; head -c 80000000 /dev/zero > /dev/shm/x";
    let printed = bench.prints(script).await;
    assert!(!printed.contains("tmpfs") && printed.contains("No space left"), "{printed}");
    let run = bench.files.path().join("dynos").join(&bench.run.identity).join(&bench.run.run);
    let is_left = || std::fs::read_dir(&run).unwrap().flatten().any(|entry| entry.path().is_dir());
    // Its files go just after its end is told.
    let until = Instant::now() + Duration::from_secs(20);
    while is_left() {
        assert!(Instant::now() < until, "a folder that the dyno closed is removed like others");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_socket_of_the_machine_cannot_be_connected_to() {
    let bench = Bench::open(Sandbox::Best).await;
    if !bench.has_spaces() {
        return;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).or_else(|_| tempfile::tempdir()).unwrap();
    let path = folder.path().join("service.sock");
    let _service = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let connect = "import socket, sys\ntry: socket.socket(socket.AF_UNIX).connect(sys.argv[1]); print('connected')\n\
        except OSError as e: print(e.strerror)\n";
    let script = format!("{} {}", python(&bench, "connect.py", connect), path.display());
    let printed = bench.prints(&script).await;
    assert!(!printed.contains("connected"), "{printed}");
}

#[tokio::test]
async fn what_runs_in_a_dyno_is_known_as_such() {
    for (level, seconds) in BOTH.into_iter().zip([own(9283), own(9284)]) {
        let bench = Bench::open(level).await;
        let script = format!("{} sleep {seconds}", daemon(&bench, &seconds));
        let mut dyno = bench.launch(bench.sh(&script)).await;
        dyno.prints("forked").await;
        // The daemon, and the program that the shell waits for.
        let until = Instant::now() + Duration::from_secs(20);
        let its = loop {
            let all = std::fs::read_dir("/proc").unwrap().flatten();
            let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
            let is_its = |pid: &u32| {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                line == format!("sleep\0{seconds}\0").as_bytes()
            };
            let its: Vec<u32> = pids.filter(is_its).collect();
            if its.len() == 2 {
                break its;
            }
            assert!(Instant::now() < until, "{level:?}: {its:?}");
            sleep(Duration::from_millis(5)).await;
        };
        assert!(its.iter().all(|pid| runs_in_dyno(*pid)) && !runs_in_dyno(std::process::id()), "{level:?}");
        dyno.instance.signal(Signal::Kill);
        dyno.ended().await;
    }
}

/// Forks twice, leaves its session and its streams, and stays.
fn daemon(bench: &Bench, seconds: &str) -> String {
    write_daemon(&bench.app, seconds);
    "python3 daemon.py; echo forked;".to_owned()
}

fn write_daemon(app: &Path, seconds: &str) {
    let text = format!(
        "import os, signal\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0:\n  signal.signal(signal.SIGTERM, signal.SIG_IGN)\n  \
         os.closerange(0, 64)\n  os.execvp('sleep', ['sleep', '{seconds}'])\n os._exit(0)\nos.wait()\n"
    );
    std::fs::write(app.join("daemon.py"), text).unwrap();
}

#[tokio::test]
async fn a_daemon_does_not_outlive_its_dyno() {
    for (level, seconds) in BOTH.into_iter().zip([own(9271), own(9272)]) {
        let bench = Bench::open(level).await;
        let (printed, ended) = bench.run(bench.sh(&format!("{} exit 4", daemon(&bench, &seconds)))).await;
        assert_eq!((printed.as_str(), ended.exit.status), ("forked\n", 4));
        assert!(!somebody_runs(&seconds), "{level:?}");
    }
}

#[tokio::test]
async fn a_dropped_instance_is_killed_and_leaves_nothing() {
    for (level, seconds) in BOTH.into_iter().zip([own(9273), own(9274)]) {
        let bench = Bench::open(level).await;
        let mut dyno = bench.launch(bench.sh(&format!("{} sleep {seconds}", daemon(&bench, &seconds)))).await;
        dyno.prints("forked").await;
        assert!(somebody_runs(&seconds));
        drop(dyno);
        all_gone(&seconds).await;
    }
}

#[tokio::test]
async fn nothing_outlives_an_init_or_a_keeper_that_is_killed() {
    for (level, seconds) in BOTH.into_iter().zip([own(9275), own(9276)]) {
        for victim in ["init", "keeper"] {
            let bench = Bench::open(level).await;
            let mut dyno = bench.launch(bench.sh(&format!("{} sleep {seconds}", daemon(&bench, &seconds)))).await;
            dyno.prints("forked").await;
            let record = record(&bench);
            let pid = record[victim]["pid"].as_u64().unwrap();
            assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
            assert_eq!(dyno.ended().await.exit.status, 137, "{level:?} {victim}");
            all_gone(&seconds).await;
        }
    }
}

#[tokio::test]
async fn a_dyno_ends_when_its_init_and_its_keeper_are_killed_at_once() {
    for (level, seconds) in BOTH.into_iter().zip([own(9285), own(9286)]) {
        let bench = Bench::open(level).await;
        let mut dyno = bench.launch(bench.sh(&format!("echo up; sleep {seconds} & exec sleep {seconds}"))).await;
        dyno.prints("up").await;
        let record = record(&bench);
        let pids = ["keeper", "init"].map(|one| record[one]["pid"].to_string());
        assert!(Command::new("kill").arg("-9").args(&pids).status().unwrap().success());
        assert_eq!(dyno.ended().await.exit.status, 137, "{level:?}");
        all_gone(&seconds).await;
    }
}

/// What the engine wrote down of the one dyno that runs.
fn record(bench: &Bench) -> serde_json::Value {
    let run = bench.files.path().join("dynos").join(&bench.run.identity).join(&bench.run.run);
    let mut dynos = std::fs::read_dir(run).unwrap().flatten().map(|entry| entry.path().join("dyno.json"));
    let text = dynos.find_map(|path| std::fs::read_to_string(path).ok()).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_sweep_ends_what_an_earlier_run_left_and_spares_live_runs() {
    for (level, seconds) in BOTH.into_iter().zip([own(9277), own(9278)]) {
        let bench = Bench::open(level).await;
        let mut dyno = bench.launch(bench.sh(&format!("echo up; sleep {seconds}"))).await;
        dyno.prints("up").await;
        assert_eq!(bench.engine.dynos(&bench.run.identity).await.unwrap(), ["web.1"]);
        assert!(bench.engine.sweep(&bench.run.identity, &["r1".into()]).await.unwrap().is_nothing());
        assert!(somebody_runs(&seconds));
        assert_eq!(bench.engine.sweep(&bench.run.identity, &[]).await.unwrap().dynos, 1);
        assert!(!somebody_runs(&seconds), "{level:?}");
        assert_eq!(dyno.ended().await.exit.status, 137);
    }
}

#[tokio::test]
async fn a_piped_one_off_gets_its_input_and_keeps_its_streams_apart() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        let mut spec = bench.sh("tr a-z A-Z; echo done >&2; exit 5");
        spec.console = Console::Pipe;
        let mut dyno = bench.launch(spec).await;
        dyno.types("shout\n").await;
        dyno.instance.input(Bytes::new()).await;
        assert_eq!(dyno.ended().await.exit.status, 5);
        assert_eq!((dyno.text().as_str(), dyno.errors.as_slice()), ("SHOUT\n", &b"done\n"[..]));
    }
}

#[tokio::test]
async fn a_terminal_one_off_has_a_real_terminal_of_the_right_size() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        let mut spec = bench.sh("test -t 0 && test -t 1 && stty size; read line; echo got $line; stty size; exit 6");
        spec.console = Console::Terminal(97, 31);
        let mut dyno = bench.launch(spec).await;
        dyno.prints("31 97").await;
        dyno.instance.resize(120, 40).await;
        dyno.types("word\r").await;
        dyno.prints("got word").await;
        assert_eq!(dyno.ended().await.exit.status, 6);
        assert!(dyno.text().contains("40 120"), "{}", dyno.text());
    }
}

#[tokio::test]
async fn a_command_in_a_running_dyno_shares_its_processes_files_and_variables() {
    for level in BOTH {
        let bench = Bench::open(level).await;
        let mut spec = bench.sh("echo inside > /var/tmp/dynosim-note-$SECRET; echo up; sleep 60");
        spec.env.push(("SECRET".into(), format!("s3cret{}", std::process::id())));
        let mut dyno = bench.launch(spec).await;
        dyno.prints("up").await;
        let inside = bench.engine.enter(&bench.run.identity, "web.1").await.unwrap().unwrap();
        assert!(bench.engine.enter(&bench.run.identity, "web.2").await.unwrap().is_none());
        assert!(inside.has("sh").await.unwrap() && !inside.has("no-such-program").await.unwrap());
        assert!(inside.shell().await.unwrap().is_some());
        let (sink, mut output) = mpsc::channel(64);
        let words = [
            "/bin/sh",
            "-c",
            "cat /var/tmp/dynosim-note-$SECRET; rm /var/tmp/dynosim-note-$SECRET; echo $EXTRA; pwd; \
            ps -e | grep -c sleep; grep NoNewPrivs /proc/self/status; exit 3",
        ]
        .map(str::to_owned);
        let env = [("EXTRA".to_owned(), "more".to_owned())];
        let guest = inside.exec(&words, &env, Console::Pipe, sink).await.unwrap();
        let mut text = String::new();
        while let Some(piece) = timeout(PATIENCE, output.recv()).await.unwrap() {
            text.push_str(&String::from_utf8_lossy(&piece.bytes));
        }
        assert_eq!(guest.ended().await.unwrap(), 3, "{text}");
        assert!(text.starts_with(&format!("inside\nmore\n{}\n", bench.app.display())), "{text}");
        assert!(text.contains("NoNewPrivs:\t1"), "{text}");
        let (sink, mut output) = mpsc::channel(64);
        let guest = inside.exec(&["sleep".into(), own(9279)], &[], Console::Pipe, sink).await.unwrap();
        appears(&own(9279)).await;
        dyno.instance.signal(Signal::Kill);
        dyno.ended().await;
        assert!(!somebody_runs(&own(9279)), "{level:?}: it is gone before the dyno is said to be");
        assert_eq!(timeout(PATIENCE, guest.ended()).await.unwrap().unwrap(), 137, "{level:?}");
        assert!(output.recv().await.is_none());
    }
}

#[tokio::test]
async fn an_app_s_folder_is_an_image_with_an_honest_id() {
    let bench = Bench::open(Sandbox::Best).await;
    let plan = BuildPlan {
        label: "web".into(),
        repository: "dynosim/shop/web".into(),
        dockerfile: bench.app.join("Procfile"),
        context: bench.app.clone(),
        target: None,
        args: std::collections::BTreeMap::new(),
        platform: "linux/amd64".into(),
        no_cache: false,
        native: Some(bench.facts()),
    };
    let build = async || {
        let (sink, _progress) = mpsc::unbounded_channel();
        bench.engine.build(&plan, &sink).await.unwrap()
    };
    let first = build().await;
    assert_eq!(build().await, first, "nothing has changed");
    assert_eq!(bench.engine.inspect(&first).await.unwrap().unwrap().workdir, bench.app.to_str().unwrap());
    std::fs::write(bench.app.join("more"), "x").unwrap();
    let second = build().await;
    assert_ne!(second, first);
    assert!(bench.engine.exists(&first).await.unwrap());
    assert_eq!(bench.engine.prune_images("", std::slice::from_ref(&second)).await.unwrap(), 1);
    assert!(!bench.engine.exists(&first).await.unwrap() && bench.engine.exists(&second).await.unwrap());
    let refused = bench.engine.tag(&second, "shop", "v1").await;
    assert!(
        matches!(&refused, Err(EngineError::Operation { reason, .. }) if reason.contains("makes no images")),
        "{refused:?}"
    );
}

/// `up`, killed with SIGKILL, leaves no process: the dynos end themselves, even a daemon that hears no SIGTERM.
#[test]
fn nothing_outlives_a_dynosim_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path().join("shop");
    std::fs::create_dir(&app).unwrap();
    let seconds = own(9281);
    std::fs::write(app.join("Procfile"), "worker: python3 daemon.py; exec sleep 300\n").unwrap();
    write_daemon(&app, &seconds);
    let state = folder.path().join("state");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dynosim"));
    command.args(["--engine", "native", "-C"]).arg(&app).args(["up", "--no-watch", "worker=1"]);
    command.env("XDG_STATE_HOME", &state).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut up = command.spawn().unwrap();
    let until = std::time::Instant::now() + PATIENCE;
    while !somebody_runs(&seconds) {
        assert!(up.try_wait().unwrap().is_none() && std::time::Instant::now() < until, "the dyno does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    up.kill().unwrap();
    up.wait().unwrap();
    // R5.3: SIGTERM, and 30 s later SIGKILL.
    let until = std::time::Instant::now() + Duration::from_secs(45);
    while somebody_runs(&seconds) {
        assert!(std::time::Instant::now() < until, "a daemon outlives dynosim");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A dyno has dynosim's own user, whose socket the app is steered through.
#[test]
fn a_dyno_may_not_steer_its_app() {
    // Not in /tmp, of which a dyno may see nothing.
    let folder = tempfile::tempdir_in(std::env::var("HOME").unwrap()).unwrap();
    let (app, state) = (folder.path().join("shop"), folder.path().join("state"));
    std::fs::create_dir(&app).unwrap();
    let steer = format!("XDG_STATE_HOME={} {} ps:stop other.1", state.display(), env!("CARGO_BIN_EXE_dynosim"));
    std::fs::write(app.join("Procfile"), format!("worker: {steer}; echo has 'tried'; sleep 300\nother: sleep 300\n"))
        .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dynosim"));
    command.args(["--engine", "native", "-C"]).arg(&app).args(["up", "--no-watch", "worker=1", "other=1"]);
    command.env("XDG_STATE_HOME", &state).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut up = command.spawn().unwrap();
    let mut seen = String::new();
    let mut out = BufReader::new(up.stdout.take().unwrap());
    while !seen.contains("has tried") && out.read_line(&mut seen).unwrap() > 0 {}
    Command::new("kill").args(["-INT", &up.id().to_string()]).status().unwrap();
    out.read_to_string(&mut seen).unwrap();
    up.wait().unwrap();
    // With spaces of its own it does not even see the socket.
    assert!(seen.contains("may not steer") || seen.contains("is not running"), "{seen}");
    let before = seen.split("has tried").next().unwrap();
    assert!(!before.contains("heroku[other.1]: Stopping"), "{seen}");
}

/// Runs the tests above once more through `command`, which ends in this test's own program. One run at a time: a limit on
/// processes may count all of a user's.
fn once_more(mut command: Command) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::os::unix::fs::chown(home.path(), Some(65_534), Some(65_534)).unwrap();
    let skip = ["--skip", "once_more", "--skip", "dynosim_that_is_killed", "--test-threads", "2"];
    command.arg(std::env::current_exe().unwrap()).arg("native::").args(skip).env("HOME", home.path());
    let done = command.output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && text.contains("test result: ok"),
        "{text}{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// `setpriv`, becoming nobody; `None` where that cannot be done.
fn nobody() -> Option<Command> {
    let possible = is_root() && Command::new("setpriv").arg("--version").output().is_ok();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    possible.then_some(command)
}

#[test]
fn once_more_as_an_unprivileged_user() {
    if let Some(command) = nobody() {
        once_more(command);
    }
}

/// As on Ubuntu 24.04, where ordinary users make no user spaces.
#[test]
fn once_more_where_user_spaces_are_not_allowed() {
    let Some(mut command) = nobody() else { return };
    let forbid = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    command.args(["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh"]);
    once_more(command);
}
