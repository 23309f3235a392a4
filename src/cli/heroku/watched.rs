//! A release at Heroku, shown as it goes.

use crate::cli::session::Session;
use crate::heroku::shapes::Release;
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::heroku::{Hosted, Progress, watch};
use crate::platform::interrupt::Interrupt;

/// How the watching ended.
pub(super) enum Watched {
    /// The release is there.
    Succeeded(Box<Release>),
    /// The user left; Heroku goes on.
    Left,
}

/// Waits for a release; its output goes to stdout as it comes.
pub(super) async fn to_the_end(
    session: &Session,
    hosted: &Hosted,
    made: Release,
    interrupt: &Interrupt,
) -> Result<Watched, PlatformError> {
    let (printer, version) = (session.printer, made.version);
    let mut show = move |progress: Progress<'_>| match progress {
        Progress::Made(_) => {}
        Progress::Running => printer.err("Running release command..."),
        Progress::Output(bytes) => printer.pass_on(bytes),
    };
    tokio::select! {
        ended = watch(hosted, made, &mut show) => Ok(Watched::Succeeded(Box::new(ended?))),
        _ = interrupt.wanted() => {
            let look = format!("`dynosim releases:output v{version} -a {}`", hosted.name());
            printer.err(&printer.dim(&format!("the release goes on at Heroku: see {look}")));
            Ok(Watched::Left)
        }
    }
}

/// The release, where JSON is wanted, and the exit code.
pub(super) fn told(session: &Session, watched: Watched) -> Code {
    match watched {
        Watched::Left => Code::Interrupted,
        Watched::Succeeded(release) => {
            if session.printer.json {
                // What was read as JSON can be written as JSON.
                let _ = session.printer.out_json(&release);
            }
            Code::Ok
        }
    }
}
