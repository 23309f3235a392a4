//! The pure properties: each check judges alike however its bytes are cut, and what it lets through, hyper and the
//! reference read alike: the same head, the same body, the same end.

use super::bare;
use super::reference::{self, Body, End, Header, Span};
use super::seeds::Random;
use crate::router::answer::{self, AnswerScan};
use crate::router::chunks::{BodyScan, Progress};
use crate::router::head::{self, Framing, HeadScan};
use http::Method;

/// How many bytes come at once: all, one, or some.
#[derive(Clone, Copy)]
enum Cut {
    Whole,
    Bytes,
    Random,
}

impl Cut {
    fn next(self, random: &mut Random) -> usize {
        match self {
            Self::Whole => usize::MAX,
            Self::Bytes => 1,
            Self::Random => 1 + random.below(40),
        }
    }
}

/// What a client may send.
pub(super) fn requests(bytes: &[u8], random: &mut Random) {
    let (whole, scan) = scan_head(bytes, Cut::Whole, random);
    for cut in [Cut::Bytes, Cut::Random] {
        let (verdict, cut) = scan_head(bytes, cut, random);
        assert_eq!((verdict, cut.framing()), (whole, scan.framing()), "cut");
    }
    let head::Scan::Done(length) = whole else { return };
    assert!(bytes[..length].ends_with(b"\r\n\r\n"), "a head ends with an empty line");
    let rest = &bytes[length..];
    body(scan.framing(), rest, random);
    let Body { end, data } = reference::body(scan.framing(), rest);
    let sound = match end {
        End::At(end) => end,
        End::Open | End::Broken => sound(scan.framing(), rest),
    };
    let head = scan.encoded(&bytes[..length]).unwrap_or_else(|| bytes[..length].to_vec());
    let mut stream = head.clone();
    stream.extend_from_slice(&rest[..sound]);
    let complete = matches!(end, End::At(_));
    if complete {
        stream.extend_from_slice(b"GET /next HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    }
    let seen = bare::requests(stream, Cut::Random.next(random));
    let (line, headers) = reference::lines(&head);
    let first = seen.first().unwrap_or_else(|| panic!("hyper refuses {}", head.escape_ascii()));
    assert_eq!(first.headers, one_framing(&headers), "headers");
    assert_eq!(first.first, as_hyper_says(line), "request line");
    assert_eq!(first.whole, complete, "whether the body is whole");
    if complete {
        assert_eq!(first.data, data, "body");
    } else {
        assert!(data.starts_with(&first.data), "part of a body");
    }
    match &seen[1..] {
        [] => {
            let both = scan.framing() == Framing::Chunked && !reference::values(&headers, "content-length").is_empty();
            let may_close = scan.is_old() || both || !reference::values(&headers, "connection").is_empty();
            assert!(!complete || may_close, "the next request is lost");
        }
        [next] => assert!(complete && next.first == "GET /next" && next.whole, "{next:?}"),
        more => panic!("{more:?}"),
    }
}

/// The headers as hyper's server keeps them: no length beside chunks, and equal lengths once.
fn one_framing(headers: &[Header]) -> Vec<Header> {
    let mut lengths = i32::from(reference::values(headers, "transfer-encoding").is_empty());
    let mut keep = |header: &&Header| {
        let spare = header.0 == "content-length" && lengths == 0;
        lengths -= i32::from(header.0 == "content-length" && !spare);
        !spare
    };
    headers.iter().filter(|header| keep(header)).cloned().collect()
}

/// Method and target as hyper puts them: without a fragment, an absolute target with its path.
fn as_hyper_says(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let (method, target) = line.rsplit_once(' ').and_then(|(line, _)| line.split_once(' ')).unwrap_or_default();
    let target = target.split('#').next().unwrap_or_default();
    if target.starts_with('/') || target == "*" {
        return format!("{method} {target}");
    }
    format!("{method} {}", target.parse::<http::Uri>().unwrap())
}

fn scan_head(bytes: &[u8], cut: Cut, random: &mut Random) -> (head::Scan, HeadScan) {
    let mut scan = HeadScan::default();
    let mut have = 0_usize;
    loop {
        have = bytes.len().min(have.saturating_add(cut.next(random)));
        let verdict = scan.scan(&bytes[..have]);
        if verdict != head::Scan::More || have == bytes.len() {
            return (verdict, scan);
        }
    }
}

/// A body alone.
pub(super) fn body(framing: Framing, bytes: &[u8], random: &mut Random) {
    let whole = scan_body(framing, bytes, Cut::Whole, random);
    for cut in [Cut::Bytes, Cut::Random] {
        assert_eq!(scan_body(framing, bytes, cut, random), whole, "cut");
    }
    let end = reference::body(framing, bytes).end;
    match (whole, end) {
        (Progress::Done(n), End::At(m)) => assert_eq!(n, m, "end of the body"),
        (Progress::More, End::Open) => {}
        (Progress::Broken(n), End::Broken) => {
            let before = reference::body(framing, &bytes[..n]).end;
            let with = reference::body(framing, &bytes[..=n]).end;
            assert_eq!((before, with), (End::Open, End::Broken), "first wrong byte is {n}");
        }
        other => panic!("{other:?}"),
    }
}

/// How much of an unfinished body hyper is given.
fn sound(framing: Framing, bytes: &[u8]) -> usize {
    match BodyScan::new(framing).scan(bytes) {
        Progress::More => bytes.len(),
        Progress::Done(n) | Progress::Broken(n) => n,
    }
}

fn scan_body(framing: Framing, bytes: &[u8], cut: Cut, random: &mut Random) -> Progress {
    let mut scan = BodyScan::new(framing);
    let mut at = 0_usize;
    loop {
        let end = bytes.len().min(at.saturating_add(cut.next(random)));
        match scan.scan(&bytes[at..end]) {
            Progress::More if end == bytes.len() => return Progress::More,
            Progress::More => at = end,
            Progress::Done(n) => return Progress::Done(at + n),
            Progress::Broken(n) => return Progress::Broken(at + n),
        }
    }
}

/// What a dyno may send.
pub(super) fn answers(bytes: &[u8], random: &mut Random) {
    let (skipped, verdict) = scan_answer(bytes, Cut::Whole, random);
    for cut in [Cut::Bytes, Cut::Random] {
        assert_eq!(scan_answer(bytes, cut, random), (skipped, verdict), "cut");
    }
    let answer::Scan::Done(length) = verdict else { return };
    let (head, rest) = bytes[skipped..].split_at(length);
    let (line, headers) = reference::lines(head);
    let status: u16 = std::str::from_utf8(&line[9..12]).unwrap().parse().unwrap();
    if status == 101 {
        return;
    }
    let head_only = random.once_in(5);
    let method = if head_only { Method::HEAD } else { Method::GET };
    // HTTP/1.0 knows no transfer coding; such an answer is H17.
    let faulty = line.starts_with(b"HTTP/1.0") && !reference::values(&headers, "transfer-encoding").is_empty();
    let readers = [("hyper", bare::answer as bare::Reader), ("the router", bare::routed_answer)];
    for (who, read) in readers {
        // The router reads interim answers itself.
        let bytes = if who == "hyper" { &bytes[skipped..] } else { bytes };
        let Some(seen) = read(bytes.to_vec(), Cut::Random.next(random), method.clone()) else {
            assert!(faulty, "{who} refuses {}", bytes.escape_ascii());
            continue;
        };
        assert_eq!((&seen.first, &seen.headers), (&status.to_string(), &headers), "head, by {who}");
        match reference::span(status, head_only, &headers) {
            Span::ToTheEnd => assert_eq!((seen.whole, seen.data.as_slice()), (true, rest), "body to the end, by {who}"),
            Span::Framed(framing) => {
                let Body { end, data } = reference::body(framing, rest);
                if matches!(end, End::At(_)) {
                    assert_eq!((seen.whole, seen.data), (true, data), "body, by {who}");
                } else if framing == Framing::Chunked && who == "hyper" {
                    // It is not as strict with chunks; what it takes for data must be data all the same.
                    assert!(seen.data.starts_with(&data) || data.starts_with(&seen.data), "part of a body");
                } else {
                    assert!(!seen.whole && data.starts_with(&seen.data), "part of a body, by {who}");
                }
            }
        }
    }
}

/// How many bytes of interim answers come first, and what is behind them.
fn scan_answer(bytes: &[u8], cut: Cut, random: &mut Random) -> (usize, answer::Scan) {
    let mut scan = AnswerScan::default();
    let mut skipped = 0;
    let mut have = 0_usize;
    loop {
        match scan.scan(&bytes[skipped..have]) {
            answer::Scan::Interim(length) => {
                assert!(length > 0, "it goes on");
                skipped += length;
            }
            answer::Scan::More if have < bytes.len() => {
                have = bytes.len().min(have.saturating_add(cut.next(random)));
            }
            verdict => return (skipped, verdict),
        }
    }
}
