//! A folder to an [`App`]: reads the files, puts together what they say, and collects everything that is wrong.

use super::app_json::{self, AppJson};
use super::assembly::{Assembled, Sources, assemble};
use super::config::{self, Layers, MissingVar};
use super::env_file::{self, EnvFile};
use super::heroku_yml::{self, HerokuYml};
use super::procfile::{self, Process};
use super::{addons, app_name, dockerfiles, files, quantities};
use crate::diagnostic::{Diagnostic, Severity, SourceFile};
use crate::model::app::{App, TestEnvironment};
use crate::model::config_vars::Origin;
use crate::model::process_type::ProcessType;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What to load, and what the command line says about it. No `Debug`: it holds secrets.
#[derive(Clone, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct LoadOptions {
    /// The project's folder.
    pub root: PathBuf,
    /// `-R`: Dockerfiles of folders count, as `container:push -R` finds them.
    pub recursive: bool,
    /// `-e FILE`, in order, over `.env`.
    pub env_files: Vec<EnvFileOption>,
    /// Leave `.env` out.
    pub without_dot_env: bool,
    /// This Procfile instead of the folder's own.
    pub procfile: Option<EnvFileOption>,
    /// A Procfile, where there is one, is all that counts: no image is made.
    pub procfile_alone: bool,
    /// What web runs where there is no Procfile.
    pub start_command: Option<String>,
    /// Whether `$NAME` in `.env` files is replaced by variables set above it.
    pub interpolate: bool,
    /// `--arg`: build args over those of `build.config`.
    pub build_args: BTreeMap<String, String>,
    /// `--context-path`, absolute: the build context of every image, instead of the Dockerfile's folder.
    pub context_path: Option<PathBuf>,
    /// `-f`: the Dockerfile of web, absolute, where no heroku.yml names images.
    pub dockerfile: Option<PathBuf>,
    /// Secrets of app.json that were generated at an earlier start, by name.
    pub generated: BTreeMap<String, String>,
}

/// One `-e FILE`, or another file named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFileOption {
    /// Where it is, absolute.
    pub path: PathBuf,
    /// As the user named it; shown in origins and messages.
    pub name: String,
}

/// A project that can be built; [`Loaded::require_config`] says whether it can also run.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The app.
    pub app: App,
    /// Warnings and notes, in the order of the files.
    pub findings: Vec<Diagnostic>,
    /// The files that were read, absolute.
    pub sources: Vec<PathBuf>,
    /// Variables that app.json requires and nobody sets.
    pub missing: Vec<MissingVar>,
    /// Secrets that app.json wants generated and that [`LoadOptions::generated`] does not have: make them, keep them,
    /// and hand them to [`Loaded::supply_secret`].
    pub wanted_secrets: BTreeSet<String>,
    test_missing: Vec<MissingVar>,
    base_secrets: BTreeSet<String>,
    test_secrets: BTreeSet<String>,
}

impl Loaded {
    /// What stops dynos from starting: required variables without a value, and a config over Heroku's limit (R4, R8).
    pub fn require_config(&self) -> Result<(), Vec<Diagnostic>> {
        let mut errors: Vec<Diagnostic> = self.missing.iter().map(MissingVar::finding).collect();
        errors.extend(config::too_large(&self.app.config));
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The same for the app under test: what `environments.test` asks for (R4).
    pub fn require_test_config(&self) -> Result<(), Vec<Diagnostic>> {
        let Some(test) = &self.app.test_environment else { return self.require_config() };
        let mut errors: Vec<Diagnostic> = self.test_missing.iter().map(MissingVar::finding).collect();
        errors.extend(config::too_large(&test.config));
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Takes in a secret that was generated for one of [`Loaded::wanted_secrets`].
    pub fn supply_secret(&mut self, name: &str, value: &str) {
        if self.base_secrets.contains(name) {
            self.app.config.set(name, value, Origin::Generated);
        }
        if let Some(test) = self.app.test_environment.as_mut().filter(|_| self.test_secrets.contains(name)) {
            test.config.set(name, value, Origin::Generated);
        }
        self.wanted_secrets.remove(name);
    }
}

/// A project that is refused, and what of it can be looked at all the same.
#[derive(Clone, Debug, Default)]
pub struct Refused {
    /// Every error, with the warnings and notes that go with them.
    pub findings: Vec<Diagnostic>,
    /// The project without what is wrong with it; `None` where that leaves no Dockerfile. Its findings are not among those above.
    pub rest: Option<Box<Loaded>>,
    /// Whether the rest has every command that heroku.yml gives.
    pub commands_known: bool,
}

/// Reads the project. On failure every error comes back, with the warnings and notes that go with them.
pub fn load(options: &LoadOptions) -> Result<Loaded, Vec<Diagnostic>> {
    load_or_rest(options).map_err(|refused| refused.findings)
}

/// The same for whoever looks at files and runs nothing.
pub fn load_or_rest(options: &LoadOptions) -> Result<Loaded, Refused> {
    match read_all(options) {
        Ok(mut loaded) => {
            coded(&mut loaded.findings);
            Ok(loaded)
        }
        Err(mut refused) => {
            coded(&mut refused.findings);
            refused.rest.iter_mut().for_each(|rest| coded(&mut rest.findings));
            Err(refused)
        }
    }
}

/// Gives findings that have no rule of their own the one of the file that they are about (`docs/rules-of-check.md`).
fn coded(findings: &mut [Diagnostic]) {
    for finding in findings.iter_mut().filter(|finding| finding.code.is_none()) {
        finding.code = finding.place.as_ref().and_then(|(file, _)| match file.name.as_str() {
            "heroku.yml" => Some("D045"),
            "Procfile" => Some("D046"),
            // What is only noted there is dynosim's own way, not Heroku's.
            "app.json" => (finding.severity > Severity::Note).then_some("D054"),
            _ => None,
        });
    }
}

fn read_all(options: &LoadOptions) -> Result<Loaded, Refused> {
    let root =
        files::real_folder(&options.root).map_err(|error| Refused { findings: vec![error], ..Refused::default() })?;
    let mut project = Project::default();
    project.read(&root, options);
    let mut refused = Refused { commands_known: true, ..Refused::default() };
    if project.has_errors() {
        refused.findings = std::mem::take(&mut project.findings);
        refused.commands_known = project.leave_out(&root, &refused.findings);
    }
    let assembled = project.assemble(&root, options);
    let found_any = !assembled.builds.is_empty();
    if project.has_errors() {
        let found = std::mem::take(&mut project.findings);
        // Of files that were left out, these say only that they are missed.
        let news = refused.findings.is_empty() || found_any && refused.commands_known;
        refused.findings.extend(found.into_iter().filter(|_| news));
        refused.commands_known = false;
    }
    let mut loaded = project.finish(root, options, assembled);
    if refused.findings.is_empty() && loaded.findings.iter().all(|finding| finding.severity < Severity::Error) {
        return Ok(loaded);
    }
    if refused.findings.is_empty() {
        refused.findings = std::mem::take(&mut loaded.findings);
    }
    refused.rest = found_any.then(|| Box::new(loaded));
    Err(refused)
}

fn is_wrong(findings: &[Diagnostic], file: &SourceFile) -> bool {
    let about = |finding: &Diagnostic| finding.place.as_ref().is_some_and(|(place, _)| place.name == file.name);
    findings.iter().any(|finding| finding.severity == Severity::Error && about(finding))
}

/// The files of a project, parsed.
#[derive(Default)]
struct Project {
    yml: Option<HerokuYml>,
    procfile: Option<(PathBuf, Arc<SourceFile>, Vec<Process>)>,
    alone: bool,
    json: Option<AppJson>,
    env: Vec<EnvFile>,
    sources: Vec<PathBuf>,
    findings: Vec<Diagnostic>,
}

impl Project {
    fn read(&mut self, root: &Path, options: &LoadOptions) {
        self.findings.extend(files::misnamed(root));
        self.read_procfile(root, options);
        self.alone = options.procfile_alone && self.procfile.is_some();
        if let Some(file) = (!self.alone).then(|| self.file(root.join("heroku.yml"), "heroku.yml")).flatten() {
            let (yml, findings) = heroku_yml::parse(&file);
            self.yml = Some(yml);
            self.findings.extend(findings);
        }
        if let Some(file) = self.file(root.join("app.json"), "app.json") {
            let (json, findings) = app_json::parse(&file);
            self.json = Some(json);
            self.findings.extend(findings);
        }
        let mut known = options.interpolate.then(BTreeMap::new);
        let dot_env = (!options.without_dot_env).then(|| self.file(root.join(".env"), ".env")).flatten();
        if let Some(file) = dot_env {
            self.env_file(&file, known.as_mut());
        }
        for option in &options.env_files {
            match self.file(option.path.clone(), &option.name) {
                Some(file) => self.env_file(&file, known.as_mut()),
                None if !option.path.exists() => self
                    .findings
                    .push(Diagnostic::error(format!("there is no file {}", option.name)).help("it was named with -e")),
                None => {}
            }
        }
    }

    fn read_procfile(&mut self, root: &Path, options: &LoadOptions) {
        let (path, name) = match &options.procfile {
            Some(named) => (named.path.clone(), named.name.as_str()),
            None => (root.join("Procfile"), "Procfile"),
        };
        let found = self.file(path.clone(), name);
        if found.is_none() && options.procfile.is_some() && !path.exists() {
            let missing = Diagnostic::error(format!("there is no file {name}"));
            self.findings.push(missing.help("it was named with -f"));
        }
        let given = || {
            let text = format!("web: {}\n", options.start_command.as_ref()?);
            Some(Arc::new(SourceFile { name: "--start-cmd".into(), text }))
        };
        if found.is_some() && options.start_command.is_some() {
            let text = format!("--start-cmd is ignored: {name} says what runs");
            self.findings.push(Diagnostic::warning(text).help("leave it out, or edit the file"));
        }
        if let Some(file) = found.or_else(given) {
            let (processes, findings) = procfile::parse(&file);
            self.procfile = Some((path, file, processes));
            self.findings.extend(findings);
        }
    }

    fn env_file(&mut self, file: &SourceFile, known: Option<&mut BTreeMap<String, String>>) {
        let (env, findings) = env_file::parse(&file.name, &file.text, known);
        self.env.push(env);
        self.findings.extend(findings.into_iter().map(|finding| match finding.code {
            Some(_) => finding,
            None => finding.code("D052"),
        }));
    }

    /// A file that is there; one that cannot be read becomes a finding.
    fn file(&mut self, path: PathBuf, name: &str) -> Option<Arc<SourceFile>> {
        match files::read(&path, name) {
            Ok(file) => {
                // A pipe (`-e <(…)`) can be read once, and never changes.
                self.sources.extend(path.is_file().then_some(path));
                file
            }
            Err(fault) => {
                self.findings.push(fault);
                None
            }
        }
    }

    fn assemble(&mut self, root: &Path, options: &LoadOptions) -> Assembled {
        let named = self.yml.as_ref().and_then(|yml| yml.images.as_ref()).is_some_and(|images| !images.is_empty());
        let found = match &options.dockerfile {
            _ if named || self.alone => Ok((Vec::new(), Vec::new())),
            Some(path) => {
                Ok((vec![dockerfiles::Found { process_type: ProcessType::web(), path: path.clone() }], Vec::new()))
            }
            None => dockerfiles::discover(root, options.recursive),
        };
        let found = match found {
            Ok((found, findings)) => {
                self.findings.extend(findings);
                found
            }
            Err(error) => {
                let title = format!("the folder {} cannot be listed: {error}", root.display());
                self.findings.push(Diagnostic::error(title));
                Vec::new()
            }
        };
        let mut assembled = assemble(&Sources {
            root,
            yml: self.yml.as_ref(),
            procfile: self.procfile.as_ref().map(|(_, file, processes)| (file, processes.as_slice())),
            procfile_path: self.procfile.as_ref().map(|(path, ..)| path.as_path()),
            dockerfiles: &found,
            context: options.context_path.as_deref(),
            args: &options.build_args,
        });
        self.findings.append(&mut assembled.findings);
        assembled
    }

    fn finish(mut self, root: PathBuf, options: &LoadOptions, assembled: Assembled) -> Loaded {
        let layers =
            Layers { yml: self.yml.as_ref(), app: self.json.as_ref(), files: &self.env, generated: &options.generated };
        let mut settled = config::settle(&layers);
        let in_test = config::settle_for_test(&layers);
        self.findings.append(&mut settled.findings);
        let json = self.json.as_ref();
        let base = json.map(|json| &json.base);
        let mut addons = self.yml.as_ref().map(|yml| yml.addons.clone()).unwrap_or_default();
        addons::merge(&mut addons, base.and_then(|base| base.addons.clone()).unwrap_or_default());
        let files = self.yml.iter().map(|yml| &yml.file).chain(json.map(|json| &json.file));
        self.findings.extend(addons::report(&addons, &settled.config, &files.collect::<Vec<_>>()));
        let wanted = base.and_then(|base| base.formation.as_deref());
        let formation = quantities::formation(&assembled, json.zip(wanted), &mut self.findings);
        self.findings.extend(quantities::idle_notes(&assembled, &formation));
        let test = json.and_then(|json| Some((json, json.test.as_ref()?)));
        let test_secrets = if test.is_some() { in_test.secrets } else { BTreeSet::new() };
        let test_environment = test.map(|(json, test)| TestEnvironment {
            config: in_test.config,
            formation: test
                .formation
                .as_deref()
                .map(|wanted| quantities::formation(&assembled, Some((json, wanted)), &mut self.findings)),
            addons: test.addons.clone().unwrap_or_else(|| addons.clone()),
            test_setup: test.test_setup.clone(),
            test: test.test.clone(),
        });
        let app = App {
            name: app_name::of(json, &root, &mut self.findings),
            root,
            builds: assembled.builds,
            processes: assembled.processes,
            release: assembled.release,
            config: settled.config,
            formation,
            addons,
            scripts: base.map(|base| base.scripts.clone()).unwrap_or_default(),
            test_environment,
            from_heroku_yml: self.yml.is_some(),
            only_procfile: assembled.only_procfile,
        };
        Loaded {
            app,
            findings: self.findings,
            sources: self.sources,
            missing: settled.missing,
            wanted_secrets: settled.secrets.union(&test_secrets).cloned().collect(),
            test_missing: in_test.missing,
            base_secrets: settled.secrets,
            test_secrets,
        }
    }

    /// Drops the files that have errors; of heroku.yml the images stay. Whether all of its commands are known then.
    fn leave_out(&mut self, root: &Path, findings: &[Diagnostic]) -> bool {
        self.procfile = self.procfile.take().filter(|(_, file, _)| !is_wrong(findings, file));
        self.json = self.json.take().filter(|json| !is_wrong(findings, &json.file));
        let unread = !self.alone && self.yml.is_none() && root.join("heroku.yml").exists();
        let Some(yml) = self.yml.take_if(|yml| is_wrong(findings, &yml.file)) else { return !unread };
        let named = yml.images.as_ref().is_some_and(|images| !images.is_empty());
        self.yml = named.then_some(HerokuYml { run: None, release: None, ..yml });
        false
    }

    fn has_errors(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Error)
    }
}

#[cfg(test)]
mod tests;
