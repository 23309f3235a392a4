//! The check of a dyno's response head: the limits of §8 (H25) and what is no HTTP response
//! (H17). Pure and incremental, as [`super::head`].

use super::chunks::is_token;
use super::failure::{Failure, Restriction};
use super::fields::Fields;
use super::head::{decimal, is_field_value};
use memchr::memchr;

/// Status line without its line end, in bytes.
const STATUS_LINE: usize = 8192;
/// One `Set-Cookie` line, name included, in bytes.
const COOKIE_LINE: usize = 8192;
/// Any other header line, in bytes.
const HEADER_LINE: usize = 524_288;
/// Header lines.
const COUNT: usize = 1000;
/// The whole head; Heroku documents none.
pub(super) const HEAD: usize = 1024 * 1024;

/// What a scan of the bytes so far came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// The head is not complete.
    More,
    /// An interim response (1xx but 101) of this many bytes: to be dropped.
    Interim(usize),
    /// The final head is the first this many bytes.
    Done(usize),
    /// Not to be passed on.
    Refused(Failure),
}

/// Looks at a response head line by line.
#[derive(Clone, Debug, Default)]
pub(super) struct AnswerScan {
    line: usize,
    searched: usize,
    status: Option<u16>,
    length: Option<u64>,
    fields: Fields,
}

impl AnswerScan {
    /// Begins anew.
    pub(super) fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    /// The header lines of a head that is done.
    pub(super) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Looks at what is new in `bytes`, which begin where the head begins.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Scan {
        // What comes at once is judged as what comes byte by byte.
        let bytes = &bytes[..bytes.len().min(HEAD + 1)];
        while let Some(at) = memchr(b'\n', &bytes[self.searched..]) {
            let end = self.searched + at;
            let start = self.line;
            let line = &bytes[start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.line = end + 1;
            self.searched = end + 1;
            let verdict = match self.status {
                None => self.start(line),
                Some(status) if line.is_empty() => return self.finish(status),
                Some(_) => self.header(line, start),
            };
            if let Err(failure) = verdict {
                return Scan::Refused(failure);
            }
        }
        self.searched = bytes.len();
        match self.partial(&bytes[self.line..]) {
            Ok(()) if bytes.len() > HEAD => Scan::Refused(Failure::Restricted(Restriction::Header)),
            Ok(()) => Scan::More,
            Err(failure) => Scan::Refused(failure),
        }
    }

    fn partial(&self, line: &[u8]) -> Result<(), Failure> {
        if self.status.is_some() {
            return header_limits(line.strip_suffix(b"\r").unwrap_or(line));
        }
        let known = line.len().min(9);
        let versions = [b"HTTP/1.1 ", b"HTTP/1.0 "];
        if !versions.iter().any(|version| version[..known] == line[..known]) {
            Err(Failure::BadResponse)
        } else if line.len() > STATUS_LINE + 1 {
            Err(Failure::Restricted(Restriction::StatusLine))
        } else {
            Ok(())
        }
    }

    fn start(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.partial(line)?;
        if line.len() > STATUS_LINE {
            return Err(Failure::Restricted(Restriction::StatusLine));
        }
        let status = match line.get(9..) {
            Some([a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..]) if reason_follows(rest) => {
                [a, b, c].iter().fold(0, |n, digit| n * 10 + u16::from(**digit - b'0'))
            }
            _ => return Err(Failure::BadResponse),
        };
        self.status = Some(status);
        Ok(())
    }

    fn header(&mut self, line: &[u8], start: usize) -> Result<(), Failure> {
        header_limits(line)?;
        let colon = memchr(b':', line).ok_or(Failure::BadResponse)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if self.fields.len() == COUNT || !is_token(name) || !is_field_value(value) {
            return Err(Failure::BadResponse);
        }
        self.fields.push(start, line, colon);
        // Next to such bytes one reader may see a coding where another sees none, and take chunks for data.
        if name.eq_ignore_ascii_case(b"transfer-encoding") && !value.is_ascii() {
            return Err(Failure::BadResponse);
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = decimal(value.trim_ascii()).filter(|n| self.length.is_none_or(|before| before == *n));
            self.length = Some(length.ok_or(Failure::Restricted(Restriction::ContentLength))?);
        }
        Ok(())
    }

    fn finish(&mut self, status: u16) -> Scan {
        let end = self.line;
        if (100..200).contains(&status) && status != 101 {
            self.clear();
            Scan::Interim(end)
        } else {
            Scan::Done(end)
        }
    }
}

fn header_limits(line: &[u8]) -> Result<(), Failure> {
    let cookie = line.len() > COOKIE_LINE && line[..11].eq_ignore_ascii_case(b"set-cookie:");
    match (cookie, line.len() > HEADER_LINE) {
        (true, _) => Err(Failure::Restricted(Restriction::Cookie)),
        (false, true) => Err(Failure::Restricted(Restriction::Header)),
        (false, false) => Ok(()),
    }
}

/// Behind the three digits: nothing, or a space and a reason.
fn reason_follows(rest: &[u8]) -> bool {
    rest.is_empty() || rest[0] == b' ' && is_field_value(rest)
}

#[cfg(test)]
mod tests {
    use super::{AnswerScan, Scan};
    use crate::router::failure::{Failure, Restriction};

    fn scan(head: &str) -> Scan {
        AnswerScan::default().scan(head.as_bytes())
    }

    fn refused(head: &str) -> Failure {
        match scan(head) {
            Scan::Refused(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    fn taken(head: &str) {
        assert_eq!(scan(head), Scan::Done(head.len()));
    }

    #[test]
    fn d3_d4_any_three_digits_and_any_reason_pass() {
        taken("HTTP/1.1 666 THE NUMBER OF THE BEAST\r\n\r\n");
        taken("HTTP/1.1 421\r\n\r\n");
        taken("HTTP/1.1 421 \r\n\r\n");
        taken("HTTP/1.0 200 OK\r\nA: b\r\n\r\n");
    }

    #[test]
    fn d5_what_is_no_http_1_response_is_refused_at_its_first_wrong_byte() {
        for head in [
            "HTTP/2.0 200 OK\r\n",
            "ICY 200",
            "HTTP/1.1 20 OK\r\n",
            "HTTP/1.1 099 OK\r\n",
            "HTTP/1.1 2000\r\n",
            "<html>",
            "\r\n",
        ] {
            assert_eq!(refused(head), Failure::BadResponse, "{head}");
        }
        for line in ["X Y: 1", " X: 1", "X", "X: a\0", "Transfer-Encoding: \u{a0}gzip, chunked"] {
            assert_eq!(refused(&format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n")), Failure::BadResponse, "{line}");
        }
    }

    #[test]
    fn d6_d7_content_length_is_one_number() {
        for bad in ["43\r\nContent-Length: 41", "43,41", "43,43", "abc", "-1", ""] {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bad}\r\n\r\n");
            assert_eq!(refused(&head), Failure::Restricted(Restriction::ContentLength), "{bad}");
        }
        taken("HTTP/1.1 200 OK\r\nContent-Length: 43\r\ncontent-length: 43\r\n\r\n");
        taken("HTTP/1.1 200 OK\r\nContent-Length: 208062 \r\n\r\n");
    }

    #[test]
    fn d8_d9_d10_line_limits_are_exact() {
        let cookie = |n: usize| format!("HTTP/1.1 200 OK\r\nSet-Cookie: {}\r\n\r\n", "c".repeat(n - 12));
        taken(&cookie(8192));
        assert_eq!(refused(&cookie(8193)), Failure::Restricted(Restriction::Cookie));
        let header = |n: usize| format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "c".repeat(n - 3));
        taken(&header(524_288));
        assert_eq!(refused(&header(524_289)), Failure::Restricted(Restriction::Header));
        let status = |n: usize| format!("HTTP/1.1 200 {}\r\n\r\n", "c".repeat(n - 13));
        taken(&status(8192));
        assert_eq!(refused(&status(8193)), Failure::Restricted(Restriction::StatusLine));
        assert_eq!(refused(status(20_000).trim_end()), Failure::Restricted(Restriction::StatusLine));
    }

    #[test]
    fn d23_d24_interim_responses_are_told_apart() {
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
        assert_eq!(scan(&format!("{interim}HTTP/1.1 200 OK\r\n\r\n")), Scan::Interim(interim.len()));
        taken("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
    }

    #[test]
    fn a_head_may_come_byte_by_byte() {
        let head = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
        let mut scan = AnswerScan::default();
        for n in 0..head.len() {
            assert_eq!(scan.scan(&head[..n]), Scan::More, "{n}");
        }
        assert_eq!(scan.scan(head), Scan::Done(head.len()));
    }
}
