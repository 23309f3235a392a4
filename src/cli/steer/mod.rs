//! The commands that steer a running app: each a client of its API. What is only read of an app that does not run comes
//! from its state folder and its files.

mod config;
mod config_edit;
mod dynos;
mod events;
mod launch;
mod releases;
mod run_detached;
mod scale;
mod switches;
pub(super) mod text;

use super::args::BuildArgs;
use super::args::steer::Steer;
use super::session::Session;
use crate::api::{APP, Client, ClientError, shapes};
use crate::diagnostic::Severity;
use crate::model::app::App;
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::control::ControlError;
use crate::platform::state::{Identity, StateDir};
use serde::Serialize;
use serde_json::json;
use std::process::ExitCode;

/// Why a command did not do its job.
pub(super) enum SteerError {
    Client(ClientError),
    Platform(PlatformError),
    /// In the words of the command itself.
    Said(Code, String),
    /// A dyno ended with this status, which is the command's own.
    Exited(u8),
}

impl From<ClientError> for SteerError {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<PlatformError> for SteerError {
    fn from(error: PlatformError) -> Self {
        Self::Platform(error)
    }
}

impl From<ControlError> for SteerError {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Platform(error) => Self::Platform(error),
            other => Self::Said(Code::Failed, other.to_string()),
        }
    }
}

fn failed(text: impl Into<String>) -> SteerError {
    SteerError::Said(Code::Failed, text.into())
}

type Done = Result<Code, SteerError>;

/// One of these commands, and the app it is about.
struct Steering<'s> {
    session: &'s Session,
    identity: Identity,
    state: StateDir,
}

/// Runs a command.
pub(super) async fn run(session: &Session, steer: Steer) -> Result<ExitCode, PlatformError> {
    let place = session.place()?;
    let identity = place.identity()?;
    let state = place.state(&identity)?;
    let steering = Steering { session, identity, state };
    match steering.carry_out(steer).await {
        Ok(code) => Ok(super::code(code)),
        Err(SteerError::Platform(error)) => Err(error),
        Err(SteerError::Exited(status)) => Ok(ExitCode::from(status)),
        Err(error) => Ok(super::code(steering.report(&error))),
    }
}

impl Steering<'_> {
    async fn carry_out(&self, steer: Steer) -> Done {
        match steer {
            Steer::Ps(args) => self.ps(&args).await,
            Steer::Scale(args) => self.scale(&args).await,
            Steer::Type(args) => self.sizes(&args).await,
            Steer::Restart(args) => self.restart(args).await,
            Steer::Stop(args) => self.stop(args).await,
            Steer::RunDetached(args) => self.run_detached(&args).await,
            Steer::Cycle(args) => self.cycle(args).await,
            Steer::Wait(args) => self.wait(&args).await,
            Steer::Config(args) => self.config(&args).await,
            Steer::Get(args) => self.config_get(&args).await,
            Steer::Set(args) => self.config_set(args.vars).await,
            Steer::Unset(args) => self.config_unset(args.keys).await,
            Steer::Edit(args) => self.config_edit(&args).await,
            Steer::Releases(args) => self.releases(&args).await,
            Steer::Info(args) => self.release_info(&args).await,
            Steer::Output(args) => self.release_output(args.release).await,
            Steer::Rollback(args) => self.rollback(args.release).await,
            Steer::Maintenance(_) => self.maintenance().await,
            Steer::MaintenanceOn(_) => self.set_maintenance(true).await,
            Steer::MaintenanceOff(_) => self.set_maintenance(false).await,
            Steer::Features(_) => self.features().await,
            Steer::Enable(args) => self.switch(&args.feature, true).await,
            Steer::Disable(args) => self.switch(&args.feature, false).await,
            Steer::Open(args) => self.open(args.path.as_deref()).await,
            Steer::Events(_) => self.events().await,
        }
    }

    /// The running app and its name.
    async fn app(&self) -> Result<(Client, shapes::App), SteerError> {
        let mut client = Client::connect(&self.state).await?;
        let app = client.get(APP).await?;
        Ok((client, app))
    }

    /// The same, `None` when it does not run.
    async fn running(&self) -> Result<Option<(Client, shapes::App)>, SteerError> {
        match self.app().await {
            Ok(running) => Ok(Some(running)),
            Err(SteerError::Client(ClientError::NotRunning | ClientError::Gone)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The project's files, for an app that does not run.
    fn files(&self) -> Result<App, SteerError> {
        Ok(self.session.sources(&BuildArgs::usual(), Severity::Error)?.loaded.app)
    }

    /// The app's name, when it does not run.
    fn name(&self) -> String {
        let folder = || self.identity.root.file_name().map(|name| name.to_string_lossy().into_owned());
        self.files().map_or_else(|_| folder().unwrap_or_else(|| "the app".into()), |app| app.name)
    }

    /// A line of the result.
    fn out(&self, line: &str) {
        self.session.printer.out(line);
    }

    fn out_all(&self, lines: &[String]) {
        for line in lines {
            self.out(line);
        }
    }

    /// A list or an object as the API has it.
    fn out_json(&self, value: &impl Serialize) -> Done {
        let text = serde_json::to_string_pretty(value).map_err(|error| failed(error.to_string()))?;
        self.out(&text);
        Ok(Code::Ok)
    }

    fn json(&self) -> bool {
        self.session.printer.json
    }

    fn warn(&self, text: &str) {
        let printer = self.session.printer;
        printer.err(&format!("{} {text}", printer.paint(3, "warning:")));
    }

    /// Says on stderr what is being done, and what came of it.
    async fn progress<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<(T, String), SteerError>>,
    ) -> Result<T, SteerError> {
        let printer = self.session.printer;
        printer.err_part(&format!("{doing}... "));
        match work.await {
            Ok((value, outcome)) => {
                printer.err(&outcome);
                Ok(value)
            }
            Err(error) => {
                printer.err("!");
                Err(error)
            }
        }
    }

    fn report(&self, error: &SteerError) -> Code {
        let printer = self.session.printer;
        let (code, text, help) = match error {
            SteerError::Client(ClientError::NotRunning) => {
                (Code::Failed, format!("{} is not running", self.name()), Some("start it with `dynosim up`"))
            }
            SteerError::Client(error) => (Code::Failed, error.to_string(), None),
            SteerError::Platform(error) => (error.exit_code(), error.to_string(), None),
            SteerError::Said(code, text) => (*code, text.clone(), None),
            SteerError::Exited(status) => (Code::Failed, format!("the dyno ended with status {status}"), None),
        };
        if printer.json {
            printer.out(&json!({"event": "error", "error": text, "exit_code": code as u8}).to_string());
        }
        printer.error(&text, help);
        code
    }
}

/// A path below the app.
fn below(path: &str) -> String {
    format!("{APP}/{path}")
}
