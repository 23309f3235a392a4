//! Python: requirements.txt, pyproject.toml, Pipfile and the lockfiles; Django, Flask, FastAPI and their kin.

mod app;
mod packages;

use super::folder::{Folder, command, version};
use super::{Found, Stack};
use crate::diagnostic::Diagnostic;
use crate::model::app::CommandText;
use packages::Packages;
use serde::Serialize;

/// What no file says.
const DEFAULT: &str = "3.13";

/// What a Dockerfile must know of a Python app.
#[derive(Clone, Debug, Serialize)]
pub struct Python {
    /// `3.11`.
    pub version: String,
    /// `pip`, `uv`, `poetry`, `pipenv`, `project` (a pyproject.toml without a lockfile) or `none`.
    pub installer: &'static str,
    /// Files that the installation needs.
    pub files: Vec<String>,
    /// The installation needs the sources too.
    pub early: bool,
    /// A server that the command needs and no file asks for.
    pub server: Option<&'static str>,
    /// Debian packages that packages are compiled with.
    pub build_packages: Vec<&'static str>,
    /// Debian packages that they need when they run.
    pub packages: Vec<&'static str>,
    /// Django's static files are collected into the image.
    pub collectstatic: bool,
}

/// Packages that are compiled when they are installed: what for that, and what they need when they run.
const LIBRARIES: &[(&str, &[&str], &[&str])] = &[
    ("psycopg2", &["build-essential", "libpq-dev"], &["libpq5"]),
    ("mysqlclient", &["build-essential", "default-libmysqlclient-dev", "pkg-config"], &["libmariadb3"]),
    ("uwsgi", &["build-essential"], &[]),
];

pub(super) fn read(folder: &mut Folder) -> Found {
    let packages = packages::read(folder);
    let version = python_version(folder, &packages);
    let web = app::start(folder, &packages);
    let server = web.as_ref().and_then(|web| missing_server(folder, web, &packages));
    let collectstatic = collects(folder);
    let test = test(folder, &packages);
    let libraries = || LIBRARIES.iter().filter(|(name, ..)| packages.has(name));
    let (mut build_packages, mut run_packages) = (Vec::new(), Vec::new());
    for (_, build, run) in libraries() {
        build_packages.extend(build.iter().copied().filter(|one| !build_packages.contains(one)).collect::<Vec<_>>());
        run_packages.extend(run.iter().copied());
    }
    let Packages { installer, files, early, .. } = packages;
    Found {
        stack: Stack::Python(Python {
            version,
            installer,
            files,
            early,
            server,
            build_packages,
            packages: run_packages,
            collectstatic,
        }),
        web,
        no_web: "write a Procfile such as `web: gunicorn --bind 0.0.0.0:$PORT app:app`; looked for manage.py, and for \
                 `app = Flask(…)`, `FastAPI()` and the like in the Python files"
            .to_owned(),
        test,
    }
}

fn python_version(folder: &mut Folder, packages: &Packages) -> String {
    for name in [".python-version", "runtime.txt"] {
        let Some(file) = folder.read(name) else { continue };
        let found = super::folder::lines(&file).find(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let Some((number, line)) = found else { continue };
        if let Some(found) = version(line, 2).filter(|found| found.starts_with("3.")) {
            folder.fact(format!("Python {found}"), format!("{name}:{number}"));
            return found;
        }
        let title = format!("`{line}` in {name} names no version of Python 3");
        let finding = Diagnostic::error(title).at_line(&file, number, "expected a version such as 3.13");
        folder.findings.push(finding.help("write `3.13`; Python 2 has no supported images any more"));
    }
    if let Some((found, origin)) = &packages.python {
        folder.fact(format!("Python {found}"), origin.clone());
        return found.clone();
    }
    folder.fact(format!("Python {DEFAULT}"), "no file says a version; .python-version would");
    DEFAULT.to_owned()
}

/// The command's server, when nothing installs it.
fn missing_server(folder: &mut Folder, web: &CommandText, packages: &Packages) -> Option<&'static str> {
    let program = web.text.split_whitespace().next()?;
    let server = ["gunicorn", "uvicorn"].into_iter().find(|server| *server == program)?;
    if packages.has(server) {
        return None;
    }
    let list = packages.files.first().map_or("requirements.txt", String::as_str);
    let title = format!("{list} asks for no server: the Dockerfile installs the newest {server}");
    folder.findings.push(Diagnostic::warning(title).help(format!("pin it: add `{server}==<version>` to {list}")));
    Some(server)
}

/// Whether Django's settings say where static files are collected.
fn collects(folder: &Folder) -> bool {
    folder.has("manage.py")
        && folder.sources(&["settings.py", "production.py", "base.py"]).iter().any(|path| {
            let source = folder.source(path);
            source.is_some_and(|source| source.text.lines().any(|line| line.trim_start().starts_with("STATIC_ROOT")))
        })
}

/// Tests that run in the image: the packages they need are those of the app.
fn test(folder: &Folder, packages: &Packages) -> Option<CommandText> {
    if packages.has("pytest") {
        return Some(command("python -m pytest -p no:cacheprovider", "pytest is among the app's packages"));
    }
    if folder.has("manage.py") {
        return None; // needs a database
    }
    let tests = folder.sources(&[".py"]).into_iter().filter(|path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name == "tests.py" || name.starts_with("test_")
    });
    for path in tests {
        let source = folder.source(&path)?;
        if source.text.contains("import pytest") {
            return None;
        }
        if source.text.contains("unittest") {
            return Some(match path.as_str() {
                "tests.py" => command("python -m unittest tests", path),
                _ => command("python -m unittest discover", path),
            });
        }
    }
    None
}
