//! An app at Heroku: its releases, and how images become one.
//!
//! Nothing is released whose digest is not known, and nothing is called released before Heroku says so: a release phase is
//! watched to its end.

mod fault;
mod images;
mod promote;
mod release;
mod running;
mod watch;

pub use fault::Fault;
pub use images::Registry;
pub use promote::{Promotion, promote};
pub use release::{Shipment, release, remove};
pub use running::running_images;
pub use watch::{Progress, watch};

use crate::heroku::shapes::{App, ConfigVars, Release};
use crate::heroku::{Client, HerokuError, part};
use serde_json::json;

/// An app at Heroku, by the name or id it was asked for.
#[derive(Clone)]
pub struct Hosted {
    api: Client,
    name: String,
}

impl Hosted {
    /// Asks nothing yet.
    pub fn new(api: Client, name: &str) -> Self {
        Self { api, name: name.to_owned() }
    }

    /// The API it is asked through.
    pub fn api(&self) -> &Client {
        &self.api
    }

    /// As it was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn path(&self, below: &str) -> String {
        format!("/apps/{}{below}", part(&self.name))
    }

    /// The app itself.
    pub async fn app(&self) -> Result<App, HerokuError> {
        self.api.get(&self.path("")).await
    }

    /// The app, when it is one that runs images (R1.1).
    pub async fn container_app(&self) -> Result<App, Fault> {
        let app = self.app().await?;
        let named = |stack: &crate::heroku::shapes::Named| stack.name == "container";
        if named(&app.stack) || named(&app.build_stack) {
            Ok(app)
        } else {
            Err(Fault::NotContainer { app: app.name, stack: app.stack.name })
        }
    }

    /// Its releases, newest first.
    pub async fn releases(&self, most: usize) -> Result<Vec<Release>, HerokuError> {
        self.api.list(&self.path("/releases"), "version", "desc", most).await
    }

    /// One release, by number or id.
    pub async fn release(&self, which: &str) -> Result<Release, HerokuError> {
        self.api.get(&self.path(&format!("/releases/{}", part(which)))).await
    }

    /// The config vars of a release.
    pub async fn config(&self, version: u64) -> Result<ConfigVars, HerokuError> {
        self.api.get(&self.path(&format!("/releases/{version}/config-vars"))).await
    }

    /// Makes a release like that one.
    pub async fn roll_back(&self, to: &Release) -> Result<Release, HerokuError> {
        self.api.post(&self.path("/releases"), &json!({"release": to.id})).await
    }
}
