//! `check` from outside: formats, exit codes, fixes, what is let pass, and its line in other commands.

use crate::harness::Project;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

const WRONG: &str = "FROM python:3.11-slim\nCMD gunicorn --bind 0.0.0.0:8000 app:app\n";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_finding_is_shown_with_place_reason_and_fix_and_the_code_is_7() {
    let project = Project::empty("shop");
    project.write("Dockerfile", WRONG);
    for command in ["check", "lint"] {
        let ended = project.run(&[command]);
        ended.expect_code(7).expect_out("error[D001]").expect_out("Dockerfile:2:21").expect_out("a port of its own");
        ended.expect_out("note: Heroku gives each web dyno").expect_out("`dynosim explain D001` says more");
        ended.expect_err("1 error of ").expect_err("`dynosim check --fix` mends 1");
    }
    project.run(&["check", "--fail-on", "none"]).expect_code(0);
    project.write("Dockerfile", "FROM busybox\nVOLUME /data\nCMD httpd -f -p $PORT\n");
    project.run(&["check"]).expect_code(0).expect_out("warning[D017]");
    project.run(&["check", "--fail-on", "warning"]).expect_code(7);
    project.write("dynosim.toml", "[check]\nfail-on = \"warning\"\n");
    project.run(&["check"]).expect_code(7);
    project.run(&["check", "--fail-on", "error"]).expect_code(0);
    project.write("dynosim.toml", "[check]\nfail_on = \"warning\"\n");
    project.run(&["check"]).expect_code(2).expect_err("dynosim.toml:2").expect_err("fail_on");
}

#[test]
fn a_procfile_alone_is_not_read_as_a_dockerfile() {
    let project = Project::of("examples/procfile");
    project.run(&["check"]).expect_code(0).expect_err("nothing found");
}

#[test]
fn a_check_needs_no_engine_and_leaves_nothing_behind() {
    let project = Project::of("examples/web-and-worker");
    let mut command = project.command(&["check"]);
    let output = command.env("DOCKER_HOST", "unix:///nowhere/docker.sock").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing found"));
    assert!(!project.dir.parent().unwrap().join("state").exists(), "no state folder is made");
}

#[test]
fn the_examples_have_no_error_and_no_warning_that_is_not_meant() {
    for name in ["hello-world", "node-multi", "python-web", "release-phase", "scratch-rust", "web-and-worker"] {
        let project = Project::of(&format!("examples/{name}"));
        project.run(&["check", "--fail-on", "warning"]).expect_code(0);
    }
    Project::of("examples/recursive").run(&["check", "-R", "--fail-on", "warning"]).expect_code(0);
    let project = Project::of("examples/procfile-dockerfile");
    project.run(&["check", "--fail-on", "warning"]).expect_code(7).expect_out("D046");
}

#[test]
fn programs_get_json_sarif_and_annotations() {
    let project = Project::empty("shop");
    project.write("Dockerfile", "FROM busybox\n# dynosim-ignore D017: scratch space\nVOLUME /data\nCMD [\"httpd\", \"-f\", \"-p\", \"$PORT\"]\n");
    let found = json(&project.run(&["check", "--format", "json"]).expect_code(7).out);
    let one = &found["findings"][0];
    assert_eq!(one["rule"], "D004");
    assert_eq!(one["file"], "Dockerfile");
    assert_eq!(one["line"], 4);
    assert_eq!(one["severity"], "error");
    assert_eq!(found["ignored"][0]["reason"], "scratch space");
    assert_eq!(json(&project.run(&["check", "--json"]).out), found);

    let sarif = json(&project.run(&["check", "--format", "sarif"]).expect_code(7).out);
    assert_eq!(sarif["version"], "2.1.0");
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results[0]["ruleId"], "D004");
    assert_eq!(results[0]["locations"][0]["physicalLocation"]["region"]["startLine"], 4);
    assert_eq!(results[1]["suppressions"][0]["kind"], "inSource");

    let lines = project.run(&["check", "--format", "github"]);
    lines
        .expect_code(7)
        .expect_out("::error file=Dockerfile,line=4,endLine=4,col=")
        .expect_out("title=D004 exec-form-variable::");
    assert_eq!(lines.out.lines().count(), 1, "{}", lines.out);
}

#[test]
fn in_a_larger_repository_files_are_named_from_its_top() {
    let project = Project::empty("shop");
    std::fs::create_dir_all(project.dir.join("web")).unwrap();
    std::fs::create_dir(project.dir.join(".git")).unwrap();
    project.write("web/Dockerfile", WRONG);
    let annotated = project.run(&["check", "-C", "web", "--format", "github"]);
    annotated.expect_code(7).expect_out("::error file=web/Dockerfile,line=2");
    let sarif = json(&project.run(&["check", "-C", "web", "--format", "sarif"]).expect_code(7).out);
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "web/Dockerfile");
    project.run(&["check", "-C", "web"]).expect_code(7).expect_out("--> Dockerfile:2");
}

#[test]
fn fixes_are_shown_first_and_made_whole() {
    let project = Project::empty("shop");
    project.write("Dockerfile", "FROM node:20\r\nCOPY . /app\r\nCOPY start.sh /start.sh\r\nCMD [\"/start.sh\"]\r\n");
    project.write("start.sh", "#!/bin/sh\r\nexec npx serve -l 3000\r\n").write(".env", "A=1\n");
    let asked = project.run(&["check", "--fix"]);
    asked.expect_code(2).expect_err("+.env").expect_err("--yes");
    assert!(!project.dir.join(".dockerignore").exists(), "nothing is written without a yes");
    let ended = project.run(&["check", "--fix", "--yes"]);
    ended
        .expect_code(0)
        .expect_err("start.sh: the exec bit is set")
        .expect_err("-exec npx serve -l 3000")
        .expect_err("mended start.sh");
    let script = std::fs::read_to_string(project.dir.join("start.sh")).unwrap();
    assert_eq!(script, "#!/bin/sh\nexec npx serve -l ${PORT:-3000}\n");
    assert_eq!(std::fs::metadata(project.dir.join("start.sh")).unwrap().permissions().mode() & 0o111, 0o111);
    assert_eq!(std::fs::read_to_string(project.dir.join(".dockerignore")).unwrap(), ".env\n");
    let dockerfile = std::fs::read_to_string(project.dir.join("Dockerfile")).unwrap();
    assert!(dockerfile.matches("\r\n").count() == 4, "what has no fault is not touched");
    project.run(&["check", "--fix", "--yes"]).expect_code(0).expect_err("nothing here has a fix");
}

#[test]
fn a_project_that_cannot_be_read_is_judged_as_far_as_rules_go() {
    let project = Project::empty("slip");
    project.write("Dockerfile", "FROM busybox\nCMD [\"true\"]\n");
    project.write("heroku.yml", "build:\n  docker:\n    web: Dockerfile\n  run:\n    web: ./start\n");
    let ended = project.run(&["check"]);
    ended
        .expect_code(7)
        .expect_out("error[D044]")
        .expect_out("heroku.yml:4")
        .expect_err("not everything was looked at");
    assert_eq!(json(&project.run(&["check", "--json"]).out)["complete"], false);
    project.write("heroku.yml", "# dynosim-ignore D044: legacy key\nbiuld: 1\n");
    project.write("Dockerfile", "FROM busybox\nVOLUME /data\nCMD [\"true\"]\n");
    let ended = project.run(&["check"]);
    ended.expect_code(7).expect_out("error[D044]").expect_out("cannot be let pass").expect_out("warning[D017]");
    let nothing = Project::empty("nothing");
    nothing.run(&["check"]).expect_code(2).expect_err("no Dockerfile");
}

#[test]
fn a_dockerfile_that_cannot_be_read_is_no_good_one() {
    let project = Project::empty("huge");
    project.write("Dockerfile", &format!("FROM busybox\n# {}\nCMD [\"true\"]\n", "x".repeat(5 << 20)));
    project.run(&["check"]).expect_code(2).expect_err("Dockerfile is larger than 4 MB");
    std::fs::write(project.dir.join("Dockerfile"), b"FROM busybox\n# caf\xe9\nCMD [\"httpd\", \"$PORT\"]\n").unwrap();
    project.run(&["check"]).expect_code(7).expect_out("error[D004]").expect_out("Dockerfile:3");
    std::fs::write(project.dir.join("dynosim.toml"), b"[check]\nfail-on = \"none\" # caf\xe9\n").unwrap();
    project.run(&["check"]).expect_code(2).expect_err("dynosim.toml is not UTF-8");
}

#[test]
fn another_dockerfile_is_judged_where_it_is_named() {
    let project = Project::empty("shop");
    std::fs::create_dir(project.dir.join("deploy")).unwrap();
    project.write("deploy/Dockerfile.heroku", WRONG);
    project.run(&["check", "-f", "deploy/Dockerfile.heroku"]).expect_code(7).expect_out("deploy/Dockerfile.heroku:2");
    project.run(&["check", "-f", "nowhere"]).expect_code(2).expect_err("there is no file nowhere");
}

#[test]
fn up_build_and_test_say_in_one_line_what_is_amiss() {
    let project = Project::empty("shop");
    project.write("Dockerfile", WRONG);
    for words in [&["up"][..], &["build"], &["test", "--", "true"]] {
        let mut command = project.command(words);
        let output = command.env("DOCKER_HOST", "unix:///nowhere/docker.sock").output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(
            err.contains("! check    1 error: D001 hard-coded-port (Dockerfile:2); `dynosim check` shows them"),
            "{err}"
        );
    }
}
