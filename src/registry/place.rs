//! Names: where a registry is, what a repository and a tag may be called, and digests.

use crate::web::is_loopback;
use sha2::{Digest as _, Sha256};
use std::fmt::{self, Write as _};
use std::str::FromStr;

/// A name that is none, and what it should look like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(pub String);

/// A registry: a host, perhaps a port, and whether it is spoken to in plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host {
    name: String,
    plain: bool,
}

impl Host {
    /// `registry.heroku.com`, `localhost:5000`, or either behind `https://`. A registry on this machine is spoken to in
    /// plain HTTP, as Docker does; no other is. With `https://` in front also this machine's must speak TLS.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let bad = |why: &str| BadName(format!("`{text}` is not a registry: {why}"));
        let (bare, scheme) = match text.split_once("://") {
            Some((scheme, bare)) => (bare, Some(scheme)),
            None => (text, None),
        };
        let name = bare.trim_end_matches('/');
        if name.contains('@') {
            return Err(BadName("a registry is named without user and password; sign in with container:login".into()));
        }
        let authority: http::uri::Authority = name.parse().map_err(|_| bad("write HOST or HOST:PORT"))?;
        if authority.host().is_empty() || authority.as_str().ends_with(':') {
            return Err(bad("write HOST or HOST:PORT"));
        }
        let loopback = is_loopback(authority.host());
        let plain = match scheme {
            None => loopback,
            Some("https") => false,
            Some("http") if loopback => true,
            Some("http") => return Err(bad("plain HTTP is spoken with this machine only")),
            Some(_) => return Err(bad("write HOST or HOST:PORT")),
        };
        Ok(Self { name: name.to_ascii_lowercase(), plain })
    }

    /// Host and port, as they stand in an image's name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    pub(super) fn base(&self) -> String {
        format!("{}://{}", if self.plain { "http" } else { "https" }, self.name)
    }

    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

/// A repository of a registry: `registry.heroku.com/shop/web`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Where.
    pub host: Host,
    path: String,
}

impl Repository {
    /// `path` is lower-case words of letters and digits, joined by `.`, `_`, `-` and `/`.
    pub fn new(host: Host, path: &str) -> Result<Self, BadName> {
        let word = |word: &str| {
            let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
            let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            word.chars().all(inside) && ends(word.chars().next()) && ends(word.chars().last())
        };
        if path.len() <= 255 && path.split('/').all(word) {
            return Ok(Self { host, path: path.to_owned() });
        }
        Err(BadName(format!(
            "`{path}` cannot be an image's name in a registry: use lower-case letters, digits, `-`, `_` and `.`"
        )))
    }

    /// Without the host: `shop/web`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

/// A tag: `latest`, `v1.0.0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// The one that Heroku releases (R1.2).
    pub fn latest() -> Self {
        Self("latest".into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        if first && text.len() <= 128 && text.chars().all(good) {
            return Ok(Self(text.to_owned()));
        }
        Err(BadName(format!(
            "`{text}` cannot be a tag: use letters, digits, `.`, `_` and `-`, starting with a letter or digit, as v1.0.0"
        )))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A SHA-256 digest, `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(Sha256::new_with_prefix(bytes))
    }

    pub(super) fn finish(hash: Sha256) -> Self {
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        for byte in hash.finalize() {
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hex digits alone.
    pub fn hex(&self) -> &str {
        &self.0[7..]
    }
}

impl FromStr for Digest {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        let good = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if good { Ok(Self(text.to_owned())) } else { Err(BadName(format!("`{text}` is not a sha256 digest"))) }
    }
}

impl TryFrom<String> for Digest {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, Host, Repository, Tag};

    #[test]
    fn only_this_machine_is_spoken_to_in_plain_http() {
        for (text, base) in [
            ("registry.heroku.com", "https://registry.heroku.com"),
            ("https://Registry.Example.com/", "https://registry.example.com"),
            ("localhost:5000", "http://localhost:5000"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("[::1]:5000", "http://[::1]:5000"),
            ("https://localhost:5000", "https://localhost:5000"),
            ("localhost.evil.example:5000", "https://localhost.evil.example:5000"),
        ] {
            assert_eq!(Host::parse(text).unwrap().base(), base, "{text}");
        }
        for wrong in ["", "http://registry.example.com", "ftp://x", "a b", "x/y", "localhost:", "https://"] {
            assert!(Host::parse(wrong).is_err(), "{wrong}");
        }
        let secret = Host::parse("https://_:hunter2@registry.heroku.com").unwrap_err().to_string();
        assert!(secret.contains("container:login") && !secret.contains("hunter2"), "{secret}");
    }

    #[test]
    fn names_are_those_a_registry_takes() {
        let host = || Host::parse("localhost:5000").unwrap();
        for good in ["shop/web", "my-shop/web_2", "a/b.c"] {
            assert!(Repository::new(host(), good).is_ok(), "{good}");
        }
        for wrong in ["", "shop/", "/web", "Shop/web", "shop/-web", "shop/we b", "shop/..", "shop//web"] {
            assert!(Repository::new(host(), wrong).is_err(), "{wrong}");
        }
        assert!("v1.0.0".parse::<Tag>().is_ok() && "_x".parse::<Tag>().is_ok());
        for wrong in ["", "-v1", "v 1", "v1/2", ".1", &"x".repeat(129)] {
            assert!(wrong.parse::<Tag>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn digests_are_of_one_kind() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").as_str(), empty);
        assert_eq!(empty.parse::<Digest>().unwrap().hex().len(), 64);
        for wrong in ["sha256:", "md5:00", &empty.to_uppercase(), &empty[..70], "../../etc/passwd"] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }
}
