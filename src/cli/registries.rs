//! Which registry a command means, and who one is there.

use super::session::environment;
use crate::heroku::{Endpoint, Key, Origin};
use crate::registry::{BadName, DockerLogins, Host, Login};
use std::path::PathBuf;

/// Heroku's own.
const USUAL: &str = "registry.heroku.com";

/// The registry that `--registry` names; else Heroku's, where `HEROKU_HOST` puts it (cli-api §2.2).
pub(super) fn host(named: Option<&str>) -> Result<Host, BadName> {
    let domain = environment("HEROKU_HOST").filter(|host| !host.contains("://"));
    let usual = domain.map_or_else(|| USUAL.to_owned(), |domain| format!("registry.{domain}"));
    Host::parse(named.unwrap_or(&usual))
}

/// Who one is at a registry: at Heroku's by `HEROKU_API_KEY`; then as Docker's own tools are signed in; then, at Heroku's,
/// by the key in `~/.netrc`. The user name is `_` there, as `container:login` has it (R1.1).
pub(super) async fn login(host: &Host) -> Option<Login> {
    let name = host.as_str();
    let heroku_s = name.starts_with("registry.") && name.ends_with(".heroku.com") || name == USUAL;
    let key = if heroku_s { key() } else { None };
    let login = |key: Key| Login::new("_", key.secret());
    match key {
        Some(key) if key.origin == Origin::Environment => Some(login(key)),
        key => DockerLogins::load(&docker_config()?).find(name).await.or_else(|| key.map(login)),
    }
}

fn key() -> Option<Key> {
    Key::find(&environment, &Endpoint::find(&environment).ok()?).ok()
}

/// `$DOCKER_CONFIG`, else `~/.docker`.
fn docker_config() -> Option<PathBuf> {
    let named = environment("DOCKER_CONFIG").map(PathBuf::from);
    named.or_else(|| environment("HOME").map(|home| PathBuf::from(home).join(".docker")))
}
