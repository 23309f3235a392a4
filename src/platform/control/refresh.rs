//! Other images for the release that runs: the same code as an edit left it. No release is made and no release phase
//! runs.

use super::seat::Manner;
use super::{Control, Deployed};
use crate::model::image::{ImageFacts, ImageId};
use crate::model::process_type::ProcessType;
use crate::model::release::Version;
use crate::platform::slate::Runnable;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What becomes of the dynos that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Those whose image is another get a new dyno now.
    Now,
    /// None is touched: the images are the same in what they hold.
    Later,
}

impl Control {
    /// Puts images, by the name they are built for, in place of those of the release `of`. Returns whether that release
    /// runs still; else nothing was done.
    pub fn refresh(&self, of: Version, images: &BTreeMap<ProcessType, Arc<ImageFacts>>, renewal: Renewal) -> bool {
        let mut board = self.0.board();
        let Some(current) = board.deployed.clone().filter(|current| current.release.version == of) else {
            return false;
        };
        let Deployed { ground, slate, release, slug } = &*current;
        let (mut slate, mut slug) = (slate.clone(), slug.clone());
        let app = &ground.project.app;
        let other = |runnable: &Runnable, image: &ProcessType| {
            let image = images.get(image)?;
            (image.id != runnable.image.id).then(|| Runnable { image: Arc::clone(image), ..runnable.clone() })
        };
        let mut changed = Vec::new();
        for (name, runnable) in &mut slate.types {
            let image = app.processes.get(name).map(|spec| &spec.image);
            if let Some(other) = image.and_then(|image| other(runnable, image)) {
                *runnable = other;
                changed.push(name.clone());
            }
        }
        if let (Some(runnable), Some(spec)) = (&mut slate.release, &app.release)
            && let Some(other) = other(runnable, &spec.image)
        {
            *runnable = other;
        }
        for (name, facts) in images {
            slug.insert(name.clone(), ImageId(facts.id.clone()));
        }
        board.deployed = Some(Arc::new(Deployed { ground: ground.clone(), slate, release: release.clone(), slug }));
        if renewal == Renewal::Now {
            self.0.arrange(&mut board, &|name| changed.contains(&name.process_type), Manner::Replace);
        }
        self.0.publish(&board);
        true
    }
}
