//! A client of one kind of server, an image registry (Docker's registry API v2), and what such a server is given: schema 2
//! manifests, made of what an engine exports. What may be pushed, and under which tag, is decided above.
//!
//! | file | is |
//! |---|---|
//! | `place` | names: registry, repository, tag, digest |
//! | `login`, `docker_config`, `helper` | who one is there, as Docker's own tools keep it |
//! | `challenge`, `session`, `web` | requests that sign in when they are asked to |
//! | `client`, `upload`, `download` | manifests and blobs |
//! | `manifest` | schema 2, and what is made into it |
//! | `saved`, `squeeze` | an exported image, in either layout, as blobs |
//!
//! What it promises:
//! - A secret goes to the registry it is for, and to the token service that this registry names, over TLS or on this
//!   machine alone. It stands in no error, log, argument or `Debug` text.
//! - Every byte is named by its digest: what is sent was hashed here, what comes back is hashed again.
//! - Nothing waits for ever, and what failed for a moment is tried again. An upload goes on where the registry has it.

mod challenge;
mod client;
mod docker_config;
mod download;
mod error;
mod helper;
mod login;
mod manifest;
mod place;
mod saved;
mod session;
mod squeeze;
#[cfg(test)]
mod tests;
mod upload;
mod web;

pub use client::{Client, Found};
pub use docker_config::{DockerLogins, Kept};
pub use error::RegistryError;
pub use login::Login;
pub use manifest::{Blob, Manifest};
pub use place::{BadName, Digest, Host, Repository, Tag};
pub use saved::{Saved, SavedError, open};
pub use squeeze::{Prepared, Squeezer};
pub use upload::{Outcome, Sessions, Source};
pub use web::Patience;
