//! `ps:exec` on the real engine: a command in a running dyno, from another process.

use crate::harness::{Project, engine_lock, on_each_engine};
use crate::support::engine_or_skip;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

#[test]
fn a_command_runs_as_the_dyno_s_user_with_its_environment_and_its_code_is_passed_on() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/env-dump");
    project.write(".env", "GREETING=hello\n");
    let up = project.up(&["web=2"]);
    up.ready();
    let uid = project.run(&[
        "ps:exec",
        "web.2",
        "--",
        "id -u; stat -c %u /proc/1; echo $DYNO $GREETING; echo no >&2; exit 7",
    ]);
    uid.expect_code(7).expect_err("no");
    let lines: Vec<&str> = uid.out.lines().collect();
    assert_eq!(lines[0], lines[1], "the user of the dyno's own processes");
    assert_ne!(lines[0], "0");
    assert_eq!(lines[2], "web.2 hello");
    let words = project.run(&["ps:exec", "-d", "web.1", "--", "printf", "%s|", "a b", "$DYNO"]);
    assert_eq!(words.expect_code(0).out, "a b|$DYNO|", "words are handed over as they are");
    let group = project.run(&["ps:exec", "--", "cat", "/proc/1/cgroup", "/proc/self/cgroup"]);
    let lines: Vec<&str> = group.out.lines().collect();
    let (own, exec) = lines.split_at(lines.len() / 2);
    assert_eq!(own, exec, "under the dyno's own limits");
    project
        .run(&["ps:exec", "--", "no-such-program"])
        .expect_code(1)
        .expect_err("web.1 has no program `no-such-program`");
    project.run(&["ps:exec", "web.9"]).expect_code(1).expect_err("web.9 does not run").expect_err("web.1, web.2");
    assert_eq!(up.get("/").0, 200);
    up.stop();
    project.run(&["ps:exec"]).expect_code(1).expect_err("no dyno of this app runs");
}

on_each_engine! {
    fn without_a_terminal_the_shell_reads_its_commands_from_a_pipe(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let up = project.up(&[]);
        up.ready();
        let mut command = project.command(&["ps:exec", "web.1"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"echo in $DYNO\nexit 3\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()), (Some(3), "in web.1\n"));
        up.stop();
    }
}

#[test]
fn an_image_without_a_shell_is_told_with_what_can_be_run_there() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/shell-less-entrypoint");
    let up = project.up(&[]);
    up.ready();
    let refused = project.run(&["ps:exec", "web.1"]);
    refused.expect_code(1).expect_err("the image of web.1 has no shell").expect_err("-- PROGRAM");
    refused.expect_err("it has ");
    up.stop();
}

on_each_engine! {
    fn a_command_ends_with_its_dyno(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let up = project.up(&[]);
        up.ready();
        let mut command = project.command(&["ps:exec", "--", "echo in; exec sleep 600"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut printed = String::new();
        out.read_line(&mut printed).unwrap();
        up.stop();
        let code = child.wait().unwrap().code().unwrap();
        assert!([137, 143].contains(&code), "{code}");
        out.read_to_string(&mut printed).unwrap();
        assert_eq!(printed, "in\n");
    }
}
