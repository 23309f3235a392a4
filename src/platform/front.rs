//! What stands before the dynos: the router's ports, its certificates, and the table of who is reached by which name.

use super::authority::{Authority, Leaves};
use super::deploy::Ground;
use super::error::PlatformError;
use super::port::{self, Bound, PortChoice};
use super::project::Project;
use super::report::{News, Reporter, Urls};
use super::trust;
use crate::model::domain::Domain;
use crate::router::table::Table;
use crate::router::{Listener, Router, RouterConfig};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

/// What the router was asked for.
#[derive(Clone, Debug)]
pub struct FrontOptions {
    /// Where it listens.
    pub port: PortChoice,
    /// HTTPS, if it is wanted.
    pub https: Option<Https>,
    /// How it behaves.
    pub router: RouterConfig,
    /// The app's own domains.
    pub domains: Vec<Domain>,
    /// Whether the app is in maintenance mode.
    pub maintenance: bool,
}

/// HTTPS on a port of its own.
#[derive(Clone, Debug)]
pub struct Https {
    /// The port.
    pub port: PortChoice,
    /// The user's config folder, where the local authority is.
    pub config: PathBuf,
}

/// The router's ports, taken.
pub struct Front {
    http: Bound,
    https: Option<Secured>,
    /// What is worth saying of the certificates.
    notes: Vec<String>,
}

struct Secured {
    bound: Bound,
    tls: ServerConfig,
}

impl Front {
    /// Takes the ports, and makes the certificates if they are wanted.
    pub async fn open(project: &Project, options: &FrontOptions) -> Result<Self, PlatformError> {
        let (certified, notes) = match &options.https {
            Some(https) => {
                let (tls, notes) = certify(project, https, &options.domains).await?;
                (Some((tls, https.port)), notes)
            }
            None => (None, Vec::new()),
        };
        let http = port::bind(options.port, &project.report).await?;
        let https = match certified {
            Some((tls, choice)) => Some(Secured { bound: port::bind(choice, &project.report).await?, tls }),
            None => None,
        };
        Ok(Self { http, https, notes })
    }

    /// The port of plain HTTP.
    pub fn port(&self) -> u16 {
        self.http.port
    }

    /// Tells where the app is reached, and what is to be known about its certificate.
    pub fn say(&self, report: &Reporter) -> Urls {
        let urls = Urls {
            http: format!("http://localhost:{}", self.http.port),
            https: self.https.as_ref().map(|https| format!("https://localhost:{}", https.bound.port)),
        };
        report.tell(News::Listening(urls.clone()));
        for note in &self.notes {
            report.note(note.clone());
        }
        urls
    }

    /// Puts the router behind the ports.
    pub fn start(
        self,
        ground: &Ground,
        config: RouterConfig,
        table: &watch::Receiver<Arc<Table>>,
    ) -> Result<Router, PlatformError> {
        let mut listeners: Vec<Listener> = self.http.sockets.into_iter().map(Listener::http).collect();
        if let Some(Secured { bound, tls }) = self.https {
            listeners.extend(bound.sockets.into_iter().map(|socket| Listener::https(socket, tls.clone())));
        }
        let logs = ground.logs.clone();
        let started = Router::start(listeners, table, config, &ground.project.clock, move |line| logs.publish(&line));
        started.map_err(PlatformError::io("start the router"))
    }
}

/// Makes the router's certificates, and the authority with them when there is none.
async fn certify(
    project: &Project,
    https: &Https,
    domains: &[Domain],
) -> Result<(ServerConfig, Vec<String>), PlatformError> {
    let (config, domains, clock) = (https.config.clone(), domains.to_vec(), project.clock.clone());
    let app = project.app.name.clone();
    // It reads files, and waits for another process that makes the authority.
    let work = move || {
        let authority = Authority::open(&config, &domains, &clock)?;
        let mut notes = Vec::new();
        if !trust::is_trusted(authority.pem(), cfg!(target_os = "macos")) {
            notes.push("this machine does not trust the certificate of https yet: see `dynosim trust`".to_owned());
        }
        if authority.ends_soon(&clock) {
            let day = authority.until().date();
            notes.push(format!("the local certificate authority ends on {day}: renew it with `dynosim trust --renew`"));
        }
        let refused: Vec<&str> = domains.iter().filter(|one| !authority.covers(one)).map(Domain::as_str).collect();
        if !refused.is_empty() {
            let options: Vec<String> = refused.iter().map(|name| format!("--domain {}", quoted(name))).collect();
            notes.push(format!(
                "there is no certificate for {}: the local authority was made without; `dynosim trust --renew {}` \
                 makes one that may sign for it",
                refused.join(", "),
                options.join(" ")
            ));
        }
        let tls = Leaves::new(authority, &app, &domains, &clock)?.config()?;
        Ok::<_, PlatformError>((tls, notes))
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| PlatformError::io("make the certificates")(std::io::Error::other(error)))?
}

/// A domain for a shell: a star is not to be replaced by file names.
fn quoted(name: &str) -> String {
    if name.contains('*') { format!("'{name}'") } else { name.to_owned() }
}
