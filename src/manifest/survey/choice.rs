//! Which language a folder is in.

use super::folder::Folder;
use crate::diagnostic::Diagnostic;
use crate::manifest::procfile::Process;
use std::fmt;

/// A language that an app can be started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Node.js.
    Node,
    /// Python.
    Python,
    /// Ruby.
    Ruby,
    /// Go.
    Go,
    /// Rust.
    Rust,
    /// Java and other languages of its machine.
    Java,
    /// PHP.
    Php,
    /// Files for a web server.
    Static,
}

/// In the order in which they count: those that often have a package.json beside them come before Node.
const SIGNS: &[(Language, &str, &[&str])] = &[
    (Language::Ruby, "ruby", &["Gemfile"]),
    (
        Language::Python,
        "python",
        &["manage.py", "requirements.txt", "pyproject.toml", "Pipfile", "uv.lock", "poetry.lock", "setup.py"],
    ),
    (Language::Php, "php", &["composer.json", "index.php"]),
    (Language::Java, "java", &["pom.xml", "build.gradle", "build.gradle.kts"]),
    (Language::Go, "go", &["go.mod"]),
    (Language::Rust, "rust", &["Cargo.toml"]),
    (Language::Node, "node", &["package.json"]),
    (Language::Static, "static", site_signs()),
];

const fn site_signs() -> &'static [&'static str] {
    super::site::INDEXES
}

/// Programs that a Procfile's web starts with, and their language.
const PROGRAMS: &[(&str, Language)] = &[
    ("node", Language::Node),
    ("npm", Language::Node),
    ("yarn", Language::Node),
    ("pnpm", Language::Node),
    ("npx", Language::Node),
    ("next", Language::Node),
    ("python", Language::Python),
    ("python3", Language::Python),
    ("gunicorn", Language::Python),
    ("uvicorn", Language::Python),
    ("daphne", Language::Python),
    ("hypercorn", Language::Python),
    ("waitress-serve", Language::Python),
    ("bundle", Language::Ruby),
    ("bin/rails", Language::Ruby),
    ("rails", Language::Ruby),
    ("puma", Language::Ruby),
    ("rackup", Language::Ruby),
    ("java", Language::Java),
    ("php", Language::Php),
    ("heroku-php-apache2", Language::Php),
    ("heroku-php-nginx", Language::Php),
    ("vendor/bin/heroku-php-apache2", Language::Php),
    ("vendor/bin/heroku-php-nginx", Language::Php),
];

impl Language {
    /// Every one, in the order in which they count.
    pub fn all() -> impl Iterator<Item = Self> {
        SIGNS.iter().map(|(language, ..)| *language)
    }

    /// The word on the command line.
    pub fn word(self) -> &'static str {
        SIGNS.iter().find(|(language, ..)| *language == self).map_or("", |(_, word, _)| word)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The language, by what the caller says, by the Procfile, by the files; or what was looked for.
pub(super) fn choose(
    folder: &mut Folder,
    wanted: Option<Language>,
    procfile: &[Process],
) -> Result<Language, Diagnostic> {
    let signs: Vec<(Language, &str)> =
        SIGNS.iter().filter_map(|(language, _, files)| Some((*language, folder.first(files)?))).collect();
    if let Some(wanted) = wanted {
        return match signs.iter().find(|(language, _)| *language == wanted) {
            Some((language, _)) => Ok(*language),
            None => Err(none_of(wanted)),
        };
    }
    let by_procfile = procfile.iter().find(|process| process.process_type.value.is_web()).and_then(|process| {
        let program = process.command.text.split_whitespace().next()?;
        PROGRAMS.iter().find(|(known, _)| *known == program).map(|(_, language)| *language)
    });
    let chosen = by_procfile.filter(|language| signs.iter().any(|(sign, _)| sign == language));
    let Some(chosen) = chosen.or_else(|| signs.first().map(|(language, _)| *language)) else {
        let looked_for: Vec<&str> = SIGNS.iter().flat_map(|(_, _, files)| files.iter().copied()).collect();
        let title = format!("nothing in {} says what the app is written in", folder.root.display());
        let help = format!("looked for {}; in another folder? name it with -C", looked_for.join(", "));
        return Err(Diagnostic::error(title).help(help));
    };
    let others: Vec<&(Language, &str)> =
        signs.iter().filter(|(language, _)| *language != chosen && *language != Language::Static).collect();
    if !others.is_empty() {
        let names: Vec<String> = others.iter().map(|(language, file)| format!("{language} ({file})")).collect();
        let title = format!("taken as {chosen}; there is {} too", names.join(" and "));
        let help = format!("the other way: `dynosim init --language {}`", others[0].0);
        folder.findings.push(Diagnostic::note(title).help(help));
    }
    Ok(chosen)
}

fn none_of(wanted: Language) -> Diagnostic {
    let files = SIGNS.iter().find(|(language, ..)| *language == wanted).map_or(&[][..], |(_, _, files)| files);
    Diagnostic::error(format!("there is no {wanted} app here")).help(format!("it would have {}", files.join(" or ")))
}
