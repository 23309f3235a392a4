//! What a folder holds, told by its files: language, version, package manager, framework, start command, config vars.
//! Every answer names the file and the line it comes from. Nothing is asked and nothing is run.
//!
//! | file | what |
//! |---|---|
//! | `folder` | reading the files, collecting what is wrong with them |
//! | `node`, `python`, `ruby`, `go`, `rust`, `java`, `php`, `site` | one language each |
//! | `choice` | which language it is when there are signs of several |
//! | `variables` | the config vars that the sources read |

mod choice;
mod folder;
mod go;
mod java;
mod node;
mod php;
mod python;
mod ruby;
mod rust;
mod site;
mod variables;

pub use choice::Language;
pub use go::Go;
pub use java::Java;
pub use node::Node;
pub use php::Php;
pub use python::Python;
pub use ruby::Ruby;
pub use rust::Rust;
pub use site::Site;
pub use variables::Variable;

use super::{dockerfiles, heroku_yml, procfile};
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::app::CommandText;
use crate::model::process_type::ProcessType;
use folder::Folder;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One thing that was found, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What: `Node 20`, `Express`.
    pub what: String,
    /// The file, and the line where it has one: `package.json:7`.
    pub origin: String,
}

/// The language and what its Dockerfile must know of it.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(untagged)]
pub enum Stack {
    /// Node.js.
    Node(Node),
    /// Python.
    Python(Python),
    /// Ruby.
    Ruby(Ruby),
    /// Go.
    Go(Go),
    /// Rust.
    Rust(Rust),
    /// Java and other languages of its machine.
    Java(Java),
    /// PHP.
    Php(Php),
    /// Files that a web server serves.
    Site(Site),
}

impl Stack {
    /// The language's word on the command line.
    pub fn word(&self) -> &'static str {
        let language = match self {
            Self::Node(_) => Language::Node,
            Self::Python(_) => Language::Python,
            Self::Ruby(_) => Language::Ruby,
            Self::Go(_) => Language::Go,
            Self::Rust(_) => Language::Rust,
            Self::Java(_) => Language::Java,
            Self::Php(_) => Language::Php,
            Self::Site(_) => Language::Static,
        };
        language.word()
    }
}

/// A folder, surveyed.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The real path of the folder.
    pub root: PathBuf,
    /// The app's name (R11).
    pub name: String,
    /// The language; `None` when only Dockerfiles tell how to build it.
    pub stack: Option<Stack>,
    /// What was found, in order.
    pub facts: Vec<Fact>,
    /// What each process type runs, web first. A type of a Dockerfile that is there has none.
    pub processes: Vec<(ProcessType, Option<CommandText>)>,
    /// Dockerfiles that are there, by process type.
    pub dockerfiles: BTreeMap<ProcessType, PathBuf>,
    /// Those of them that init has made.
    pub made: BTreeSet<ProcessType>,
    /// What the heroku.yml that is there builds: process types and Dockerfiles.
    pub built: Vec<(ProcessType, String)>,
    /// Whether the app.json that is there has a test script.
    pub has_test: bool,
    /// Config vars that the app reads.
    pub variables: Vec<Variable>,
    /// A test command that runs in the image as it is.
    pub test: Option<CommandText>,
    /// Warnings and notes.
    pub findings: Vec<Diagnostic>,
}

/// What one language says.
struct Found {
    stack: Stack,
    /// What `web` runs where no Procfile says so.
    web: Option<CommandText>,
    /// What to write where, when `web` is not there.
    no_web: String,
    test: Option<CommandText>,
}

/// Surveys `root`. `language` decides where the caller knows better.
pub fn survey(root: &Path, language: Option<Language>) -> Result<Survey, Vec<Diagnostic>> {
    let root = super::files::real_folder(root).map_err(|error| vec![error])?;
    let mut folder = Folder::open(&root);
    folder.findings.extend(super::files::misnamed(&root));
    let procfile = procfile(&mut folder);
    let (dockerfiles, built) = images(&mut folder);
    let made = made(&folder, &dockerfiles);
    let chosen = choice::choose(&mut folder, language, &procfile);
    let found = match chosen {
        Ok(language) => Some(read(&mut folder, language, &procfile)),
        // Dockerfiles tell how the app is built: the language need not be known.
        Err(_) if !dockerfiles.is_empty() => None,
        Err(finding) => {
            folder.findings.push(finding);
            None
        }
    };
    let processes = processes(&mut folder, &procfile, &dockerfiles, found.as_ref());
    let (name, has_test) = app_json(&mut folder, &root);
    let variables = variables::read(&mut folder);
    if folder.findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(folder.findings);
    }
    let (stack, test) = found.map_or((None, None), |found| (Some(found.stack), found.test));
    let Folder { facts, findings, .. } = folder;
    Ok(Survey { root, name, stack, facts, processes, dockerfiles, made, built, has_test, variables, test, findings })
}

fn read(folder: &mut Folder, language: Language, procfile: &[procfile::Process]) -> Found {
    match language {
        Language::Node => node::read(folder),
        Language::Python => python::read(folder),
        Language::Ruby => ruby::read(folder),
        Language::Go => go::read(folder),
        Language::Rust => rust::read(folder),
        Language::Java => java::read(folder),
        Language::Php => php::read(folder, procfile),
        Language::Static => site::read(folder),
    }
}

fn procfile(folder: &mut Folder) -> Vec<procfile::Process> {
    let Some(file) = folder.read("Procfile") else { return Vec::new() };
    let (processes, findings) = procfile::parse(&file);
    folder.findings.extend(findings);
    processes
}

/// What stands in every Dockerfile that init makes, while nobody has taken it out.
const MARK: &str = "made by `dynosim init`";

fn made(folder: &Folder, dockerfiles: &BTreeMap<ProcessType, PathBuf>) -> BTreeSet<ProcessType> {
    let is_made = |path: &Path| folder.source(&path.to_string_lossy()).is_some_and(|file| file.text.contains(MARK));
    dockerfiles.iter().filter(|(_, path)| is_made(path)).map(|(name, _)| name.clone()).collect()
}

/// Dockerfiles by their names, and what a heroku.yml builds, also of Dockerfiles that are still to be written.
fn images(folder: &mut Folder) -> (BTreeMap<ProcessType, PathBuf>, Vec<(ProcessType, String)>) {
    let mut found = BTreeMap::new();
    match dockerfiles::discover(&folder.root, false) {
        Ok((there, findings)) => {
            folder.findings.extend(findings);
            found.extend(there.into_iter().map(|one| (one.process_type, one.path)));
        }
        Err(error) => {
            let title = format!("the folder {} cannot be listed: {error}", folder.root.display());
            folder.findings.push(Diagnostic::error(title));
        }
    }
    let Some(file) = folder.read("heroku.yml") else { return (found, Vec::new()) };
    let (yml, findings) = heroku_yml::parse(&file);
    folder.findings.extend(findings.into_iter().filter(|one| one.severity == Severity::Error));
    let built: Vec<(ProcessType, String)> =
        yml.images.unwrap_or_default().into_iter().map(|image| (image.process_type, image.dockerfile.value)).collect();
    for (process_type, dockerfile) in &built {
        if folder.has(dockerfile) {
            found.insert(process_type.clone(), PathBuf::from(dockerfile));
        }
    }
    (found, built)
}

/// Web first, then the others as they stand.
fn processes(
    folder: &mut Folder,
    procfile: &[procfile::Process],
    dockerfiles: &BTreeMap<ProcessType, PathBuf>,
    found: Option<&Found>,
) -> Vec<(ProcessType, Option<CommandText>)> {
    let mut all: Vec<(ProcessType, Option<CommandText>)> = Vec::new();
    let written = |name: &ProcessType| procfile.iter().find(|process| process.process_type.value == *name);
    // PHP's Procfiles start a server of the buildpack, which no image has.
    let usable = |command: &CommandText| !php::is_buildpack_s(&command.text);
    let web = ProcessType::web();
    let own = written(&web).map(|process| process.command.clone()).filter(usable);
    let command = own.or_else(|| found.and_then(|found| found.web.clone()));
    if command.is_some() || dockerfiles.contains_key(&web) {
        all.push((web.clone(), command));
    } else if let Some(found) = found
        && procfile.is_empty()
        && dockerfiles.is_empty()
    {
        let title = "nothing says how the app is started".to_owned();
        folder.findings.push(Diagnostic::error(title).help(found.no_web.clone()));
    }
    for process in procfile.iter().filter(|process| !process.process_type.value.is_web()) {
        all.push((process.process_type.value.clone(), Some(process.command.clone())));
    }
    for process_type in dockerfiles.keys() {
        if !all.iter().any(|(known, _)| known == process_type) {
            all.push((process_type.clone(), None));
        }
    }
    all
}

/// The app's name, and whether its app.json says how it is tested.
fn app_json(folder: &mut Folder, root: &Path) -> (String, bool) {
    let json = folder.read("app.json").map(|file| super::app_json::parse(&file));
    let json = json.map(|(json, findings)| {
        folder.findings.extend(findings.into_iter().filter(|one| one.severity == Severity::Error));
        json
    });
    let has_test = json.as_ref().and_then(|json| json.test.as_ref()).is_some_and(|test| test.test.is_some());
    (super::app_name::of(json.as_ref(), root, &mut Vec::new()), has_test)
}
