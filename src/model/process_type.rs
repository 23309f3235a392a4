//! Process types: the names to the left of the colon in a Procfile, the keys of heroku.yml's `run`.

use std::fmt;

/// A validated process type name such as `web` or `worker`.
///
/// Letters, digits, `_` and `-`, starting with a letter or digit, at most 63 characters (R3; heroku.yml files in the
/// wild use `_` and `-`, so both are taken).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessType(String);

/// Why a text is not a process type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a process type: use letters, digits, `_` and `-`, starting with a letter or digit, at most 63 characters"
)]
pub struct BadProcessType(pub String);

impl ProcessType {
    /// Checks `name`; the error says what a name may hold.
    pub fn new(name: impl Into<String>) -> Result<Self, BadProcessType> {
        let name = name.into();
        let good = name.len() <= 63
            && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if good { Ok(Self(name)) } else { Err(BadProcessType(name)) }
    }

    /// `web`: the only type that gets `$PORT`, the bind check and traffic (R3, R5.2).
    pub fn web() -> Self {
        Self("web".into())
    }

    /// `release`: runs once for each release, before its dynos boot (R9).
    pub fn release() -> Self {
        Self("release".into())
    }

    /// `run`: one-off dynos (R5.1).
    pub fn run() -> Self {
        Self("run".into())
    }

    /// Whether this is `web`.
    pub fn is_web(&self) -> bool {
        self.0 == "web"
    }

    /// Whether this is `release`.
    pub fn is_release(&self) -> bool {
        self.0 == "release"
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProcessType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl std::str::FromStr for ProcessType {
    type Err = BadProcessType;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::new(s)
    }
}

impl serde::Serialize for ProcessType {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for ProcessType {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::ProcessType;

    #[test]
    fn names_from_real_manifests_are_taken() {
        for name in ["web", "flask_app", "asset-syncer", "worker2", "2nd"] {
            assert_eq!(ProcessType::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn anything_a_shell_or_path_could_misread_is_refused() {
        for name in ["", "-x", "a b", "a/b", "a.b", "wéb", &"x".repeat(64)] {
            assert!(ProcessType::new(name).is_err(), "{name}");
        }
    }
}
