//! Where images go: a registry, and an app there.

use super::fault::PushError;
use crate::heroku::Endpoint;
use crate::model::process_type::ProcessType;
use crate::registry::{BadName, Host, Repository};

/// The registry of Heroku's apps, for the API that is spoken to: `registry.heroku.com` beside `api.heroku.com`; a stand-in on
/// this machine is both (cli-api §2.2).
pub fn heroku_registry(api: &Endpoint) -> Result<Host, BadName> {
    match api.host().strip_prefix("api.") {
        Some(domain) => Host::parse(&format!("registry.{domain}")),
        None => Host::parse(api.host()),
    }
}

/// A registry and an app.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where.
    pub host: Host,
    /// Whose images.
    pub app: String,
}

impl Target {
    /// `APP/TYPE` there (R1.2).
    pub fn repository(&self, process_type: &ProcessType) -> Result<Repository, PushError> {
        Ok(Repository::new(self.host.clone(), &format!("{}/{process_type}", self.app))?)
    }
}
