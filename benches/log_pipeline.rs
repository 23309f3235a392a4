//! How many lines a second the log takes, from an app's output to a reader: splitting, stamping, writing the journal,
//! reading it back and rendering it. Beside it, in the same run, `cat` moves the same bytes from a pipe to a file,
//! which is the least that anything which stores a log must do.
//!
//! `cargo bench --bench log_pipeline`
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use dynosim::clock::Clock;
use dynosim::logs::{Filter, Logs, LogsOptions, Renderer, Start, Style, print};
use dynosim::model::dyno::DynoName;
use dynosim::model::process_type::ProcessType;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::time::Instant;

/// What an app writes in all.
const LINES: u64 = 2_000_000;
/// What the engine hands over at a time.
const CHUNK: usize = 64 * 1024;
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let output = output();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let chunks: Vec<&[u8]> = output.chunks(CHUNK).collect();
    let lines: Vec<&[u8]> = output.split_inclusive(|b| *b == b'\n').collect();
    let mut rates = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        let dir = tempfile::tempdir()?;
        rates[0].push(rate(runtime.block_on(pipeline(dir.path(), &chunks, true))?));
        let dir = tempfile::tempdir()?;
        rates[1].push(rate(runtime.block_on(pipeline(dir.path(), &chunks, false))?));
        let dir = tempfile::tempdir()?;
        rates[2].push(rate(runtime.block_on(pipeline(dir.path(), &lines, true))?));
        let dir = tempfile::tempdir()?;
        rates[3].push(rate(cat(dir.path(), &chunks)?));
    }
    let [followed, stored, singly, cat] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[ROUNDS / 2]
    });
    let bytes = output.len() as u64 / LINES;
    println!("{LINES} lines of {bytes} bytes on average, in chunks of {CHUNK} bytes; medians of {ROUNDS} rounds");
    println!("log pipeline, stored and followed  {followed:>12.0} lines/s   {:.2} of cat", followed / cat);
    println!("log pipeline, stored only          {stored:>12.0} lines/s   {:.2} of cat", stored / cat);
    println!("the first, a line at a time        {singly:>12.0} lines/s   {:.2} of cat", singly / cat);
    println!("cat, pipe to file                  {cat:>12.0} lines/s");
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "a rate of a few million")]
fn rate(took: Duration) -> f64 {
    LINES as f64 / took.as_secs_f64()
}

/// Request-like lines, from 20 to some 140 bytes.
fn output() -> Vec<u8> {
    let tail = "GET /products/1234?page=2 200 0.0123 Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML) -";
    let mut output = Vec::new();
    for i in 0..LINES {
        let length = usize::try_from(i * 37 % 101).unwrap_or(0);
        output.extend_from_slice(format!("{i:010} worker: {}\n", &tail[..length.min(tail.len())]).as_bytes());
    }
    output
}

async fn pipeline(dir: &Path, output: &[&[u8]], followed: bool) -> Result<Duration, Box<dyn Error>> {
    let options = LogsOptions { total_bytes: 1024 * 1024 * 1024, ..LogsOptions::default() };
    let logs = Logs::open(dir, Clock::system(), options)?;
    let mut follower = logs.follow(Start::Now, Filter::default())?;
    let began = Instant::now();
    let reading = tokio::spawn(async move {
        let mut sink = tokio::fs::File::create("/dev/null").await?;
        if followed {
            print(&mut follower, &mut Renderer::new(Style::Plain), &mut sink).await?;
        }
        Ok::<_, std::io::Error>(follower)
    });
    let mut lines = logs.lines_of(&DynoName::new(ProcessType::web(), 1));
    for chunk in output {
        lines.push(chunk).await;
    }
    lines.finish();
    logs.close().await?;
    let follower = reading.await??;
    let took = began.elapsed();
    if followed && follower.lost().lines > 0 {
        return Err("the follower was overrun".into());
    }
    check(dir)?;
    Ok(took)
}

/// Nothing lost: the journal holds every line.
fn check(dir: &Path) -> Result<(), Box<dyn Error>> {
    let mut lines = 0;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            lines += memchr::memchr_iter(b'\n', &std::fs::read(path)?).count() as u64;
        }
    }
    if lines == LINES { Ok(()) } else { Err(format!("{lines} lines of {LINES} in the journal").into()) }
}

fn cat(dir: &Path, output: &[&[u8]]) -> Result<Duration, Box<dyn Error>> {
    let began = Instant::now();
    let file = File::create(dir.join("cat.log"))?;
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(file).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        for chunk in output {
            pipe.write_all(chunk)?;
        }
    }
    child.wait()?;
    Ok(began.elapsed())
}
