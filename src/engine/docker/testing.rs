//! A plain [`DynoSpec`] for unit tests.

use crate::engine::{Console, DynoSpec, Filesystem, RunIdentity};
use crate::model::dyno::{DynoKind, DynoName, DynoSize};
use crate::model::image::ImageFacts;
use crate::model::process_type::ProcessType;

pub(super) fn spec() -> DynoSpec {
    DynoSpec {
        run: RunIdentity { app: "shop".into(), identity: "3f9a1c227be4".into(), run: "r1".into() },
        name: DynoName::new(ProcessType::web(), 1),
        kind: DynoKind::Formation,
        image: ImageFacts { id: "sha256:1".into(), ..ImageFacts::default() },
        argv: vec!["/bin/sh".into(), "-c".into(), "true".into()],
        env: vec![("A".into(), "1".into())],
        uid: 12_345,
        size: DynoSize::BASIC,
        filesystem: Filesystem::ReadOnly { writable: Vec::new() },
        port: None,
        strict_ports: false,
        console: Console::Log,
    }
}
