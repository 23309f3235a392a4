//! Autobahn's WebSocket test suite against an echo, directly and through the router: the verdict of every case must be
//! the same. `tests/suites/autobahn.sh` installs the suite, and runs it whole.

use super::app;
use super::stand::{Stand, program, route, skip};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::lookup_host;
use tokio::process::Command;
use tokio::time::{Duration, timeout};

/// The whole suite takes this long at most.
const WHOLE: Duration = Duration::from_secs(3600);

/// Cases of permessage-deflate, which our own echo does not speak.
const COMPRESSION: &[&str] = &["12.*", "13.*"];
/// What the regular run leaves out: large messages, of which the suite takes the time, and compression.
const LONG: &[&str] = &["9.*", "12.*", "13.*"];

/// Where the suite's program is.
fn wstest() -> Option<PathBuf> {
    std::env::var_os("DYNOSIM_WSTEST").map(PathBuf::from).or_else(|| program("wstest"))
}

/// Which echo is asked which cases, and which not: one that runs already is there for its compression.
async fn echo() -> (SocketAddr, &'static [&'static str], &'static [&'static str]) {
    if let Ok(address) = std::env::var("DYNOSIM_AUTOBAHN_ECHO") {
        return (lookup_host(&address).await.unwrap().next().unwrap(), COMPRESSION, &[]);
    }
    let whole = std::env::var_os("DYNOSIM_AUTOBAHN_WHOLE").is_some();
    (app::serve_websocket().await, &["*"], if whole { COMPRESSION } else { LONG })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_autobahn_verdict_is_the_same_through_the_router() {
    let Some(wstest) = wstest() else {
        return skip("Autobahn's wstest is not installed", &["DYNOSIM_REQUIRE_SUITES"]);
    };
    let (dyno, cases, without) = echo().await;
    let stand = Stand::start(vec![route("shop", Some(dyno))]).await;
    let folder = tempfile::tempdir().unwrap();
    let spec = json!({
        "outdir": folder.path().join("reports"),
        "servers": [
            { "agent": "direct", "url": format!("ws://{dyno}") },
            { "agent": "router", "url": format!("ws://{}", stand.http) },
        ],
        "cases": cases,
        "exclude-cases": without,
        "exclude-agent-cases": {},
    });
    std::fs::write(folder.path().join("spec.json"), spec.to_string()).unwrap();
    let mut command = Command::new(wstest);
    command.args(["-m", "fuzzingclient", "-s", "spec.json"]).current_dir(folder.path()).kill_on_drop(true);
    let output = timeout(WHOLE, command.output()).await.expect("the suite ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let index = std::fs::read_to_string(folder.path().join("reports/index.json"));
    let index: Value = serde_json::from_str(&index.unwrap_or_else(|_| panic!("no report:\n{said}"))).unwrap();
    let (direct, router) = (verdicts(&index["direct"]), verdicts(&index["router"]));
    let summary = summary(&direct);
    println!("{} cases, direct: {summary:?}", direct.len());
    println!("{} cases, router: {:?}", router.len(), self::summary(&router));
    assert!(direct.len() >= 200, "{} cases ran:\n{said}", direct.len());
    let different: Vec<_> = direct.iter().filter(|(case, verdict)| router.get(*case) != Some(verdict)).collect();
    assert!(different.is_empty(), "through the router these are not as here: {different:#?}\n{router:#?}");
    assert_eq!(direct.len(), router.len());
    assert!(!summary.contains_key("FAILED"), "{summary:?}");
    // One tunnel for each case; it is logged when it ends.
    let lines = stand.stop().await;
    let tunnels = lines.iter().filter(|line| line.contains(" status=101 ")).count();
    assert!(tunnels >= router.len(), "{tunnels} tunnels were logged for {} cases", router.len());
}

/// Case to what was said of it: its behaviour, and that of its close.
fn verdicts(agent: &Value) -> BTreeMap<String, (String, String, Value)> {
    let word = |case: &Value, key: &str| case[key].as_str().unwrap().to_owned();
    let cases = agent.as_object().unwrap().iter();
    cases
        .map(|(name, case)| {
            (name.clone(), (word(case, "behavior"), word(case, "behaviorClose"), case["remoteCloseCode"].clone()))
        })
        .collect()
}

fn summary(verdicts: &BTreeMap<String, (String, String, Value)>) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for (behaviour, _, _) in verdicts.values() {
        *count.entry(behaviour.clone()).or_default() += 1;
    }
    count
}
