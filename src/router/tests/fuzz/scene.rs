//! The whole router between a client that sends anything and a dyno that answers anything, in paused time.
//!
//! What has to hold: the dyno sees no request that the client did not send, in no other order and with no other body;
//! the client gets at most one answer to each of its requests, and nothing behind the last; each request that was let
//! in leaves one log line; and everything ends.

use super::reference::{self, Body, End, Header, Span};
use super::seeds::{Kind, Random, Seeds};
use crate::router::answer::{self, AnswerScan};
use crate::router::config::{Generation, RouterConfig};
use crate::router::head::{HeadScan, Scan, VALUE};
use crate::router::tests::stage::{Stage, config};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Duration, sleep, timeout};

/// Longer than all the router's timers and all the pauses that one connection can meet in a row.
const PATIENCE: Duration = Duration::from_secs(100_000);
const FINE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";

/// Who sends what, in which pieces.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) stream: Vec<u8>,
    /// What the dyno says, request by request; to those after, [`FINE`].
    pub(super) answers: Vec<Vec<u8>>,
    pub(super) config: RouterConfig,
    /// Bytes that the client sends at once, and how long it waits between.
    pub(super) piece: usize,
    pub(super) pause: Duration,
    /// The same of the dyno.
    pub(super) dyno_piece: usize,
    pub(super) dyno_pause: Duration,
    /// The client closes its side after its last byte.
    pub(super) client_closes: bool,
    /// The dyno closes after each answer.
    pub(super) dyno_closes: bool,
}

impl Scene {
    /// Everything in one piece, by Heroku's defaults.
    pub(super) fn plain(stream: Vec<u8>, answers: Vec<Vec<u8>>) -> Self {
        Self {
            stream,
            answers,
            config: config(),
            piece: usize::MAX,
            pause: Duration::ZERO,
            dyno_piece: usize::MAX,
            dyno_pause: Duration::ZERO,
            client_closes: false,
            dyno_closes: true,
        }
    }

    pub(super) fn any(seeds: &Seeds, random: &mut Random) -> Self {
        let stream = (0..=random.below(3)).flat_map(|_| seeds.mutant(Kind::Requests, random, 2)).collect();
        let answers = (0..random.below(4)).map(|_| match random.below(3) {
            0 => FINE.to_vec(),
            _ => seeds.mutant(Kind::Answers, random, 2),
        });
        let mut scene = Self::plain(stream, answers.collect());
        scene.config.end_to_end_continue = random.once_in(4);
        scene.config.half_close = random.once_in(2);
        scene.config.replay_stale = random.once_in(2);
        scene.config.session_affinity = random.once_in(8);
        scene.config.network_error_logging = random.once_in(8);
        scene.config.keep_alive_to_dynos = !random.once_in(8);
        if random.once_in(4) {
            scene.config.generation = Generation::Legacy;
        }
        (scene.piece, scene.pause) = pace(random, scene.stream.len());
        (scene.dyno_piece, scene.dyno_pause) = pace(random, 200);
        scene.client_closes = random.once_in(2);
        scene.dyno_closes = random.once_in(2);
        scene
    }
}

impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the client sends: {}", self.stream.escape_ascii())?;
        for answer in &self.answers {
            writeln!(f, "the dyno answers: {}", answer.escape_ascii())?;
        }
        let paces = [(self.piece, self.pause), (self.dyno_piece, self.dyno_pause)];
        write!(f, "paces: {paces:?}, closing: {} {}, {:?}", self.client_closes, self.dyno_closes, self.config)
    }
}

/// At once, or in up to a hundred pieces, some of them slow.
fn pace(random: &mut Random, length: usize) -> (usize, Duration) {
    let millis = [0, 0, 1, 20_000, 40_000];
    if random.below(4) < 2 {
        return (usize::MAX, Duration::ZERO);
    }
    let piece = 1 + length / 100 + random.below(20);
    let slow = if random.once_in(4) { 5 } else { 3 };
    (piece, Duration::from_millis(*random.pick(&millis[..slow])))
}

/// A request, as the client sent it or as the dyno got it.
#[derive(Debug)]
struct Request {
    method: String,
    target: String,
    headers: Vec<Header>,
    body: Body,
}

/// What the dyno saw, and what is wrong with it.
#[derive(Default)]
struct Seen {
    requests: Vec<Request>,
    answers: VecDeque<Vec<u8>>,
}

/// Plays the scene, and checks what has to hold.
pub(super) fn play(scene: &Scene) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut stage = Stage::with(scene.config.clone(), &[crate::model::dyno::DynoState::Up]);
        let seen = Arc::new(Mutex::new(Seen { answers: scene.answers.clone().into(), ..Seen::default() }));
        let mut calls = stage.answering.remove(&1).unwrap();
        let (dynos, for_dynos) = (scene.clone(), Arc::clone(&seen));
        let dynos = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Some(pipe) = calls.recv().await {
                open.spawn(dyno(pipe, dynos.clone(), Arc::clone(&for_dynos)));
                while let Some(ended) = open.try_join_next() {
                    ended.unwrap();
                }
            }
        });
        let got = timeout(PATIENCE, client(stage.client().pipe, scene)).await.expect("the client's connection ends");
        let over = async {
            while stage.shared.connections.load(Ordering::Relaxed) > 0 {
                sleep(Duration::from_secs(1)).await;
            }
        };
        timeout(PATIENCE, over).await.expect("the router lets go of the connection");
        assert!(!dynos.is_finished(), "the dyno took offence");
        let live = stage.shared.registry().current();
        assert_eq!(live.apps[0].in_flight(), 0, "in flight");
        let known = |host: &[u8]| live.table.find(&String::from_utf8_lossy(host)).is_some();
        let sent = sent(&scene.stream);
        let mut seen = std::mem::take(&mut seen.lock().unwrap().requests);
        // In the order in which they were sent: a dyno may read late what the router has given up on since (H12).
        seen.sort_by_key(started);
        never_another_request(&sent.requests, &seen);
        let answered = one_answer_each(&sent, &got);
        let is_known = |request: &&Request| known(reference::values(&request.headers, "host")[0]);
        let lines = stage.lines();
        let at_least = sent.requests.iter().take(answered).filter(is_known).count();
        let at_most = at_least + sent.requests.iter().skip(answered).take(1).filter(is_known).count();
        assert!((at_least..=at_most).contains(&lines.len()), "{at_least} to {at_most} log lines: {lines:#?}");
        for request in &seen {
            let id = reference::values(&request.headers, "x-request-id")[0];
            let id = format!(" request_id={} ", String::from_utf8_lossy(id));
            let logged = lines.iter().any(|line| line.contains(&id) && line.contains(" dyno=web.1 "));
            assert!(logged, "no line for{id}: {lines:#?}");
        }
    });
}

/// Sends the client's bytes and reads to the end.
async fn client(pipe: DuplexStream, scene: &Scene) -> Vec<u8> {
    let (mut reading, mut writing) = tokio::io::split(pipe);
    let mut got = Vec::new();
    let write = async {
        let sent = send(&mut writing, &scene.stream, scene.piece, scene.pause).await;
        if scene.client_closes && sent {
            let _ = writing.shutdown().await;
        }
        writing
    };
    let read = async { reading.read_to_end(&mut got).await };
    let (_writing, _) = tokio::join!(write, read);
    got
}

/// Whether all of it was taken.
async fn send(to: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8], piece: usize, pause: Duration) -> bool {
    // Long messages do not take for ever.
    let piece = piece.clamp(1 + bytes.len() / 100, bytes.len().max(1));
    for piece in bytes.chunks(piece) {
        if to.write_all(piece).await.is_err() {
            return false;
        }
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
    true
}

/// One connection of a dyno that believes no byte it gets, and says what it is told to.
async fn dyno(mut pipe: DuplexStream, scene: Scene, seen: Arc<Mutex<Seen>>) {
    let mut have = Vec::new();
    loop {
        let whole = await_request(&mut pipe, &mut have).await;
        let answer = {
            let mut seen = seen.lock().unwrap();
            let Some((request, whole)) = whole else { return };
            seen.requests.push(request);
            if !whole {
                return;
            }
            seen.answers.pop_front().unwrap_or_else(|| FINE.to_vec())
        };
        if !send(&mut pipe, &answer, scene.dyno_piece, scene.dyno_pause).await || scene.dyno_closes {
            return;
        }
        if switches(&answer) {
            let _ = pipe.read_to_end(&mut Vec::new()).await;
            return;
        }
    }
}

/// The next request, and whether it came whole; none at the end.
async fn await_request(pipe: &mut DuplexStream, have: &mut Vec<u8>) -> Option<(Request, bool)> {
    loop {
        if let Some((request, length)) = parse(have) {
            if let End::At(end) = request.body.end {
                have.drain(..length + end);
                return Some((request, true));
            }
            if pipe.read_buf(have).await.unwrap_or(0) == 0 {
                return Some((request, false));
            }
        } else if pipe.read_buf(have).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

/// The request that a strict server finds here, and the length of its head. The router sends nothing else.
fn parse(bytes: &[u8]) -> Option<(Request, usize)> {
    let length = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let mut scan = HeadScan::default();
    let head = within_limits(&bytes[..length]);
    assert_eq!(scan.scan(&head), Scan::Done(head.len()), "at the dyno: {}", bytes.escape_ascii());
    let (line, headers) = reference::lines(&bytes[..length]);
    let codings = reference::values(&headers, "transfer-encoding");
    let lengths = reference::values(&headers, "content-length");
    assert!(codings.len() + lengths.len() < 2, "at the dyno, two framings: {}", bytes.escape_ascii());
    let (method, target) = first_line(line);
    let body = reference::body(scan.framing(), &bytes[length..]);
    assert_ne!(body.end, End::Broken, "at the dyno: {}", bytes.escape_ascii());
    Some((Request { method, target, headers, body }, length))
}

/// The head without the beginning of a list that was as long as a value may be before the router added to it.
fn within_limits(head: &[u8]) -> Vec<u8> {
    let shortened = |line: &[u8]| match line {
        _ if line.len() <= VALUE => line.to_vec(),
        [b'X', b'-', b'F', ..] | [b'V', b'i', b'a', ..] => [b"Via: ", &line[line.len() - 100..]].concat(),
        _ => line.to_vec(),
    };
    head.split_inclusive(|b| *b == b'\n').flat_map(shortened).collect()
}

fn first_line(line: &[u8]) -> (String, String) {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ').map(str::to_owned);
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

/// Whether that answer ends HTTP on its connection, or could be taken to.
fn switches(mut answer: &[u8]) -> bool {
    loop {
        match AnswerScan::default().scan(answer) {
            answer::Scan::Interim(length) => answer = &answer[length..],
            _ => return answer.get(9..12) == Some(b"101"),
        }
    }
}

/// What the client sent.
struct Sent {
    requests: Vec<Request>,
    /// A refusal may follow the answers.
    refused: bool,
}

/// The requests that this client sent, and nothing that a body hides.
fn sent(stream: &[u8]) -> Sent {
    let mut rest = stream;
    let mut requests = Vec::new();
    loop {
        let mut scan = HeadScan::default();
        let Scan::Done(length) = scan.scan(rest) else {
            return Sent { requests, refused: !rest.is_empty() };
        };
        let head = scan.encoded(&rest[..length]).unwrap_or_else(|| rest[..length].to_vec());
        let (line, headers) = reference::lines(&head);
        let (method, target) = first_line(line);
        let body = reference::body(scan.framing(), &rest[length..]);
        let end = body.end;
        requests.push(Request { method, target, headers, body });
        let End::At(end) = end else { return Sent { requests, refused: false } };
        rest = &rest[length + end..];
    }
}

/// When the router received it, in milliseconds.
fn started(request: &Request) -> u64 {
    let stamp = reference::values(&request.headers, "x-request-start")[0];
    std::str::from_utf8(stamp).unwrap().parse().unwrap()
}

/// Every request at the dyno is one of the client's, in order.
fn never_another_request(sent: &[Request], seen: &[Request]) {
    let mut left = sent.iter();
    let mut last: Option<&Request> = None;
    for request in seen {
        // The same one twice is a replay over a fresh connection, of a request without a body.
        let again = last.is_some_and(|last| same(last, request) && request.body.data.is_empty());
        if again && !left.as_slice().first().is_some_and(|next| same(next, request)) {
            continue;
        }
        last = left.by_ref().find(|sent| same(sent, request));
        assert!(last.is_some(), "the client never sent {request:#?}\nbut {sent:#?}");
    }
}

/// Whether the dyno's request is what became of the client's.
fn same(sent: &Request, seen: &Request) -> bool {
    let whole = match (seen.body.end, sent.body.end) {
        (End::At(_), End::At(_)) => sent.body.data == seen.body.data,
        (End::At(_) | End::Broken, _) => false,
        (End::Open, _) => sent.body.data.starts_with(&seen.body.data),
    };
    whole && sent.method == seen.method && origin_form(&sent.target) == seen.target && no_header_is_new(sent, seen)
}

fn origin_form(target: &str) -> String {
    let target = target.split('#').next().unwrap_or_default();
    if target.starts_with('/') || target == "*" {
        return target.to_owned();
    }
    let uri: http::Uri = target.parse().unwrap();
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// Headers that the router writes itself, or writes to.
const OWN: [&str; 15] = [
    "host",
    "connection",
    "connect-time",
    "content-length",
    "expect",
    "server",
    "total-route-time",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
    "x-request-start",
];

fn no_header_is_new(sent: &Request, seen: &Request) -> bool {
    seen.headers.iter().all(|header| OWN.contains(&header.0.as_str()) || sent.headers.contains(header))
}

/// Reads the client's bytes as answers to its requests, and says how many were answered.
fn one_answer_each(sent: &Sent, got: &[u8]) -> usize {
    let mut rest = got;
    let mut answered = 0;
    while !rest.is_empty() {
        let request = sent.requests.get(answered);
        assert!(request.is_some() || sent.refused, "an answer to nothing: {}", rest.escape_ascii());
        let Some(length) = rest.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4) else {
            // Cut within its head.
            assert!(rest.len() < 12 || rest.starts_with(b"HTTP/1.1 "), "{}", rest.escape_ascii());
            return answered;
        };
        let (line, headers) = reference::lines(&rest[..length]);
        let status: u16 = std::str::from_utf8(&line[9..12]).unwrap().parse().unwrap();
        assert!(line.starts_with(b"HTTP/1.1 "), "{}", rest.escape_ascii());
        if status == 100 {
            rest = &rest[length..];
            continue;
        }
        assert!(!reference::values(&headers, "server").is_empty(), "hyper's own: {}", rest.escape_ascii());
        // A head that takes too long is refused as one that is wrong.
        let late = status == 408 && reference::values(&headers, "via").is_empty();
        let Some(request) = request.filter(|_| !late) else {
            assert_eq!(rest.len(), length, "behind a refusal: {}", rest.escape_ascii());
            return answered;
        };
        answered += 1;
        if status == 101 {
            return answered;
        }
        let body = match reference::span(status, request.method == "HEAD", &headers) {
            Span::Framed(framing) => reference::body(framing, &rest[length..]),
            Span::ToTheEnd => {
                let close = reference::values(&headers, "connection");
                assert!(close.iter().any(|v| v.eq_ignore_ascii_case(b"close")), "{}", rest.escape_ascii());
                return answered;
            }
        };
        match body.end {
            End::At(end) => rest = &rest[length + end..],
            End::Open => return answered,
            End::Broken => panic!("broken chunks: {}", rest.escape_ascii()),
        }
    }
    answered
}
