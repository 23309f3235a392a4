//! `up`, `down`, `run`, `logs` and `explain` on real apps and the real engine.

use crate::harness::{Project, docker, engine_lock, exchange, on_each_engine};
use crate::support::engine_or_skip;
use rustix::process::Signal;
use std::io::Write;
use std::process::Stdio;

#[test]
fn the_python_example_serves_and_its_log_reads_as_heroku_s() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("examples/python-web");
    let up = project.up(&[]);
    up.ready();
    assert_eq!(up.get("/").0, 200);
    let line = up.wait_out("at=info method=GET path=\"/\"");
    for part in ["heroku[router]: ", "host=localhost:", "fwd=\"127.0.0.1\" dyno=web.1 connect=", " status=200 bytes="] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    let ended = up.stop();
    let log: Vec<&str> = ended.out.lines().map(|line| line.get(33..).unwrap_or(line)).collect();
    let expected = [
        "app[api]: Initial release by user ann@localhost",
        "app[api]: Release v1 created by user ann@localhost",
        "app[api]: Enable Logplex by user ann@localhost",
        "app[api]: Release v2 created by user ann@localhost",
        "app[api]: Deployed web (",
        "app[api]: Release v3 created by user ann@localhost",
        "app[api]: Scaled to web@1:Basic by user ann@localhost",
        "heroku[web.1]: Starting process with command `/bin/sh -c gunicorn",
        "heroku[web.1]: State changed from starting to up",
        "heroku[router]: at=info",
        "heroku[web.1]: State changed from up to down",
        "heroku[web.1]: Stopping all processes with SIGTERM",
        "heroku[web.1]: Process exited with status",
    ];
    let mut rest = log.iter();
    for part in expected {
        assert!(rest.any(|line| line.starts_with(part)), "no `{part}` in its place in\n{}", ended.out);
    }
}

#[test]
fn the_node_example_runs_its_release_phase_before_web_and_worker() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("examples/node-multi");
    let up = project.up(&[]);
    up.ready();
    assert_eq!(up.get("/").0, 200);
    let log = up.log();
    let at = |part: &str| log.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}\n{log:#?}"));
    assert!(at("Running release v3 commands") < at("heroku[release."));
    assert!(at("State changed from up to complete") < at("heroku[web.1]: Starting process"));
    up.wait_out("app[worker.1]:");
    up.stop();
}

#[test]
fn the_scratch_example_needs_no_base_image() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("examples/scratch-rust");
    let built = std::process::Command::new("sh").arg("./build.sh").current_dir(&project.dir).status().unwrap();
    assert!(built.success());
    let up = project.up(&[]);
    up.ready();
    assert_eq!(up.get("/").0, 200);
    up.stop();
}

#[test]
fn r3_a_procfile_lays_commands_over_images_and_says_that_heroku_would_not() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("examples/procfile-dockerfile");
    let up = project.up(&[]);
    up.ready();
    assert_eq!(up.get("/").0, 200);
    up.wait_err("Procfile");
    up.stop();
}

#[test]
fn r1_5_a_dyno_has_an_unprivileged_user_that_can_be_looked_up_and_limits_of_its_size() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/env-dump");
    project.write(".env", "GREETING=hello world\nPORT=1234\n");
    let up = project.up(&[]);
    up.wait_err("PORT");
    up.ready();
    let (status, text) = up.get("/");
    assert_eq!(status, 200, "{text}");
    let dump: serde_json::Value = serde_json::from_str(&text).unwrap();
    let shown = dump.to_string();
    assert!(!shown.contains("LEAKED_FROM_HOST"), "the host's environment leaks in: {shown}");
    let env = &dump["env"];
    assert_eq!(env["GREETING"], "hello world");
    assert_eq!(env["DYNO"], "web.1");
    assert_ne!(env["PORT"], "1234");
    let user = &dump["user"];
    let uid = user["uid"].as_u64().unwrap();
    assert!((10_000..60_000).contains(&uid), "{user}");
    assert_eq!(user["passwd"]["name"], format!("u{uid}"), "{user}");
    assert_eq!(user["group"], "dyno", "{user}");
    assert_eq!(dump["capabilities"]["CapEff"], "0000000000000000", "{shown}");
    assert_eq!(dump["capabilities"]["CapBnd"], "0000000000000000", "{shown}");
    assert_eq!(dump["no_new_privileges"], "1");
    assert!(dump["low_port"].as_str().unwrap().contains("PermissionError"), "{}", dump["low_port"]);
    assert_ne!(dump["pid"], 1, "process 1 is the platform's (R1.5)");
    for (folder, written) in dump["write"].as_object().unwrap() {
        let writable = ["/tmp", "/var/tmp", "/dev/shm"].contains(&folder.as_str());
        assert_eq!(written == "ok", writable, "{folder}: {written}");
    }
    assert_eq!(dump["tmp"]["mode"], "0o1777");
    assert_eq!(dump["tmp"]["execute"], "ok");
    assert_ne!(dump["tmp"]["filesystem"], "tmpfs", "a tmpfs would count as memory");
    assert_eq!(dump["limits"]["nofile"][0], 10_000, "R5.7");
    let quota = [&dump["memory"]["v1"], &dump["memory"]["v2"]];
    assert!(quota.iter().any(|limit| limit.as_str().is_some_and(|text| text.trim() == "536870912")), "{quota:?}");
    up.stop();
}

on_each_engine! {
    fn r8_dyno_metadata_is_given_by_switch_only(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let up = project.up(&["--metadata"]);
        up.ready();
        let (_, text) = up.get("/");
        for name in ["HEROKU_APP_NAME", "HEROKU_RELEASE_VERSION", "HEROKU_APP_ID"] {
            assert!(text.contains(name), "{name} in {text}");
        }
        assert!(!text.contains("HEROKU_DYNO_ID"), "{text}");
        up.stop();
    }
}

#[test]
fn nothing_changed_means_no_build() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/slow-boot");
    let first = project.run(&["build"]);
    first.expect_code(0).expect_out("web sha256:");
    let again = project.run(&["build"]);
    again.expect_code(0).expect_err("nothing changed");
    assert_eq!(first.out, again.out);
    project.write("new-file", "x");
    let changed = project.run(&["build"]);
    changed.expect_code(0);
    assert!(!changed.err.contains("nothing changed"), "{}", changed.err);
}

on_each_engine! {
    fn a_second_up_is_refused_with_pid_and_folder_and_an_instance_runs_beside(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let up = project.up(&[]);
        up.ready();
        let second = project.run(&["up"]);
        second.expect_code(1).expect_err(&format!("pid {}", up.pid())).expect_err("env-dump");
        let other = project.up(&["-n", "other"]);
        other.ready();
        assert_ne!(up.port(), other.port());
        assert_eq!((up.get("/").0, other.get("/").0), (200, 200));
        other.interrupt();
        other.finish().expect_code(130);
        assert_eq!(up.get("/").0, 200, "the first is untouched");
        up.stop();
    }
}

on_each_engine! {
    fn after_kill_9_nothing_outlives_the_next_down(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let up = project.up(&["web=2"]);
        up.ready();
        assert_eq!(project.dynos(), ["web.1", "web.2"]);
        up.signal(Signal::KILL);
        up.finish();
        project.run(&["down"]).expect_code(0);
        assert_eq!(project.left_behind(), Vec::<String>::new());
        project.run(&["down"]).expect_code(0).expect_err("nothing was running");
    }
}

on_each_engine! {
    fn after_kill_9_the_next_up_cleans_up_and_runs(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let up = project.up(&[]);
        up.ready();
        up.signal(Signal::KILL);
        up.finish();
        let up = project.up(&[]);
        up.ready();
        assert_eq!(project.dynos(), ["web.1"]);
        up.stop();
    }
}

on_each_engine! {
    fn down_from_another_terminal_ends_up_with_0(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let up = project.up(&[]);
        up.ready();
        project.run(&["down"]).expect_code(0);
        let ended = up.finish();
        ended.expect_code(0);
        assert_eq!(project.left_behind(), Vec::<String>::new());
    }
}

on_each_engine! {
    fn an_explicit_port_that_is_taken_is_an_error_and_starts_nothing(on) {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let project = on.project("tests/fixtures/apps/env-dump");
        let ended = project.run(&["up", "--port", &port]);
        ended.expect_code(1).expect_err(&format!("port {port} is taken"));
        assert_eq!(project.left_behind(), Vec::<String>::new());
    }
}

#[test]
fn dynos_cannot_reach_one_another_and_nothing_is_published() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/env-dump");
    let up = project.up(&["web=2"]);
    up.ready();
    let ports = docker(&[
        "ps",
        "--filter",
        &format!("label=dynosim.identity={}", project.identity()),
        "--format",
        "{{.Ports}}",
    ]);
    assert!(!ports.contains("0.0.0.0"), "{ports}");
    let second = project.container_of("web.2");
    let address = docker(&["inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", &second]);
    let env = docker(&["inspect", "-f", "{{range .Config.Env}}{{println .}}{{end}}", &second]);
    let port = env.lines().find_map(|line| line.strip_prefix("PORT=")).unwrap().to_owned();
    let probe = format!(
        "import socket\ns=socket.socket()\ns.settimeout(2)\ntry:\n s.connect(('{}',{port}))\n print('reached')\nexcept OSError as e:\n print('refused', e)",
        address.trim()
    );
    let first = project.container_of("web.1");
    let said = docker(&["exec", &first, "python3", "-c", &probe]);
    assert!(said.contains("refused"), "{said}");
    up.stop();
}

on_each_engine! {
    fn run_passes_exit_code_streams_and_config_and_is_logged_as_a_one_off(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        project.write(".env", "GREETING=hello\n");
        let ran = project.run(&["run", "--", "sh", "-c", "echo $GREETING $DYNO; echo oops >&2; exit 7"]);
        ran.expect_code(7);
        assert!(ran.out.starts_with("hello run."), "{ran:?}");
        assert!(ran.err.contains("oops"), "{ran:?}");
        assert_eq!(project.left_behind(), Vec::<String>::new());
        let logs = project.run(&["logs"]);
        logs.expect_code(0).expect_out("Awaiting client").expect_out("State changed from up to complete");
        logs.expect_out("app[api]: Starting process with command");
    }
}

on_each_engine! {
    fn run_reads_standard_input_to_its_end(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let mut command = project.command(&["run", "--", "tr a-z A-Z"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"one\ntwo\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ONE\nTWO\n");
    }
}

on_each_engine! {
    fn run_beside_a_running_app_uses_its_release_and_leaves_it_alone(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let up = project.up(&[]);
        up.ready();
        project.run(&["run", "--", "true"]).expect_code(0);
        up.wait_out("heroku[run.");
        assert_eq!(up.get("/").0, 200);
        up.stop();
    }
}

on_each_engine! {
    fn logs_filters_and_outlives_the_run(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let up = project.up(&[]);
        up.ready();
        up.get("/");
        up.wait_out("at=info");
        up.stop();
        let router = project.run(&["logs", "-d", "router"]);
        router.expect_code(0).expect_out("at=info method=GET");
        assert!(router.out.lines().all(|line| line.contains("heroku[router]:")), "{}", router.out);
        let last = project.run(&["logs", "-n", "1"]);
        assert_eq!(last.out.lines().count(), 1);
        let json = project.run(&["logs", "-s", "app", "--json"]);
        for line in json.out.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["source"], "app");
        }
    }
}

on_each_engine! {
    fn explain_prints_argv_with_origins_and_masks_secrets(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        project.write(".env", "API_KEY=hunter2\n");
        let shown = project.run(&["explain", "web"]);
        shown
            .expect_code(0)
            .expect_out("argv (R1.4)")
            .expect_out("API_KEY")
            .expect_out(".env:1")
            .expect_out("512 MB quota");
        assert!(!shown.out.contains("hunter2"));
        project.run(&["explain", "web", "--show-values"]).expect_out("hunter2");
        project.run(&["explain", "nope"]).expect_code(2).expect_err("no process type `nope`");
    }
}

on_each_engine! {
    fn h10_and_h14_at_the_url(on) {
        let project = on.project("tests/fixtures/apps/exits-zero");
        let up = project.up(&["--timeouts", "backoff=60s"]);
        up.wait_out("State changed from crashed to starting");
        up.wait_out("the next start is in");
        let (status, page) = up.get("/");
        assert_eq!(status, 503);
        assert!(page.contains("Application Error"), "{page}");
        up.wait_out("at=error code=H10 desc=\"App crashed\" method=GET path=\"/\"");
        up.stop();
        let up = project.up(&["web=0"]);
        up.ready();
        assert_eq!(up.get("/").0, 503);
        up.wait_out("code=H14 desc=\"No web processes running\"");
        up.stop();
    }
}

on_each_engine! {
    fn a_websocket_passes_the_router(on) {
        let project = on.project("tests/fixtures/apps/ws-echo");
        let up = project.up(&[]);
        let port = up.ready();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        // A masked close frame right behind the handshake: the server answers both and ends.
        let mut bytes = request.into_bytes();
        bytes.extend([0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xe8 ^ 2]);
        let answer = exchange(port, &bytes);
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
        up.wait_out("status=101");
        up.stop();
    }
}

#[test]
fn json_prints_one_object_per_line() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/env-dump");
    let up = project.up(&["--json"]);
    up.wait_out("\"event\":\"ready\"");
    up.interrupt();
    let ended = up.finish();
    ended.expect_code(130);
    let mut events = std::collections::BTreeSet::new();
    for line in ended.out.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        events.insert(value["event"].as_str().unwrap_or_else(|| panic!("no event: {line}")).to_owned());
    }
    for event in ["build", "release", "listening", "ready", "log", "stopping", "stopped"] {
        assert!(events.contains(event), "no {event}: {events:?}");
    }
}
