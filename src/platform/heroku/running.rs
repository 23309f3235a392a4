//! Which images an app at Heroku runs, as far as Heroku tells: its API names a release's slug, not its images, but the
//! description of a release of images has the first digits of each (R9).

use crate::heroku::shapes::Release;
use crate::model::image::ImageId;
use std::collections::BTreeMap;

/// By process type, the first digits of the image that the current release runs. A type that is missing: not known.
///
/// `releases` are the newest first. A release that failed never ran; one that rolled back runs what its target ran.
pub fn running_images(releases: &[Release]) -> BTreeMap<String, String> {
    let mut running = BTreeMap::new();
    let mut at = releases.iter().position(|release| release.current);
    while let Some(release) = at.and_then(|at| releases.get(at)) {
        if release.status == "succeeded" || release.current {
            if let Some(target) = release.description.strip_prefix("Rollback to v") {
                let target: Option<u64> = target.parse().ok();
                let next = releases.iter().position(|release| Some(release.version) == target);
                // Only back: a description that lies must not lead in a circle.
                at = next.filter(|next| Some(*next) > at);
                continue;
            }
            for (process_type, image) in described(&release.description) {
                running.entry(process_type).or_insert(image);
            }
        }
        at = at.map(|at| at + 1);
    }
    running
}

/// Whether these first digits are those of an image.
pub(super) fn is_of(digits: &str, image: &ImageId) -> bool {
    let hex = image.0.strip_prefix("sha256:").unwrap_or(&image.0);
    hex.starts_with(digits)
}

/// `Deployed web (eacd9b960537), worker (0c1d2e3f4a5b)`, taken apart; nothing of what is not of that form.
fn described(description: &str) -> Vec<(String, String)> {
    let Some(list) = description.strip_prefix("Deployed ") else { return Vec::new() };
    let one = |part: &str| {
        let (name, digits) = part.trim().strip_suffix(')')?.split_once(" (")?;
        let hex = digits.len() >= 7 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| (name.to_owned(), digits.to_ascii_lowercase()))
    };
    list.split(',').filter_map(one).collect()
}
