//! `dynosim.toml`: what the other files of a project cannot say.

use super::folder::text_of;
use crate::diagnostic::{Diagnostic, SourceFile};
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

/// Reads the file of a project; one that is not there says nothing.
pub fn read(root: &Path) -> Result<Settings, Diagnostic> {
    parse(text_of(&root.join(NAME)).unwrap_or_default())
}

fn parse(text: String) -> Result<Settings, Diagnostic> {
    let file = Arc::new(SourceFile { name: NAME.into(), text });
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
            rule: entry.rule.into_inner().to_ascii_uppercase(),
            file: entry.file,
            reason: entry.reason.into_inner(),
        });
    }
    Ok(Settings { fail_on: fail_on.map(Spanned::into_inner), ignores, file })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn what_is_written_is_read_and_what_is_not_known_is_refused_with_its_line() {
        let read =
            parse("[check]\nfail-on = \"warning\"\n[[check.ignore]]\nrule = \"d014\"\nreason = \"traps\"\n".into())
                .unwrap();
        assert_eq!(read.fail_on.as_deref(), Some("warning"));
        assert_eq!((read.ignores[0].rule.as_str(), read.ignores[0].reason.as_str()), ("D014", "traps"));
        assert!(parse(String::new()).unwrap().ignores.is_empty());
        for (text, line, part) in [
            ("[check]\nfail_on = \"error\"\n", 2, "fail_on"),
            ("[check]\nfail-on = \"note\"\n", 2, "`note` is not a severity"),
            ("[[check.ignore]]\nrule = \"D014\"\nreason = \" \"\n", 3, "needs a reason"),
            ("[[check.ignore]]\nrule = \"D014\"\n", 1, "reason"),
            ("[check\n", 1, "cannot be read"),
        ] {
            let said = parse(text.into()).unwrap_err();
            assert!(said.line() == Some(line) && said.title.contains(part), "{text}: {}", said.render(false));
        }
    }
}
