//! Apps without images: what runs, what is refused and how that is said, on a machine that has no container engine and
//! for a user who is not root.

use crate::harness::{Finished, On, Project, on_native};
use crate::support::not_installed;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

/// Nobody's user and group.
const NOBODY: u32 = 65_534;

/// What puts a command into a place where no engine can be seen, as a user who is not root; `None` where that cannot be.
fn bare_machine(test: &str) -> Option<Vec<String>> {
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    if !rustix::process::geteuid().is_root() {
        return if Path::new("/var/run/docker.sock").exists() { None } else { words(&["env"]) };
    }
    // A user's own folder for sockets is not that of the one who runs the tests, either.
    let hidden = "mount -t tmpfs none /run && unset XDG_RUNTIME_DIR && exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"";
    let prefix = ["unshare", "--mount", "sh", "-c", hidden, "sh"];
    let works = Command::new(prefix[0]).args(&prefix[1..]).arg("true").output().is_ok_and(|done| done.status.success());
    if works {
        return words(&prefix);
    }
    not_installed(test, "unshare and setpriv");
    None
}

/// A copy of an app on such a machine.
fn project_there(path: &str, test: &str) -> Option<Project> {
    let prefix = bare_machine(test)?;
    let project = Project::of(path);
    if rustix::process::geteuid().is_root() {
        give_away(project.dir.parent().unwrap());
    }
    Some(project.behind(prefix))
}

fn give_away(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        for entry in std::fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path());
        }
    }
}

#[test]
fn readme_s_first_command_runs_the_example_without_an_engine_and_without_root() {
    on_native!();
    let Some(project) = project_there("examples/procfile", "readme_s_first_command") else { return };
    let up = project.up(&[]);
    up.wait_err("✔ engine   native");
    up.wait_err("as the app is a Procfile alone");
    up.ready();
    assert_eq!(up.get("/"), (200, "Hello from web.1\n".to_owned()));
    let log = up.log();
    let at = |part: &str| log.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}\n{log:#?}"));
    assert!(at("]: migrating as release.") < at("heroku[web.1]: Starting process"), "{log:#?}");
    up.wait_out("app[worker.1]: job 1 done");
    up.wait_out("app[clock.1]: tick at ");
    up.stop();
    project.run(&["test", "--", "python3", "tests.py"]).expect_code(0);
}

#[test]
fn an_app_with_images_runs_natively_where_no_engine_answers() {
    on_native!();
    let Some(project) = project_there("examples/web-and-worker", "an_app_with_images") else { return };
    let up = project.up(&[]);
    up.wait_err("as no container engine answers");
    up.wait_err("start a container engine");
    up.ready();
    assert!(up.get("/").1.starts_with("Hello from web."));
    // The same choice in another terminal, and what needs images says that there is no engine for them.
    project.run(&["ps:exec", "--", "echo", "in"]).expect_code(0).expect_out("in");
    project.run(&["build"]).expect_code(6).expect_err("no container engine answers");
    up.stop();
    let doctor = project.run(&["doctor"]);
    doctor.expect_code(0).expect_out("engine    native").expect_out("no container engine answers");
}

#[test]
fn the_example_s_own_test_passes_and_nothing_of_it_may_be_pushed() {
    on_native!();
    let project = On::Native.project("examples/procfile");
    let done = project.run(&["test", "--", "python3", "tests.py"]);
    done.expect_code(0);
    assert!(!done.err.contains("may be pushed"), "there is no image: {}", done.err);
    let pushed = project.run(&["container:push", "-a", "shop"]);
    pushed.expect_code(2).expect_err("a Procfile alone, of which no image can be made");
}

#[test]
fn procfile_example_runs_as_it_stands() {
    on_native!();
    let project = On::Native.empty("app");
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Procfile.example")).unwrap();
    project.write("Procfile", &text).write("index.html", "hello\n");
    let up = project.up(&[]);
    up.ready();
    assert_eq!(up.get("/index.html"), (200, "hello\n".to_owned()));
    up.wait_out("]: nothing to migrate");
    up.wait_out("app[worker.1]: working");
    up.stop();
}

#[test]
fn what_init_writes_runs_without_its_image_too() {
    on_native!();
    let project = On::Native.empty("shop");
    let script = "require('http').createServer((q, a) => a.end('hello')).listen(process.env.PORT);\n";
    project.write("package.json", "{\"name\": \"shop\", \"scripts\": {\"start\": \"node web.js\"}}\n");
    project.write("web.js", script);
    project.run(&["init", "--yes"]).expect_code(0);
    let up = project.up(&[]);
    up.ready();
    assert_eq!(up.get("/"), (200, "hello".to_owned()));
    up.stop();
}

#[test]
fn an_engine_that_is_named_and_does_not_answer_is_6_and_never_replaced() {
    let project = On::Native.project("examples/procfile-dockerfile");
    let with = |name: &str, value: &str| {
        let output = project.command(&["up"]).env_remove("DYNOSIM_ENGINE").env(name, value).output().unwrap();
        Finished::of(&output)
    };
    with("DOCKER_HOST", "unix:///nowhere.sock")
        .expect_code(6)
        .expect_err("/nowhere.sock")
        .expect_err("--engine native");
    with("DYNOSIM_ENGINE", "unix:///nowhere.sock").expect_code(6).expect_err("/nowhere.sock");
}

#[test]
fn what_only_an_image_has_is_refused_with_6_file_and_line() {
    let project = On::Native.empty("shop");
    project.write("Dockerfile", "FROM busybox\nCOPY . /app\nCMD [\"/no/such/server\"]\n");
    project
        .run(&["up"])
        .expect_code(6)
        .expect_err("Dockerfile:3")
        .expect_err("/no/such/server")
        .expect_err("--engine docker");
    project.write("Dockerfile", "FROM nginx\nCOPY . /usr/share/nginx/html\n");
    project.run(&["up"]).expect_code(6).expect_err("Dockerfile:1").expect_err("no command");
    project.run(&["build"]).expect_code(6).expect_err("the native engine has none");
}

#[test]
fn a_procfile_alone_is_refused_where_an_image_is_asked_for() {
    let project = On::Native.project("examples/procfile");
    let words = "a Procfile alone, of which no image can be made";
    project.run(&["build"]).expect_code(2).expect_err(words).expect_err("dynosim init");
}

#[test]
fn passed_variables_and_config_vars_are_all_that_a_dyno_gets_of_the_machine() {
    on_native!();
    let project = On::Native.empty("shop");
    project.write("Procfile", "worker: env\n").write(".env", "MODE=file\n");
    let ran = |args: &[&str]| {
        let mut command = project.command(&[&["run"], args, &["--", "env"]].concat());
        Finished::of(&command.env("TOKEN", "t0ken").env("MODE", "shell").output().unwrap())
    };
    let plain = ran(&["--type", "worker"]);
    let mut names: Vec<&str> = plain.expect_code(0).out.lines().filter_map(|line| line.split('=').next()).collect();
    names.retain(|name| !["PWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["DYNO", "HOME", "MODE", "PATH"], "{}", plain.out);
    let passed = ran(&["--type", "worker", "--pass", "TOKEN", "--pass", "MODE"]);
    passed.expect_code(0).expect_out("TOKEN=t0ken").expect_out("MODE=file");
    ran(&["--type", "worker", "--pass", "NOT_SET"])
        .expect_code(2)
        .expect_err("NOT_SET")
        .expect_err("it is not set here");
    ran(&["--type", "worker", "--pass", "PORT"]).expect_code(2).expect_err("the platform sets it");
}

#[test]
fn local_takes_the_words_of_heroku_local() {
    on_native!();
    let project = On::Native.project("examples/procfile");
    project.write("Dockerfile", "FROM busybox\n").write("other.env", "GREETING=Hi\n").write(".env", "ONLY=dotenv\n");
    project.write("Procfile.dev", "web: env; exec python3 web.py\nother: echo other; exec sleep 60\n");
    let up = project.start(&["local", "web=2", "-e", "other.env", "-f", "Procfile.dev"]);
    up.wait_err("web=2");
    up.ready();
    assert!(up.get("/").1.starts_with("Hi from web."));
    let log = up.log().join("\n");
    assert!(!log.contains("ONLY=dotenv"), "-e is read instead of .env: {log}");
    assert!(!log.contains("heroku[other.1]"), "only what is named runs: {log}");
    up.stop();
    let ran = project.run(&["local", "run", "-p", "7000", "--", "echo $PORT $ONLY"]);
    assert_eq!(ran.expect_code(0).out, "7000 dotenv\n");
}

#[test]
fn local_runs_a_start_command_where_there_is_no_procfile() {
    on_native!();
    let project = On::Native.empty("shop");
    project.run(&["local"]).expect_code(2).expect_err("Procfile");
    let up = project.start(&["local", "--start-cmd", "python3 -m http.server --bind 0.0.0.0 $PORT"]);
    up.ready();
    assert_eq!(up.get("/").0, 200);
    up.stop();
}

#[test]
fn a_procfile_without_web_runs_one_off_dynos_too() {
    on_native!();
    let project = On::Native.empty("shop");
    project.write("Procfile", "worker: sleep 600\n");
    project.run(&["run", "--no-tty", "echo from $DYNO"]).expect_code(0).expect_out("from run.");
}

#[test]
fn an_edit_restarts_what_runs_in_the_folder_without_a_release() {
    on_native!();
    let project = On::Native.project("examples/procfile");
    let up = project.up(&[]);
    up.ready();
    let text = std::fs::read_to_string(project.dir.join("web.py")).unwrap();
    project.write("web.py", &text.replace("} from {", "} again from {"));
    up.wait_out("restarting web: web.py changed");
    up.wait_out("heroku[web.1]: Restarting");
    let began = std::time::SystemTime::now();
    while up.get("/").1 != "Hello again from web.1\n" {
        assert!(began.elapsed().unwrap().as_secs() < 60, "{:#?}", up.log());
    }
    project.write("Procfile", "web: python3 web.py\nlate: echo late; exec sleep 60\n");
    up.wait_out("Release v4 created");
    up.stop();
}

#[test]
fn strict_ports_are_refused_on_a_container_engine() {
    crate::support::engine_or_skip!();
    let project = Project::of("tests/fixtures/apps/env-dump");
    project.run(&["up", "--strict-ports"]).expect_code(2).expect_err("--strict-ports").expect_err("--engine native");
}
