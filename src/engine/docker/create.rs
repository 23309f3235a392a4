//! A [`DynoSpec`] in the words of Docker's API. Pure.

use super::facts::Abilities;
use super::{labels, volumes};
use crate::engine::files::DynoFiles;
use crate::engine::{Console, DynoSpec, Filesystem};
use crate::model::limits::{DYNO_GID, EXIT_TIMEOUT};
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType, PortBinding, PortMap,
    ResourcesUlimits,
};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where the init is inside a dyno, and the file whose lock tells it that dynosim lives.
pub(super) const INIT: &str = "/.dynosim/init";
pub(super) const ALIVE: &str = "/.dynosim/alive";
/// Paths that the engine or dynosim put into a container; no writes of the app.
pub(super) const OURS: &[&str] = &[
    "/.dynosim",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/dev",
    "/proc",
    "/sys",
];

/// Which of our files the engine lets us put into dynos.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// The passwd and group file.
    pub(super) files: bool,
    /// The quota where programs look for their memory limit.
    pub(super) quota: bool,
    /// Our init, on this machine's disk; without it Docker's own runs.
    pub(super) init: Option<PathBuf>,
}

/// Everything a container is made from.
pub(super) struct Recipe<'a> {
    pub(super) spec: &'a DynoSpec,
    pub(super) abilities: &'a Abilities,
    pub(super) terms: &'a Terms,
    pub(super) name: &'a str,
    pub(super) files: &'a DynoFiles,
    pub(super) places: &'a [volumes::Place],
}

impl Recipe<'_> {
    pub(super) fn body(&self) -> ContainerCreateBody {
        let spec = self.spec;
        let terminal = matches!(spec.console, Console::Terminal(..));
        let input = self.terms.init.is_some() || spec.console != Console::Log;
        let (entrypoint, cmd) = self.command();
        let mut body = ContainerCreateBody {
            image: Some(spec.image.id.clone()),
            entrypoint: Some(entrypoint),
            cmd: Some(cmd),
            user: Some(format!("{}:{DYNO_GID}", spec.uid)),
            env: Some(spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            labels: Some(labels::of_dyno(spec)),
            tty: Some(terminal),
            open_stdin: Some(input),
            stdin_once: Some(input),
            attach_stdin: Some(input),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
            stop_signal: Some("SIGTERM".to_owned()),
            host_config: Some(self.host()),
            ..ContainerCreateBody::default()
        };
        if let Some(port) = self.published() {
            body.exposed_ports = Some(vec![port]);
        }
        body
    }

    /// With our init as entry point the app's own command is the container's command, as `docker ps` shows it.
    fn command(&self) -> (Vec<String>, Vec<String>) {
        let spec = self.spec;
        if self.terms.init.is_none() {
            let (program, arguments) =
                spec.argv.split_first().map_or((String::new(), &[][..]), |(p, a)| (p.clone(), a));
            return (vec![program], arguments.to_vec());
        }
        let mut entry = vec![INIT.to_owned()];
        entry.push(if spec.console == Console::Log { "log" } else { "attached" }.to_owned());
        entry.push(format!("grace={}", EXIT_TIMEOUT.as_millis()));
        entry.extend(self.files.alive.as_ref().map(|_| format!("alive={ALIVE}")));
        if let Some(port) = spec.port {
            entry.push(format!("port={port}"));
        }
        entry.push("--".to_owned());
        (entry, spec.argv.clone())
    }

    fn host(&self) -> HostConfig {
        let spec = self.spec;
        let number = |value: u64| i64::try_from(value).ok();
        HostConfig {
            network_mode: Some(labels::network(&spec.run.identity)),
            readonly_rootfs: Some(matches!(spec.filesystem, Filesystem::ReadOnly { .. })),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            sysctls: Some(HashMap::from([("net.ipv4.ip_unprivileged_port_start".to_owned(), "1024".to_owned())])),
            memory: number(spec.size.kill_at),
            // R15 counts swap: memory and swap together end at the same limit.
            memory_swap: self.abilities.swap.then(|| number(spec.size.kill_at)).flatten(),
            // The init is not one of the dyno's processes.
            pids_limit: Some(i64::from(spec.size.processes) + 1),
            ulimits: Some(vec![ResourcesUlimits {
                name: Some("nofile".to_owned()),
                soft: Some(i64::from(spec.size.open_files)),
                hard: Some(i64::from(spec.size.open_files)),
            }]),
            init: self.terms.init.is_none().then_some(true),
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            extra_hosts: Some(vec!["host.docker.internal:host-gateway".to_owned()]),
            mounts: Some(self.mounts()),
            binds: self.binds(),
            console_size: self.console_size(),
            port_bindings: self.published().map(loopback_port),
            ..HostConfig::default()
        }
    }

    fn mounts(&self) -> Vec<Mount> {
        let volumes = self.places.iter().enumerate();
        let mut mounts: Vec<Mount> =
            volumes.map(|(index, place)| volumes::mount(place, self.spec, self.name, index)).collect();
        if !self.abilities.selinux {
            mounts.extend(self.own_files().into_iter().map(|(source, target)| file(source, target)));
        }
        mounts
    }

    /// Under SELinux a dyno may read only what is labelled for it, which only this older form of a mount can ask for.
    fn binds(&self) -> Option<Vec<String>> {
        let bind = |(source, target): (&Path, &str)| format!("{}:{target}:ro,z", source.display());
        self.abilities.selinux.then(|| self.own_files().into_iter().map(bind).collect())
    }

    /// Our files, and where they are in the dyno.
    fn own_files(&self) -> Vec<(&Path, &'static str)> {
        let (files, terms) = (self.files, self.terms);
        let mut own: Vec<(&Path, &str)> = Vec::new();
        if terms.files {
            own.extend([(files.passwd.as_path(), "/etc/passwd"), (files.group.as_path(), "/etc/group")]);
        }
        if let Some(init) = &terms.init {
            own.push((init.as_path(), INIT));
            own.extend(files.alive.as_deref().map(|alive| (alive, ALIVE)));
        }
        if terms.quota {
            let v1 = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
            own.push((files.quota.as_path(), if self.abilities.cgroup2 { "/sys/fs/cgroup/memory.max" } else { v1 }));
        }
        own
    }

    /// Rows first, as the engine wants it.
    fn console_size(&self) -> Option<Vec<usize>> {
        match self.spec.console {
            Console::Terminal(columns, rows) => Some(vec![usize::from(rows), usize::from(columns)]),
            Console::Log | Console::Pipe => None,
        }
    }

    /// The port to publish, when the container's own address cannot be dialled.
    fn published(&self) -> Option<String> {
        self.spec.port.filter(|_| !self.abilities.local).map(|port| format!("{port}/tcp"))
    }
}

fn loopback_port(port: String) -> PortMap {
    let binding = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(String::new()) };
    HashMap::from([(port, Some(vec![binding]))])
}

fn file(source: &Path, target: &str) -> Mount {
    Mount {
        target: Some(target.to_owned()),
        source: Some(source.display().to_string()),
        typ: Some(MountType::BIND),
        read_only: Some(true),
        ..Mount::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Recipe, Terms};
    use crate::engine::docker::facts::Abilities;
    use crate::engine::docker::testing::spec;
    use crate::engine::files::DynoFiles;
    use crate::engine::{Console, DynoSpec};
    use bollard::models::ContainerCreateBody;

    fn body(spec: &DynoSpec, abilities: &Abilities) -> ContainerCreateBody {
        let terms =
            Terms { files: abilities.init.is_some(), quota: abilities.init.is_some(), init: abilities.init.clone() };
        let files =
            DynoFiles { passwd: "/x/p".into(), group: "/x/g".into(), quota: "/x/q".into(), alive: Some("/x/a".into()) };
        Recipe { spec, abilities, terms: &terms, name: "c", files: &files, places: &[] }.body()
    }

    fn with_init() -> Abilities {
        Abilities { init: Some("/x/init".into()), local: true, ..Abilities::default() }
    }

    #[test]
    fn our_files_are_mounted_read_only_and_relabelled_under_selinux() {
        let host = body(&spec(), &with_init()).host_config.unwrap();
        let mounts = host.mounts.unwrap();
        assert!(mounts.iter().all(|mount| mount.read_only == Some(true)) && mounts.len() == 5, "{mounts:?}");
        let host = body(&spec(), &Abilities { selinux: true, ..with_init() }).host_config.unwrap();
        assert_eq!(host.mounts.unwrap(), []);
        assert_eq!(host.binds.unwrap()[0], "/x/p:/etc/passwd:ro,z");
    }

    #[test]
    fn r1_5_the_dyno_is_an_unprivileged_user_whatever_the_image_says() {
        let body = body(&spec(), &with_init());
        let host = body.host_config.unwrap();
        assert_eq!(body.user.as_deref(), Some("12345:1000"));
        assert_eq!(host.cap_drop.unwrap(), ["ALL"]);
        assert_eq!(host.security_opt.unwrap(), ["no-new-privileges"]);
        assert_eq!(host.sysctls.unwrap()["net.ipv4.ip_unprivileged_port_start"], "1024");
    }

    #[test]
    fn r1_3_expose_healthcheck_and_stopsignal_have_no_effect() {
        let body = body(&spec(), &with_init());
        assert_eq!(body.healthcheck.unwrap().test.unwrap(), ["NONE"]);
        assert_eq!(body.stop_signal.as_deref(), Some("SIGTERM"));
        assert_eq!(body.exposed_ports, None);
        assert_eq!(body.host_config.unwrap().port_bindings, None);
    }

    #[test]
    fn r5_7_limits_are_those_of_the_dyno_size() {
        let host = body(&spec(), &with_init()).host_config.unwrap();
        assert_eq!(host.memory, Some(1 << 30));
        assert_eq!(host.pids_limit, Some(257));
        let files = host.ulimits.unwrap().remove(0);
        assert_eq!((files.name.as_deref(), files.soft, files.hard), (Some("nofile"), Some(10_000), Some(10_000)));
    }

    #[test]
    fn an_engine_elsewhere_publishes_the_port_on_loopback_only() {
        let mut spec = spec();
        spec.port = Some(43_127);
        let host = body(&spec, &Abilities::default()).host_config.unwrap();
        let bindings = host.port_bindings.unwrap();
        assert_eq!(bindings["43127/tcp"].as_ref().unwrap()[0].host_ip.as_deref(), Some("127.0.0.1"));
        assert_eq!(host.init, Some(true));
    }

    #[test]
    fn the_app_s_words_follow_the_init_untouched() {
        let mut spec = spec();
        spec.argv = vec!["/bin/sh".into(), "-c".into(), "echo \"$A b\"".into()];
        let made = body(&spec, &with_init());
        assert_eq!(made.cmd.unwrap(), spec.argv);
        assert_eq!(made.entrypoint.unwrap()[..2], ["/.dynosim/init", "log"]);
        spec.console = Console::Terminal(80, 24);
        let made = body(&spec, &with_init());
        assert_eq!(made.tty, Some(true));
        assert_eq!(made.entrypoint.unwrap()[1], "attached");
        assert_eq!(body(&spec, &Abilities::default()).entrypoint.unwrap(), ["/bin/sh"]);
    }
}
