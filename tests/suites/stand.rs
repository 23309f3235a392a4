//! A router alone on loopback, plain and with TLS, without the rest of `dynosim up`; and the word on what is missing.

use dynosim::clock::Clock;
use dynosim::model::dyno::{DynoName, DynoState};
use dynosim::model::endpoint::Endpoint;
use dynosim::model::log::Message;
use dynosim::model::process_type::ProcessType;
use dynosim::model::timeouts::Timeouts;
use dynosim::router::table::{Backend, HostRule, Route, Table};
use dynosim::router::traffic::Traffic;
use dynosim::router::{Listener, Router, RouterConfig};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Nothing that is waited for takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running router.
pub(crate) struct Stand {
    /// Where it speaks plain HTTP.
    pub(crate) http: SocketAddr,
    /// Where TLS ends; the certificate is for `localhost` and names under it.
    pub(crate) https: SocketAddr,
    /// The certificate, for clients to trust.
    pub(crate) certificate: PathBuf,
    table: watch::Sender<Arc<Table>>,
    lines: mpsc::UnboundedReceiver<Message>,
    router: Router,
    _files: TempDir,
}

/// An app with one web dyno at this address, or one that is still starting. `www.example.com` and `example.com` are
/// its domains too.
pub(crate) fn route(app: &str, dyno: Option<SocketAddr>) -> Route {
    let state = if dyno.is_some() { DynoState::Up } else { DynoState::Starting };
    let name = DynoName::new(ProcessType::web(), 1);
    let dynos = vec![Backend { name, generation: 1, state, endpoint: dyno.map(Endpoint), traffic: Traffic::default() }];
    let hosts = ["www.example.com", "example.com"].map(HostRule::parse).to_vec();
    Route { app: app.into(), hosts, dynos, ..Route::default() }
}

impl Stand {
    /// A router with Heroku's own timers in front of these apps.
    pub(crate) async fn start(apps: Vec<Route>) -> Self {
        let files = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let names = ["localhost", "*.localhost", "127.0.0.1"].map(str::to_owned).to_vec();
        let signed = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let certificate = files.path().join("localhost.pem");
        std::fs::write(&certificate, signed.pem()).unwrap();
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let secure = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (http, https) = (plain.local_addr().unwrap(), secure.local_addr().unwrap());
        let (table, seen) = watch::channel(Arc::new(Table { apps }));
        let (log, lines) = mpsc::unbounded_channel();
        let router = Router::start(
            vec![Listener::http(plain), Listener::https(secure, tls)],
            &seen,
            RouterConfig::new(Timeouts::heroku()),
            &Clock::system(),
            move |message| drop(log.send(message)),
        )
        .unwrap();
        Self { http, https, certificate, table, lines, router, _files: files }
    }

    /// Publishes another table.
    pub(crate) fn publish(&self, apps: Vec<Route>) {
        self.table.send_replace(Arc::new(Table { apps }));
    }

    /// The router's next log line.
    pub(crate) async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.recv()).await;
        line.expect("a log line").expect("the router runs").text
    }

    /// Stops the router, which has nothing left in flight, and gives the log lines nobody has read.
    pub(crate) async fn stop(mut self) -> Vec<String> {
        timeout(PATIENCE, self.router.shutdown(PATIENCE / 2)).await.expect("the router stops");
        let mut rest = Vec::new();
        while let Ok(message) = self.lines.try_recv() {
            rest.push(message.text);
        }
        rest
    }
}

/// Says that a test proves nothing here, past the harness that swallows what passing tests print. Where what it misses
/// is required by one of these variables, a skipped test is a failed one.
pub(crate) fn skip(missing: &str, required_by: &[&str]) {
    static SKIPPED: AtomicU64 = AtomicU64::new(0);
    let name = std::thread::current().name().unwrap_or("test").to_owned();
    for variable in required_by {
        assert!(std::env::var_os(variable).is_none(), "{name}: {missing}, and {variable} is set");
    }
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    let _ = writeln!(std::io::stderr(), "skipped, {missing}: {name} ({count} skipped so far)");
}

/// A program of the search path.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
