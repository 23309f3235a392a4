//! `up -d`, `--wait` and `attach` on the real engine: who calls, what stays open, what is left behind.

use crate::harness::{Project, engine_lock, exchange, on_each_engine};
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

on_each_engine! {
    fn up_d_tells_a_program_the_same_in_json(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let _down = Down(&project);
        let started = project.run(&["up", "-d", "--json"]);
        started.expect_code(0);
        let events: Vec<serde_json::Value> = started.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let event = |name: &str| events.iter().find(|event| event["event"] == name);
        assert!(event("listening").is_some() && event("release").is_some(), "{}", started.out);
        let pid = event("detached").unwrap()["pid"].as_u64().unwrap();
        project.run(&["down"]).expect_code(0).expect_err(&format!("stopped pid {pid}"));
    }
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

on_each_engine! {
    fn ctrl_c_at_the_caller_ends_the_background_before_it_was_started(on) {
        let project = on.project("tests/fixtures/apps/slow-release");
        let up = project.up(&["-d"]);
        up.wait_err("✔ router");
        std::thread::sleep(Duration::from_millis(500));
        up.interrupt();
        let ended = up.finish();
        ended.expect_code(130);
        assert_eq!(project.left_behind(), Vec::<String>::new());
        project.run(&["down"]).expect_code(0).expect_err("nothing was running");
    }
}

on_each_engine! {
    fn a_caller_that_is_killed_leaves_no_half_started_app(on) {
        let project = on.project("tests/fixtures/apps/slow-release");
        let up = project.up(&["-d"]);
        up.wait_err("✔ router");
        up.signal(Signal::KILL);
        // Its pipes end only with the background.
        up.finish();
        assert_eq!(project.left_behind(), Vec::<String>::new());
    }
}

on_each_engine! {
    fn wait_says_5_for_a_crash_and_the_background_stays_to_be_looked_into(on) {
        let project = on.project("tests/fixtures/apps/exits-zero");
        let _down = Down(&project);
        project.run(&["up", "-d", "--wait"]).expect_code(5).expect_err("web.1 crashed").expect_err("✔ detached pid ");
        project.run(&["logs"]).expect_code(0).expect_out("State changed from starting to crashed");
        project.run(&["down"]).expect_code(0).expect_err("stopped pid ");
        assert_eq!(project.left_behind(), Vec::<String>::new());
        let attached = project.run(&["up", "--wait"]);
        attached.expect_code(5).expect_err("web.1 crashed");
        assert_eq!(project.left_behind(), Vec::<String>::new(), "an attached one is stopped");
    }
}

on_each_engine! {
    fn wait_says_124_when_the_time_is_over(on) {
        let project = on.project("tests/fixtures/apps/slow-boot");
        let _down = Down(&project);
        project.run(&["up", "-d", "--wait=0.05"]).expect_code(124).expect_err("not every dyno was up in 0.05 s");
        project.run(&["down"]).expect_code(0).expect_err("stopped pid ");
        project.run(&["up", "--wait=0.05"]).expect_code(124);
        assert_eq!(project.left_behind(), Vec::<String>::new());
    }
}

on_each_engine! {
    fn attach_shows_the_log_until_ctrl_c_or_the_end_of_the_app(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
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
}

on_each_engine! {
    fn a_detached_one_off_lives_in_the_running_app(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
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
}

/// The dynos of a type as `ps --json` has them.
fn listed(project: &Project, process_type: &str) -> Vec<serde_json::Value> {
    let all: Vec<serde_json::Value> = serde_json::from_str(&project.run(&["ps", "--json"]).expect_code(0).out).unwrap();
    all.into_iter().filter(|dyno| dyno["type"] == process_type).collect()
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

on_each_engine! {
    fn a_one_off_of_another_terminal_is_listed_by_the_app_and_can_be_stopped(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let _down = Down(&project);
        project.run(&["up", "-d", "--wait"]).expect_code(0);
        let run = |command: &str| {
            let mut run = project.command(&["run", command]);
            run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let stopped = run("sleep 600");
        until("the dyno is up", || listed(&project, "run").iter().any(|dyno| dyno["state"] == "up"));
        let one = listed(&project, "run").remove(0);
        let name = one["name"].as_str().unwrap();
        assert!(name.starts_with("run.") && one["command"].as_str().unwrap().contains("sleep 600"), "{one}");
        assert_eq!((&one["size"], &one["release"]["version"]), (&"Basic".into(), &3.into()), "{one}");
        let shown = project.run(&["ps"]);
        shown.expect_out("=== run (Basic): ").expect_out(&format!("\n{name}: up "));
        project.run(&["ps:restart"]).expect_code(0);
        project.run(&["ps:kill", name]).expect_code(0).expect_err(&format!("Stopping dyno {name} on "));
        assert_eq!(stopped.wait_with_output().unwrap().status.code(), Some(143));
        until("the dyno is gone", || listed(&project, "run").is_empty());
        project.run(&["ps:stop", name]).expect_code(1).expect_err("Couldn't find that dyno");
        let (by_type, mut killed) = (run("sleep 601"), run("sleep 602"));
        until("both are up", || listed(&project, "run").iter().filter(|dyno| dyno["state"] == "up").count() == 2);
        signal(&killed, Signal::KILL);
        killed.wait().unwrap();
        until("one that was killed is listed no more", || listed(&project, "run").len() == 1);
        project.run(&["ps:stop", "run"]).expect_code(0);
        assert_eq!(by_type.wait_with_output().unwrap().status.code(), Some(143));
        let stays = run("read line; exit 7");
        until("the dyno is up", || listed(&project, "run").iter().any(|dyno| dyno["state"] == "up"));
        project.run(&["down"]).expect_code(0);
        let mut stays = stays;
        std::io::Write::write_all(&mut stays.stdin.take().unwrap(), b"go\n").unwrap();
        assert_eq!(stays.wait().unwrap().code(), Some(7), "it does not need the app");
    }
}

on_each_engine! {
    fn the_release_dyno_is_listed_while_it_runs_and_a_stop_fails_the_release(on) {
        let project = on.project("tests/fixtures/apps/slow-release");
        project.write(".env", "RELEASE_SECONDS=0\n");
        let _down = Down(&project);
        project.run(&["up", "-d", "--wait"]).expect_code(0);
        project.run(&["config:set", "RELEASE_SECONDS=600"]).expect_code(0);
        until("it is up", || listed(&project, "release").iter().any(|dyno| dyno["state"] == "up"));
        let one = listed(&project, "release").remove(0);
        assert_eq!((&one["size"], &one["release"]["version"]), (&"Standard-1X".into(), &4.into()), "{one}");
        project.run(&["ps:stop", one["name"].as_str().unwrap()]).expect_code(0);
        until("the release has failed", || {
            let releases = project.run(&["releases", "--json"]);
            serde_json::from_str::<serde_json::Value>(&releases.out).unwrap()[0]["status"] == "failed"
        });
        until("it is listed no more", || listed(&project, "release").is_empty());
    }
}

on_each_engine! {
    fn a_detached_one_off_can_be_followed_to_its_end_and_its_status_is_passed_on(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let _down = Down(&project);
        project.run(&["up", "-d", "--wait"]).expect_code(0);
        let ended =
            project.run(&["run:detached", "-t", "--", "sh", "-c", "echo at work; sleep 1; echo last words; exit 7"]);
        ended.expect_code(7).expect_out("]: at work\n").expect_out("]: last words\n");
        ended.expect_out("Process exited with status 7").expect_err("... done, run.");
        assert!(!ended.out.contains("web.1"), "only its own lines: {}", ended.out);
        project.run(&["run:detached", "--tail", "true"]).expect_code(0).expect_out("Process exited with status 0");
    }
}
