//! `up` killed with SIGKILL at moments that are known, and at drawn ones: the next `up` is clean, and nothing that was
//! acknowledged is lost.

use crate::harness::{Finished, Project, Up, docker, engine_lock};
use crate::support::engine_or_skip;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const ENV: &str = "# ours\nMODE='test' # as in CI\nKEEP=1\n";
const YML: &str = "build:\n  docker:\n    web: Dockerfile\nrun:\n  worker:\n    command:\n      - echo working && exec \
                   sleep 1000\n    image: web\nrelease:\n  image: web\n  command:\n    - echo migrating && sleep 1\n";

/// Each step takes long enough to be killed in: build, release phase, boot.
fn shop() -> Project {
    let project = Project::empty("shop");
    let build = format!("FROM busybox\nRUN echo {} && sleep 1\n", mark(&project));
    let serve = "RUN mkdir /www && echo hello > /www/index.html\nCMD sleep 1 && exec httpd -f -p $PORT -h /www\n";
    project.write("Dockerfile", &format!("{build}{serve}")).write("heroku.yml", YML).write(".env", ENV);
    project
}

/// A word that no other build has, so that nothing of this one is cached.
fn mark(project: &Project) -> String {
    let home = project.dir.parent().unwrap().file_name().unwrap().to_str().unwrap();
    format!("build-of{}", home.replace('.', "-"))
}

fn start(project: &Project, args: &[&str]) -> Child {
    project.command(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What was acknowledged before the end, and what was under way.
#[derive(Default)]
struct Asked {
    /// Releases as the app listed them.
    releases: Vec<Value>,
    /// Killed while a release was pending.
    pending: bool,
    /// Config vars: acknowledged, and one whose command was not answered.
    config: BTreeMap<String, String>,
    config_under_way: Option<(String, String)>,
    /// Workers: acknowledged, and a number whose command was not answered.
    workers: u64,
    workers_under_way: Option<u64>,
}

impl Asked {
    /// For nothing but what the files say.
    fn nothing() -> Self {
        let config = [("MODE", "test"), ("KEEP", "1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        // Each declared type gets one dyno (R5.6).
        Self { config: config.into(), workers: 1, ..Self::default() }
    }
}

fn json_of(finished: &Finished) -> Value {
    finished.expect_code(0);
    serde_json::from_str(&finished.out).unwrap()
}

fn releases(project: &Project) -> Vec<Value> {
    json_of(&project.run(&["releases", "--json"])).as_array().unwrap().clone()
}

/// Starts the app again and compares all of it with what was asked for.
#[track_caller]
fn is_clean_after(project: &Project, asked: &Asked, moment: &str) {
    let killed = releases(project);
    let pending = killed.first().is_some_and(|newest| newest["status"] == "pending");
    assert!(pending || !asked.pending, "killed too late to be killed at {moment}");
    let up = project.run(&["up", "-d", "--wait"]);
    assert_eq!(up.status.code(), Some(0), "killed at {moment}; the next up:\n{}", up.err);
    same_releases(&asked.releases, &killed, moment);
    let after = releases(project);
    same_releases(&killed, &after, moment);
    closed(&killed, &after, moment);
    let config: BTreeMap<String, String> =
        serde_json::from_value(json_of(&project.run(&["config", "--json"]))).unwrap();
    let mut with = asked.config.clone();
    with.extend(asked.config_under_way.clone());
    assert!(config == asked.config || config == with, "killed at {moment}: {config:?}, and not {:?}", asked.config);
    let env = std::fs::read_to_string(project.dir.join(".env")).unwrap();
    assert!(env.starts_with("# ours\nMODE=") && env.ends_with('\n'), "killed at {moment}: {env}");
    let dynos = json_of(&project.run(&["ps", "--json"]));
    let names: Vec<&str> = dynos.as_array().unwrap().iter().map(|dyno| dyno["name"].as_str().unwrap()).collect();
    let workers = names.iter().filter(|name| name.starts_with("worker.")).count() as u64;
    let expected = [Some(asked.workers), asked.workers_under_way];
    assert!(expected.contains(&Some(workers)), "killed at {moment}: {names:?}, and not {expected:?} workers");
    let left = project.there();
    let containers = left.iter().filter(|one| one.starts_with("container ")).count();
    assert_eq!(containers, names.len(), "killed at {moment}: only dynos that are wanted: {left:?}");
    project.run(&["down"]).expect_code(0);
    assert_eq!(project.left_behind(), Vec::<String>::new(), "killed at {moment}");
    let repository = format!("dynosim/{}", project.state().file_name().unwrap().to_str().unwrap());
    let images = docker(&["images", "-q", "--no-trunc", &format!("--filter=reference={repository}/*")]);
    assert_eq!(images.lines().collect::<std::collections::BTreeSet<_>>().len(), 1, "killed at {moment}: {images}");
    for folder in [project.dir.clone(), project.state(), project.state().join("runs")] {
        let strange = strangers(&folder);
        assert!(strange.is_empty(), "killed at {moment}: left in {}: {strange:?}", folder.display());
    }
    assert!(!project.state().join("api.sock").exists(), "killed at {moment}");
}

/// Files that somebody was writing and nobody took away.
fn strangers(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.') && name != ".env").collect()
}

/// Those that were listed are there with the same facts.
#[track_caller]
fn same_releases(before: &[Value], after: &[Value], moment: &str) {
    let find = |version: &Value| after.iter().find(|release| release["version"] == *version);
    for old in before {
        let now = find(&old["version"]).unwrap_or_else(|| panic!("killed at {moment}: {} is lost", old["version"]));
        let facts = |one: &Value| json!([one["description"], one["images"], one["user"], one["created_at"]]);
        assert_eq!(facts(now), facts(old), "killed at {moment}");
    }
}

/// One that was pending is expired, and no other changed; the newest runs.
#[track_caller]
fn closed(killed: &[Value], after: &[Value], moment: &str) {
    let status = |release: &Value| match release["status"].as_str().unwrap() {
        "pending" => json!([release["version"], "expired"]),
        other => json!([release["version"], other]),
    };
    let now: Vec<Value> = after.iter().map(|one| json!([one["version"], one["status"]])).collect();
    assert_eq!(now[1..], killed.iter().map(status).collect::<Vec<_>>(), "killed at {moment}");
    assert_eq!(now[0][1], "succeeded", "killed at {moment}");
    assert_eq!(after[0]["current"], true, "killed at {moment}");
}

/// A moment to be killed at: waits for it, and says what was asked for until then.
type Moment = fn(&Project, &Up) -> Asked;

const MOMENTS: [(&str, Moment); 7] = [
    ("build", |project, up| {
        up.wait_err(&format!("build web:   {}", mark(project)));
        Asked::nothing()
    }),
    ("release phase", |_, up| {
        up.wait_out("]: migrating");
        Asked { pending: true, ..Asked::nothing() }
    }),
    ("dyno start", |_, up| {
        up.wait_out("heroku[web.1]: Starting process with command");
        Asked::nothing()
    }),
    ("scale", |project, up| {
        up.ready();
        project.run(&["ps:scale", "worker=3"]).expect_code(0);
        Asked { workers: 3, ..Asked::nothing() }
    }),
    ("scale under way", |project, up| {
        up.ready();
        drop(start(project, &["ps:scale", "worker=2"]));
        up.wait_out("Scaled to worker@2:Basic");
        Asked { workers_under_way: Some(2), ..Asked::nothing() }
    }),
    ("config write", |project, up| {
        up.ready();
        drop(start(project, &["config:set", "COLOR=blue"]));
        until(".env changes", || std::fs::read_to_string(project.dir.join(".env")).unwrap() != ENV);
        let under_way = Some(("COLOR".to_owned(), "blue".to_owned()));
        Asked { config_under_way: under_way, ..Asked::nothing() }
    }),
    ("rollback", |project, up| {
        up.ready();
        project.run(&["config:set", "MODE=live"]).expect_code(0);
        let releases = releases(project);
        drop(start(project, &["rollback", "v3"]));
        up.wait_out("Rollback to v3");
        Asked { releases, pending: true, ..Asked::nothing() }
    }),
];

#[test]
fn killed_at_any_known_moment_the_next_up_is_clean_and_nothing_acknowledged_is_lost() {
    engine_or_skip!();
    let _engine = engine_lock();
    for (name, moment) in MOMENTS {
        let project = shop();
        let up = project.up(&[]);
        let asked = moment(&project, &up);
        up.signal(Signal::KILL);
        up.finish();
        is_clean_after(&project, &asked, name);
    }
}

/// Draws numbers; the same seed draws the same.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        // A linear congruential step by Knuth's constants; its high bits are good enough to pick moments.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Asks for one thing after the other until the app is gone.
fn ask_on(project: &Project, draw: &mut Draw, asked: &mut Asked) {
    for number in 0_u64.. {
        let value = number.to_string();
        let gone = match draw.below(3) {
            0 => {
                asked.config_under_way = Some(("NUMBER".to_owned(), value.clone()));
                let done = project.run(&["config:set", &format!("NUMBER={value}")]).status.success();
                if done {
                    asked.config.extend(asked.config_under_way.take());
                }
                !done
            }
            1 => {
                let workers = draw.below(4);
                asked.workers_under_way = Some(workers);
                let done = project.run(&["ps:scale", &format!("worker={workers}")]).status.success();
                if done {
                    asked.workers = workers;
                    asked.workers_under_way = None;
                }
                !done
            }
            _ => !project.run(&["ps:restart"]).status.success(),
        };
        if gone {
            return;
        }
    }
}

/// `DYNOSIM_KILLS` says how often, `DYNOSIM_SEED` by which numbers.
#[test]
fn killed_at_drawn_moments_the_next_up_is_clean_and_nothing_acknowledged_is_lost() {
    engine_or_skip!();
    let _engine = engine_lock();
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (kills, first_seed) = (number("DYNOSIM_KILLS", 2), number("DYNOSIM_SEED", 1));
    for seed in first_seed..first_seed + kills {
        let mut draw = Draw(seed);
        let project = shop();
        let up = project.up(&[]);
        let steady = draw.below(4) > 0;
        let pid = rustix::process::Pid::from_raw(i32::try_from(up.pid()).unwrap()).unwrap();
        if steady {
            up.ready();
        }
        let wait = Duration::from_millis(draw.below(4000));
        let mut asked = Asked { releases: releases(&project), ..Asked::nothing() };
        let killer = std::thread::spawn(move || {
            std::thread::sleep(wait);
            rustix::process::kill_process(pid, Signal::KILL).unwrap();
        });
        if steady {
            ask_on(&project, &mut draw, &mut asked);
        }
        killer.join().unwrap();
        up.finish();
        is_clean_after(&project, &asked, &format!("a drawn moment: DYNOSIM_SEED={seed} DYNOSIM_KILLS=1"));
    }
}
