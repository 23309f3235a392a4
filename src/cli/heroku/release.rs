//! `container:release`

use super::{answered, hosted, vouched, watched};
use crate::cli::args::heroku::Release as Args;
use crate::cli::push::images;
use crate::cli::session::Session;
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::heroku::{Fault, Hosted, Shipment, release};
use crate::platform::interrupt::Interrupt;

pub(super) async fn run(session: &Session, args: &Args) -> Result<Code, PlatformError> {
    let hosted = hosted(session, &args.at.app)?;
    let app = hosted.container_app().await?;
    let shipment = Shipment::pushed(&images(session, &args.registry)?, &app, &args.types).await?;
    vouched(session, &shipment, &app.name, args.untested.allow_untested)?;
    carry_out(session, &hosted, &shipment, &app.name, &session.interrupt()?).await
}

/// Releases what is in the app's registry, and waits for the release phase.
pub(super) async fn carry_out(
    session: &Session,
    hosted: &Hosted,
    shipment: &Shipment,
    app: &str,
    interrupt: &Interrupt,
) -> Result<Code, PlatformError> {
    let doing = format!("Releasing images {} to {app}", shipment.types());
    let work = async {
        let made = answered(release(hosted, shipment), app, interrupt).await?;
        let outcome = made.as_ref().map_or_else(
            || "done; nothing new: these images are what it runs".to_owned(),
            |made| format!("done, v{}", made.version),
        );
        Ok::<_, Fault>((made, outcome))
    };
    match session.printer.progress(&doing, work).await? {
        Some(made) => Ok(watched::told(session, watched::to_the_end(session, hosted, made, interrupt).await?)),
        None => Ok(Code::Ok),
    }
}
