//! The kept corpus, and what is made of it. Everything comes from a seed and the number of the input, so that an input
//! can be made again.

use std::io::Write as _;
use std::path::PathBuf;

/// `SplitMix64`: small, and the same in every version of everything.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64, number: u64) -> Self {
        let mut random = Self(seed);
        random.0 = random.next().wrapping_add(number);
        random.0 = random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `n`; 0 of nothing.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % (n.max(1) as u64)).unwrap()
    }

    /// True once in `n`.
    pub(super) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// What a seed is a seed of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Requests,
    Bodies,
    Answers,
}

/// The corpus.
pub(super) struct Seeds {
    pub(super) requests: Vec<Vec<u8>>,
    pub(super) bodies: Vec<Vec<u8>>,
    pub(super) answers: Vec<Vec<u8>>,
}

impl Seeds {
    pub(super) fn load() -> Self {
        Self {
            requests: lines(include_str!("../corpus/requests.txt")),
            bodies: lines(include_str!("../corpus/bodies.txt")),
            answers: lines(include_str!("../corpus/answers.txt")),
        }
    }

    pub(super) fn of(&self, kind: Kind) -> &[Vec<u8>] {
        match kind {
            Kind::Requests => &self.requests,
            Kind::Bodies => &self.bodies,
            Kind::Answers => &self.answers,
        }
    }

    /// A seed with up to `most` changes.
    pub(super) fn mutant(&self, kind: Kind, random: &mut Random, most: usize) -> Vec<u8> {
        let seeds = self.of(kind);
        let mut bytes = random.pick(seeds).clone();
        for _ in 0..random.below(most + 1) {
            mutate(random, &mut bytes, seeds);
        }
        bytes
    }
}

/// Puts an input that failed at the end of its file.
pub(super) fn keep(kind: Kind, bytes: &[u8]) {
    let name = match kind {
        Kind::Requests => "requests.txt",
        Kind::Bodies => "bodies.txt",
        Kind::Answers => "answers.txt",
    };
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/router/tests/corpus").join(name);
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(format!("{}\n", escape(bytes)).as_bytes()).unwrap();
}

fn lines(text: &str) -> Vec<Vec<u8>> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(unescape).collect()
}

/// One line, which is no comment.
fn escape(bytes: &[u8]) -> String {
    let line = bytes.escape_ascii().to_string();
    match line.strip_prefix('#') {
        Some(rest) => format!("\\x23{rest}"),
        None => line,
    }
}

fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        let (byte, tail) = match rest {
            [b'r', tail @ ..] => (b'\r', tail),
            [b'n', tail @ ..] => (b'\n', tail),
            [b't', tail @ ..] => (b'\t', tail),
            [b'x', high, low, tail @ ..] => {
                let digits = [*high, *low];
                (u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap(), tail)
            }
            [other, tail @ ..] => (*other, tail),
            [] => panic!("a backslash ends {line:?}"),
        };
        bytes.push(byte);
        rest = tail;
    }
    bytes
}

/// What parsers of HTTP trip over.
const TOKENS: [&[u8]; 56] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\r\r\n",
    b"\n\n",
    b" ",
    b"\t",
    b"\x0b",
    b"\0",
    b"\x7f",
    b":",
    b",",
    b";",
    b"\"",
    b"0",
    b"0\r\n",
    b"0\r\n\r\n",
    b"1\r\na\r\n",
    b"a;b=c",
    b"ffffffffffffffff",
    b"18446744073709551615",
    b"+",
    b"-",
    b"0x",
    b"_",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\n\r\n",
    b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"HEAD ",
    b"Host: localhost\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: ",
    b"chunked",
    b"identity",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Connection: Upgrade\r\nUpgrade: x\r\n",
    b"Expect: 100-continue\r\n",
    b"Trailer: X-Sum\r\n",
    b"X: y\r\n",
    b"Set-Cookie: a=b\r\n",
    b" folded\r\n",
    b"\xc3\xa9",
    b"\xff",
    b"://",
    b"#",
    b"?",
    b"%0d%0a",
];

/// Lengths next to which something ends.
const LENGTHS: [usize; 14] = [2, 16, 126, 127, 998, 999, 1000, 1010, 8178, 8190, 8191, 8192, 8193, 16_384];

fn mutate(random: &mut Random, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = random.below(bytes.len() + 1);
    let span = at..(at + 1 + random.below(16)).min(bytes.len());
    match random.below(64) {
        0..12 => {
            let token: &&[u8] = random.pick(&TOKENS);
            splice_in(bytes, at, token);
        }
        12..18 => {
            let token: &&[u8] = random.pick(&TOKENS);
            bytes.splice(span, token.iter().copied());
        }
        18..26 => {
            bytes.drain(span);
        }
        26..32 => {
            let copy = bytes[span].to_vec();
            let to = random.below(bytes.len() + 1);
            splice_in(bytes, to, &copy);
        }
        32..40 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        40..44 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).unwrap(),
        44..48 => bytes[span].iter_mut().for_each(|byte| *byte ^= if byte.is_ascii_alphabetic() { 0x20 } else { 0 }),
        48..51 => bytes.truncate(at),
        51..57 => {
            // What begins one message and what ends another.
            let other = random.pick(seeds);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[random.below(other.len() + 1)..]);
        }
        57..60 => {
            let other = random.pick(seeds).clone();
            splice_in(bytes, at, &other);
        }
        60..62 => repeat_line(random, bytes, at),
        62 if at < bytes.len() && random.once_in(4) => {
            let long = random.pick(&LENGTHS) + random.below(3);
            let run = vec![bytes[at]; long];
            splice_in(bytes, at, &run);
        }
        _ => digits(random, bytes, at),
    }
}

fn splice_in(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    bytes.splice(at..at, what.iter().copied());
}

/// The line at `at` once more, or as often as headers are counted.
fn repeat_line(random: &mut Random, bytes: &mut Vec<u8>, at: usize) {
    let begin = bytes[..at].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
    let end = bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n + 1);
    let times = if random.once_in(100) && end - begin < 40 { 998 + random.below(14) } else { 1 };
    let copy = bytes[begin..end].repeat(times);
    splice_in(bytes, begin, &copy);
}

/// Another number in the place of one, near enough to be wrong by a little.
fn digits(random: &mut Random, bytes: &mut Vec<u8>, at: usize) {
    let Some(begin) = bytes[at..].iter().position(u8::is_ascii_digit).map(|n| n + at) else { return };
    let end = bytes[begin..].iter().position(|b| !b.is_ascii_digit()).map_or(bytes.len(), |n| n + begin);
    let number: u64 = std::str::from_utf8(&bytes[begin..end]).unwrap().parse().unwrap_or_default();
    let other = number.wrapping_add(random.below(7) as u64).wrapping_sub(3);
    bytes.splice(begin..end, other.to_string().into_bytes());
}

#[test]
fn the_corpus_reads_as_it_was_written() {
    let seeds = Seeds::load();
    for kind in [Kind::Requests, Kind::Bodies, Kind::Answers] {
        assert!(seeds.of(kind).len() > 25, "{kind:?}");
        assert!(seeds.of(kind).iter().all(|seed| unescape(&escape(seed)) == *seed));
    }
    assert_eq!(unescape(r"a\r\n\t\\\x00\xff\x23"), b"a\r\n\t\\\0\xff#");
}
