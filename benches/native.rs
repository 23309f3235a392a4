//! What the native engine costs beside those who run a Procfile: the same Procfile, in alternating rounds. Nothing is
//! asserted about time; that no line of output is lost or out of order is, of dynosim.
//!
//! Peers are taken from `$PATH`: `heroku` (npm), `honcho` (PyPI), `foreman` (gem), `overmind`. One that is not installed is
//! left out by name. The app is `busybox httpd` where there is busybox, else `python3 -m http.server`.
//!
//! `cargo bench --bench native`, or for some of the cases `cargo bench --bench native -- start flood`
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]
#![allow(clippy::disallowed_methods, reason = "there is no runtime whose thread a sleep could block")]

#[path = "native/runner.rs"]
mod runner;
#[path = "up/times.rs"]
mod times;

use runner::{RUNNERS, Runner, Running};
use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use times::{median, millis, ratio};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const ROUNDS: usize = 7;
const FLOOD_ROUNDS: usize = 3;
const FLOOD_LINES: u64 = 1_000_000;
/// How often a port is tried and a file looked at; a median is no finer.
const TICK: Duration = Duration::from_micros(500);
/// Nothing starts slower.
const START: Duration = Duration::from_secs(20);
/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// What the app says first.
const FIRST: &str = "the first line of the app";

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    let runners: Vec<&Runner> = RUNNERS.iter().filter(|runner| runner.is_there()).collect();
    if wants("start") {
        start(&runners)?;
    }
    if wants("flood") {
        flood(&runners)?;
    }
    Ok(())
}

/// What one start, one restart and one stop took.
#[derive(Default)]
struct Times {
    line: Vec<Duration>,
    answer: Vec<Duration>,
    restart: Vec<Duration>,
    stop: Vec<Duration>,
    memory: Vec<u64>,
    own: Vec<u64>,
}

fn start(runners: &[&Runner]) -> Result<()> {
    let app = App::new(&format!("web: {}\nworker: echo {FIRST}; exec sleep 600\n", server()))?;
    let mut all: Vec<Times> = runners.iter().map(|_| Times::default()).collect();
    for _ in 0..ROUNDS {
        for (runner, times) in runners.iter().zip(&mut all) {
            match round(runner, &app, times) {
                Err(error) if runner.is_peer() => println!("{error}: left out of this round's medians"),
                done => done?,
            }
        }
    }
    println!("web and worker of one Procfile, medians of {ROUNDS} rounds");
    println!("                 first line    first 200    restart      stop         memory       without files");
    let own = all.first().map(|times| median(times.line.clone())).unwrap_or_default();
    for (runner, mut times) in runners.iter().zip(all) {
        times.memory.sort_unstable();
        times.own.sort_unstable();
        let (memory, without_files) = (times.memory[times.memory.len() / 2], times.own[times.own.len() / 2]);
        let line = median(times.line);
        println!(
            "  {:<12} {}   {}   {}   {}   {:>7} KiB   {:>7} KiB   first line {:.1} times",
            runner.name,
            millis(line),
            millis(median(times.answer)),
            millis(median(times.restart)),
            millis(median(times.stop)),
            memory,
            without_files,
            ratio(line, own),
        );
    }
    println!("  memory: resident, of the runner without the app; and of that what is not pages of its files");
    println!(
        "  restart: `ps:restart` until the new process answers; of the others a stop and a start, as they have no other"
    );
    Ok(())
}

/// One start, restart and stop. A peer may get stuck on the way; what it had done until then counts.
fn round(runner: &Runner, app: &App, times: &mut Times) -> Result<()> {
    let mut running = Running::start(runner, app)?;
    times.line.push(running.printed(FIRST, START)?);
    times.answer.push(running.answers()?);
    times.memory.push(running.memory("VmRSS:")?);
    times.own.push(running.memory("RssAnon:")?);
    times.restart.push(running.restart(app)?);
    times.stop.push(running.stop()?);
    Ok(())
}

/// A million lines as fast as `cat` writes them, until the last is in the file.
fn flood(runners: &[&Runner]) -> Result<()> {
    let app = App::new("worker: cat flood; exec sleep 600\n")?;
    let mut text = String::new();
    for number in 1..=FLOOD_LINES {
        writeln!(text, "line {number:07} of a flood of short lines")?;
    }
    std::fs::write(app.dir.join("flood"), text)?;
    let mut rates: Vec<Vec<Duration>> = runners.iter().map(|_| Vec::new()).collect();
    let mut lost: Vec<u64> = vec![0; runners.len()];
    for _ in 0..FLOOD_ROUNDS {
        for (number, runner) in runners.iter().enumerate() {
            let running = Running::start(runner, &app)?;
            let first = match running.printed("line 0000001 of", START) {
                Err(error) if runner.is_peer() => {
                    println!("{error}: this round is left out");
                    continue;
                }
                first => first?,
            };
            let last = running.printed(&format!("line {FLOOD_LINES:07} of"), PATIENCE);
            if let Err(error) = running.stop() {
                println!("{error}");
            }
            lost[number] += missing(&app.output())?;
            // Some lose the last line itself: then there is no time to tell.
            rates[number].extend(last.ok().map(|last| last.saturating_sub(first)));
        }
    }
    println!(
        "{FLOOD_LINES} lines of one process into a file, from the first to the last, medians of {FLOOD_ROUNDS} rounds"
    );
    for ((runner, rates), lost) in runners.iter().zip(rates).zip(&lost) {
        if rates.is_empty() {
            println!("  {:<12} the last line never came; {lost} lost or out of order", runner.name);
            continue;
        }
        println!("  {:<12} {:>12.0} lines/s   {lost} lost or out of order", runner.name, rate(median(rates)));
    }
    if lost.first().is_some_and(|lost| *lost > 0) {
        return Err("dynosim lost lines".into());
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "a million")]
fn rate(took: Duration) -> f64 {
    FLOOD_LINES as f64 / took.as_secs_f64()
}

/// How many of the lines are not in their place.
fn missing(path: &Path) -> Result<u64> {
    let (mut next, mut wrong) = (1, 0);
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        let line = line?;
        let Some(at) = memchr::memmem::find(&line, b"line ") else { continue };
        let Some(number) = line.get(at + 5..at + 12).and_then(|digits| std::str::from_utf8(digits).ok()) else {
            continue;
        };
        let Ok(number) = number.parse::<u64>() else { continue };
        wrong += u64::from(number != next);
        next = number + 1;
    }
    Ok(wrong + (FLOOD_LINES + 1).saturating_sub(next))
}

/// The quickest web server that is there.
fn server() -> &'static str {
    if runner::find("busybox").is_some() {
        "exec busybox httpd -f -p 0.0.0.0:$PORT -h www"
    } else {
        "exec python3 -m http.server --bind 0.0.0.0 --directory www $PORT"
    }
}

/// A folder with a Procfile.
pub(crate) struct App {
    home: TempDir,
    dir: PathBuf,
}

impl App {
    fn new(procfile: &str) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let dir = home.path().join("bench");
        std::fs::create_dir_all(dir.join("www"))?;
        std::fs::write(dir.join("www/index.html"), "hello\n")?;
        std::fs::write(dir.join("Procfile"), procfile)?;
        Ok(Self { home, dir })
    }

    /// Where a runner's output goes.
    fn output(&self) -> PathBuf {
        self.home.path().join("output")
    }
}
