//! heroku.yml to typed sections (R2). It says what the file says; what follows from it is `assembly.rs`'s business.

use super::node::{Entry, Located, Node, Reader, Value};
use super::{addons, command, heroku_keys, yaml};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::model::app::{Addon, CommandText};
use crate::model::process_type::ProcessType;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// The file, section by section.
#[derive(Debug)]
pub(super) struct HerokuYml {
    /// The file, to point at.
    pub(super) file: Arc<SourceFile>,
    /// `setup.addons`.
    pub(super) addons: Vec<Addon>,
    /// `setup.config`.
    pub(super) config: Vec<Setting>,
    /// `build.docker`; `None` when the file has no such section.
    pub(super) images: Option<Vec<ImageEntry>>,
    /// `build.config`: build args.
    pub(super) args: BTreeMap<String, String>,
    /// `release`.
    pub(super) release: Option<ReleaseEntry>,
    /// `run`; `None` when the file has no such section.
    pub(super) run: Option<Vec<RunEntry>>,
    /// The key `run`, to point at.
    pub(super) run_span: Option<Range<usize>>,
}

/// One name and value of `setup.config`.
#[derive(Debug)]
pub(super) struct Setting {
    /// The name, at its place.
    pub(super) name: Located<String>,
    /// The value, as written.
    pub(super) value: String,
}

/// One entry of `build.docker`.
#[derive(Debug)]
pub(super) struct ImageEntry {
    /// The process type that the image is built for.
    pub(super) process_type: ProcessType,
    /// Path from the root of the project.
    pub(super) dockerfile: Located<String>,
    /// Multi-stage target.
    pub(super) target: Option<String>,
}

/// `release`.
#[derive(Debug)]
pub(super) struct ReleaseEntry {
    /// The key, to point at.
    pub(super) span: Range<usize>,
    /// `release.command`.
    pub(super) command: Option<CommandText>,
    /// `release.image`.
    pub(super) image: Option<Located<String>>,
}

/// One entry of `run`.
#[derive(Debug)]
pub(super) struct RunEntry {
    /// The process type, at its place.
    pub(super) process_type: Located<ProcessType>,
    /// The command; `None` when only an image is named.
    pub(super) command: Option<CommandText>,
    /// `image`.
    pub(super) image: Option<Located<String>>,
}

/// Reads the file as far as it can be read, with everything that is wrong with it.
pub(super) fn parse(file: &Arc<SourceFile>) -> (HerokuYml, Vec<Diagnostic>) {
    let mut yml = HerokuYml {
        file: Arc::clone(file),
        addons: Vec::new(),
        config: Vec::new(),
        images: None,
        args: BTreeMap::new(),
        release: None,
        run: None,
        run_span: None,
    };
    match yaml::parse(file) {
        Err(fault) => (yml, vec![fault]),
        Ok(root) => {
            let mut reader = Reader::new(file);
            yml.read(&mut reader, &root);
            (yml, reader.findings)
        }
    }
}

impl HerokuYml {
    fn read(&mut self, reader: &mut Reader, root: &Node) {
        if root.value == Value::Null {
            reader.findings.push(
                Diagnostic::error("heroku.yml is empty")
                    .at_line(&self.file, 1, "nothing stands here")
                    .help("write at least a `build:` section:\nbuild:\n  docker:\n    web: Dockerfile"),
            );
            return;
        }
        for entry in reader.map(root, "heroku.yml", "build:") {
            match entry.key.as_str() {
                "setup" => self.setup(reader, &entry.node),
                "build" => self.build(reader, &entry.node),
                "release" => self.release(reader, entry),
                "run" => {
                    self.run_span = Some(entry.key_span.clone());
                    self.run(reader, &entry.node);
                }
                _ => heroku_keys::unknown(reader, "", entry, &["setup", "build", "release", "run"]),
            }
        }
    }

    fn setup(&mut self, reader: &mut Reader, node: &Node) {
        for entry in reader.map(node, "setup", "addons:") {
            match entry.key.as_str() {
                "addons" => self.addons(reader, &entry.node),
                "config" => {
                    let settings = settings(reader, &entry.node, "setup.config");
                    self.config.extend(settings);
                }
                _ => heroku_keys::unknown(reader, "setup", entry, &["addons", "config"]),
            }
        }
    }

    fn addons(&mut self, reader: &mut Reader, node: &Node) {
        const EXAMPLE: &str = "- plan: heroku-postgresql";
        match &node.value {
            Value::List(items) => {
                for item in items {
                    match &item.value {
                        Value::Map(entries) => self.addons.extend(addon(reader, item, entries)),
                        _ => reader.wrong_kind(item, "setup.addons[]", "a map with `plan`", EXAMPLE),
                    }
                }
            }
            Value::Null => drop(reader.map(node, "setup.addons", EXAMPLE)),
            _ => reader.wrong_kind(node, "setup.addons", "a list", EXAMPLE),
        }
    }

    fn build(&mut self, reader: &mut Reader, node: &Node) {
        for entry in reader.map(node, "build", "docker:") {
            match entry.key.as_str() {
                "docker" => {
                    let images: Vec<ImageEntry> = reader
                        .map(&entry.node, "build.docker", "web: Dockerfile")
                        .iter()
                        .filter_map(|image| self::image(reader, image))
                        .collect();
                    if !matches!(entry.node.value, Value::Null) {
                        self.images = Some(images);
                    }
                }
                "config" => {
                    let settings = settings(reader, &entry.node, "build.config");
                    self.args.extend(settings.into_iter().map(|s| (s.name.value, s.value)));
                }
                "languages" | "packages" | "pipelines" => buildpacks(reader, entry),
                _ => heroku_keys::unknown(reader, "build", entry, &["docker", "config"]),
            }
        }
    }

    fn release(&mut self, reader: &mut Reader, section: &Entry) {
        let mut release = ReleaseEntry { span: section.key_span.clone(), command: None, image: None };
        let mut broken = false;
        for entry in reader.map(&section.node, "release", "release:\n  command:\n    - rake db:migrate") {
            match entry.key.as_str() {
                "command" => {
                    release.command = command::read(reader, &entry.node, "release.command");
                    broken |= release.command.is_none();
                }
                "image" => release.image = reader.filled_text(&entry.node, "release.image", "image: web"),
                _ => heroku_keys::unknown(reader, "release", entry, &["command", "image"]),
            }
        }
        if matches!(section.node.value, Value::Map(_)) && !broken {
            self.release = Some(release);
        }
    }

    fn run(&mut self, reader: &mut Reader, node: &Node) {
        let entries = reader.map(node, "run", "web: node server.js");
        if matches!(node.value, Value::Map(_)) {
            self.run = Some(entries.iter().filter_map(|entry| run_entry(reader, entry)).collect());
        }
    }
}

fn run_entry(reader: &mut Reader, entry: &Entry) -> Option<RunEntry> {
    let path = format!("run.{}", entry.key);
    let process_type = process_type(reader, entry, "run")?;
    if process_type.value.is_release() {
        let title = "`run.release` is not a process type: the release phase has its own section".to_owned();
        reader.error(&entry.key_span, title, "expected a process type", "write it as\nrelease:\n  command:\n    - …");
        return None;
    }
    let mut run = RunEntry { process_type, command: None, image: None };
    let Value::Map(keys) = &entry.node.value else {
        run.command = Some(command::read(reader, &entry.node, &path)?);
        return Some(run);
    };
    for key in keys {
        match key.key.as_str() {
            "command" => run.command = Some(command::read(reader, &key.node, &path)?),
            "image" => run.image = reader.filled_text(&key.node, &format!("{path}.image"), "image: web"),
            _ => heroku_keys::unknown(reader, &path, key, &["command", "image"]),
        }
    }
    if run.command.is_none() && run.image.is_none() {
        reader.error(
            &entry.key_span,
            format!("`{path}` has neither `command` nor `image`"),
            "nothing to run",
            format!("write it as `{}: <command>`", entry.key),
        );
        return None;
    }
    Some(run)
}

fn image(reader: &mut Reader, entry: &Entry) -> Option<ImageEntry> {
    let path = format!("build.docker.{}", entry.key);
    let example = format!("{}: Dockerfile", entry.key);
    let process_type = process_type(reader, entry, "build.docker")?.value;
    let Value::Map(keys) = &entry.node.value else {
        let dockerfile = reader.filled_text(&entry.node, &path, &example)?;
        return Some(ImageEntry { process_type, dockerfile, target: None });
    };
    let (mut dockerfile, mut target) = (None, None);
    for key in keys {
        match key.key.as_str() {
            "dockerfile" => {
                dockerfile =
                    Some(reader.filled_text(&key.node, &format!("{path}.dockerfile"), "dockerfile: Dockerfile")?);
            }
            "target" => target = reader.filled_text(&key.node, &format!("{path}.target"), "target: production"),
            _ => heroku_keys::unknown(reader, &path, key, &["dockerfile", "target"]),
        }
    }
    let Some(dockerfile) = dockerfile else {
        let title = format!("`{path}` names no `dockerfile`");
        reader.error(&entry.key_span, title, "expected the path of a Dockerfile", format!("write it as `{example}`"));
        return None;
    };
    Some(ImageEntry { process_type, dockerfile, target: target.map(|t| t.value) })
}

fn process_type(reader: &mut Reader, entry: &Entry, section: &str) -> Option<Located<ProcessType>> {
    match ProcessType::new(entry.key.as_str()) {
        Ok(value) => Some(Located { value, span: entry.key_span.clone() }),
        Err(bad) => {
            let title = format!("in `{section}`: {bad}");
            reader.error(&entry.key_span, title, "expected a process type", "a name such as `web` or `worker`");
            None
        }
    }
}

fn addon(reader: &mut Reader, item: &Node, entries: &[Entry]) -> Option<Addon> {
    let (mut plan, mut attached_as) = (None, None);
    for entry in entries {
        match entry.key.as_str() {
            "plan" => plan = reader.filled_text(&entry.node, "setup.addons[].plan", "plan: heroku-postgresql"),
            "as" => attached_as = reader.filled_text(&entry.node, "setup.addons[].as", "as: DATABASE"),
            _ => heroku_keys::unknown(reader, "setup.addons[]", entry, &["plan", "as"]),
        }
    }
    if plan.is_none() && !entries.iter().any(|e| e.key == "plan") {
        let title = "an entry of `setup.addons` has no `plan`".to_owned();
        reader.error(&item.span, title, "expected `plan`", "write it as `- plan: heroku-postgresql`");
    }
    let line = reader.line(&plan.as_ref()?.span);
    Some(addons::addon(plan?.value, attached_as.map(|a| a.value), format!("{}:{line}", reader.file.name)))
}

fn settings(reader: &mut Reader, node: &Node, path: &str) -> Vec<Setting> {
    let entries = reader.map(node, path, "NAME: value");
    let mut settings = Vec::new();
    for entry in entries {
        let example = format!("{}: \"\"", entry.key);
        if let Some(value) = reader.text(&entry.node, &format!("{path}.{}", entry.key), &example) {
            let name = Located { value: entry.key.clone(), span: entry.key_span.clone() };
            settings.push(Setting { name, value: value.value });
        }
    }
    settings
}

fn buildpacks(reader: &mut Reader, entry: &Entry) {
    let title = format!("`build.{}` asks for buildpacks; dynosim runs Docker images only", entry.key);
    let help = "write a Dockerfile and name it in place of this section:\nbuild:\n  docker:\n    web: Dockerfile";
    reader.error(&entry.key_span, title, "this is the buildpack form of heroku.yml", help);
}

#[cfg(test)]
mod tests {
    use super::{HerokuYml, parse};
    use crate::diagnostic::{Diagnostic, Severity, SourceFile};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn read(text: &str) -> (HerokuYml, Vec<Diagnostic>) {
        parse(&Arc::new(SourceFile { name: "heroku.yml".into(), text: text.into() }))
    }

    fn clean(text: &str) -> HerokuYml {
        let (yml, findings) = read(text);
        assert!(findings.is_empty(), "{}", findings.iter().map(|f| f.render(false)).collect::<String>());
        yml
    }

    /// The only error of `text`: its line, and everything it says.
    fn refused(text: &str) -> (usize, String) {
        let errors: Vec<Diagnostic> = read(text).1.into_iter().filter(|f| f.severity == Severity::Error).collect();
        let [error] = errors.as_slice() else {
            panic!("{text}: {}", errors.iter().map(|f| f.render(false)).collect::<String>())
        };
        assert!(error.help.is_some(), "no fix for {text}");
        (error.line().unwrap(), error.render(false))
    }

    #[test]
    fn r2_and_r13_3_every_section_of_a_full_manifest_is_read() {
        let yml = clean(concat!(
            "setup:\n  addons:\n    - plan: heroku-postgresql:essential-0\n      as: DATABASE\n",
            "  config:\n    BUCKET: pictures\n    WORKERS: 2\n    DEBUG: false\n",
            "build:\n  docker:\n    web: ./web/Dockerfile\n    worker:\n      dockerfile: Dockerfile.jobs\n      target: slim\n",
            "  config:\n    PORT: 5000\n    NODE_VERSION: 20.10\n",
            "release:\n  command:\n    - ./migrate.sh\n  image: worker\n",
            "run:\n  web: node server.js --port $PORT\n  mailer:\n    command:\n      - node mail.js\n    image: worker\n",
        ));
        assert_eq!(yml.addons[0].plan, "heroku-postgresql:essential-0");
        assert_eq!(yml.addons[0].origin, "heroku.yml:3");
        let config: Vec<(&str, &str)> = yml.config.iter().map(|s| (s.name.value.as_str(), s.value.as_str())).collect();
        assert_eq!(config, [("BUCKET", "pictures"), ("WORKERS", "2"), ("DEBUG", "false")]);
        let images = yml.images.unwrap();
        assert_eq!(images[1].dockerfile.value, "Dockerfile.jobs");
        assert_eq!(images[1].target.as_deref(), Some("slim"));
        assert_eq!(yml.args["NODE_VERSION"], "20.10");
        let release = yml.release.unwrap();
        assert_eq!(release.command.unwrap().text, "./migrate.sh");
        assert_eq!(release.image.unwrap().value, "worker");
        let run = yml.run.unwrap();
        let command = run[0].command.as_ref().unwrap();
        assert_eq!(
            (command.text.as_str(), command.origin.as_str()),
            ("node server.js --port $PORT", "heroku.yml:23 run.web")
        );
        assert_eq!(run[1].image.as_ref().unwrap().value, "worker");
    }

    #[test]
    fn r2_run_below_build_is_refused_with_heroku_s_words_and_the_fix() {
        let (line, said) = refused("build:\n  docker:\n    web: Dockerfile\n  run:\n    web: python bot.py\n");
        assert_eq!(line, 4);
        for part in ["`build.run`", "build.run in body is a forbidden property", "top level"] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }

    #[test]
    fn r2_buildpack_manifests_are_refused_with_the_reason() {
        for key in ["languages", "packages", "pipelines"] {
            let (line, said) = refused(&format!("build:\n  {key}:\n    - go\nrun:\n  web: admin\n"));
            assert_eq!(line, 2);
            assert!(said.contains("buildpack") && said.contains("web: Dockerfile"), "{said}");
        }
    }

    #[test]
    fn keys_in_the_wrong_place_name_the_right_one() {
        for (text, line, help) in [
            ("web: node x.js\n", 1, "`run.web`"),
            ("build:\n  web: Dockerfile\n", 2, "`build.docker.web`"),
            ("addons:\n  - plan: x\n", 1, "`setup`"),
            ("biuld:\n  docker: {web: Dockerfile}\n", 1, "`build`"),
            ("docker:\n  web: Dockerfile\n", 1, "`build`"),
            ("run:\n  web:\n    dockerfile: x\n    command: y\n", 3, "`build.docker.<type>`"),
            ("release:\n  commands: [x]\n", 2, "`command`"),
            ("formation:\n  web: 1\n", 1, "app.json"),
            ("services:\n  web: {}\n", 1, "Compose"),
            ("setup:\n  env:\n    A: b\n", 2, "`config`"),
            ("nonsense: 1\n", 1, "`setup`, `build`, `release`, `run`"),
        ] {
            let (at, said) = refused(text);
            assert_eq!(at, line, "{said}");
            let fix = &said[said.find("help").unwrap()..];
            assert!(fix.contains(help), "{help} in {said}");
        }
    }

    #[test]
    fn values_of_the_wrong_kind_are_refused_with_an_example() {
        for (text, line) in [
            ("build: Dockerfile\n", 1),
            ("build:\n  docker: Dockerfile\n", 2),
            ("build:\n  docker:\n    web:\n", 3),
            ("build:\n  docker:\n    web: {target: x}\n", 3),
            ("build:\n  docker:\n    web: [a]\n", 3),
            ("build:\n  docker:\n    my web: Dockerfile\n", 3),
            ("build:\n  config:\n    A:\n", 3),
            ("setup:\n  addons:\n    - heroku-postgresql\n", 3),
            ("setup:\n  addons:\n    - as: DATABASE\n", 3),
            ("setup:\n  addons: heroku-redis\n", 2),
            ("run:\n  release: rake db:migrate\n", 2),
            ("run:\n  web: {}\n", 2),
            ("run: node server.js\n", 1),
            ("release: rake db:migrate\n", 1),
            ("- web\n", 1),
            ("", 1),
        ] {
            assert_eq!(refused(text).0, line, "{text}");
        }
    }

    #[test]
    fn empty_sections_are_said_and_stop_nothing() {
        let (yml, findings) = read("build:\n  docker:\n    web: Dockerfile\nrun:\n#  web: x\n");
        assert!(yml.run.is_none());
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].severity, findings[0].line()), (Severity::Warning, Some(4)));
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let (_, findings) = read("run:\n  web:\nrelease:\n  cmd: x\nbuild:\n  docker:\n    web: 1\n  run: x\n");
        assert_eq!(findings.iter().map(|f| f.line().unwrap()).collect::<Vec<_>>(), [2, 4, 8]);
    }

    proptest! {
        #[test]
        fn no_manifest_panics(keys in proptest::collection::vec(
            "(build|run|release|setup|docker|web|command|image|config|addons|plan| |  |    |- |: |\n|x|é|\\[|\\{|#|1)", 0..40)) {
            let text = keys.concat();
            for finding in read(&text).1 {
                prop_assert!(!finding.render(false).is_empty());
            }
        }
    }
}
