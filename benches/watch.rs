//! From an edit to the new answer: the real `up` on two of the examples, beside the same by hand, in the same run and in
//! alternating rounds. Nothing is asserted about time.
//!
//! Needs a Docker engine on this machine's own Linux, its client, and the images the examples are built from. What it
//! makes it removes.
//!
//! `cargo bench --bench watch`, or for one example `cargo bench --bench watch -- python-web`; fewer or more rounds:
//! `cargo bench --bench watch -- python-web 3`. `DYNOSIM_BENCHED=PATH` measures another dynosim than the one just built.
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]
#![allow(clippy::disallowed_methods, reason = "there is no runtime whose thread a sleep could block")]

#[path = "up/engine.rs"]
mod engine;

use engine::{Container, api, socket};
use rustix::process::{Pid, Signal, kill_process};
use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const ROUNDS: usize = 10;
/// It takes longer than all others together.
const COMPOSE_ROUNDS: usize = 3;
const AGAIN_ROUNDS: usize = 5;
/// Files that are written at once.
const MANY: usize = 1000;
/// Between two requests: one after the other would take from the app and the engine what is measured.
const TICK: Duration = Duration::from_millis(5);
/// How Linux counts processor time for everybody who asks.
const TICKS_A_SECOND: u64 = 100;
/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_mins(3);
const IDLE: Duration = Duration::from_secs(10);
/// What was measured last must not run into the next measurement: a container that the engine removes, a build in the
/// background after a sync.
const REST: Duration = Duration::from_secs(5);

/// An example, the file that makes its answer, and the command of its image.
struct Example {
    name: &'static str,
    source: &'static str,
    command: &'static str,
}

const EXAMPLES: [Example; 2] = [
    Example { name: "python-web", source: "app.py", command: "gunicorn --bind 0.0.0.0:$PORT app:app" },
    Example { name: "node-multi", source: "web.js", command: "node web.js" },
];

fn main() -> Result<()> {
    if api("GET", "/_ping", None).is_err() {
        println!("no engine answers at {}", socket().display());
        return Ok(());
    }
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let (numbers, wanted): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.parse::<usize>().is_ok());
    let rounds = numbers.first().and_then(|word| word.parse().ok()).unwrap_or(ROUNDS).max(1);
    for example in EXAMPLES.iter().filter(|one| wanted.is_empty() || wanted.iter().any(|word| *word == one.name)) {
        measure(example, rounds)?;
    }
    Ok(())
}

/// What the rounds came to.
#[derive(Default)]
struct Times {
    start: Vec<Duration>,
    sync: Vec<Duration>,
    by_hand: Vec<Duration>,
    rebuild: Vec<Duration>,
    composed: Vec<Duration>,
}

fn measure(example: &Example, rounds: usize) -> Result<()> {
    let own = Project::of(example)?;
    let hand = Project::of(example)?;
    let tag = format!("dynosim-bench-watch/{}:{}", example.name, std::process::id());
    let compose = Command::new("docker-compose").arg("version").output().is_ok_and(|output| output.status.success());
    let mut times = Times::default();
    let before = load()?;
    hand.build(&tag)?;
    let up = Up::start(&own)?;
    up.answers("from")?;
    for number in 0..rounds {
        round(example, (&own, &hand), &up, (number, &tag), &mut times)?;
        if compose && number < COMPOSE_ROUNDS {
            times.composed.push(hand.compose(example, &format!("compose {number} {:x}", rand::random::<u64>()))?);
        }
    }
    let _ = api("DELETE", &format!("/images/{tag}?force=true"), None);
    println!("{}: from the edit to the new answer, medians of {rounds} rounds", example.name);
    println!("  create, start and boot, by the API        {}", shown(&times.start));
    println!(
        "  dynosim, synced                           {}   {}",
        shown(&times.sync),
        above(&times.sync, &times.start)
    );
    println!("  docker build, create, start and boot      {}", shown(&times.by_hand));
    println!(
        "  dynosim, rebuilt                          {}   {}",
        shown(&times.rebuild),
        above(&times.rebuild, &times.by_hand)
    );
    if compose {
        let rounds = times.composed.len();
        println!("  docker-compose up --build -d              {}   of {rounds} rounds", shown(&times.composed));
    } else {
        println!("  docker-compose is not there: left out");
    }
    let began = up.cpu()?;
    sleep(IDLE);
    let idle = up.cpu()?.saturating_sub(began);
    println!("  processor time while nothing happens      {:>7} ms in {} s", idle.as_millis(), IDLE.as_secs());
    for word in ["ps", "config"] {
        let asked: Result<Vec<Duration>> = (0..rounds).map(|_| own.ask(word)).collect();
        println!("  dynosim {word:<34}{}", shown(&asked?));
    }
    let restarts = up.restarts()?;
    own.write_many()?;
    own.edit(example, "many")?;
    up.answers("many")?;
    sleep(REST);
    println!("  {MANY} files and the source at once: restarts {:>4}", up.restarts()? - restarts);
    drop(up);
    let mut again = Vec::new();
    for _ in 0..AGAIN_ROUNDS {
        let began = Instant::now();
        let up = Up::start(&own)?;
        up.answers("from")?;
        again.push(began.elapsed());
    }
    println!("  dynosim up again, nothing changed         {}", shown(&again));
    println!("  load average before and after              {before}, {}", load()?);
    Ok(())
}

fn round(
    example: &Example,
    (own, hand): (&Project, &Project),
    up: &Up,
    (number, tag): (usize, &str),
    times: &mut Times,
) -> Result<()> {
    // Texts that no build before had: neither side shall find its own or the other's image in the engine's cache.
    let fresh = |what: &str| format!("{what} {number} {:x}", rand::random::<u64>());
    let (sync, build, hand_build) = (fresh("sync"), fresh("build"), fresh("hand"));
    // A container of the image as it is: created, started, booted.
    let began = Instant::now();
    let container = Container::start(tag, example.command)?;
    until(container.address()?, "from")?;
    times.start.push(began.elapsed());
    drop(container);
    sleep(REST);
    let began = Instant::now();
    own.edit(example, &sync)?;
    up.answers(&sync)?;
    times.sync.push(began.elapsed());
    sleep(REST);
    // Another Dockerfile: nothing but a build will do. Its steps before the sources come from the cache, for both.
    let began = Instant::now();
    own.edit(example, &build)?;
    own.append("Dockerfile", &format!("# {number}\n"))?;
    up.answers(&build)?;
    times.rebuild.push(began.elapsed());
    sleep(REST);
    let began = Instant::now();
    hand.edit(example, &hand_build)?;
    hand.append("Dockerfile", &format!("# {number}\n"))?;
    hand.build(tag)?;
    let container = Container::start(tag, example.command)?;
    until(container.address()?, &hand_build)?;
    times.by_hand.push(began.elapsed());
    Ok(())
}

/// A copy of an example with its Dockerfile alone: one web process, no release phase.
struct Project {
    home: TempDir,
    dir: PathBuf,
}

impl Project {
    fn of(example: &Example) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let dir = home.path().join(example.name);
        fs::create_dir(&dir)?;
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example.name);
        for entry in fs::read_dir(from)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default();
            if path.is_file() && name != "heroku.yml" && name != "app.json" {
                fs::copy(&path, dir.join(name))?;
            }
        }
        Ok(Self { home, dir })
    }

    /// Makes the app answer with this text in it.
    fn edit(&self, example: &Example, text: &str) -> Result<()> {
        let path = self.dir.join(example.source);
        let source = fs::read_to_string(&path)?;
        let begin = source.find("}, ").ok_or("nothing to edit")? + 3;
        let end = begin + source[begin..].find("from ").ok_or("nothing to edit")?;
        fs::write(path, format!("{}{text} {}", &source[..begin], &source[end..]))?;
        Ok(())
    }

    fn append(&self, name: &str, text: &str) -> Result<()> {
        fs::OpenOptions::new().append(true).open(self.dir.join(name))?.write_all(text.as_bytes())?;
        Ok(())
    }

    /// As a checkout or a code generator does it.
    fn write_many(&self) -> Result<()> {
        let folder = self.dir.join("generated");
        fs::create_dir(&folder)?;
        Ok((0..MANY).try_for_each(|number| fs::write(folder.join(format!("{number}.txt")), "generated"))?)
    }

    /// A command beside the running `up`, until it has ended.
    fn ask(&self, word: &str) -> Result<Duration> {
        let began = Instant::now();
        let output = self.dynosim(&[word]).output()?;
        let took = began.elapsed();
        if output.status.success() {
            Ok(took)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
        }
    }

    fn dynosim(&self, words: &[&str]) -> Command {
        let program = std::env::var_os("DYNOSIM_BENCHED").unwrap_or_else(|| env!("CARGO_BIN_EXE_dynosim").into());
        let mut command = Command::new(program);
        command.args(words).current_dir(&self.dir).env("XDG_STATE_HOME", self.home.path().join("state"));
        command.stdin(Stdio::null());
        command
    }

    fn build(&self, tag: &str) -> Result<()> {
        let built = Command::new("docker").args(["build", "-q", "-t", tag, "."]).current_dir(&self.dir).output()?;
        if built.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&built.stderr).into_owned().into()) }
    }

    fn compose(&self, example: &Example, text: &str) -> Result<Duration> {
        let command = example.command.replace('$', "$$");
        let file = format!(
            "version: '3'\nservices:\n  web:\n    build: .\n    command: sh -c '{command}'\n    environment: [PORT=5000]\n    \
             ports: ['127.0.0.1:5998:5000']\n"
        );
        fs::write(
            self.home.path().join("compose.yml"),
            file.replace("build: .", &format!("build: {}", self.dir.display())),
        )?;
        let run = |args: &[&str]| {
            let mut command = Command::new("docker-compose");
            let file = self.home.path().join("compose.yml");
            command.arg("-f").arg(file).args(["-p", "dynosimbench"]).args(args);
            command.stdout(Stdio::null()).stderr(Stdio::null()).status()
        };
        run(&["up", "--build", "-d"])?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 5998));
        until(address, "from")?;
        let began = Instant::now();
        self.edit(example, text)?;
        run(&["up", "--build", "-d"])?;
        until(address, text)?;
        let took = began.elapsed();
        run(&["down", "--rmi", "local"])?;
        Ok(took)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = self.dynosim(&["down", "--images"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// A running `up`.
struct Up {
    child: Child,
    port: u16,
    printed: PathBuf,
}

impl Up {
    fn start(project: &Project) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let printed = project.home.path().join("printed");
        let mut command = project.dynosim(&["up", "--port", &port.to_string()]);
        command.stdout(fs::File::create(&printed)?).stderr(Stdio::null());
        Ok(Self { child: command.spawn()?, port, printed })
    }

    /// How often its dyno was restarted so far.
    fn restarts(&self) -> Result<usize> {
        Ok(fs::read_to_string(&self.printed)?.matches("heroku[web.1]: Restarting").count())
    }

    fn answers(&self, text: &str) -> Result<()> {
        until(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), text)
    }

    /// Processor time so far, in the kernel and outside.
    fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after = stat.rsplit_once(") ").ok_or("the kernel does not say")?.1;
        let ticks: u64 = after.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS_A_SECOND))
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        let _ = self.child.wait();
    }
}

/// Asks until the answer has this text in it.
fn until(address: SocketAddr, text: &str) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if ask(address).is_ok_and(|answer| answer.split(' ').nth(1) == Some("200") && answer.contains(text)) {
            return Ok(());
        }
        sleep(TICK);
    }
    Err(format!("{address} never answered `{text}`").into())
}

fn ask(address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn shown(times: &[Duration]) -> String {
    format!("{:>7} ms", median(times).as_millis())
}

/// By how much each was above the other of its round: the load of the machine was about the same for both.
fn above(times: &[Duration], peer: &[Duration]) -> String {
    let above: Vec<Duration> = times.iter().zip(peer).map(|(one, other)| one.saturating_sub(*other)).collect();
    format!("above it {} ms", median(&above).as_millis())
}

/// Of the last minute.
fn load() -> Result<String> {
    Ok(fs::read_to_string("/proc/loadavg")?.split(' ').next().unwrap_or_default().to_owned())
}
