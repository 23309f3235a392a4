//! Runs the real `dynosim` on real apps: start it, read what it prints, ask its router, interrupt it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(180);

/// Engine tests run one after another: they share the engine's two cores and count what is in it.
pub(crate) fn engine_lock() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A copy of an app in a folder of its own, with a state folder of its own.
pub(crate) struct Project {
    home: tempfile::TempDir,
    pub(crate) dir: PathBuf,
    on: On,
    /// What runs the command, with its arguments; empty: nothing.
    behind: Vec<String>,
}

impl Project {
    /// Of `examples/NAME` or `tests/fixtures/apps/NAME`.
    pub(crate) fn of(path: &str) -> Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let project = Self::empty(from.file_name().unwrap().to_str().unwrap());
        copy(&from, &project.dir);
        project
    }

    /// An empty folder of that name.
    pub(crate) fn empty(name: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join(name);
        std::fs::create_dir(&dir).unwrap();
        Self { home, dir, on: On::Docker, behind: Vec::new() }
    }

    /// An empty folder of that name, where all paths are longer than a socket's address may be.
    pub(crate) fn deep(name: &str) -> Self {
        let home = tempfile::Builder::new().prefix(&"d".repeat(120)).tempdir().unwrap();
        let dir = home.path().join(name);
        std::fs::create_dir(&dir).unwrap();
        Self { home, dir, on: On::Docker, behind: Vec::new() }
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.dir.join(name), text).unwrap();
        self
    }

    /// The command, with nothing of this process's environment but what finds the engine.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_dynosim");
        let mut words = self.behind.iter().map(String::as_str).chain([program]);
        let mut command = Command::new(words.next().unwrap_or(program));
        command.args(words).args(args).current_dir(&self.dir).env_clear();
        for name in ["PATH", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "XDG_RUNTIME_DIR"] {
            if let Ok(value) = std::env::var(name) {
                command.env(name, value);
            }
        }
        command.env("HOME", self.home.path()).env("USER", "ann").env("XDG_STATE_HOME", self.home.path().join("state"));
        command.env("LEAKED_FROM_HOST", "secret");
        if self.on == On::Native {
            command.env("PATH", native_path());
        }
        if self.on == On::Native && self.behind.is_empty() {
            command.env("DYNOSIM_ENGINE", "native");
        }
        if !self.behind.is_empty() {
            command.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT");
        }
        command
    }

    /// Whose command another one starts, on a machine without a container engine.
    pub(crate) fn behind(mut self, words: Vec<String>) -> Self {
        self.on = On::Native;
        self.behind = words;
        self
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        Finished::of(&self.command(args).stdin(Stdio::null()).output().unwrap())
    }

    /// Starts `up` with these arguments.
    pub(crate) fn up(&self, args: &[&str]) -> Up<'_> {
        self.start(&[&["up"], args].concat())
    }

    /// Starts a command that goes on for a while.
    pub(crate) fn start(&self, args: &[&str]) -> Up<'_> {
        let mut child =
            self.command(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = Lines::read(child.stdout.take().unwrap());
        let err = Lines::read(child.stderr.take().unwrap());
        Up { project: self, child, out, err }
    }

    /// The part that all names of this app's containers, volumes and networks share.
    pub(crate) fn identity(&self) -> String {
        let apps = self.home.path().join("state/dynosim/apps");
        let name = std::fs::read_dir(apps).unwrap().next().unwrap().unwrap().file_name();
        name.to_str().unwrap().rsplit_once('-').unwrap().1.to_owned()
    }

    /// The app's state folder.
    pub(crate) fn state(&self) -> PathBuf {
        let apps = self.home.path().join("state/dynosim/apps");
        std::fs::read_dir(apps).unwrap().next().unwrap().unwrap().path()
    }

    /// The router's port as the running `up` wrote it into its lock file; apps without web print no URL.
    pub(crate) fn locked_port(&self) -> u16 {
        let text = std::fs::read_to_string(self.state().join("up.lock")).unwrap();
        let holder: serde_json::Value = serde_json::from_str(&text).unwrap();
        u16::try_from(holder["port"].as_u64().unwrap()).unwrap()
    }

    /// The same when nothing should be there, without what is there by the engine's own fault.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        let mut found = self.there();
        found.retain(|line| line.strip_prefix("network ").is_none_or(|network| !is_miscounted(network)));
        found
    }

    /// Containers, volumes and networks of this app that the engine has now; or processes of its dynos.
    pub(crate) fn there(&self) -> Vec<String> {
        if self.on == On::Native {
            return native_processes(&self.dir);
        }
        let label = format!("label=dynosim.identity={}", self.identity());
        let mut found = Vec::new();
        for words in [
            &["ps", "-a", "--format", "container {{.Names}}"][..],
            &["volume", "ls", "--format", "volume {{.Name}}"],
            &["network", "ls", "--format", "network {{.Name}}"],
        ] {
            found.extend(docker(&[words, &["--filter", &label]].concat()).lines().map(str::to_owned));
        }
        found
    }

    /// The dynos that run, by what the engine or the system itself says.
    pub(crate) fn dynos(&self) -> Vec<String> {
        let label = format!("label=dynosim.identity={}", self.identity());
        let mut names: Vec<String> = match self.on {
            On::Docker => {
                let format = "{{.Label \"dynosim.dyno\"}}";
                docker(&["ps", "-a", "--format", format, "--filter", &label]).lines().map(str::to_owned).collect()
            }
            On::Native => {
                let all = native_processes(&self.dir);
                all.iter().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect()
            }
        };
        names.sort();
        if self.on == On::Native {
            names.dedup();
        }
        names
    }

    /// Containers of this app, by dyno name.
    pub(crate) fn container_of(&self, dyno: &str) -> String {
        let (label, dyno) =
            (format!("label=dynosim.identity={}", self.identity()), format!("label=dynosim.dyno={dyno}"));
        docker(&["ps", "-q", "--no-trunc", "--filter", &label, "--filter", &dyno]).trim().to_owned()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if self.home.path().join("state").exists() {
            let _ = self.run(&["down", "--images"]);
        }
    }
}

/// Whether a network is one that no container uses, and that the engine removes for nobody: Docker 20.10 at times counts an
/// endpoint that is gone, until it is started again. One that it removes was left by us.
fn is_miscounted(network: &str) -> bool {
    let asked = |words: &[&str]| Command::new("docker").arg("network").args(words).arg(network).output().unwrap();
    let unused = asked(&["inspect", "--format", "{{len .Containers}}"]).stdout.trim_ascii() == b"0";
    let miscounted = unused && String::from_utf8_lossy(&asked(&["rm"]).stderr).contains("active endpoints");
    if miscounted {
        let told = format!("the engine miscounts the endpoints of {network}, which has none, and does not remove it\n");
        std::io::stderr().write_all(told.as_bytes()).unwrap();
    }
    miscounted
}

/// Asks the engine by its own client.
pub(crate) fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Finished {
    /// Of a command that was waited for.
    pub(crate) fn of(output: &std::process::Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { status: output.status, out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    pub(crate) fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn expect_err(&self, text: &str) -> &Self {
        assert!(self.err.contains(text), "no `{text}` in stderr:\n{}", self.err);
        self
    }

    #[track_caller]
    pub(crate) fn expect_out(&self, text: &str) -> &Self {
        assert!(self.out.contains(text), "no `{text}` in stdout:\n{}", self.out);
        self
    }
}

/// The lines so far, and whether the pipe has ended.
type Seen = (Vec<String>, bool);

/// Lines as they come out of a pipe.
#[derive(Clone)]
struct Lines(Arc<(Mutex<Seen>, Condvar)>);

impl Lines {
    fn read(pipe: impl Read + Send + 'static) -> Self {
        let lines = Self(Arc::default());
        let shared = lines.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                shared.0.0.lock().unwrap().0.push(text);
                shared.0.1.notify_all();
                line.clear();
            }
            shared.0.0.lock().unwrap().1 = true;
            shared.0.1.notify_all();
        });
        lines
    }

    fn all(&self) -> Vec<String> {
        self.0.0.lock().unwrap().0.clone()
    }

    /// The first line that holds `text`, when it comes.
    fn wait(&self, text: &str) -> Option<String> {
        let found = |lines: &Vec<String>| lines.iter().find(|line| line.contains(text)).cloned();
        let guard = self.0.0.lock().unwrap();
        let (guard, _) =
            self.0.1.wait_timeout_while(guard, PATIENCE, |(lines, ended)| found(lines).is_none() && !*ended).unwrap();
        found(&guard.0)
    }
}

/// A running `up`.
pub(crate) struct Up<'a> {
    project: &'a Project,
    child: Child,
    out: Lines,
    err: Lines,
}

impl Up<'_> {
    /// Waits for a line of the log.
    #[track_caller]
    pub(crate) fn wait_out(&self, text: &str) -> String {
        let Some(line) = self.out.wait(text) else { panic!("no `{text}`\n{}", self.seen()) };
        line
    }

    /// Waits for a line of dynosim's own.
    #[track_caller]
    pub(crate) fn wait_err(&self, text: &str) -> String {
        let Some(line) = self.err.wait(text) else { panic!("no `{text}`\n{}", self.seen()) };
        line
    }

    fn seen(&self) -> String {
        format!("stdout:\n{}\nstderr:\n{}", self.out.all().join("\n"), self.err.all().join("\n"))
    }

    /// Lines of the log so far, without their times.
    pub(crate) fn log(&self) -> Vec<String> {
        let timed = |line: &str| line.as_bytes().first().is_some_and(u8::is_ascii_digit) && line.len() > 33;
        self.out.all().iter().map(|line| if timed(line) { line[33..].to_owned() } else { line.clone() }).collect()
    }

    /// Waits until all dynos are up; returns the router's port.
    #[track_caller]
    pub(crate) fn ready(&self) -> u16 {
        self.wait_err("✔ up ");
        self.port()
    }

    /// The router's port.
    #[track_caller]
    pub(crate) fn port(&self) -> u16 {
        self.port_of("http://localhost:")
    }

    /// The router's port for HTTPS.
    #[track_caller]
    pub(crate) fn https_port(&self) -> u16 {
        self.port_of("https://localhost:")
    }

    #[track_caller]
    fn port_of(&self, scheme: &str) -> u16 {
        let line = self.wait_err("✔ router");
        let (_, rest) = line.split_once(scheme).unwrap_or_else(|| panic!("no {scheme} in {line}"));
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// GETs a path; returns status and body.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let port = self.port();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
        let answer = exchange(port, request.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        let body = if head.to_lowercase().contains("transfer-encoding: chunked") { dechunk(body) } else { body.into() };
        (status, body)
    }

    /// Sends a signal to dynosim.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        self.signal(rustix::process::Signal::INT);
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Finished {
        let waited = std::time::SystemTime::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(waited.elapsed().unwrap_or_default() < PATIENCE, "does not end\n{}", self.seen());
            std::thread::sleep(Duration::from_millis(5));
        };
        let (out, err) = (self.out.clone(), self.err.clone());
        for lines in [&out, &err] {
            let guard = lines.0.0.lock().unwrap();
            drop(lines.0.1.wait_timeout_while(guard, PATIENCE, |(_, ended)| !*ended).unwrap());
        }
        Finished { status, out: out.all().join("\n"), err: err.all().join("\n") }
    }

    /// Ctrl-C and wait: clean, 130, and nothing left behind.
    #[track_caller]
    pub(crate) fn stop(self) -> Finished {
        self.interrupt();
        let project = self.project;
        let finished = self.finish();
        finished.expect_code(130);
        assert_eq!(project.left_behind(), Vec::<String>::new());
        finished
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Sends bytes to a loopback port and reads the answer to its end.
pub(crate) fn exchange(port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn dechunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || rest.len() < size {
            break;
        }
        whole.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}

/// The engine that a scenario runs on. Scenarios that say nothing of images run on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// The container engine that answers.
    Docker,
    /// This machine's own programs.
    Native,
}

impl On {
    /// The turn of a scenario; `None`, with a word on why, where it proves nothing.
    pub(crate) fn turn(self) -> Option<MutexGuard<'static, ()>> {
        let possible = match self {
            Self::Docker => crate::support::engine_answers(),
            Self::Native => native_possible(),
        };
        possible.then(engine_lock)
    }

    /// A copy of an app, to be run on this engine.
    pub(crate) fn project(self, path: &str) -> Project {
        self.takes(Project::of(path))
    }

    /// An empty folder of that name, to be run on this engine.
    pub(crate) fn empty(self, name: &str) -> Project {
        self.takes(Project::empty(name))
    }

    fn takes(self, mut project: Project) -> Project {
        project.on = self;
        project
    }
}

/// Leaves the test where no app can run natively.
macro_rules! on_native {
    () => {
        let Some(_turn) = $crate::harness::On::Native.turn() else { return };
    };
}
pub(crate) use on_native;

/// Whether this machine has the programs that the apps of the tests name.
fn native_possible() -> bool {
    if !cfg!(target_os = "linux") {
        crate::support::not_installed(std::thread::current().name().unwrap_or("test"), "Linux");
        return false;
    }
    let lacking = ["python3", "node", "sh"].into_iter().find(|name| program(name).is_none());
    if let Some(name) = lacking {
        crate::support::not_installed(std::thread::current().name().unwrap_or("test"), name);
    }
    lacking.is_none()
}

/// Where the system itself has a program; a version manager's is some user's own.
fn program(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/local/bin", "/usr/bin", "/bin"].into_iter();
    folders.map(|folder| Path::new(folder).join(name)).find(|path| path.exists())
}

/// Programs by the names that images have them under, in a folder which dynos can see.
fn native_path() -> String {
    static MADE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let folder = MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("native-bin");
        std::fs::create_dir_all(&folder).unwrap();
        for (name, of) in [("python", "python3"), ("httpd", "busybox")] {
            if let Some(target) = program(of) {
                let _ = std::os::unix::fs::symlink(target, folder.join(name));
            }
        }
        folder
    });
    format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display())
}

/// Processes of dynos that run in this folder, as `process DYNO PID`.
fn native_processes(dir: &Path) -> Vec<String> {
    let home = format!("HOME={}", dir.canonicalize().unwrap_or_else(|_| dir.to_owned()).display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(env) = std::fs::read(entry.path().join("environ")) else { continue };
        let vars: Vec<String> = env.split(|byte| *byte == 0).map(|var| String::from_utf8_lossy(var).into()).collect();
        let dyno = vars.iter().find_map(|var| var.strip_prefix("DYNO="));
        if let (Some(dyno), true) = (dyno, vars.contains(&home)) {
            found.push(format!("process {dyno} {name}"));
        }
    }
    found
}

/// One scenario, a test for each engine: `docker` and `native`.
macro_rules! on_each_engine {
    ($(fn $name:ident($on:ident) $body:block)+) => {
        $(mod $name {
            #[allow(unused_imports, reason = "each scenario needs some")]
            use super::*;

            fn scenario($on: $crate::harness::On) {
                let Some(_turn) = $on.turn() else { return };
                $body
            }

            #[test]
            fn docker() {
                scenario($crate::harness::On::Docker);
            }

            #[test]
            fn native() {
                scenario($crate::harness::On::Native);
            }
        })+
    };
}
pub(crate) use on_each_engine;
