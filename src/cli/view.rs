//! Which lines of the log a terminal shows, as its keys set it.

use crate::logs::ParsedLine;
use regex::bytes::{Regex, RegexBuilder};
use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared by who sets it and who prints.
#[derive(Clone, Debug, Default)]
pub(super) struct View(Arc<Mutex<Shown>>);

#[derive(Debug, Default)]
struct Shown {
    sieve: Sieve,
    /// Somebody types into a dyno, whose screen this is then.
    hidden: bool,
}

impl View {
    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows one dyno or process type; `None` shows all.
    pub(super) fn focus(&self, name: Option<&str>) {
        self.shown().sieve.focus = name.map(str::to_owned);
    }

    /// What is in focus.
    pub(super) fn focused(&self) -> Option<String> {
        self.shown().sieve.focus.clone()
    }

    /// Shows lines that match; an empty text shows all.
    pub(super) fn filter(&self, text: &str) {
        self.shown().sieve.pattern = pattern(text);
    }

    /// Shows no line at all for a while; they stay in the log.
    pub(super) fn hide(&self, hidden: bool) {
        self.shown().hidden = hidden;
    }

    /// The lines that are shown.
    pub(super) fn sift<'a>(&self, lines: &'a [u8]) -> Cow<'a, [u8]> {
        let shown = self.shown();
        if shown.hidden {
            return Cow::Borrowed(&[]);
        }
        if shown.sieve.takes_all() {
            return Cow::Borrowed(lines);
        }
        let kept = lines.split_inclusive(|byte| *byte == b'\n').filter(|line| shown.sieve.takes(line));
        Cow::Owned(kept.flatten().copied().collect())
    }
}

/// Chooses lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Sieve {
    /// A dyno, a process type, `router`; `None` takes all.
    pub(super) focus: Option<String>,
    /// What they match.
    pub(super) pattern: Option<Regex>,
}

/// What is typed as a pattern: small letters match both; what is no regular expression is a text; an empty one is none.
pub(super) fn pattern(text: &str) -> Option<Regex> {
    let made = |pattern: &str| {
        let small = !pattern.chars().any(char::is_uppercase);
        RegexBuilder::new(pattern).unicode(false).case_insensitive(small).build()
    };
    if text.is_empty() { None } else { made(text).or_else(|_| made(&regex::escape(text))).ok() }
}

impl Sieve {
    /// Whether there is nothing to choose by.
    pub(super) fn takes_all(&self) -> bool {
        self.focus.is_none() && self.pattern.is_none()
    }

    /// Whether a line of the log is chosen.
    pub(super) fn takes(&self, line: &[u8]) -> bool {
        let parsed = ParsedLine::parse(line);
        let of_focus = |focus: &String| {
            let rest = parsed.as_ref().and_then(|line| line.process.strip_prefix(focus.as_str()));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        // The time is the same for every line of a second: nobody looks for a line by it.
        let text = parsed.as_ref().map_or(line, |line| line.text);
        let head = parsed.as_ref().map(|line| format!("{}[{}]:", line.source.as_str(), line.process));
        let matches = |pattern: &Regex| {
            pattern.is_match(text) || head.as_ref().is_some_and(|head| pattern.is_match(head.as_bytes()))
        };
        self.focus.as_ref().is_none_or(of_focus) && self.pattern.as_ref().is_none_or(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::View;

    const LINES: &[u8] = b"2026-11-21T03:08:15.000000+00:00 app[web.1]: GET /one\n\
                           2026-11-21T03:08:16.000000+00:00 heroku[web.1]: State changed from starting to up\n\
                           2026-11-21T03:08:17.000000+00:00 heroku[router]: at=info path=\"/one\" dyno=web.1\n\
                           2026-11-21T03:08:18.000000+00:00 app[worker.1]: (one) job\n";

    fn shown(view: &View) -> Vec<String> {
        let text = String::from_utf8(view.sift(LINES).into_owned()).unwrap();
        text.lines().map(|line| line[33..].split_once(": ").unwrap().0.to_owned()).collect()
    }

    #[test]
    fn a_focus_is_a_dyno_or_a_type_and_no_focus_is_all() {
        let view = View::default();
        view.focus(Some("web.1"));
        assert_eq!(shown(&view), ["app[web.1]", "heroku[web.1]"]);
        view.focus(Some("worker"));
        assert_eq!(shown(&view), ["app[worker.1]"]);
        view.focus(None);
        assert_eq!(shown(&view).len(), 4);
    }

    #[test]
    fn a_filter_is_an_expression_or_else_a_text_and_small_letters_match_both() {
        let view = View::default();
        for (text, number) in
            [("one", 3), ("get|job", 2), ("GET", 1), ("(one", 1), ("router", 1), ("08:17", 0), ("", 4)]
        {
            view.filter(text);
            assert_eq!(shown(&view).len(), number, "{text}");
        }
        view.filter("one");
        view.focus(Some("web"));
        assert_eq!(shown(&view), ["app[web.1]"], "both at once");
    }

    #[test]
    fn a_hidden_view_shows_nothing() {
        let view = View::default();
        view.hide(true);
        assert!(shown(&view).is_empty());
    }
}
