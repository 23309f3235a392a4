//! `tag`, `container:push`, `container:pull`, `container:login` and `container:logout`

use super::args::BuildArgs;
use super::args::push::{At, Login as LoginArgs, Pull, Push, Ship, TagImages};
use super::session::{Session, environment};
use crate::diagnostic::{Diagnostic, Severity};
use crate::heroku::{Endpoint, HerokuError, Key, Origin};
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::push::{self, HEROKU_USER, PushError, SignIns, Target, Wish, heroku_registry, log_in, log_out};
use crate::registry::{DockerLogins, Host, Kept, Login, Patience, RegistryError, Tag};
use crate::web::Proxies;
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// No password is longer.
const MOST_SECRET: u64 = 1 << 16;

pub(super) async fn run(session: &Session, command: Ship) -> Result<ExitCode, PlatformError> {
    let interrupt = session.interrupt()?;
    let sends = matches!(command, Ship::Push(_));
    let work = async {
        match command {
            Ship::Tag(args) => tag(session, args).await,
            Ship::Push(args) => push(session, args).await,
            Ship::Pull(args) => pull(session, args).await,
            Ship::Login(args) => login(session, args).await,
            Ship::Logout(args) => logout(session, &args.registry).await,
        }
    };
    tokio::select! {
        done = work => done.map(|()| super::code(Code::Ok)),
        _ = interrupt.wanted() => {
            let what = if sends { "interrupted; to push again goes on where it stopped" } else { "interrupted" };
            session.printer.err(&session.printer.dim(what));
            Ok(super::code(Code::Interrupted))
        }
    }
}

async fn tag(session: &Session, args: TagImages) -> Result<(), PlatformError> {
    let target = target(&args.registry, &args.at.app)?;
    let project = session.project_of_images(session.sources(&BuildArgs::usual(), Severity::Warning)?).await?;
    let allow = args.untested.allow_untested;
    let done = push::tag(&project, &target, &args.version, &args.types, allow).await?;
    for one in done {
        if session.printer.json {
            let version = args.version.as_str();
            let line = json!({"event": "tagged", "version": version, "type": one.process_type.as_str(), "image": one.image.0, "name": one.name});
            session.printer.out(&line.to_string());
        } else {
            session.printer.out(&format!("{} {} {}", one.process_type, one.name, one.image.0));
        }
    }
    Ok(())
}

async fn push(session: &Session, args: Push) -> Result<(), PlatformError> {
    refuse_builds(&args)?;
    let target = target(&args.registry, &args.at.app)?;
    let project = session.project_of_images(session.sources(&BuildArgs::usual(), Severity::Warning)?).await?;
    let wish = Wish {
        types: args.types,
        version: args.version,
        tag: args.tag,
        allow_untested: args.untested.allow_untested,
        force: args.force,
    };
    let landed = push::push(&project, &target, &wish, &sign_ins(session)?, Patience::default()).await?;
    if session.printer.json {
        return Ok(());
    }
    for one in &landed {
        session.printer.out(&format!("{} {}@{} {}", one.process_type, one.repository, one.manifest, one.config));
    }
    if args.registry.registry.is_none() {
        let types: Vec<&str> = landed.iter().map(|one| one.process_type.as_str()).collect();
        let next =
            format!("nothing is released yet: `dynosim container:release {} -a {}`", types.join(" "), args.at.app);
        session.printer.err(&session.printer.dim(&next));
    }
    Ok(())
}

/// The Heroku CLI builds when it pushes; here only what was tested is pushed.
fn refuse_builds(args: &Push) -> Result<(), PlatformError> {
    let given = if !args.build_args.is_empty() {
        "--arg"
    } else if args.context_path.is_some() {
        "--context-path"
    } else {
        return Ok(());
    };
    let finding =
        Diagnostic::error(format!("container:push takes no {given}: it builds nothing, it pushes what was tested"));
    Err(PlatformError::Project(vec![finding.help(format!(
        "build with it (`dynosim build {given} …`, or `dynosim test {given} …`), then push without it"
    ))]))
}

async fn pull(session: &Session, args: Pull) -> Result<(), PlatformError> {
    let target = target(&args.registry, &args.at.app)?;
    let folder = session.place()?.state_base.join("engine");
    let engine = session.containers(&folder).await?;
    let tag = args.tag.unwrap_or_else(Tag::latest);
    let sign_ins = sign_ins(session)?;
    for process_type in &args.types {
        let pulled = push::pull(engine.as_ref(), &target, process_type, &tag, &sign_ins, Patience::default()).await?;
        if session.printer.json {
            let line =
                json!({"event": "pulled", "type": process_type.as_str(), "name": pulled.name, "image": pulled.image.0});
            session.printer.out(&line.to_string());
        } else {
            session.printer.out(&format!("{process_type} {} {}", pulled.name, pulled.image.0));
        }
    }
    Ok(())
}

async fn login(session: &Session, args: LoginArgs) -> Result<(), PlatformError> {
    let host = registry(&args.registry)?;
    let sign_ins = sign_ins(session)?;
    let login = if args.password_stdin {
        let mut text = String::new();
        let read = std::io::stdin().take(MOST_SECRET).read_to_string(&mut text);
        read.map_err(PlatformError::io("read the password from standard input"))?;
        Login::new(args.username.unwrap_or_else(|| HEROKU_USER.into()), text.trim_end_matches(['\n', '\r']))
    } else {
        let is_heroku = heroku_host()? == host;
        let key = sign_ins.heroku.clone().filter(|(own, _)| *own == host);
        let (_, login) = key.ok_or_else(|| PushError::NoKey { heroku: is_heroku, host: host.to_string() })?;
        args.username.map_or_else(|| login.clone(), |user| Login::new(user, login.secret()))
    };
    let kept = log_in(&sign_ins, &host, login, Patience::default()).await?;
    let place = match kept {
        Kept::Helper(helper) => format!("kept by docker-credential-{helper}"),
        Kept::File(path) => format!("kept in {}, which only you can read", path.display()),
    };
    session.printer.err(&format!("Login Succeeded: {host}; {place}"));
    Ok(())
}

async fn logout(session: &Session, at: &At) -> Result<(), PlatformError> {
    let host = registry(at)?;
    let had = log_out(&docker_logins(), &host).await?;
    let text = if had { format!("Removed the sign-in to {host}") } else { format!("Nobody was signed in to {host}") };
    session.printer.err(&text);
    Ok(())
}

fn target(at: &At, app: &str) -> Result<Target, PlatformError> {
    Ok(Target { host: registry(at)?, app: app.to_owned() })
}

/// The registry that is named, else Heroku's.
fn registry(at: &At) -> Result<Host, PlatformError> {
    match &at.registry {
        Some(host) => Ok(host.clone()),
        None => heroku_host(),
    }
}

fn heroku_host() -> Result<Host, PlatformError> {
    let api = Endpoint::find(&environment).map_err(|error| PlatformError::from(HerokuError::from(error)))?;
    Ok(heroku_registry(&api).map_err(PushError::from)?)
}

/// The registry that images are released from.
pub(super) fn images(session: &Session, at: &At) -> Result<push::AppImages, PlatformError> {
    Ok(push::AppImages { host: registry(at)?, sign_ins: sign_ins(session)?, patience: Patience::default() })
}

fn docker_logins() -> DockerLogins {
    let folder = environment("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(Path::new(&environment("HOME")?).join(".docker")));
    DockerLogins::load(&folder.unwrap_or_default())
}

/// Who this user is at registries. Without a key there is still what Docker keeps.
fn sign_ins(session: &Session) -> Result<SignIns, PlatformError> {
    let api = Endpoint::find(&environment).map_err(|error| PlatformError::from(HerokuError::from(error)))?;
    let key = match Key::find(&environment, &api) {
        Ok(key) => Some(key),
        Err(crate::heroku::KeyError::Missing { .. }) => None,
        Err(error) => {
            session.report.warn(format!("{error}; it is not used"));
            None
        }
    };
    let key_first = key.as_ref().is_some_and(|key| key.origin == Origin::Environment);
    let host = heroku_registry(&api).map_err(PushError::from)?;
    let heroku = key.map(|key| (host, Login::new(HEROKU_USER, key.secret())));
    let proxies = Proxies::find(&environment).map_err(|error| PushError::from(RegistryError::from(error)))?;
    Ok(SignIns { docker: docker_logins(), heroku, key_first, proxies })
}
