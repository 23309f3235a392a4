//! How dynosim's containers, volumes and networks are marked and named; the same on every engine.

use crate::engine::{DynoSpec, RunIdentity};
use std::collections::HashMap;

pub(super) const APP: &str = "dynosim.app";
pub(super) const IDENTITY: &str = "dynosim.identity";
pub(super) const RUN: &str = "dynosim.run";
pub(super) const DYNO: &str = "dynosim.dyno";
/// On containers that are never started and only looked into; they belong to no run.
pub(super) const PROBE: &str = "dynosim.probe";

/// For what all dynos of a run share.
pub(super) fn of_run(run: &RunIdentity) -> HashMap<String, String> {
    [(APP, &run.app), (IDENTITY, &run.identity), (RUN, &run.run)]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect()
}

/// For a dyno's container.
pub(super) fn of_dyno(spec: &DynoSpec) -> HashMap<String, String> {
    let mut labels = of_run(&spec.run);
    labels.insert(DYNO.to_owned(), spec.name.to_string());
    labels
}

/// The network of an app.
pub(super) fn network(identity: &str) -> String {
    format!("dynosim-{identity}")
}

/// A new name for a dyno's container: `dynosim-3f9a1c227be4-web.1-5d0c9e`.
pub(super) fn container(spec: &DynoSpec) -> String {
    format!("dynosim-{}-{}-{:06x}", spec.run.identity, spec.name, rand::random::<u32>() & 0x00ff_ffff)
}

/// The filter for everything of an app.
pub(super) fn filter(identity: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{IDENTITY}={identity}")])])
}
