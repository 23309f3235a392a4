//! What `check` says is shown by runs on the real engine: the app that a rule flags does fail there, the mended one does not.
//!
//! `Rule::confirmed` tells which rules; each of them has a pair here or a wrong app of `tests/fixtures/apps`.

mod pairs;

use crate::harness::{Project, Up, engine_lock};
use crate::support::engine_or_skip;
use dynosim::lint::RULES;
use pairs::{Files, PAIRS, Pair, Shows};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Rules whose run is proved by another test of this folder.
const ELSEWHERE: &[(&str, &str)] = &[("D017", "r1_3_a_volume_is_neither_writable_nor_kept")];

/// What stands in a Dockerfile for an image that is had only from a registry: Debian's nginx, set up as that image's is.
const NGINX: &str = "FROM debian:bookworm-slim\nRUN apt-get update && apt-get install -y --no-install-recommends nginx-light gettext-base \
    && ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log && rm -r /var/lib/nginx && ln -s /tmp /var/lib/nginx\n\
    CMD [\"nginx\", \"-g\", \"daemon off;\"]\n";

/// A service of this machine that greets whoever connects.
fn service() -> u16 {
    static PORT: LazyLock<u16> = LazyLock::new(|| {
        let listener = TcpListener::bind(("0.0.0.0", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.write_all(b"a service of this machine\n");
            }
        });
        port
    });
    *PORT
}

fn app(name: &str, files: Files) -> Project {
    let project = Project::empty(name);
    for (file, text) in files {
        // Texts that should not stand in a file, for they look like secrets, are large, or are not known yet.
        let text = text
            .replace("%AWS%", concat!("AKIA2E0A8F3B", "244C9986"))
            .replace("%KEY%", concat!("-----BEGIN OPENSSH ", "PRIVATE KEY-----"))
            .replace("%LARGE%", &"x".repeat(65_600))
            .replace("%SERVICE%", &service().to_string());
        let path = project.dir.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        project.write(file, &text);
        let path = project.dir.join(file);
        if path.extension().is_some_and(|extension| extension == "sh") {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    project
}

fn flagged(project: &Project, rule: &str) -> bool {
    let ended = project.run(&["check", "--format", "json", "--fail-on", "none"]);
    let found: serde_json::Value =
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    found["findings"].as_array().unwrap().iter().any(|one| one["rule"] == rule)
}

#[test]
fn every_rule_that_claims_a_run_has_one() {
    let paired: BTreeSet<&str> =
        PAIRS.iter().map(|pair| pair.rule).chain(ELSEWHERE.iter().map(|(rule, _)| *rule)).collect();
    let claimed: BTreeSet<&str> = RULES.iter().filter(|rule| rule.confirmed.is_some()).map(|rule| rule.id).collect();
    assert_eq!(claimed, paired);
}

#[test]
fn what_a_rule_flags_it_flags_no_more_when_it_is_mended() {
    for pair in PAIRS {
        let (wrong, right) = (app("wrong", pair.wrong), app("right", pair.right));
        assert!(flagged(&wrong, pair.rule), "{} does not flag its wrong app", pair.rule);
        assert!(!flagged(&right, pair.rule), "{} flags the mended app", pair.rule);
    }
}

#[test]
fn what_a_rule_flags_fails_on_the_engine_and_the_mended_app_does_not() {
    engine_or_skip!();
    let _engine = engine_lock();
    let only = std::env::var("DYNOSIM_PAIR").ok();
    for pair in PAIRS.iter().filter(|pair| only.as_deref().is_none_or(|rule| rule == pair.rule)) {
        eprintln!("{}", pair.rule);
        fails(pair);
        let right = runnable("right", pair.right);
        match &pair.shows {
            Shows::Run(words, text) => {
                right.run(words).expect_out(text);
            }
            Shows::Holds(words, text) => assert!(!right.run(words).out.contains(text), "{}", pair.rule),
            _ => {}
        }
        let up = right.up(&["--timeouts", "boot=20s,backoff=60s,exit=2s"]);
        up.ready();
        if let Shows::Kept = pair.shows {
            assert!(is_kept(&up), "{}", pair.rule);
        }
        let ended = up.stop();
        if let Shows::Stop(text) = &pair.shows {
            ended.expect_out(text);
        }
    }
}

/// Whether the router's connection to the dyno outlives three seconds.
fn is_kept(up: &Up) -> bool {
    let (first, then) = (up.get("/"), Instant::now());
    assert_eq!(first.0, 200);
    std::thread::sleep(Duration::from_secs(3).saturating_sub(then.elapsed()));
    first == up.get("/")
}

/// The same app, on images that are at hand.
fn runnable(name: &str, files: Files) -> Project {
    let project = app(name, files);
    let dockerfile = project.dir.join("Dockerfile");
    if let Ok(text) = std::fs::read_to_string(&dockerfile) {
        std::fs::write(dockerfile, text.replace("FROM nginx:1-alpine\n", NGINX)).unwrap();
    }
    project
}

fn fails(pair: &Pair) {
    let project = runnable("wrong", pair.wrong);
    match &pair.shows {
        Shows::Log(line) => {
            let up = project.up(&["--timeouts", "boot=3s,backoff=60s,exit=1s"]);
            up.wait_out(line);
            up.wait_out("State changed from starting to crashed");
            up.stop();
        }
        Shows::Refused(-1, text) => {
            let up = project.up(&["--timeouts", "boot=20s,exit=2s"]);
            up.wait_err(text);
            up.ready();
            up.stop();
        }
        Shows::Refused(code, text) => {
            project.run(&["up", "--timeouts", "release=2s,boot=3s"]).expect_code(*code).expect_err(text);
        }
        Shows::Holds(words, text) => {
            project.run(words).expect_out(text);
        }
        Shows::Kept => {
            let up = project.up(&["--timeouts", "boot=20s,exit=2s"]);
            up.ready();
            assert!(!is_kept(&up), "{}", pair.rule);
            up.stop();
        }
        Shows::Stop(text) => {
            let up = project.up(&["--timeouts", "boot=20s,exit=2s"]);
            up.ready();
            assert!(!up.stop().out.contains(text), "{}", pair.rule);
        }
        Shows::Run(words, text) => {
            // What ignores its command may well serve for ever.
            let mut child = project
                .command(words)
                .stdin(std::process::Stdio::null())
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            let began = std::time::SystemTime::now();
            while child.try_wait().unwrap().is_none() && began.elapsed().unwrap_or_default().as_secs() < 15 {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
            let output = child.wait_with_output().unwrap();
            assert!(!String::from_utf8_lossy(&output.stdout).contains(text), "{}", pair.rule);
        }
    }
}
