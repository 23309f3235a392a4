//! What the templates are told.

use super::remote::Remote;
use super::{Options, start};
use crate::manifest::{Stack, Survey};
use crate::model::process_type::ProcessType;
use serde::Serialize;

/// Everything that any template asks for.
#[derive(Debug, Serialize)]
pub(super) struct Context {
    /// The app's name.
    pub(super) app: String,
    /// The language's word; empty when there is none.
    pub(super) language: &'static str,
    /// What the language's Dockerfile must know.
    pub(super) s: Option<Stack>,
    /// Images of heroku.yml.
    images: Vec<Image>,
    /// Dockerfiles to be written, and those that are there and could be.
    #[serde(skip)]
    pub(super) planned: Vec<Image>,
    /// Whether `release` has an image of its own.
    release: bool,
    /// The release command, when it runs on the web image.
    release_command: Option<String>,
    /// Commands of the Procfile's types.
    run: Vec<Run>,
    /// A command that migrates the database, when the framework has one and nothing runs it.
    migrate: Option<&'static str>,
    /// Types of the formation.
    formation: Vec<String>,
    /// The test command for app.json.
    test: Option<String>,
    /// What follows `dynosim test` in a workflow.
    test_words: String,
    /// The types that are pushed and released.
    types: String,
    /// The branch that is released.
    branch: String,
    variables: Vec<Line>,
    /// Names for .dockerignore.
    ignored: Vec<&'static str>,
}

/// One image.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Image {
    pub(super) name: String,
    pub(super) dockerfile: String,
    /// The words of `CMD`.
    #[serde(skip)]
    pub(super) words: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Run {
    name: String,
    command: String,
    /// Whose image it is, when it is not its own.
    image: Option<&'static str>,
}

/// One line of .env.example.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    description: Option<String>,
    value: String,
    origin: String,
}

impl Context {
    pub(super) fn of(survey: &Survey, remote: &Remote, options: &Options) -> Self {
        let web = ProcessType::web();
        let own_web = survey.dockerfiles.contains_key(&web) && !survey.made.contains(&web);
        let (mut images, mut planned, mut run) = (Vec::new(), Vec::new(), Vec::new());
        let mut release_command = None;
        let commands = || survey.processes.iter().filter_map(|(_, command)| command.as_ref());
        let procfile = commands().any(|command| command.origin.starts_with("Procfile:"));
        for (process_type, command) in &survey.processes {
            let name = process_type.as_str().to_owned();
            let there = survey.dockerfiles.get(process_type);
            let text = command.as_ref().map(|command| command.text.clone());
            let dockerfile = there.map_or_else(|| dockerfile(process_type), |path| path.display().to_string());
            let image = Image { name: name.clone(), dockerfile, words: start::words(text.as_deref().unwrap_or("")) };
            // heroku.yml says what a Procfile says: without that, the Procfile would be looked at beside it.
            let of_procfile = text.clone().filter(|_| procfile && !process_type.is_release());
            let own = of_procfile.map(|command| Run { name: name.clone(), command, image: None });
            if there.is_some() {
                if survey.stack.is_some() && text.is_some() {
                    planned.push(image.clone());
                }
                images.push(image);
                run.extend(own);
            } else if survey.stack.is_none() || own_web {
                // What builds the web image is not of init's making: others run on that image.
                let Some(command) = text else { continue };
                if process_type.is_release() {
                    release_command = Some(command);
                } else {
                    run.push(Run { name, command, image: Some("web") });
                }
            } else {
                images.push(image.clone());
                planned.push(image);
                run.extend(own);
            }
        }
        let built =
            |image: &Image| survey.built.is_empty() || survey.built.iter().any(|(name, _)| name.as_str() == image.name);
        let types: Vec<&str> = images.iter().filter(|image| built(image)).map(|image| image.name.as_str()).collect();
        let formation = survey.processes.iter().map(|(name, _)| name).filter(|name| !name.is_release());
        let release = images.iter().any(|image| image.name == "release");
        let writes_app_json = !survey.root.join("app.json").exists();
        Self {
            app: options.app.clone().unwrap_or_else(|| survey.name.clone()),
            language: survey.stack.as_ref().map_or("", Stack::word),
            types: types.join(" "),
            formation: formation.map(|name| name.as_str().to_owned()).collect(),
            test: survey.test.as_ref().map(|test| test.text.clone()),
            test_words: test_words(survey, writes_app_json),
            branch: remote.branch.clone().unwrap_or_else(|| "main".to_owned()),
            variables: survey.variables.iter().map(Line::of).collect(),
            ignored: ignored(survey.stack.as_ref()),
            migrate: migrate(survey).filter(|_| !release && release_command.is_none()),
            s: survey.stack.clone(),
            release,
            images,
            planned,
            release_command,
            run,
        }
    }
}

impl Line {
    fn of(variable: &crate::manifest::Variable) -> Self {
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let value = variable.value.as_deref().unwrap_or_default();
        Self {
            name: variable.name.clone(),
            description: variable.description.as_deref().map(flat),
            value: if value.contains(['\n', '#', '"', '\'', ' ']) { String::new() } else { value.to_owned() },
            origin: variable.origin.clone(),
        }
    }
}

/// The Dockerfile of a type, as `container:push` finds it (R1.1).
fn dockerfile(process_type: &ProcessType) -> String {
    if process_type.is_web() { "Dockerfile".to_owned() } else { format!("Dockerfile.{process_type}") }
}

/// A test that is in app.json needs no words; one that is not is named; without any, the front page must answer.
fn test_words(survey: &Survey, writes_app_json: bool) -> String {
    match &survey.test {
        _ if survey.has_test => String::new(),
        Some(_) if writes_app_json => String::new(),
        Some(test) => format!(" --in web -- {}", test.text),
        None if survey.processes.iter().any(|(name, _)| name.is_web()) => {
            let ask = r#"curl --silent --output /dev/null --write-out "%{http_code}" "$DYNOSIM_URL""#;
            format!(" -- sh -c 'test \"$({ask})\" -lt 500'")
        }
        None => " -- true".to_owned(),
    }
}

/// What a database's schema is brought up to date with.
fn migrate(survey: &Survey) -> Option<&'static str> {
    match &survey.stack {
        Some(Stack::Ruby(ruby)) if ruby.rails => Some("bundle exec rails db:migrate"),
        Some(Stack::Python(_)) if survey.root.join("manage.py").exists() => Some("python manage.py migrate --noinput"),
        Some(Stack::Php(php)) if php.laravel => Some("php artisan migrate --force"),
        _ => None,
    }
}

/// What a developer's machine has of a language that the image makes itself.
fn ignored(stack: Option<&Stack>) -> Vec<&'static str> {
    match stack {
        Some(Stack::Node(_)) => vec!["node_modules", ".next", "coverage", "npm-debug.log*"],
        Some(Stack::Python(_)) => {
            vec!["**/__pycache__", "**/*.pyc", ".venv", "venv", ".pytest_cache", ".mypy_cache", "*.sqlite3"]
        }
        Some(Stack::Ruby(_)) => vec![".bundle", "vendor/bundle", "log", "tmp", "node_modules", "config/master.key"],
        Some(Stack::Go(_)) => vec!["bin"],
        Some(Stack::Rust(_)) => vec!["target"],
        Some(Stack::Java(_)) => vec!["target", "build", ".gradle", ".idea"],
        Some(Stack::Php(_)) => vec!["vendor", "node_modules", "storage/logs/*"],
        Some(Stack::Site(site)) if site.build.is_some() => vec!["node_modules", "dist", "build"],
        Some(Stack::Site(_)) | None => vec!["node_modules"],
    }
}
