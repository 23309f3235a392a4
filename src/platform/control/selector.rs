//! Which dynos a command is about: `web.1`, `web`, `w*`, or all.

use crate::model::dyno::DynoName;
use crate::model::glob;

/// A choice of dynos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Every dyno.
    All,
    /// By name, by process type, or by a pattern in which `*` stands for anything and `?` for one character.
    Named(String),
}

impl Selector {
    /// Reads what a user writes.
    pub fn parse(text: &str) -> Self {
        if text.is_empty() || text == "*" { Self::All } else { Self::Named(text.to_owned()) }
    }

    /// Whether a dyno is meant.
    pub fn takes(&self, name: &DynoName) -> bool {
        match self {
            Self::All => true,
            Self::Named(pattern) => name.process_type.as_str() == pattern || glob::matches(pattern, &name.to_string()),
        }
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all dynos"),
            Self::Named(pattern) => f.write_str(pattern),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Selector;
    use crate::model::dyno::DynoName;

    #[test]
    fn dynos_are_chosen_by_name_type_or_pattern() {
        let name = |text: &str| {
            let (process_type, number) = text.split_once('.').unwrap();
            DynoName::new(process_type.parse().unwrap(), number.parse().unwrap())
        };
        for (pattern, taken, left) in [
            ("web.1", "web.1", "web.10"),
            ("web", "web.10", "worker.1"),
            ("w*", "worker.1", "clock.1"),
            ("w*.1", "worker.1", "worker.12"),
            ("web.?", "web.3", "web.33"),
            ("*.1*", "web.12", "web.2"),
            ("", "web.1", "-"),
            ("*", "clock.9", "-"),
        ] {
            let selector = Selector::parse(pattern);
            assert!(selector.takes(&name(taken)), "{pattern} {taken}");
            assert!(left == "-" || !selector.takes(&name(left)), "{pattern} {left}");
        }
    }
}
