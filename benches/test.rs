//! What `dynosim test` costs on top of the steps it takes: the real command on a small image that is built already, beside
//! the same by the engine's API in the same run, in alternating rounds; and four jobs beside one. Nothing is asserted about
//! time.
//!
//! Needs a Docker engine on this machine's own Linux (containers are dialled at their addresses) and the image `busybox`.
//! What it makes it removes.
//!
//! `cargo bench --bench test-command`
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]
#![allow(clippy::disallowed_methods, reason = "there is no runtime whose thread a sleep could block")]

#[path = "up/engine.rs"]
mod engine;

use engine::{Container, api, socket};
use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const ROUNDS: usize = 9;
const JOBS: &str = "4";
const TICK: Duration = Duration::from_millis(1);
/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_mins(2);
const SERVER: &str = "httpd -f -p $PORT -h /www";
/// Any Linux distribution's image has a /var/tmp for everybody; busybox has none, and dynosim makes one for each dyno.
const IMAGE: &str = "FROM busybox\nRUN mkdir -p -m 1777 /var/tmp && mkdir /www && echo hello > /www/index.html\n\
    CMD httpd -f -p $PORT -h /www\n";

fn main() -> Result<()> {
    if api("GET", "/_ping", None).is_err() {
        println!("no engine answers at {}", socket().display());
        return Ok(());
    }
    let app = App::new()?;
    let image = app.test(&[])?.1;
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        times[0].push(app.test(&[])?.0);
        times[1].push(by_hand(&image)?);
        times[2].push(app.test(&["--jobs", JOBS])?.0);
        times[3].push(on_a_network(&image)?);
    }
    let [own, hand, jobs, apart] = times.map(median);
    println!("build that has nothing to do, up, `true`, down; medians of {ROUNDS} rounds");
    let above = |peer: Duration| millis(own.saturating_sub(peer));
    println!("  dynosim test -- true                  {}", millis(own));
    println!("  create, start, answer, true, remove   {}   test is above it by {}", millis(hand), above(hand));
    println!("  the same, and a network of its own    {}   test is above it by {}", millis(apart), above(apart));
    let ratio = jobs.as_secs_f64() / own.as_secs_f64();
    println!("  dynosim test --jobs {JOBS} -- true         {}   ratio {ratio:.2}", millis(jobs));
    Ok(())
}

/// The bare steps: a container of the image until it answers, the command, and away with it.
fn by_hand(image: &str) -> Result<Duration> {
    let began = Instant::now();
    let container = Container::start(image, SERVER)?;
    answers(container.address()?, began)?;
    Command::new("true").status()?;
    drop(container);
    Ok(began.elapsed())
}

/// The same, with a network made for it and removed: what keeps two tests apart.
fn on_a_network(image: &str) -> Result<Duration> {
    let began = Instant::now();
    let name = serde_json::json!({"Name": format!("dynosim-bench-{}", std::process::id())});
    let made = api("POST", "/networks/create", Some(&name))?;
    let done = by_hand(image);
    api("DELETE", &format!("/networks/{}", made["Id"].as_str().ok_or("no id")?), None)?;
    done.map(|_| began.elapsed())
}

fn answers(address: SocketAddr, began: Instant) -> Result<()> {
    while began.elapsed() < PATIENCE {
        let answer = TcpStream::connect_timeout(&address, PATIENCE).and_then(|mut stream| {
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        });
        if answer.is_ok_and(|answer| answer.contains(" 200 ")) {
            return Ok(());
        }
        sleep(TICK);
    }
    Err("no answer".into())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn millis(time: Duration) -> String {
    format!("{:7.1} ms", time.as_secs_f64() * 1e3)
}

/// A project with a state folder of its own.
struct App {
    home: TempDir,
    dir: PathBuf,
}

impl App {
    fn new() -> Result<Self> {
        let home = tempfile::tempdir()?;
        let dir = home.path().join("bench-test");
        fs::create_dir(&dir)?;
        fs::write(dir.join("Dockerfile"), IMAGE)?;
        Ok(Self { home, dir })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_dynosim")));
        command.args(words).current_dir(&self.dir).env("XDG_STATE_HOME", self.home.path().join("state"));
        command.stdin(Stdio::null());
        command
    }

    /// Tests with a command that does nothing: how long that took, and the image.
    fn test(&self, options: &[&str]) -> Result<(Duration, String)> {
        let words = [&["test", "--json"], options, &["--", "true"]].concat();
        let began = Instant::now();
        let output = self.command(&words).output()?;
        let took = began.elapsed();
        let out = String::from_utf8(output.stdout)?;
        if !output.status.success() {
            return Err(out.into());
        }
        let last: serde_json::Value = serde_json::from_str(out.lines().last().unwrap_or_default())?;
        let image = last["entry"]["images"]["web"]["config"].as_str().ok_or("no image")?;
        Ok((took, image.to_owned()))
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.command(&["down", "--images"]).output();
    }
}
