//! Who one is at a registry: Heroku's key for Heroku's registry, Docker's own sign-ins for all.

use super::fault::PushError;
use crate::platform::state::{private_dir, write_atomically};
use crate::registry::{Client, DockerLogins, Host, Kept, Login, Patience};
use crate::web::Proxies;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The user name with which Heroku's registry takes a key.
pub const HEROKU_USER: &str = "_";

/// The sign-ins of this user, and the way to where they are for.
#[derive(Clone)]
pub struct SignIns {
    /// What Docker's own command keeps.
    pub docker: DockerLogins,
    /// Heroku's registry and the key for it, when there is one.
    pub heroku: Option<(Host, Login)>,
    /// Whether the key comes before what Docker keeps: `HEROKU_API_KEY` is set.
    pub key_first: bool,
    /// Through which registries are reached.
    pub proxies: Proxies,
}

impl SignIns {
    /// For one registry. The key is for Heroku's alone.
    pub async fn of(&self, host: &Host) -> Option<Login> {
        let key = self.heroku.as_ref().filter(|(own, _)| own == host).map(|(_, login)| login.clone());
        if self.key_first && key.is_some() {
            return key;
        }
        match self.docker.find(host.as_str()).await {
            Some(login) => Some(login),
            None => key,
        }
    }
}

/// Signs in: has the registry confirm the login, then keeps it as Docker does.
pub async fn log_in(sign_ins: &SignIns, host: &Host, login: Login, patience: Patience) -> Result<Kept, PushError> {
    Client::check(host, login.clone(), patience, &sign_ins.proxies).await?;
    sign_ins.docker.store(host.as_str(), &login, write_private).await.map_err(PushError::SignIn)
}

/// Forgets the sign-in. Whether there was one.
pub async fn log_out(docker: &DockerLogins, host: &Host) -> Result<bool, PushError> {
    docker.erase(host.as_str(), write_private).await.map_err(PushError::SignIn)
}

/// Replaces a file that its owner alone may read.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent()
        && !folder.exists()
    {
        private_dir(folder)?;
    }
    if path.exists() {
        // It may have been open to others as long as there was no secret in it.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    }
    write_atomically(path, bytes)
}
