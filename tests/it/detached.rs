//! `up -d`, `--wait` and `attach` on the real engine: who calls, what stays open, what is left behind.

use crate::harness::{Project, engine_lock, exchange};
use crate::support::engine_or_skip;
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Stdio};
use std::time::Duration;

/// Ends what a failed test leaves in the background.
struct Down<'a>(&'a Project);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        let _ = self.0.run(&["down"]);
    }
}

fn status_at(port: u16) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    exchange(port, request.as_bytes()).lines().next().unwrap_or_default().to_owned()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn up_d_returns_with_its_summary_and_leaves_no_pipe_open() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/env-dump");
    let _down = Down(&project);
    // Reads both pipes, and a third descriptor that the shell left open, to their ends.
    let mut shell = std::process::Command::new("sh");
    let plain = project.command(&[]);
    shell.current_dir(&project.dir).env_clear();
    shell.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.args(["-c", "exec 3>&1; exec \"$0\" up -d --wait", env!("CARGO_BIN_EXE_dynosim")]);
    let output = shell.stdin(Stdio::null()).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{err}");
    let mut rest = err.as_str();
    for part in [
        "✔ build    web  ",
        "✔ router   http://localhost:",
        "✔ release  v3  Deployed web (",
        "✔ up       web=1  in ",
        "✔ detached pid ",
    ] {
        rest = rest.split_once(part).unwrap_or_else(|| panic!("no `{part}` in its place in\n{err}")).1;
    }
    assert_eq!(output.stdout, b"");
    let port = project.locked_port();
    assert_eq!(status_at(port), "HTTP/1.1 200 OK");
    project.run(&["up"]).expect_code(1).expect_err("is already running: pid ");
    project.run(&["up", "-d"]).expect_code(1).expect_err("is already running: pid ");
    assert_eq!(status_at(port), "HTTP/1.1 200 OK", "a second caller changes nothing");
    project.run(&["logs"]).expect_code(0).expect_out("State changed from starting to up");
    project.run(&["down"]).expect_code(0);
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

#[test]
fn up_d_tells_a_program_the_same_in_json() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/env-dump");
    let _down = Down(&project);
    let started = project.run(&["up", "-d", "--json"]);
    started.expect_code(0);
    let events: Vec<serde_json::Value> = started.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let event = |name: &str| events.iter().find(|event| event["event"] == name);
    assert!(event("listening").is_some() && event("release").is_some(), "{}", started.out);
    let pid = event("detached").unwrap()["pid"].as_u64().unwrap();
    project.run(&["down"]).expect_code(0).expect_err(&format!("stopped pid {pid}"));
}

#[test]
fn up_d_that_cannot_start_has_the_code_of_the_cause_and_leaves_nothing() {
    engine_or_skip!();
    let _engine = engine_lock();
    for (app, code, words) in [
        ("build-fails", 3, "could not be built"),
        ("failing-release", 4, "`dynosim logs -p release`"),
        ("no-cmd", 4, "error:"),
    ] {
        let project = Project::of(&format!("tests/fixtures/apps/{app}"));
        project.run(&["up", "-d"]).expect_code(code).expect_err(words);
        assert_eq!(project.left_behind(), Vec::<String>::new(), "{app}");
        project.run(&["attach"]).expect_code(1).expect_err("this app does not run").expect_err("dynosim up -d");
    }
    let project = Project::empty("nothing");
    project.run(&["up", "-d"]).expect_code(2).expect_err("error");
}

#[test]
fn ctrl_c_at_the_caller_ends_the_background_before_it_was_started() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/slow-release");
    let up = project.up(&["-d"]);
    up.wait_err("✔ router");
    std::thread::sleep(Duration::from_millis(500));
    up.interrupt();
    let ended = up.finish();
    ended.expect_code(130);
    assert_eq!(project.left_behind(), Vec::<String>::new());
    project.run(&["down"]).expect_code(0).expect_err("nothing was running");
}

#[test]
fn a_caller_that_is_killed_leaves_no_half_started_app() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/slow-release");
    let up = project.up(&["-d"]);
    up.wait_err("✔ router");
    up.signal(Signal::KILL);
    // Its pipes end only with the background.
    up.finish();
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

#[test]
fn wait_says_5_for_a_crash_and_the_background_stays_to_be_looked_into() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/exits-zero");
    let _down = Down(&project);
    project.run(&["up", "-d", "--wait"]).expect_code(5).expect_err("web.1 crashed").expect_err("✔ detached pid ");
    project.run(&["logs"]).expect_code(0).expect_out("State changed from starting to crashed");
    project.run(&["down"]).expect_code(0).expect_err("stopped pid ");
    assert_eq!(project.left_behind(), Vec::<String>::new());
    let attached = project.run(&["up", "--wait"]);
    attached.expect_code(5).expect_err("web.1 crashed");
    assert_eq!(project.left_behind(), Vec::<String>::new(), "an attached one is stopped");
}

#[test]
fn wait_says_124_when_the_time_is_over() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/slow-boot");
    let _down = Down(&project);
    project.run(&["up", "-d", "--wait=0.05"]).expect_code(124).expect_err("not every dyno was up in 0.05 s");
    project.run(&["down"]).expect_code(0).expect_err("stopped pid ");
    project.run(&["up", "--wait=0.05"]).expect_code(124);
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

#[test]
fn attach_shows_the_log_until_ctrl_c_or_the_end_of_the_app() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/env-dump");
    let _down = Down(&project);
    project.run(&["up", "-d", "--wait"]).expect_code(0);
    let port = project.locked_port();
    let attach = || {
        let mut command = project.command(&["attach"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let (leaves, stays) = (attach(), attach());
    std::thread::sleep(Duration::from_millis(700));
    status_at(port);
    std::thread::sleep(Duration::from_millis(700));
    signal(&leaves, Signal::INT);
    let left = leaves.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&left.stdout), String::from_utf8_lossy(&left.stderr));
    assert_eq!(left.status.code(), Some(0), "{err}");
    assert!(out.contains("State changed from starting to up") && out.contains("at=info method=GET"), "{out}");
    assert!(err.contains("the app goes on") && err.contains("dynosim down"), "{err}");
    assert_eq!(status_at(port), "HTTP/1.1 200 OK");
    project.run(&["down"]).expect_code(0);
    let ended = stays.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("the app has stopped"));
    assert!(String::from_utf8_lossy(&ended.stdout).contains("Process exited with status"));
}

#[test]
fn a_detached_one_off_lives_in_the_running_app() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/env-dump");
    let _down = Down(&project);
    project.run(&["run:detached", "true"]).expect_code(1).expect_err("is not running").expect_err("dynosim up");
    project.run(&["up", "-d", "--wait"]).expect_code(0);
    let words = ["run:detached", "--set", "ONLY=here", "--", "sh", "-c", "echo $DYNO says $ONLY; sleep 600"];
    let started = project.run(&words);
    started.expect_code(0).expect_err("Running sh -c ").expect_err("... done, run.");
    let name = started.out.split_whitespace().find(|word| word.starts_with("run.")).unwrap().to_owned();
    started.expect_out(&format!("Run dynosim logs --dyno-name {name} to view the output."));
    let began = std::time::Instant::now();
    while !project.run(&["logs", "--dyno-name", &name]).out.contains(&format!("{name} says here")) {
        assert!(began.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(100));
    }
    let listed = project.run(&["ps", "--json"]);
    let dynos: Vec<serde_json::Value> = serde_json::from_str(&listed.out).unwrap();
    let one = dynos.iter().find(|dyno| dyno["name"] == name.as_str()).unwrap();
    assert_eq!((one["type"].as_str(), one["state"].as_str()), (Some("run"), Some("up")), "{one}");
    project.run(&["ps:exec", &name, "--", "sh", "-c", "echo $DYNO"]).expect_code(0).expect_out(&name);
    project.run(&["ps:stop", &name]).expect_code(0);
    while project.run(&["ps"]).out.contains(&name) {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(100));
    }
    let short = project.run(&["run", "-d", "sleep 600"]);
    short.expect_code(0).expect_out("Run dynosim logs --dyno-name run.");
    project.run(&["down"]).expect_code(0);
    assert_eq!(project.left_behind(), Vec::<String>::new(), "it ends with the app");
}
