//! `dynosim logs`

use super::args::Logs as LogsArgs;
use super::session::Session;
use super::stream::style;
use crate::logs::{Filter, Follower, Outlet, Renderer, Start, print};
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use std::process::ExitCode;

pub(super) async fn run(session: &Session, args: LogsArgs) -> Result<ExitCode, PlatformError> {
    let place = session.place()?;
    let identity = place.identity()?;
    let state = place.state(&identity)?;
    let journal = state.file("journal");
    let files = std::fs::read_dir(&journal).map_err(PlatformError::io("read the log"))?.count();
    if !args.tail && files == 0 {
        let never = std::io::Error::other("this app has not run here yet; start it with `dynosim up`");
        return Err(PlatformError::io("there is no log")(never));
    }
    let filter = Filter {
        processes: args.dyno.into_iter().chain(args.process_type).collect(),
        source: args.source,
        ..Filter::default()
    };
    let tail = args.tail;
    let more = move || tail;
    let follower = Follower::outside(&journal, Start::Last(usize::from(args.number)), filter, Box::new(more));
    let mut follower = follower.map_err(PlatformError::io("read the log"))?;
    let mut renderer = Renderer::new(style(session.printer));
    let mut out = Outlet::stdout().map_err(PlatformError::io("print the log"))?;
    tokio::select! {
        printed = print(&mut follower, &mut renderer, &mut out) => {
            printed.map_err(PlatformError::io("print the log"))?;
            Ok(super::code(Code::Ok))
        }
        // Ctrl-C is how a tail is ended; there is nothing to clean up.
        _ = tokio::signal::ctrl_c() => Ok(super::code(Code::Ok)),
    }
}
