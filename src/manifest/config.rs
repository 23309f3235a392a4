//! Config vars: the layers of heroku.yml, app.json and `.env` files laid over one another, and R8's rules.

use super::app_json::{AppJson, Variable};
use super::env_file::EnvFile;
use super::heroku_yml::HerokuYml;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::model::config_vars::{ConfigVars, Origin};
use crate::model::limits::CONFIG_BYTES;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// What sets config vars, lowest layer first.
pub(super) struct Layers<'a> {
    /// `setup.config`.
    pub(super) yml: Option<&'a HerokuYml>,
    /// `env`.
    pub(super) app: Option<&'a AppJson>,
    /// `.env`, then each `-e`.
    pub(super) files: &'a [EnvFile],
    /// Secrets that were generated earlier, by name.
    pub(super) generated: &'a BTreeMap<String, String>,
}

/// A variable that app.json requires and nobody sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingVar {
    /// Its name.
    pub name: String,
    /// `description` of app.json.
    pub description: Option<String>,
    /// app.json, and the bytes of the name in it.
    pub place: (Arc<SourceFile>, Range<usize>),
}

impl MissingVar {
    /// The error that stops whoever wants to start dynos.
    pub fn finding(&self) -> Diagnostic {
        let label = self.description.as_deref().unwrap_or("required, and without a value");
        Diagnostic::error(format!("the config var {} is required and not set", self.name))
            .at(&self.place.0, self.place.1.clone(), label)
            .help(format!("put {}=… into .env, or mark it `\"required\": false` here", self.name))
            .code("D047")
    }
}

/// The result of laying the layers over one another.
#[derive(Default)]
pub(super) struct Settled {
    /// All variables.
    pub(super) config: ConfigVars,
    /// Required and set by nobody.
    pub(super) missing: Vec<MissingVar>,
    /// Secrets to be generated.
    pub(super) secrets: BTreeSet<String>,
    /// What was found.
    pub(super) findings: Vec<Diagnostic>,
}

/// The config vars of the app.
pub(super) fn settle(layers: &Layers<'_>) -> Settled {
    let mut settled = Settled::default();
    let env = layers.app.and_then(|app| app.base.env.as_deref()).unwrap_or_default();
    settled.setup(layers);
    if let Some(app) = layers.app {
        settled.app_json(app, env);
    }
    settled.env_files(layers);
    if let Some(app) = layers.app {
        settled.unset(app, env, layers.generated);
    }
    settled.findings.extend(hints(layers, &settled.config));
    settled
}

/// The config vars under `environments.test`. Its `env` goes before `.env` files: those describe development.
pub(super) fn settle_for_test(layers: &Layers<'_>) -> Settled {
    let Some((app, env)) = layers.app.and_then(|app| Some((app, app.test.as_ref()?.env.as_deref()?))) else {
        return settle(layers);
    };
    let mut settled = Settled::default();
    settled.setup(layers);
    settled.env_files(layers);
    settled.app_json(app, env);
    settled.unset(app, env, layers.generated);
    settled
}

/// The error of a config that is over Heroku's limit (R8).
pub(super) fn too_large(config: &ConfigVars) -> Option<Diagnostic> {
    let bytes = config.bytes();
    let over = bytes > CONFIG_BYTES;
    over.then(|| {
        let largest = config.iter().max_by_key(|(name, var)| name.len() + var.value.len()).map_or("", |(name, _)| name);
        Diagnostic::error(format!("the config vars are {bytes} bytes together; Heroku allows {CONFIG_BYTES}"))
            .help(format!("the largest is {largest}: put large values into a file of the image or into a store"))
            .code("D050")
    })
}

type Place<'a> = (&'a Arc<SourceFile>, &'a Range<usize>);

impl Settled {
    fn setup(&mut self, layers: &Layers<'_>) {
        for (yml, setting) in layers.yml.iter().flat_map(|yml| yml.config.iter().map(move |s| (yml, s))) {
            let place = (&yml.file, &setting.name.span);
            let origin = Origin::HerokuYml(line(place));
            self.set(&setting.name.value, &setting.value, origin, place);
        }
    }

    fn app_json(&mut self, app: &AppJson, env: &[Variable]) {
        for variable in env {
            let Some(value) = &variable.value else { continue };
            let place = (&app.file, &variable.name.span);
            let name = &variable.name.value;
            if let Some(below) = self.config.get(name)
                && matches!(below.origin, Origin::HerokuYml(_))
                && below.value != *value
            {
                let title = format!("{name} is set by {} and by app.json, which counts", below.origin);
                self.findings.push(Diagnostic::note(title).at(place.0, place.1.clone(), "this one counts"));
            }
            self.set(name, value, Origin::AppJson, place);
        }
    }

    fn env_files(&mut self, layers: &Layers<'_>) {
        for (env, one) in layers.files.iter().flat_map(|env| env.assignments.iter().map(move |a| (env, a))) {
            let origin = Origin::EnvFile(env.file.name.clone(), one.line);
            self.set(&one.name, &one.value, origin, (&env.file, &one.name_span));
        }
    }

    /// Variables of app.json without a value of its own.
    fn unset(&mut self, app: &AppJson, env: &[Variable], generated: &BTreeMap<String, String>) {
        for variable in env {
            let name = &variable.name.value;
            if self.config.get(name).is_some() || is_platform_name(name) {
                continue;
            }
            match generated.get(name) {
                Some(value) if variable.secret => self.config.set(name, value, Origin::Generated),
                None if variable.secret => drop(self.secrets.insert(name.clone())),
                _ if variable.required && variable.value.is_none() => self.missing.push(MissingVar {
                    name: name.clone(),
                    description: variable.description.clone(),
                    place: (Arc::clone(&app.file), variable.name.span.clone()),
                }),
                _ => {}
            }
        }
    }

    fn set(&mut self, name: &str, value: &str, origin: Origin, (file, span): Place<'_>) {
        let at = |finding: Diagnostic, label: &str| finding.at(file, span.clone(), label);
        if is_platform_name(name) {
            let kept = name.starts_with("HEROKU_");
            let title = if kept {
                format!(
                    "{name} is a name that Heroku keeps for itself: the one of {} does not reach dynos here",
                    file.name
                )
            } else {
                format!("{name} is set by the platform: the one of {} is ignored", file.name)
            };
            let help = match name {
                "PORT" => "Heroku gives each web dyno another port: read it from the environment, never set it",
                _ if kept => {
                    "Heroku advises against names that begin with HEROKU_, though it takes them: call it otherwise"
                }
                _ => "take it out; an app cannot set the platform's own variables",
            };
            self.findings.push(
                at(Diagnostic::warning(title), if kept { "left out" } else { "ignored" }).help(help).code("D049"),
            );
            return;
        }
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            let title = format!("no environment can hold the variable `{}`", name.escape_debug());
            let help = "a name needs letters, digits and `_`, and neither name nor value can hold a zero byte";
            self.findings.push(at(Diagnostic::error(title), "here").help(help).code("D048"));
            return;
        }
        if !is_good_name(name) {
            let title = format!("Heroku advises against {name} as the name of a config var");
            let help =
                "take letters, digits and `_`, no digit first, not `__` at the start: shells read no other names";
            self.findings.push(at(Diagnostic::warning(title), "set, as Heroku would set it").help(help).code("D048"));
        }
        self.config.set(name, value, origin);
    }
}

/// `PORT`, `DYNO` and the metadata of R8. Add-ons do make names of their own under `HEROKU_`
/// (`HEROKU_POSTGRESQL_RED_URL`, R10), and a local stand-in must be able to set those.
pub(super) fn is_platform_name(name: &str) -> bool {
    let of_addon = ["HEROKU_POSTGRESQL_", "HEROKU_REDIS_", "HEROKU_KAFKA_"].iter().any(|p| name.starts_with(p));
    name == "PORT" || name == "DYNO" || (name.starts_with("HEROKU_") && !of_addon)
}

fn is_good_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.starts_with("__")
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A dyno's `localhost` is the dyno itself, not this machine.
fn hints(layers: &Layers<'_>, config: &ConfigVars) -> Vec<Diagnostic> {
    config
        .iter()
        // Those are lists of who may ask, not addresses of services.
        .filter(|(name, _)| {
            !["CORS", "ORIGIN", "ALLOWED", "WHITELIST", "TRUSTED"].iter().any(|word| name.contains(word))
        })
        .filter_map(|(name, var)| {
            let host = ["localhost", "127.0.0.1", "[::1]"].into_iter().find(|host| names_host(&var.value, host))?;
            let finding = Diagnostic::note(format!("{name} names {host}, which inside a dyno is the dyno itself"));
            let finding = match place(layers, name, &var.origin) {
                Some((file, span)) => finding.at(file, span.clone(), "in this value"),
                None => finding,
            };
            Some(finding.help("a service on this machine is reachable as host.docker.internal").code("D058"))
        })
        .collect()
}

fn place<'a>(layers: &Layers<'a>, name: &str, origin: &Origin) -> Option<Place<'a>> {
    match origin {
        Origin::EnvFile(file, line) => layers
            .files
            .iter()
            .filter(|env| env.file.name == *file)
            .find_map(|env| Some((&env.file, &env.assignments.iter().find(|a| a.line == *line)?.name_span))),
        Origin::HerokuYml(_) => {
            let yml = layers.yml?;
            Some((&yml.file, &yml.config.iter().rfind(|s| s.name.value == name)?.name.span))
        }
        Origin::AppJson => {
            let app = layers.app?;
            Some((&app.file, &app.base.env.as_ref()?.iter().find(|v| v.name.value == name)?.name.span))
        }
        _ => None,
    }
}

/// Whether `host` stands in `value` as a whole word: not in `mylocalhost` or `localhost.example.com`.
fn names_host(value: &str, host: &str) -> bool {
    let joins = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    value
        .match_indices(host)
        .any(|(at, _)| !value[..at].ends_with(joins) && !value[at + host.len()..].starts_with(joins))
}

fn line((file, span): Place<'_>) -> usize {
    super::node::line_of(&file.text, span.start)
}

#[cfg(test)]
mod tests {
    use super::{Layers, Settled, names_host, settle, settle_for_test, too_large};
    use crate::diagnostic::{Severity, SourceFile};
    use crate::manifest::{app_json, env_file, heroku_yml};
    use crate::model::config_vars::{ConfigVars, Origin};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn source(name: &str, text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile { name: name.into(), text: text.into() })
    }

    fn with(yml: &str, app: &str, env: &[(&str, &str)], run: impl Fn(&Layers<'_>) -> Settled) -> Settled {
        let (yml, _) = heroku_yml::parse(&source("heroku.yml", yml));
        let (app, _) = app_json::parse(&source("app.json", app));
        let files: Vec<_> = env.iter().map(|(name, text)| env_file::parse(name, text, None).0).collect();
        let generated = BTreeMap::from([("KEPT".to_owned(), "k".to_owned())]);
        run(&Layers { yml: Some(&yml), app: Some(&app), files: &files, generated: &generated })
    }

    #[test]
    fn r8_later_layers_win_and_every_value_knows_its_origin() {
        let settled = with(
            "setup:\n  config:\n    A: yml\n    B: yml\n    C: yml\n    D: yml\n",
            r#"{"env": {"B": "app", "C": {"value": "app"}, "D": "app"}}"#,
            &[(".env", "\nC=env\nD=env\n"), ("more.env", "D=more\n")],
            settle,
        );
        let shown: Vec<String> =
            settled.config.iter().map(|(k, v)| format!("{k}={} from {}", v.value, v.origin)).collect();
        assert_eq!(
            shown,
            [
                "A=yml from heroku.yml:3 setup.config",
                "B=app from app.json env",
                "C=env from .env:2",
                "D=more from more.env:1",
            ]
        );
        assert!(settled.findings.iter().all(|f| f.severity == Severity::Note), "{:?}", settled.findings);
    }

    #[test]
    fn r4_required_variables_without_a_value_are_missing_with_their_descriptions() {
        let settled = with(
            "build:\n  docker:\n    web: x\n",
            r#"{"env": {"NEED": {"description": "Stripe's key"}, "SET": {}, "MAYBE": {"required": false},
                 "EMPTY": "", "HEROKU_APP_NAME": {"required": true}, "KEPT": {"generator": "secret"},
                 "NEW": {"generator": "secret"}, "OWN": {"generator": "secret"}}}"#,
            &[(".env", "SET=1\nOWN=mine\n")],
            settle,
        );
        let missing: Vec<&str> = settled.missing.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(missing, ["NEED"]);
        let said = settled.missing[0].finding().render(false);
        assert!(
            said.contains("NEED is required") && said.contains("Stripe's key") && said.contains("app.json:1"),
            "{said}"
        );
        assert_eq!(settled.secrets.into_iter().collect::<Vec<_>>(), ["NEW"]);
        assert_eq!(settled.config.get("KEPT").unwrap().origin, Origin::Generated);
        assert_eq!(settled.config.get("OWN").unwrap().value, "mine");
    }

    #[test]
    fn r8_platform_names_are_ignored_with_a_warning() {
        let env = [(".env", "PORT=5000\nDYNO=x\nHEROKU_APP_NAME=x\nHEROKU_POSTGRESQL_RED_URL=postgres://db\n")];
        let settled = with("run:\n  web: x\n", "{}", &env, settle);
        assert_eq!(settled.config.iter().map(|(k, _)| k).collect::<Vec<_>>(), ["HEROKU_POSTGRESQL_RED_URL"]);
        let lines: Vec<_> = settled.findings.iter().map(|f| (f.severity, f.line().unwrap())).collect();
        assert_eq!(lines, [(Severity::Warning, 1), (Severity::Warning, 2), (Severity::Warning, 3)]);
    }

    #[test]
    fn r8_odd_names_are_warned_of_and_set_all_the_same() {
        let settled = with("setup:\n  config:\n    my-key: 1\n    __X: 2\n", "{}", &[(".env", "A.B=3\n")], settle);
        assert_eq!(settled.config.len(), 3);
        assert_eq!(settled.findings.iter().filter(|f| f.severity == Severity::Warning).count(), 3);
        let settled = with("x: 1", r#"{"env": {"A=B": "1", "Z": "\u0000", "": "x"}}"#, &[], settle);
        assert_eq!(settled.findings.iter().filter(|f| f.severity == Severity::Error).count(), 3);
        assert!(settled.config.is_empty());
    }

    #[test]
    fn r13_8_and_r8_more_than_64_kilobytes_is_an_error_that_names_the_largest() {
        let mut config = ConfigVars::new();
        config.set("BIG", "x".repeat(65_533), Origin::AppJson);
        assert!(too_large(&config).is_none());
        config.set("S", "", Origin::AppJson);
        let said = too_large(&config).unwrap().render(false);
        assert!(said.contains("65537 bytes") && said.contains("BIG"), "{said}");
    }

    #[test]
    fn a_value_that_says_localhost_gets_a_hint_without_the_value() {
        let settled = with(
            "setup:\n  config:\n    A: http://localhost:9000\n",
            "{}",
            &[(".env", "DATABASE_URL=postgres://me:hunter2@127.0.0.1/x\nOK=localhost.example.com\n")],
            settle,
        );
        let said: Vec<String> = settled.findings.iter().map(|f| f.render(false)).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("heroku.yml:3") && said[1].contains(".env:1"), "{said:?}");
        assert!(said.iter().all(|s| s.contains("host.docker.internal") && !s.contains("hunter2")), "{said:?}");
        assert!(names_host("a,localhost", "localhost") && !names_host("mylocalhost", "localhost"));
    }

    #[test]
    fn r4_the_test_environment_s_env_replaces_the_base_and_goes_before_env_files() {
        let app = r#"{"env": {"BASE": "1", "RACK_ENV": "production"},
                      "environments": {"test": {"env": {"RACK_ENV": "test", "S": {"generator": "secret"}}}}}"#;
        let settled =
            with("setup:\n  config:\n    A: 1\n", app, &[(".env", "RACK_ENV=development\nB=2\n")], settle_for_test);
        let shown: Vec<_> = settled.config.iter().map(|(k, v)| format!("{k}={}", v.value)).collect();
        assert_eq!(shown, ["A=1", "B=2", "RACK_ENV=test"]);
        assert!(settled.secrets.contains("S"));
        let plain = with("x: 1", r#"{"env": {"BASE": "1"}, "environments": {"test": {}}}"#, &[], settle_for_test);
        assert_eq!(plain.config.len(), 1);
    }
}
