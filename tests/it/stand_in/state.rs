//! What the stand-in knows: apps, their releases, what was pushed for them.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// A request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) accept: String,
    pub(crate) range: Option<String>,
    pub(crate) body: Value,
}

/// What the release command of the next releases does.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    /// What it prints, and after which pause.
    pub(crate) prints: Vec<(Duration, &'static [u8])>,
    /// `succeeded`, `failed`
    pub(crate) ends: &'static str,
    /// How many looks at the stream come too early.
    pub(crate) too_early: u32,
    /// The stream breaks once, after so many bytes.
    pub(crate) breaks_after: Option<usize>,
}

impl Phase {
    pub(crate) fn printing(prints: &[&'static [u8]], ends: &'static str) -> Self {
        let prints = prints.iter().map(|text| (Duration::from_millis(50), *text)).collect();
        Self { prints, ends, too_early: 1, breaks_after: None }
    }
}

/// The output of a release command so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) bytes: Vec<u8>,
    pub(crate) over: bool,
    pub(crate) too_early: u32,
    pub(crate) breaks_after: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) name: &'static str,
    pub(crate) stack: &'static str,
    /// Whether the key's account may see it.
    pub(crate) open: bool,
    pub(crate) phase: Option<Phase>,
    pub(crate) releases: Vec<Value>,
    /// By process type: what is in the registry as latest, and what a release of it may say.
    pub(crate) pushed: BTreeMap<String, String>,
    /// By process type: config digest.
    pub(crate) images: BTreeMap<String, String>,
}

impl App {
    /// An app of images with the two releases that each app has from its start (R6.2).
    pub(crate) fn new(name: &'static str) -> Self {
        let mut app = Self {
            name,
            stack: "container",
            open: true,
            phase: None,
            releases: Vec::new(),
            pushed: BTreeMap::new(),
            images: BTreeMap::new(),
        };
        app.add("Initial release", "succeeded");
        app.add("Enable Logplex", "succeeded");
        app
    }

    pub(crate) fn pushed(mut self, process_type: &str, digest: &str) -> Self {
        self.pushed.insert(process_type.into(), digest.into());
        self
    }

    pub(crate) fn with_phase(mut self, phase: Phase) -> Self {
        self.phase = Some(phase);
        self
    }

    /// Makes a release; the number of it.
    pub(crate) fn add(&mut self, description: &str, status: &str) -> u64 {
        let version = self.releases.len() as u64 + 1;
        let id = format!("00000000-0000-4000-8000-{version:012}");
        self.releases.push(json!({
            "addon_plan_names": [], "app": {"id": self.id(), "name": self.name}, "artifacts": [],
            "created_at": "2019-11-21T03:08:15Z", "updated_at": "2026-11-21T03:08:15Z", "description": description,
            "id": id, "status": status, "version": version, "current": false, "eligible_for_rollback": false,
            "output_stream_url": null, "slug": {"id": format!("5106{}", &id[4..])},
            "user": {"id": "11111111-0000-4000-8000-000000000000", "email": "ann@example.com"},
            "images": self.images,
        }));
        self.settle();
        version
    }

    /// The newest release that succeeded is the current one, and those that did may be gone back to (R9).
    pub(crate) fn settle(&mut self) {
        let current = self.releases.iter().rposition(|release| release["status"] == "succeeded");
        for (at, release) in self.releases.iter_mut().enumerate() {
            release["current"] = json!(Some(at) == current);
            release["eligible_for_rollback"] = json!(release["status"] == "succeeded");
        }
    }

    pub(crate) fn id(&self) -> String {
        format!("aaaaaaaa-0000-4000-8000-{:0>12}", self.name.len())
    }

    pub(crate) fn view(&self) -> Value {
        let stack = json!({"id": "5", "name": self.stack});
        json!({
            "acm": false, "archived_at": null, "build_stack": stack, "created_at": "2019-11-21T03:08:15Z",
            "git_url": format!("https://git.heroku.com/{}.git", self.name), "id": self.id(), "maintenance": false,
            "name": self.name, "owner": {"id": "u", "email": "ann@example.com"}, "region": {"id": "r", "name": "us"},
            "generation": {"id": "g", "name": "cedar"}, "released_at": null, "repo_size": null, "slug_size": null,
            "space": null, "stack": stack, "team": null, "updated_at": "2019-11-21T03:08:15Z", "web_url": null,
        })
    }

    pub(crate) fn formation(&self) -> Value {
        let one = |(name, _): (&String, &String)| {
            json!({
                "app": {"id": self.id(), "name": self.name}, "command": "/bin/sh -c true", "type": name, "quantity": 1,
                "created_at": "2019-11-21T03:08:15Z", "updated_at": "2026-11-21T03:08:15Z", "id": format!("f-{name}"),
                "size": "Basic", "dyno_size": {"id": "d", "name": "Basic"},
            })
        };
        // The release phase is no part of the formation until it has run.
        self.images.iter().filter(|(name, _)| *name != "release").map(one).collect()
    }
}

pub(crate) struct World {
    pub(crate) apps: Vec<App>,
    pub(crate) streams: BTreeMap<String, Stream>,
    pub(crate) asked: Vec<Asked>,
    /// Requests to streams, of which none may have a key.
    pub(crate) streamed: Vec<Asked>,
    /// How long a page of a list is at the most.
    pub(crate) page: usize,
}

impl World {
    pub(super) fn new(apps: Vec<App>) -> Self {
        Self { apps, streams: BTreeMap::new(), asked: Vec::new(), streamed: Vec::new(), page: 1000 }
    }

    pub(crate) fn app(&mut self, name: &str) -> &mut App {
        self.apps.iter_mut().find(|app| app.name == name).unwrap()
    }

    /// The bodies of the requests that changed something.
    pub(crate) fn changes(&self) -> Vec<(String, Value)> {
        let changes = self.asked.iter().filter(|asked| asked.method != "GET");
        changes.map(|asked| (format!("{} {}", asked.method, asked.path), asked.body.clone())).collect()
    }
}
