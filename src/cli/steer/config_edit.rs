//! `config:edit`: all config vars, or one, in the user's editor.

use super::config::{Changes, patch};
use super::text::quoted;
use super::{Done, SteerError, Steering, failed};
use crate::api::shapes::ConfigVars;
use crate::cli::args::BuildArgs;
use crate::cli::args::steer::Edit;
use crate::cli::session::environment;
use crate::manifest::{edited_env, read_env};
use crate::model::exit_code::ExitCode as Code;
use crate::platform::{PlatformError, env};
use std::io::{self, BufRead, IsTerminal, Write};
use std::process::Command;

impl Steering<'_> {
    pub(super) async fn config_edit(&self, args: &Edit) -> Done {
        let (_, name, before) = self.config_vars().await?;
        let after = match &args.key {
            Some(key) => one_edited(&before, key)?,
            None => all_edited(&before)?,
        };
        let changes = difference(&before, &after);
        if changes.is_empty() {
            self.warn("no changes to config");
            return Ok(Code::Ok);
        }
        self.show(&before, &changes);
        if !args.yes && io::stdin().is_terminal() && !self.confirmed(&name) {
            return Ok(Code::Ok);
        }
        self.update(&before, &changes).await
    }

    fn show(&self, before: &ConfigVars, changes: &Changes) {
        self.out("\nConfig Diff:");
        for (name, value) in changes {
            if let Some(value) = before.get(name) {
                self.out(&format!("- {name}={}", quoted(value)));
            }
            if let Some(value) = value {
                self.out(&format!("+ {name}={}", quoted(value)));
            }
        }
        self.out("");
    }

    fn confirmed(&self, name: &str) -> bool {
        self.session.printer.err_part(&format!("Update config on {name} with these values? (y/n) "));
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).is_ok() && ["y", "yes"].contains(&answer.trim())
    }

    /// Nothing is written over what changed while the editor was open.
    async fn update(&self, before: &ConfigVars, changes: &Changes) -> Done {
        let (client, _, latest) = self.config_vars().await?;
        if latest != *before {
            return Err(failed("Config changed on server. Refusing to update."));
        }
        self.progress("Updating config", async {
            if let Some(mut client) = client {
                let (_, outcome) = patch(&mut client, changes).await?;
                return Ok(((), outcome));
            }
            env::change(&self.identity.root, &self.session.reload_lenient(&BuildArgs::usual())?, changes)?;
            Ok(((), "done, in .env".into()))
        })
        .await?;
        Ok(Code::Ok)
    }
}

fn all_edited(before: &ConfigVars) -> Result<ConfigVars, SteerError> {
    let all: Changes = before.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
    let text = edited_env("", &all).unwrap_or_default();
    let text = edited(&text)?;
    read_env("the edited config", &text).map_err(|findings| PlatformError::Project(findings).into())
}

fn one_edited(before: &ConfigVars, key: &str) -> Result<ConfigVars, SteerError> {
    let old = before.get(key).map(String::as_str).unwrap_or_default();
    let mut new = edited(old)?;
    // Editors end a file with a line end that nobody typed.
    if !old.ends_with('\n') && new.ends_with('\n') {
        new.pop();
    }
    let mut after = before.clone();
    after.insert(key.to_owned(), new);
    Ok(after)
}

fn difference(before: &ConfigVars, after: &ConfigVars) -> Changes {
    let names = before.keys().chain(after.keys());
    let changed = names.filter(|name| before.get(*name) != after.get(*name));
    changed.map(|name| (name.clone(), after.get(name).cloned())).collect()
}

/// Lets the user edit a text, in a file that is the user's alone and goes again.
fn edited(text: &str) -> Result<String, SteerError> {
    let editor = environment("VISUAL").or_else(|| environment("EDITOR"));
    let editor = editor.ok_or_else(|| failed("no editor: set VISUAL or EDITOR, as EDITOR=nano"))?;
    let wrong = |error: io::Error| SteerError::from(PlatformError::io("edit the config")(error));
    let mut file = tempfile::Builder::new().prefix("dynosim-config-").suffix(".env").tempfile().map_err(wrong)?;
    file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(wrong)?;
    // As git and the Heroku CLI do, the editor may come with options of its own.
    let status = Command::new("/bin/sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file.path()).status();
    let status = status.map_err(wrong)?;
    if !status.success() {
        return Err(failed(format!("the editor `{editor}` ended with {status}; nothing was changed")));
    }
    // Some editors put another file in its place.
    std::fs::read_to_string(file.path()).map_err(wrong)
}
