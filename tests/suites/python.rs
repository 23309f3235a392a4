//! Python's `h11`, `h2`, `websockets` and `wsproto`, as clients and as dynos: the scripts in `python/` run in a container on
//! the host's network, and every case of theirs must hold.

use super::stand::{PATIENCE, Stand, program, route, skip};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio::time::timeout;

const IMAGE: &str = "dynosim/suites-python";

/// What a test misses when it cannot run here.
type Missing = &'static str;

/// The image, made once for all tests; `None` after a word on what is missing.
async fn image() -> Option<&'static str> {
    static MADE: OnceCell<Result<(), Missing>> = OnceCell::const_new();
    match MADE.get_or_init(make).await {
        Ok(()) => Some(IMAGE),
        Err(missing) => {
            skip(missing, &["DYNOSIM_REQUIRE_ENGINE", "DYNOSIM_REQUIRE_SUITES"]);
            None
        }
    }
}

async fn make() -> Result<(), Missing> {
    if !cfg!(target_os = "linux") {
        return Err("containers have no part in this machine's loopback");
    }
    let docker = program("docker").ok_or("no engine answers")?;
    let asked = Command::new(&docker).args(["version", "--format", "{{.Server.Version}}"]).output().await;
    if !asked.is_ok_and(|asked| asked.status.success()) {
        return Err("no engine answers");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suites/python");
    let mut build = Command::new(&docker);
    build.args(["build", "--quiet", "--tag", IMAGE]).arg(folder);
    let built = build.output().await.unwrap();
    if !built.status.success() {
        use std::io::Write;
        let _ = std::io::stderr().write_all(&built.stderr);
        return Err("the image with Python's packages cannot be built");
    }
    Ok(())
}

/// A script that runs in a container, which goes with it.
struct Script {
    child: Child,
    container: String,
}

impl Script {
    fn start(image: &str, script: &str, stand: &Stand) -> Self {
        let container = format!("dynosim-suites-{}-{}", script.trim_end_matches(".py"), std::process::id());
        let certificate = std::fs::read_to_string(&stand.certificate).unwrap();
        let mut command = Command::new("docker");
        command.args(["run", "--rm", "--init", "--network", "host", "--label", "dynosim.app=suites"]);
        command.args(["--name", &container]);
        for (name, value) in [
            ("ROUTER_PORT", stand.http.port().to_string()),
            ("ROUTER_TLS_PORT", stand.https.port().to_string()),
            ("ROUTER_CERTIFICATE", certificate),
        ] {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        command.args([image, script]).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        Self { child: command.spawn().unwrap(), container }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            let remove = std::process::Command::new("docker").args(["rm", "--force", &self.container]).output();
            drop(remove);
        }
    }
}

/// Runs a script to its end: its dyno goes up, its cases run, and all of them hold. What it told, or nothing when it
/// could not run.
async fn run(script: &str, at_least: usize) -> String {
    let Some(image) = image().await else { return String::new() };
    let stand = Stand::start(vec![route("shop", None)]).await;
    let mut running = Script::start(image, script, &stand);
    let mut lines = BufReader::new(running.child.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    let mut stand = Some(stand);
    let mut stopping = None;
    let reading = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if let (Some(port), Some(stand)) = (line.strip_prefix("dyno shop "), &stand) {
                let dyno = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().unwrap()));
                stand.publish(vec![route("shop", Some(dyno))]);
            } else if line == "stop the router" {
                stopping = stand.take().map(|stand| tokio::spawn(stand.stop()));
            }
            told.push(line);
        }
    };
    let ended = timeout(PATIENCE + Duration::from_secs(240), reading).await;
    let stopping = stopping.unwrap_or_else(|| tokio::spawn(stand.take().unwrap().stop()));
    let log = stopping.await.unwrap();
    let errors = log.iter().filter(|line| line.contains("at=error")).map(|line| format!("\n{line}"));
    let told = told.join("\n") + &errors.collect::<String>();
    assert!(ended.is_ok(), "{script} does not end\n{told}");
    let status = timeout(PATIENCE, running.child.wait()).await.expect("the container ends").unwrap();
    assert!(status.success(), "{told}");
    let held = told.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(held >= at_least, "{held} cases of {at_least}\n{told}");
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_s_h11_finds_nothing_wrong_on_either_side() {
    println!("{}", run("h1.py", 27).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_s_websockets_and_wsproto_find_nothing_wrong() {
    println!("{}", run("ws.py", 11).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_s_h2_finds_nothing_wrong_over_tls() {
    println!("{}", run("h2_client.py", 24).await);
}
