//! What needs no engine: usage, wrong projects, machines without an engine.

use crate::harness::Project;

#[test]
fn without_an_engine_the_message_says_what_was_looked_for_and_how_to_get_one() {
    let project = Project::of("tests/fixtures/apps/env-dump");
    let mut command = project.command(&["up"]);
    let output = command.env("DOCKER_HOST", "unix:///nowhere/docker.sock").output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{err}");
    for part in ["no container engine answers", "/nowhere/docker.sock", "DOCKER_HOST", "help:"] {
        assert!(err.contains(part), "no {part} in\n{err}");
    }
}

#[test]
fn a_project_without_anything_to_run_names_the_ways_out() {
    let project = Project::empty("nothing");
    let ended = project.run(&["up"]);
    ended.expect_code(2).expect_err("Dockerfile").expect_err("heroku.yml");
}

#[test]
fn a_wrong_heroku_yml_is_shown_with_line_key_and_fix() {
    let project = Project::empty("slip");
    project.write("Dockerfile", "FROM busybox\n");
    project.write("heroku.yml", "build:\n  docker:\n    web: Dockerfile\n  run:\n    web: ./start\n");
    let ended = project.run(&["up"]);
    ended.expect_code(2).expect_err("heroku.yml:4").expect_err("run").expect_err("help:");
}

#[test]
fn required_variables_of_app_json_that_are_missing_stop_up_by_name() {
    let project = Project::empty("needy");
    project.write("Dockerfile", "FROM busybox\nCMD [\"true\"]\n");
    project.write(
        "app.json",
        "{\"name\": \"needy\", \"env\": {\n  \"STRIPE_KEY\": {\"description\": \"Payments\"},\n  \"MODE\": \"x\"\n}}",
    );
    let ended = project.run(&["up"]);
    ended.expect_code(2).expect_err("STRIPE_KEY");
    assert!(!ended.err.contains("MODE"), "{}", ended.err);
}

#[test]
fn a_type_that_is_not_there_names_those_that_are() {
    let project = Project::empty("few");
    project.write("Dockerfile", "FROM busybox\nCMD [\"true\"]\n");
    let mut command = project.command(&["up", "clock=1"]);
    let output = command.env("DOCKER_HOST", "unix:///nowhere/docker.sock").output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("no process type `clock`") && err.contains("web"), "{err}");
}

#[test]
fn down_with_nothing_running_exits_0_even_without_an_engine() {
    let project = Project::empty("idle");
    let output = project.command(&["down"]).env("DOCKER_HOST", "unix:///nowhere/docker.sock").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn wrong_usage_is_2_and_help_is_0() {
    let project = Project::empty("x");
    project.run(&["upp"]).expect_code(2).expect_err("up");
    project.run(&["up", "web=many"]).expect_code(2).expect_err("not a number of dynos");
    project.run(&["up", "--timeouts", "boost=1s"]).expect_code(2).expect_err("first-byte");
    project.run(&["--help"]).expect_code(0).expect_out("Exit codes");
    project.run(&["completion", "bash"]).expect_code(0).expect_out("dynosim");
}

#[test]
fn every_manifest_shape_of_the_wild_loads_or_is_refused_with_line_and_fix() {
    let base = "FROM busybox\nCMD [\"true\"]\n";
    for (manifest, refused_at) in [
        ("build:\n  docker:\n    web: Dockerfile\n  config:\n    PORT: 50501\nrun:\n  web: python3 server.py", None),
        ("build:\n  docker:\n    web: Dockerfile\nrun:\n    web: a\n    worker: b", None),
        ("release:\n  command:\n     rake assets:precompile ", None),
        ("build:\n  languages:\n    - go\nrun:\n  web: admin\n", Some("heroku.yml:2")),
        ("build:\n  docker:\n    web: client/Dockerfile\n", Some("heroku.yml:3")),
    ] {
        let project = Project::empty("shape");
        project.write("Dockerfile", base).write("heroku.yml", manifest);
        let mut command = project.command(&["build"]);
        let output = command.env("DOCKER_HOST", "unix:///nowhere/docker.sock").output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        match refused_at {
            // Read without fault; what stops it is that there is no engine here.
            None => assert_eq!(output.status.code(), Some(6), "{manifest}\n{err}"),
            Some(place) => {
                assert_eq!(output.status.code(), Some(2), "{manifest}\n{err}");
                assert!(err.contains(place) && err.contains("help:"), "{manifest}\n{err}");
            }
        }
    }
}

#[test]
fn a_folder_that_is_not_there_is_wrong_usage() {
    let project = Project::empty("gone");
    project.run(&["up", "-C", "/nowhere/at/all"]).expect_code(2).expect_err("/nowhere/at/all").expect_err("-C");
}

#[test]
fn the_log_of_an_app_that_never_ran_says_so() {
    let project = Project::empty("silent");
    project.run(&["logs"]).expect_code(1).expect_err("has not run here yet").expect_err("dynosim up");
}
