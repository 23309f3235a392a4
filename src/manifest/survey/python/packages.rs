//! Which packages a Python app asks for, and who installs them.

use super::super::folder::{Folder, lines, place, version};
use crate::diagnostic::{Diagnostic, SourceFile};
use std::sync::Arc;

/// What the files say.
#[derive(Default)]
pub(super) struct Packages {
    pub(super) installer: &'static str,
    /// Files that the installation needs, the list of packages first.
    pub(super) files: Vec<String>,
    pub(super) early: bool,
    /// Python's version, and where it stands.
    pub(super) python: Option<(String, String)>,
    /// Names as an index has them, each with its place.
    named: Vec<(String, String)>,
}

impl Packages {
    pub(super) fn has(&self, name: &str) -> bool {
        self.origin(name).is_some()
    }

    /// Where a package is asked for.
    pub(super) fn origin(&self, name: &str) -> Option<&str> {
        self.named.iter().find(|(named, _)| named == name).map(|(_, origin)| origin.as_str())
    }

    fn add(&mut self, requirement: &str, origin: String) {
        let end = requirement.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
        let name = requirement[..end.unwrap_or(requirement.len())].to_ascii_lowercase().replace(['_', '.'], "-");
        if !name.is_empty() {
            self.named.push((name, origin));
        }
    }
}

pub(super) fn read(folder: &mut Folder) -> Packages {
    let mut packages = Packages { installer: "none", ..Packages::default() };
    project(folder, &mut packages);
    pipfile(folder, &mut packages);
    requirements(folder, "requirements.txt", &mut packages);
    let (installer, files): (&str, &[&str]) = if folder.has("uv.lock") {
        ("uv", &["pyproject.toml", "uv.lock"])
    } else if folder.has("poetry.lock") {
        ("poetry", &["pyproject.toml", "poetry.lock"])
    } else if folder.has("Pipfile.lock") {
        ("pipenv", &["Pipfile", "Pipfile.lock"])
    } else if folder.has("requirements.txt") {
        ("pip", &[])
    } else if folder.has("Pipfile") {
        let title = "there is a Pipfile and no Pipfile.lock: two builds of one commit can differ";
        folder.findings.push(Diagnostic::warning(title).help("`pipenv lock` writes it: commit it"));
        ("pipenv", &["Pipfile"])
    } else if folder.has("pyproject.toml") {
        ("project", &["pyproject.toml"])
    } else {
        ("none", &[])
    };
    packages.installer = installer;
    if installer != "pip" {
        packages.files = files.iter().map(|name| (*name).to_owned()).collect();
        packages.early = false;
    }
    if let Some(first) = packages.files.first() {
        let by = if installer == "project" { "uv" } else { installer };
        folder.fact(format!("packages, installed by {by}"), files.last().map_or(first.clone(), |f| (*f).to_owned()));
    }
    packages
}

fn project(folder: &mut Folder, packages: &mut Packages) {
    let Some((file, table)) = folder.toml("pyproject.toml") else { return };
    let at = |word: &str| file.text.find(word).map_or_else(|| "pyproject.toml".to_owned(), |at| place(&file, at));
    if let Some(project) = table.get("project").and_then(toml::Value::as_table) {
        let list = project.get("dependencies").and_then(toml::Value::as_array);
        for one in list.into_iter().flatten().filter_map(toml::Value::as_str) {
            packages.add(one, at(one));
        }
        let wanted = project.get("requires-python").and_then(toml::Value::as_str);
        packages.python = wanted.and_then(three).map(|found| (found, at("requires-python")));
    }
    let poetry = table.get("tool").and_then(|tool| tool.get("poetry")?.get("dependencies")?.as_table());
    for (name, wanted) in poetry.into_iter().flatten() {
        if name == "python" {
            packages.python = wanted.as_str().and_then(three).map(|found| (found, at("python =")));
        } else {
            packages.add(name, at(name));
        }
    }
}

/// `3.11` of `>=3.11,<4`.
fn three(range: &str) -> Option<String> {
    version(range, 2).filter(|found| found.starts_with("3."))
}

fn pipfile(folder: &mut Folder, packages: &mut Packages) {
    let Some((file, table)) = folder.toml("Pipfile") else { return };
    let at = |word: &str| file.text.find(word).map_or_else(|| "Pipfile".to_owned(), |at| place(&file, at));
    for (name, _) in table.get("packages").and_then(toml::Value::as_table).into_iter().flatten() {
        packages.add(name, at(name));
    }
    let wanted = table
        .get("requires")
        .and_then(|requires| requires.get("python_version").or_else(|| requires.get("python_full_version"))?.as_str());
    if let Some(found) = wanted.and_then(three) {
        packages.python = Some((found, at("python_")));
    }
}

/// A file of pip's, and those it names.
fn requirements(folder: &mut Folder, name: &str, packages: &mut Packages) {
    if packages.files.iter().any(|known| known == name) {
        return;
    }
    let Some(file) = folder.read(name) else { return };
    packages.files.push(name.to_owned());
    let mut goes_on = false;
    for (number, line) in lines(&file) {
        let continued = std::mem::replace(&mut goes_on, line.ends_with('\\'));
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') || continued {
            continue;
        }
        if let Some(rest) = line.strip_prefix('-') {
            option(folder, (&file, number), rest, packages);
        } else if line.starts_with('.') || line.contains("://") && !line.contains('@') {
            packages.early |= line.starts_with('.');
        } else if let Some(fault) = fault(line) {
            let title = format!("pip cannot read line {number} of {name}: {fault}");
            let finding = Diagnostic::error(title).at_line(&file, number, "expected `name==version`");
            folder.findings.push(finding.help("one package a line, such as `flask==3.1.3`"));
        } else {
            packages.add(line, format!("{name}:{number}"));
        }
    }
}

fn option(folder: &mut Folder, (file, number): (&Arc<SourceFile>, usize), rest: &str, packages: &mut Packages) {
    let value = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| rest.strip_prefix(name))
            .map(|value| value.trim_start_matches('=').trim().to_owned())
    };
    if let Some(other) = value(&["-requirement", "-constraint", "r ", "c "]) {
        let beside = file.name.rsplit_once('/').map(|(beside, _)| format!("{beside}/{other}"));
        let path = beside.unwrap_or(other);
        if folder.has(&path) {
            requirements(folder, &path, packages);
        } else {
            let title = format!("{}:{number} names {path}, which is not there", file.name);
            let finding = Diagnostic::error(title).at_line(file, number, "not found in the project");
            folder.findings.push(finding.help("write the path from this file's folder, or take the line out"));
        }
    } else if value(&["-editable", "e "]).is_some_and(|path| path.starts_with('.')) {
        packages.early = true;
    }
}

/// Why a line is no requirement.
fn fault(line: &str) -> Option<&'static str> {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap_or(line.len());
    if end == 0 {
        return Some("it begins with no package's name");
    }
    let mut rest = line[end..].trim_start();
    if let Some((_, after)) = rest.strip_prefix('[').and_then(|extras| extras.split_once(']')) {
        rest = after.trim_start();
    }
    let two = rest.get(..2).unwrap_or(rest);
    let good = rest.is_empty()
        || ["==", ">=", "<=", "~=", "!="].contains(&two)
        || rest.starts_with(['<', '>', '@', ';', ',', '(', '\\'])
        || rest.starts_with("--");
    if good {
        None
    } else if rest.starts_with('=') {
        Some("a version is written with `==`")
    } else {
        Some("this is no version")
    }
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn lines_that_pip_would_refuse_are_told_from_those_it_takes() {
        for good in [
            "flask",
            "Flask==3.1.3",
            "uvicorn[standard]>=0.30",
            "django >= 5, < 6",
            "a~=1.0 ; python_version < '3.9'",
            "x @ https://example.com/x.whl",
            "pip==1 --hash=sha256:0",
            "y --hash=sha256:0",
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in ["flask=3", "flask 3.1", "==1.0", "<<< HEAD", "flask: 3"] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}
