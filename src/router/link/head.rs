//! What a response head says, once it has passed its scan.

use super::super::chunks::BodyScan;
use super::super::failure::Failure;
use super::super::fields::Fields;
use super::super::head::{Framing, decimal};
use super::incoming::Incoming;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Response, StatusCode, Version, response};
use hyper::ext::ReasonPhrase;
use memchr::memchr;

/// The head, how its body is delimited, and whether the dyno ends the connection with it. `bodiless`: the request was
/// one whose response has no body. The headers are put into the room of `spare`.
pub(super) fn parse(
    head: &Bytes,
    fields: &Fields,
    bodiless: bool,
    spare: HeaderMap,
) -> Result<(response::Parts, Incoming, bool), Failure> {
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.version = if head.starts_with(b"HTTP/1.0") { Version::HTTP_10 } else { Version::HTTP_11 };
    parts.status = head.get(9..12).and_then(|code| StatusCode::from_bytes(code).ok()).ok_or(Failure::BadResponse)?;
    parts.headers = fields.map_into(spare, head);
    let end = memchr(b'\n', head).unwrap_or(head.len());
    let reason = head.slice(12..end.max(12));
    let reason = reason.slice_ref(reason.trim_ascii());
    if parts.status.canonical_reason().map(str::as_bytes) != Some(&reason[..])
        && let Ok(reason) = ReasonPhrase::try_from(reason)
    {
        parts.extensions.insert(reason);
    }
    let incoming = body(&parts, bodiless)?;
    let last = parts.version == Version::HTTP_10 || incoming.ends_with_connection() || asks_close(&parts.headers);
    Ok((parts, incoming, last))
}

/// How the body is delimited (RFC 9112, 6.3). An HTTP/1.0 response has no transfer coding (§9.1).
fn body(parts: &response::Parts, bodiless: bool) -> Result<Incoming, Failure> {
    let never =
        parts.status.is_informational() || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if bodiless || never {
        return Ok(Incoming::Nothing);
    }
    if let Some(coding) = parts.headers.get_all(TRANSFER_ENCODING).iter().next_back() {
        let last = coding.as_bytes().rsplit(|b| *b == b',').next().unwrap_or_default();
        return match parts.version {
            Version::HTTP_10 => Err(Failure::BadResponse),
            _ if last.trim_ascii().eq_ignore_ascii_case(b"chunked") => {
                Ok(Incoming::Chunked(Box::new(BodyScan::new(Framing::Chunked))))
            }
            _ => Ok(Incoming::Rest),
        };
    }
    // Repeats are equal, or the scan would not have let them through.
    match parts.headers.get(CONTENT_LENGTH) {
        Some(length) => decimal(length.as_bytes()).map(Incoming::Length).ok_or(Failure::BadResponse),
        None => Ok(Incoming::Rest),
    }
}

fn asks_close(headers: &HeaderMap) -> bool {
    let asks = |value: &[u8]| value.split(|b| *b == b',').any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"));
    headers.get_all(CONNECTION).iter().any(|value| asks(value.as_bytes()))
}
