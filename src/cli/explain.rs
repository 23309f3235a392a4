//! `dynosim explain`: codes are looked up (`topics`); of a process type it says what it will run, as whom, with which limits
//! and variables, and why.

use super::args::Explain;
use super::printer::Printer;
use super::session::Session;
use super::topics;
use crate::diagnostic::Severity;
use crate::dyno::environment;
use crate::engine::Filesystem;
use crate::lint;
use crate::model::config_vars::{ConfigVars, Origin};
use crate::model::dyno::{DynoName, DynoSize};
use crate::model::guide::{self, Topic};
use crate::model::image::ImageFacts;
use crate::model::launch::Launch;
use crate::model::limits;
use crate::model::process_type::ProcessType;
use crate::platform::PlatformError;
use crate::platform::builds;
use crate::platform::project::Project;
use crate::platform::slate::{self, Runnable};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

/// Values of these origins are the project's own text, not secrets.
fn is_public(origin: &Origin) -> bool {
    matches!(origin, Origin::Image | Origin::Platform | Origin::Rule(_) | Origin::HerokuYml(_))
}

/// What one word of the command line asks for.
enum Asked {
    Code(&'static Topic),
    Rule(&'static lint::Rule),
    Type(ProcessType),
}

pub(super) async fn run(session: &Session, args: &Explain) -> Result<ExitCode, PlatformError> {
    if args.words.is_empty() {
        topics::list(session.printer);
        return Ok(super::code(crate::model::exit_code::ExitCode::Ok));
    }
    // All of them before any is shown: a word that is neither ends it here.
    let asked = args.words.iter().map(|word| asked(word)).collect::<Result<Vec<_>, _>>();
    let asked = match asked {
        Ok(asked) => asked,
        Err((text, help)) => {
            session.printer.error(&text, Some(&help));
            return Ok(super::code(crate::model::exit_code::ExitCode::Usage));
        }
    };
    for (number, asked) in asked.iter().enumerate() {
        if number > 0 && !session.printer.json {
            session.printer.out("");
        }
        match asked {
            Asked::Code(topic) => topics::show(session.printer, topic),
            Asked::Rule(rule) => topics::show_rule(session.printer, rule),
            Asked::Type(process_type) if !session.common.recursive && !is_project(&session.place()?.folder) => {
                let title = format!(
                    "there is no code `{process_type}`, and no app here that could have a process type of that name"
                );
                session.printer.error(&title, Some(&topics::suggestion(process_type.as_str())));
                return Ok(super::code(crate::model::exit_code::ExitCode::Usage));
            }
            Asked::Type(process_type) => explain_type(session, args, process_type).await?,
        }
    }
    Ok(super::code(crate::model::exit_code::ExitCode::Ok))
}

/// A code, a rule of `check`, or else a process type; a word that can be neither is told what it might have been.
fn asked(word: &str) -> Result<Asked, (String, String)> {
    if let Some(topic) = guide::find(word) {
        return Ok(Asked::Code(topic));
    }
    // A rule's name with a dash in it is hardly a process type's.
    if let Some(rule) = lint::rule(word).filter(|rule| rule.id.eq_ignore_ascii_case(word) || word.contains('-')) {
        return Ok(Asked::Rule(rule));
    }
    // Process types are written in small letters, so what looks like a code and is not is a slip.
    if guide::looks_like_a_code(word) && word.starts_with(|first: char| first.is_ascii_uppercase()) {
        return Err((format!("there is no code `{word}`"), topics::suggestion(word)));
    }
    ProcessType::new(word)
        .map(Asked::Type)
        .map_err(|error| (format!("`{word}` is neither a code nor a process type: {error}"), topics::suggestion(word)))
}

/// Whether a folder has any file of an app's.
fn is_project(folder: &Path) -> bool {
    let named = |name: &str| ["heroku.yml", "Procfile"].contains(&name) || name.starts_with("Dockerfile");
    let mut names =
        folder.read_dir().into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.any(|name| named(&name))
}

async fn explain_type(session: &Session, args: &Explain, process_type: &ProcessType) -> Result<(), PlatformError> {
    let sources = session.sources(&args.build, Severity::Warning)?;
    let missing = sources.loaded.require_config().err();
    let project = session.project(sources).await?;
    let (image_of, command) = command_of(&project, process_type)?;
    let built = builds::build(&project, &BTreeSet::from([image_of.clone()]), &args.build.options()).await?;
    let facts = built.facts.get(&image_of).ok_or_else(|| PlatformError::no_such_type(&project.app, process_type))?;
    let runnable = slate::runnable(process_type, facts, command.as_ref(), args.rules.launch())?;
    let printer = session.printer;
    let picture = picture(&project, args, process_type, &image_of, &runnable);
    show(printer, &picture);
    for finding in missing.iter().flatten() {
        printer.err(finding.render(printer.err_colour).trim_end());
    }
    Ok(())
}

type Command = Option<crate::model::app::CommandText>;

fn command_of(project: &Project, process_type: &ProcessType) -> Result<(ProcessType, Command), PlatformError> {
    let app = &project.app;
    if let (true, Some(release)) = (process_type.is_release(), &app.release) {
        return Ok((release.image.clone(), release.command.clone()));
    }
    let spec =
        app.processes.get(process_type).ok_or_else(|| PlatformError::no_such_type(&project.app, process_type))?;
    Ok((spec.image.clone(), spec.command.clone()))
}

/// Everything there is to say.
struct Picture {
    process_type: ProcessType,
    image: Vec<(&'static str, String)>,
    launch: Launch,
    dyno: Vec<(&'static str, String)>,
    env: Vec<(String, String, String)>,
    notes: Vec<String>,
}

fn picture(
    project: &Project,
    args: &Explain,
    process_type: &ProcessType,
    image_of: &ProcessType,
    runnable: &Runnable,
) -> Picture {
    let app = &project.app;
    let name = DynoName::new(process_type.clone(), 1);
    let size = args.rules.size.or_else(|| app.formation.get(process_type).map(|scale| scale.size));
    let port = process_type.is_web().then_some(0);
    let config = args.rules.passed().under(&app.config);
    let env = environment::of(&runnable.image, &config, None, &name, port);
    let native = project.engine.facts().native;
    let mut notes: Vec<String> = runnable.launch.notes.iter().map(ToString::to_string).collect();
    notes.extend(slate::image_notes(&runnable.image));
    Picture {
        process_type: process_type.clone(),
        image: image_rows(project, image_of, &runnable.image),
        launch: (*runnable.launch).clone(),
        dyno: dyno_rows(args, process_type, &runnable.image, size.unwrap_or(DynoSize::BASIC)),
        env: env_rows(&env, args.show_values, native),
        notes,
    }
}

fn image_rows(project: &Project, image_of: &ProcessType, image: &ImageFacts) -> Vec<(&'static str, String)> {
    let app = &project.app;
    let mut rows = vec![("image", image.id.clone())];
    if let Some(build) = app.builds.get(image_of) {
        let file = build.dockerfile.strip_prefix(&app.root).unwrap_or(&build.dockerfile);
        let how = if project.engine.facts().native { "runs by" } else { "built from" };
        rows.push((how, format!("{} for {image_of}", file.display())));
        if let Some(target) = &build.target {
            rows.push(("target", target.clone()));
        }
    }
    let words = |words: &[String]| if words.is_empty() { "not set".to_owned() } else { format!("{words:?}") };
    rows.push(("ENTRYPOINT", words(&image.entrypoint)));
    rows.push(("CMD", words(&image.cmd)));
    rows
}

fn dyno_rows(
    args: &Explain,
    process_type: &ProcessType,
    image: &ImageFacts,
    size: DynoSize,
) -> Vec<(&'static str, String)> {
    let user =
        if image.user.is_empty() { String::new() } else { format!(", not `{}` of the image's USER", image.user) };
    let filesystem = match args.rules.dynos().filesystem {
        Filesystem::ReadOnly { writable } => {
            let places = [&["/tmp", "/var/tmp", "/dev/shm"].map(str::to_owned)[..], &writable].concat();
            format!("read-only but for {} (stricter than Heroku; --fs ephemeral is its way)", places.join(", "))
        }
        Filesystem::Ephemeral => "writable where the user may write, gone with the dyno".to_owned(),
    };
    let mut rows = vec![
        ("user", format!("a random uid ({}–{}) of group dyno{user}", limits::UIDS.start(), limits::UIDS.end())),
        ("folder", image.workdir.clone()),
        ("files", filesystem),
        ("size", size.name.to_owned()),
        ("memory", format!("{} MB quota (R14), killed at {} MB (R15)", size.quota >> 20, size.kill_at >> 20)),
        ("limits", format!("{} processes and threads, {} open files", size.processes, size.open_files)),
    ];
    let timeouts = &args.rules.timeouts;
    if process_type.is_web() {
        rows.push(("boot", format!("must bind 0.0.0.0:$PORT within {} s (R10)", timeouts.boot.as_secs_f64())));
    }
    rows.push(("exit", format!("every process must end within {} s of SIGTERM (R12)", timeouts.exit.as_secs_f64())));
    rows
}

fn env_rows(env: &ConfigVars, show: bool, native: bool) -> Vec<(String, String, String)> {
    env.iter()
        .map(|(name, var)| {
            let value = match (name, show || is_public(&var.origin)) {
                ("PORT", _) => "(random at each start)".to_owned(),
                (_, true) => var.value.clone(),
                (_, false) => masked(&var.value),
            };
            let origin = match &var.origin {
                Origin::Image if native && ["HOME", "PATH"].contains(&name) => "this machine".to_owned(),
                Origin::Image if native => "ENV of the Dockerfile".to_owned(),
                origin => origin.to_string(),
            };
            (name.to_owned(), value, origin)
        })
        .collect()
}

/// Says how long it is and nothing else.
fn masked(value: &str) -> String {
    if value.is_empty() { "(empty)".to_owned() } else { format!("•••••••• ({} bytes)", value.len()) }
}

fn show(printer: Printer, picture: &Picture) {
    if printer.json {
        let argv: Vec<_> = picture
            .launch
            .argv
            .iter()
            .map(|word| json!({"word": word.text, "origin": word.origin.to_string()}))
            .collect();
        let env: Vec<_> = picture
            .env
            .iter()
            .map(|(name, value, origin)| json!({"name": name, "value": value, "origin": origin}))
            .collect();
        let rows = |rows: &[(&'static str, String)]| -> serde_json::Map<String, serde_json::Value> {
            rows.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect()
        };
        let all = json!({
            "type": picture.process_type.as_str(),
            "image": rows(&picture.image),
            "command": picture.launch.command,
            "argv": argv,
            "dyno": rows(&picture.dyno),
            "env": env,
            "notes": picture.notes,
        });
        printer.out(&all.to_string());
        return;
    }
    let heading = |text: &str| {
        if printer.out_colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    };
    let row = |name: &str, text: &str| printer.out(&format!("  {name:<11} {text}"));
    printer.out(&heading(picture.process_type.as_str()));
    picture.image.iter().for_each(|(name, text)| {
        row(name, text);
    });
    row("command", &picture.launch.command);
    printer.out(&heading("argv (R1.4)"));
    let width = picture.launch.argv.iter().map(|word| word.text.chars().count().min(60)).max().unwrap_or(0);
    for word in &picture.launch.argv {
        printer.out(&format!("  {:<width$}  {}", word.text, word.origin));
    }
    printer.out(&heading("dyno"));
    picture.dyno.iter().for_each(|(name, text)| {
        row(name, text);
    });
    printer.out(&heading("environment"));
    let names = picture.env.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    for (name, value, origin) in &picture.env {
        printer.out(&format!("  {name:<names$}  {value}  [{origin}]"));
    }
    for note in &picture.notes {
        printer.out(&format!("note: {note}"));
    }
}

#[cfg(test)]
mod tests {
    use super::{env_rows, masked};
    use crate::model::config_vars::{ConfigVars, Origin};

    #[test]
    fn secret_values_are_masked_unless_asked_for() {
        let mut env = ConfigVars::new();
        env.set("API_KEY", "hunter2", Origin::EnvFile(".env".into(), 1));
        env.set("PATH", "/usr/bin", Origin::Image);
        let shown = format!("{:?}", env_rows(&env, false, false));
        assert!(!shown.contains("hunter2") && shown.contains("/usr/bin"), "{shown}");
        assert!(format!("{:?}", env_rows(&env, true, false)).contains("hunter2"));
        assert_eq!(masked(""), "(empty)");
    }
}
