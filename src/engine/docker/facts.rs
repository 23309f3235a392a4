//! What an engine is and can do, asked once.

use super::error::told;
use super::find::Found;
use crate::engine::files::PrivateFiles;
use crate::engine::{EngineError, EngineFacts};
use bollard::models::{SystemInfo, SystemVersion};
use std::path::PathBuf;

/// What decides how dynos are made.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, each asked for by itself")]
#[derive(Clone, Debug, Default)]
pub(super) struct Abilities {
    /// The engine may see our files: to mount them is worth a try.
    pub(super) shares_files: bool,
    /// The engine runs on this very machine, and the kernel's tables tell of its containers.
    pub(super) same_machine: bool,
    /// A container's own address can be dialled from here.
    pub(super) local: bool,
    /// Our init, on this machine's disk.
    pub(super) init: Option<PathBuf>,
    pub(super) swap: bool,
    pub(super) buildkit: bool,
    pub(super) cgroup2: bool,
    pub(super) selinux: bool,
    /// Containers of one network can be kept from reaching one another.
    pub(super) isolates: bool,
}

/// What the environment asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wishes {
    /// `DOCKER_BUILDKIT=0`: the classic builder, also where BuildKit is.
    pub(super) classic: bool,
    /// `DYNOSIM_ENGINE_ELSEWHERE=1`: treat an engine on this machine as one in a virtual machine, to see what is only
    /// approximate there.
    pub(super) elsewhere: bool,
}

/// Asks the engine.
pub(super) async fn ask(
    found: &Found,
    files: &PrivateFiles,
    wishes: Wishes,
) -> Result<(EngineFacts, Abilities), EngineError> {
    let doing = "asking the engine what it is";
    let (version, info) = tokio::join!(found.docker.version(), found.docker.info());
    let version = version.map_err(|error| told(doing, &error))?;
    let info = info.map_err(|error| told(doing, &error))?;
    Ok(judge(found, files, &version, &info, wishes))
}

fn judge(
    found: &Found,
    files: &PrivateFiles,
    version: &SystemVersion,
    info: &SystemInfo,
    wishes: Wishes,
) -> (EngineFacts, Abilities) {
    let product = product(version);
    let docker = product == "Docker";
    let security = |word: &str| info.security_options.iter().flatten().any(|option| option.contains(word));
    let same_machine = is_same_machine(info) && !wishes.elsewhere;
    let architecture = docker_architecture(info.architecture.as_deref().unwrap_or_default());
    let init = if same_machine {
        files.install_init(architecture)
    } else {
        Err("the engine does not see this machine's files".to_owned())
    };
    let abilities = Abilities {
        shares_files: same_machine || (found.host.starts_with("unix://") && !wishes.elsewhere),
        same_machine,
        local: same_machine && !security("rootless"),
        init: init.clone().ok(),
        swap: info.swap_limit == Some(true),
        buildkit: docker && !wishes.classic && info.os_type.as_deref() != Some("windows"),
        cgroup2: info.cgroup_version.is_some_and(|version| version.to_string() == "2"),
        selinux: security("selinux"),
        isolates: docker,
    };
    let facts = EngineFacts {
        native: false,
        writes_through: false,
        strict_ports: false,
        product,
        version: version.version.clone().unwrap_or_default(),
        api: version.api_version.clone().unwrap_or_default(),
        address: found.address.clone(),
        platform: format!("{}/{architecture}", info.os_type.as_deref().unwrap_or("linux")),
        builder: if abilities.buildkit { "BuildKit" } else { "classic" }.to_owned(),
        local: abilities.local,
        init_missing: init.err(),
        cgroup: if abilities.cgroup2 { "2" } else { "1" }.to_owned(),
        swap: abilities.swap,
        disk: same_machine.then(|| disk(info.docker_root_dir.as_deref()?)).flatten(),
        approximations: Vec::new(),
    };
    let approximations = approximations(found, &facts, &abilities, info);
    (EngineFacts { approximations, ..facts }, abilities)
}

fn product(version: &SystemVersion) -> String {
    let component = version.components.as_deref().unwrap_or_default().first().map(|one| one.name.as_str());
    match component {
        Some(name) if name.starts_with("Podman") => "Podman".to_owned(),
        Some("Engine") | None => "Docker".to_owned(),
        Some(other) => other.to_owned(),
    }
}

/// Kernel and host name are the same: not a virtual machine, not another host, not a container with the socket inside.
fn is_same_machine(info: &SystemInfo) -> bool {
    let own = |file: &str| {
        std::fs::read_to_string(format!("/proc/sys/kernel/{file}")).ok().map(|text| text.trim().to_owned())
    };
    let same = |file: &str, theirs: &Option<String>| theirs.is_some() && own(file) == *theirs;
    same("osrelease", &info.kernel_version) && same("hostname", &info.name)
}

fn docker_architecture(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Free and total bytes of the file system.
fn disk(root: &str) -> Option<(u64, u64)> {
    let facts = rustix::fs::statvfs(root).ok()?;
    Some((facts.f_bavail * facts.f_frsize, facts.f_blocks * facts.f_frsize))
}

fn approximations(found: &Found, facts: &EngineFacts, abilities: &Abilities, info: &SystemInfo) -> Vec<String> {
    let mut list = Vec::new();
    if let Some(reason) = &facts.init_missing {
        list.push(format!(
            "dynosim's init cannot run in the dynos ({reason}): stdout and stderr may change places, listening sockets \
             are told without their process, and a signal reaches every process only if the image has /bin/sh"
        ));
    }
    if !abilities.same_machine {
        list.push(
            "unless the engine's machine shares dynosim's state folder, the dyno's user has no passwd entry and processes \
             read the R15 limit as their memory quota"
                .to_owned(),
        );
        if !found.host.starts_with("unix://") && !found.host.contains("://127.") && !found.host.contains("://localhost")
        {
            list.push("the engine is on another host: its dynos cannot be reached from this one".to_owned());
        }
    }
    if !abilities.isolates {
        list.push("dynos of one app can reach one another".to_owned());
    }
    if info.memory_limit == Some(false) {
        list.push("the engine cannot limit memory: R15 comes only from sampling".to_owned());
    }
    let containerd_store =
        info.driver_status.iter().flatten().flatten().any(|word| word.contains("containerd.snapshotter"));
    if containerd_store {
        list.push(
            "the engine keeps images in containerd: an image's id is its manifest's digest, not the config's"
                .to_owned(),
        );
    }
    list
}
