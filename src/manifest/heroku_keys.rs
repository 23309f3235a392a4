//! What a key that heroku.yml does not know was probably meant to be.

use super::node::{Entry, Reader, similar};

/// Refuses `entry`, a key of `section` (empty for the top level), naming the likely right place.
pub(super) fn unknown(reader: &mut Reader, section: &str, entry: &Entry, known: &[&str]) {
    let path = if section.is_empty() { entry.key.clone() } else { format!("{section}.{}", entry.key) };
    let label = format!("Heroku says: {path} in body is a forbidden property");
    let help = elsewhere(section, entry)
        .or_else(|| similar(&entry.key, known).map(|k| format!("did you mean `{k}`?")))
        .unwrap_or_else(|| {
            let place = if section.is_empty() { "the top level" } else { section };
            let names: Vec<String> = known.iter().map(|k| format!("`{k}`")).collect();
            format!("{place} takes {}", names.join(", "))
        });
    reader.error(&entry.key_span, format!("`{path}` is not a key of heroku.yml"), &label, help);
    if let Some(finding) = reader.findings.last_mut() {
        finding.code = Some("D044");
    }
}

fn elsewhere(section: &str, entry: &Entry) -> Option<String> {
    let key = entry.key.as_str();
    let help = match key {
        "setup" | "build" | "release" | "run" => {
            format!("move `{key}` to the top level: it starts at the margin, beside `build`")
        }
        "docker" => "`docker` belongs under `build`".to_owned(),
        "addons" => "`addons` belongs under `setup`".to_owned(),
        "env" | "environment" | "vars" if section == "setup" => "config vars stand under `config`".to_owned(),
        "config" | "env" | "environment" | "vars" => {
            "build args belong under `build.config`, config vars of a new app under `setup.config`, local ones into .env".to_owned()
        }
        "dockerfile" | "target" => format!("`{key}` belongs under `build.docker.<type>`"),
        "command" | "image" => format!("`{key}` belongs under `release` or `run.<type>`"),
        "plan" | "as" => format!("`{key}` belongs into an entry of `setup.addons`"),
        "formation" | "scripts" | "environments" | "stack" => format!("`{key}` belongs into app.json"),
        "version" | "services" | "volumes" | "networks" => {
            format!("`{key}` is a key of Compose files: heroku.yml has `build`, `run`, `release` and `setup`")
        }
        "context" => "Heroku builds in the folder of the Dockerfile; another context cannot be named".to_owned(),
        "web" | "worker" if section.is_empty() || section == "build" => {
            let names_a_file = entry.node.scalar().is_none_or(|text| text.contains("Dockerfile"));
            let place = if names_a_file { "build.docker" } else { "run" };
            format!("write it as `{place}.{key}`: `{key}` below `{}`", place.replace('.', "` below `"))
        }
        _ => return None,
    };
    Some(help)
}
