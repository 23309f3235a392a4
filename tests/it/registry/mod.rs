//! Debian's `docker-registry`, started for a test on a free port, and a gate in front of it that can be told to fail.

mod gate;

pub(crate) use gate::{Gate, Trouble};

use crate::harness::{Project, exchange};
use dynosim::model::image::ImageId;
use dynosim::model::process_type::ProcessType;
use dynosim::platform::state::{Identity, StateDir};
use dynosim::platform::tested::{Ledger, Tested, TestedImage, Verdict};
use serde_json::Value;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The secret that a registry with a password file takes, from a user called `_`.
pub(crate) const SECRET: &str = "hunter2-key";
/// bcrypt of it, with the least rounds.
const PASSWORDS: &str = "_:$2y$05$abcdefghijklmnopqrstuupI6N3mPb1oQZFm1qHcBKFurg0eRIrA.\n";

/// A registry of its own. It ends with the test.
pub(crate) struct Registry {
    child: Child,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

/// Leaves the test where no `docker-registry` is installed; where it is required, as in CI, that is a failure.
macro_rules! registry_or_skip {
    () => {
        if !$crate::registry::is_installed() {
            return;
        }
    };
}
pub(crate) use registry_or_skip;

pub(crate) fn is_installed() -> bool {
    let found = Command::new("docker-registry").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_ok() {
        return true;
    }
    let name = std::thread::current().name().unwrap_or("test").to_owned();
    assert!(std::env::var_os("DYNOSIM_REQUIRE_ENGINE").is_none(), "{name}: docker-registry is required");
    let _ = writeln!(std::io::stderr(), "skipped, docker-registry is not installed: {name}");
    false
}

impl Registry {
    /// One that anybody may use.
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// One that wants user `_` and [`SECRET`].
    pub(crate) fn with_password() -> Self {
        Self::with("auth:\n  htpasswd: {realm: test, path: PASSWORDS}\n")
    }

    fn with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let place = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(place("passwords"), PASSWORDS).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\n\
             http: {{addr: '127.0.0.1:{port}'}}\n{}",
            place("data"),
            more.replace("PASSWORDS", &place("passwords"))
        );
        std::fs::write(place("config.yml"), config).unwrap();
        let mut command = Command::new("docker-registry");
        command.args(["serve", &place("config.yml")]).env_clear().env("PATH", std::env::var("PATH").unwrap());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let registry = Self { child, port, _folder: folder };
        // It is there when its port is open; nothing else tells.
        for _ in 0..500 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return registry;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("docker-registry does not listen");
    }

    /// As an option of a command.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What a tag names: the manifest, or nothing.
    pub(crate) fn manifest(&self, repository: &str, tag: &str) -> Option<Value> {
        let answer = exchange(
            self.port,
            format!(
                "GET /v2/{repository}/manifests/{tag} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: application/vnd.docker.distribution.manifest.v2+json\r\n\r\n"
            )
            .as_bytes(),
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        head.starts_with("HTTP/1.1 200").then(|| serde_json::from_str(body).unwrap())
    }

    /// The config digest that a tag names.
    pub(crate) fn config(&self, repository: &str, tag: &str) -> Option<String> {
        Some(self.manifest(repository, tag)?["config"]["digest"].as_str().unwrap().to_owned())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Marks the newest builds of a project as tested, as a passed test would.
pub(crate) fn vouch(project: &Project) {
    let builds: Value = serde_json::from_slice(&std::fs::read(project.state().join("builds.json")).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let image = |built: &Value| TestedImage {
        config: ImageId(text(&built["image"])),
        manifest: None,
        inputs: text(&built["inputs"]),
    };
    let images = builds.as_object().unwrap().iter();
    vouch_for(project, images.map(|(name, built)| (name.parse().unwrap(), image(built))));
}

/// Writes into the project's ledger that a test passed with these images.
pub(crate) fn vouch_for(project: &Project, images: impl Iterator<Item = (ProcessType, TestedImage)>) {
    let root = std::fs::canonicalize(&project.dir).unwrap();
    let base: &Path = &project.state();
    let base = base.parent().unwrap().parent().unwrap();
    let state = StateDir::open(base, "any", &Identity::of(&root, "")).unwrap();
    let tested = Tested {
        images: images.collect(),
        commit: None,
        command: "true".into(),
        verdict: Verdict::Passed,
        findings: Vec::new(),
        time: "2026-11-21T03:08:15.000000+00:00".into(),
        took_ms: 1,
        dynosim: "0.1.0".into(),
    };
    Ledger::open(&state).unwrap().record(tested).unwrap();
}
