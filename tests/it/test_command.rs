//! `dynosim test` on real apps and the real engine: its codes, what it writes, and that nothing is left.

use crate::harness::{Finished, Project, docker, engine_lock};
use crate::support::engine_or_skip;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The folder's name, and so the app's: no other test has one of this name.
const TESTEE: &str = "app-of-the-test-command";

/// A web server, as small as they come.
const WEB: &str = "FROM busybox\nRUN mkdir /www && echo hello >/www/index.html\nCMD httpd -f -p $PORT -h /www\n";

fn web() -> Project {
    let project = Project::empty(TESTEE);
    project.write("Dockerfile", WEB);
    project
}

fn json(finished: &Finished) -> Vec<Value> {
    finished.out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn event<'a>(all: &'a [Value], name: &str) -> &'a Value {
    all.iter().find(|one| one["event"] == name).unwrap_or_else(|| panic!("no {name} in {all:#?}"))
}

/// Nothing of any instance of the project is in the engine, and no state but the app's own.
#[track_caller]
fn assert_clean(project: &Project) {
    let apps = project.state().parent().unwrap().to_owned();
    let names: Vec<_> = fs::read_dir(apps).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 1, "only the app's own state stays: {names:?}");
    assert_eq!(project.left_behind(), Vec::<String>::new());
    assert_eq!(of_all_instances(), Vec::<String>::new());
}

/// Containers and networks of the apps of these tests, of whatever instance.
fn of_all_instances() -> Vec<String> {
    let label = format!("label=dynosim.app={TESTEE}");
    let (all, networks) =
        (docker(&["ps", "-aq", "--filter", &label]), docker(&["network", "ls", "-q", "--filter", &label]));
    all.lines().chain(networks.lines()).map(str::to_owned).collect()
}

#[test]
fn a_command_that_passes_sees_the_app_and_is_recorded_in_the_ledger() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = web();
    project.write(".env", "MODE=test\n");
    let script = "echo mode=$MODE job=$DYNOSIM_JOB/$DYNOSIM_JOBS url=$DYNOSIM_URL; \"$0\" ps --name $DYNOSIM_NAME; \
                  exec 3<>/dev/tcp/localhost/$DYNOSIM_PORT; \
                  printf 'GET / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3";
    let done = project.run(&["test", "--", "bash", "-c", script, env!("CARGO_BIN_EXE_dynosim")]);
    done.expect_code(0).expect_out("mode=test job=1/1 url=http://localhost:").expect_out("hello");
    done.expect_out("web.1: up ").expect_err("passed and may be pushed");
    let listed = project.run(&["tested"]);
    listed.expect_code(0).expect_out("passed   web ").expect_out("bash -c echo mode");
    let ledger: Value = serde_json::from_str(project.run(&["tested", "--json"]).out.trim()).unwrap();
    let entry = &ledger["entries"][0];
    assert_eq!((entry["kind"].as_str(), entry["result"].as_str()), (Some("tested"), Some("passed")));
    let image = entry["images"]["web"]["config"].as_str().unwrap();
    let tag = format!("dynosim/{}/web", project.state().file_name().unwrap().to_str().unwrap());
    let known = docker(&["images", "--no-trunc", "--format", "{{.ID}}", &tag]);
    assert!(known.lines().any(|id| id == image), "{image} in {known}");
    assert_clean(&project);
}

#[test]
fn a_command_that_fails_is_1_with_its_own_code_in_text_json_and_junit() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = web();
    let done = project.run(&["test", "--junit", "results.xml", "--", "echo two words; exit 3"]);
    done.expect_code(1).expect_err("failed with status 3").expect_out("two words");
    let xml = fs::read_to_string(project.dir.join("results.xml")).unwrap();
    let suite = Xml::parse(&xml);
    assert_eq!(
        suite.cases,
        [("up".to_owned(), None), ("echo two words; exit 3".to_owned(), Some("failure".to_owned()))]
    );
    assert!(xml.contains("failed with status 3") && xml.contains("two words"), "{xml}");
    let done = project.run(&["test", "--json", "--", "exit 3"]);
    done.expect_code(1);
    let events = json(&done);
    let test = event(&events, "test");
    assert_eq!((test["result"].as_str(), test["status"].as_i64()), (Some("failed"), Some(3)));
    assert_eq!(event(&events, "tested")["exit_code"], 1);
    assert!(test["parity"]["dynos"][0]["boot_seconds"].as_f64().unwrap() < 60.0);
    let missing = project.run(&["test", "--", "no-such-program", "at all"]);
    missing.expect_code(1).expect_err("failed with status 127").expect_err("`no-such-program` cannot be run");
    project.run(&["tested"]).expect_code(0).expect_out("failed   web ");
    assert_clean(&project);
}

#[test]
fn what_keeps_a_test_from_running_has_the_code_that_up_has() {
    engine_or_skip!();
    let _engine = engine_lock();
    for (app, code, words, case) in [
        ("build-fails", 3, "libfoo is missing", "build"),
        ("failing-release", 4, "migration 2/2 no such table", "release"),
        ("exits-zero", 5, "web.1 crashed", "up"),
    ] {
        let project = Project::of(&format!("tests/fixtures/apps/{app}"));
        let done = project.run(&["test", "--junit", "r.xml", "--annotations", "github", "--", "echo ran"]);
        done.expect_code(code).expect_err(words).expect_out("::error ");
        assert!(!done.out.contains("ran\n"), "{}", done.out);
        let suite = Xml::parse(&fs::read_to_string(project.dir.join("r.xml")).unwrap());
        let (name, failed) = suite.cases.last().unwrap();
        assert_eq!((name.as_str(), failed.is_some()), (case, true), "{app}");
        project.run(&["tested"]).expect_code(0).expect_err("nothing was tested yet");
        assert_clean(&project);
    }
    let project = Project::empty("nothing");
    project.run(&["test", "--", "true"]).expect_code(2);
    let project = web();
    project.run(&["test"]).expect_code(2).expect_err("nothing to run as a test").expect_err("environments");
    project.run(&["test", "--in", "clock", "--", "true"]).expect_code(2).expect_err("no process type `clock`");
    project.run(&["test", "--junit", "no/such/r.xml", "--", "true"]).expect_code(2).expect_err("no/such");
}

#[test]
fn r1_3_what_check_finds_fails_a_test_that_asks_for_it() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = web();
    let dockerfile = fs::read_to_string(project.dir.join("Dockerfile")).unwrap();
    project.write("Dockerfile", &format!("{dockerfile}VOLUME /data\n"));
    project.run(&["test", "--fail-on", "lint=warning", "--", "true"]).expect_code(7).expect_err("D017");
    project.run(&["test", "--fail-on", "lint", "--", "true"]).expect_code(0);
    assert_clean(&project);
}

#[test]
fn r9_scripts_of_app_json_run_in_the_image_and_so_does_in() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = web();
    let json = r#"{"environments": {"test": {"env": {"MODE": "test"}, "scripts": {
        "test-setup": "echo setup in $DYNO",
        "test": "echo CI=$CI MODE=$MODE; test -f /www/index.html && exit 6"}}}}"#;
    project.write("app.json", json).write(".env", "MODE=development\n");
    let done = project.run(&["test"]);
    done.expect_code(1)
        .expect_out("setup in run.")
        .expect_out("CI=true MODE=test")
        .expect_err("`test` failed with status 6");
    let done = project.run(&["test", "--in", "web", "--", "cat", "/www/index.html"]);
    done.expect_code(0).expect_out("hello");
    project.run(&["tested"]).expect_code(0).expect_out("cat /www/index.html (in web)");
    assert_clean(&project);
}

#[test]
fn jobs_run_side_by_side_and_keep_their_lines_apart() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = web();
    // Each waits for the other: one after another they would never end.
    let meet = "touch here-$DYNOSIM_JOB; until [ -e here-1 ] && [ -e here-2 ]; do sleep 0.05; done; \
                echo job $DYNOSIM_JOB of $DYNOSIM_JOBS on $DYNOSIM_PORT; [ $DYNOSIM_JOB = 1 ]";
    project.write(".dockerignore", "here-*\n");
    let done = project.run(&["test", "--jobs", "2", "--timeout", "120", "--junit", "r.xml", "--", meet]);
    done.expect_code(1).expect_out("[1] job 1 of 2 on ").expect_out("[2] job 2 of 2 on ");
    let ports: Vec<&str> = done.out.lines().filter_map(|line| line.rsplit_once(" on ")).map(|(_, port)| port).collect();
    assert_ne!(ports[0], ports[1]);
    let suite = Xml::parse(&fs::read_to_string(project.dir.join("r.xml")).unwrap());
    let failed = suite.cases.iter().filter(|(_, failed)| failed.is_some()).count();
    assert_eq!((suite.suites, suite.cases.len(), failed), (2, 4, 1));
    assert_clean(&project);
}

#[test]
fn a_time_limit_and_ctrl_c_leave_nothing() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = web();
    project.write(".dockerignore", "*.pid\n");
    let hang = "sleep 1000 & echo $! >child.pid; echo runs; wait";
    project.run(&["test", "--timeout", "8", "--", hang]).expect_code(124).expect_err("not done in 8 s");
    assert_gone(&project.dir.join("child.pid"));
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 130)] {
        let _ = fs::remove_file(project.dir.join("child.pid"));
        let test = project.start(&["test", "--", hang]);
        test.wait_out("runs");
        test.signal(signal);
        test.finish().expect_code(code);
        assert_gone(&project.dir.join("child.pid"));
        assert_clean(&project);
    }
}

#[test]
fn kill_9_leaves_nothing_running_and_the_next_command_removes_the_rest() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = web();
    project.write(".dockerignore", "*.pid\n");
    let test = project.start(&["test", "--", "sleep 1000 & echo $! >child.pid; echo runs; wait"]);
    test.wait_out("runs");
    test.signal(Signal::KILL);
    test.finish();
    assert_gone(&project.dir.join("child.pid"));
    eventually("the dynos ended with dynosim", || {
        docker(&["ps", "-q", "--filter", &format!("label=dynosim.app={TESTEE}")]).is_empty()
    });
    project.run(&["tested"]).expect_code(0).expect_err("nothing was tested yet");
    project.run(&["down"]).expect_code(0);
    assert_clean(&project);
}

#[test]
fn findings_of_the_platform_fail_a_test_that_asks_for_it() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = web();
    let writes = "FROM busybox\nRUN mkdir /www && chmod 1777 /www && echo hello >/www/index.html\n\
                  CMD (while ! echo x >/www/log; do sleep 1; done) & exec httpd -f -p $PORT -h /www\n";
    project.write("Dockerfile", writes);
    let words = ["test", "--fail-on", "writes,h12", "--json", "--junit", "r.xml", "--", "sleep 1.5"];
    let done = project.run(&words);
    done.expect_code(7);
    let events = json(&done);
    let test = event(&events, "test");
    assert_eq!((test["result"].as_str(), &test["gates"]), (Some("gates"), &serde_json::json!(["writes"])));
    let finding = &test["parity"]["findings"][0];
    assert!(finding["text"].as_str().unwrap().contains("/www/log"), "{finding}");
    let dyno = &test["parity"]["dynos"][0];
    assert!(dyno["memory_peak_bytes"].as_u64().unwrap() > 0 && dyno["memory_quota_bytes"] == 512 << 20, "{dyno}");
    let suite = Xml::parse(&fs::read_to_string(project.dir.join("r.xml")).unwrap());
    let case = |name: &str| suite.cases.iter().find(|(case, _)| case == name).unwrap().1.clone();
    assert_eq!((case("fail-on writes").as_deref(), case("fail-on h12")), (Some("failure"), None));
    let done = project.run(&["test", "--annotations", "github", "--", "sleep 0.5"]);
    done.expect_code(0)
        .expect_err("warning: writes: web.1 may not write")
        .expect_out("::warning title=dynosim parity::");
    assert_clean(&project);
}

#[test]
fn under_load_an_app_that_drops_requests_when_it_is_told_to_stop_fails() {
    engine_or_skip!();
    let _engine = engine_lock();
    // Answers after 0.3 s, and ends as `stop` says.
    let server = |stop: &str| {
        format!(
            "import os, signal, threading, time\nfrom http.server import BaseHTTPRequestHandler, ThreadingHTTPServer\n\
             class Handler(BaseHTTPRequestHandler):\n    def do_GET(self):\n        time.sleep(0.3)\n        \
             self.send_response(200)\n        self.send_header('Content-Length', '3')\n        self.end_headers()\n        \
             self.wfile.write(b'ok\\n')\n\nThreadingHTTPServer.daemon_threads = False\n\
             server = ThreadingHTTPServer(('0.0.0.0', int(os.environ['PORT'])), Handler)\n\
             signal.signal(signal.SIGTERM, lambda *_: {stop})\nserver.serve_forever()\nserver.server_close()\n"
        )
    };
    let dockerfile = "FROM python:3.11-slim\nCOPY server.py /server.py\nCMD exec python /server.py\n";
    let project = Project::empty(TESTEE);
    project.write("Dockerfile", dockerfile).write("server.py", &server("os._exit(0)"));
    let done = project.run(&["test", "--under-load", "--json"]);
    done.expect_code(7);
    let events = json(&done);
    let test = event(&events, "test");
    assert_eq!(test["gates"], serde_json::json!(["dropped"]), "{test:#}");
    assert!(test["under_load"]["answered"].as_u64().unwrap() > 0, "{test:#}");
    // Goes on for a while, then finishes what it has begun.
    project.write("server.py", &server("threading.Timer(2, server.shutdown).start()"));
    let done = project.run(&["test", "--under-load=/", "--json"]);
    let events = json(&done);
    assert_eq!(event(&events, "test")["parity"]["dropped"], 0, "{}", event(&events, "test"));
    done.expect_code(0);
    assert_clean(&project);
}

/// What a JUnit file holds: enough of it to be sure that it is one.
struct Xml {
    suites: usize,
    /// Each case, with what went wrong: `failure` or `error`.
    cases: Vec<(String, Option<String>)>,
}

impl Xml {
    #[track_caller]
    fn parse(text: &str) -> Self {
        let (mut suites, mut cases, mut open) = (0, Vec::new(), Vec::new());
        let mut rest = text;
        while let Some(start) = rest.find('<') {
            let end = start + rest[start..].find('>').expect("a tag ends");
            let tag = &rest[start + 1..end];
            rest = &rest[end + 1..];
            let name = tag.trim_matches('/').split([' ', '\n']).next().unwrap();
            match (tag.starts_with(['?', '!']), tag.starts_with('/'), tag.ends_with('/')) {
                (true, ..) => continue,
                (_, true, _) => {
                    assert_eq!(open.pop(), Some(name.to_owned()), "{text}");
                    continue;
                }
                (_, _, true) => {}
                _ => open.push(name.to_owned()),
            }
            match name {
                "testsuite" => suites += 1,
                "testcase" => {
                    let named = tag.split_once(" name=\"").unwrap().1.split_once('"').unwrap().0;
                    cases.push((named.to_owned(), None));
                }
                "failure" | "error" => cases.last_mut().unwrap().1 = Some(name.to_owned()),
                _ => {}
            }
        }
        assert!(open.is_empty(), "{open:?} not closed");
        Self { suites, cases }
    }
}

/// Waits until the process that a command started and wrote down is gone.
#[track_caller]
fn assert_gone(file: &Path) {
    let pid = fs::read_to_string(file).unwrap();
    let process = Path::new("/proc").join(pid.trim());
    eventually("the command's own child ended", || {
        // A process that nobody waited for is over too.
        fs::read_to_string(process.join("stat")).map_or(true, |stat| stat.contains(") Z "))
    });
}

#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = SystemTime::now();
    while !holds() {
        assert!(began.elapsed().unwrap_or_default() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
