//! Go: go.mod and where the programs are.

use super::folder::{Folder, command, lines, version};
use super::{Found, Stack};
use crate::diagnostic::Diagnostic;
use serde::Serialize;

const DEFAULT: &str = "1.25";

/// What a Dockerfile must know of a Go app.
#[derive(Clone, Debug, Serialize)]
pub struct Go {
    /// `1.24`.
    pub version: String,
    /// The packages to build: `.`, or `./cmd/web`.
    pub packages: Vec<String>,
    /// Whether there is a go.sum.
    pub locked: bool,
    /// Dependencies are in the repository.
    pub vendored: bool,
    /// Folders that the program may read when it runs.
    pub assets: Vec<&'static str>,
}

pub(super) fn read(folder: &mut Folder) -> Found {
    let (mut module, mut found) = (String::new(), None);
    if let Some(file) = folder.read("go.mod") {
        for (number, line) in lines(&file) {
            if let Some(name) = line.strip_prefix("module ") {
                name.trim().trim_matches('"').clone_into(&mut module);
            } else if let Some(wanted) = line.strip_prefix("go ") {
                found = version(wanted, 2);
                folder.fact(format!("Go {}", found.as_deref().unwrap_or(wanted)), format!("go.mod:{number}"));
            }
        }
        if module.is_empty() {
            let finding =
                Diagnostic::error("go.mod has no `module` line").at_line(&file, 1, "expected `module <path>`");
            folder.findings.push(finding.help("`go mod init <path>` writes one"));
        }
    }
    let programs = programs(folder);
    let last = module.rsplit('/').find(|part| !is_major(part)).unwrap_or("app").to_owned();
    let name = |package: &str| match package.rsplit('/').next() {
        Some(".") | None => last.clone(),
        Some(name) => name.to_owned(),
    };
    let web = match programs.as_slice() {
        [] => None,
        [(package, origin)] => Some(command(name(package), origin.clone())),
        several => {
            let wanted = ["web", "server", "api", "http", last.as_str()];
            let chosen = wanted.iter().find_map(|want| several.iter().find(|(package, _)| name(package) == **want));
            chosen.map(|(package, origin)| command(name(package), origin.clone()))
        }
    };
    let names: Vec<String> = programs.iter().map(|(package, _)| name(package)).collect();
    for (package, origin) in &programs {
        folder.fact(format!("the program {}", name(package)), origin.clone());
    }
    let go = Go {
        version: found.unwrap_or_else(|| DEFAULT.to_owned()),
        packages: programs.into_iter().map(|(package, _)| package).collect(),
        locked: folder.has("go.sum"),
        vendored: folder.has("vendor/modules.txt"),
        assets: folder.assets(),
    };
    let no_web = if names.is_empty() {
        "there is no `package main` at the top or in a folder of cmd/: write one".to_owned()
    } else {
        format!("there are several programs: name one in a Procfile, such as `web: {}`", names[0])
    };
    Found { stack: Stack::Go(go), web, no_web, test: None }
}

/// `v2` at the end of a module's path is no name.
fn is_major(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Packages that make a program: the top folder and those of cmd/; each with the file that says so.
fn programs(folder: &Folder) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for path in folder.sources(&[".go"]) {
        let (at, _) = path.rsplit_once('/').unwrap_or((".", &path));
        let place = at == "." || at == "cmd" || at.strip_prefix("cmd/").is_some_and(|rest| !rest.contains('/'));
        let package = if at == "." { ".".to_owned() } else { format!("./{at}") };
        if !place || path.ends_with("_test.go") || found.iter().any(|(known, _)| *known == package) {
            continue;
        }
        let is_main = folder.source(&path).is_some_and(|source| {
            let ignored = source.text.contains("//go:build ignore");
            !ignored && source.text.lines().any(|line| line.trim_end() == "package main")
        });
        if is_main {
            found.push((package, path));
        }
    }
    found
}
