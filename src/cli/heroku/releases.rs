//! `releases`, `releases:info`, `releases:output` and `rollback` with `-a`: of an app at Heroku.

use super::{answered, hosted, watched};
use crate::cli::args::steer::Steer;
use crate::cli::session::Session;
use crate::cli::steer::show;
use crate::heroku::Output;
use crate::heroku::shapes::Release;
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::heroku::{Fault, Hosted};
use std::process::ExitCode;

/// How many releases are looked through for one to go back to.
const BACK: usize = 100;

/// Runs a command that has `-a`.
pub(in crate::cli) async fn run(session: &Session, steer: Steer) -> Result<ExitCode, PlatformError> {
    let hosted = hosted(session, steer.at_heroku().unwrap_or_default())?;
    let done = match steer {
        Steer::Releases(args) => list(session, &hosted, args.number.into()).await?,
        Steer::Info(args) => info(session, &hosted, args.release, args.shell).await?,
        Steer::Output(args) => output(session, &hosted, args.release).await?,
        Steer::Rollback(args) => rollback(session, &hosted, args.release).await?,
        // Only these four have `-a`.
        _ => Code::Usage,
    };
    Ok(crate::cli::code(done))
}

async fn list(session: &Session, hosted: &Hosted, number: usize) -> Result<Code, PlatformError> {
    let releases = hosted.releases(number).await?;
    if session.printer.json {
        return Ok(json(session, &releases));
    }
    session.printer.out_all(&show::releases(hosted.name(), &releases, session.clock.now()));
    Ok(Code::Ok)
}

async fn info(session: &Session, hosted: &Hosted, asked: Option<u64>, shell: bool) -> Result<Code, PlatformError> {
    let release = one(hosted, asked).await?;
    if session.printer.json {
        return Ok(json(session, &release));
    }
    let config = hosted.config(release.version).await?;
    session.printer.out_all(&show::release(&release, &config, shell));
    Ok(Code::Ok)
}

async fn output(session: &Session, hosted: &Hosted, asked: Option<u64>) -> Result<Code, PlatformError> {
    let release = one(hosted, asked).await?;
    let Some(url) = &release.output_stream_url else {
        session.printer.warn(&show::no_output(release.version));
        return Ok(Code::Ok);
    };
    let mut output = Output::follow(hosted.api(), url, false)?;
    let mut some = false;
    while let Some(piece) = output.next().await {
        some = true;
        session.printer.pass_on(&piece?);
    }
    if !some && release.status == "pending" {
        session.printer.warn("Release command not started yet. Please try again in a few seconds.");
    }
    Ok(Code::Ok)
}

async fn rollback(session: &Session, hosted: &Hosted, asked: Option<u64>) -> Result<Code, PlatformError> {
    let target = match asked {
        Some(_) => one(hosted, asked).await?,
        None => show::rollback_target(hosted.name(), &hosted.releases(BACK).await?).map_err(Fault::NoRelease)?,
    };
    let interrupt = session.interrupt()?;
    let doing = format!("Rolling back {} to v{}", hosted.name(), target.version);
    let work = async {
        let made = answered(hosted.roll_back(&target), hosted.name(), &interrupt).await?;
        let outcome = format!("done, v{}", made.version);
        Ok::<_, Fault>((made, outcome))
    };
    let made = session.printer.progress(&doing, work).await?;
    for words in show::after_rollback(&made, Some(hosted.name())) {
        session.printer.warn(&words);
    }
    let done = watched::to_the_end(session, hosted, made, &interrupt).await?;
    Ok(watched::told(session, done))
}

/// The release of that number, or the newest.
async fn one(hosted: &Hosted, asked: Option<u64>) -> Result<Release, PlatformError> {
    if let Some(version) = asked {
        return Ok(hosted.release(&version.to_string()).await?);
    }
    let newest = hosted.releases(1).await?.into_iter().next();
    Ok(newest.ok_or_else(|| Fault::NoRelease(format!("{} has no releases.", hosted.name())))?)
}

fn json(session: &Session, value: &impl serde::Serialize) -> Code {
    // What was read as JSON can be written as JSON.
    let _ = session.printer.out_json(value);
    Code::Ok
}
