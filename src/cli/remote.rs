//! What the keys of an `attach` and a `ui` ask of the app, through its API: each answers with a line for the user.

use super::hand;
use crate::api::client::part;
use crate::api::shapes::{App, Formation, FormationUpdate, FormationUpdates, Rebuilt, Release};
use crate::api::{APP, Client, ClientError, REBUILD};
use crate::platform::control::{Quantity, ScaleUpdate};
use crate::platform::state::StateDir;
use serde_json::{Value, json};

/// A hand on the app of another process.
#[derive(Clone)]
pub(super) struct Remote {
    pub(super) state: StateDir,
}

/// What is said to the user: it is done, or why not.
pub(super) type Said = Result<String, String>;

impl Remote {
    pub(super) async fn restart(&self, which: &str) -> Said {
        let path = if which.is_empty() { format!("{APP}/dynos") } else { format!("{APP}/dynos/{}", part(which)) };
        let asked = async { Client::connect(&self.state).await?.delete(&path).await };
        said(asked.await.map(|_| format!("restarting {}", if which.is_empty() { "all dynos" } else { which })))
    }

    pub(super) async fn stop(&self, which: &str) -> Said {
        let path = format!("{APP}/dynos/{}/actions/stop", part(which));
        let asked = async { Client::connect(&self.state).await?.post::<Value>(&path, &json!({})).await };
        said(asked.await.map(|_| format!("stopping {which}; a dyno of the formation starts again")))
    }

    /// Builds what has changed and releases it; answers when the release phase is over.
    pub(super) async fn rebuild(&self) -> Said {
        let asked = async { Client::connect(&self.state).await?.post(REBUILD, &json!({})).await };
        said(asked.await.map(|built: Rebuilt| match built.version {
            Some(version) => format!("released v{version}"),
            None => hand::NOTHING_NEW.to_owned(),
        }))
    }

    pub(super) async fn rollback(&self, to: u64) -> Said {
        let path = format!("{APP}/releases");
        let asked = async { Client::connect(&self.state).await?.post(&path, &json!({ "release": to })).await };
        said(asked.await.map(|made: Release| format!("rolling back to v{to}, as v{}", made.version)))
    }

    /// `web=1 worker=0`; empty when the app does not say.
    pub(super) async fn formation(&self) -> String {
        let asked = async { Client::connect(&self.state).await?.get(&format!("{APP}/formation")).await };
        asked.await.map(|formation: Vec<Formation>| words(&formation)).unwrap_or_default()
    }

    pub(super) async fn scale(&self, text: &str) -> Said {
        let updates = FormationUpdates { updates: hand::updates(text)?.iter().map(wish).collect() };
        let asked = async { Client::connect(&self.state).await?.patch(&format!("{APP}/formation"), &updates).await };
        said(asked.await.map(|formation: Vec<Formation>| format!("now running {}", words(&formation))))
    }

    pub(super) async fn toggle_maintenance(&self) -> Said {
        let asked = async { Client::connect(&self.state).await?.get(APP).await };
        let before: App = asked.await.map_err(|error: ClientError| error.to_string())?;
        self.set_maintenance(!before.maintenance).await
    }

    pub(super) async fn set_maintenance(&self, on: bool) -> Said {
        let asked = async { Client::connect(&self.state).await?.patch(APP, &json!({"maintenance": on})).await };
        said(asked.await.map(|now: App| hand::maintenance(now.maintenance).to_owned()))
    }
}

fn said(answer: Result<String, ClientError>) -> Said {
    answer.map_err(|error| error.to_string())
}

fn words(formation: &[Formation]) -> String {
    let types: Vec<String> = formation.iter().map(|one| format!("{}={}", one.process_type, one.quantity)).collect();
    types.join(" ")
}

fn wish(update: &ScaleUpdate) -> FormationUpdate {
    let quantity = update.quantity.map(|quantity| match quantity {
        Quantity::To(number) => Value::from(number),
        Quantity::By(change) => Value::from(format!("{change:+}")),
    });
    let size = update.size.map(|size| size.name.to_owned());
    FormationUpdate { process_type: update.process_type.to_string(), quantity, size }
}
