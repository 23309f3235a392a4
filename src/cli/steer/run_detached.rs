//! `run:detached`: a one-off dyno that lives in the running app.

use super::{Done, SteerError, Steering, below};
use crate::api::Client;
use crate::api::client::part;
use crate::api::shapes::{Dyno, Exited, NewDyno};
use crate::cli::args::RunDetached;
use crate::cli::stream::style;
use crate::logs::{Filter, Follower, Outlet, Renderer, Start, print};
use crate::model::exit_code::ExitCode as Code;
use crate::model::launch::one_off_command;
use crate::platform::PlatformError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

impl Steering<'_> {
    pub(super) async fn run_detached(&self, args: &RunDetached) -> Done {
        let (mut client, app) = self.app().await?;
        let command = one_off_command(&args.words).map(|command| command.text).unwrap_or_default();
        let doing = match command.as_str() {
            "" => format!("Running {} on {}", args.process_type, app.name),
            words => format!("Running {words} on {}", app.name),
        };
        let wish = NewDyno {
            command,
            attach: false,
            process_type: Some(args.process_type.to_string()),
            size: args.size.map(|size| size.name.to_owned()),
            env: args.set.iter().cloned().collect(),
        };
        let before = self.end_of_log()?;
        let started = self
            .progress(&doing, async {
                let dyno: Dyno = client.post(&below("dynos"), &wish).await?;
                let outcome = format!("done, {} ({})", dyno.name, dyno.size);
                Ok((dyno, outcome))
            })
            .await?;
        if args.tail {
            return self.tail(&started.name, before).await;
        }
        if self.json() {
            return self.out_json(&started);
        }
        let name = self.session.common.name.as_ref().map(|name| format!(" --name {name}")).unwrap_or_default();
        self.out(&format!("Run dynosim logs{name} --dyno-name {} to view the output.", started.name));
        Ok(Code::Ok)
    }

    /// Where the log ends now, so that an earlier dyno of the same name is not shown.
    fn end_of_log(&self) -> Result<Start, SteerError> {
        let follower = self.follow(Start::Now, Filter::default(), || false)?;
        Ok(follower.position().map_or(Start::Oldest, Start::At))
    }

    fn follow(
        &self,
        start: Start,
        filter: Filter,
        more: impl FnMut() -> bool + Send + 'static,
    ) -> Result<Follower, SteerError> {
        let follower = Follower::outside(&self.state.file("journal"), start, filter, Box::new(more));
        Ok(follower.map_err(PlatformError::io("read the log"))?)
    }

    /// Prints what a dyno logs until it has ended; its status is the command's.
    async fn tail(&self, name: &str, start: Start) -> Done {
        let over = Arc::new(AtomicBool::new(false));
        let filter = Filter { processes: vec![name.to_owned()], ..Filter::default() };
        let more = {
            let over = Arc::clone(&over);
            move || !over.load(Ordering::Acquire)
        };
        let mut follower = self.follow(start, filter, more)?;
        let mut renderer = Renderer::new(style(self.session.printer));
        let mut out = Outlet::stdout().map_err(PlatformError::io("print the log"))?;
        let exit = async {
            let asked = async {
                let mut client = Client::connect(&self.state).await?;
                client.get::<Exited>(&format!("/dynosim/one-offs/{}", part(name))).await
            };
            let exited = asked.await;
            // The log has all of it by now, and is read once more.
            over.store(true, Ordering::Release);
            exited
        };
        let ended = async { tokio::join!(exit, print(&mut follower, &mut renderer, &mut out)) };
        tokio::select! {
            (exited, printed) = ended => {
                printed.map_err(PlatformError::io("print the log"))?;
                match exited?.exit {
                    0 => Ok(Code::Ok),
                    status => Err(SteerError::Exited(u8::try_from(status & 0xff).unwrap_or(1))),
                }
            }
            _ = tokio::signal::ctrl_c() => {
                self.warn(&format!("{name} goes on; `dynosim ps:stop {name}` stops it"));
                Ok(Code::Interrupted)
            }
        }
    }
}
