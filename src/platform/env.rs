//! Changes of config vars in `.env`, checked by reading the project again: either the files then say what was asked for,
//! or they are as they were.

use super::control::{ControlError, Reload};
use super::state::write_atomically;
use crate::manifest::edited_env;
use crate::model::app::App;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// What to set (`Some`) and unset (`None`).
pub type Changes = BTreeMap<String, Option<String>>;
/// Names and values.
pub type Vars = BTreeMap<String, String>;

/// Changes the config vars of a project that does not run. What its files say then.
pub fn change(root: &Path, reload: &Reload, changes: &Changes) -> Result<App, ControlError> {
    check(changes)?;
    let before = (reload)()?;
    let (plain, wanted) = (before.config.plain(), applied(&before.config.plain(), changes));
    if plain == wanted { Ok(before) } else { write(root, reload, changes, &wanted) }
}

/// The config vars with these changes.
pub(super) fn applied(before: &Vars, changes: &Changes) -> Vars {
    let mut after = before.clone();
    for (name, value) in changes {
        match value {
            Some(value) => after.insert(name.clone(), value.clone()),
            None => after.remove(name),
        };
    }
    after
}

/// Names as Heroku wants them (R8).
pub(super) fn check(changes: &Changes) -> Result<(), ControlError> {
    for (name, value) in changes {
        let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !first || !rest {
            let text = format!("{name} is no name for a config var: letters, digits and _, not a digit first");
            return Err(ControlError::BadConfig(text));
        }
        if value.as_ref().is_some_and(|value| value.contains('\0')) {
            return Err(ControlError::BadConfig(format!(
                "the value of {name} holds a NUL byte, which no process can get"
            )));
        }
    }
    Ok(())
}

/// Changes `.env` and reads the project again. When the files do not come to what is wanted, they are put back.
pub(super) fn write(root: &Path, reload: &Reload, changes: &Changes, wanted: &Vars) -> Result<App, ControlError> {
    let path = root.join(".env");
    let before = match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(ControlError::NotKept(error)),
    };
    let text = edited_env(before.as_deref().unwrap_or_default(), changes).map_err(|line| {
        ControlError::BadConfig(format!(".env:{line} cannot be read; mend it first, nothing was changed"))
    })?;
    keep(&path, &text)?;
    let app = (reload)();
    let wrong = match &app {
        Err(error) => Some(format!("with that change the project cannot be read: {error}")),
        Ok(app) => difference(&app.config.plain(), wanted).map(|name| {
            let origin =
                app.config.get(name).map(|var| format!(" is also set in {}, which .env does not change", var.origin));
            format!("{name}{}", origin.unwrap_or_else(|| " did not come to what was asked for".into()))
        }),
    };
    let Some(wrong) = wrong else { return Ok(app?) };
    match before {
        Some(text) => keep(&path, &text)?,
        None => fs::remove_file(&path).map_err(ControlError::NotKept)?,
    }
    Err(ControlError::BadConfig(wrong))
}

/// Writes `.env` whole; a new one is the user's alone.
fn keep(path: &Path, text: &str) -> Result<(), ControlError> {
    write_atomically(path, text.as_bytes()).map_err(ControlError::NotKept)
}

fn difference<'m>(one: &'m Vars, other: &'m Vars) -> Option<&'m String> {
    one.keys().chain(other.keys()).find(|name| one.get(*name) != other.get(*name))
}
