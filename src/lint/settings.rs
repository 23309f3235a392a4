//! `dynosim.toml`: what the other files of a project cannot say.

use super::folder::clean;
use super::hits::Finding;
use super::id_of;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::manifest::read_file;
use serde::Deserialize;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;

/// The file's name.
pub const NAME: &str = "dynosim.toml";

/// What it says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file; empty when there is none.
    pub file: Arc<SourceFile>,
    /// `check.fail-on`.
    pub fail_on: Option<String>,
    /// `check.ignore`.
    pub(super) ignores: Vec<Ignore>,
}

/// One `[[check.ignore]]`.
#[derive(Clone, Debug)]
pub(super) struct Ignore {
    pub(super) rule: String,
    pub(super) file: Option<String>,
    pub(super) reason: String,
    pub(super) span: Range<usize>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Whole {
    check: Check,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct Check {
    fail_on: Option<Spanned<String>>,
    ignore: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    rule: Spanned<String>,
    file: Option<String>,
    reason: Spanned<String>,
}

impl Ignore {
    /// Whether it lets this pass.
    pub(super) fn is_meant(&self, finding: &Finding) -> bool {
        let name = finding.diagnostic.place.as_ref().map(|(file, _)| file.name.as_str());
        self.rule == finding.rule.id && self.file.as_deref().is_none_or(|file| name == Some(file))
    }
}

/// Reads the file of a project; one that is not there says nothing.
pub fn read(root: &Path) -> Result<Settings, Diagnostic> {
    let empty = || Arc::new(SourceFile { name: NAME.into(), text: String::new() });
    parse(read_file(&root.join(NAME), NAME)?.unwrap_or_else(empty))
}

fn parse(file: Arc<SourceFile>) -> Result<Settings, Diagnostic> {
    let whole: Whole = toml::from_str(&file.text).map_err(|error| {
        let said = Diagnostic::error(format!("{NAME} cannot be read: {}", error.message()));
        let said = said.at(&file, error.span().unwrap_or(0..0), "here");
        said.help("it takes `[check]` with `fail-on`, and `[[check.ignore]]` with `rule`, `file` and `reason`")
    })?;
    let fail_on = whole.check.fail_on;
    if let Some(word) = fail_on.as_ref().filter(|word| !["error", "warning", "none"].contains(&word.as_ref().as_str()))
    {
        let said = Diagnostic::error(format!("`{}` is not a severity", word.as_ref())).at(&file, word.span(), "here");
        return Err(said.help("write `error`, `warning` or `none`"));
    }
    let mut ignores = Vec::new();
    for entry in whole.check.ignore {
        if entry.reason.as_ref().trim().is_empty() {
            let said = Diagnostic::error("an ignore needs a reason").at(&file, entry.reason.span(), "empty");
            return Err(said.help("say in a few words why this finding may pass"));
        }
        ignores.push(Ignore {
            span: entry.rule.span(),
            rule: id_of(&entry.rule.into_inner()),
            file: entry.file.map(|file| clean(&file).unwrap_or(file)),
            reason: entry.reason.into_inner(),
        });
    }
    Ok(Settings { fail_on: fail_on.map(Spanned::into_inner), ignores, file })
}

#[cfg(test)]
mod tests {
    use super::{Settings, read};
    use crate::diagnostic::Diagnostic;

    fn parse(text: &str) -> Result<Settings, Diagnostic> {
        written(text.as_bytes())
    }

    fn written(text: &[u8]) -> Result<Settings, Diagnostic> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(super::NAME), text).unwrap();
        read(folder.path())
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_taken_as_none() {
        let large = "#".repeat(2 << 20);
        for (text, part) in [(&b"# caf\xe9\n"[..], "is not UTF-8 text"), (large.as_bytes(), "is larger than")] {
            let said = written(text).unwrap_err();
            assert!(said.title.starts_with("dynosim.toml") && said.title.contains(part), "{}", said.title);
        }
        let none = tempfile::tempdir().unwrap();
        assert!(read(none.path()).unwrap().ignores.is_empty());
    }

    #[test]
    fn rules_go_by_number_and_by_name_and_files_by_any_path_to_them() {
        let text = "[[check.ignore]]\nrule = \"shell-without-exec\"\nfile = \"./bin//start\"\nreason = \"traps\"\n";
        let read = parse(text).unwrap();
        assert_eq!((read.ignores[0].rule.as_str(), read.ignores[0].file.as_deref()), ("D014", Some("bin/start")));
    }

    #[test]
    fn what_is_written_is_read_and_what_is_not_known_is_refused_with_its_line() {
        let read =
            parse("[check]\nfail-on = \"warning\"\n[[check.ignore]]\nrule = \"d014\"\nreason = \"traps\"\n").unwrap();
        assert_eq!(read.fail_on.as_deref(), Some("warning"));
        assert_eq!((read.ignores[0].rule.as_str(), read.ignores[0].reason.as_str()), ("D014", "traps"));
        assert!(parse("").unwrap().ignores.is_empty());
        for (text, line, part) in [
            ("[check]\nfail_on = \"error\"\n", 2, "fail_on"),
            ("[check]\nfail-on = \"note\"\n", 2, "`note` is not a severity"),
            ("[[check.ignore]]\nrule = \"D014\"\nreason = \" \"\n", 3, "needs a reason"),
            ("[[check.ignore]]\nrule = \"D014\"\n", 1, "reason"),
            ("[check\n", 1, "cannot be read"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.line() == Some(line) && said.title.contains(part), "{text}: {}", said.render(false));
        }
    }
}
