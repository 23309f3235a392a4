//! What is wrong with the user's project, where, and how to mend it; rendered the way rustc does.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::ops::Range;
use std::sync::Arc;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Said once, stops nothing.
    Note,
    /// Likely wrong on Heroku.
    Warning,
    /// Cannot go on.
    Error,
}

/// A file that was read: the name the user knows it by, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative to the project, or as given on the command line.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// One sentence: what is wrong.
    pub title: String,
    /// Where, when a file is to blame: the file and the bytes of it, always inside the text.
    pub place: Option<(Arc<SourceFile>, Range<usize>)>,
    /// What stands at the place: "expected …".
    pub label: String,
    /// How to mend it.
    pub help: Option<String>,
    /// The rule of `dynosim check` that this is a finding of: `D014`.
    pub code: Option<&'static str>,
}

impl Diagnostic {
    /// A finding without a place.
    pub fn new(severity: Severity, title: impl Into<String>) -> Self {
        Self { severity, title: title.into(), place: None, label: String::new(), help: None, code: None }
    }

    /// An error without a place.
    pub fn error(title: impl Into<String>) -> Self {
        Self::new(Severity::Error, title)
    }

    /// A warning without a place.
    pub fn warning(title: impl Into<String>) -> Self {
        Self::new(Severity::Warning, title)
    }

    /// A note without a place.
    pub fn note(title: impl Into<String>) -> Self {
        Self::new(Severity::Note, title)
    }

    /// Points at bytes of a file; a range outside the text, or off a character boundary, is moved inside.
    #[must_use]
    pub fn at(mut self, file: &Arc<SourceFile>, span: Range<usize>, label: impl Into<String>) -> Self {
        let text = &file.text;
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
        self.place = Some((Arc::clone(file), start..end));
        self.label = label.into();
        self
    }

    /// Points at a whole line, from 1.
    #[must_use]
    pub fn at_line(self, file: &Arc<SourceFile>, line: usize, label: impl Into<String>) -> Self {
        let span = line_span(&file.text, line);
        self.at(file, span, label)
    }

    /// Says how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says which rule of `dynosim check` this is a finding of.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// The line of the place, from 1.
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|(file, span)| file.text[..span.start].matches('\n').count() + 1)
    }

    /// Line and column of the first and behind the last character of the place, from 1, columns in characters.
    pub fn region(&self) -> Option<[(usize, usize); 2]> {
        let (file, span) = self.place.as_ref()?;
        let at = |byte: usize| {
            let before = &file.text[..byte];
            let start = before.rfind('\n').map_or(0, |newline| newline + 1);
            (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
        };
        Some([at(span.start), at(span.end)])
    }

    /// The text to print, with or without colour, ending in a newline.
    pub fn render(&self, colour: bool) -> String {
        self.rendered(colour, None)
    }

    /// The same as a finding of `dynosim check`: with the rule's id, and with the reason it matters.
    pub fn render_with_reason(&self, colour: bool, reason: &str) -> String {
        self.rendered(colour, Some(reason))
    }

    fn rendered(&self, colour: bool, reason: Option<&str>) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let mut title = level.primary_title(self.title.as_str());
        if let Some(code) = self.code.filter(|_| reason.is_some()) {
            title = title.id(code);
        }
        let mut group = Group::with_title(title);
        if let Some((file, span)) = &self.place {
            group = group.element(
                Snippet::source(file.text.as_str())
                    .path(file.name.as_str())
                    .annotation(AnnotationKind::Primary.span(span.clone()).label(self.label.as_str())),
            );
        }
        // Without a snippet there is no margin for what follows to hang on.
        let mut groups = Vec::new();
        let more = reason.map(|reason| (Level::NOTE, reason));
        for (level, text) in more.into_iter().chain(self.help.as_deref().map(|help| (Level::HELP, help))) {
            if self.place.is_some() {
                group = group.element(level.message(text));
            } else {
                groups.push(Group::with_title(level.secondary_title(text)));
            }
        }
        groups.insert(0, group);
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let texts: Vec<String> = groups.iter().map(|group| renderer.render(std::slice::from_ref(group))).collect();
        let mut text = texts.join("\n");
        text.push('\n');
        text
    }
}

/// The bytes of line `line` (from 1) without its line end; the end of the text when there is no such line.
pub fn line_span(text: &str, line: usize) -> Range<usize> {
    let mut start = 0;
    for (index, one) in text.split_inclusive('\n').enumerate() {
        if index + 1 == line {
            return start..start + one.trim_end_matches(['\n', '\r']).len();
        }
        start += one.len();
    }
    text.len()..text.len()
}

#[cfg(test)]
mod tests {
    use super::{Diagnostic, SourceFile};
    use std::sync::Arc;

    #[test]
    fn a_finding_names_file_line_text_and_fix() {
        let file = Arc::new(SourceFile { name: "heroku.yml".into(), text: "build:\n  run:\n    web: x\n".into() });
        let shown = Diagnostic::error("`build.run` is not a key of heroku.yml")
            .at_line(&file, 2, "expected `docker` or `config`")
            .help("move `run` to the margin")
            .render(false);
        for part in ["error: `build.run`", "heroku.yml:2", "  run:", "expected `docker`", "help: move `run`"] {
            assert!(shown.contains(part), "{part} in\n{shown}");
        }
    }

    #[test]
    fn help_without_a_place_is_a_line_of_its_own() {
        let shown = Diagnostic::note("`test` starts at 0").help("start it with `dynosim up test=1`").render(false);
        assert_eq!(shown, "note: `test` starts at 0\nhelp: start it with `dynosim up test=1`\n");
    }

    #[test]
    fn spans_are_kept_inside_the_text() {
        let file = Arc::new(SourceFile { name: ".env".into(), text: "é=1".into() });
        let odd = Diagnostic::error("x").at(&file, 1..99, "here");
        assert_eq!(odd.place.as_ref().unwrap().1, 0..4);
        assert!(!odd.render(false).is_empty());
        assert!(!Diagnostic::error("x").at_line(&file, 9, "").render(true).is_empty());
    }
}
