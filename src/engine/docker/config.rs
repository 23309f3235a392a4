//! What the user told Docker's own command in `~/.docker`: contexts, registry credentials, proxies.

use crate::registry::{DockerLogins, Login};
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Docker Hub's name in config files and with the classic builder, and with BuildKit.
const HUB: &str = "https://index.docker.io/v1/";
const HUB_BUILDKIT: &str = "registry-1.docker.io";

/// Build args for proxies, and their keys in `config.json`.
const PROXIES: [(&str, &str); 5] = [
    ("HTTP_PROXY", "httpProxy"),
    ("HTTPS_PROXY", "httpsProxy"),
    ("NO_PROXY", "noProxy"),
    ("FTP_PROXY", "ftpProxy"),
    ("ALL_PROXY", "allProxy"),
];

/// `config.json`, as far as we need it.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DockerConfig {
    pub(super) current_context: Option<String>,
    /// By engine address or `default`: `httpProxy` and its like.
    proxies: HashMap<String, HashMap<String, String>>,
    #[serde(skip)]
    folder: PathBuf,
    #[serde(skip)]
    logins: DockerLogins,
}

/// Where a context points.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ContextTarget {
    pub(super) host: String,
    /// Folder with `ca.pem`, `cert.pem`, `key.pem`, if the context has one.
    pub(super) certificates: Option<PathBuf>,
}

impl DockerConfig {
    /// Reads `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`; one that cannot be read counts as empty, as for
    /// Docker's command.
    pub(super) fn load(env: &dyn Fn(&str) -> Option<String>) -> Self {
        let folder = env("DOCKER_CONFIG").map(PathBuf::from);
        let folder = folder.or_else(|| Some(Path::new(&env("HOME")?).join(".docker"))).unwrap_or_default();
        let text = std::fs::read_to_string(folder.join("config.json")).unwrap_or_default();
        let config: Self = serde_json::from_str(&text).unwrap_or_default();
        let logins = DockerLogins::load(&folder);
        Self { folder, logins, ..config }
    }

    /// The folder with Docker's settings.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Looks a context up by name.
    pub(super) fn context(&self, name: &str) -> Option<ContextTarget> {
        let id = Sha256::digest(name.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let contexts = self.folder.join("contexts");
        let text = std::fs::read_to_string(contexts.join("meta").join(&id).join("meta.json")).ok()?;
        let meta: serde_json::Value = serde_json::from_str(&text).ok()?;
        let host = meta.pointer("/Endpoints/docker/Host")?.as_str()?.to_owned();
        let certificates = contexts.join("tls").join(&id).join("docker");
        Some(ContextTarget { host, certificates: certificates.join("ca.pem").is_file().then_some(certificates) })
    }

    /// The proxies for builds, as build args in both cases, for the engine at `host`.
    pub(super) fn proxy_args(&self, host: &str) -> BTreeMap<String, String> {
        let Some(proxies) = self.proxies.get(host).or_else(|| self.proxies.get("default")) else {
            return BTreeMap::new();
        };
        let set = PROXIES.into_iter().filter_map(|(name, key)| Some((name, proxies.get(key)?.clone())));
        set.flat_map(|(name, value)| [(name.to_owned(), value.clone()), (name.to_ascii_lowercase(), value)]).collect()
    }

    /// The credentials for the registries that `text` (a Dockerfile and its build args) can mean.
    pub(super) async fn credentials(&self, text: &str) -> HashMap<String, DockerCredentials> {
        let known = self.logins.hosts().into_iter();
        let hosts = known.filter(|host| host.contains("docker.io") || text.contains(bare_host(host)));
        let found = hosts.map(|host| async move {
            let login = self.logins.find(host).await?;
            Some((host.to_owned(), credentials_of(&login, host)))
        });
        let mut credentials = HashMap::new();
        for (host, one) in futures_util::future::join_all(found).await.into_iter().flatten() {
            if host.contains("docker.io") {
                credentials.insert(HUB_BUILDKIT.to_owned(), one.clone());
                credentials.insert(HUB.to_owned(), one.clone());
            }
            credentials.insert(bare_host(&host).to_owned(), one.clone());
            credentials.insert(host, one);
        }
        credentials
    }
}

/// `https://registry.example.com/v1/` and `registry.example.com` mean the same.
fn bare_host(host: &str) -> &str {
    let host = host.trim_start_matches("https://").trim_start_matches("http://");
    host.split('/').next().unwrap_or(host)
}

/// A login as the engine wants it, in a header of the request that needs it.
pub(super) fn credentials_of(login: &Login, host: &str) -> DockerCredentials {
    let secret = || Some(login.secret().to_owned());
    let token = login.is_identity();
    DockerCredentials {
        username: (!token).then(|| login.user.clone()),
        password: if token { None } else { secret() },
        identitytoken: if token { secret() } else { None },
        serveraddress: Some(host.to_owned()),
        ..DockerCredentials::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{ContextTarget, DockerConfig};
    use std::os::unix::fs::PermissionsExt;

    fn config(json: &str) -> (tempfile::TempDir, DockerConfig) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), json).unwrap();
        let path = folder.path().display().to_string();
        let config = DockerConfig::load(&|name| (name == "DOCKER_CONFIG").then(|| path.clone()));
        (folder, config)
    }

    #[test]
    fn a_context_is_found_by_the_hash_of_its_name() {
        let (folder, config) = config(r#"{"currentContext": "colima"}"#);
        let id = "f24fd3749c1368328e2b149bec149cb6795619f244c5b584e844961215dadd16";
        let meta = folder.path().join("contexts/meta").join(id);
        std::fs::create_dir_all(&meta).unwrap();
        let text = r#"{"Name":"colima","Endpoints":{"docker":{"Host":"unix:///home/u/.colima/docker.sock"}}}"#;
        std::fs::write(meta.join("meta.json"), text).unwrap();
        assert_eq!(config.current_context.as_deref(), Some("colima"));
        let expected = ContextTarget { host: "unix:///home/u/.colima/docker.sock".into(), certificates: None };
        assert_eq!(config.context("colima"), Some(expected));
        assert_eq!(config.context("nowhere"), None);
    }

    #[tokio::test]
    async fn credentials_come_from_auths_for_registries_the_dockerfile_names() {
        let (_folder, config) = config(
            r#"{"auths": {"https://index.docker.io/v1/": {"auth": "bWU6c2VjcmV0"},
                         "ghcr.io": {"auth": "eW91OnB3OjI="}, "quay.io": {"auth": "eDp5"}}}"#,
        );
        let found = config.credentials("FROM ghcr.io/acme/base:1").await;
        assert_eq!(found["registry-1.docker.io"].password.as_deref(), Some("secret"));
        assert_eq!(found["ghcr.io"].password.as_deref(), Some("pw:2"));
        assert!(!found.contains_key("quay.io"));
    }

    #[tokio::test]
    async fn a_helper_that_is_missing_leaves_the_file_s_own_credentials() {
        let (_folder, config) = config(
            r#"{"auths": {"ghcr.io": {"auth": "eW91OnB3"}}, "credHelpers": {"ghcr.io": "there-is-no-such-helper"}}"#,
        );
        assert_eq!(config.credentials("ghcr.io").await["ghcr.io"].username.as_deref(), Some("you"));
    }

    #[test]
    fn proxies_become_build_args_in_both_cases() {
        let (_folder, config) =
            config(r#"{"proxies": {"default": {"httpProxy": "http://p:3128", "noProxy": "localhost"}}}"#);
        let args = config.proxy_args("unix:///var/run/docker.sock");
        assert_eq!(args["HTTP_PROXY"], "http://p:3128");
        assert_eq!(args["http_proxy"], "http://p:3128");
        assert_eq!(args["no_proxy"], "localhost");
        assert_eq!(args.len(), 4);
    }

    #[test]
    fn a_broken_config_counts_as_empty() {
        let (folder, config) = config("{not json");
        assert!(config.current_context.is_none());
        assert_eq!(config.folder(), folder.path());
        assert!(folder.path().metadata().unwrap().permissions().mode() > 0);
    }
}
