//! Docker's credential helpers: programs called `docker-credential-<name>`, spoken to through their standard streams. The
//! server's name and every secret go in and out there, never as an argument.

use super::login::Login;
use serde::Deserialize;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A helper that takes longer than this waits for a human who is not there.
const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// What the helper keeps for a server; `None` when it has nothing or cannot be run.
pub(super) async fn get(helper: &str, server: &str) -> Option<Login> {
    let bytes = ask(helper, "get", server.as_bytes()).await.ok()?;
    let answer: Answer = serde_json::from_slice(&bytes).ok()?;
    Some(Login::new(answer.username, answer.secret))
}

/// Gives the helper a login to keep.
pub(super) async fn store(helper: &str, server: &str, login: &Login) -> Result<(), String> {
    let words = serde_json::json!({"ServerURL": server, "Username": login.user, "Secret": login.secret()});
    ask(helper, "store", words.to_string().as_bytes()).await.map(drop)
}

/// Has the helper forget a server.
pub(super) async fn erase(helper: &str, server: &str) -> Result<(), String> {
    ask(helper, "erase", server.as_bytes()).await.map(drop)
}

/// Runs `docker-credential-<helper> <verb>`. What it prints is not repeated: it may hold a secret.
async fn ask(helper: &str, verb: &str, input: &[u8]) -> Result<Vec<u8>, String> {
    let program = format!("docker-credential-{helper}");
    let spawned = Command::new(&program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut child = spawned.map_err(|error| format!("{program} could not be run: {error}"))?;
    let mut stdin = child.stdin.take();
    let talk = async {
        if let Some(mut stdin) = stdin.take() {
            // A helper that ends without reading says so by its status.
            let _ = stdin.write_all(input).await;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(TIMEOUT, talk).await;
    let output = output.map_err(|_| format!("{program} {verb} did not end in {} s", TIMEOUT.as_secs()))?;
    let output = output.map_err(|error| format!("{program} {verb}: {error}"))?;
    if output.status.success() { Ok(output.stdout) } else { Err(format!("{program} {verb} failed: {}", output.status)) }
}
