//! The import arrows of the design point down; this keeps them so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and what it may import. `clock` and `diagnostic` may be used from anywhere.
const MAY: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("web", &[]),
    ("clock", &[]),
    ("diagnostic", &[]),
    ("dockerfile", &[]),
    ("engine", &["model", "registry", "dockerfile"]),
    ("heroku", &["model", "web"]),
    ("logs", &["model"]),
    ("dyno", &["model", "engine", "logs"]),
    ("router", &["model", "logs"]),
    ("manifest", &["model", "dockerfile"]),
    ("lint", &["model", "manifest", "dockerfile"]),
    ("registry", &["model", "web"]),
    (
        "platform",
        &["model", "engine", "heroku", "registry", "logs", "dyno", "router", "manifest", "lint", "dockerfile", "web"],
    ),
    (
        "api",
        &[
            "model",
            "engine",
            "heroku",
            "registry",
            "logs",
            "dyno",
            "router",
            "manifest",
            "lint",
            "dockerfile",
            "platform",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "engine",
            "heroku",
            "registry",
            "logs",
            "dyno",
            "router",
            "manifest",
            "lint",
            "dockerfile",
            "platform",
            "api",
            "web",
        ],
    ),
];

/// Crates that stay in one place.
const HOMES: &[(&str, &[&str])] = &[
    ("bollard", &["src/engine/docker"]),
    ("landlock", &["src/engine/native/launcher"]),
    ("portpicker", &["src/engine/native/port.rs"]),
    ("clap", &["src/cli"]),
    ("clap_complete", &["src/cli"]),
    ("indicatif", &["src/cli"]),
    ("ratatui", &["src/cli/ui", "src/cli/tty.rs"]),
    ("serde_saphyr", &["src/manifest/yaml.rs"]),
    ("dotenvy", &["src/manifest"]),
    ("hyper", &["src/router", "src/api", "src/heroku", "src/registry"]),
    ("hyper_util", &["src/router", "src/api", "src/web"]),
    ("hyper_rustls", &["src/web"]),
    ("quick_junit", &["src/cli/test"]),
    ("annotate_snippets", &["src/diagnostic.rs"]),
    ("notify", &["src/platform/watch/eyes.rs"]),
    ("flate2", &["src/registry/squeeze.rs"]),
    ("rcgen", &["src/platform/authority"]),
    ("minijinja", &["src/platform/scaffold/render.rs"]),
    ("similar", &["src/platform/scaffold", "src/platform/check.rs"]),
    ("toml", &["src/manifest/survey", "src/lint/settings.rs"]),
    ("roxmltree", &["src/manifest/survey/java.rs"]),
];

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn relative(path: &Path) -> String {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_string_lossy().replace('\\', "/")
}

/// The code of a file without its comments and without its tests, which may use what they like.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test_file(name: &str) -> bool {
    name.ends_with("/tests.rs") || name.contains("/tests/")
}

/// What stands behind `crate::`, groups (`crate::{a, b}`) included.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        if let Some(group) = rest.strip_prefix('{') {
            let group = group.split_once("};").map_or(group, |(group, _)| group);
            let mut depth = 0;
            for part in group.split_inclusive(['{', '}', ',']) {
                if depth == 0 {
                    found.insert(word(part.trim()));
                }
                depth += i32::from(part.ends_with('{')) - i32::from(part.ends_with('}'));
            }
        } else {
            found.insert(word(rest));
        }
    }
    found.remove("");
    found
}

#[test]
fn import_arrows_point_down() {
    let mut wrong = Vec::new();
    for path in sources() {
        let name = relative(&path);
        if is_test_file(&name) || name.starts_with("src/init/") {
            continue;
        }
        let module = name.trim_start_matches("src/").split(['/', '.']).next().unwrap().to_owned();
        if module == "lib" || module == "main" {
            continue;
        }
        let allowed = MAY.iter().find(|(m, _)| *m == module);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{name}: the module {module} is not in the table"));
        for import in imports(&code(&path)) {
            let fine = import == module || import == "clock" || import == "diagnostic" || allowed.contains(&&*import);
            if !fine {
                wrong.push(format!("{name} imports crate::{import}"));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that point up:\n{}", wrong.join("\n"));
}

#[test]
fn some_crates_are_named_in_one_place_only() {
    let mut wrong = Vec::new();
    for path in sources() {
        let name = relative(&path);
        if is_test_file(&name) {
            continue;
        }
        let code = code(&path);
        for (krate, homes) in HOMES {
            let named = code.contains(&format!("use {krate}::")) || code.contains(&format!(" {krate}::"));
            if named && !homes.iter().any(|home| name.starts_with(home)) {
                wrong.push(format!("{name} names {krate}, whose place is {}", homes.join(" and ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_command_line_reads_the_host_s_environment() {
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|path| {
            let name = relative(path);
            !is_test_file(&name)
                && !name.starts_with("src/cli/")
                && !name.starts_with("src/init/")
                && name != "src/main.rs"
        })
        .filter(|path| {
            let code = code(path);
            ["env::var(", "env::var_os(", "env::vars("].iter().any(|call| code.contains(call))
        })
        .map(|path| relative(path))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_reader_of_imports_reads_groups_and_paths() {
    let code = "use crate::model::{app::App, dyno};\nuse crate::{clock::Clock, engine::{a, b}, logs};\nlet x = crate::router::X;";
    let found: Vec<String> = imports(code).into_iter().collect();
    assert_eq!(found, ["clock", "engine", "logs", "model", "router"]);
}
