//! The examples that show what the documents on Docker and Heroku describe, each run as its README says.

use crate::harness::{Project, engine_lock, on_each_engine};
use crate::support::engine_or_skip;
use std::process::Command;

on_each_engine! {
    fn r1_1_two_dockerfiles_are_two_process_types_each_with_its_image(on) {
        let project = on.project("examples/web-and-worker");
        let up = project.up(&["web=2,worker=1"]);
        up.wait_err("web=2 worker=1");
        assert!(up.get("/").1.starts_with("Hello from web."));
        up.wait_out("app[worker.1]: job 1 done");
        let ended = up.stop();
        ended.expect_out("app[worker.1]: worker stops after");
    }
}

#[test]
fn r1_1_recursive_finds_the_frontend_s_dockerfile_and_builds_it_in_its_folder() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("examples/recursive");
    let up = project.up(&["--recursive", "web=1,frontend=1"]);
    up.ready();
    assert_eq!(up.get("/"), (200, "{\"message\": \"Hello from the API\", \"dyno\": \"web.1\"}".to_owned()));
    up.wait_out("app[frontend.1]: rendered ");
    up.stop();
    let alone = project.up(&[]);
    let line = alone.wait_err("✔ up ");
    assert!(!line.contains("frontend"), "{line}");
    alone.stop();
}

on_each_engine! {
    fn r9_the_release_phase_of_heroku_yml_runs_first_and_keeps_a_failed_release_from_going_live(on) {
        let project = on.project("examples/release-phase");
        let up = project.up(&[]);
        up.ready();
        assert_eq!(up.get("/").1, "Hello from production, web.1\n");
        let log = up.log();
        let at = |part: &str| log.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}\n{log:#?}"));
        assert!(at("migrated") < at("heroku[web.1]: Starting process"), "{log:#?}");
        up.stop();
        project.write(".env", "FAIL_MIGRATION=1\n");
        project.run(&["up"]).expect_code(4).expect_out("the migration fails, as it was asked to");
    }
}

#[test]
fn the_tutorial_s_hello_world_passes_its_unit_test_in_its_image_before_and_after_the_update() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("examples/hello-world");
    let unit_test = ["run", "--", "python", "-m", "unittest", "tests"];
    project.run(&unit_test).expect_code(0);
    let up = project.up(&["--no-watch"]);
    up.ready();
    assert_eq!(up.get("/"), (200, "Hello World!\n".to_owned()));
    up.stop();
    let patch = Command::new("patch").args(["-p1", "-i", "v1.0.1.patch"]).current_dir(&project.dir).output().unwrap();
    assert!(patch.status.success(), "{patch:?}");
    project.run(&unit_test).expect_code(0);
    let up = project.up(&["--no-watch"]);
    up.ready();
    assert_eq!(up.get("/").1, "Hello again, World!\n");
    up.stop();
}
