//! What pushing an unchanged image costs: `dynosim container:push` beside `docker push`, to the same registry, in
//! alternating rounds. Nothing is asserted about time; that no layer byte is sent is.
//!
//! Needs a Docker engine with its client, the image `busybox`, and Debian's `docker-registry`. What it makes it removes.
//!
//! `cargo bench --bench push`
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]
#![allow(clippy::disallowed_methods, reason = "there is no runtime whose thread a sleep could block")]

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const ROUNDS: usize = 15;
/// A few layers, one of them large and of what cannot be compressed.
const IMAGE: &str =
    "FROM busybox\nRUN dd if=/dev/urandom of=/big bs=1M count=30\nRUN echo a > /a\nRUN echo b > /b\nCMD [\"true\"]\n";

fn main() -> Result<()> {
    let there = |program: &str| {
        let asked = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    if !there("docker") || !there("docker-registry") {
        println!("docker or docker-registry is not installed: nothing is measured");
        return Ok(());
    }
    let home = TempDir::new()?;
    let registry = Registry::start(home.path())?;
    let folder = home.path().join("bench-push");
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join("Dockerfile"), IMAGE)?;
    let dynosim = |args: &[&str]| -> Result<String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dynosim"));
        command
            .args(args)
            .current_dir(&folder)
            .env("HOME", home.path())
            .env("XDG_STATE_HOME", home.path().join("state"));
        said(command.stdin(Stdio::null()))
    };
    dynosim(&["build"])?;
    let host = format!("127.0.0.1:{}", registry.port);
    let push = ["container:push", "-a", "bench", "--registry", &host, "--allow-untested", "--json"];
    let measured = measure(&dynosim, &push, &host);
    let _ = said(Command::new("docker").args(["rmi", &format!("{host}/peer/web")]));
    dynosim(&["down", "--images"])?;
    measured
}

fn measure(dynosim: &dyn Fn(&[&str]) -> Result<String>, push: &[&str], host: &str) -> Result<()> {
    let peer = format!("{host}/peer/web");
    let began = Instant::now();
    let first = dynosim(push)?;
    let first_own = began.elapsed();
    let value: serde_json::Value =
        first.lines().rev().find_map(|line| serde_json::from_str(line).ok()).ok_or("no JSON")?;
    let image = value["config"].as_str().ok_or("no config digest")?;
    said(Command::new("docker").args(["tag", image, &peer]))?;
    let began = Instant::now();
    said(Command::new("docker").args(["push", "-q", &peer]))?;
    let first_peer = began.elapsed();
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let out = dynosim(push)?;
        times[0].push(began.elapsed());
        if !out.contains("\"sent\":0") {
            return Err(format!("something was sent of an unchanged image: {out}").into());
        }
        let began = Instant::now();
        said(Command::new("docker").args(["push", "-q", &peer]))?;
        times[1].push(began.elapsed());
    }
    let [own, docker] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    println!("push of an unchanged image, medians of {ROUNDS} rounds");
    println!("  dynosim container:push   {:4} ms", own.as_millis());
    println!(
        "  docker push              {:4} ms   ratio {:.2}",
        docker.as_millis(),
        own.as_secs_f64() / docker.as_secs_f64()
    );
    println!("push of the image for the first time, once");
    println!("  dynosim container:push   {:4} ms", first_own.as_millis());
    println!("  docker push              {:4} ms", first_peer.as_millis());
    Ok(())
}

/// Runs a command to its end; what it said.
fn said(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

struct Registry {
    child: Child,
    port: u16,
}

impl Registry {
    fn start(home: &Path) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = home.join("registry.yml");
        let data = home.join("registry");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
            data.display()
        );
        std::fs::write(&config, text)?;
        let mut command = Command::new("docker-registry");
        let child = command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let registry = Self { child, port };
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(registry);
            }
            sleep(Duration::from_millis(10));
        }
        Err("docker-registry does not listen".into())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
