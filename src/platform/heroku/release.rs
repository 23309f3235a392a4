//! Images become a release: `container:release` and `container:rm` (R1.1, cli-api §7).

use super::{Fault, Hosted, Registry};
use crate::heroku::HerokuError;
use crate::heroku::shapes::{App, ImageUpdate, ImageUpdates, Release};
use crate::model::image::ImageId;
use crate::model::process_type::ProcessType;
use serde_json::{Value, json};

/// What is released, by process type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipment(pub Vec<(ProcessType, ImageId)>);

impl Shipment {
    /// What the registry has as `latest` of each of these process types: the image that Heroku would release (R1.1).
    pub async fn pushed(registry: &dyn Registry, app: &App, types: &[ProcessType]) -> Result<Self, Fault> {
        let mut images: Vec<(ProcessType, ImageId)> = Vec::new();
        for process_type in types {
            if images.iter().any(|(known, _)| known == process_type) {
                continue;
            }
            let image = registry.latest(&app.name, process_type).await?;
            let nothing = || Fault::NothingPushed { app: app.name.clone(), process_type: process_type.clone() };
            images.push((process_type.clone(), image.ok_or_else(nothing)?));
        }
        Ok(Self(images))
    }

    /// The images that no test vouches for.
    pub fn untested(&self, passed: &dyn Fn(&ImageId) -> bool) -> Vec<&(ProcessType, ImageId)> {
        self.0.iter().filter(|(_, image)| !passed(image)).collect()
    }

    /// `web,worker`
    pub fn types(&self) -> String {
        self.0.iter().map(|(process_type, _)| process_type.as_str()).collect::<Vec<_>>().join(",")
    }
}

/// Asks Heroku for one release of all these images. `None` when it makes none, since the app has just these already.
pub async fn release(hosted: &Hosted, shipment: &Shipment) -> Result<Option<Release>, HerokuError> {
    let before = hosted.releases(1).await?.first().map_or(0, |release| release.version);
    let update = |(process_type, image): &(ProcessType, ImageId)| ImageUpdate {
        process_type: process_type.to_string(),
        docker_image: image.0.clone(),
    };
    let wish = ImageUpdates { updates: shipment.0.iter().map(update).collect() };
    let _: Value = hosted.api().patch_images(&hosted.path("/formation"), &wish).await?;
    // The answer is the formation. What was made of it is among the newest releases, of which another may be somebody else's.
    let mut newer = hosted.releases(5).await?;
    newer.retain(|release| release.version > before);
    let ours = |release: &&Release| shipment.0.iter().any(|(_, image)| release.description.contains(image.short()));
    Ok(newer.iter().find(ours).or(newer.first()).cloned())
}

/// Takes a process type's image from the app: its dynos end.
pub async fn remove(hosted: &Hosted, process_type: &ProcessType) -> Result<(), HerokuError> {
    let path = hosted.path(&format!("/formation/{process_type}"));
    let _: Value = hosted.api().patch_images(&path, &json!({"docker_image": null})).await?;
    Ok(())
}
