//! What the user told Docker's own command in `~/.docker`: contexts, registry credentials, proxies.

use bollard::auth::DockerCredentials;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// A credential helper that takes longer than this waits for a human who is not there.
const HELPER_TIMEOUT: Duration = Duration::from_secs(20);
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
    auths: HashMap<String, Auth>,
    cred_helpers: HashMap<String, String>,
    creds_store: Option<String>,
    /// By engine address or `default`: `httpProxy` and its like.
    proxies: HashMap<String, HashMap<String, String>>,
    #[serde(skip)]
    folder: PathBuf,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Auth {
    #[serde(rename = "auth")]
    encoded: String,
    username: String,
    password: String,
    identitytoken: String,
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
        Self { folder, ..config }
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
        let known = self.auths.keys().chain(self.cred_helpers.keys());
        let mut hosts: Vec<&String> =
            known.filter(|host| host.contains("docker.io") || text.contains(bare_host(host))).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let found = hosts.into_iter().map(|host| async move { Some((host.clone(), self.credential(host).await?)) });
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

    async fn credential(&self, host: &str) -> Option<DockerCredentials> {
        if let Some(helper) = self.cred_helpers.get(host).or(self.creds_store.as_ref())
            && let Some(found) = ask_helper(helper, host).await
        {
            return Some(found);
        }
        self.auths.get(host).and_then(|auth| auth.credentials(host))
    }
}

/// `https://registry.example.com/v1/` and `registry.example.com` mean the same.
fn bare_host(host: &str) -> &str {
    let host = host.trim_start_matches("https://").trim_start_matches("http://");
    host.split('/').next().unwrap_or(host)
}

impl Auth {
    fn credentials(&self, host: &str) -> Option<DockerCredentials> {
        let decoded = decode_base64(&self.encoded).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let (username, password) = decoded.split_once(':').unwrap_or((&self.username, &self.password));
        if username.is_empty() && self.identitytoken.is_empty() {
            return None;
        }
        Some(DockerCredentials {
            username: Some(username.to_owned()),
            password: Some(password.trim_end_matches('\0').to_owned()),
            identitytoken: Some(self.identitytoken.clone()).filter(|token| !token.is_empty()),
            serveraddress: Some(host.to_owned()),
            ..DockerCredentials::default()
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// Runs `docker-credential-<helper> get`.
async fn ask_helper(helper: &str, host: &str) -> Option<DockerCredentials> {
    let mut child = tokio::process::Command::new(format!("docker-credential-{helper}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut input = child.stdin.take()?;
    input.write_all(host.as_bytes()).await.ok()?;
    drop(input);
    let output = tokio::time::timeout(HELPER_TIMEOUT, child.wait_with_output()).await.ok()?.ok()?;
    let answer: HelperAnswer = serde_json::from_slice(&output.stdout).ok()?;
    let token = answer.username == "<token>";
    Some(DockerCredentials {
        username: (!token).then_some(answer.username),
        password: (!token).then(|| answer.secret.clone()),
        identitytoken: token.then_some(answer.secret),
        serveraddress: Some(host.to_owned()),
        ..DockerCredentials::default()
    })
}

/// Standard base64, as `docker login` writes it.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for one in text.bytes().filter(|byte| *byte != b'=') {
        let value = match one {
            b'A'..=b'Z' => one - b'A',
            b'a'..=b'z' => one - b'a' + 26,
            b'0'..=b'9' => one - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    (!bytes.is_empty()).then_some(bytes)
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
