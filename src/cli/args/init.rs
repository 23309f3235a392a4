//! `dynosim init`.

use crate::manifest::Language;
use crate::platform::scaffold::Ci;
use clap::Args;

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Init {
    /// What the app is written in, where its files leave a choice: node, python, ruby, go, rust, java, php or static
    #[arg(long, value_name = "LANGUAGE", value_parser = language)]
    pub(in crate::cli) language: Option<Language>,
    /// Whose workflow to write: github, gitlab or none (default: by the git remote)
    #[arg(long, value_name = "CI", value_parser = ci)]
    pub(in crate::cli) ci: Option<Ci>,
    /// The app's name on Heroku (default: that of app.json, or the folder's)
    #[arg(short = 'a', long, value_name = "APP", value_parser = app)]
    pub(in crate::cli) app: Option<String>,
    /// Also show how files that are there differ from what init would write
    #[arg(long)]
    pub(in crate::cli) diff: bool,
    /// Show what would be written, and write nothing
    #[arg(long, conflicts_with = "yes")]
    pub(in crate::cli) dry_run: bool,
    /// Do not ask
    #[arg(short = 'y', long)]
    pub(in crate::cli) yes: bool,
}

fn language(text: &str) -> Result<Language, String> {
    let found = Language::all().find(|language| language.word() == text);
    found.ok_or_else(|| {
        let words: Vec<&str> = Language::all().map(Language::word).collect();
        format!("expected one of {}", words.join(", "))
    })
}

fn ci(text: &str) -> Result<Ci, String> {
    match text {
        "github" => Ok(Ci::GitHub),
        "gitlab" => Ok(Ci::GitLab),
        "none" => Ok(Ci::None),
        _ => Err("expected github, gitlab or none".to_owned()),
    }
}

/// A name as Heroku takes it (R11).
fn app(text: &str) -> Result<String, String> {
    let good = text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.len() <= crate::model::limits::APP_NAME_CHARS
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if good {
        Ok(text.to_owned())
    } else {
        Err("expected small letters, digits and dashes, starting with a letter, at most 30 characters".to_owned())
    }
}
