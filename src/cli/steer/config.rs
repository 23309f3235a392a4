//! `config`, `config:get`, `config:set`, `config:unset`

use super::text::{header, quoted};
use super::{Done, SteerError, Steering, below, show};
use crate::api::Client;
use crate::api::shapes::{ConfigVars, Release};
use crate::cli::args::BuildArgs;
use crate::cli::args::steer::{Config, Get};
use crate::model::exit_code::ExitCode as Code;
use crate::platform::env;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What to set (`Some`) and unset (`None`).
pub(super) type Changes = BTreeMap<String, Option<String>>;

impl Steering<'_> {
    /// The app's name and config vars: of the running app, or what its files say.
    pub(super) async fn config_vars(&self) -> Result<(Option<Client>, String, ConfigVars), SteerError> {
        if let Some((mut client, app)) = self.running().await? {
            let config = client.get(&below("config-vars")).await?;
            return Ok((Some(client), app.name, config));
        }
        let app = self.files()?;
        Ok((None, app.name, app.config.plain()))
    }

    pub(super) async fn config(&self, args: &Config) -> Done {
        let (_, name, config) = self.config_vars().await?;
        if args.shell {
            self.out_all(&show::in_shell(&config));
        } else if self.json() {
            return self.out_json(&config);
        } else {
            self.out(&header(&format!("{name} Config Vars")));
            self.out_all(&show::config_vars(&config));
        }
        Ok(Code::Ok)
    }

    pub(super) async fn config_get(&self, args: &Get) -> Done {
        let (_, _, config) = self.config_vars().await?;
        if self.json() {
            let one = |key: &String| json!({"key": key, "value": config.get(key)});
            let mut all: Vec<Value> = args.keys.iter().map(one).collect();
            return if all.len() == 1 { self.out_json(&all.remove(0)) } else { self.out_json(&all) };
        }
        for key in &args.keys {
            let value = config.get(key).map(String::as_str).unwrap_or_default();
            self.out(&if args.shell { format!("{key}={}", quoted(value)) } else { value.to_owned() });
        }
        Ok(Code::Ok)
    }

    pub(super) async fn config_set(&self, vars: Vec<(String, String)>) -> Done {
        let names: Vec<String> = vars.iter().map(|(name, _)| name.clone()).collect();
        let changes: Changes = vars.into_iter().map(|(name, value)| (name, Some(value))).collect();
        let config = self.change("Setting", &names, &changes).await?;
        let set: ConfigVars = config.into_iter().filter(|(name, _)| changes.contains_key(name)).collect();
        if self.json() {
            return self.out_json(&set);
        }
        self.out_all(&show::config_vars(&set));
        Ok(Code::Ok)
    }

    pub(super) async fn config_unset(&self, keys: Vec<String>) -> Done {
        let changes: Changes = keys.iter().map(|name| (name.clone(), None)).collect();
        let config = self.change("Unsetting", &keys, &changes).await?;
        if self.json() { self.out_json(&config) } else { Ok(Code::Ok) }
    }

    /// Changes the config of the running app, or `.env` where none runs. Returns what it is then.
    async fn change(&self, verb: &str, names: &[String], changes: &Changes) -> Result<ConfigVars, SteerError> {
        let names = names.join(", ");
        if let Some((mut client, app)) = self.running().await? {
            let doing = format!("{verb} {names} and restarting {}", app.name);
            return self.progress(&doing, patch(&mut client, changes)).await;
        }
        let config = self
            .progress(&format!("{verb} {names} in .env"), async {
                let reload = self.session.reload_lenient(&BuildArgs::usual())?;
                let app = env::change(&self.identity.root, &reload, changes)?;
                Ok((app.config.plain(), "done".into()))
            })
            .await?;
        self.warn("the app is not running: this is no release yet; the next `dynosim up` makes one");
        Ok(config)
    }
}

/// Changes the running app's config: what it is then, and the words for it.
pub(super) async fn patch(client: &mut Client, changes: &Changes) -> Result<(ConfigVars, String), SteerError> {
    let (config, made) = client.release_by_patch(&below("config-vars"), changes).await?;
    // When nothing was changed, Heroku names the newest release all the same.
    let version = if made.is_some() {
        made
    } else {
        let newest: Vec<Release> = client.range(&below("releases"), "version ..; max=1, order=desc").await?;
        newest.first().map(|release| release.version)
    };
    let outcome = version.map_or_else(|| "done".into(), |version| format!("done, v{version}"));
    Ok((config, outcome))
}
