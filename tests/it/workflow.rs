//! The workflows that init writes, step by step in a shell, as far as that can be done on one machine: the commands are
//! dynosim's own, the registry is Debian's, the runner and what it fetches are made up.

use crate::harness::{Project, docker, engine_lock};
use crate::registry::{Registry, registry_or_skip};
use crate::support::engine_or_skip;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A machine that a workflow runs on.
struct Runner {
    project: Project,
    home: PathBuf,
    path: PathBuf,
    registry: Registry,
}

impl Runner {
    fn new(ci: &str) -> Self {
        let project = Project::of("examples/hello-world");
        for name in ["Dockerfile", ".dockerignore"] {
            fs::remove_file(project.dir.join(name)).unwrap();
        }
        project.write(".python-version", "3.11\n");
        project.run(&["init", "--yes", "--ci", ci, "--app", "hello"]).expect_code(0);
        let home = project.dir.parent().unwrap().to_owned();
        Self { path: home.join("github-path"), home, registry: Registry::start(), project }
    }

    /// What an earlier run has left in the cache: dynosim, here with what a machine without Heroku needs. Pushes go to the
    /// registry on loopback; a release, which needs Heroku, is only read as far as its words.
    fn caches(&self, at: &Path) {
        fs::create_dir_all(at).unwrap();
        let real = env!("CARGO_BIN_EXE_dynosim");
        let push = format!("exec {real} \"$@\" --registry {}", self.registry.host());
        let text = format!(
            "#!/bin/sh\necho \"dynosim $*\" >> {home}/asked\ncase $1 in\ncontainer:push) {push} ;;\ncontainer:release) exec {real} \"$@\" --help > /dev/null ;;\n*) exec {real} \"$@\" ;;\nesac\n",
            home = self.home.display()
        );
        fs::write(at.join("dynosim"), text).unwrap();
        fs::set_permissions(at.join("dynosim"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a script as a runner's shell does.
    fn shell(&self, script: &str, variables: &[(String, String)]) {
        let mut command = self.project.command(&[]);
        let mut shell = Command::new("bash");
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                shell.env(name, value);
            }
        }
        command.stdin(Stdio::null());
        let added = fs::read_to_string(&self.path).unwrap_or_default();
        let path = added.lines().rev().map(str::to_owned).chain(std::env::var("PATH")).collect::<Vec<_>>().join(":");
        shell.env_clear().env("HOME", &self.home).env("USER", "ann").env("XDG_STATE_HOME", self.home.join("state"));
        for name in ["DOCKER_HOST", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR"] {
            if let Ok(value) = std::env::var(name) {
                shell.env(name, value);
            }
        }
        shell.env("PATH", path).env("GITHUB_PATH", &self.path).envs(variables.iter().map(|(k, v)| (k, v)));
        shell.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]).current_dir(&self.project.dir);
        let output = shell.stdin(Stdio::null()).output().unwrap();
        assert!(
            output.status.success(),
            "{script}\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn read(&self, name: &str) -> Value {
        let text = fs::read_to_string(self.project.dir.join(name)).unwrap();
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// What dynosim was asked for, in order.
    fn asked(&self) -> Vec<String> {
        fs::read_to_string(self.home.join("asked")).unwrap().lines().map(str::to_owned).collect()
    }

    /// What was built once was tested, and what was tested is in the registry.
    fn shipped(&self, version: &str) {
        assert!(self.project.run(&["tested", "--json"]).out.contains("\"passed\""));
        let at = format!("{}/hello/web", self.registry.host());
        for tag in [version, "latest"] {
            docker(&["pull", "--quiet", &format!("{at}:{tag}")]);
            let pulled = docker(&["image", "inspect", "--format", "{{.Id}}", &format!("{at}:{tag}")]);
            let built = self.built();
            docker(&["image", "rm", &format!("{at}:{tag}")]);
            assert_eq!(pulled.trim(), built, "{tag}");
        }
    }

    fn built(&self) -> String {
        let out = self.project.run(&["build", "--json"]).out;
        let line = out.lines().rev().find(|line| line.contains("sha256:")).unwrap_or_else(|| panic!("{out}"));
        let at = line.find("sha256:").unwrap();
        line[at..at + 71].to_owned()
    }
}

/// `${{ … }}` of the expressions that the workflow has.
fn expressions(text: &str) -> String {
    let mut text = text.to_owned();
    for (expression, value) in [
        ("${{ vars.HEROKU_APP || 'hello' }}", "hello"),
        ("${{ vars.DYNOSIM_GIT }}", "https://git.example/dynosim"),
        ("${{ secrets.HEROKU_API_KEY }}", "key-of-nobody"),
        ("${{ github.run_number }}", "7"),
    ] {
        text = text.replace(expression, value);
    }
    assert!(!text.contains("${{"), "an expression that is not known here: {text}");
    text
}

fn variables(of: &Value) -> Vec<(String, String)> {
    let map = of.as_object().into_iter().flatten();
    map.map(|(name, value)| (name.clone(), expressions(value.as_str().unwrap()))).collect()
}

#[test]
fn every_step_of_the_github_workflow_runs_and_what_was_tested_is_what_is_pushed() {
    engine_or_skip!();
    registry_or_skip!();
    let _engine = engine_lock();
    let runner = Runner::new("github");
    runner.caches(&runner.home.join(".dynosim/bin"));
    let workflow = runner.read(".github/workflows/heroku.yml");
    assert_eq!(workflow["permissions"]["contents"], "read");
    assert_eq!(workflow["on"]["push"]["branches"][0], "main");
    let common = variables(&workflow["env"]);
    let steps = workflow["jobs"]["ship"]["steps"].as_array().unwrap();
    let mut names = Vec::new();
    for step in steps {
        let Some(script) = step["run"].as_str() else {
            assert!(step["uses"].as_str().unwrap().starts_with("actions/"), "{step}");
            continue;
        };
        assert!(!script.contains("${{"), "an expression in a script could be a command: {script}");
        let mut all = common.clone();
        all.extend(variables(&step["env"]));
        let secret = all.iter().any(|(name, _)| name == "HEROKU_API_KEY");
        assert_eq!(secret, script.contains("container:"), "the key is where it is needed: {step}");
        assert_eq!(step["if"] == "github.event_name == 'push'", secret, "a pull request ships nothing: {step}");
        runner.shell(script, &all);
        names.push(step["name"].as_str().unwrap());
    }
    assert_eq!(names, ["Install dynosim", "Build", "Test", "Push", "Release"]);
    let asked = runner.asked();
    assert_eq!(asked[0], "dynosim build");
    assert!(asked[1].starts_with("dynosim test --junit dynosim.xml --annotations github"), "{asked:?}");
    assert_eq!(asked[2], "dynosim container:push web --app hello --tag v7");
    assert_eq!(asked[3], "dynosim container:release web --app hello");
    let report = fs::read_to_string(runner.project.dir.join("dynosim.xml")).unwrap();
    assert!(report.contains("failures=\"0\"") && report.contains("Ran 1 test"), "{report}");
    runner.shipped("v7");
}

#[test]
fn every_command_of_the_gitlab_job_runs_but_those_that_set_up_its_machine() {
    engine_or_skip!();
    registry_or_skip!();
    let _engine = engine_lock();
    let runner = Runner::new("gitlab");
    runner.caches(&runner.project.dir.join(".dynosim/bin"));
    let file = runner.read(".gitlab-ci.yml");
    let job = &file["heroku"];
    let mut all = variables(&file["variables"]);
    for (name, value) in [
        ("CI_PROJECT_DIR", runner.project.dir.to_str().unwrap()),
        ("CI_COMMIT_BRANCH", "main"),
        ("CI_DEFAULT_BRANCH", "main"),
        ("CI_PIPELINE_IID", "9"),
        ("HEROKU_API_KEY", "key-of-nobody"),
        ("DYNOSIM_GIT", "https://git.example/dynosim"),
    ] {
        all.push((name.to_owned(), value.to_owned()));
    }
    let lines = |key: &str| {
        job[key].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // The engine is the one that is there.
    let machine = |line: &String| line.starts_with("apt-get") || line.starts_with("dockerd ");
    let before = lines("before_script");
    assert_eq!(before.iter().filter(|line| machine(line)).count(), 2, "{before:?}");
    let script: Vec<String> = before.into_iter().filter(|line| !machine(line)).chain(lines("script")).collect();
    runner.shell(&script.join("\n"), &all);
    assert_eq!(runner.asked().last().unwrap(), "dynosim container:release web --app hello");
    runner.shipped("v9");
    // A merge request ends after its test.
    for (name, value) in &mut all {
        if name == "CI_COMMIT_BRANCH" {
            value.clear();
        }
    }
    fs::write(runner.home.join("asked"), "").unwrap();
    runner.shell(&script.join("\n"), &all);
    assert_eq!(runner.asked().len(), 2, "{:?}", runner.asked());
}
