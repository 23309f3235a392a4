//! Random input: never a panic, never a hang, and never a request at the dyno that the client did not send as one.
//!
//! Two ways: proptest puts messages together from pieces, and a run over the corpus (`corpus/README.md`) changes
//! messages that once were of interest. The latter goes on for as long as one likes.

mod bare;
mod heads2;
mod judge;
mod reference;
mod run;
mod scene;
mod seeds;

use super::stage::{Peer, Stage};
use crate::router::answer::{self, AnswerScan};
use crate::router::chunks::{BodyScan, Progress};
use crate::router::head::{self, Framing, HeadScan};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::time::{Duration, timeout};

/// What heads are made of, right and wrong.
fn head_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("GET / HTTP/1.1\r\n".to_owned()),
        Just("POST /x HTTP/1.0\r\n".to_owned()),
        Just("HTTP/1.1 200 OK\r\n".to_owned()),
        Just("HTTP/1.1 101\r\n".to_owned()),
        Just("HTTP/1.1 103 Early\r\n".to_owned()),
        Just("Host: a\r\n".to_owned()),
        Just("Content-Length: 5\r\n".to_owned()),
        Just("Transfer-Encoding: chunked\r\n".to_owned()),
        Just("Set-Cookie: a=b\r\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just(" ".to_owned()),
        Just(":".to_owned()),
        Just("\0".to_owned()),
        "[A-Za-z]{1,5}: [ -~]{0,20}\r\n",
        "[ -~]{0,8}",
    ];
    let pieces = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![4 => pieces, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

fn chunk_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("3\r\nabc\r\n".to_owned()),
        Just("0\r\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("a: b\r\n".to_owned()),
        Just("5;x=y\r\n".to_owned()),
        Just("hello".to_owned()),
        Just("\n".to_owned()),
        "[0-9a-fA-Fx+;\r\n -]{0,6}",
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn fuzz_a_request_head_is_judged_alike_however_it_is_cut(bytes in head_bytes()) {
        let whole = HeadScan::default().scan(&bytes);
        let mut scan = HeadScan::default();
        let pieces = (1..=bytes.len()).map(|n| scan.scan(&bytes[..n])).find(|s| *s != head::Scan::More);
        prop_assert_eq!(pieces.unwrap_or(head::Scan::More), whole);
    }

    #[test]
    fn fuzz_a_response_head_is_judged_alike_however_it_is_cut(bytes in head_bytes()) {
        let whole = AnswerScan::default().scan(&bytes);
        let mut scan = AnswerScan::default();
        let pieces = (1..=bytes.len()).map(|n| scan.scan(&bytes[..n])).find(|s| *s != answer::Scan::More);
        prop_assert_eq!(pieces.unwrap_or(answer::Scan::More), whole);
    }

    #[test]
    fn fuzz_a_body_ends_at_the_same_byte_however_it_is_cut(bytes in chunk_bytes(), cut in 1..5usize) {
        let whole = BodyScan::new(Framing::Chunked).scan(&bytes);
        let mut scan = BodyScan::new(Framing::Chunked);
        let mut at = 0;
        let mut pieces = Progress::More;
        for piece in bytes.chunks(cut) {
            pieces = scan.scan(piece);
            match &mut pieces {
                Progress::More => at += piece.len(),
                Progress::Done(n) | Progress::Broken(n) => {
                    *n += at;
                    break;
                }
            }
        }
        prop_assert_eq!(pieces, whole);
    }
}

/// Ways to say how long a body is, right, wrong and ambiguous.
const FRAMINGS: [&str; 22] = [
    "",
    "Content-Length: @",
    "Content-Length: @\r\nContent-Length: @",
    "Content-Length: @\r\nContent-Length: 0",
    "Content-Length: 0\r\nContent-Length: @",
    "Content-Length: @, @",
    "Content-Length: +@",
    "Content-Length : @",
    "Content-Length: 0x@",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: @",
    "Content-Length: @\r\nTransfer-Encoding: chunked",
    "Content-Length: 0\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: xchunked\r\nContent-Length: @",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding:\u{b}chunked\r\nContent-Length: @",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Connection: Content-Length\r\nContent-Length: @",
    "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
    "X: y\nTransfer-Encoding: chunked\r\nContent-Length: @",
];

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A request whose body hides another one, in chunks or as it is.
fn request() -> impl Strategy<Value = String> {
    let body = prop_oneof![
        Just(SMUGGLED.to_owned()),
        Just(format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len())),
        Just(format!("0\r\nX: y\r\n\r\n{}", "")),
        Just(format!("{:x};ext\r\n{SMUGGLED}\r\n0\r\nTransfer-Encoding: x\r\n\r\n", SMUGGLED.len())),
        Just(format!("0x0\r\n\r\n{SMUGGLED}")),
        Just(format!("1\n{SMUGGLED}")),
    ];
    (prop::sample::select(&FRAMINGS[..]), body).prop_map(|(framing, body)| {
        let framing = framing.replace('@', &body.len().to_string());
        let framing = if framing.is_empty() { framing } else { framing + "\r\n" };
        format!("POST /sent HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n{body}")
    })
}

/// A body without any length is a request of its own; with one, it never is.
fn hides(request: &str) -> bool {
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    head.contains("Content-Length") || head.contains("Transfer-Encoding")
}

/// Answers every request on every connection, and gives the request lines it saw.
async fn answer_all(mut dyno: Peer, seen: tokio::sync::mpsc::UnboundedSender<String>) {
    loop {
        let whole = async {
            if dyno.rest.is_empty() {
                let mut first = [0];
                tokio::io::AsyncReadExt::read_exact(&mut dyno.pipe, &mut first).await.ok()?;
                dyno.rest.push(first[0]);
            }
            dyno.try_message().await
        };
        let Some(request) = whole.await else { return };
        let _ = seen.send(request.first_line().to_owned());
        if dyno.pipe.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.is_err() {
            return;
        }
    }
}

proptest! {
    #[test]
    fn fuzz_no_request_hidden_in_a_body_is_ever_sent_to_a_dyno(requests in prop::collection::vec(request(), 1..4)) {
        let hidden = requests.iter().all(|request| hides(request));
        let lines = serve(requests.concat().into_bytes());
        if hidden {
            prop_assert!(lines.iter().all(|line| line == "POST /sent HTTP/1.1"), "{lines:?}");
        }
    }

    #[test]
    fn fuzz_random_bytes_end_in_a_closed_connection(first in head_bytes(), second in chunk_bytes()) {
        serve([first, second].concat());
    }

    #[test]
    fn fuzz_random_answers_end_in_an_answer_or_a_cut(first in head_bytes(), second in chunk_bytes()) {
        paused(async move {
            let mut stage = Stage::new();
            let mut client = stage.client_sends("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
            let mut dyno = stage.dyno(1).await;
            let _ = dyno.pipe.write_all(&[first, second].concat()).await;
            drop(dyno);
            let answer = client.rest().await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 "), "{answer}");
            assert!(stage.line().await.contains(" dyno=web.1 "));
        });
    }
}

/// The request lines that a dyno sees of these bytes, from a client that then waits for the end.
fn serve(bytes: Vec<u8>) -> Vec<String> {
    paused(async move {
        let mut stage = Stage::new();
        let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
        let mut answering = stage.answering.remove(&1).unwrap();
        let dynos = tokio::spawn(async move {
            while let Some(pipe) = answering.recv().await {
                tokio::spawn(answer_all(Peer { pipe, rest: Vec::new() }, tx.clone()));
            }
        });
        let mut client = stage.client();
        let _ = client.pipe.write_all(&bytes).await;
        timeout(Duration::from_secs(600), client.rest()).await.expect("the connection ends");
        dynos.abort();
        let mut lines = Vec::new();
        while let Ok(line) = rx.try_recv() {
            lines.push(line);
        }
        lines
    })
}

fn paused<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test)
}
