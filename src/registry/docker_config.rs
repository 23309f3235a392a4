//! The sign-ins that Docker's own command keeps: `auths`, `credHelpers` and `credsStore` of its `config.json`.

use super::helper;
use super::login::Login;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// The registries of Docker's config that one is signed in to.
#[derive(Clone, Default)]
pub struct DockerLogins {
    file: PathBuf,
    config: Config,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    auths: HashMap<String, Auth>,
    cred_helpers: HashMap<String, String>,
    creds_store: Option<String>,
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

/// Where a login was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A credential helper has it; the config only names the registry.
    Helper(String),
    /// It stands in this file, readable by its owner alone.
    File(PathBuf),
}

impl DockerLogins {
    /// Of `$DOCKER_CONFIG/config.json`; one that cannot be read counts as empty, as for Docker's command.
    pub fn load(folder: &Path) -> Self {
        let file = folder.join("config.json");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        Self { file, config: serde_json::from_str(&text).unwrap_or_default() }
    }

    /// The registries that are named, as they are written there.
    pub fn hosts(&self) -> Vec<&str> {
        let mut hosts: Vec<&str> =
            self.config.auths.keys().chain(self.config.cred_helpers.keys()).map(String::as_str).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }

    /// The login for a registry: its helper's, else what stands in the file.
    pub async fn find(&self, host: &str) -> Option<Login> {
        if let Some(helper) = self.helper(host)
            && let Some(found) = helper::get(helper, host).await
        {
            return Some(found);
        }
        let known = self.config.auths.iter().find(|(name, _)| *name == host);
        let (_, auth) = known.or_else(|| self.config.auths.iter().find(|(name, _)| bare(name) == host))?;
        auth.login()
    }

    fn helper(&self, host: &str) -> Option<&str> {
        let own = self.config.cred_helpers.get(host);
        own.or(self.config.creds_store.as_ref()).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Keeps a login as `docker login` does: with the helper, if one is set, else in the file. `write` replaces a file
    /// whole; everything else that stands in it stays.
    pub async fn store(
        &self,
        host: &str,
        login: &Login,
        write: impl FnOnce(&Path, &[u8]) -> io::Result<()>,
    ) -> Result<Kept, String> {
        let helper = self.helper(host).map(str::to_owned);
        let entry = match &helper {
            Some(helper) => {
                helper::store(helper, host, login).await?;
                json!({})
            }
            None if login.is_identity() => json!({"auth": "", "identitytoken": login.secret()}),
            None => json!({"auth": login.encode()}),
        };
        self.edit(write, |auths| drop(auths.insert(host.to_owned(), entry)))?;
        Ok(helper.map_or_else(|| Kept::File(self.file.clone()), Kept::Helper))
    }

    /// Forgets a login as `docker logout` does. Whether there was one.
    pub async fn erase(&self, host: &str, write: impl FnOnce(&Path, &[u8]) -> io::Result<()>) -> Result<bool, String> {
        let mut had = self.config.auths.contains_key(host);
        if let Some(helper) = self.helper(host) {
            had |= helper::get(helper, host).await.is_some();
            if had {
                helper::erase(helper, host).await?;
            }
        }
        if self.config.auths.contains_key(host) {
            self.edit(write, |auths| drop(auths.shift_remove(host)))?;
        }
        Ok(had)
    }

    fn edit(
        &self,
        write: impl FnOnce(&Path, &[u8]) -> io::Result<()>,
        change: impl FnOnce(&mut serde_json::Map<String, Value>),
    ) -> Result<(), String> {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", self.file.display());
        let mut whole: Value = match std::fs::read(&self.file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| told(&error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => json!({}),
            Err(error) => return Err(told(&error)),
        };
        let object = whole.as_object_mut().ok_or_else(|| told(&"expected a JSON object"))?;
        let auths = object.entry("auths").or_insert_with(|| json!({}));
        change(auths.as_object_mut().ok_or_else(|| told(&"expected an object under `auths`"))?);
        let mut text = serde_json::to_vec_pretty(&whole).map_err(|error| told(&error))?;
        text.push(b'\n');
        write(&self.file, &text).map_err(|error| told(&error))
    }
}

/// `https://registry.example.com/v1/` and `registry.example.com` mean the same.
fn bare(host: &str) -> &str {
    let host = host.trim_start_matches("https://").trim_start_matches("http://");
    host.split('/').next().unwrap_or(host)
}

impl Auth {
    fn login(&self) -> Option<Login> {
        if !self.identitytoken.is_empty() {
            return Some(Login::with_identity(&self.identitytoken));
        }
        let plain = || (!self.username.is_empty()).then(|| Login::new(&self.username, &self.password));
        Login::decode(&self.encoded).or_else(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::{DockerLogins, Kept, Login};
    use std::path::Path;

    fn config(json: &str) -> (tempfile::TempDir, DockerLogins) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), json).unwrap();
        let logins = DockerLogins::load(folder.path());
        (folder, logins)
    }

    fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        std::fs::write(path, bytes)
    }

    #[tokio::test]
    async fn a_login_is_found_however_its_registry_is_written() {
        let (_folder, logins) = config(
            r#"{"auths": {"registry.heroku.com": {"auth": "XzprZXk="}, "https://r.example.com/v1/": {"auth": "eW91OnB3"},
                          "id.example.com": {"auth": "YTpi", "identitytoken": "it"}}}"#,
        );
        assert_eq!(logins.find("registry.heroku.com").await, Some(Login::new("_", "key")));
        assert_eq!(logins.find("r.example.com").await, Some(Login::new("you", "pw")));
        assert!(logins.find("id.example.com").await.unwrap().is_identity());
        assert_eq!(logins.find("heroku.com").await, None);
        assert_eq!(logins.hosts().len(), 3);
    }

    #[tokio::test]
    async fn what_else_stands_in_the_file_stays() {
        let (folder, logins) = config("{\"HttpHeaders\": {\"A\": \"b\"}, \"auths\": {\"x\": {\"auth\": \"YTpi\"}}}");
        let kept = logins.store("registry.heroku.com", &Login::new("_", "key"), write).await.unwrap();
        assert_eq!(kept, Kept::File(folder.path().join("config.json")));
        let text = std::fs::read_to_string(folder.path().join("config.json")).unwrap();
        assert!(text.contains("HttpHeaders") && text.contains("XzprZXk=") && text.contains("YTpi"), "{text}");
        let logins = DockerLogins::load(folder.path());
        assert!(logins.erase("registry.heroku.com", write).await.unwrap());
        let text = std::fs::read_to_string(folder.path().join("config.json")).unwrap();
        assert!(!text.contains("heroku") && text.contains("YTpi"), "{text}");
        assert!(!DockerLogins::load(folder.path()).erase("registry.heroku.com", write).await.unwrap());
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_not_written_over() {
        let (folder, logins) = config("{not json");
        let error = logins.store("x", &Login::new("_", "hunter2"), write).await.unwrap_err();
        assert!(error.contains("config.json") && !error.contains("hunter2"), "{error}");
        assert_eq!(std::fs::read_to_string(folder.path().join("config.json")).unwrap(), "{not json");
    }

    #[tokio::test]
    async fn a_helper_that_cannot_be_run_is_named_and_nothing_is_written() {
        let (folder, logins) = config(r#"{"credsStore": "there-is-no-such-helper"}"#);
        let error = logins.store("x", &Login::new("_", "hunter2"), write).await.unwrap_err();
        assert!(error.contains("docker-credential-there-is-no-such-helper") && !error.contains("hunter2"), "{error}");
        assert!(!std::fs::read_to_string(folder.path().join("config.json")).unwrap().contains("auths"));
    }
}
