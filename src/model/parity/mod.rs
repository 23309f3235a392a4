//! Which rules of Heroku's are kept: exactly, nearly, or not, and which tests prove it. Data only. `dynosim parity` prints
//! it, `docs/parity.md` and the tables of `docs/router-conformance.md` are made of it, and the tests here fail when the
//! three differ, when a test that is named is not there, or when a rule is called exact without one.

mod codes;
mod config;
mod dynos;
mod files;
mod images;
mod logs;
mod native;
mod questions;
mod router;

use std::sync::LazyLock;

/// How far a rule is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// As on Heroku, and a test proves it.
    Exact,
    /// Not quite: what differs, in a sentence.
    Nearly(&'static str),
    /// Not at all: why, in a sentence.
    Absent(&'static str),
}

/// What runs the dynos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Docker, and what speaks its API.
    Docker,
    /// Processes of this machine.
    Native,
}

impl Engine {
    /// Each of this version.
    pub const ALL: &[Engine] = &[Engine::Docker, Engine::Native];

    /// `docker`, as JSON has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Native => "native",
        }
    }
}

/// One rule of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Sections of the fact sheets: `R5.2` or `R13#4`, a code (`H12`, `Error R10`), or cases of the router (`A1–A5`).
    /// Several, where one row covers several. Several rows may have one id.
    pub id: &'static str,
    /// What Heroku does.
    pub heroku: &'static str,
    /// What is to be added for here; may be empty.
    pub note: &'static str,
    /// On Docker; asked by [`Rule::on`].
    docker: Kept,
    /// Who says so: a Dev Center article, a repository's file, logs; `§` and `R` are sections of the fact sheets.
    pub source: &'static str,
    /// The tests that prove it, by name.
    pub tests: &'static [&'static str],
}

/// Rules that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Chapter {
    /// Its heading.
    pub name: &'static str,
    /// Its table stands in `docs/router-conformance.md`.
    pub of_router: bool,
    /// Its rules, in order.
    pub rules: &'static [Rule],
}

/// Everything, in the order of the fact sheets.
pub static CHAPTERS: LazyLock<Vec<Chapter>> = LazyLock::new(|| {
    let chapter = |name, rules| Chapter { name, of_router: false, rules };
    let mut all = vec![
        chapter("Images and command lines", images::RULES),
        chapter("Files", files::RULES),
        chapter("Dynos", dynos::RULES),
        chapter("Log", logs::RULES),
        chapter("Configuration and releases", config::RULES),
        chapter("Open questions, and what was chosen", questions::RULES),
        chapter("Codes", codes::RULES),
    ];
    all.extend(router::CHAPTERS);
    all
});

/// Every rule.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    CHAPTERS.iter().flat_map(|chapter| chapter.rules)
}

impl Kept {
    /// `exact`, `approximate`, `absent`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Nearly(_) => "approximate",
            Self::Absent(_) => "absent",
        }
    }

    /// What differs, or why it is absent.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Exact => "",
            Self::Nearly(text) | Self::Absent(text) => text,
        }
    }
}

impl Rule {
    /// Whether it is what somebody asked for by `R5`, `r5.2`, `H12`, `L`, `A3` or `http/2`.
    pub fn is_asked(&self, asked: &str) -> bool {
        let asked = asked.trim_start_matches("Error ").to_ascii_uppercase();
        self.ids().iter().any(|id| {
            let id = id.trim_start_matches("Error ").to_ascii_uppercase();
            let rest = id.strip_prefix(&asked);
            let letters = asked.bytes().all(|byte| byte.is_ascii_alphabetic());
            match rest {
                Some("") => true,
                Some(rest) => rest.starts_with(['.', '#']) || letters && rest.starts_with(|c: char| c.is_ascii_digit()),
                None => false,
            }
        })
    }

    /// Each id of its own: those of `A1–A5` are five.
    pub fn ids(&self) -> Vec<String> {
        if self.id.starts_with("Error ") {
            return vec![self.id.to_owned()];
        }
        self.id.split(' ').flat_map(expanded).collect()
    }

    /// How far it is kept on an engine.
    pub fn on(&self, engine: Engine) -> Kept {
        match engine {
            Engine::Docker => self.docker,
            Engine::Native => native::kept(self),
        }
    }
}

/// `A1–A5` as `A1`, `A2`, …; anything else as it is.
fn expanded(id: &str) -> Vec<String> {
    let range = id.split_once('–').and_then(|(from, to)| {
        let letter = from.get(..1)?;
        let (from, to) = (from.get(1..)?.parse::<u8>().ok()?, to.strip_prefix(letter)?.parse::<u8>().ok()?);
        Some((from..=to).map(|number| format!("{letter}{number}")).collect())
    });
    range.unwrap_or_else(|| vec![id.to_owned()])
}

const fn exact(
    id: &'static str,
    heroku: &'static str,
    note: &'static str,
    source: &'static str,
    tests: &'static [&'static str],
) -> Rule {
    Rule { id, heroku, note, docker: Kept::Exact, source, tests }
}

const fn nearly(
    id: &'static str,
    heroku: &'static str,
    differs: &'static str,
    source: &'static str,
    tests: &'static [&'static str],
) -> Rule {
    Rule { id, heroku, note: "", docker: Kept::Nearly(differs), source, tests }
}

const fn absent(id: &'static str, heroku: &'static str, why: &'static str, source: &'static str) -> Rule {
    Rule { id, heroku, note: "", docker: Kept::Absent(why), source, tests: &[] }
}

#[cfg(test)]
mod tests;
