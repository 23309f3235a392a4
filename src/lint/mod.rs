//! What will fail on Heroku and can be seen in the files: rules over what a project deploys. Nothing is built, run or sent.
//!
//! | file | what |
//! |---|---|
//! | `rule`, `rules` | what a rule is; the rules, one small piece each |
//! | `scene` | what they look at: images with their Dockerfiles, process types with what they run |
//! | `run`, `command`, `shell`, `servers`, `told` | a command line followed into scripts, and what is known of the servers in it |
//! | `locate`, `folder`, `sources` | files of the build context; the only reads |
//! | `listen` | where a program of the project's own listens |
//! | `hits`, `fix` | what is found, and changes that mend it |
//! | `ignores`, `settings` | what is let pass, and `dynosim.toml` |
//!
//! A rule speaks only when it is sure. What a variable, a condition or an unknown image decides is passed over.

mod bases;
mod command;
mod fix;
mod folder;
mod hits;
mod ignores;
mod listen;
mod locate;
mod rule;
mod rules;
mod run;
mod scene;
mod servers;
mod settings;
mod shell;
mod sources;
#[cfg(test)]
mod tests;
mod told;

pub use fix::{Change, Fix, fixed};
pub use hits::Finding;
pub use ignores::Passed;
pub use rule::{Check, Rule, Said, severity_word};
pub use rules::RULES;
pub use settings::{NAME as SETTINGS, Settings, read as settings};

use crate::diagnostic::{Diagnostic, Severity, SourceFile};
use crate::manifest::{Loaded, Refused};
use crate::model::image::ImageFacts;
use crate::model::process_type::ProcessType;
use hits::Hits;
use scene::Scene;
use std::sync::Arc;

/// What came of a check.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// By file and line; those without a place first.
    pub findings: Vec<Finding>,
    /// Findings that were let pass, and why.
    pub ignored: Vec<(Finding, Passed)>,
    /// Files that could not be looked at, of no rule's.
    pub unreadable: Vec<Diagnostic>,
    /// Something is refused or unreadable, so that not everything was looked at.
    pub partial: bool,
}

impl Checked {
    /// How many findings are that bad.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|one| one.diagnostic.severity == severity).count()
    }
}

/// The rule of that id or name.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id.eq_ignore_ascii_case(id) || rule.name.eq_ignore_ascii_case(id))
}

/// The id of the rule that a word means; the word itself where there is none.
fn id_of(word: &str) -> String {
    rule(word).map_or(word, |rule| rule.id).to_owned()
}

/// Checks a project that was read, and images of it that are built.
pub fn check(loaded: &Loaded, built: &[(ProcessType, &ImageFacts)], settings: &Settings) -> Checked {
    let scene = Scene::of(loaded);
    let mut found = of_reader(&loaded.findings);
    found.extend(required(loaded));
    by_rules(&scene, &mut found);
    for (name, facts) in built {
        of_image(name, facts, &scene, &mut found);
    }
    sifted(Found { passable: found, ..Found::default() }, &scene, settings)
}

/// Checks what is left of a project that is refused. What refuses it cannot be let pass: nothing runs before it is mended.
pub fn refused(refused: &Refused, settings: &Settings) -> Checked {
    let mut found = of_reader(&refused.findings);
    let Some(rest) = &refused.rest else {
        return sift(Found { fatal: found, partial: true, ..Found::default() }, &[], &[], settings);
    };
    for one in found.iter_mut().filter(|one| one.rule.name == "procfile-ignored") {
        // Heroku reads no Procfile beside images, whatever is wrong with it.
        one.diagnostic.severity = one.diagnostic.severity.min(one.rule.severity);
    }
    let (fatal, mut found): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|one| one.diagnostic.severity == Severity::Error);
    let unreadable = refused.findings.iter().any(|one| one.code.is_none() && one.severity == Severity::Error);
    let partial = unreadable || !fatal.is_empty();
    let mut scene = Scene::of(rest);
    if !refused.commands_known {
        scene.processes.clear();
    }
    if !partial {
        found.extend(of_reader(&rest.findings));
        found.extend(required(rest));
    }
    by_rules(&scene, &mut found);
    sifted(Found { passable: found, fatal, partial }, &scene, settings)
}

/// What was found, before anything is let pass.
#[derive(Default)]
struct Found {
    /// What an ignore lets pass.
    passable: Vec<Finding>,
    /// What nothing lets pass.
    fatal: Vec<Finding>,
    /// Not everything was looked at.
    partial: bool,
}

fn by_rules(scene: &Scene<'_>, found: &mut Vec<Finding>) {
    for rule in RULES {
        let mut hits = Hits { rule, found };
        if let Check::Files(look) | Check::Both(look, _) = rule.check {
            look(scene, &mut hits);
        }
    }
    for one in found.iter_mut().filter(|one| one.fix.is_some()) {
        let name = one.diagnostic.place.as_ref().map(|(file, _)| &file.name);
        // What is no UTF-8 would be written back as something else.
        if scene.images.iter().any(|image| image.lossy && Some(&image.file.name) == name) {
            one.fix = None;
        }
    }
}

fn sifted(found: Found, scene: &Scene<'_>, settings: &Settings) -> Checked {
    let mut found = found;
    found.partial |= !scene.unreadable.is_empty();
    let dockerfiles: Vec<&SourceFile> = scene.images.iter().map(|image| &*image.file).collect();
    let checked = sift(found, &files(scene), &dockerfiles, settings);
    Checked { unreadable: scene.unreadable.clone(), ..checked }
}

/// `files` are all that comments may stand in; those that findings are in are added.
fn sift(found: Found, files: &[Arc<SourceFile>], dockerfiles: &[&SourceFile], settings: &Settings) -> Checked {
    let Some(rule) = RULES.iter().copied().find(|rule| matches!(rule.check, Check::Ignores)) else {
        return Checked::default();
    };
    let partial = found.partial;
    let mut files = files.to_vec();
    for (file, _) in found.fatal.iter().filter_map(|one| one.diagnostic.place.as_ref()) {
        if !files.iter().any(|other| other.name == file.name) {
            files.push(Arc::clone(file));
        }
    }
    let ignores::Sifted { mut kept, ignored } = ignores::sift(found, &files, dockerfiles, settings, rule);
    kept.sort_by_cached_key(|one| {
        let place = one.diagnostic.place.as_ref().map(|(file, span)| (file.name.clone(), span.start));
        (place, one.rule.id)
    });
    Checked { findings: kept, ignored, unreadable: Vec::new(), partial }
}

/// Findings of the reader that belong to a rule.
fn of_reader(findings: &[Diagnostic]) -> Vec<Finding> {
    let of = |diagnostic: &Diagnostic| {
        let rule = rule(diagnostic.code?)?;
        let mut diagnostic = diagnostic.clone();
        // PORT and DYNO are the platform's for certain; of these names Heroku only advises against.
        if rule.name == "platform-config" && diagnostic.title.starts_with("HEROKU_") {
            diagnostic.severity = Severity::Note;
        }
        Some(Finding { rule, diagnostic, fix: None })
    };
    findings.iter().filter_map(of).collect()
}

/// What stops dynos from starting: an error where the config vars are at hand, a note where they are not.
fn required(loaded: &Loaded) -> Vec<Finding> {
    let errors = loaded.require_config().err().unwrap_or_default();
    let at_hand = loaded.sources.iter().any(|file| {
        file.file_name().is_some_and(|name| name == ".env") || file.extension().is_some_and(|kind| kind == "env")
    });
    let mut found = of_reader(&errors);
    for one in found.iter_mut().filter(|one| one.rule.name == "required-config" && !at_hand) {
        one.diagnostic.severity = Severity::Note;
    }
    found
}

/// What is found in an image that is built stands where its base is named: nothing nearer is known.
fn of_image(name: &ProcessType, facts: &ImageFacts, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let image = scene.images.iter().find(|image| image.types.contains(name));
    for rule in RULES {
        let (Check::Image(look) | Check::Both(_, look)) = rule.check else { continue };
        // The Dockerfile's own line says it better, and of two images of one file it is said once.
        let same_file = |one: &Finding| match (&one.diagnostic.place, image) {
            (Some((file, _)), Some(image)) => file.name == image.file.name,
            _ => true,
        };
        if found.iter().any(|one| one.rule.id == rule.id && same_file(one)) {
            continue;
        }
        if let Some(said) = look(facts) {
            let title = format!("the image of {name} {}", said.title);
            let mut diagnostic = Diagnostic::new(rule.severity, title).help(said.help).code(rule.id);
            if let Some((image, from)) = image.and_then(|image| Some((image, image.from()?))) {
                diagnostic = diagnostic.at(&image.file, from.image.span.clone(), "the image that is built from here");
            }
            found.push(Finding { rule, diagnostic, fix: None });
        }
    }
}

/// The files that findings may stand in, as they are read here.
fn files(scene: &Scene<'_>) -> Vec<Arc<SourceFile>> {
    let mut files: Vec<Arc<SourceFile>> = Vec::new();
    let images = scene.images.iter().flat_map(|image| std::iter::once(&image.file).chain(&image.folder.ignore_file));
    let scripts =
        scene.processes.iter().flat_map(|process| process.run.scripts.iter().map(|script| &script.content.file));
    let manifests = scene.heroku_yml.iter().chain(&scene.procfile);
    let env = scene.loaded.app.root.join(".env");
    let env =
        folder::text_of(&env).map(|text| Arc::new(SourceFile { name: ".env".into(), text: comments_only(&text) }));
    for file in images.chain(scripts).chain(manifests).chain(&env) {
        if !files.iter().any(|other| other.name == file.name) {
            files.push(Arc::clone(file));
        }
    }
    files
}

/// The text with everything but its comments masked: values must not be shown.
fn comments_only(text: &str) -> String {
    let mask = |line: &str| {
        if line.trim_start().starts_with('#') {
            line.to_owned()
        } else {
            line.chars().map(|c| if c == '\n' { c } else { '*' }).collect()
        }
    };
    text.split_inclusive('\n').map(mask).collect()
}
