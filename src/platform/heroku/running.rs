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

#[cfg(test)]
mod tests {
    use super::{described, is_of, running_images};
    use crate::heroku::shapes::Release;
    use crate::model::image::ImageId;
    use serde_json::json;

    /// Of these descriptions and statuses, oldest first and from v1 on; the newest that succeeded is the current one.
    fn running(releases: &[(&str, &str)]) -> Vec<(String, String)> {
        let current = releases.iter().rposition(|(_, status)| *status == "succeeded");
        let release = |(at, (description, status)): (usize, &(&str, &str))| -> Release {
            let made = json!({"id": "i", "version": at + 1, "description": description, "status": status,
                              "current": Some(at) == current});
            serde_json::from_value(made).unwrap()
        };
        let mut all: Vec<Release> = releases.iter().enumerate().map(release).collect();
        all.reverse();
        running_images(&all).into_iter().collect()
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(name, digits)| ((*name).to_owned(), (*digits).to_owned())).collect()
    }

    #[test]
    fn r9_what_runs_is_what_the_newest_good_release_of_each_type_deployed() {
        let ok = "succeeded";
        let releases = [
            ("Initial release", ok),
            ("Enable Logplex", ok),
            ("Deployed web (aaaaaaaaaaaa), worker (bbbbbbbbbbbb)", ok),
            ("Deployed web (cccccccccccc)", ok),
            ("Set MODE config vars", ok),
            ("Deployed web (dddddddddddd)", "failed"),
        ];
        assert_eq!(running(&releases), pairs(&[("web", "cccccccccccc"), ("worker", "bbbbbbbbbbbb")]));
    }

    #[test]
    fn r9_a_rollback_runs_what_its_target_ran() {
        let ok = "succeeded";
        let mut releases = vec![
            ("Deployed web (aaaaaaaaaaaa)", ok),
            ("Deployed web (bbbbbbbbbbbb)", ok),
            ("Rollback to v1", ok),
            ("Deployed worker (cccccccccccc)", ok),
        ];
        assert_eq!(running(&releases), pairs(&[("web", "aaaaaaaaaaaa"), ("worker", "cccccccccccc")]));
        releases.push(("Rollback to v9", ok));
        assert_eq!(running(&releases), [], "of a target that is not known, nothing is known");
        assert_eq!(running(&[("Rollback to v1", ok)]), [], "a circle ends");
    }

    #[test]
    fn only_digests_are_taken_for_digests() {
        assert_eq!(described("Deployed web (eacd9b960537)"), pairs(&[("web", "eacd9b960537")]));
        for other in [
            "Deploy de63889",
            "Deployed web",
            "Deployed web (by hand)",
            "Deployed web (abc)",
            "Attach DATABASE (@ref:a)",
        ] {
            assert_eq!(described(other), [], "{other}");
        }
        let image = ImageId("sha256:eacd9b9605370000".into());
        assert!(is_of("eacd9b960537", &image) && !is_of("acd9b960537", &image));
    }
}
