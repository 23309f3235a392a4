//! Dynos that are replaced, restarted and scaled while clients keep asking, over real sockets: no request fails, none
//! is lost or doubled, and none that was sent after the table changed reaches a socket of a life that is over.

use super::stage::{config, name};
use crate::clock::Clock;
use crate::model::dyno::DynoState;
use crate::model::endpoint::Endpoint;
use crate::router::table::{Backend, Route, Table};
use crate::router::traffic::Traffic;
use crate::router::{Listener, Router, RouterConfig};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Duration, sleep, timeout};

const CLIENTS: usize = 16;
const ROUNDS: u64 = 60;
/// Requests that are answered in each round at least.
const LOAD: usize = 20;
const PATIENCE: Duration = Duration::from_secs(30);
const UPLOAD: usize = 100_000;
/// No request of this client is on its way.
const IDLE: u64 = u64::MAX;
/// Not retired.
const NEVER: u64 = u64::MAX;

/// What clients and dynos write down. Time is counted in tables: number `n` is in force once `now` is `n`, and a request
/// is as old as what its client read there before it sent the first byte.
#[derive(Default)]
struct Ledger {
    now: AtomicU64,
    /// The age of the request that each client waits for.
    waiting: Vec<AtomicU64>,
    /// Which dyno answered each request.
    served: Mutex<HashMap<String, String>>,
    answered: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

impl Ledger {
    fn complain(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }
}

/// A dyno between one start and its end.
struct Life {
    name: String,
    /// The table that had it no more.
    retired: AtomicU64,
    /// Connections of the router that are open.
    open: AtomicUsize,
}

impl Life {
    fn new(number: u32) -> Arc<Self> {
        let (retired, open) = (AtomicU64::new(NEVER), AtomicUsize::new(0));
        Arc::new(Self { name: name(number).to_string(), retired, open })
    }
}

/// A place where one life listens after another, and the task that takes its connections.
struct Dyno {
    number: u32,
    generation: u64,
    address: SocketAddr,
    life: Arc<Mutex<Arc<Life>>>,
    accepting: JoinHandle<()>,
}

impl Dyno {
    async fn start(number: u32, generation: u64, ledger: &Arc<Ledger>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let life = Arc::new(Mutex::new(Life::new(number)));
        let (ledger, now) = (Arc::clone(ledger), Arc::clone(&life));
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let life = Arc::clone(&now.lock().unwrap());
                life.open.fetch_add(1, Ordering::SeqCst);
                let ledger = Arc::clone(&ledger);
                tokio::spawn(async move {
                    serve(stream, &life, &ledger).await;
                    life.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { number, generation, address, life, accepting }
    }

    fn life(&self) -> Arc<Life> {
        Arc::clone(&self.life.lock().unwrap())
    }

    fn backend(&self, state: DynoState) -> Backend {
        let endpoint = (state == DynoState::Up).then_some(Endpoint(self.address));
        Backend { name: name(self.number), generation: self.generation, state, endpoint, traffic: Traffic::default() }
    }
}

/// Answers until the router closes, which only it does.
async fn serve(mut stream: TcpStream, life: &Life, ledger: &Ledger) {
    let mut bytes = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if !stream.read_buf(&mut bytes).await.is_ok_and(|n| n > 0) {
                return;
            }
        };
        let head = String::from_utf8(bytes.drain(..end).collect()).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let age: u64 = head.split("X-Age: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
        if age >= life.retired.load(Ordering::SeqCst) {
            ledger.complain(format!("{path} of table {age} reached {}, gone by then", life.name));
        }
        if let Some(before) = ledger.served.lock().unwrap().insert(path.clone(), life.name.clone()) {
            ledger.complain(format!("{path} came twice: {before}, {}", life.name));
        }
        if path.starts_with("/upload/") {
            while bytes.len() < UPLOAD {
                assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "{path}: the upload ends early");
            }
            bytes.drain(..UPLOAD);
        }
        if path.starts_with("/slow/") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
            for byte in path.bytes().skip(1) {
                sleep(Duration::from_millis(5)).await;
                stream.write_all(&[b'1', b'\r', b'\n', byte, b'\r', b'\n']).await.unwrap();
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        } else {
            let body = &path[1..];
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

/// Asks one thing after another, on a connection that is renewed now and then. Returns how often.
async fn client(number: usize, router: SocketAddr, ledger: Arc<Ledger>, stop: Arc<AtomicBool>) -> usize {
    let mut count = 0;
    let mut stream = TcpStream::connect(router).await.unwrap();
    while !stop.load(Ordering::SeqCst) {
        if count % 50 == 49 {
            stream = TcpStream::connect(router).await.unwrap();
        }
        let kind = ["quick", "slow", "upload", "quick"][(number + count) % 4];
        let path = format!("/{kind}/{number}/{count}");
        // First as old as can be, so that nobody takes this client for idle between the two.
        ledger.waiting[number].store(0, Ordering::SeqCst);
        let age = ledger.now.load(Ordering::SeqCst);
        ledger.waiting[number].store(age, Ordering::SeqCst);
        let upload = if kind == "upload" { UPLOAD } else { 0 };
        let request = format!("POST {path} HTTP/1.1\r\nHost: shop\r\nX-Age: {age}\r\nContent-Length: {upload}\r\n\r\n");
        let asked = async {
            stream.write_all(&[request.as_bytes(), &vec![b'x'; upload]].concat()).await?;
            answer(&mut stream).await
        };
        let got = timeout(PATIENCE, asked).await;
        ledger.waiting[number].store(IDLE, Ordering::SeqCst);
        match got {
            Ok(Ok((200, body))) if body == path[1..] => {}
            other => {
                ledger.complain(format!("{path}: {other:?}"));
                stream = TcpStream::connect(router).await.unwrap();
            }
        }
        ledger.answered.fetch_add(1, Ordering::SeqCst);
        count += 1;
    }
    count
}

/// Status and body of the next answer.
async fn answer(stream: &mut TcpStream) -> std::io::Result<(u16, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let whole = length.map_or(body.ends_with("0\r\n\r\n"), |length| body.len().to_string() == length);
            if whole && length.is_some() {
                return Ok((status, body.to_owned()));
            } else if whole {
                // Size lines and data by turns; the last one is of size 0.
                return Ok((status, body.split("\r\n").skip(1).step_by(2).collect()));
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::Error::other(format!("closed after {:?}", String::from_utf8_lossy(&bytes))));
        }
    }
}

/// The platform's part: a table, and what changes in it.
struct Formation {
    ledger: Arc<Ledger>,
    table: watch::Sender<Arc<Table>>,
    dynos: Vec<Dyno>,
    /// Lives that come to their end.
    ending: JoinSet<()>,
}

impl Formation {
    fn publish(&self, backends: Vec<Backend>) {
        let route = Route { app: "shop".into(), dynos: backends, ..Route::default() };
        let route = Route { hosts: vec![crate::router::table::HostRule::parse("shop")], ..route };
        self.table.send_replace(Arc::new(Table { apps: vec![route] }));
    }

    /// The table that has just been published is in force for whoever asks now, and these lives are over.
    fn retire(&mut self, lives: Vec<(Arc<Life>, Option<Dyno>)>) {
        let now = self.ledger.now.load(Ordering::SeqCst) + 1;
        for (life, _) in &lives {
            life.retired.store(now, Ordering::SeqCst);
        }
        self.ledger.now.store(now, Ordering::SeqCst);
        for (life, dyno) in lives {
            self.ending.spawn(end(now, life, dyno, Arc::clone(&self.ledger)));
        }
    }

    /// As many dynos as said, all of them new ones if `anew`: they are up before the old ones go, as with preboot.
    async fn scale(&mut self, quantity: usize, anew: bool, generation: u64) {
        let mut gone = self.dynos.split_off(if anew { 0 } else { quantity.min(self.dynos.len()) });
        for number in self.dynos.len()..quantity {
            let number = u32::try_from(number).unwrap() + 1;
            self.dynos.push(Dyno::start(number, generation, &self.ledger).await);
        }
        self.publish(self.dynos.iter().map(|dyno| dyno.backend(DynoState::Up)).collect());
        let lives = gone.drain(..).map(|dyno| (dyno.life(), Some(dyno)));
        self.retire(lives.collect());
    }

    /// Every dyno starts again where it was: the engine may give the same address twice.
    async fn restart(&mut self, generation: u64) {
        self.publish(self.dynos.iter().map(|dyno| dyno.backend(DynoState::Starting)).collect());
        let lives: Vec<_> = self.dynos.iter().map(|dyno| (dyno.life(), None)).collect();
        self.retire(lives);
        sleep(Duration::from_millis(20)).await;
        for dyno in &mut self.dynos {
            dyno.generation = generation;
            *dyno.life.lock().unwrap() = Life::new(dyno.number);
        }
        self.publish(self.dynos.iter().map(|dyno| dyno.backend(DynoState::Up)).collect());
    }
}

/// A dyno at its end: what was sent before finishes, then the router has let go of every connection by itself, then it
/// listens no more.
async fn end(retired: u64, life: Arc<Life>, dyno: Option<Dyno>, ledger: Arc<Ledger>) {
    let finished = async {
        while ledger.waiting.iter().any(|age| age.load(Ordering::SeqCst) < retired) {
            sleep(Duration::from_millis(2)).await;
        }
    };
    if timeout(PATIENCE, finished).await.is_err() {
        ledger.complain(format!("a request from before table {retired} does not end"));
    }
    let left = async {
        while life.open.load(Ordering::SeqCst) > 0 {
            sleep(Duration::from_millis(2)).await;
        }
    };
    if timeout(Duration::from_secs(10), left).await.is_err() {
        ledger.complain(format!("the router keeps connections to {} of before table {retired}", life.name));
    }
    if let Some(dyno) = dyno {
        dyno.accepting.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_dynos_are_replaced_restarted_and_scaled() {
    let ledger =
        Arc::new(Ledger { waiting: (0..CLIENTS).map(|_| AtomicU64::new(IDLE)).collect(), ..Ledger::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (table, seen) = watch::channel(Arc::new(Table::default()));
    let (log, mut lines) = mpsc::unbounded_channel();
    let log = move |message| drop(log.send(message));
    let config = RouterConfig { threads: 4, ..config() };
    let router = Router::start(vec![Listener::http(listener)], &seen, config, &Clock::system(), log).unwrap();
    let mut formation = Formation { ledger: Arc::clone(&ledger), table, dynos: Vec::new(), ending: JoinSet::new() };
    formation.scale(1, false, 0).await;

    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| tokio::spawn(client(number, address, Arc::clone(&ledger), Arc::clone(&stop))))
        .collect();
    for round in 1..=ROUNDS {
        let enough = ledger.answered.load(Ordering::SeqCst) + LOAD;
        let loaded = async {
            while ledger.answered.load(Ordering::SeqCst) < enough {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, loaded).await.expect("requests are answered");
        if round % 4 == 0 {
            formation.restart(round).await;
        } else {
            let quantity = [1, 5, 2][usize::try_from(round).unwrap() % 3];
            formation.scale(quantity, round % 2 == 0, round).await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    let mut sent = 0;
    for client in clients {
        sent += client.await.unwrap();
    }
    while let Some(ended) = formation.ending.join_next().await {
        ended.unwrap();
    }
    assert_eq!(*ledger.wrong.lock().unwrap(), Vec::<String>::new());
    timeout(PATIENCE, router.shutdown(PATIENCE / 2)).await.unwrap();
    let served = ledger.served.lock().unwrap();
    assert!(sent >= LOAD * usize::try_from(ROUNDS).unwrap(), "{sent} requests");
    assert_eq!(served.len(), sent, "every request came to a dyno");
    let mut told = 0;
    while let Ok(line) = lines.try_recv() {
        let path = line.text.split('"').nth(1).unwrap().to_owned();
        assert!(line.text.starts_with("at=info ") && line.text.contains(" status=200 "), "{}", line.text);
        assert!(line.text.contains(&format!(" dyno={} ", served[&path])), "{}", line.text);
        told += 1;
    }
    assert_eq!(told, sent, "every request left one line");
}
