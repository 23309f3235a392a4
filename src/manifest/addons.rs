//! Which config vars an add-on would set (R10), and what to say about add-ons: dynosim provides none.

use crate::diagnostic::{Diagnostic, SourceFile};
use crate::model::app::Addon;
use crate::model::config_vars::ConfigVars;
use std::sync::Arc;

/// Add-on slug, the prefix of its config vars unless it is attached under another name, and what follows the prefix.
const KNOWN: &[(&str, &str, &[&str])] = &[
    ("heroku-postgresql", "DATABASE", &["URL"]),
    ("heroku-redis", "REDIS", &["URL"]),
    ("cloudamqp", "CLOUDAMQP", &["URL", "APIKEY"]),
    ("memcachier", "MEMCACHIER", &["SERVERS", "USERNAME", "PASSWORD"]),
    ("papertrail", "PAPERTRAIL", &["API_TOKEN"]),
    ("scheduler", "", &[]),
    ("heroku-kafka", "KAFKA", &["URL", "TRUSTED_CERT", "CLIENT_CERT", "CLIENT_CERT_KEY"]),
];

/// Withdrawn by their makers: a new app cannot have them.
const WITHDRAWN: &[&str] = &["mongolab", "mongohq"];

/// An add-on with the variables it would set; none when dynosim does not know it.
pub(super) fn addon(plan: String, attached_as: Option<String>, origin: String) -> Addon {
    let known = KNOWN.iter().find(|(name, _, _)| *name == slug(&plan));
    let variables = known.map_or_else(Vec::new, |(_, prefix, suffixes)| {
        let prefix = attached_as.as_deref().unwrap_or(prefix);
        suffixes.iter().map(|suffix| format!("{prefix}_{suffix}")).collect()
    });
    Addon { plan, attached_as, variables, origin }
}

/// Adds `more` without the add-ons that are already there under the same name.
pub(super) fn merge(addons: &mut Vec<Addon>, more: Vec<Addon>) {
    for addon in more {
        let same = |a: &Addon| slug(&a.plan) == slug(&addon.plan) && a.attached_as == addon.attached_as;
        if !addons.iter().any(same) {
            addons.push(addon);
        }
    }
}

/// Says that each add-on is not provided, and which of its variables are set by nobody. `files` are those that name them.
pub(super) fn report(addons: &[Addon], config: &ConfigVars, files: &[&Arc<SourceFile>]) -> Vec<Diagnostic> {
    let placed = |addon: &Addon| {
        let finding = finding(addon, config).code("D053");
        let (name, line) = addon.origin.rsplit_once(':').unwrap_or((&addon.origin, "1"));
        match (files.iter().find(|file| file.name == name), line.parse()) {
            (Some(file), Ok(line)) => finding.at_line(file, line, "not here"),
            _ => finding,
        }
    };
    addons.iter().map(placed).collect()
}

fn finding(addon: &Addon, config: &ConfigVars) -> Diagnostic {
    let plan = &addon.plan;
    let missing: Vec<&str> = addon.variables.iter().map(String::as_str).filter(|v| config.get(v).is_none()).collect();
    if WITHDRAWN.contains(&slug(plan)) {
        let prefix = addon.attached_as.as_deref().map_or_else(String::new, |a| format!(" (`{a}_…`)"));
        return Diagnostic::warning(format!("add-on {plan} is withdrawn: Heroku does not provide it any more"))
            .help(format!("take it out, and put the variables that the app reads{prefix} into .env"));
    }
    if let Some(first) = missing.first() {
        return Diagnostic::warning(format!(
            "add-on {plan} is not provided here: {} {} not set",
            missing.join(", "),
            if missing.len() == 1 { "is" } else { "are" }
        ))
        .help(format!(
            "run the service yourself and put {first}=… into .env; the host of this machine is host.docker.internal"
        ));
    }
    let about = match (&addon.attached_as, addon.variables.is_empty()) {
        (_, false) => format!("{} set by you", addon.variables.join(", ")),
        _ if slug(plan) == "scheduler" => "its jobs do not run; start one with `dynosim run`".to_owned(),
        (Some(name), true) => format!("it sets variables that start with {name}_"),
        (None, true) => "dynosim does not know which variables it sets".to_owned(),
    };
    Diagnostic::note(format!("add-on {plan} is not provided here: {about}"))
}

fn slug(plan: &str) -> &str {
    plan.split(':').next().unwrap_or(plan)
}

#[cfg(test)]
mod tests {
    use super::{addon, merge, report};
    use crate::diagnostic::{Severity, SourceFile};
    use crate::model::config_vars::{ConfigVars, Origin};

    #[test]
    fn r10_an_attachment_name_prefixes_the_variables() {
        assert_eq!(addon("heroku-postgresql:essential-0".into(), None, String::new()).variables, ["DATABASE_URL"]);
        assert_eq!(addon("heroku-redis".into(), Some("CACHE".into()), String::new()).variables, ["CACHE_URL"]);
        assert_eq!(addon("sendgrid".into(), None, String::new()).variables, Vec::<String>::new());
    }

    #[test]
    fn r10_only_variables_that_nobody_sets_are_missing() {
        let mut addons = vec![addon("memcachier".into(), None, "heroku.yml:3".into())];
        merge(&mut addons, vec![addon("memcachier:dev".into(), None, "app.json".into())]);
        let mut config = ConfigVars::new();
        config.set("MEMCACHIER_SERVERS", "x", Origin::AppJson);
        let file = SourceFile { name: "heroku.yml".into(), text: "setup:\n  addons:\n    - plan: memcachier\n".into() };
        let findings = report(&addons, &config, &[&file.into()]);
        assert_eq!(findings[0].line(), Some(3));
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].title,
            "add-on memcachier is not provided here: MEMCACHIER_USERNAME, MEMCACHIER_PASSWORD are not set"
        );
        config.set("MEMCACHIER_USERNAME", "x", Origin::AppJson);
        config.set("MEMCACHIER_PASSWORD", "x", Origin::AppJson);
        assert_eq!(report(&addons, &config, &[])[0].severity, Severity::Note);
    }

    #[test]
    fn every_kind_of_add_on_is_listed() {
        let addons: Vec<_> =
            ["mongolab", "scheduler", "sendgrid"].map(|p| addon(p.into(), None, "app.json".into())).into();
        let said: Vec<String> = report(&addons, &ConfigVars::new(), &[]).into_iter().map(|f| f.title).collect();
        assert!(
            said[0].contains("withdrawn") && said[1].contains("jobs") && said[2].contains("does not know"),
            "{said:?}"
        );
    }
}
