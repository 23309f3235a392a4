//! `container:promote`: the images that one app runs become a release of another, digest for digest.

use super::running::{is_of, running_images};
use super::{Fault, Hosted, Registry, Shipment};
use crate::heroku::shapes::{App, Formation};
use crate::model::image::ImageId;
use crate::model::process_type::ProcessType;

/// How many releases are looked through for what the app runs.
const RELEASES: usize = 200;

/// What is about to be promoted.
#[derive(Clone, Debug)]
pub struct Promotion {
    /// From where.
    pub from: App,
    /// To where.
    pub to: App,
    /// What.
    pub shipment: Shipment,
    /// Process types of which Heroku does not tell what runs: what the registry has as `latest` is taken.
    pub unsure: Vec<ProcessType>,
}

impl Promotion {
    /// Finds out what `from` runs. `types` chooses among its process types; without any, all are meant. Changes nothing.
    pub async fn find(
        registry: &dyn Registry,
        from: &Hosted,
        to: &Hosted,
        types: &[ProcessType],
    ) -> Result<Self, Fault> {
        let (source, target) = (from.container_app().await?, to.container_app().await?);
        if source.name == target.name {
            return Err(Fault::Itself(source.name));
        }
        let shipment = if types.is_empty() {
            all_of(registry, from, &source).await?
        } else {
            Shipment::pushed(registry, &source, types).await?
        };
        let running = running_images(&from.releases(RELEASES).await?);
        let mut unsure = Vec::new();
        for (process_type, latest) in &shipment.0 {
            match running.get(process_type.as_str()) {
                Some(digits) if !is_of(digits, latest) => {
                    return Err(Fault::NotWhatRuns {
                        app: source.name,
                        process_type: process_type.clone(),
                        running: digits.clone(),
                        latest: latest.clone(),
                    });
                }
                Some(_) => {}
                None => unsure.push(process_type.clone()),
            }
        }
        Ok(Self { from: source, to: target, shipment, unsure })
    }
}

/// All process types of an app that its registry has an image of; the release phase's among them (R1.6).
async fn all_of(registry: &dyn Registry, hosted: &Hosted, app: &App) -> Result<Shipment, Fault> {
    let formation: Vec<Formation> = hosted.api().get(&hosted.path("/formation")).await?;
    let mut types: Vec<ProcessType> =
        formation.iter().filter_map(|one| ProcessType::new(one.process_type.as_str()).ok()).collect();
    types.push(ProcessType::release());
    types.sort();
    types.dedup();
    let mut images: Vec<(ProcessType, ImageId)> = Vec::new();
    for process_type in types {
        if let Some(image) = registry.latest(&app.name, &process_type).await? {
            images.push((process_type, image));
        }
    }
    if images.is_empty() { Err(Fault::NothingRuns { app: app.name.clone() }) } else { Ok(Shipment(images)) }
}

/// Puts the images into the target's repositories, and sees that they are there. What is left to do is to release them.
pub async fn promote(registry: &dyn Registry, promotion: &Promotion) -> Result<(), Fault> {
    let (from, to) = (&promotion.from.name, &promotion.to.name);
    registry.copy(from, to, &promotion.shipment.0).await?;
    for (process_type, wanted) in &promotion.shipment.0 {
        let got = registry.latest(to, process_type).await?;
        if got.as_ref() != Some(wanted) {
            return Err(Fault::Differs {
                app: to.clone(),
                process_type: process_type.clone(),
                wanted: wanted.0.clone(),
                got: got.map_or_else(|| "not there".into(), |image| image.0),
            });
        }
    }
    Ok(())
}
