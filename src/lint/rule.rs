//! What a rule is: data that `check`, `explain`, the docs and SARIF all read, and one function that looks.

use super::hits::Hits;
use super::scene::Scene;
use crate::diagnostic::Severity;
use crate::model::image::ImageFacts;
use std::fmt::Write as _;

/// One rule.
pub struct Rule {
    /// `D014`; never given to another rule.
    pub id: &'static str,
    /// `shell-without-exec`
    pub name: &'static str,
    /// How bad a finding is unless it says otherwise.
    pub severity: Severity,
    /// Why it matters on Heroku, in one line.
    pub summary: &'static str,
    /// What it means, what usually causes it, when the rule stays silent. Paragraphs are parted by an empty line.
    pub explanation: &'static str,
    /// Rows of the rules' sheet (`R5.2`, …), or what else it rests on.
    pub source: &'static str,
    /// An input that it finds.
    pub wrong: &'static str,
    /// The same, mended.
    pub right: &'static str,
    /// What a run on a real engine shows of it: the tests of `tests/it/check_confirmed.rs` prove what stands here.
    pub confirmed: Option<&'static str>,
    /// Who looks.
    pub check: Check,
}

/// Who looks for a rule.
#[derive(Clone, Copy)]
pub enum Check {
    /// A function over the project's files.
    Files(fn(&Scene<'_>, &mut Hits<'_>)),
    /// A function over an image that is built.
    Image(fn(&ImageFacts) -> Option<Said>),
    /// Both.
    Both(fn(&Scene<'_>, &mut Hits<'_>), fn(&ImageFacts) -> Option<Said>),
    /// The reader of the project's files, which says it in every command.
    Reader,
    /// The keeper of ignores.
    Ignores,
}

/// What is said of an image: a sentence that begins with "the image", and how to mend it.
pub struct Said {
    /// The sentence.
    pub title: String,
    /// The fix.
    pub help: String,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

impl Rule {
    /// `error`, `warning` or `note`.
    pub fn severity_word(&self) -> &'static str {
        severity_word(self.severity)
    }

    /// All there is to say, as plain text.
    pub fn text(&self) -> String {
        let indented = |text: &str| {
            text.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect::<String>()
        };
        let mut text = format!(
            "{} {} ({})\n\n{}\n\n{}\n",
            self.id,
            self.name,
            self.severity_word(),
            self.summary,
            self.explanation
        );
        let _ = write!(text, "\nwrong:\n\n{}\nright:\n\n{}\n", indented(self.wrong), indented(self.right));
        if let Some(confirmed) = self.confirmed {
            let _ = writeln!(text, "seen in a run: {confirmed}");
        }
        let _ = writeln!(text, "source: {}", self.source);
        let _ = writeln!(text, "to let one pass: `# dynosim-ignore {}: <reason>` in the line above it", self.id);
        text
    }
}

/// `error`, `warning` or `note`.
pub fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}
