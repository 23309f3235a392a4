//! The test double of everything around the router: clients, dynos, the platform's table, the log.

use crate::clock::Clock;
use crate::model::dyno::{DynoName, DynoState};
use crate::model::endpoint::Endpoint;
use crate::model::timeouts::Timeouts;
use crate::router::client::{Origin, Protocol};
use crate::router::config::RouterConfig;
use crate::router::dial::{Dial, DynoStream};
use crate::router::table::{Backend, Route, Table};
use crate::router::traffic::Traffic;
use crate::router::{Shared, connection, http2};
use async_trait::async_trait;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use time::macros::datetime;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, sleep, timeout};

/// Longer than any timer of the router.
const PATIENCE: Duration = Duration::from_secs(400);
const PIPE: usize = 16 * 1024;
/// Where clients come from.
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));

/// What a dialled dyno does.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Door {
    Open,
    Refusing,
    BlackHole,
}

/// The network between router and dynos.
#[derive(Clone)]
struct Net(Arc<Mutex<NetState>>);

struct NetState {
    doors: HashMap<SocketAddr, Door>,
    callers: HashMap<SocketAddr, mpsc::UnboundedSender<DuplexStream>>,
    dialled: Vec<SocketAddr>,
}

#[async_trait]
impl Dial for Net {
    async fn dial(&self, endpoint: &Endpoint) -> io::Result<Box<dyn DynoStream>> {
        let (door, caller) = {
            let mut net = self.0.lock().unwrap();
            net.dialled.push(endpoint.0);
            (net.doors[&endpoint.0], net.callers[&endpoint.0].clone())
        };
        match door {
            Door::Refusing => Err(io::ErrorKind::ConnectionRefused.into()),
            Door::BlackHole => std::future::pending().await,
            Door::Open => {
                let (near, far) = duplex(PIPE);
                caller.send(far).map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
                Ok(Box::new(near))
            }
        }
    }
}

/// One router on a stage.
pub(super) struct Stage {
    pub(super) shared: Arc<Shared>,
    table: watch::Sender<Arc<Table>>,
    net: Net,
    pub(super) answering: HashMap<u32, mpsc::UnboundedReceiver<DuplexStream>>,
    lines: mpsc::UnboundedReceiver<String>,
}

pub(super) fn config() -> RouterConfig {
    RouterConfig::new(Timeouts::heroku())
}

pub(super) fn name(number: u32) -> DynoName {
    DynoName::new("web".parse().unwrap(), number)
}

fn address(number: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(172, 20, 0, u8::try_from(number).unwrap()), 5000))
}

pub(super) fn backend(number: u32, state: DynoState) -> Backend {
    let endpoint = (state == DynoState::Up).then(|| Endpoint(address(number)));
    Backend { name: name(number), generation: 1, state, endpoint, traffic: Traffic::default() }
}

impl Stage {
    /// One app, `shop`, with `web.1` up.
    pub(super) fn new() -> Self {
        Self::with(config(), &[DynoState::Up])
    }

    /// One app with these web dynos, numbered from 1.
    pub(super) fn with(config: RouterConfig, dynos: &[DynoState]) -> Self {
        let mut answering = HashMap::new();
        let mut net = NetState { doors: HashMap::new(), callers: HashMap::new(), dialled: Vec::new() };
        for number in 1..=20 {
            let (tx, rx) = mpsc::unbounded_channel();
            net.doors.insert(address(number), Door::Open);
            net.callers.insert(address(number), tx);
            answering.insert(number, rx);
        }
        let net = Net(Arc::new(Mutex::new(net)));
        let (table, seen) = watch::channel(Arc::new(Table::default()));
        let clock = Clock::anchored(datetime!(2026-11-21 03:08:15 UTC), 7);
        let (log, lines) = mpsc::unbounded_channel();
        let log = Box::new(move |message: crate::model::log::Message| {
            let _ = log.send(message.text);
        });
        let shared = Shared::new(&seen, config, &clock, Box::new(net.clone()), log);
        let stage = Self { shared, table, net, answering, lines };
        stage.dynos(dynos);
        stage
    }

    /// Publishes a table in which the dynos are in these states.
    pub(super) fn dynos(&self, states: &[DynoState]) {
        let dynos = (1..).zip(states).map(|(number, state)| backend(number, *state)).collect();
        self.publish(Route { dynos, ..Route::default() });
    }

    /// Publishes a table of one app.
    pub(super) fn publish(&self, route: Route) {
        let app = Route { app: "shop".into(), ..route };
        self.table.send_replace(Arc::new(Table { apps: vec![app] }));
    }

    pub(super) fn door(&self, number: u32, door: Door) {
        self.net.0.lock().unwrap().doors.insert(address(number), door);
    }

    /// The numbers of the dynos that were dialled, in order.
    pub(super) fn dialled(&self) -> Vec<u32> {
        self.net
            .0
            .lock()
            .unwrap()
            .dialled
            .iter()
            .map(|at| match at.ip() {
                IpAddr::V4(ip) => u32::from(ip.octets()[3]),
                IpAddr::V6(_) => 0,
            })
            .collect()
    }

    /// A new client connection from 10.0.0.9 to port 80.
    pub(super) fn client(&self) -> Peer {
        let (near, far) = duplex(PIPE);
        let origin = Origin { peer: PEER, port: 80, tls: None, protocol: Protocol::Http1 };
        tokio::spawn(connection::serve(Arc::clone(&self.shared), far, origin));
        Peer { pipe: near, rest: Vec::new() }
    }

    /// A new HTTP/2 connection from 10.0.0.9 to port 443, its TLS undone.
    pub(super) fn client_of_http2(&self) -> DuplexStream {
        let (near, far) = duplex(PIPE);
        let origin = Origin { peer: PEER, port: 443, tls: Some("tls1.3"), protocol: Protocol::Http2 };
        tokio::spawn(http2::serve(Arc::clone(&self.shared), far, origin));
        near
    }

    /// A new client that has sent these bytes.
    pub(super) async fn client_sends(&self, bytes: &str) -> Peer {
        let mut client = self.client();
        client.send(bytes).await;
        client
    }

    /// The next connection that dyno gets.
    pub(super) async fn dyno(&mut self, number: u32) -> Peer {
        let answering = self.answering.get_mut(&number).unwrap();
        let pipe = timeout(PATIENCE, answering.recv()).await.expect("the dyno is dialled").unwrap();
        Peer { pipe, rest: Vec::new() }
    }

    /// Whether that dyno has a connection nobody has taken.
    pub(super) async fn is_dialled(&mut self, number: u32) -> bool {
        settle().await;
        !self.answering[&number].is_empty()
    }

    /// The next log line, its request id replaced when it is a made one.
    pub(super) async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.recv()).await.expect("a log line").unwrap();
        let (head, tail) = line.split_once("request_id=").unwrap_or((&line, ""));
        let (id, tail) = tail.split_once(' ').unwrap_or(("", tail));
        let made = id.len() == 36;
        format!("{head}request_id={} {tail}", if made { "ID" } else { id })
    }

    /// The lines logged by now that nobody has taken.
    pub(super) fn lines(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.lines.try_recv().ok()).collect()
    }

    /// Nothing more was logged.
    pub(super) async fn no_line(&mut self) {
        settle().await;
        assert_eq!(self.lines.try_recv().ok(), None);
    }
}

/// Lets everything that can happen without time passing happen; passes a millisecond.
pub(super) async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

/// One end of a connection, with raw bytes.
pub(super) struct Peer {
    pub(super) pipe: DuplexStream,
    /// Read but not yet asked for.
    pub(super) rest: Vec<u8>,
}

/// A message as it came over the wire.
#[derive(Debug)]
pub(super) struct Received {
    /// First line and headers, without the empty line.
    pub(super) head: String,
    pub(super) body: String,
}

impl Received {
    /// The values of a header, in order.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    pub(super) fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} is there {} times", all.len());
        all.first().copied()
    }

    pub(super) fn first_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(super) fn status(&self) -> u16 {
        self.first_line().split(' ').nth(1).unwrap().parse().unwrap()
    }
}

impl Peer {
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.pipe.write_all(bytes.as_ref())).await.expect("taken in time").unwrap();
        self.pipe.flush().await.unwrap();
    }

    /// Reads up to and with `end`.
    pub(super) async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.rest.windows(end.len()).position(|w| w == end.as_bytes()) {
                let taken: Vec<u8> = self.rest.drain(..at + end.len()).collect();
                return String::from_utf8_lossy(&taken).into_owned();
            }
            assert!(self.more().await, "the end came before {end:?}: {}", self.rest.escape_ascii());
        }
    }

    async fn more(&mut self) -> bool {
        let n = timeout(PATIENCE, self.pipe.read_buf(&mut self.rest)).await;
        matches!(n.expect("something comes"), Ok(n) if n > 0)
    }

    pub(super) async fn exactly(&mut self, n: usize) -> String {
        while self.rest.len() < n {
            assert!(self.more().await, "the end came after {} of {n} bytes", self.rest.len());
        }
        let taken: Vec<u8> = self.rest.drain(..n).collect();
        String::from_utf8_lossy(&taken).into_owned()
    }

    /// Everything up to the end of the stream.
    pub(super) async fn rest(&mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.rest)).into_owned()
    }

    /// A head alone.
    pub(super) async fn head(&mut self) -> Received {
        let head = self.until("\r\n\r\n").await;
        Received { head: head.trim_end().to_owned(), body: String::new() }
    }

    /// A whole message: its body by length, by chunks (kept as they came) or to the end; none without any of them in a
    /// request.
    pub(super) async fn message(&mut self) -> Received {
        let mut message = self.head().await;
        let answer = message.head.starts_with("HTTP/");
        if message.one("transfer-encoding").is_some() {
            message.body = self.until("0\r\n").await;
            message.body += &self.until("\r\n").await;
            while !message.body.ends_with("\r\n\r\n") {
                message.body += &self.until("\r\n").await;
            }
        } else if let Some(length) = message.one("content-length").map(|n| n.parse().unwrap()) {
            message.body = self.exactly(length).await;
        } else if answer {
            message.body = self.rest().await;
        }
        message
    }

    /// A whole message, or none when the stream ends first.
    pub(super) async fn try_message(&mut self) -> Option<Received> {
        while !self.rest.windows(4).any(|w| w == b"\r\n\r\n") {
            if !self.more().await {
                return None;
            }
        }
        let mut message = self.head().await;
        if message.one("transfer-encoding").is_some() {
            // A chunked body ends with an empty line, and the router writes no other outside of data.
            loop {
                let line = self.try_until("\r\n").await?;
                message.body += &line;
                let size = usize::from_str_radix(line.trim_end(), 16).ok()?;
                if size == 0 {
                    break;
                }
                while self.rest.len() < size + 2 {
                    if !self.more().await {
                        return None;
                    }
                }
                message.body += &self.exactly(size + 2).await;
            }
            loop {
                let line = self.try_until("\r\n").await?;
                if line == "\r\n" {
                    break;
                }
            }
        } else if let Some(length) = message.one("content-length").map(|n| n.parse().unwrap()) {
            while self.rest.len() < length {
                if !self.more().await {
                    return None;
                }
            }
            message.body = self.exactly(length).await;
        }
        Some(message)
    }

    async fn try_until(&mut self, end: &str) -> Option<String> {
        while !self.rest.windows(end.len()).any(|w| w == end.as_bytes()) {
            if !self.more().await {
                return None;
            }
        }
        Some(self.until(end).await)
    }

    /// The stream ends here.
    pub(super) async fn assert_closed(&mut self) {
        assert_eq!(self.rest().await, "");
    }

    /// Nothing comes, and the stream does not end, without time passing.
    pub(super) async fn assert_quiet(&mut self) {
        let got = timeout(Duration::from_millis(1), self.more()).await;
        assert!(got.is_err(), "{} {:?}", got.unwrap(), self.rest.escape_ascii().to_string());
    }

    /// Whether another request is answered on this connection.
    pub(super) async fn assert_alive(&mut self, stage: &mut Stage, dyno: Option<&mut Peer>) {
        self.send("GET /again HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let mut fresh;
        let dyno = if let Some(dyno) = dyno {
            dyno
        } else {
            fresh = stage.dyno(1).await;
            &mut fresh
        };
        assert!(dyno.head().await.head.starts_with("GET /again "));
        dyno.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain").await;
        assert_eq!(self.message().await.body, "again");
    }
}
