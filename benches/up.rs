//! What `dynosim` costs on top of the engine: the real command on small images, each case beside its peer in the same
//! run, in alternating rounds. Nothing is asserted about time; that no line of output is lost is.
//!
//! Needs a Docker engine on this machine's own Linux (containers are dialled at their addresses), its client and the
//! image `busybox`. What it makes it removes.
//!
//! `cargo bench --bench up`, or for some of the cases `cargo bench --bench up -- first ten flood help`
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]
#![allow(clippy::disallowed_methods, reason = "there is no runtime whose thread a sleep could block")]

#[path = "up/engine.rs"]
mod engine;
#[path = "up/times.rs"]
mod times;

use engine::{Container, api, socket};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{scope, sleep};
use std::time::Duration;
use tempfile::TempDir;
use times::{first_200, median, millis, ratio};
use tokio::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const ROUNDS: usize = 9;
const FLOOD_ROUNDS: usize = 5;
const HELP_ROUNDS: usize = 20;
const DYNOS: u32 = 10;
const FLOOD_LINES: u64 = 3_000_000;
/// How often a port is tried and a file looked at; a median is no finer.
const TICK: Duration = Duration::from_millis(1);
/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_mins(2);

const SERVER: &str = "httpd -f -p $PORT -h /www";
/// Any Linux distribution's image has a /var/tmp for everybody; busybox has none, and dynosim makes one for each dyno.
const SERVER_IMAGE: &str = "FROM busybox\nRUN mkdir -p -m 1777 /var/tmp && mkdir /www && echo hello > /www/index.html\n\
    CMD httpd -f -p $PORT -h /www\n";
const BARE_IMAGE: &str =
    "FROM busybox\nRUN mkdir /www && echo hello > /www/index.html\nCMD httpd -f -p $PORT -h /www\n";
const FLOOD_IMAGE: &str = "FROM busybox\nARG LINES\n\
    RUN awk -v n=$LINES 'BEGIN { for (i = 1; i <= n; i++) printf \"line %07d of a flood of short lines\\n\", i }' > /flood\n\
    CMD cat /flood && exec sleep 600\n";

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    if wants("help") {
        help()?;
    }
    if api("GET", "/_ping", None).is_err() {
        println!("no engine answers at {}: the other cases are left out", socket().display());
        return Ok(());
    }
    if wants("first") || wants("ten") {
        let app = App::new("bench-server", "Dockerfile", SERVER_IMAGE, &[])?;
        if wants("first") {
            first_answer(&app, &App::new("bench-bare", "Dockerfile", BARE_IMAGE, &[])?)?;
        }
        if wants("ten") {
            ten_dynos(&app)?;
        }
    }
    if wants("flood") {
        flood()?;
    }
    Ok(())
}

/// `--help`, beside that of `docker`.
fn help() -> Result<()> {
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..HELP_ROUNDS {
        for (times, program) in times.iter_mut().zip([env!("CARGO_BIN_EXE_dynosim"), "docker"]) {
            let began = Instant::now();
            Command::new(program).arg("--help").stdout(Stdio::null()).status()?;
            times.push(began.elapsed());
        }
    }
    let [own, docker] = times.map(median);
    println!("--help, medians of {HELP_ROUNDS} rounds");
    println!("  dynosim --help                        {}", millis(own));
    println!("  docker --help                         {}   ratio {:.2}", millis(docker), ratio(own, docker));
    Ok(())
}

/// From the command to the first 200 through the router; the peer creates and starts the same container by the API and
/// asks it at its own address.
fn first_answer(app: &App, bare: &App) -> Result<()> {
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (slot, app) in [(0, app), (1, bare)] {
            let up = Up::start(app, &["web=1"], Stdio::null())?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, up.port));
            times[slot].push(first_200(address, up.began)?);
            up.stop()?;
        }
        let began = Instant::now();
        let container = Container::start(&app.image, SERVER)?;
        times[2].push(first_200(container.address()?, began)?);
    }
    let [own, bare, peer] = times.map(median);
    let above = |own: Duration| millis(own.saturating_sub(peer));
    println!("to the first 200, nothing to build, medians of {ROUNDS} rounds");
    println!("  dynosim up, through the router        {}   above the peer {}", millis(own), above(own));
    println!("  the same, an image without /var/tmp   {}   above the peer {}", millis(bare), above(bare));
    println!("  create and start by the API, direct   {}", millis(peer));
    Ok(())
}

/// Until all dynos are up, ten beside one; the peer starts ten containers by the API, all at once, until each answers.
fn ten_dynos(app: &App) -> Result<()> {
    let mut times = [const { Vec::new() }; 3];
    let (mut resident, mut peak) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (slot, quantity) in [(0, 1), (1, DYNOS)] {
            let mut up = Up::start(app, &["--json", &format!("web={quantity}")], Stdio::piped())?;
            times[slot].push(up.ready()?);
            if quantity == DYNOS {
                resident.push(up.memory("VmRSS:")?);
                peak.push(up.memory("VmHWM:")?);
            }
            up.stop()?;
        }
        times[2].push(ten_containers(&app.image)?);
    }
    let [one, ten, peer] = times.map(median);
    println!("until all dynos are up, nothing to build, medians of {ROUNDS} rounds");
    println!("  dynosim up web=1                      {}", millis(one));
    println!("  dynosim up web={DYNOS}                     {}   ratio {:.2}", millis(ten), ratio(ten, one));
    println!("  {DYNOS} containers by the API, at once     {}   ratio {:.2}", millis(peer), ratio(ten, peer));
    resident.sort_unstable();
    peak.sort_unstable();
    println!("dynosim's memory with {DYNOS} dynos up, medians");
    println!("  VmRSS {} KiB, VmHWM {} KiB", resident[resident.len() / 2], peak[peak.len() / 2]);
    Ok(())
}

fn ten_containers(image: &str) -> Result<Duration> {
    let began = Instant::now();
    let mut all = Vec::new();
    let started: Vec<Result<Container>> = scope(|scope| {
        let one = || {
            let container = Container::start(image, SERVER)?;
            first_200(container.address()?, began)?;
            Ok(container)
        };
        let threads: Vec<_> = (0..DYNOS).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    let took = began.elapsed();
    for container in started {
        all.push(container?);
    }
    Ok(took)
}

/// An app that writes as fast as it can: bytes of its output a second until the last line is in the file, counted from
/// the first one, and from the command.
fn flood() -> Result<()> {
    let lines = format!("LINES={FLOOD_LINES}");
    let app = App::new("bench-flood", "Dockerfile.worker", FLOOD_IMAGE, &["--arg", &lines])?;
    let mut rates = [const { (Vec::new(), Vec::new()) }; 3];
    let file = app.home.path().join("output");
    for _ in 0..FLOOD_ROUNDS {
        let up = Up::start(&app, &["--arg", &lines, "worker=1"], File::create(&file)?.into())?;
        let took = last_line(&file, up.began)?;
        up.stop()?;
        check(&file)?;
        keep(&mut rates[0], took);
        for (slot, log) in [(1, "json-file"), (2, "none")] {
            let name = format!("dynosim-bench-{}", std::process::id());
            let began = Instant::now();
            let mut run = Command::new("docker")
                .args(["run", "--rm", "--name", &name, "--log-driver", log, &app.image])
                .stdout(File::create(&file)?)
                .spawn()?;
            let took = last_line(&file, began);
            api("DELETE", &format!("/containers/{name}?force=true&v=true"), None)?;
            run.wait()?;
            check(&file)?;
            keep(&mut rates[slot], took?);
        }
    }
    let bytes = FLOOD_LINES * LINE.len() as u64 / 1_000_000;
    println!(
        "{FLOOD_LINES} lines, {bytes} MB of an app's output into a file, none lost; medians of {FLOOD_ROUNDS} rounds"
    );
    println!("                                        from the first line   from the command");
    let [own, json, none] = rates.map(|(lines, all)| (median(lines), median(all)));
    let row = |what: &str, (lines, all): (Duration, Duration)| {
        println!("  {what:<36}  {:>10.1} MB/s      {:>9.1} MB/s", rate(lines), rate(all));
    };
    row("dynosim up > file", own);
    row("docker run --rm > file", json);
    row("docker run --rm --log-driver none", none);
    println!(
        "  ratio to docker run                   {:>10.2}           {:>9.2}",
        ratio(json.0, own.0),
        ratio(json.1, own.1)
    );
    println!(
        "  ratio to docker run, no log kept      {:>10.2}           {:>9.2}",
        ratio(none.0, own.0),
        ratio(none.1, own.1)
    );
    Ok(())
}

const LINE: &[u8] = b"line 0000000 of a flood of short lines\n";

fn keep(rates: &mut (Vec<Duration>, Vec<Duration>), (first, last): (Duration, Duration)) {
    rates.0.push(last.saturating_sub(first));
    rates.1.push(last);
}

/// When the first and the last line of the flood are in the file.
fn last_line(path: &Path, began: Instant) -> Result<(Duration, Duration)> {
    let last = format!("line {FLOOD_LINES:07} of a flood");
    let (mut first, mut tail) = (None, vec![0; 4096]);
    while began.elapsed() < PATIENCE {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(tail.len() as u64)))?;
        let read = file.read(&mut tail)?;
        if first.is_none() && memchr::memmem::find(&tail[..read], b" of a flood").is_some() {
            first = Some(began.elapsed());
        }
        if memchr::memmem::find(&tail[..read], last.as_bytes()).is_some() {
            return Ok((first.unwrap_or_default(), began.elapsed()));
        }
        sleep(TICK);
    }
    Err("the last line never came".into())
}

/// Every line, once and in order.
fn check(path: &Path) -> Result<()> {
    let mut next = 1;
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        let line = line?;
        let Some(at) = memchr::memmem::find(&line, b"line ") else { continue };
        let expected = format!("line {next:07} of a flood of short lines");
        if line[at..].ends_with(b"of a flood of short lines") {
            if line[at..] != *expected.as_bytes() {
                return Err(format!("expected `{expected}`, found `{}`", String::from_utf8_lossy(&line)).into());
            }
            next += 1;
        }
    }
    if next == FLOOD_LINES + 1 { Ok(()) } else { Err(format!("{} lines of {FLOOD_LINES}", next - 1).into()) }
}

/// A project in a folder of its own, built once.
struct App {
    home: TempDir,
    dir: PathBuf,
    image: String,
}

impl App {
    fn new(name: &str, dockerfile: &str, text: &str, args: &[&str]) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let dir = home.path().join(name);
        std::fs::create_dir(&dir)?;
        std::fs::write(dir.join(dockerfile), text)?;
        let mut app = Self { home, dir, image: String::new() };
        let output = app.command(&["build", "--json"]).args(args).output()?;
        let events = String::from_utf8(output.stdout)?;
        let mut built = events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let built = built.rfind(|event| event["event"] == "build");
        let Some(image) = built.as_ref().and_then(|event| event["image"].as_str()) else {
            return Err(format!("{name} was not built: {events}{}", String::from_utf8_lossy(&output.stderr)).into());
        };
        image.clone_into(&mut app.image);
        Ok(app)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dynosim"));
        command.args(args).current_dir(&self.dir).env("XDG_STATE_HOME", self.home.path().join("state"));
        command
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.command(&["down", "--images"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// A running `up`.
struct Up {
    child: Child,
    port: u16,
    began: Instant,
}

impl Up {
    fn start(app: &App, args: &[&str], stdout: Stdio) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = app.command(&["up", "--port", &port.to_string()]);
        command.args(args).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null());
        let began = Instant::now();
        Ok(Self { child: command.spawn()?, port, began })
    }

    /// Waits until all dynos are up. What is printed afterwards is read and dropped.
    fn ready(&mut self) -> Result<Duration> {
        let mut lines = BufReader::new(self.child.stdout.take().ok_or("stdout is not piped")?).lines();
        for line in &mut lines {
            if serde_json::from_str::<Value>(&line?)?["event"] == "ready" {
                let took = self.began.elapsed();
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(took);
            }
        }
        Err("`up` ended before its dynos were up".into())
    }

    /// In KiB.
    fn memory(&self, what: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(what)).ok_or("the kernel does not say")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    fn stop(mut self) -> Result<()> {
        self.interrupt();
        self.child.wait()?;
        Ok(())
    }

    fn interrupt(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.interrupt();
        let _ = self.child.wait();
    }
}

/// Megabytes of the flood a second.
#[allow(clippy::cast_precision_loss, reason = "some hundred million")]
fn rate(took: Duration) -> f64 {
    (FLOOD_LINES * LINE.len() as u64) as f64 / 1e6 / took.as_secs_f64()
}
