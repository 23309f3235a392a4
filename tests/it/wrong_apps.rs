//! Wrong apps on the real engine: each must end with Heroku's code and the right explanation.
//!
//! The apps are in `tests/fixtures/apps`; the comment on top of each Dockerfile says what is expected.

use crate::harness::{On, Project, engine_lock, exchange, on_each_engine};
use crate::support::engine_or_skip;
use std::time::Duration;
use tokio::time::Instant;

fn fixture(on: On, name: &str) -> Project {
    on.project(&format!("tests/fixtures/apps/{name}"))
}

/// Log lines that must come in this order, others between them.
#[track_caller]
fn in_order(log: &[String], parts: &[&str]) {
    let mut rest = log.iter();
    for part in parts {
        assert!(rest.any(|line| line.contains(part)), "no `{part}` in its place in\n{}", log.join("\n"));
    }
}

on_each_engine! {
    fn r10_a_hard_coded_port_is_named_within_seconds_and_ends_in_a_boot_timeout(on) {
        let project = fixture(on, "hard-coded-port");
        let up = project.up(&["--timeouts", "boot=6s,backoff=60s"]);
        let said = up.wait_out("listens on ");
        assert!(said.starts_with("web.1 listens on ") && said.contains(":3000 (httpd, pid "), "{said}");
        let port = said.rsplit_once("bind 0.0.0.0:").unwrap().1.to_owned();
        assert!(said.contains(&format!("; $PORT is {port}: bind 0.0.0.0:{port}")), "{said}");
        up.wait_out("State changed from crashed to starting");
        in_order(
            &up.log(),
            &[
                "heroku[web.1]: Starting process with command",
                "web.1 listens on",
                "heroku[web.1]: Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 6 seconds of launch",
                "heroku[web.1]: Stopping process with SIGKILL",
                "heroku[web.1]: Process exited with status 137",
                "heroku[web.1]: State changed from starting to crashed",
            ],
        );
        up.stop();
    }
}

on_each_engine! {
    fn r5_2_a_loopback_bind_does_not_count_as_bound(on) {
        let project = fixture(on, "loopback-bind");
        let up = project.up(&["--timeouts", "boot=4s,backoff=60s"]);
        let said = up.wait_out("web.1 listens on 127.0.0.1:");
        assert!(said.contains("(node, pid "), "{said}");
        up.wait_out("Error R10 (Boot timeout)");
        up.stop();
    }
}

on_each_engine! {
    fn r5_2_each_start_of_a_dyno_is_given_another_port(on) {
        let project = on.empty("asks-for-its-port");
        project.write("Dockerfile", "FROM busybox\nCMD echo \"port $PORT of start\"; exit 1\n");
        // The first crash is restarted at once (R5.5).
        let up = project.up(&["--timeouts", "backoff=60s"]);
        up.wait_out("State changed from crashed to starting");
        let port = |line: &String| line.split_once("]: port ")?.1.strip_suffix(" of start")?.parse().ok();
        let began = Instant::now();
        let ports = loop {
            let ports: Vec<u16> = up.log().iter().filter_map(port).collect();
            if ports.len() > 1 || began.elapsed() > Duration::from_secs(60) {
                break ports;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        assert!(ports.len() == 2 && ports[0] != ports[1], "{ports:?}");
        assert!(ports.iter().all(|port| (2048..60_000).contains(port)), "{ports:?}");
        up.stop();
    }
}

on_each_engine! {
    fn another_listener_is_no_fault_once_port_is_bound(on) {
        let project = fixture(on, "two-ports");
        let up = project.up(&[]);
        up.ready();
        assert_eq!(up.get("/").0, 200);
        up.stop();
    }
}

#[test]
fn a_write_outside_of_tmp_is_explained_with_its_path() {
    engine_or_skip!();
    let _engine = engine_lock();
    for name in ["writes-to-root", "writes-to-root-node"] {
        let project = fixture(On::Docker, name);
        let up = project.up(&["--timeouts", "backoff=60s"]);
        let said = up.wait_out("web.1 may not write /app/state.json");
        assert!(said.contains("--writable /app`") && said.contains("--fs ephemeral"), "{said}");
        up.stop();
    }
}

#[test]
fn r1_5_with_writable_the_same_app_runs_and_with_ephemeral_its_writes_are_listed() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = fixture(On::Docker, "writes-to-root");
    let up = project.up(&["--writable", "/app"]);
    up.ready();
    up.stop();
    let up = project.up(&["--fs", "ephemeral"]);
    up.ready();
    let ended = up.stop();
    assert!(ended.out.contains("gone with it: /app/state.json"), "{}", ended.out);
}

#[test]
fn r1_5_lost_writes_are_listed_with_their_sizes() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = fixture(On::Docker, "lost-writes");
    let up = project.up(&["--fs", "ephemeral"]);
    up.ready();
    let ended = up.stop();
    for part in
        ["/srv/uploads/photo.bin (12.3 kB)", "/srv/uploads/deep/note.txt (5 B)", "/srv/uploads/existing.log (17 B)"]
    {
        assert!(ended.out.contains(part), "no {part}\n{}", ended.out);
    }
    let told = ended.out.lines().find(|line| line.contains("gone with it")).unwrap();
    assert!(!told.contains("/tmp/scratch"), "{told}");
}

#[test]
fn r1_5_what_needs_root_is_told_so() {
    engine_or_skip!();
    let _engine = engine_lock();
    for (needs, said) in [
        ("port80", "may not bind a port below 1024"),
        ("chown", "may not change the owner"),
        ("mkdir", "may not write /var/lib/app"),
    ] {
        let project = fixture(On::Docker, "needs-root");
        project.write(".env", &format!("NEEDS={needs}\n"));
        let up = project.up(&["--timeouts", "backoff=60s"]);
        up.wait_out(said);
        up.wait_out("State changed from starting to crashed");
        up.stop();
    }
}

on_each_engine! {
    fn r12_an_app_that_ignores_sigterm_is_killed_and_named(on) {
        let project = fixture(on, "ignores-sigterm");
        let up = project.up(&["--timeouts", "exit=2s"]);
        up.ready();
        let ended = up.stop();
        let log: Vec<String> = ended.out.lines().map(str::to_owned).collect();
        in_order(
            &log,
            &[
                "heroku[web.1]: Stopping all processes with SIGTERM",
                "heroku[web.1]: Error R12 (Exit timeout) -> At least one process failed to exit within 2 seconds of SIGTERM",
                "web.1 did not end within 2 s of SIGTERM: still running",
                "heroku[web.1]: Stopping remaining processes with SIGKILL",
                "heroku[web.1]: Process exited with status 137",
            ],
        );
    }
}

on_each_engine! {
    fn r5_3_every_process_gets_sigterm_and_all_are_waited_for(on) {
        let project = fixture(on, "sigterm-report");
        let up = project.up(&[]);
        up.ready();
        let ended = up.stop();
        for who in ["parent", "child"] {
            let told = ended.out.lines().any(|line| line.contains(who) && line.contains("SIGTERM"));
            assert!(told, "{who} did not report SIGTERM\n{}", ended.out);
        }
        assert!(!ended.out.contains("R12"), "{}", ended.out);
    }
}

on_each_engine! {
    fn r1_5_orphans_are_reaped_and_a_stubborn_daemon_does_not_outlive_its_dyno(on) {
        let project = fixture(on, "forks-children");
        let up = project.up(&[]);
        up.ready();
        let (status, processes) = up.get("/ps");
        assert_eq!(status, 200);
        assert!(!processes.to_lowercase().contains("zombie") && !processes.contains(" Z "), "{processes}");
        up.stop();
        project.write(".env", "STUBBORN=1\n");
        let up = project.up(&["--timeouts", "exit=2s"]);
        up.ready();
        let ended = up.stop();
        assert!(ended.out.contains("Error R12 (Exit timeout)"), "{}", ended.out);
        assert!(ended.out.contains("Process exited with status 137"), "{}", ended.out);
    }
}

#[test]
fn r1_4_an_image_without_a_shell_needs_an_entrypoint() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = fixture(On::Docker, "shell-less");
    let up = project.up(&["--timeouts", "backoff=60s"]);
    up.wait_out("State changed from starting to crashed");
    up.wait_out("no /bin/sh");
    up.stop();
    let project = fixture(On::Docker, "shell-less-entrypoint");
    let up = project.up(&[]);
    up.ready();
    assert_eq!(up.get("/").0 / 100, 4, "httpd without files answers, if only with 404");
    up.stop();
}

on_each_engine! {
    fn r5_4_exit_status_0_is_a_crash(on) {
        let project = fixture(on, "exits-zero");
        let up = project.up(&["--timeouts", "backoff=60s"]);
        up.wait_out("ended with status 0");
        up.wait_out("State changed from starting to crashed");
        in_order(&up.log(), &["Process exited with status 0", "State changed from starting to crashed"]);
        up.stop();
    }
}

on_each_engine! {
    fn r5_7_memory_over_quota_is_r14_and_twice_of_it_r15(on) {
        let project = fixture(on, "eats-memory");
        project.write(".env", "MEMORY_STEP_MB=64\nMEMORY_PAUSE=0.2\nMEMORY_MAX_MB=700\n");
        let up = project.up(&["--timeouts", "metrics=1s,backoff=60s"]);
        up.ready();
        up.wait_out("Error R14 (Memory quota exceeded)");
        let said = up.wait_out("is over its quota of 512 MB");
        assert!(said.contains("python"), "{said}");
        up.stop();
        project.write(".env", "MEMORY_STEP_MB=128\nMEMORY_PAUSE=0.05\n");
        let up = project.up(&["--timeouts", "metrics=1s,backoff=60s"]);
        up.wait_out("to crashed");
        in_order(
            &up.log(),
            &[
                "heroku[web.1]: Process running mem=",
                "heroku[web.1]: Error R15 (Memory quota vastly exceeded)",
                "heroku[web.1]: Stopping process with SIGKILL",
                "heroku[web.1]: Process exited with status 137",
            ],
        );
        up.stop();
    }
}

#[test]
fn r5_7_processes_and_threads_are_limited_and_nothing_is_killed() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = fixture(On::Docker, "too-many-processes");
    let up = project.up(&[]);
    up.ready();
    let (status, reached) = up.get("/");
    assert_eq!(status, 200);
    let reached: u32 = reached.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
    assert!((200..256).contains(&reached), "{reached}");
    up.stop();
}

on_each_engine! {
    fn a_flood_of_lines_loses_none_and_keeps_their_order(on) {
        let project = fixture(on, "floods-log");
        project.write(".env", "FLOOD_LINES=200000\n");
        let up = project.up(&[]);
        up.ready();
        let ended = up.stop();
        let numbers: Vec<u64> = ended
            .out
            .lines()
            .filter_map(|line| line.split_once("app[web.1]: ")?.1.split_whitespace().find_map(|word| word.parse().ok()))
            .take(200_000)
            .collect();
        assert_eq!(numbers.len(), 200_000);
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "out of order");
    }
}

#[test]
fn r1_3_an_image_without_cmd_is_refused_in_heroku_s_words() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = fixture(On::Docker, "no-cmd");
    let ended = project.run(&["up"]);
    ended.expect_code(4).expect_err("No command specified for process type web").expect_err("add a CMD");
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

#[test]
fn a_script_with_windows_line_ends_is_named() {
    engine_or_skip!();
    let _engine = engine_lock();
    for name in ["crlf-script", "crlf-command"] {
        let project = fixture(On::Docker, name);
        let up = project.up(&["--timeouts", "backoff=60s"]);
        up.wait_out("/start.sh has Windows line ends");
        up.wait_out("State changed from starting to crashed");
        up.stop();
    }
}

#[test]
fn a_script_without_the_exec_bit_and_a_program_that_is_not_there_are_named() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = fixture(On::Docker, "not-executable");
    let up = project.up(&["--timeouts", "backoff=60s"]);
    up.wait_out("/start.sh may not be executed");
    up.stop();
    let project = fixture(On::Docker, "no-such-program");
    let up = project.up(&["--timeouts", "backoff=60s"]);
    up.wait_out("Process exited with status 127");
    up.wait_out("gunicorn");
    up.stop();
}

#[test]
fn r1_4_an_exec_form_port_stays_literal_and_is_explained() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = fixture(On::Docker, "exec-form-port");
    let up = project.up(&["--timeouts", "backoff=60s"]);
    up.wait_err("$PORT");
    up.wait_out("to crashed");
    up.stop();
}

on_each_engine! {
    fn r1_6_a_release_command_that_never_ends_is_noticed_and_fails_at_its_limit(on) {
        let project = fixture(on, "never-ending-release");
        let up = project.up(&["--timeouts", "release=3s,exit=1s"]);
        let said = up.wait_out("still runs; no dyno boots before it has ended");
        assert!(said.contains("its command is that of web"), "{said}");
        let ended = up.finish();
        ended.expect_code(4);
        assert!(ended.out.contains("Release v3 command failed by user ann@localhost"), "{}", ended.out);
        assert!(!ended.out.contains("[web.1]"), "{}", ended.out);
        assert_eq!(project.left_behind(), Vec::<String>::new());
    }
}

on_each_engine! {
    fn r9_a_failing_release_command_leaves_nothing_running(on) {
        let project = fixture(on, "failing-release");
        let ended = project.run(&["up"]);
        ended.expect_code(4).expect_err("the release command of v3 failed with status 2");
        let log: Vec<String> = ended.out.lines().map(str::to_owned).collect();
        in_order(
            &log,
            &[
                "app[api]: Running release v3 commands by user",
                "heroku[release.",
                "Process exited with status 2",
                "State changed from up to complete",
                "app[api]: Release v3 command failed by user ann@localhost",
            ],
        );
        assert!(!ended.out.contains("[web.1]"), "{}", ended.out);
        assert_eq!(project.left_behind(), Vec::<String>::new());
    }
}

#[test]
fn a_failing_build_shows_step_output_and_line_and_exits_3() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = fixture(On::Docker, "build-fails");
    let ended = project.run(&["up"]);
    ended.expect_code(3).expect_err("Dockerfile:6").expect_err("libfoo is missing");
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

#[test]
fn r1_3_a_volume_is_neither_writable_nor_kept() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = fixture(On::Docker, "volume-user");
    let up = project.up(&["--timeouts", "backoff=60s"]);
    up.wait_err("VOLUME /data has no effect");
    up.wait_out("may not write /data/");
    up.stop();
    for _ in 0..2 {
        let up = project.up(&["--fs", "ephemeral"]);
        up.ready();
        let (_, starts) = up.get("/starts");
        assert_eq!(starts.lines().count(), 1, "{starts}");
        up.stop();
    }
}

on_each_engine! {
    fn h13_a_dyno_that_dies_in_a_request_is_restarted(on) {
        let project = fixture(on, "crash-on-request");
        let up = project.up(&[]);
        up.ready();
        let (status, page) = up.get("/crash");
        assert_eq!(status, 503);
        assert!(page.contains("Application Error"), "{page}");
        up.wait_out("at=error code=H13 desc=\"Connection closed without response\" method=GET path=\"/crash\"");
        up.wait_out("State changed from crashed to starting");
        up.wait_out("closed the connection of GET /crash");
        up.stop();
    }
}

on_each_engine! {
    fn h14_an_app_without_web_runs_and_its_router_says_so(on) {
        let project = fixture(on, "no-web");
        let up = project.up(&["-p", "0"]);
        up.wait_out("heroku[worker.1]: State changed from starting to up");
        let port = project.locked_port();
        let answer =
            exchange(port, format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        up.wait_out("at=error code=H14 desc=\"No web processes running\"");
        up.wait_out("the app has no process type web; it runs worker@1:Basic");
        up.stop();
    }
}
