//! Config vars: what an app is configured by, each with where it came from. Values never reach `Debug`.

use std::collections::BTreeMap;
use std::fmt;

/// Where a variable of a dyno's environment came from; `explain` prints it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// `ENV` of the image.
    Image,
    /// heroku.yml `setup.config` at this line.
    HerokuYml(usize),
    /// app.json `env`, its `value`.
    AppJson,
    /// app.json `env` with `generator: secret`: made here, kept in the state folder.
    Generated,
    /// A `.env` file: its path as the user named it, and the line.
    EnvFile(String, usize),
    /// The platform: `PORT`, `DYNO`, dyno metadata.
    Platform,
    /// Set by dynosim because of a rule, which the text names (`HOME`).
    Rule(&'static str),
    /// This machine's environment, by `--pass`.
    Passed,
    /// Kept in the state of the app, from an earlier release.
    Release,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image => f.write_str("image ENV"),
            Self::HerokuYml(line) => write!(f, "heroku.yml:{line} setup.config"),
            Self::AppJson => f.write_str("app.json env"),
            Self::Generated => f.write_str("app.json env, generated secret"),
            Self::EnvFile(file, line) => write!(f, "{file}:{line}"),
            Self::Platform => f.write_str("platform"),
            Self::Rule(rule) => f.write_str(rule),
            Self::Passed => f.write_str("this machine, --pass"),
            Self::Release => f.write_str("release"),
        }
    }
}

/// One value and its origin.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigVar {
    /// The value, byte for byte as the app sees it.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

impl fmt::Debug for ConfigVar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes from {}]", self.value.len(), self.origin)
    }
}

/// The config vars of an app, sorted by name. `Debug` hides the values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigVars(BTreeMap<String, ConfigVar>);

impl ConfigVars {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// These, with others over them.
    #[must_use]
    pub fn under(mut self, others: &Self) -> Self {
        self.0.extend(others.0.clone());
        self
    }

    /// Sets `name`, over whatever was there; later layers win.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>, origin: Origin) {
        self.0.insert(name.into(), ConfigVar { value: value.into(), origin });
    }

    /// The variable of that name.
    pub fn get(&self, name: &str) -> Option<&ConfigVar> {
        self.0.get(name)
    }

    /// Takes `name` away.
    pub fn remove(&mut self, name: &str) -> Option<ConfigVar> {
        self.0.remove(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ConfigVar)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all names and values: what R8 limits.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(k, v)| k.len() + v.value.len()).sum()
    }

    /// Plain name and value pairs, for a release's snapshot.
    pub fn plain(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(k, v)| (k.clone(), v.value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{ConfigVars, Origin};

    #[test]
    fn debug_never_shows_a_value() {
        let mut vars = ConfigVars::new();
        vars.set("TOKEN", "hunter2-and-more", Origin::EnvFile(".env".into(), 3));
        let shown = format!("{vars:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("TOKEN") && shown.contains(".env:3"), "{shown}");
        assert_eq!(vars.bytes(), 21);
    }
}
