//! Where a body ends: counts a length, or walks chunked coding strictly (§9.1, §16). Pure; bytes are looked at where
//! they lie, and nothing but trailers is kept of them.

use super::head::{COUNT, Framing, is_field_value};

/// Chunk extensions and trailers of one body, in bytes each.
const EXTRA: usize = 16 * 1024;

/// Follows a body to its end.
#[derive(Clone, Debug)]
pub(super) struct BodyScan {
    state: State,
    /// Bytes of extensions or trailers so far.
    extra: usize,
    /// The trailer line that is being read.
    line: Vec<u8>,
    /// The trailer lines before it, each with a line feed.
    trailers: Vec<u8>,
    /// How many they are: no more than header lines may be.
    count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Of a body with a length.
    Counted(u64),
    /// A chunk size, with whether a digit was seen.
    Size(u64, bool),
    /// Space behind a chunk size.
    Space(u64),
    Extension(u64),
    SizeEnd(u64),
    Data(u64),
    DataEnd,
    DataEndLine,
    Trailer,
    TrailerEnd,
    Done,
    Broken,
}

/// What came of looking at some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// All of them belong to the body, and there is more to come.
    More,
    /// The first this many belong to it, and it is complete.
    Done(usize),
    /// The first this many are sound, and what follows is not.
    Broken(usize),
}

/// What the next bytes of a body are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The first this many are data.
    Data(usize),
    /// The first this many stand between data.
    Between(usize),
    /// There are none.
    More,
    /// They do not belong to the body, which is complete.
    End,
    /// What comes is not sound.
    Broken,
}

impl BodyScan {
    pub(super) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None => State::Done,
            Framing::Length(length) => State::Counted(length),
            Framing::Chunked => State::Size(0, false),
        };
        Self { state, extra: 0, line: Vec::new(), trailers: Vec::new(), count: 0 }
    }

    /// Looks at the next bytes.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Progress {
        let mut at = 0;
        loop {
            match self.step(&bytes[at..]) {
                Step::Data(n) | Step::Between(n) => at += n,
                Step::More => return Progress::More,
                Step::End => return Progress::Done(at),
                Step::Broken => return Progress::Broken(at),
            }
        }
    }

    /// Looks at the next bytes, as far as they are of one kind. Those that it tells of are done with.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        let mut at = 0;
        loop {
            match self.state {
                _ if at > 0 && self.is_at_border() => return Step::Between(at),
                State::Done => return Step::End,
                State::Broken => return Step::Broken,
                _ if at == bytes.len() => return if at == 0 { Step::More } else { Step::Between(at) },
                State::Counted(left) => {
                    let (taken, left) = take(left, bytes.len());
                    self.state = if left == 0 { State::Done } else { State::Counted(left) };
                    return Step::Data(taken);
                }
                State::Data(left) => {
                    let (taken, left) = take(left, bytes.len());
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Step::Data(taken);
                }
                _ => {
                    self.state = self.after(bytes[at]);
                    if self.state != State::Broken {
                        at += 1;
                    }
                }
            }
        }
    }

    /// Whether what comes next is of another kind than what stands between data.
    fn is_at_border(&self) -> bool {
        matches!(self.state, State::Counted(_) | State::Data(_) | State::Done | State::Broken)
    }

    /// The trailer lines of a body that is complete, each with a line feed.
    pub(super) fn take_trailers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.trailers)
    }

    /// One byte outside of data.
    fn after(&mut self, byte: u8) -> State {
        match (self.state, byte) {
            (State::Size(size, _), digit) if digit.is_ascii_hexdigit() => {
                let value = u64::from(char::from(digit).to_digit(16).unwrap_or_default());
                match size.checked_mul(16) {
                    Some(size) => State::Size(size | value, true),
                    None => State::Broken,
                }
            }
            (State::Size(size, true) | State::Space(size) | State::Extension(size), b'\r') => State::SizeEnd(size),
            (State::Size(size, true) | State::Space(size), b';') => State::Extension(size),
            (State::Size(size, true) | State::Space(size), b' ' | b'\t') => self.counted(State::Space(size)),
            (State::Extension(size), byte) if byte == b'\t' || !byte.is_ascii_control() => {
                self.counted(State::Extension(size))
            }
            (State::SizeEnd(0), b'\n') => {
                self.extra = 0;
                State::Trailer
            }
            (State::SizeEnd(size), b'\n') => State::Data(size),
            (State::DataEnd, b'\r') => State::DataEndLine,
            (State::DataEndLine, b'\n') => State::Size(0, false),
            (State::Trailer, b'\r') => State::TrailerEnd,
            (State::Trailer, b'\n') => State::Broken,
            (State::Trailer, byte) => {
                self.line.push(byte);
                self.counted(State::Trailer)
            }
            (State::TrailerEnd, b'\n') if self.line.is_empty() => State::Done,
            (State::TrailerEnd, b'\n') => {
                self.count += 1;
                let sound = self.count <= COUNT && is_trailer(&self.line);
                self.trailers.append(&mut self.line);
                self.trailers.push(b'\n');
                if sound { State::Trailer } else { State::Broken }
            }
            _ => State::Broken,
        }
    }

    fn counted(&mut self, next: State) -> State {
        self.extra += 1;
        if self.extra > EXTRA { State::Broken } else { next }
    }
}

fn take(left: u64, have: usize) -> (usize, u64) {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(have);
    (taken, left - taken as u64)
}

fn is_trailer(line: &[u8]) -> bool {
    match line.iter().position(|b| *b == b':') {
        Some(colon) => is_token(&line[..colon]) && is_field_value(&line[colon + 1..]),
        None => false,
    }
}

/// RFC 9110's token: what methods and header names are made of.
pub(super) fn is_token(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|b| TOKEN[usize::from(*b)])
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let others = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] |= byte.is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::{BodyScan, Progress};
    use crate::router::head::Framing;

    fn chunked(body: &[u8]) -> Progress {
        let whole = BodyScan::new(Framing::Chunked).scan(body);
        let mut scan = BodyScan::new(Framing::Chunked);
        let mut one_by_one = Progress::More;
        for n in 0..body.len() {
            one_by_one = match scan.scan(&body[n..=n]) {
                Progress::More => continue,
                Progress::Done(k) => Progress::Done(n + k),
                Progress::Broken(k) => Progress::Broken(n + k),
            };
            break;
        }
        assert_eq!(whole, one_by_one, "{}", body.escape_ascii());
        whole
    }

    #[test]
    fn chunked_bodies_end_where_they_end_however_they_are_cut() {
        assert_eq!(chunked(b"3\r\nabc\r\n0\r\n\r\n"), Progress::Done(13));
        assert_eq!(chunked(b"3\r\nabc\r\n0\r\n\r\nGET /"), Progress::Done(13));
        assert_eq!(chunked(b"3 \t ;x\r\nabc\r\n0 \r\n\r\n"), Progress::Done(19));
        assert_eq!(chunked(b"00000A;x=\"y\"\r\n0123456789\r\n0\r\na: b\r\n\r\n"), Progress::Done(37));
        assert_eq!(chunked(b"2\r\n\r\r\r\n0\r\n\r\n"), Progress::Done(12));
    }

    #[test]
    fn b17_the_last_line_end_belongs_to_the_body() {
        assert_eq!(chunked(b"3\r\nabc\r\n0\r\n"), Progress::More);
        assert_eq!(chunked(b"3\r\nabc\r\n0\r\n\r"), Progress::More);
    }

    #[test]
    fn b9_to_b11_broken_chunks_are_broken_at_the_first_wrong_byte() {
        for (body, at) in [
            (&b"zz\r\n"[..], 0),
            (b"c\r\r\n", 2),
            (b"1\n\r\n", 1),
            (b"\r\n", 0),
            (b";a\r\n", 0),
            (b"0x5\r\n", 1),
            (b"+5\r\n", 0),
            (b"5_0\r\n", 1),
            (b"5 0\r\n", 2),
            (b"0\t0\r\n\r\n", 2),
            (b"10000000000000000\r\n", 16),
            (b"3\r\nabcd\r\n", 6),
            (b"3\r\nabc\n", 6),
            (b"3\r\nabc\r\r", 7),
            (b"3;a\nb\r\n", 3),
            (b"0\r\n3\r\nabc\r\n0\r\n\r\n", 5),
            (b"0\r\nGET / HTTP/1.1\r\n", 18),
            (b"0\r\na b: c\r\n", 10),
            (b"0\r\na: b\n\r\n", 7),
        ] {
            assert_eq!(chunked(body), Progress::Broken(at), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        assert!(matches!(chunked(format!("3;{}", "x".repeat(20_000)).as_bytes()), Progress::Broken(_)));
        assert!(matches!(chunked(format!("0\r\na: {}", "x".repeat(20_000)).as_bytes()), Progress::Broken(_)));
        let trailers = |count: usize| format!("0\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert_eq!(chunked(trailers(1000).as_bytes()), Progress::Done(6005));
        assert_eq!(chunked(trailers(1001).as_bytes()), Progress::Broken(6008));
    }

    #[test]
    fn counted_bodies_end_at_their_length() {
        let mut scan = BodyScan::new(Framing::Length(5));
        assert_eq!(scan.scan(b"abc"), Progress::More);
        assert_eq!(scan.scan(b"deGET"), Progress::Done(2));
        assert_eq!(BodyScan::new(Framing::None).scan(b"GET"), Progress::Done(0));
    }
}
