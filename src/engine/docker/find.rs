//! Finds an engine as Docker's own tools do: an explicit choice first, and then nothing else; otherwise the context in
//! use; otherwise the sockets that Docker, Podman, Colima, Rancher Desktop and OrbStack open.

use super::config::{ContextTarget, DockerConfig};
use super::error::words;
use crate::engine::EngineError;
use bollard::{API_DEFAULT_VERSION, Docker};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An engine on this machine answers a ping in a millisecond; one elsewhere may need a little.
const SOCKET_PATIENCE: Duration = Duration::from_secs(2);
const NETWORK_PATIENCE: Duration = Duration::from_secs(6);
/// Seconds until the head of an answer, for everything but builds and waits.
const ANSWER_SECONDS: u64 = 120;

/// A place to look, and why there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    host: String,
    why: String,
    certificates: Option<PathBuf>,
}

/// An engine that answered.
pub(super) struct Found {
    pub(super) docker: Docker,
    /// `unix:///var/run/docker.sock`
    pub(super) host: String,
    /// `unix:///var/run/docker.sock (usual socket)`
    pub(super) address: String,
}

type Env<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// Looks in the places that `requested` and the environment name, in order.
pub(super) async fn find(requested: Option<&str>, env: Env<'_>, config: &DockerConfig) -> Result<Found, EngineError> {
    let mut tried = Vec::new();
    for candidate in candidates(requested, env, config).map_err(|why| EngineError::Unreachable { tried: vec![why] })? {
        match candidate.connect().await {
            Ok(docker) => {
                let address = format!("{} ({})", candidate.host, candidate.why);
                return Ok(Found { docker, host: candidate.host, address });
            }
            Err(reason) => tried.push(format!("{} ({}): {reason}", candidate.host, candidate.why)),
        }
    }
    Err(EngineError::Unreachable { tried })
}

/// Whether anything but the usual sockets is looked at.
pub(super) fn is_named(env: Env<'_>, config: &DockerConfig) -> bool {
    env("DOCKER_HOST").is_some_and(|host| !host.is_empty()) || chosen_context(env, config).is_some()
}

/// The context to use and why, unless it is Docker's default one.
fn chosen_context(env: Env<'_>, config: &DockerConfig) -> Option<(String, &'static str)> {
    let chosen = env("DOCKER_CONTEXT").filter(|name| !name.is_empty()).map(|name| (name, "DOCKER_CONTEXT"));
    let current = config.current_context.clone().map(|name| (name, "current context"));
    chosen.or(current).filter(|(name, _)| name != "default")
}

/// Where to look, or why the choice makes no sense.
fn candidates(requested: Option<&str>, env: Env<'_>, config: &DockerConfig) -> Result<Vec<Candidate>, String> {
    let certificates = tls_folder(env, config);
    let plain = |host: String, why: &str| Candidate { host, why: why.to_owned(), certificates: certificates.clone() };
    match requested {
        None | Some("docker") => {}
        Some("podman") => {
            let named = env("CONTAINER_HOST").map(|host| vec![plain(host, "CONTAINER_HOST")]);
            return Ok(named.unwrap_or_else(|| podman_sockets(env)));
        }
        Some(url) if url.contains("://") => return Ok(vec![plain(url.to_owned(), "--engine")]),
        Some(path) if path.starts_with('/') => return Ok(vec![plain(format!("unix://{path}"), "--engine")]),
        Some(name) => return Ok(vec![named_context(name, "--engine", config)?]),
    }
    if let Some(host) = env("DOCKER_HOST").filter(|host| !host.is_empty()) {
        return Ok(vec![plain(host, "DOCKER_HOST")]);
    }
    if let Some((name, why)) = chosen_context(env, config) {
        return Ok(vec![named_context(&name, why, config)?]);
    }
    let mut all = docker_sockets(env);
    if requested.is_none() {
        all.extend(podman_sockets(env));
    }
    Ok(all)
}

fn named_context(name: &str, why: &str, config: &DockerConfig) -> Result<Candidate, String> {
    let why = format!("{why} {name}");
    let Some(ContextTarget { host, certificates }) = config.context(name) else {
        let folder = config.folder().join("contexts").display().to_string();
        return Err(format!("{why}: no such context in {folder}; `docker context ls` lists them"));
    };
    Ok(Candidate { host, why, certificates })
}

/// Docker's command uses TLS when `DOCKER_TLS_VERIFY` is set, with the files of `DOCKER_CERT_PATH`.
fn tls_folder(env: Env<'_>, config: &DockerConfig) -> Option<PathBuf> {
    env("DOCKER_TLS_VERIFY").filter(|value| !value.is_empty())?;
    Some(env("DOCKER_CERT_PATH").map_or_else(|| config.folder().to_owned(), PathBuf::from))
}

fn docker_sockets(env: Env<'_>) -> Vec<Candidate> {
    let home = env("HOME").unwrap_or_default();
    let home = |rest: &str| (!home.is_empty()).then(|| format!("{home}/{rest}"));
    let runtime = env("XDG_RUNTIME_DIR").map(|folder| format!("{folder}/docker.sock"));
    sockets(vec![
        (Some("/var/run/docker.sock".to_owned()), "usual socket"),
        (runtime, "rootless Docker"),
        (home(".docker/run/docker.sock"), "Docker Desktop"),
        (home(".docker/desktop/docker.sock"), "Docker Desktop"),
        (home(".colima/default/docker.sock"), "Colima"),
        (home(".config/colima/default/docker.sock"), "Colima"),
        (home(".rd/docker.sock"), "Rancher Desktop"),
        (home(".orbstack/run/docker.sock"), "OrbStack"),
        (home(".lima/docker/sock/docker.sock"), "Lima"),
    ])
}

fn podman_sockets(env: Env<'_>) -> Vec<Candidate> {
    let home = env("HOME").unwrap_or_default();
    let runtime = env("XDG_RUNTIME_DIR").map(|folder| format!("{folder}/podman/podman.sock"));
    let machine = format!("{home}/.local/share/containers/podman/machine/podman.sock");
    sockets(vec![
        (runtime, "rootless Podman"),
        (Some("/run/podman/podman.sock".to_owned()), "Podman"),
        ((!home.is_empty()).then_some(machine), "Podman machine"),
    ])
}

fn sockets(places: Vec<(Option<String>, &str)>) -> Vec<Candidate> {
    let named = places.into_iter().filter_map(|(path, why)| Some((path?, why)));
    named
        .map(|(path, why)| Candidate { host: format!("unix://{path}"), why: why.to_owned(), certificates: None })
        .collect()
}

impl Candidate {
    /// A client that has had an answer.
    async fn connect(&self) -> Result<Docker, String> {
        let patience = if self.host.starts_with("unix://") { SOCKET_PATIENCE } else { NETWORK_PATIENCE };
        let docker = self.client()?;
        let ping = docker.clone();
        match tokio::time::timeout(patience, ping.ping()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(mended(&words(&error))),
            Err(_) => return Err(format!("no answer in {} s", patience.as_secs())),
        }
        docker.negotiate_version().await.map_err(|error| words(&error))
    }

    fn client(&self) -> Result<Docker, String> {
        let host = self.host.as_str();
        let version = API_DEFAULT_VERSION;
        let made = match host.split_once("://").map(|(scheme, _)| scheme) {
            Some("unix") => Docker::connect_with_unix(host, ANSWER_SECONDS, version),
            Some("tcp" | "http" | "https") => match &self.certificates {
                Some(folder) => tls_client(host, folder),
                None if host.starts_with("https") => {
                    return Err("https needs certificates: set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH".to_owned());
                }
                None => Docker::connect_with_http(host, ANSWER_SECONDS, version),
            },
            Some("ssh") => return Err(ssh_words(host)),
            _ => return Err("not an address dynosim can use: unix://PATH or tcp://HOST:PORT".to_owned()),
        };
        made.map_err(|error| mended(&words(&error)))
    }
}

fn tls_client(host: &str, folder: &Path) -> Result<Docker, bollard::errors::Error> {
    let file = |name: &str| folder.join(name);
    Docker::connect_with_ssl(
        host,
        &file("key.pem"),
        &file("cert.pem"),
        &file("ca.pem"),
        ANSWER_SECONDS,
        API_DEFAULT_VERSION,
    )
}

fn ssh_words(host: &str) -> String {
    let target = host.trim_start_matches("ssh://");
    format!(
        "dynosim does not speak ssh: run `ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock {target}` and use \
         --engine unix:///tmp/docker.sock"
    )
}

/// The two usual obstacles, with the way around them.
fn mended(words: &str) -> String {
    if words.contains("Permission denied") {
        return format!("{words}: this user may not use it; `sudo usermod -aG docker $USER` and a new login mend that");
    }
    if words.contains("Connection refused") {
        return "nobody listens there: is the engine running?".to_owned();
    }
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{candidates, find};
    use crate::engine::EngineError;
    use crate::engine::docker::config::DockerConfig;
    use std::collections::HashMap;

    fn hosts(requested: Option<&str>, vars: &[(&str, &str)]) -> Vec<String> {
        let vars: HashMap<String, String> = vars.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let env = move |name: &str| vars.get(name).cloned();
        let config = DockerConfig::load(&|name| env(name));
        let found = candidates(requested, &env, &config);
        found.map_or_else(|why| vec![why], |all| all.into_iter().map(|c| format!("{} {}", c.host, c.why)).collect())
    }

    #[test]
    fn an_explicit_choice_is_the_only_place_looked_at() {
        assert_eq!(hosts(None, &[("DOCKER_HOST", "tcp://h:2375")]), ["tcp://h:2375 DOCKER_HOST"]);
        assert_eq!(hosts(Some("unix:///x.sock"), &[("DOCKER_HOST", "tcp://h")]), ["unix:///x.sock --engine"]);
        assert_eq!(hosts(Some("/x.sock"), &[]), ["unix:///x.sock --engine"]);
        let missing = hosts(None, &[("DOCKER_CONTEXT", "prod"), ("DOCKER_CONFIG", "/nonexistent")]);
        assert!(missing[0].contains("no such context") && missing[0].contains("prod"), "{missing:?}");
    }

    #[test]
    fn without_a_choice_the_usual_sockets_are_tried_in_order() {
        let all = hosts(None, &[("HOME", "/home/u"), ("XDG_RUNTIME_DIR", "/run/user/1")]);
        assert_eq!(all[0], "unix:///var/run/docker.sock usual socket");
        for part in ["/run/user/1/docker.sock", "colima", "orbstack", ".rd/", "/run/user/1/podman/podman.sock"] {
            assert!(all.iter().any(|one| one.contains(part)), "{part} in {all:?}");
        }
        let podman = hosts(Some("podman"), &[("XDG_RUNTIME_DIR", "/run/user/1")]);
        assert!(podman.iter().all(|one| one.contains("podman")), "{podman:?}");
    }

    #[tokio::test]
    async fn when_none_answers_each_place_is_told_with_what_came_of_it() {
        let none = |_: &str| None;
        let config = DockerConfig::default();
        let folder = tempfile::tempdir().unwrap();
        let missing = format!("unix://{}/none.sock", folder.path().display());
        for (host, words) in [
            (missing.as_str(), "no socket"),
            ("ssh://me@host", "ssh -nNT -L"),
            ("tcp://127.0.0.1:1", "is the engine running?"),
            ("ftp://x", "not an address"),
        ] {
            let Err(EngineError::Unreachable { tried }) = find(Some(host), &none, &config).await else {
                panic!("{host} answered");
            };
            assert!(tried[0].contains(host) && tried[0].contains(words), "{tried:?}");
        }
    }
}
