//! The registry that images are released from.

use crate::cli::args::heroku::FromRegistry;
use crate::cli::registries;
use crate::platform::heroku::{Fault, ImageError, Remote};
use crate::registry::Patience;

/// Asks nothing yet.
pub(super) async fn of(from: &FromRegistry) -> Result<Remote, Fault> {
    let host = registries::host(from.registry.as_deref()).map_err(ImageError::Name)?;
    let login = registries::login(&host).await;
    Ok(Remote { host, login, patience: Patience::default() })
}
