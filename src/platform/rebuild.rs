//! Builds a running app's images again and releases them, as an edit or a key asks for.

use super::builds::{self, BuildOptions};
use super::control::{Control, ControlError, Reload};
use super::deploy::Ground;
use super::error::PlatformError;
use super::project::Project;
use super::slate::Slate;
use super::up::builds_wanted;
use crate::model::process_type::ProcessType;
use crate::model::release::Version;
use std::sync::Arc;

/// Reads the files again, builds what has changed, and releases it; returns when the release phase is over. `None` when
/// nothing has changed. Until then, and when it fails, the release that runs goes on.
pub async fn rebuild(
    control: &Control,
    reload: &Reload,
    options: &BuildOptions,
) -> Result<Option<Version>, ControlError> {
    let current = control.deployed().ok_or(ControlError::NotReleased)?;
    let app = reload()?;
    let before = &current.ground.project.app;
    let same = app.processes == before.processes
        && app.release == before.release
        && app.config.plain() == current.release.config;
    let project = Arc::new(Project { app, ..(*current.ground.project).clone() });
    let formation = control.formation();
    let wanted = builds_wanted(&project.app, &formation);
    let built = builds::build(&project, &wanted, options).await?;
    if same && built.slug == current.release.slug {
        return Ok(None);
    }
    let running: Vec<&ProcessType> =
        formation.iter().filter(|(_, scale)| scale.quantity > 0).map(|(name, _)| name).collect();
    let slate = Slate::of(&project.app, &built, &running, current.slate.launch)?;
    slate.say_notes(&project.report);
    let ground = Ground { project, ..current.ground.clone() };
    let (_, outcome) = control.deploy(ground, built.slug, slate)?;
    // The queue ends with the app only.
    let release = outcome.await.map_err(|_| PlatformError::Interrupted)??;
    Ok(Some(release.version))
}
