//! Log lines as Logplex prints them (R7): `timestamp source[dyno]: message`.

use super::dyno::DynoName;
use std::fmt;

/// Who speaks: the word before the bracket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// App output and, oddly, the API (`app[api]`).
    App,
    /// The dyno manager and the router.
    Heroku,
    /// dynosim's own explanations, which follow a Heroku line and never replace it.
    Dynosim,
}

impl Source {
    /// The word in the log line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Heroku => "heroku",
            Self::Dynosim => "dynosim",
        }
    }
}

/// Which process speaks: the word inside the bracket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Process {
    /// `web.1`
    Dyno(DynoName),
    /// `api`
    Api,
    /// `router`
    Router,
    /// `watch`: what an edit of the project led to
    Watch,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyno(name) => name.fmt(f),
            Self::Api => f.write_str("api"),
            Self::Router => f.write_str("router"),
            Self::Watch => f.write_str("watch"),
        }
    }
}

/// One message on its way to the log: everything but the time, which the log stamps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub source: Source,
    /// Which process.
    pub process: Process,
    /// The text; a newline in it makes several lines with one timestamp (R6.2).
    pub text: String,
}

impl Message {
    /// A dyno manager line: `heroku[web.1]: State changed from starting to up`.
    pub fn heroku(dyno: &DynoName, text: impl Into<String>) -> Self {
        Self { source: Source::Heroku, process: Process::Dyno(dyno.clone()), text: text.into() }
    }

    /// An API line: `app[api]: Release v3 created by user user@example.com`.
    pub fn api(text: impl Into<String>) -> Self {
        Self { source: Source::App, process: Process::Api, text: text.into() }
    }

    /// A router line: `heroku[router]: at=info method=GET …`.
    pub fn router(text: impl Into<String>) -> Self {
        Self { source: Source::Heroku, process: Process::Router, text: text.into() }
    }

    /// What an edit led to: `dynosim[watch]: synced 2 files into web: app.py, lib.py`.
    pub fn watch(text: impl Into<String>) -> Self {
        Self { source: Source::Dynosim, process: Process::Watch, text: text.into() }
    }

    /// An explanation of dynosim's about a dyno.
    pub fn explain(dyno: &DynoName, text: impl Into<String>) -> Self {
        Self { source: Source::Dynosim, process: Process::Dyno(dyno.clone()), text: text.into() }
    }
}
