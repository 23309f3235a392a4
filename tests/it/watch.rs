//! Edits of a project while `up` runs, on the real engine: what is served, by which path, with how many restarts.

use crate::harness::{On, Project, Up, docker, engine_lock, on_each_engine};
use crate::support::engine_or_skip;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

const PATIENCE: Duration = Duration::from_secs(120);

/// Shows what the image has: `/deps` is made by a `RUN`, everything else is copied at the end.
const SERVER: &str = r#"
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = "/deps" if self.path == "/deps" else "/app" + self.path
        if self.path == "/env":
            body = os.environ.get("GREETING", "-")
        elif self.path.startswith("/stat/"):
            facts = os.lstat(self.path[5:])
            body = f"{facts.st_mode:o} {facts.st_uid} {facts.st_gid}"
        elif os.path.isdir(path):
            body = " ".join(sorted(os.listdir(path)))
        elif os.path.exists(path):
            body = open(path).read()
        else:
            body = "none"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"#;
const DOCKERFILE: &str = "FROM python:3.11-slim\nWORKDIR /app\nRUN mkdir -p /app/made && chmod 2775 /app && chown 12:34 /app\n\
    COPY deps.txt ./\nRUN test \"$(cat deps.txt)\" != broken && cp deps.txt /deps\nCOPY --chown=100:200 . .\n\
    CMD [\"python\", \"server.py\"]\n";

fn small(on: On) -> Project {
    let project = on.empty("small");
    project.write("Dockerfile", DOCKERFILE).write("server.py", SERVER).write("deps.txt", "one").write("a.txt", "one");
    project.write(".dockerignore", ".env\nDockerfile\nheroku.yml\nignored\n").write(".env", "# ours\nGREETING=hello\n");
    fs::create_dir(project.dir.join("lib")).unwrap();
    project.write("lib/b.txt", "one");
    project
}

/// Waits until a path answers this, however often the app restarts meanwhile.
#[track_caller]
fn answers(up: &Up<'_>, path: &str, wanted: &str) {
    let began = SystemTime::now();
    loop {
        let (status, body) = up.get(path);
        if status == 200 && body == wanted {
            return;
        }
        assert!(began.elapsed().unwrap() < PATIENCE, "{path} is {status} {body}, not {wanted}\n{:#?}", up.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn count(up: &Up<'_>, text: &str) -> usize {
    up.log().iter().filter(|line| line.contains(text)).count()
}

fn starts(up: &Up<'_>) -> usize {
    count(up, "heroku[web.1]: Starting process")
}

/// Waits until a line of the watcher's was said for the n-th time.
#[track_caller]
fn said(up: &Up<'_>, text: &str, times: usize) {
    let began = SystemTime::now();
    while count(up, text) < times {
        assert!(began.elapsed().unwrap() < PATIENCE, "`{text}` not said {times} times\n{:#?}", up.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_source_is_synced_exactly_as_a_build_would_copy_it_and_then_built_in_the_background() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = small(On::Docker);
    let up = project.up(&[]);
    up.wait_err("✔ watch");
    up.ready();
    answers(&up, "/a.txt", "one");
    let folder = |up: &Up<'_>| (up.get("/stat/app").1, up.get("/stat/app/lib").1, up.get("/stat/app/a.txt").1);
    let before = folder(&up);
    assert!(before.0.ends_with("2775 12 34"), "{before:?}");
    project.write("a.txt", "two");
    answers(&up, "/a.txt", "two");
    up.wait_out("synced 1 file into web: a.txt");
    assert_eq!(folder(&up), before, "folders and owners are as a build leaves them");
    said(&up, "built web in the background", 1);
    assert_eq!((starts(&up), count(&up, "app[api]: Deployed")), (2, 1));
    // A new folder, a script, a link, all at once.
    fs::create_dir(project.dir.join("lib/new")).unwrap();
    project.write("lib/new/run.sh", "#!/bin/sh\n");
    fs::set_permissions(project.dir.join("lib/new/run.sh"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink("../../a.txt", project.dir.join("lib/new/link")).unwrap();
    answers(&up, "/lib/new", "link run.sh");
    let synced = ["/stat/app/lib/new", "/stat/app/lib/new/run.sh", "/stat/app/lib/new/link"].map(|p| up.get(p).1);
    assert_eq!(up.get("/lib/new/link").1, "two");
    said(&up, "built web in the background", 2);
    assert_eq!(starts(&up), 3);
    project.run(&["down"]);
    up.finish();
    // The same files by a build.
    let up = project.up(&["--no-watch"]);
    up.ready();
    let built = ["/stat/app/lib/new", "/stat/app/lib/new/run.sh", "/stat/app/lib/new/link"].map(|p| up.get(p).1);
    assert_eq!(synced, built);
    project.write("a.txt", "three");
    assert!(!up.log().iter().any(|line| line.contains("synced")));
    up.stop();
}

#[test]
fn a_manifest_is_rebuilt_a_failing_build_keeps_serving_and_what_goes_is_gone() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = small(On::Docker);
    let up = project.up(&[]);
    up.ready();
    project.write("deps.txt", "two");
    answers(&up, "/deps", "two");
    up.wait_out("rebuilding web: deps.txt is used by `RUN test");
    up.wait_out("Release v4 created");
    project.write("deps.txt", "broken");
    up.wait_err("the image for web could not be built");
    up.wait_err("Dockerfile:5");
    answers(&up, "/deps", "two");
    assert_eq!(starts(&up), 2, "the old release was not touched");
    project.write("deps.txt", "three");
    answers(&up, "/deps", "three");
    fs::remove_file(project.dir.join("lib/b.txt")).unwrap();
    answers(&up, "/lib/b.txt", "none");
    up.wait_out("rebuilding web: lib/b.txt was removed");
    assert_eq!(starts(&up), 4);
    up.stop();
}

#[test]
fn a_thousand_files_a_checkout_and_an_editor_s_save_are_one_restart_each() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = small(On::Docker);
    let up = project.up(&[]);
    up.ready();
    for number in 0..1000 {
        project.write(&format!("lib/f{number}.txt"), "one");
    }
    answers(&up, "/lib/f999.txt", "one");
    said(&up, "built web in the background", 1);
    assert_eq!(starts(&up), 2);
    for number in 0..1000 {
        fs::File::options()
            .append(true)
            .open(project.dir.join(format!("lib/f{number}.txt")))
            .unwrap()
            .set_modified(SystemTime::now())
            .unwrap();
    }
    said(&up, "built web in the background", 2);
    assert_eq!(starts(&up), 3, "touched");
    // As vim saves: a probe, the old file aside, a new one in its place.
    project.write("4913", "").write(".a.txt.swp", "x");
    fs::remove_file(project.dir.join("4913")).unwrap();
    fs::rename(project.dir.join("a.txt"), project.dir.join("a.txt~")).unwrap();
    project.write("a.txt", "vim");
    fs::remove_file(project.dir.join("a.txt~")).unwrap();
    answers(&up, "/a.txt", "vim");
    said(&up, "built web in the background", 3);
    // As others do: a file beside, renamed over.
    project.write(".a.txt.K3fx", "code");
    fs::rename(project.dir.join(".a.txt.K3fx"), project.dir.join("a.txt")).unwrap();
    answers(&up, "/a.txt", "code");
    said(&up, "built web in the background", 4);
    project.write("ignored", "x");
    assert_eq!((starts(&up), count(&up, "app[api]: Deployed")), (5, 1));
    up.stop();
}

on_each_engine! {
    fn config_commands_and_broken_files_apply_as_what_they_are(on) {
        let project = small(on);
        let up = project.up(&[]);
        up.ready();
        answers(&up, "/env", "hello");
        project.write(".env", "# ours\nGREETING=bye\n");
        answers(&up, "/env", "bye");
        up.wait_out("app[api]: Set GREETING config vars by user");
        project.write("heroku.yml", "build:\n  docker: [");
        up.wait_err("heroku.yml:");
        assert_eq!(up.get("/env").1, "bye");
        let yml = "build:\n  docker:\n    web: Dockerfile\nrun:\n  web: GREETING=yml python server.py\n";
        project.write("heroku.yml", yml);
        answers(&up, "/env", "yml");
        assert_eq!((starts(&up), count(&up, "Release v5 created"), count(&up, "Release v6 created")), (3, 1, 0));
        assert_eq!(count(&up, "rebuilding"), 0);
        up.stop();
    }
}

#[test]
fn the_examples_serve_an_edit_without_a_release() {
    engine_or_skip!();
    let _engine = engine_lock();
    for (name, file, from, to) in [
        ("examples/python-web", "app.py", "}, from ", "}, straight from "),
        ("examples/node-multi", "web.js", "}, from ", "}, straight from "),
    ] {
        let project = Project::of(name);
        let up = project.up(&[]);
        up.ready();
        let path = project.dir.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replace(from, to)).unwrap();
        up.wait_out("synced 1 file into web");
        let began = SystemTime::now();
        while !up.get("/").1.contains(", straight from ") {
            assert!(began.elapsed().unwrap() < PATIENCE, "{:#?}", up.log());
        }
        assert_eq!(count(&up, "app[api]: Deployed"), 1);
        up.stop();
        assert!(!docker(&["images", "-q"]).is_empty());
    }
}
