//! What clients see at the URL while the app is restarted under them, on the real engine.

use crate::harness::{On, Project, Up, on_each_engine};
use crate::load::{Load, Outcome};
use serde_json::Value;
use std::collections::BTreeMap;

const DOCKERFILE: &str = "FROM node:20-alpine\nCOPY app.js /app.js\nCMD [\"node\", \"/app.js\"]\n";

/// Answers with who it is: the start of its process, when it was told to stop, and the time; all of the machine's one clock.
const APP: &str = "const began = Date.now();
let told = null;
const server = require('http').createServer((_, answer) => {
  const body = JSON.stringify({ life: `${began}-${process.pid}`, began, told, at: Date.now() });
  setTimeout(() => answer.end(body), DELAY);
});
setTimeout(() => server.listen(process.env.PORT), BOOT);
process.on('SIGTERM', () => TERM);
";

/// An app that takes so many milliseconds to boot and for an answer, and does this when it is told to stop.
fn app(on: On, boot: u32, delay: u32, at_term: &str) -> Project {
    let project = on.empty("shop");
    let script = APP.replace("BOOT", &boot.to_string()).replace("DELAY", &delay.to_string()).replace("TERM", at_term);
    project.write("Dockerfile", DOCKERFILE).write("app.js", &script);
    project
}

/// Ends its answers first, as an app should (R5.3).
const GRACEFUL: &str = "server.close(() => process.exit(0))";

/// Serves for a while yet, and then ends its answers: who asks it in that time is seen.
const LINGERS: &str = "(told = Date.now(), setTimeout(() => server.close(() => process.exit(0)), 400))";

/// When a process that answered began, and when it answered last.
struct Life {
    began: u64,
    last: u64,
}

/// The lives that answered, in the order of their beginning.
fn lives(outcomes: &[Outcome]) -> Vec<Life> {
    let mut lives: BTreeMap<(u64, String), Life> = BTreeMap::new();
    for (_, body) in outcomes.iter().flatten().filter(|(status, _)| *status == 200) {
        let body: Value = serde_json::from_str(body).unwrap();
        let (began, at) = (body["began"].as_u64().unwrap(), body["at"].as_u64().unwrap());
        let name = body["life"].as_str().unwrap().to_owned();
        let life = lives.entry((began, name)).or_insert(Life { began, last: at });
        life.last = life.last.max(at);
    }
    lives.into_values().collect()
}

/// Restarts under load until `times` new dynos came up in turn, each of which some client saw at work.
fn restart_under_load(project: &Project, port: u16, times: usize) -> Vec<Outcome> {
    let load = Load::begin(port, 3, 3);
    let some_more = || {
        let before = load.count();
        while load.count() < before + 12 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    };
    some_more();
    for _ in 0..times {
        project.run(&["ps:restart"]).expect_code(0);
        project.run(&["ps:wait", "-t", "120"]).expect_code(0);
        some_more();
    }
    load.end()
}

/// How many requests had each other outcome than 200.
fn failed(outcomes: &[Outcome]) -> BTreeMap<String, usize> {
    let mut failed = BTreeMap::new();
    for outcome in outcomes {
        let what = match outcome {
            Ok((200, _)) => continue,
            Ok((status, _)) => status.to_string(),
            Err(error) => error.clone(),
        };
        *failed.entry(what).or_default() += 1;
    }
    failed
}

/// Every request must have been answered with 200.
#[track_caller]
fn none_failed(outcomes: &[Outcome], up: &Up) {
    let failed = failed(outcomes);
    let errors = || up.log().into_iter().filter(|line| line.contains("at=error")).collect::<Vec<_>>().join("\n");
    assert!(failed.is_empty(), "of {} requests: {failed:?}\n{}", outcomes.len(), errors());
}

on_each_engine! {
    fn r5_6_with_preboot_fifty_restarts_under_load_fail_no_request(on) {
        let project = app(on, 0, 0, GRACEFUL);
        let up = project.up(&[]);
        let port = up.ready();
        project.run(&["features:enable", "preboot"]).expect_code(0);
        let mut outcomes = restart_under_load(&project, port, 50);
        // Orders that come faster than a dyno boots: the newest counts, and the old dyno serves all the while.
        let load = Load::begin(port, 3, 3);
        for _ in 0..5 {
            project.run(&["ps:restart"]).expect_code(0);
        }
        project.run(&["ps:wait", "-t", "120"]).expect_code(0);
        let in_turn = lives(&outcomes);
        outcomes.extend(load.end());
        none_failed(&outcomes, &up);
        assert_eq!(in_turn.len(), 51, "every dyno answered, in {} requests", outcomes.len());
        for (number, pair) in in_turn.windows(2).enumerate() {
            assert!(
                pair[0].last >= pair[1].began,
                "restart {}: the old dyno answered last at {}, and the new one began at {} ({} requests)",
                number + 1,
                pair[0].last,
                pair[1].began,
                outcomes.len()
            );
        }
        up.stop();
    }
}

/// Every request was answered: with 200, or with the page of H13 by an app that went before it had answered. Returns how
/// many with that.
#[track_caller]
fn answered(outcomes: &[Outcome], up: &Up) -> usize {
    let counts = failed(outcomes);
    let dropped = counts.get("503").copied().unwrap_or_default();
    assert_eq!(counts.values().sum::<usize>(), dropped, "of {} requests: {counts:?}", outcomes.len());
    let errors: Vec<String> = up.log().into_iter().filter(|line| line.contains("at=error")).collect();
    assert!(errors.len() >= dropped && errors.iter().all(|line| line.contains("code=H13 ")), "{errors:#?}");
    dropped
}

on_each_engine! {
    fn r5_6_without_preboot_requests_are_held_while_the_new_dyno_boots(on) {
        // What was on its way when the dyno was told to stop comes at once; the next dyno boots for longer than this.
        const LATE: u64 = 100;
        let project = app(on, 250, 0, LINGERS);
        let up = project.up(&[]);
        let outcomes = restart_under_load(&project, up.ready(), 50);
        // What is in an app's accept queue when it closes its socket is lost.
        answered(&outcomes, &up);
        let in_turn = lives(&outcomes);
        assert_eq!(in_turn.len(), 51, "every dyno answered, in {} requests", outcomes.len());
        for (_, body) in outcomes.iter().flatten().filter(|(status, _)| *status == 200) {
            let body: Value = serde_json::from_str(body).unwrap();
            let told = body["told"].as_u64().unwrap_or(u64::MAX);
            assert!(body["at"].as_u64().unwrap() <= told.saturating_add(LATE), "asked after it was told to stop: {body}");
        }
        up.stop();
    }
}

on_each_engine! {
    fn r5_3_an_app_that_drops_its_requests_at_sigterm_gets_h_codes_and_no_refused_or_reset_connection(on) {
        let project = app(on, 0, 100, "process.exit(0)");
        let up = project.up(&[]);
        let outcomes = restart_under_load(&project, up.ready(), 5);
        assert!(answered(&outcomes, &up) > 0, "the app was asked when it went: {} requests", outcomes.len());
        up.stop();
    }
}
