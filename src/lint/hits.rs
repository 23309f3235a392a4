//! What rules find, and the way they say it.

use super::fix::Fix;
use super::rule::Rule;
use crate::diagnostic::{Diagnostic, SourceFile};
use std::ops::Range;
use std::sync::Arc;

/// Something that a rule found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which rule.
    pub rule: &'static Rule,
    /// What is wrong, where, and how to mend it.
    pub diagnostic: Diagnostic,
    /// How a machine mends it, where that is certain.
    pub fix: Option<Fix>,
}

/// Takes what one rule finds.
pub struct Hits<'a> {
    pub(super) rule: &'static Rule,
    pub(super) found: &'a mut Vec<Finding>,
}

/// A finding in the making.
pub(super) struct Hit {
    diagnostic: Diagnostic,
    fix: Option<Fix>,
}

impl Hit {
    /// With a sentence that says what is wrong.
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self { diagnostic: Diagnostic::note(title), fix: None }
    }

    /// Where, and what stands there.
    pub(super) fn at(mut self, file: &Arc<SourceFile>, span: Range<usize>, label: impl Into<String>) -> Self {
        self.diagnostic = self.diagnostic.at(file, span, label);
        self
    }

    /// How to mend it.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.diagnostic = self.diagnostic.help(help);
        self
    }

    /// How a machine mends it.
    pub(super) fn fix(mut self, fix: Option<Fix>) -> Self {
        self.fix = fix;
        self
    }
}

impl Hits<'_> {
    /// Keeps a finding; the same one at the same place is kept once, whichever process types lead to it.
    pub(super) fn push(&mut self, hit: Hit) {
        let Hit { mut diagnostic, fix } = hit;
        diagnostic.severity = self.rule.severity;
        let same = |other: &Finding| {
            other.rule.id == self.rule.id
                && match (&other.diagnostic.place, &diagnostic.place) {
                    (Some((file, span)), Some((own, own_span))) => file.name == own.name && span == own_span,
                    (None, None) => other.diagnostic.title == diagnostic.title,
                    _ => false,
                }
        };
        if !self.found.iter().any(same) {
            let diagnostic = diagnostic.code(self.rule.id);
            self.found.push(Finding { rule: self.rule, diagnostic, fix });
        }
    }
}
