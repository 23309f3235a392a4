//! The control plane: HTTP and JSON over a Unix socket in the app's state folder, with the paths and resource shapes of
//! Heroku's Platform API v3. Whoever steers a running app does so through here, this program's own commands among them;
//! `docs/api.md` lists the paths.
//!
//! `server` accepts, `routes` finds what is asked for and calls the [`Control`], `views` turn what that says into
//! the shapes of [`crate::heroku`]. Nothing here decides anything about an app, and nothing here knows a terminal.

pub mod client;
mod fault;
mod log_sessions;
mod request;
mod routes;
pub mod server;
mod socket;
mod streams;
#[cfg(test)]
mod tests;
mod views;

pub use crate::heroku::shapes;
pub use client::{Client, ClientError};
pub use server::{Server, Serving};
pub use views::offline_release;

use crate::clock::Clock;
use crate::logs::Logs;
use crate::platform::control::Control;
use crate::platform::state::{Identity, StateDir};

/// The path of the app itself, whatever its name: a socket serves one app.
pub const APP: &str = "/apps/~";
/// The path that builds what has changed and releases it.
pub const REBUILD: &str = "/dynosim/rebuild";

/// What the API speaks for.
#[derive(Clone)]
pub struct Subject {
    /// The app's name.
    pub app: String,
    /// Who it is on this machine.
    pub identity: Identity,
    /// Its state folder.
    pub state: StateDir,
    /// Who makes releases: `ann@localhost`.
    pub user: String,
    /// Stamps and ids.
    pub clock: Clock,
    /// Its log.
    pub logs: Logs,
    /// A hand on it.
    pub control: Control,
}
