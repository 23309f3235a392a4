//! `check`.

use super::Instance;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Check {
    #[command(flatten)]
    pub(in crate::cli) instance: Instance,
    /// Where no heroku.yml names images: judge this Dockerfile as that of web
    #[arg(short = 'f', long = "file", value_name = "DOCKERFILE")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// Judge builds with this folder as their context, as `build --context-path` builds
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) context_path: Option<PathBuf>,
    /// Mend what is certain: shows the changes, and asks
    #[arg(long, conflicts_with = "format")]
    pub(in crate::cli) fix: bool,
    /// With --fix: do not ask
    #[arg(short = 'y', long, requires = "fix")]
    pub(in crate::cli) yes: bool,
    /// From which severity on the exit code is 7; else `check.fail-on` of dynosim.toml, else error
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub(in crate::cli) fail_on: Option<FailOn>,
    /// text, json, sarif (for code scanning), or github (annotations)
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Output")]
    pub(in crate::cli) format: Option<Format>,
}

/// What fails a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum FailOn {
    /// Errors
    Error,
    /// Errors and warnings
    Warning,
    /// Nothing
    None,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// For people
    Text,
    /// One object
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// GitHub Actions' annotations
    Github,
}
