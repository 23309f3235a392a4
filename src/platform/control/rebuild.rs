//! Builds a running app's images again and releases them, as an edit or a key asks for.

use super::{Control, ControlError};
use crate::model::process_type::ProcessType;
use crate::model::release::Version;
use crate::platform::builds;
use crate::platform::deploy::Ground;
use crate::platform::error::PlatformError;
use crate::platform::project::Project;
use crate::platform::slate::Slate;
use crate::platform::up::builds_wanted;
use std::sync::Arc;

impl Control {
    /// Reads the files again, builds what has changed, and releases it; returns when the release phase is over. `None`
    /// when nothing has changed. Until then, and when it fails, the release that runs goes on.
    pub async fn rebuild(&self) -> Result<Option<Version>, ControlError> {
        let current = self.deployed().ok_or(ControlError::NotReleased)?;
        let app = self.0.desk.read().await?;
        let before = &current.ground.project.app;
        let same = app.processes == before.processes
            && app.release == before.release
            && app.config.plain() == current.release.config;
        let project = Arc::new(Project { app, ..(*current.ground.project).clone() });
        let formation = self.formation();
        let wanted = builds_wanted(&project.app, &formation);
        let built = builds::build(&project, &wanted, &self.0.desk.build).await?;
        if same && built.slug == current.release.slug {
            return Ok(None);
        }
        let running: Vec<&ProcessType> =
            formation.iter().filter(|(_, scale)| scale.quantity > 0).map(|(name, _)| name).collect();
        let slate = Slate::of(&project.app, &built, &running, current.slate.launch)?;
        slate.say_notes(&project.report);
        let ground = Ground { project, ..current.ground.clone() };
        let (_, outcome) = self.deploy(ground, built.slug, slate)?;
        // The queue ends with the app only.
        let release = outcome.await.map_err(|_| PlatformError::Interrupted)??;
        Ok(Some(release.version))
    }
}
