//! Commands about apps at Heroku, against the stand-in.

use crate::harness::{Finished, Project};
use crate::stand_in::{App, KEY, Phase, StandIn, Trouble};
use serde_json::json;

const WEB: &str = "sha256:a7af7a3b3d6e00000000000000000000000000000000000000000000000000a1";

/// Runs dynosim against the stand-in, with the key in the environment.
fn ask(heroku: &StandIn, project: &Project, args: &[&str]) -> Finished {
    let mut command = project.command(args);
    command.env("HEROKU_API_URL", heroku.url()).env("HEROKU_API_KEY", KEY);
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    Finished {
        status: output.status,
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn run(heroku: &StandIn, project: &Project, words: &str) -> Finished {
    ask(heroku, project, &words.split(' ').collect::<Vec<_>>())
}

/// An app that runs an image, after one that it may go back to and one that failed.
fn shop() -> App {
    let mut app = App::new("shop").pushed("web", WEB);
    app.images = [("web".to_owned(), "sha256:0c1d2e3f4a5b".to_owned())].into();
    app.add("Deployed web (0c1d2e3f4a5b)", "succeeded");
    app.images = [("web".to_owned(), WEB.to_owned())].into();
    app.add("Deployed web (a7af7a3b3d6e)", "succeeded");
    app.add("Deployed web (ffffffffffff)", "failed");
    app
}

#[test]
fn releases_at_heroku_are_listed_and_shown_like_those_here() {
    let (heroku, project) = (StandIn::start(vec![shop()]), Project::empty("shop"));
    heroku.world().page = 2;
    let list = run(&heroku, &project, "releases -a shop");
    list.expect_code(0);
    assert_eq!(
        list.out,
        "=== shop Releases - Current: v4\n\n\
         v5 Deployed web (ffffffffffff) release command failed ann@example.com 2019/11/21 03:08:15 +0000\n\
         v4 Deployed web (a7af7a3b3d6e)                        ann@example.com 2019/11/21 03:08:15 +0000\n\
         v3 Deployed web (0c1d2e3f4a5b)                        ann@example.com 2019/11/21 03:08:15 +0000\n\
         v2 Enable Logplex                                     ann@example.com 2019/11/21 03:08:15 +0000\n\
         v1 Initial release                                    ann@example.com 2019/11/21 03:08:15 +0000\n"
    );
    assert_eq!(heroku.asked(), ["GET /apps/shop/releases"; 3], "a list comes page by page");
    assert_eq!(run(&heroku, &project, "releases -a shop -n 3").out.matches("Deployed").count(), 3);
    let info = run(&heroku, &project, "releases:info v4 -a shop");
    info.expect_code(0).expect_out("=== Release v4").expect_out("Eligible for Rollback?: Yes");
    info.expect_out("=== v4 Config vars").expect_out("MODE: production");
    let json: serde_json::Value =
        serde_json::from_str(&run(&heroku, &project, "releases:info --json -a shop").out).unwrap();
    assert_eq!((&json["version"], &json["status"]), (&5.into(), &"failed".into()));
    let none = run(&heroku, &project, "releases:output v4 -a shop");
    none.expect_code(0).expect_err("warning: Release v4 has no release output available.");
    assert!(!project.dir.parent().unwrap().join("state").exists(), "an app at Heroku leaves nothing here");
}

#[test]
fn r9_a_rollback_at_heroku_shows_its_release_phase_and_returns_4_when_it_fails() {
    let prints: &[&[u8]] = &[b"migrating", b"...\nmigrated 3 of 3\n"];
    let (heroku, project) = (StandIn::start(vec![shop()]), Project::empty("shop"));
    let plain = run(&heroku, &project, "rollback -a shop");
    plain.expect_code(0);
    assert_eq!(
        plain.err,
        "Rolling back shop to v3... done, v6\n\
         warning: Rollback affects code and config vars; it doesn't add or remove addons.\n\
         warning: To undo, run: dynosim rollback v5 -a shop\n"
    );
    heroku.world().app("shop").phase = Some(Phase::printing(prints, "succeeded"));
    let good = run(&heroku, &project, "rollback v4 -a shop");
    assert_eq!(good.expect_code(0).out, "migrating...\nmigrated 3 of 3\n");
    good.expect_err("Running release command...");
    assert_eq!(run(&heroku, &project, "releases:output v7 -a shop").expect_code(0).out, good.out);
    heroku.world().app("shop").phase = Some(Phase::printing(prints, "failed"));
    let bad = run(&heroku, &project, "rollback v3 -a shop");
    assert_eq!(bad.expect_code(4).out, "migrating...\nmigrated 3 of 3\n");
    bad.expect_err("error: the release command of v8 failed; shop goes on with what ran before");
    bad.expect_err("dynosim releases:output v8 -a shop");
    let refused = run(&heroku, &project, "rollback v5 -a shop");
    refused.expect_code(1).expect_err("error: Cannot roll back to a release that failed. (422 invalid_params, request 9c1f0002");
    assert!(heroku.world().streamed.iter().all(|asked| asked.authorization.is_none()), "the key goes to the API alone");
}

#[test]
fn a_stream_that_comes_late_is_silent_and_breaks_is_read_whole() {
    let text: &[&[u8]] = &[b"one\ntwo\n", b"three\n", b"four\n"];
    let mut phase = Phase::printing(text, "succeeded");
    (phase.too_early, phase.breaks_after) = (2, Some(6));
    phase.prints[2].0 = std::time::Duration::from_millis(1500);
    let (heroku, project) = (StandIn::start(vec![shop().with_phase(phase)]), Project::empty("shop"));
    let done = run(&heroku, &project, "rollback v3 -a shop");
    assert_eq!(done.expect_code(0).out, "one\ntwo\nthree\nfour\n");
    let ranges: Vec<_> = heroku.world().streamed.iter().map(|asked| asked.range.clone()).collect();
    assert_eq!(ranges, [None, None, None, Some("bytes=6-".into())]);
}

#[test]
fn refusals_are_in_heroku_s_words_with_what_to_do() {
    let mut foreign = App::new("foreign");
    foreign.open = false;
    let (heroku, project) = (StandIn::start(vec![shop(), foreign]), Project::empty("shop"));
    let says = |words: &str, code: i32, text: &str, help: &str| {
        run(&heroku, &project, words).expect_code(code).expect_err(&format!("error: {text}")).expect_err(help);
    };
    says("releases -a shpo", 1, "Couldn't find that app. (404 not_found, request 9c1f0002", "the spelling of -a");
    says("releases -a foreign", 1, "You do not have access to the app foreign. (403 forbidden", "the key in HEROKU_API_KEY");
    says("releases:info v99 -a shop", 1, "Couldn't find that release. (404", "");
    says("releases -a ../account", 1, "Couldn't find that app. (404", "");
    heroku.fails(&[("GET", Trouble::Refuse(403, "two_factor", "A second authentication factor is required.", &[]))]);
    says("releases -a shop", 1, "A second authentication factor is required. (403 two_factor", "authorizations:create");
    heroku.fails(&[("GET", Trouble::Html(200))]);
    says("releases -a shop", 1, "127.0.0.1:", "cannot be read");
    heroku.fails(&[("POST", Trouble::Refuse(409, "conflict", "Another release is in progress.", &[]))]);
    says("rollback -a shop", 1, "Another release is in progress. (409 conflict", "try again when it is done");
}

#[test]
fn no_key_a_wrong_key_and_a_strange_api_are_told_apart_and_no_key_is_shown() {
    let (heroku, project) = (StandIn::start(vec![shop()]), Project::empty("shop"));
    let with = |variables: &[(&str, &str)]| {
        let mut command = project.command(&["releases", "-a", "shop"]);
        let output = command.env("HEROKU_API_URL", heroku.url()).envs(variables.iter().copied()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, text) = with(&[]);
    assert!(code == 1 && text.contains("there is no API key for 127.0.0.1:") && text.contains("heroku auth:token"), "{text}");
    let (code, text) = with(&[("HEROKU_API_KEY", "wrong-key-0815")]);
    assert!(code == 1 && text.contains("Invalid credentials provided. (401 unauthorized"), "{text}");
    assert!(text.contains("the key in HEROKU_API_KEY is not taken") && !text.contains("0815"), "{text}");
    let netrc = format!("machine 127.0.0.1:{}\n  login ann\n  password {KEY}\n", heroku.port);
    std::fs::write(project.dir.parent().unwrap().join(".netrc"), netrc).unwrap();
    assert_eq!(with(&[]).0, 0);
    let (code, text) = with(&[("HEROKU_API_URL", "http://api.example.com"), ("HEROKU_API_KEY", KEY)]);
    assert!(code == 2 && text.contains("HEROKU_API_URL is plain HTTP"), "{text}");
    let (code, text) = with(&[("HEROKU_API_URL", "http://127.0.0.1:9"), ("HEROKU_API_KEY", KEY)]);
    assert!(code == 1 && text.contains("127.0.0.1:9 cannot be reached:") && text.contains("refused"), "{text}");
}

#[test]
fn what_only_reads_is_asked_again_and_what_changes_something_is_not() {
    let (heroku, project) = (StandIn::start(vec![shop()]), Project::empty("shop"));
    let broken = Trouble::Refuse(503, "service_unavailable", "Try again.", &[]);
    heroku.fails(&[("GET", broken.clone()), ("GET", Trouble::HangUp), ("GET", Trouble::Html(502))]);
    let list = run(&heroku, &project, "releases -a shop");
    list.expect_code(0).expect_err("answers 503; trying again in 0.5 s").expect_err("does not answer; trying again in 1.0 s");
    heroku.fails(&[("POST", broken)]);
    run(&heroku, &project, "rollback v3 -a shop").expect_code(1).expect_err("Try again. (503").expect_err("the fault is Heroku's");
    heroku.fails(&[("POST", Trouble::HangUp)]);
    let lost = run(&heroku, &project, "rollback v3 -a shop");
    lost.expect_code(1).expect_err("did not answer POST /apps/shop/releases").expect_err("whether it was done is not known");
    assert_eq!(heroku.world().changes().len(), 2, "neither was sent twice");
    let limit = |after| Trouble::Refuse(429, "rate_limit", "Your account reached the API rate limit.", after);
    heroku.fails(&[("POST", limit(&[("retry-after", "0")]))]);
    run(&heroku, &project, "rollback v3 -a shop").expect_code(0).expect_err("answers 429; trying again in 0.0 s");
    heroku.fails(&[("GET", limit(&[("retry-after", "600")]))]);
    run(&heroku, &project, "releases -a shop").expect_code(1).expect_err("reached the API rate limit. (429").expect_err("75 more requests");
}

#[test]
fn removing_a_process_type_takes_its_image_from_the_app() {
    let (heroku, project) = (StandIn::start(vec![shop()]), Project::empty("shop"));
    let removed = run(&heroku, &project, "container:rm web -a shop");
    assert_eq!(removed.expect_code(0).err, "Removing container web for shop... done\n");
    assert_eq!(
        heroku.world().changes(),
        [("PATCH /apps/shop/formation/web".to_owned(), json!({"docker_image": null}))]
    );
    run(&heroku, &project, "container:rm web -a shop").expect_code(1).expect_err("Couldn't find that process type.");
    heroku.world().app("shop").stack = "heroku-24";
    let slug = run(&heroku, &project, "container:rm web -a shop");
    slug.expect_code(1).expect_err("This command is for Docker apps only; shop is on the stack heroku-24.");
    slug.expect_err("heroku stack:set container -a shop");
    run(&heroku, &project, "container:rm -a shop").expect_code(2);
    run(&heroku, &project, "container:rm web").expect_code(2).expect_err("--app");
}

/// Runs Heroku's own CLI against the stand-in; `None` where it is not installed.
fn heroku_cli(heroku: &StandIn, home: &std::path::Path, words: &str) -> Option<Finished> {
    let program = std::env::var_os("DYNOSIM_HEROKU_CLI").unwrap_or_else(|| "heroku".into());
    let mut command = std::process::Command::new(program);
    command.args(words.split(' ')).env_clear().env("PATH", std::env::var_os("PATH")?).env("HOME", home);
    command.env("HEROKU_HOST", heroku.url()).env("HTTP_PROXY", heroku.url()).env("NO_PROXY", "");
    command.env("HEROKU_API_KEY", KEY).env("HEROKU_PARTICLEBOARD_URL", heroku.url());
    for off in ["DISABLE_TELEMETRY", "HEROKU_SKIP_NEW_VERSION_CHECK"] {
        command.env(off, "true");
    }
    command.env("HEROKU_DISABLE_AUTOUPDATE", "1").env("HEROKU_NOTIFICATIONS", "0").env("NO_COLOR", "1");
    let output = command.stdin(std::process::Stdio::null()).output().ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Finished { status: output.status, out: text(&output.stdout), err: text(&output.stderr) })
}

/// Words alone: each program makes columns, rules and the lines of a warning its own way.
fn words(text: &str) -> Vec<String> {
    let text = text.replace("Warning:", "warning:").replace("heroku rollback", "dynosim rollback").replace(" -a shop", "");
    // The CLI says this on stdout, dynosim with all else that is no result on stderr.
    let text = text.replace("Running release command...", "");
    let word = |word: &&str| !matches!(*word, "›" | "v" | "description" | "user" | "created_at") && !word.starts_with('─');
    text.split_whitespace().filter(word).map(str::to_owned).collect()
}

#[test]
fn the_heroku_cli_and_dynosim_say_the_same_of_the_same_app() {
    let (theirs, ours) = (StandIn::start(vec![shop()]), StandIn::start(vec![shop()]));
    let (project, home) = (Project::empty("shop"), tempfile::tempdir().unwrap());
    let failing = Phase::printing(&[b"migrating\n"], "failed");
    for (line, phase) in [
        ("releases -a shop", None),
        ("releases:info v4 -a shop", None),
        ("rollback -a shop", None),
        ("rollback v4 -a shop", Some(Phase::printing(&[b"migrating\n", b"done\n"], "succeeded"))),
        ("releases:output -a shop", None),
        ("releases -a shop", None),
        ("releases -a shpo", None),
        ("rollback v3 -a shop", Some(failing)),
        ("container:rm web -a shop", None),
    ] {
        for heroku in [&theirs, &ours] {
            heroku.world().app("shop").phase.clone_from(&phase);
        }
        let Some(cli) = heroku_cli(&theirs, home.path(), line) else {
            eprintln!("skipped, the Heroku CLI is not installed: the_heroku_cli_and_dynosim_say_the_same_of_the_same_app");
            return;
        };
        let own = run(&ours, &project, line);
        let fails = own.status.code() != Some(0);
        // Of a release that fails, the CLI's `rollback` says nothing and ends well; errors are in the words of each.
        assert!(fails || words(&cli.out) == words(&own.out), "{line}\n{}\n{}", cli.out, own.out);
        if line.starts_with("rollback") && phase.is_none() {
            assert_eq!(words(&cli.err), words(&own.err));
        }
        if line.contains("shpo") {
            assert!(cli.err.contains("Couldn't find that app.") && cli.err.contains("not_found"), "{}", cli.err);
            own.expect_err("Couldn't find that app. (404 not_found");
        }
    }
    let (theirs, ours) = (theirs.world().changes(), ours.world().changes());
    assert_eq!(theirs, ours, "and ask Heroku for the same changes");
}
