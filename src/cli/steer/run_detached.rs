//! `run:detached`: a one-off dyno that lives in the running app.

use super::{Done, Steering, below};
use crate::api::shapes::{Dyno, NewDyno};
use crate::cli::args::RunDetached;
use crate::model::exit_code::ExitCode as Code;
use crate::model::launch::one_off_command;

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
        let started = self
            .progress(&doing, async {
                let dyno: Dyno = client.post(&below("dynos"), &wish).await?;
                let outcome = format!("done, {} ({})", dyno.name, dyno.size);
                Ok((dyno, outcome))
            })
            .await?;
        if self.json() {
            return self.out_json(&started);
        }
        let name = self.session.common.name.as_ref().map(|name| format!(" --name {name}")).unwrap_or_default();
        self.out(&format!("Run dynosim logs{name} --dyno-name {} to view the output.", started.name));
        Ok(Code::Ok)
    }
}
