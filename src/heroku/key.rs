//! The API key: who one is at Heroku.

use super::endpoint::Endpoint;
use super::netrc;
use http::HeaderValue;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where a key was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `HEROKU_API_KEY`
    Environment,
    /// This netrc file.
    Netrc(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("HEROKU_API_KEY"),
            Self::Netrc(path) => path.display().fmt(f),
        }
    }
}

/// A key of Heroku's API. It is never shown.
#[derive(Clone)]
pub struct Key {
    secret: String,
    /// Where it was found.
    pub origin: Origin,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// None was found.
    #[error("there is no API key for {host}")]
    Missing {
        /// The API.
        host: String,
    },
    /// What stands there cannot be one.
    #[error("the key in {origin} holds a character that no key has")]
    Unusable {
        /// Where.
        origin: Origin,
    },
    /// netrc cannot be read.
    #[error("{path} cannot be read: {source}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Key {
    /// As the Heroku CLI looks for it (cli-api §2.5): `HEROKU_API_KEY`, else the API's entry in `~/.netrc`.
    pub fn find(environment: &dyn Fn(&str) -> Option<String>, api: &Endpoint) -> Result<Self, KeyError> {
        if let Some(secret) = environment("HEROKU_API_KEY") {
            return Self::new(&secret, Origin::Environment);
        }
        let missing = || KeyError::Missing { host: api.host().to_owned() };
        let path = PathBuf::from(environment("HOME").ok_or_else(missing)?).join(".netrc");
        let text = match std::fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
            Err(source) => return Err(KeyError::Unreadable { path, source }),
        };
        Self::new(&netrc::password(&text, api.host()).ok_or_else(missing)?, Origin::Netrc(path))
    }

    fn new(secret: &str, origin: Origin) -> Result<Self, KeyError> {
        let secret = secret.trim().to_owned();
        let plain = !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic());
        if plain { Ok(Self { secret, origin }) } else { Err(KeyError::Unusable { origin }) }
    }

    /// The key itself: for a header, or another program's standard input.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// `Authorization`
    pub(super) fn bearer(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.secret)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("origin", &self.origin).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, Key, KeyError, Origin};

    #[test]
    fn the_environment_comes_before_netrc_and_no_key_is_ever_shown() {
        let home = tempfile::tempdir().unwrap();
        let api = Endpoint::find(&|_| None).unwrap();
        let in_home = |name: &str| (name == "HOME").then(|| home.path().display().to_string());
        assert!(matches!(Key::find(&in_home, &api), Err(KeyError::Missing { .. })));
        std::fs::write(home.path().join(".netrc"), "machine api.heroku.com\n  login a\n  password of-netrc\n").unwrap();
        let key = Key::find(&in_home, &api).unwrap();
        assert_eq!((key.secret(), &key.origin), ("of-netrc", &Origin::Netrc(home.path().join(".netrc"))));
        let both = |name: &str| if name == "HEROKU_API_KEY" { Some("of-env\n".to_owned()) } else { in_home(name) };
        let key = Key::find(&both, &api).unwrap();
        assert_eq!(key.secret(), "of-env");
        assert!(!format!("{key:?}{:?}", key.bearer()).contains("of-env"));
        let torn = |name: &str| (name == "HEROKU_API_KEY").then(|| "se cret".to_owned());
        let error = Key::find(&torn, &api).unwrap_err();
        assert_eq!(error.to_string(), "the key in HEROKU_API_KEY holds a character that no key has");
    }
}
