//! `dynosim init`: what it finds, shows, writes and leaves alone; and that what it writes comes up.

use crate::harness::{Project, engine_lock};
use crate::support::engine_or_skip;
use std::fs;
use std::path::Path;

/// One of the examples, as it was before anybody thought of Heroku.
fn bare(example: &str) -> Project {
    let project = Project::of(example);
    let made =
        ["Dockerfile", ".dockerignore", "heroku.yml", "app.json", ".env.example", "Procfile", "gunicorn.conf.py"];
    for name in made {
        let _ = fs::remove_file(project.dir.join(name));
    }
    project
}

/// Every file below a folder with its text.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_node_app_without_a_dockerfile_comes_up_as_init_writes_it() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = bare("examples/node-multi");
    project.write("Procfile", "web: node web.js\nworker: node worker.js\nrelease: node migrate.js\n");
    let ended = project.run(&["init", "--yes"]);
    ended.expect_code(0).expect_out("Express").expect_out("package.json:");
    ended.expect_out("worker: node worker.js").expect_out("Procfile:2").expect_err("wrote Dockerfile.worker");
    let up = project.up(&[]);
    up.ready();
    assert_eq!(up.get("/"), (200, "Hello, from web.1\n".to_owned()));
    assert!(up.log().iter().any(|line| line.contains("migrated")), "the release phase ran: {:#?}", up.log());
    up.wait_out("app[worker.1]: tick 1");
    up.stop();
}

#[test]
fn a_flask_app_without_a_dockerfile_comes_up_as_init_writes_it() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = bare("examples/python-web");
    project.write(".python-version", "3.11\n");
    let ended = project.run(&["init", "--yes"]);
    ended.expect_code(0).expect_out("web: gunicorn --bind 0.0.0.0:$PORT app:app").expect_out("app.py:7");
    let up = project.up(&[]);
    up.ready();
    assert_eq!(up.get("/").0, 200);
    up.wait_out("heroku[router]: at=info");
    let refused: Vec<String> = up.log().into_iter().filter(|line| line.contains("Read-only")).collect();
    assert_eq!(refused, Vec::<String>::new(), "it writes nowhere that a dyno may not");
    up.stop();
}

#[test]
fn a_dry_run_and_a_pipe_without_yes_write_nothing_and_say_how() {
    let project = bare("examples/node-multi");
    let before = files(&project.dir);
    project
        .run(&["init", "--dry-run"])
        .expect_code(0)
        .expect_out("write  Dockerfile")
        .expect_err("nothing was written");
    project.run(&["init"]).expect_code(2).expect_out("FROM node:20-slim").expect_err("--yes");
    project.run(&["init", "--json"]).expect_code(2);
    assert_eq!(files(&project.dir), before);
}

#[test]
fn what_is_there_is_never_touched_and_a_second_run_has_nothing_to_do() {
    let project = bare("examples/node-multi");
    project.write("app.json", "{\"name\": \"my-shop\"}\n").write(".dockerignore", "mine\n");
    let ended = project.run(&["init", "--yes", "--diff"]);
    ended.expect_code(0).expect_out("keep   app.json").expect_out("-mine").expect_out("+node_modules");
    let after = files(&project.dir);
    assert!(after.contains(&("app.json".into(), "{\"name\": \"my-shop\"}\n".into())));
    assert!(after.contains(&(".dockerignore".into(), "mine\n".into())));
    let workflow = &after.iter().find(|(name, _)| name == ".github/workflows/heroku.yml").unwrap().1;
    assert!(workflow.contains("'my-shop'"), "{workflow}");
    project.run(&["init", "--yes"]).expect_code(0).expect_err("nothing to write");
    assert_eq!(files(&project.dir), after);
}

#[test]
fn a_run_that_was_cut_short_at_any_file_is_gone_on_with_by_the_next() {
    let project = bare("examples/node-multi");
    project.write("Procfile", "web: node web.js\nworker: node worker.js\n");
    let before = files(&project.dir);
    project.run(&["init", "--yes"]).expect_code(0);
    let whole = files(&project.dir);
    let order = project.run(&["init", "--json", "--dry-run"]).out;
    let plan: serde_json::Value = serde_json::from_str(order.lines().next().unwrap()).unwrap();
    let planned: Vec<&str> =
        plan["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(whole.len() - before.len(), planned.len(), "{planned:?}");
    for cut in 0..planned.len() {
        for name in &planned[cut..] {
            fs::remove_file(project.dir.join(name)).unwrap();
        }
        project.run(&["init", "--yes"]).expect_code(0);
        assert_eq!(files(&project.dir), whole, "cut before {}", planned[cut]);
    }
}

#[test]
fn a_hand_written_dockerfile_stays_and_the_procfile_s_worker_runs_on_its_image() {
    let project = bare("examples/node-multi");
    project.write("Dockerfile", "FROM node:20-slim\nCMD [\"node\", \"web.js\"]\n");
    project.write("Procfile", "web: node web.js\nworker: node worker.js\n");
    project.run(&["init", "--yes"]).expect_code(0).expect_out("keep   Dockerfile");
    let yml = fs::read_to_string(project.dir.join("heroku.yml")).unwrap();
    assert!(yml.contains("  worker:\n    command:\n      - node worker.js\n    image: web\n"), "{yml}");
    assert!(!project.dir.join("Dockerfile.worker").exists());
}

#[test]
fn what_cannot_be_read_is_shown_with_file_and_line_and_nothing_is_written() {
    for (files_there, says) in [
        (&[("package.json", "{\n  \"scripts\": {\n    \"start\": \"node x.js\",\n  }\n}\n")][..], "package.json:4"),
        (
            &[("package.json", "{\"engines\": {\"node\": \"lately\"}, \"scripts\": {\"start\": \"node x.js\"}}")],
            "package.json:1",
        ),
        (&[("package.json", "{\"name\": \"lib\"}\n")], "\"start\""),
        (&[("requirements.txt", "gunicorn\nflask=3.1\n"), ("app.py", "app = Flask(__name__)\n")], "requirements.txt:2"),
        (&[("requirements.txt", "-r base.txt\n"), ("app.py", "app = Flask(__name__)\n")], "requirements.txt:1"),
        (&[("pyproject.toml", "[project]\nname = shop\n")], "pyproject.toml:2"),
        (&[("requirements.txt", "flask\n")], "Procfile"),
        (&[("Cargo.toml", "[package]\nname = \"x\n")], "Cargo.toml:2"),
        (&[("go.mod", "module example.com/x\n")], "package main"),
        (&[("pom.xml", "<project>\n  <artifactId>x\n</project>\n")], "pom.xml:3"),
        (&[("Gemfile", "gem 'rack'\n"), ("config.ru", "run App\n")], "Gemfile:1"),
        (
            &[
                ("Gemfile", "gem 'puma'\n"),
                ("config.ru", ""),
                ("Gemfile.lock", "GEM\n\nPLATFORMS\n  arm64-darwin-23\n\n"),
            ],
            "Gemfile.lock:4",
        ),
        (&[("package.json", "{\"scripts\": {\"start\": \"node x\"}}"), ("Procfile", "web node x\n")], "Procfile:1"),
        (&[("readme.txt", "hello\n")], "package.json"),
    ] {
        let project = Project::empty("wrong");
        for (name, text) in files_there {
            project.write(name, text);
        }
        let before = files(&project.dir);
        project.run(&["init", "--yes"]).expect_code(2).expect_err(says).expect_err("help:");
        assert_eq!(files(&project.dir), before, "{says}");
    }
}

#[test]
fn wrong_options_are_wrong_usage() {
    let project = bare("examples/node-multi");
    project.run(&["init", "--ci", "travis"]).expect_code(2).expect_err("github, gitlab or none");
    project.run(&["init", "--language", "cobol"]).expect_code(2).expect_err("python");
    project.run(&["init", "--language", "rust"]).expect_code(2).expect_err("Cargo.toml");
    project.run(&["init", "-a", "My_App"]).expect_code(2).expect_err("small letters");
    project.run(&["init", "-C", "/nowhere/at/all"]).expect_code(2).expect_err("/nowhere/at/all");
}
