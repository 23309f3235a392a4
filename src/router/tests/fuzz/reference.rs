//! HTTP/1 read a second time, by other means than the router's: on whole slices, with no state. Slow and plain.

use crate::router::head::Framing;

/// Chunk extensions and trailers that are taken of one body, in bytes each.
const EXTRA: usize = 16 * 1024;
/// Trailer lines that are taken of one body.
const TRAILERS: usize = 1000;

/// A body, as far as it goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) end: End,
    /// What it carries, undone of chunks.
    pub(super) data: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is this many bytes long.
    At(usize),
    /// It is not complete.
    Open,
    /// It is not sound.
    Broken,
}

/// The body at the beginning of `bytes`.
pub(super) fn body(framing: Framing, bytes: &[u8]) -> Body {
    let length = match framing {
        Framing::Chunked => return chunked(bytes),
        Framing::None => 0,
        Framing::Length(length) => usize::try_from(length).unwrap(),
    };
    match bytes.get(..length) {
        Some(data) => Body { end: End::At(length), data: data.to_vec() },
        None => Body { end: End::Open, data: bytes.to_vec() },
    }
}

fn chunked(bytes: &[u8]) -> Body {
    let mut data = Vec::new();
    let end = walk(bytes, &mut data).unwrap_or_else(|end| end);
    Body { end, data }
}

fn walk(bytes: &[u8], data: &mut Vec<u8>) -> Result<End, End> {
    let mut at = 0;
    let mut extra = 0;
    loop {
        let (line, end) = size_line(&bytes[at..], &mut extra)?;
        at += end;
        if line == 0 {
            break;
        }
        let size = usize::try_from(line).map_err(|_| End::Open)?;
        let have = size.min(bytes.len() - at);
        data.extend_from_slice(&bytes[at..at + have]);
        at += have;
        match &bytes[at..] {
            _ if have < size => return Err(End::Open),
            [] | [b'\r'] => return Err(End::Open),
            [b'\r', b'\n', ..] => at += 2,
            _ => return Err(End::Broken),
        }
    }
    let mut extra = 0;
    for _ in 0..=TRAILERS {
        let line = trailer_line(&bytes[at..], &mut extra)?;
        at += line + 2;
        if line == 0 {
            return Ok(End::At(at));
        }
    }
    Err(End::Broken)
}

/// The size that a chunk begins with, and how long its line is.
fn size_line(bytes: &[u8], extra: &mut usize) -> Result<(u64, usize), End> {
    let stop = bytes.iter().position(|b| matches!(b, b'\r' | b'\n'));
    let line = &bytes[..stop.unwrap_or(bytes.len())];
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let significant = &line[line.iter().take_while(|b| **b == b'0').count().min(digits)..digits];
    let spaces = line[digits..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let extension = &line[digits + spaces..];
    let separated = matches!(extension, [] | [b';', ..]);
    if significant.len() > 16 || !separated || extension.iter().any(|b| *b != b'\t' && b.is_ascii_control()) {
        return Err(End::Broken);
    }
    if digits == 0 && (stop.is_some() || !line.is_empty()) {
        return Err(End::Broken);
    }
    *extra += line.len() - digits - usize::from(extension.starts_with(b";"));
    if *extra > EXTRA {
        return Err(End::Broken);
    }
    match stop.map(|stop| &bytes[stop..]) {
        None | Some([b'\r']) => Err(End::Open),
        Some([b'\r', b'\n', ..]) => {
            let text = std::str::from_utf8(significant).unwrap();
            let size = if text.is_empty() { 0 } else { u64::from_str_radix(text, 16).unwrap() };
            Ok((size, line.len() + 2))
        }
        Some(_) => Err(End::Broken),
    }
}

/// How long a trailer's line is; 0 is the last.
fn trailer_line(bytes: &[u8], extra: &mut usize) -> Result<usize, End> {
    let stop = bytes.iter().position(|b| matches!(b, b'\r' | b'\n'));
    let line = &bytes[..stop.unwrap_or(bytes.len())];
    *extra += line.len();
    if *extra > EXTRA {
        return Err(End::Broken);
    }
    match stop.map(|stop| &bytes[stop..]) {
        None | Some([b'\r']) => Err(End::Open),
        Some([b'\r', b'\n', ..]) if line.is_empty() || is_header(line) => Ok(line.len()),
        Some(_) => Err(End::Broken),
    }
}

fn is_header(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|b| *b == b':') else { return false };
    let name = line[..colon].iter().all(|b| b.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(b));
    colon > 0 && name && line[colon..].iter().all(|b| *b >= b' ' && *b != 0x7f || *b == b'\t')
}

/// A header: its name in lower case, its value without the spaces around it.
pub(super) type Header = (String, Vec<u8>);

/// The first line of a head, and its headers by name; those of one name in their order.
pub(super) fn lines(head: &[u8]) -> (&[u8], Vec<Header>) {
    let mut lines = head.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.by_ref().find(|line| !line.is_empty()).unwrap_or_default();
    let mut headers: Vec<Header> = lines.take_while(|line| !line.is_empty()).map(header).collect();
    headers.sort_by(|one, other| one.0.cmp(&other.0));
    (first, headers)
}

fn header(line: &[u8]) -> Header {
    let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len());
    let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
    (name, line.get(colon + 1..).unwrap_or_default().trim_ascii().to_vec())
}

/// The values of a header, in order.
pub(super) fn values<'a>(headers: &'a [Header], name: &str) -> Vec<&'a [u8]> {
    headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_slice()).collect()
}

/// What an answer has for a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Span {
    Framed(Framing),
    ToTheEnd,
}

/// How the body of an answer is delimited (RFC 9112, section 6.3).
pub(super) fn span(status: u16, head_only: bool, headers: &[Header]) -> Span {
    let codings = values(headers, "transfer-encoding");
    if head_only || status < 200 || matches!(status, 204 | 304) {
        return Span::Framed(Framing::None);
    }
    if let Some(last) = codings.last() {
        let last = last.rsplit(|b| *b == b',').next().unwrap_or_default().trim_ascii();
        return if last.eq_ignore_ascii_case(b"chunked") { Span::Framed(Framing::Chunked) } else { Span::ToTheEnd };
    }
    match values(headers, "content-length").first() {
        Some(length) => Span::Framed(Framing::Length(std::str::from_utf8(length).unwrap().parse().unwrap())),
        None => Span::ToTheEnd,
    }
}
