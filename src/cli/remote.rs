//! What the keys of an `attach` ask of the app, through its API: each answers with a line for the user.

use super::hand;
use crate::api::client::part;
use crate::api::shapes::{App, Formation, FormationUpdate, FormationUpdates};
use crate::api::{APP, Client, ClientError};
use crate::platform::control::{Quantity, ScaleUpdate};
use crate::platform::state::StateDir;
use serde_json::{Value, json};

/// A hand on the app of another process.
pub(super) struct Remote {
    pub(super) state: StateDir,
}

impl Remote {
    pub(super) async fn restart(&self, which: &str) -> String {
        let path = if which.is_empty() { format!("{APP}/dynos") } else { format!("{APP}/dynos/{}", part(which)) };
        let asked = async { Client::connect(&self.state).await?.delete(&path).await };
        said(asked.await.map(|_| format!("restarting {}", if which.is_empty() { "all dynos" } else { which })))
    }

    /// `web=1 worker=0`; empty when the app does not say.
    pub(super) async fn formation(&self) -> String {
        let asked = async { Client::connect(&self.state).await?.get(&format!("{APP}/formation")).await };
        asked.await.map(|formation: Vec<Formation>| words(&formation)).unwrap_or_default()
    }

    pub(super) async fn scale(&self, text: &str) -> String {
        let updates = match hand::updates(text) {
            Ok(updates) => FormationUpdates { updates: updates.iter().map(wish).collect() },
            Err(reason) => return reason,
        };
        let asked = async { Client::connect(&self.state).await?.patch(&format!("{APP}/formation"), &updates).await };
        said(asked.await.map(|formation: Vec<Formation>| format!("now running {}", words(&formation))))
    }

    pub(super) async fn toggle_maintenance(&self) -> String {
        let asked = async {
            let mut client = Client::connect(&self.state).await?;
            let before: App = client.get(APP).await?;
            client.patch::<App>(APP, &json!({"maintenance": !before.maintenance})).await
        };
        said(asked.await.map(|now| hand::maintenance(now.maintenance).to_owned()))
    }
}

fn said(answer: Result<String, ClientError>) -> String {
    answer.unwrap_or_else(|error| error.to_string())
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
