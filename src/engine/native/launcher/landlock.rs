//! What Landlock keeps a dyno from: every bind but that of `$PORT` on request, other programs' abstract sockets, and, where
//! there is no mount space, writing and signalling.

use super::Fault;
use crate::engine::native::plan::{Level, Plan};
use ::landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope,
};
use std::path::{Path, PathBuf};

/// The newest that these rules were written for; an older kernel gets what it knows of them.
const NEWEST: ABI = ABI::V6;

/// Whether the kernel can keep a dyno from writing.
pub(in crate::engine::native) fn keeps_files() -> bool {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .and_then(Ruleset::create)
        .is_ok()
}

/// Whether the kernel can deny a bind.
pub(in crate::engine::native) fn denies_binds() -> bool {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessNet::BindTcp)
        .and_then(Ruleset::create)
        .is_ok()
}

/// Whether the kernel can keep a dyno from signalling others.
pub(in crate::engine::native) fn keeps_signals() -> bool {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .scope(Scope::Signal)
        .and_then(Ruleset::create)
        .is_ok()
}

/// Restricts this process and those it starts.
pub(super) fn restrict(plan: &Plan) -> Result<(), Fault> {
    if !keeps_files() {
        return Ok(());
    }
    rules(plan).map_err(Fault::at("asking Landlock"))
}

fn rules(plan: &Plan) -> Result<(), RulesetError> {
    let own_files = plan.level == Level::Landlock;
    if !own_files && !plan.strict_ports && !keeps_signals() {
        return Ok(()); // The rules would be none, which is an error.
    }
    let mut rules = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    if own_files {
        rules = rules.handle_access(AccessFs::from_all(NEWEST))?;
    }
    if plan.strict_ports {
        rules = rules.handle_access(AccessNet::BindTcp)?;
    }
    rules = rules.scope(Scope::AbstractUnixSocket)?;
    if own_files {
        rules = rules.scope(Scope::Signal)?;
    }
    let mut rules = rules.create()?;
    if own_files {
        let reading = AccessFs::from_read(NEWEST);
        rules = rules.add_rules(allowed(&[PathBuf::from("/")], reading))?;
        let all = AccessFs::from_all(NEWEST);
        rules = rules.add_rules(allowed(&writable(plan), all))?;
    }
    if let Some(port) = plan.port.filter(|_| plan.strict_ports) {
        rules = rules.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
    }
    rules.restrict_self().map(drop)
}

/// Where a dyno without a mount space may write. A place that holds the app's folder is not among it.
fn writable(plan: &Plan) -> Vec<PathBuf> {
    let shared = ["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from);
    let apart = |place: &PathBuf| {
        let place = std::fs::canonicalize(place).unwrap_or_else(|_| place.clone());
        !plan.folder.starts_with(&place)
    };
    let devices = ["null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts"];
    let devices = devices.iter().map(|name| Path::new("/dev").join(name));
    shared.into_iter().filter(apart).chain(plan.places.layered.iter().cloned()).chain(devices).collect()
}

/// Rules for those of the paths that are there; a file gets what can be done to a file.
fn allowed(
    paths: &[PathBuf],
    access: ::landlock::BitFlags<AccessFs>,
) -> Vec<Result<PathBeneath<PathFd>, RulesetError>> {
    let rule = |path: &PathBuf| {
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
        Some(Ok(PathBeneath::new(PathFd::new(path).ok()?, access)))
    };
    paths.iter().filter_map(rule).collect()
}
