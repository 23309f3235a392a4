//! Rust: Cargo.toml and the binaries it has.

use super::folder::{Folder, command, place, version};
use super::{Found, Stack};
use crate::diagnostic::{Diagnostic, SourceFile};
use serde::Serialize;

/// What a Dockerfile must know of a Rust app.
#[derive(Clone, Debug, Serialize)]
pub struct Rust {
    /// The toolchain: `1`, or what rust-toolchain names.
    pub version: String,
    /// The binaries.
    pub binaries: Vec<String>,
    /// Whether there is a Cargo.lock.
    pub locked: bool,
    /// OpenSSL is linked.
    pub openssl: bool,
    /// Folders that the program may read when it runs.
    pub assets: Vec<&'static str>,
}

pub(super) fn read(folder: &mut Folder) -> Found {
    let mut binaries: Vec<(String, String)> = Vec::new();
    let mut default_run = None;
    if let Some((file, table)) = folder.toml("Cargo.toml") {
        default_run = table.get("package").and_then(|package| package.get("default-run")?.as_str().map(str::to_owned));
        of_package(folder, &file, &table, "", &mut binaries);
        let members = table.get("workspace").and_then(|workspace| workspace.get("members")?.as_array());
        let members: Vec<String> =
            members.into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect();
        let members: Vec<String> = members.iter().flat_map(|member| expanded(folder, member)).collect();
        for member in members {
            if let Some((file, table)) = folder.toml(&format!("{member}/Cargo.toml")) {
                of_package(folder, &file, &table, &format!("{member}/"), &mut binaries);
            }
        }
    }
    let toolchain = toolchain(folder);
    folder.fact(format!("Rust {}", toolchain.0), toolchain.1);
    for (name, origin) in &binaries {
        folder.fact(format!("the program {name}"), origin.clone());
    }
    let usual = default_run.as_deref().into_iter().chain(["web", "server", "api"]);
    let chosen = match binaries.as_slice() {
        [one] => Some(one),
        several => usual.into_iter().find_map(|want| several.iter().find(|(name, _)| name == want)),
    };
    let web = chosen.map(|(name, origin)| command(name.clone(), origin.clone()));
    let no_web = match binaries.first() {
        None => "Cargo.toml has no binary: write src/main.rs, or a `[[bin]]` section".to_owned(),
        Some((name, _)) => {
            format!("there are several programs: name one in a Procfile, such as `web: {name}`, or by `default-run`")
        }
    };
    let locked = folder.has("Cargo.lock");
    if !locked {
        let title = "there is no Cargo.lock: two builds of one commit can differ";
        folder.findings.push(Diagnostic::warning(title).help("`cargo generate-lockfile` writes it: commit it"));
    }
    let binaries = binaries.into_iter().map(|(name, _)| name).collect();
    let lock = folder.source("Cargo.lock");
    let openssl = lock.is_some_and(|lock| lock.text.contains("name = \"openssl-sys\""));
    let rust = Rust { version: toolchain.0, binaries, locked, openssl, assets: folder.assets() };
    Found { stack: Stack::Rust(rust), web, no_web, test: None }
}

/// The binaries of one package, as cargo finds them.
fn of_package(folder: &Folder, file: &SourceFile, table: &toml::Table, below: &str, into: &mut Vec<(String, String)>) {
    let Some(package) = table.get("package").and_then(|package| package.get("name")?.as_str()) else { return };
    let at = |name: &str| {
        let written = file.text.find(&format!("\"{name}\""));
        written.map_or_else(|| file.name.clone(), |at| place(file, at))
    };
    let sections = table.get("bin").and_then(toml::Value::as_array);
    for bin in sections.into_iter().flatten() {
        if let Some(name) = bin.get("name").and_then(toml::Value::as_str) {
            into.push((name.to_owned(), at(name)));
        }
    }
    let named = |path: &str| {
        sections.into_iter().flatten().any(|bin| bin.get("path").and_then(toml::Value::as_str) == Some(path))
    };
    if folder.has(&format!("{below}src/main.rs")) && !named("src/main.rs") && !into.iter().any(|(n, _)| n == package) {
        into.push((package.to_owned(), at(package)));
    }
    for path in folder.sources(&[".rs"]) {
        let Some(rest) = path.strip_prefix(below).and_then(|rest| rest.strip_prefix("src/bin/")) else { continue };
        let name = rest.strip_suffix("/main.rs").or_else(|| rest.strip_suffix(".rs")).unwrap_or(rest);
        if !name.contains('/') && !into.iter().any(|(known, _)| known == name) && !named(&format!("src/bin/{rest}")) {
            into.push((name.to_owned(), path.clone()));
        }
    }
}

/// `crates/*` as the folders that it means.
fn expanded(folder: &Folder, member: &str) -> Vec<String> {
    let Some(above) = member.strip_suffix("/*") else { return vec![member.to_owned()] };
    let entries = folder.root.join(above).read_dir().into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<String> = entries
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .filter_map(|entry| Some(format!("{above}/{}", entry.file_name().to_str()?)))
        .collect();
    found.sort();
    found
}

/// The toolchain's version and where it stands. A channel has no image of its own: the newest release.
fn toolchain(folder: &mut Folder) -> (String, String) {
    for name in ["rust-toolchain.toml", "rust-toolchain"] {
        let Some(file) = folder.read(name) else { continue };
        let channel = file.text.lines().find(|line| name == "rust-toolchain" || line.trim().starts_with("channel"));
        if let Some(found) = channel.and_then(|line| version(line, 3)) {
            return (found, name.to_owned());
        }
    }
    ("1".to_owned(), "Cargo.toml".to_owned())
}
