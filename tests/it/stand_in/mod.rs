//! A stand-in for Heroku's Platform API v3, as far as releases of images go: paths, statuses, headers, errors and the stream
//! of a release command's output (cli-api §3, §4.1, §5.3, §7). It answers on loopback, and writes down what it was asked.
//! The Heroku CLI itself works against it: `hosted.rs` tries that where the CLI is installed.

mod answer;
mod routes;
mod state;
mod stream;

pub(crate) use state::{App, Phase, World};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The key that the stand-in takes.
pub(crate) const KEY: &str = "01234567-89ab-cdef-0123-456789abcdef";

/// The names in its certificate, where it speaks TLS.
const TLS_NAMES: [&str; 3] = ["127.0.0.1", "api.example.test", "registry.example.test"];

/// An answer that is given instead of the true one.
#[derive(Clone)]
pub(crate) struct Fault {
    /// `GET /apps/shop`, the beginning of what it is about.
    pub(crate) at: &'static str,
    pub(crate) kind: Trouble,
}

#[derive(Clone)]
pub(crate) enum Trouble {
    /// Status, id, message, headers.
    Refuse(u16, &'static str, &'static str, &'static [(&'static str, &'static str)]),
    /// A body that is no JSON, as a proxy on the way would send.
    Html(u16),
    /// The connection ends without an answer; what was asked is done.
    HangUp,
}

/// It runs until it is dropped.
pub(crate) struct StandIn {
    pub(crate) port: u16,
    /// Its certificate, where it speaks TLS.
    pub(crate) certificate: Option<String>,
    shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

pub(crate) struct Shared {
    world: Mutex<World>,
    faults: Mutex<VecDeque<Fault>>,
    changed: tokio::sync::Notify,
    port: u16,
}

impl Shared {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

impl StandIn {
    pub(crate) fn start(apps: Vec<App>) -> Self {
        Self::start_with(apps, None)
    }

    /// With a certificate that nobody has signed.
    pub(crate) fn start_tls(apps: Vec<App>) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let signed = rcgen::CertificateParams::new(TLS_NAMES.map(str::to_owned)).unwrap().self_signed(&key).unwrap();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.der().clone()], private)
            .unwrap();
        Self::start_with(apps, Some((TlsAcceptor::from(Arc::new(config)), signed.pem())))
    }

    fn start_with(apps: Vec<App>, tls: Option<(TlsAcceptor, String)>) -> Self {
        let (tls, certificate) = tls.unzip();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new(apps)),
            faults: Mutex::default(),
            changed: tokio::sync::Notify::new(),
            port,
        });
        runtime.spawn(accept(listener, tls, shared.clone()));
        Self { port, certificate, shared, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    /// What comes next in place of true answers, in this order.
    pub(crate) fn fails(&self, faults: &[(&'static str, Trouble)]) {
        let faults = faults.iter().map(|(at, kind)| Fault { at, kind: kind.clone() });
        self.shared.faults.lock().unwrap().extend(faults);
    }

    /// `PATCH /apps/shop/formation`, one for each request so far, without the streams.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.world().asked.iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect()
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let (shared, tls) = (shared.clone(), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => {
                    through_a_tunnel(&mut stream).await;
                    serve(stream, shared).await;
                }
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, shared).await;
                    }
                }
            }
        });
    }
}

/// The Heroku CLI asks for the registry of a host of its own making, `registry.http://127.0.0.1:PORT`, through the proxy it is
/// given (cli-api §2.3). This is that proxy, wherever it is to lead: no HTTP library takes such a host.
async fn through_a_tunnel(stream: &mut TcpStream) {
    let mut first = [0; 8];
    while matches!(stream.peek(&mut first).await, Ok(1..8)) {
        tokio::task::yield_now().await;
    }
    if first != *b"CONNECT " {
        return;
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: Arc<Shared>) {
    let service = service_fn(move |request| routes::answer(shared.clone(), request));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
