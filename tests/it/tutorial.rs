//! The tutorial of `examples/hello-world`, command by command as its README has it: what was tested is what ships, and
//! what is rolled back to is what was shipped. The engine and the registry are real, Heroku's API is the stand-in.

use crate::harness::{Finished, Project, docker, engine_lock};
use crate::registry::{Registry, registry_or_skip};
use crate::stand_in::{App, KEY, StandIn};
use crate::support::engine_or_skip;
use serde_json::json;
use std::process::{Command, Stdio};

const README: &str = include_str!("../../examples/hello-world/README.md");

/// The commands under a heading, without what is said of them.
fn commands(heading: &str) -> Vec<&'static str> {
    let section = README.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let commands = section.lines().filter_map(|line| line.strip_prefix("    "));
    commands.map(|line| line.split("  #").next().unwrap_or(line).trim()).collect()
}

struct Tutorial {
    project: Project,
    registry: Registry,
    heroku: StandIn,
}

impl Tutorial {
    fn run(&self, command: &str) -> Finished {
        let words: Vec<&str> = command.split(' ').map(|word| if word == "APP" { "hello" } else { word }).collect();
        let mut process = match words[0] {
            "dynosim" => self.project.command(&words[1..]),
            "patch" => Command::new("patch"),
            other => panic!("the tutorial runs {other}"),
        };
        if words[0] == "patch" {
            process.args(&words[1..]).current_dir(&self.project.dir);
        }
        let host = self.registry.host();
        if words.iter().any(|word| *word == "tag" || word.starts_with("container:")) {
            process.args(["--registry", &host]);
        }
        // Heroku knows what its own registry has; this one is told.
        if let Some(config) = self.registry.config("hello/web", "latest") {
            self.heroku.world().app("hello").pushed.insert("web".into(), config);
        }
        process.env("HEROKU_API_URL", self.heroku.url()).env("HEROKU_API_KEY", KEY);
        let output = process.stdin(Stdio::null()).output().unwrap();
        let finished = Finished {
            status: output.status,
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        finished.expect_code(0);
        finished
    }

    fn follow(&self, heading: &str) {
        for command in commands(heading) {
            self.run(command);
        }
    }

    /// The config digest that is the same wherever one looks: the newest build or an image of the engine, the ledger, the
    /// registry under both tags, and what Heroku was told to run.
    fn shipped(&self, version: &str) -> String {
        let config = self.registry.config("hello/web", version).unwrap();
        assert_eq!(self.registry.config("hello/web", "latest").as_ref(), Some(&config), "latest is {version}");
        assert_eq!(docker(&["image", "inspect", "--format", "{{.Id}}", &config]).trim(), config, "in the engine");
        let tested = self.project.run(&["tested", "--json"]);
        assert!(tested.expect_code(0).out.contains(&config), "in the ledger: {}", tested.out);
        let (path, told) = self.heroku.world().changes().pop().unwrap();
        assert_eq!(path, "PATCH /apps/hello/formation");
        assert_eq!(told, json!({"updates": [{"type": "web", "docker_image": config}]}), "at Heroku");
        config
    }
}

#[test]
fn r1_1_the_tutorial_ships_updates_and_rolls_back_by_digest() {
    engine_or_skip!();
    registry_or_skip!();
    let _turn = engine_lock();
    let tutorial = Tutorial {
        project: Project::of("examples/hello-world"),
        registry: Registry::start(),
        heroku: StandIn::start(vec![App::new("hello")]),
    };
    let first = commands("Build, run, test");
    let [up, curl, test, tested] = first[..] else { panic!("{first:?}") };
    assert_eq!((up, curl), ("dynosim up", "curl http://localhost:5006/"));
    tutorial.run(test).expect_err("✔ tested");
    tutorial.run(tested).expect_out("passed");

    tutorial.follow("v1.0.0");
    let old = tutorial.shipped("v1.0.0");
    let manifest = tutorial.registry.manifest("hello/web", "v1.0.0").unwrap();

    tutorial.follow("v1.0.1");
    let new = tutorial.shipped("v1.0.1");
    assert_ne!(new, old);
    assert_eq!(tutorial.registry.config("hello/web", "v1.0.0"), Some(old.clone()), "a version stays");

    tutorial.follow("Back to v1.0.0");
    assert_eq!(tutorial.shipped("v1.0.0"), old, "what is rolled back to is what was tested then");
    assert_eq!(tutorial.registry.manifest("hello/web", "latest"), Some(manifest));
    assert_eq!(tutorial.registry.config("hello/web", "v1.0.1"), Some(new));
    assert_eq!(tutorial.project.left_behind(), [""; 0], "nothing runs on");
}
