//! Commands about apps at Heroku, through its API.

mod promote;
mod release;
pub(super) mod releases;
mod watched;

use super::args::heroku::{Container, Remove};
use super::session::{Session, environment};
use crate::heroku::{Client, Endpoint, HerokuError, Key, Patience};
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::heroku::{Fault, Hosted, Shipment, remove};
use crate::platform::interrupt::Interrupt;
use crate::platform::tested::Ledger;
use crate::web::Proxies;
use std::process::ExitCode;

/// Runs a command.
pub(super) async fn run(session: &Session, command: Container) -> Result<ExitCode, PlatformError> {
    let done = match command {
        Container::Release(args) => release::run(session, &args).await?,
        Container::Remove(args) => take_away(session, &args).await?,
        Container::Promote(args) => promote::run(session, &args).await?,
    };
    Ok(super::code(done))
}

/// The app at Heroku of that name; nothing is asked of it yet.
fn hosted(session: &Session, app: &str) -> Result<Hosted, HerokuError> {
    Ok(Hosted::new(client(session)?, app))
}

/// Heroku's API, with the user's key.
fn client(session: &Session) -> Result<Client, HerokuError> {
    let api = Endpoint::find(&environment)?;
    let key = Key::find(&environment, &api)?;
    let printer = session.printer;
    let proxies = Proxies::find(&environment)?;
    Client::new(api, key, &proxies, Patience::default(), move |text| printer.warn(text))
}

async fn take_away(session: &Session, args: &Remove) -> Result<Code, PlatformError> {
    let hosted = hosted(session, &args.at.app)?;
    let app = hosted.container_app().await?;
    for process_type in &args.types {
        let doing = format!("Removing container {process_type} for {}", app.name);
        let work = async { remove(&hosted, process_type).await.map(|()| ((), "done".to_owned())) };
        session.printer.progress(&doing, work).await?;
    }
    Ok(Code::Ok)
}

/// The answer to a request that changes the app. Who does not wait for it cannot know whether it was done.
async fn answered<T>(
    request: impl Future<Output = Result<T, HerokuError>>,
    app: &str,
    interrupt: &Interrupt,
) -> Result<T, Fault> {
    tokio::select! {
        answer = request => Ok(answer?),
        _ = interrupt.wanted() => Err(Fault::Unknown { app: app.to_owned() }),
    }
}

/// Sees that tests here vouch for these images, or that the user takes them all the same.
fn vouched(session: &Session, shipment: &Shipment, app: &str, allow_untested: bool) -> Result<(), PlatformError> {
    let place = session.place()?;
    let state = place.state(&place.identity()?)?;
    let ledger = Ledger::open(&state).map_err(PlatformError::io("read the ledger of tested images"))?;
    let untested = shipment.untested(&|image| ledger.vouches_for(image).is_some());
    if let (Some((process_type, image)), false) = (untested.first(), allow_untested) {
        let broken = ledger.broken().map(ToString::to_string);
        let (process_type, image) = (process_type.clone(), image.clone());
        return Err(Fault::Untested { app: app.into(), process_type, image, broken }.into());
    }
    for (process_type, image) in untested {
        session
            .printer
            .warn(&format!("{process_type} {} is untested; taken because of --allow-untested", image.short()));
    }
    Ok(())
}
