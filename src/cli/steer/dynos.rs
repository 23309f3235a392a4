//! `ps`, `ps:restart`, `ps:stop`, `ps:cycle`, `ps:wait`

use super::text::{ago, header};
use super::{Done, SteerError, Steering, below, failed};
use crate::api::client::part;
use crate::api::shapes::{Cycled, Dyno, Waited};
use crate::cli::args::steer::{Ps, Wait, Which};
use crate::model::exit_code::ExitCode as Code;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// Which dynos a command is about, and how its progress names them.
enum Target {
    All,
    Type(String),
    Dyno(String),
}

impl Target {
    /// A word without a dot or a star is a process type.
    fn of(which: Which) -> Self {
        let Which { what, dyno, process_type, .. } = which;
        match (what, dyno, process_type) {
            (_, _, Some(name)) => Self::Type(name),
            (_, Some(name), _) => Self::Dyno(name),
            (Some(word), ..) if word == "*" => Self::All,
            (Some(word), ..) if word.contains(['.', '*', '?']) => Self::Dyno(word),
            (Some(word), ..) => Self::Type(word),
            (None, None, None) => Self::All,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::All => "all dynos".into(),
            Self::Type(name) => format!("all {name} dynos"),
            Self::Dyno(name) => format!("dyno {name}"),
        }
    }

    fn path(&self) -> String {
        below(&match self {
            Self::All => "dynos".into(),
            Self::Type(name) => format!("formations/{}", part(name)),
            Self::Dyno(name) => format!("dynos/{}", part(name)),
        })
    }
}

impl Steering<'_> {
    pub(super) async fn ps(&self, args: &Ps) -> Done {
        let (name, dynos) = match self.running().await? {
            Some((mut client, app)) => (app.name, client.get::<Vec<Dyno>>(&below("dynos")).await?),
            None => (self.name(), Vec::new()),
        };
        for wanted in &args.types {
            if !dynos.iter().any(|dyno| dyno.process_type == *wanted) {
                return Err(failed(format!("No {wanted} dynos on {name}")));
            }
        }
        let shown = |dyno: &&Dyno| args.types.is_empty() || args.types.contains(&dyno.process_type);
        let dynos: Vec<&Dyno> = dynos.iter().filter(shown).collect();
        if self.json() {
            return self.out_json(&dynos);
        }
        if dynos.is_empty() {
            self.out(&format!("No dynos on {name}"));
        }
        self.print_dynos(&dynos);
        Ok(Code::Ok)
    }

    /// In groups of one process type and command.
    fn print_dynos(&self, dynos: &[&Dyno]) {
        let now = self.session.clock.now();
        for (at, first) in dynos.iter().enumerate() {
            let alike = |other: &&&Dyno| (&other.process_type, &other.command) == (&first.process_type, &first.command);
            if dynos[..at].iter().any(|other| alike(&other)) {
                continue;
            }
            let group: Vec<&&Dyno> = dynos.iter().filter(alike).collect();
            let title = format!("{} ({}): {} ({})", first.process_type, first.size, first.command, group.len());
            self.out(&header(&title));
            for dyno in group {
                self.out(&format!("{}: {} {}", dyno.name, dyno.state, ago(&dyno.updated_at, now)));
            }
            self.out("");
        }
    }

    pub(super) async fn restart(&self, which: Which) -> Done {
        let target = Target::of(which);
        let (mut client, app) = self.app().await?;
        let doing = format!("Restarting {} on {}", target.describe(), app.name);
        self.progress(&doing, async {
            client.delete(&target.path()).await?;
            Ok(((), "done".into()))
        })
        .await?;
        Ok(Code::Ok)
    }

    pub(super) async fn stop(&self, which: Which) -> Done {
        let target = Target::of(which);
        if matches!(target, Target::All) {
            let text = "Please specify a process type or dyno name to stop; `dynosim down` stops the app";
            return Err(SteerError::Said(Code::Usage, text.into()));
        }
        let (mut client, app) = self.app().await?;
        let doing = format!("Stopping {} on {}", target.describe(), app.name);
        self.progress(&doing, async {
            client.post::<Value>(&format!("{}/actions/stop", target.path()), &json!({})).await?;
            Ok(((), "done".into()))
        })
        .await?;
        Ok(Code::Ok)
    }

    pub(super) async fn cycle(&self, which: Which) -> Done {
        let target = Target::of(which);
        let (mut client, app) = self.app().await?;
        let dynos = match &target {
            Target::All => "",
            Target::Type(name) | Target::Dyno(name) => name,
        };
        let doing = format!("Cycling {} on {}", target.describe(), app.name);
        self.progress(&doing, async {
            client.post::<Cycled>("/dynosim/cycle", &json!({ "dynos": dynos })).await?;
            Ok(((), "done".into()))
        })
        .await?;
        Ok(Code::Ok)
    }

    pub(super) async fn wait(&self, args: &Wait) -> Done {
        let (mut client, app) = self.app().await?;
        let limit = args.timeout.unwrap_or(Duration::MAX);
        let doing = format!("Waiting for every dyno of {} to be up", app.name);
        self.progress(&doing, async {
            let Ok(waited) = timeout(limit, client.get::<Waited>("/dynosim/wait")).await else {
                let text = format!("not every dyno is up after {} s", limit.as_secs_f64());
                return Err(SteerError::Said(Code::TimeLimit, text));
            };
            match waited? {
                Waited { up: true, .. } => Ok(((), "done".into())),
                Waited { crashed, .. } if crashed.is_empty() => Err(failed("the app is being stopped")),
                Waited { crashed, .. } => Err(SteerError::Said(Code::Boot, format!("crashed: {}", crashed.join(", ")))),
            }
        })
        .await?;
        Ok(Code::Ok)
    }
}
