//! A one-off dyno of this process in the running app's list: `ps` shows it, and `ps:stop` ends it.

use crate::api::client::part;
use crate::api::shapes::{GuestState, NewGuest};
use crate::api::{Client, ClientError};
use crate::dyno::DynoStatus;
use crate::model::dyno::DynoState;
use crate::platform::control::Place;
use crate::platform::interrupt::Interrupter;
use crate::platform::state::StateDir;
use serde_json::Value;
use tokio::sync::watch;

/// Has the app list the dyno until this is dropped. An app that ends, or does not know of such lists, takes nothing from
/// the dyno.
pub(super) async fn list(
    state: StateDir,
    place: Place,
    mut status: watch::Receiver<DynoStatus>,
    interrupter: Interrupter,
) {
    let told = async {
        let guest = NewGuest {
            number: place.name.number,
            command: place.command.clone(),
            size: place.size.name.to_owned(),
            state: word(status.borrow_and_update().state).to_owned(),
        };
        let mut orders = Client::connect(&state).await?.post_for_lines("/dynosim/one-offs", &guest).await?;
        loop {
            tokio::select! {
                order = orders.next() => match order {
                    Some(order) if order == b"stop" => {
                        interrupter.press("ps:stop");
                    }
                    Some(_) => {}
                    None => return Ok::<_, ClientError>(()),
                },
                changed = status.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let now = GuestState { state: word(status.borrow_and_update().state).to_owned() };
                    let path = format!("/dynosim/one-offs/{}", part(&place.name.to_string()));
                    let _: Value = Client::connect(&state).await?.patch(&path, &now).await?;
                }
            }
        }
    };
    // It is a courtesy: the dyno runs all the same.
    let _ = told.await;
}

/// One that is ending is up until it has ended.
fn word(state: DynoState) -> &'static str {
    if state == DynoState::Starting { "starting" } else { "up" }
}
