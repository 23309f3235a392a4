//! The strict check of a request head, in front of hyper (§8, §15): what Heroku refuses and hyper would take, or
//! would refuse with another status, ends here. Pure and incremental: each line is looked at once, however the bytes
//! arrive.

use super::chunks::is_token;
use http::Version;
use memchr::memchr;

/// Request line without its line end, in bytes.
pub(super) const REQUEST_LINE: usize = 8192;
/// Header name, in bytes.
pub(super) const NAME: usize = 1000;
/// Header value, in bytes.
pub(super) const VALUE: usize = 8192;
/// Header lines.
pub(super) const COUNT: usize = 1000;
/// A whole header line with its optional spaces.
const LINE: usize = NAME + VALUE + 1024;
/// The whole head; Heroku documents none.
pub(super) const HEAD: usize = 1024 * 1024;
/// Empty lines before the request line.
const BLANK_LINES: usize = 5;
/// Method, in bytes.
pub(super) const METHOD: usize = 127;

/// A head that is not taken: the status of the empty answer before the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) u16);

pub(super) const BAD_REQUEST: Refusal = Refusal(400);

/// What a scan of the bytes so far came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// The head is not complete.
    More,
    /// The head is the first this many bytes.
    Done(usize),
    /// Not a request that Heroku takes.
    Refused(Refusal),
}

/// How the body of a request is delimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    #[default]
    None,
    Length(u64),
    Chunked,
}

/// Looks at a head line by line.
#[derive(Clone, Debug, Default)]
pub(super) struct HeadScan {
    /// Where the line begins that is not complete.
    line: usize,
    /// Up to where a line end was looked for.
    searched: usize,
    blank_lines: usize,
    /// Of the request line, once that is complete.
    version: Option<Version>,
    headers: usize,
    /// Bytes of the target that hyper's URI type does not take as they are, by position.
    odd: Vec<usize>,
    host: bool,
    length: Option<u64>,
    chunked: bool,
}

impl HeadScan {
    /// Whether the request line was complete when time ran out (§7: 408, else a silent close).
    pub(super) fn has_request_line(&self) -> bool {
        self.version.is_some()
    }

    /// The client speaks HTTP/1.0.
    pub(super) fn is_old(&self) -> bool {
        self.version == Some(Version::HTTP_10)
    }

    /// How the body is delimited; chunked wins over a length (§8).
    pub(super) fn framing(&self) -> Framing {
        match (self.chunked, self.length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) if length > 0 => Framing::Length(length),
            (false, _) => Framing::None,
        }
    }

    /// The head with what hyper would refuse in its target percent-encoded, if there is such; nothing else changes.
    pub(super) fn encoded(&self, head: &[u8]) -> Option<Vec<u8>> {
        if self.odd.is_empty() {
            return None;
        }
        let mut encoded = Vec::with_capacity(head.len() + 2 * self.odd.len());
        let mut from = 0;
        for at in &self.odd {
            encoded.extend_from_slice(&head[from..*at]);
            encoded.extend_from_slice(format!("%{:02X}", head[*at]).as_bytes());
            from = at + 1;
        }
        encoded.extend_from_slice(&head[from..]);
        Some(encoded)
    }

    /// Looks at what is new in `bytes`, which begin where the head begins.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Scan {
        // What comes at once is judged as what comes byte by byte.
        let bytes = &bytes[..bytes.len().min(HEAD + 1)];
        while let Some(at) = memchr(b'\n', &bytes[self.searched..]) {
            let end = self.searched + at;
            if let Err(refusal) = self.line_limits(end - self.line) {
                return Scan::Refused(refusal);
            }
            let Some(line) = bytes[self.line..end].strip_suffix(b"\r") else {
                return Scan::Refused(BAD_REQUEST);
            };
            self.line = end + 1;
            self.searched = end + 1;
            let last = self.version.is_some() && line.is_empty();
            let verdict = match (self.version.is_some(), line) {
                (true, []) => self.finish(),
                (true, line) => self.header(line),
                (false, []) => self.blank_line(),
                (false, line) => self.start(line, end - 1),
            };
            match verdict {
                Err(refusal) => return Scan::Refused(refusal),
                Ok(()) if last => return Scan::Done(self.line),
                Ok(()) => {}
            }
        }
        self.searched = bytes.len();
        match self.line_limits(bytes.len() - self.line) {
            Err(refusal) => Scan::Refused(refusal),
            Ok(()) if bytes.len() > HEAD => Scan::Refused(Refusal(431)),
            Ok(()) => Scan::More,
        }
    }

    /// Whether a line may have this many bytes before its line feed.
    fn line_limits(&self, length: usize) -> Result<(), Refusal> {
        if self.version.is_none() && length > REQUEST_LINE + 1 {
            Err(Refusal(414))
        } else if length > LINE {
            Err(BAD_REQUEST)
        } else {
            Ok(())
        }
    }

    fn blank_line(&mut self) -> Result<(), Refusal> {
        self.blank_lines += 1;
        if self.blank_lines > BLANK_LINES { Err(BAD_REQUEST) } else { Ok(()) }
    }

    /// The request line, which ends at `end`.
    fn start(&mut self, line: &[u8], end: usize) -> Result<(), Refusal> {
        if line.len() > REQUEST_LINE {
            return Err(Refusal(414));
        }
        let mut parts = line.split(|b| *b == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BAD_REQUEST);
        };
        if method.len() > METHOD || !is_token(method) || target.is_empty() {
            return Err(BAD_REQUEST);
        }
        if target.iter().any(u8::is_ascii_control) {
            return Err(BAD_REQUEST);
        }
        let version = match version {
            b"HTTP/1.1" => Version::HTTP_11,
            b"HTTP/1.0" => Version::HTTP_10,
            b"" => return Err(BAD_REQUEST),
            _ => return Err(Refusal(505)),
        };
        if method == b"CONNECT" {
            return Err(Refusal(405));
        }
        let origin_form = target.starts_with(b"/");
        let asterisk_form = target == b"*" && method == b"OPTIONS";
        if !(origin_form || asterisk_form || is_absolute(target)) {
            return Err(BAD_REQUEST);
        }
        let begin = end - line.len() + method.len() + 1;
        self.odd = target.iter().zip(begin..).filter(|(byte, _)| is_odd(**byte)).map(|(_, at)| at).collect();
        self.version = Some(version);
        Ok(())
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Refusal> {
        self.headers += 1;
        let colon = memchr(b':', line).ok_or(BAD_REQUEST)?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let bad = self.headers > COUNT
            || name.len() > NAME
            || value.len() > VALUE
            || !is_token(name)
            || !is_field_value(&line[colon + 1..]);
        if bad {
            return Err(BAD_REQUEST);
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.host || !is_host(value) {
            return Err(BAD_REQUEST);
        }
        self.host = true;
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let length = decimal(value).ok_or(BAD_REQUEST)?;
        if self.length.is_some_and(|before| before != length) {
            return Err(BAD_REQUEST);
        }
        self.length = Some(length);
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.is_old() || self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(BAD_REQUEST);
        }
        self.chunked = true;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Refusal> {
        if self.host { Ok(()) } else { Err(BAD_REQUEST) }
    }
}

/// Not empty, and without a byte that no host has.
pub(super) fn is_host(value: &[u8]) -> bool {
    let valid = |b: &u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:%[]".contains(b);
    !value.is_empty() && value.iter().all(valid)
}

/// A scheme, an authority and what may follow, as hyper will read it once the odd bytes are encoded.
fn is_absolute(target: &[u8]) -> bool {
    let mut encoded = String::with_capacity(target.len());
    for byte in target {
        if is_odd(*byte) {
            encoded.push_str("%FF");
        } else {
            encoded.push(char::from(*byte));
        }
    }
    let known = |uri: http::Uri| uri.scheme().is_some() && uri.authority().is_some();
    target.first().is_some_and(u8::is_ascii_alphabetic) && encoded.parse().is_ok_and(known)
}

/// Heroku's routers take these in a target; hyper's URI type does not, everywhere.
fn is_odd(byte: u8) -> bool {
    !byte.is_ascii() || matches!(byte, b'"' | b'<' | b'>' | b'`' | b'^' | b'\\')
}

/// Digits and nothing else, up to what hyper can count.
pub(super) fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    (number < u64::MAX - 2).then_some(number)
}

/// No control bytes but the tab.
pub(super) fn is_field_value(value: &[u8]) -> bool {
    // All of them, without a look at each alone: that is the quicker way for what is nearly always sound.
    !value.iter().fold(false, |bad, b| bad | (*b != b'\t' && b.is_ascii_control()))
}

#[cfg(test)]
mod tests {
    use super::{Framing, HeadScan, Scan};

    fn scan(head: &str) -> Scan {
        HeadScan::default().scan(head.as_bytes())
    }

    fn refused(head: &str) -> u16 {
        match scan(head) {
            Scan::Refused(refusal) => refusal.0,
            other => panic!("{head:?} is {other:?}"),
        }
    }

    fn taken(head: &str) -> HeadScan {
        let mut scan = HeadScan::default();
        assert_eq!(scan.scan(head.as_bytes()), Scan::Done(head.len()), "{head:?}");
        scan
    }

    #[test]
    fn a1_to_a5_exactly_one_host_that_is_not_empty() {
        assert_eq!(refused("GET / HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(refused("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400);
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
        assert_eq!(refused("GET / HTTP/1.0\r\n\r\n"), 400);
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400);
        taken("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    }

    #[test]
    fn a7_a8_the_request_line_has_three_words_and_a_known_version() {
        for line in
            ["GET  / HTTP/1.1", "GET / HTTP/1.1 x", "GET /", " GET / HTTP/1.1", "GET\t/ HTTP/1.1", "G[T / HTTP/1.1"]
        {
            assert_eq!(refused(&format!("{line}\r\nHost: a\r\n\r\n")), 400, "{line}");
        }
        for version in ["HTTP/1.2", "HTTP/9.9", "http/1.1", "HTTP/1.32", "HTTP/2.0"] {
            assert_eq!(refused(&format!("GET / {version}\r\nHost: a\r\n\r\n")), 505, "{version}");
        }
    }

    #[test]
    fn a9_the_request_line_may_have_8192_bytes() {
        let line = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(n - 14));
        taken(&line(8192));
        assert_eq!(refused(&line(8193)), 414);
        assert_eq!(refused(&"x".repeat(8194)), 414);
    }

    #[test]
    fn a_head_that_comes_at_once_is_judged_as_one_that_comes_byte_by_byte() {
        let spaces = format!("GET / HTTP/1.1\r\nHost: a\r\nX:{}\r\n\r\n", " ".repeat(12_000));
        let bare = format!("GET /{}\nHost: a\r\n\r\n", "x".repeat(9_000));
        let huge = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", format!("X: {}\r\n", "y".repeat(8_000)).repeat(140));
        for (head, status) in [(spaces, 400), (bare, 414), (huge, 431)] {
            assert_eq!(refused(&head), status);
            let mut scan = HeadScan::default();
            let first = (1..=head.len()).map(|n| scan.scan(&head.as_bytes()[..n])).find(|scan| *scan != Scan::More);
            assert_eq!(first, Some(Scan::Refused(super::Refusal(status))));
        }
    }

    #[test]
    fn a10_a11_a12_header_limits_are_exact() {
        let head = |name: usize, value: usize| {
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}: {}\r\n\r\n", "n".repeat(name), "v".repeat(value))
        };
        taken(&head(1000, 8192));
        assert_eq!(refused(&head(1001, 1)), 400);
        assert_eq!(refused(&head(1, 8193)), 400);
        let many = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(n - 1));
        taken(&many(1000));
        assert_eq!(refused(&many(1001)), 400);
    }

    #[test]
    fn a13_five_empty_lines_may_come_first() {
        taken(&format!("{}GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n".repeat(5)));
        assert_eq!(refused(&format!("{}GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n".repeat(6))), 400);
        assert_eq!(refused("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    }

    #[test]
    fn a14_a15_broken_header_lines_and_bare_line_feeds() {
        for line in
            ["X : 1", "X: a\r\n b", "X: a\0b", "X[]: 1", ": 1", "X", " X: 1", "X: a\rb", "X\u{e9}: 1", "X: a\x7f"]
        {
            assert_eq!(refused(&format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n")), 400, "{line:?}");
        }
        assert_eq!(refused("GET / HTTP/1.1\nHost: a\n\n"), 400);
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400);
        taken("GET / HTTP/1.1\r\nHost: a\r\nX: caf\u{e9} \t x\r\n\r\n");
    }

    #[test]
    fn a16_a17_methods() {
        for method in ["PROPFIND", "FOO-BAR", &"A".repeat(127)] {
            taken(&format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        }
        assert_eq!(refused(&format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(128))), 400);
        assert_eq!(refused("CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n"), 405);
    }

    #[test]
    fn a18_a_head_may_come_byte_by_byte() {
        let head = b"\r\nGET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        let mut scan = HeadScan::default();
        for n in 1..head.len() - 3 {
            assert_eq!(scan.scan(&head[..n]), Scan::More, "{n}");
        }
        assert_eq!(scan.scan(head), Scan::Done(head.len() - 3));
        assert_eq!(scan.framing(), Framing::Length(3));
    }

    #[test]
    fn a6_a22_target_forms() {
        taken("GET http://a/x HTTP/1.1\r\nHost: b\r\n\r\n");
        taken("OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n");
        for target in ["*", "x", "a:80", "//", "?a", "h\u{e9}p://a/x", "http://", "http://a^b/", "1://a"] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: b\r\n\r\n");
            if target == "//" { _ = taken(&head) } else { assert_eq!(refused(&head), 400, "{target}") }
        }
    }

    fn post(headers: &str) -> String {
        format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n")
    }

    #[test]
    fn b1_to_b4_content_length_is_one_number() {
        for bad in [
            "5\r\nContent-Length: 11",
            "10,10",
            "10, 10",
            "abc",
            "-1",
            "+5",
            "-0",
            "0x5",
            "1_0",
            "",
            "5 5",
            "1\u{b}",
            &"9".repeat(30),
        ] {
            assert_eq!(refused(&post(&format!("Content-Length: {bad}"))), 400, "{bad}");
        }
        assert_eq!(refused(&post("Content-Length : 5")), 400);
        assert_eq!(taken(&post("Content-Length: 10\r\nContent-Length: 10")).framing(), Framing::Length(10));
        assert_eq!(taken(&post("Content-Length: 0")).framing(), Framing::None);
    }

    #[test]
    fn b5_to_b8_transfer_encoding_is_chunked_and_nothing_else() {
        for bad in [
            ",",
            "gzip",
            "chunked, gzip",
            "gzip, chunked",
            "xchunked",
            "chunked, identity",
            "\u{b}chunked",
            "chunked,",
            "",
            "chunked\r\nTransfer-Encoding: chunked",
            "identity\r\nTransfer-Encoding: chunked",
        ] {
            assert_eq!(refused(&post(&format!("Transfer-Encoding: {bad}"))), 400, "{bad:?}");
        }
        assert_eq!(refused("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
        assert_eq!(taken(&post("Content-Length: 10\r\nTransfer-Encoding: Chunked")).framing(), Framing::Chunked);
        assert_eq!(taken(&post("Transfer-Encoding:\tchunked \t")).framing(), Framing::Chunked);
    }
}
