//! Resources as Heroku's Platform API v3 has them: what dynosim's own server writes and both clients read, of the running
//! app and of Heroku. Fields that dynosim has nothing for are there and null, since clients of Heroku stumble over missing
//! ones. Of what is read, only what a resource cannot do without must be there.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Config vars: name and value.
pub type ConfigVars = BTreeMap<String, String>;

/// A thing named beside another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// `ann@localhost`
    pub email: String,
    /// Its id.
    pub id: String,
}

/// `POST /dynosim/one-offs`: a dyno that the client runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewGuest {
    /// The 1234 of `run.1234`.
    pub number: u32,
    /// Its command.
    pub command: String,
    /// `Standard-2X`
    pub size: String,
    /// `starting` or `up`.
    pub state: String,
}

/// `GET /dynosim/one-offs/{name}`, once the dyno has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    /// The status of its command, or 128 and a signal's number.
    pub exit: i32,
}

/// `PATCH /dynosim/one-offs/{name}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestState {
    /// `starting` or `up`.
    pub state: String,
}

/// `POST /apps/{app}/dynos`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDyno {
    /// A command line for the shell, or the name of a process type for that type's command.
    pub command: String,
    /// Whether a client wants its terminal; only `false` is served.
    #[serde(default)]
    pub attach: bool,
    /// Whose image: web unless told.
    #[serde(rename = "type", default)]
    pub process_type: Option<String>,
    /// `Standard-2X`; Basic unless told.
    #[serde(default)]
    pub size: Option<String>,
    /// Config vars for this dyno alone.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// `GET /account`
#[allow(clippy::struct_excessive_bools, reason = "Heroku's own fields")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Always false: nothing is tracked.
    pub allow_tracking: bool,
    /// Always false.
    pub beta: bool,
    /// `ann@localhost`
    pub email: String,
    /// Its id.
    pub id: String,
    /// The part of the email before the `@`.
    pub name: Option<String>,
    /// Always false.
    pub two_factor_authentication: bool,
    /// Always true.
    pub verified: bool,
}

/// `GET /apps/{app}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Always false: no certificates are managed.
    #[serde(default)]
    pub acm: bool,
    /// Always null.
    pub archived_at: Option<String>,
    /// `container`
    #[serde(default)]
    pub build_stack: Named,
    /// `complete`
    #[serde(default)]
    pub create_status: String,
    /// When its first release was made.
    #[serde(default)]
    pub created_at: String,
    /// `cedar`
    #[serde(default)]
    pub generation: Named,
    /// Where Heroku would take pushes; nothing listens there.
    #[serde(default)]
    pub git_url: String,
    /// Its id, which dynos have as `HEROKU_APP_ID`.
    pub id: String,
    /// Whether every request is answered with H80.
    #[serde(default)]
    pub maintenance: bool,
    /// Its name.
    pub name: String,
    /// Who runs it.
    #[serde(default)]
    pub owner: Person,
    /// `local`
    #[serde(default)]
    pub region: Named,
    /// When its newest release was made.
    pub released_at: Option<String>,
    /// Always null.
    pub repo_size: Option<u64>,
    /// Always null.
    pub slug_size: Option<u64>,
    /// Always null.
    pub space: Option<Named>,
    /// `container`
    #[serde(default)]
    pub stack: Named,
    /// Always null.
    pub team: Option<Named>,
    /// When its newest release was made.
    #[serde(default)]
    pub updated_at: String,
    /// `http://localhost:5006/`; null for an app without web, or before its router listens.
    pub web_url: Option<String>,
}

/// The release of a dyno.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRef {
    /// Its id.
    pub id: String,
    /// Its number.
    pub version: u64,
}

/// `GET /apps/{app}/dynos`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dyno {
    /// Its app.
    pub app: Named,
    /// Always null: dynos of the formation have no client.
    pub attach_url: Option<String>,
    /// Its command, as the log names it.
    pub command: String,
    /// When it was last started or changed state.
    pub created_at: String,
    /// Its id: another one after each start.
    pub id: String,
    /// `web.1`
    pub name: String,
    /// What it runs.
    pub release: ReleaseRef,
    /// `Basic`
    pub size: String,
    /// `starting`, `up`, `crashed`, `down`.
    pub state: String,
    /// `web`
    #[serde(rename = "type")]
    pub process_type: String,
    /// When it was last started or changed state.
    pub updated_at: String,
    /// How often it was started in this run, crashes among it. dynosim's own.
    pub starts: u64,
}

/// `GET /apps/{app}/formation`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formation {
    /// Its app.
    #[serde(default)]
    pub app: Named,
    /// The command of the process type.
    #[serde(default)]
    pub command: String,
    /// When the app's newest release was made.
    #[serde(default)]
    pub created_at: String,
    /// Its id.
    pub id: String,
    /// How many dynos are wanted.
    pub quantity: u32,
    /// Of what size.
    #[serde(default)]
    pub size: String,
    /// `web`
    #[serde(rename = "type")]
    pub process_type: String,
    /// When the app's newest release was made.
    #[serde(default)]
    pub updated_at: String,
}

/// `GET /apps/{app}/releases`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Always empty.
    #[serde(default)]
    pub addon_plan_names: Vec<String>,
    /// Its app.
    #[serde(default)]
    pub app: Named,
    /// When it was made.
    #[serde(default)]
    pub created_at: String,
    /// Whether its dynos run.
    #[serde(default)]
    pub current: bool,
    /// `Deployed web (eacd9b960537)`
    pub description: String,
    /// Whether one may go back to it.
    #[serde(default)]
    pub eligible_for_rollback: bool,
    /// Its id.
    pub id: String,
    /// Its images, by process type. dynosim's own.
    #[serde(default)]
    pub images: BTreeMap<String, String>,
    /// Where the output of its release command can be read; null when it has none.
    pub output_stream_url: Option<String>,
    /// Its images as one thing.
    pub slug: Option<Id>,
    /// `pending`, `succeeded`, `failed`, `expired`.
    pub status: String,
    /// When it was made.
    #[serde(default)]
    pub updated_at: String,
    /// Who made it.
    #[serde(default)]
    pub user: Person,
    /// 3 for v3.
    pub version: u64,
}

/// An id alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Id {
    /// The id.
    pub id: String,
}

/// `GET /apps/{app}/features`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// When the app's newest release was made.
    pub created_at: String,
    /// What it does.
    pub description: String,
    /// Heroku's page on it.
    pub doc_url: String,
    /// Whether it is on.
    pub enabled: bool,
    /// Its id.
    pub id: String,
    /// `preboot`
    pub name: String,
    /// `general`
    pub state: String,
    /// When the app's newest release was made.
    pub updated_at: String,
}

/// `POST /apps/{app}/log-sessions`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSession {
    /// When it was asked for.
    pub created_at: String,
    /// Its id.
    pub id: String,
    /// Where its lines are, as server-sent events.
    pub logplex_url: String,
    /// When it was asked for.
    pub updated_at: String,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// `not_found`, `invalid_params`, `conflict`, …
    pub id: String,
    /// For people.
    pub message: String,
    /// Where more is written; Heroku's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// One wish of `PATCH /apps/{app}/formation`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormationUpdate {
    /// `web`
    #[serde(rename = "type", default)]
    pub process_type: String,
    /// `2`, `"2"`, `"+1"`, `"-1"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<serde_json::Value>,
    /// `standard-2x`, in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
}

/// The body of `PATCH /apps/{app}/formation`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormationUpdates {
    /// All of them, or none when one is wrong.
    pub updates: Vec<FormationUpdate>,
}

/// One image of [`ImageUpdates`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUpdate {
    /// `web`
    #[serde(rename = "type")]
    pub process_type: String,
    /// Its config digest: `sha256:…`.
    pub docker_image: String,
}

/// The body of `PATCH /apps/{app}/formation` that releases images (R1.1). Heroku's alone: here, images come from a build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUpdates {
    /// Of all of them, one release is made.
    pub updates: Vec<ImageUpdate>,
}

/// The answer of `GET /dynosim/wait`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// Whether every dyno that is wanted is up on the newest release.
    pub up: bool,
    /// Those that crashed.
    pub crashed: Vec<String>,
}

/// What a dyno uses, as `GET /dynosim/usage` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DynoUsage {
    /// `web.1`
    pub name: String,
    /// Bytes that count against the quota (R5.7); null while it does not run.
    pub memory: Option<u64>,
    /// The memory quota of its size, in bytes.
    pub memory_quota: u64,
}

/// The answer of `POST /dynosim/rebuild`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuilt {
    /// The release that it came to; null when nothing has changed.
    pub version: Option<u64>,
}

/// The answer of `POST /dynosim/cycle`: which dynos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cycled {
    /// By name.
    pub dynos: Vec<String>,
}

/// An id in the shape of a UUID that is the same whenever the same thing is asked for.
pub fn id_of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest = hash.finalize();
    let mut hex = String::new();
    for byte in digest.iter().take(16) {
        let _ = write!(hex, "{byte:02x}");
    }
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

#[cfg(test)]
mod tests {
    use super::id_of;

    #[test]
    fn ids_are_uuids_and_stay_the_same() {
        let id = id_of(&["release", "3f9a1c227be4", "3"]);
        assert_eq!(id, id_of(&["release", "3f9a1c227be4", "3"]));
        assert_ne!(id, id_of(&["release", "3f9a1c227be4", "4"]));
        assert_ne!(id_of(&["a", "b"]), id_of(&["ab", ""]));
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
    }
}
