//! `container:promote`

use super::{client, release, vouched};
use crate::cli::args::heroku::Promote as Args;
use crate::cli::push::images;
use crate::cli::session::Session;
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::heroku::{Fault, Hosted, Promotion, promote};

pub(super) async fn run(session: &Session, args: &Args) -> Result<Code, PlatformError> {
    let api = client(session)?;
    let (from, to) = (Hosted::new(api.clone(), &args.from), Hosted::new(api, &args.to));
    let registry = images(session, &args.registry)?;
    let found = Promotion::find(&registry, &from, &to, &args.types).await?;
    for process_type in &found.unsure {
        session.printer.warn(&format!(
            "Heroku does not tell which {process_type} image {} runs; what was pushed last is taken",
            found.from.name
        ));
    }
    vouched(session, &found.shipment, &found.to.name, args.untested.allow_untested)?;
    let doing = format!("Copying images {} from {} to {}", found.shipment.types(), found.from.name, found.to.name);
    let interrupt = session.interrupt()?;
    let work = async {
        tokio::select! {
            done = promote(&registry, &found) => done.map(|()| ((), "done".to_owned())),
            _ = interrupt.wanted() => Err(Fault::Interrupted),
        }
    };
    session.printer.progress(&doing, work).await?;
    release::carry_out(session, &to, &found.shipment, &found.to.name, &interrupt).await
}
