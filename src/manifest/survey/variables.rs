//! The config vars that an app reads: those of app.json, and those its sources ask the environment for.

use super::folder::{Folder, place};
use crate::manifest::app_json;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What app.json says about it.
    pub description: Option<String>,
    /// Its value in app.json. Never one of `.env`.
    pub value: Option<String>,
    /// Where it is read first.
    pub origin: String,
}

/// What stands before a name, and what closes it; empty: the name ends by itself.
const READS: &[(&str, &str)] = &[
    ("process.env.", ""),
    ("process.env[\"", "\""),
    ("process.env['", "'"),
    ("os.environ[\"", "\""),
    ("os.environ['", "'"),
    ("os.environ.get(\"", "\""),
    ("os.environ.get('", "'"),
    ("os.getenv(\"", "\""),
    ("os.getenv('", "'"),
    ("ENV[\"", "\""),
    ("ENV['", "'"),
    ("ENV.fetch(\"", "\""),
    ("ENV.fetch('", "'"),
    ("os.Getenv(\"", "\""),
    ("os.LookupEnv(\"", "\""),
    (concat!("env::var", "(\""), "\""),
    (concat!("env::var_os", "(\""), "\""),
    ("System.getenv(\"", "\""),
    ("getenv('", "'"),
    ("getenv(\"", "\""),
    ("env('", "'"),
];

/// Sources of the languages that init knows.
const ENDINGS: &[&str] =
    &[".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".py", ".rb", ".ru", ".go", ".rs", ".java", ".kt", ".php"];

/// Set by the platform, the base image or the shell; nobody writes them into `.env`.
const NOT_OURS: &[&str] =
    &["PORT", "DYNO", "HOME", "PATH", "PWD", "USER", "LANG", "TZ", "CI", "NODE_ENV", "HOSTNAME", "TERM", "SHELL"];

/// Variables by name.
pub(super) fn read(folder: &mut Folder) -> Vec<Variable> {
    let mut found: Vec<Variable> = Vec::new();
    if let Some(file) = folder.read("app.json") {
        // What is wrong with it is said where the name is read.
        let (json, _) = app_json::parse(&file);
        for variable in json.base.env.unwrap_or_default() {
            found.push(Variable {
                origin: place(&file, variable.name.span.start),
                name: variable.name.value,
                description: variable.description,
                value: variable.value,
            });
        }
    }
    for path in folder.sources(ENDINGS) {
        let test = path.split('/').any(|part| part.starts_with("test") || part == "spec" || part == "__tests__");
        let Some(file) = folder.source(&path).filter(|_| !test) else { continue };
        for (name, at) in names(&file.text) {
            let known = NOT_OURS.contains(&name) || name.starts_with("HEROKU_") || name.starts_with("npm_");
            if !known && !found.iter().any(|one| one.name == name) {
                let origin = place(&file, at);
                found.push(Variable { name: name.to_owned(), description: None, value: None, origin });
            }
        }
    }
    found
}

/// Names that a source reads, each with its place. Capitals only: others are not config vars but words of the language.
fn names(text: &str) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    for (before, after) in READS {
        for (at, _) in text.match_indices(before) {
            let inside = text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.');
            let start = at + before.len();
            let rest = &text[start..];
            let end = rest.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
            let name = &rest[..end.unwrap_or(rest.len())];
            let next = &rest[name.len()..];
            let ended = if after.is_empty() {
                !next.starts_with(|c: char| c.is_alphanumeric() || c == '(')
            } else {
                next.starts_with(after)
            };
            // `os.getenv` ends in `getenv`: the longer way of writing finds it.
            if !inside && ended && name.starts_with(|c: char| c.is_ascii_uppercase()) {
                found.push((name, start));
            }
        }
    }
    found.sort_by_key(|(_, at)| *at);
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn names_are_found_as_each_language_reads_them() {
        let text = "process.env.API_URL ?? x; process.env['A1']; os.environ.get(\"B\", 1); os.getenv('C'); ENV.fetch('D');\n\
                    os.Getenv(\"E\"); std::env::var(\"F\"); System.getenv(\"G\"); getenv('H'); process.env.lower; ENV[name];";
        let found: Vec<&str> = names(text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(found, ["API_URL", "A1", "B", "C", "D", "E", "F", "G", "H"]);
    }
}
