//! Requests as the routes want them: the path in parts, the body as JSON, the range of a list; and answers.

use super::fault::Fault;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RANGE};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;

/// The longest body that is read; config vars have 64 kB in all.
const BODY_LIMIT: usize = 1024 * 1024;
/// How many items of a list are given at once, unless fewer are asked for.
const LIST_LIMIT: usize = 1000;

/// A body, whole or as it comes.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;
/// What a route gives back.
pub(super) type Answer = Result<Response<Body>, Fault>;

/// A request that was read.
pub(super) struct Call {
    pub(super) method: Method,
    /// The parts between the slashes, percent-decoded.
    pub(super) path: Vec<String>,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    #[cfg(test)]
    pub(super) fn of(method: &str, path: &str, range: &str, body: &str) -> Self {
        let path = path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, range.parse().unwrap());
        Self { method: method.parse().unwrap(), path, headers, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    #[cfg(test)]
    pub(super) fn after_event(mut self, id: &str) -> Self {
        self.headers.insert("last-event-id", id.parse().unwrap());
        self
    }

    pub(super) async fn read(request: Request<Incoming>) -> Result<Self, Fault> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, BODY_LIMIT).collect().await;
        let body = body.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                Fault::too_large(BODY_LIMIT)
            } else {
                Fault::bad_request("The body of the request broke off.")
            }
        })?;
        let path = head.uri.path().split('/').filter(|part| !part.is_empty()).map(decoded).collect();
        Ok(Self { method: head.method, path, headers: head.headers, body: body.to_bytes() })
    }

    /// The path as a pattern can match it.
    pub(super) fn parts(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// What the client calls this server.
    pub(super) fn host(&self) -> String {
        let host = self.headers.get(HOST).and_then(|host| host.to_str().ok()).filter(|host| !host.is_empty());
        host.unwrap_or("localhost").to_owned()
    }

    /// The last event of a stream that broke off.
    pub(super) fn last_event(&self) -> Option<&str> {
        self.headers.get("last-event-id").and_then(|id| id.to_str().ok())
    }

    /// The body; an empty one is `{}`.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        let value: serde_json::Value = serde_json::from_slice(body)
            .map_err(|error| Fault::bad_request(format!("Unable to parse the JSON request: {error}")))?;
        serde_json::from_value(value).map_err(|error| Fault::invalid(format!("Unable to use the request: {error}")))
    }

    /// Which part of a list is wanted.
    pub(super) fn range(&self) -> Range {
        let text = self.headers.get(RANGE).and_then(|range| range.to_str().ok()).unwrap_or_default();
        Range::parse(text)
    }
}

/// `version ]5..9; max=10, order=desc`: which items of a list, how many, and from which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    first: u64,
    last: u64,
    max: usize,
    descending: bool,
}

impl Range {
    /// Parts and spaces come in any order; what is not understood is passed over.
    fn parse(text: &str) -> Self {
        let mut range = Self { first: 0, last: u64::MAX, max: LIST_LIMIT, descending: false };
        for part in text.split([';', ',']).map(str::trim) {
            match part.split_once('=') {
                Some(("max", max)) => {
                    range.max = max.trim().parse().map_or(LIST_LIMIT, |max: usize| max.clamp(1, LIST_LIMIT));
                }
                Some(("order", order)) => range.descending = order.trim() == "desc",
                _ => {
                    if let Some((from, to)) = part.split_once("..") {
                        (range.first, range.last) = bounds(from, to);
                    }
                }
            }
        }
        range
    }

    /// The items, and the `Next-Range` that asks for those after them.
    pub(super) fn of<T>(self, mut all: Vec<T>, number: impl Fn(&T) -> u64) -> (Vec<T>, Option<String>) {
        all.retain(|item| (self.first..=self.last).contains(&number(item)));
        all.sort_by_key(&number);
        if self.descending {
            all.reverse();
        }
        let more = all.len() > self.max;
        all.truncate(self.max);
        let next = all.last().filter(|_| more).map(|last| {
            let (last, max) = (number(last), self.max);
            if self.descending {
                format!("version ..{last}[; max={max}, order=desc")
            } else {
                format!("version ]{last}..; max={max}")
            }
        });
        (all, next)
    }
}

/// `version ]5` and `9[`: a bracket that looks away leaves the number itself out.
fn bounds(from: &str, to: &str) -> (u64, u64) {
    let from = from.rsplit(' ').next().unwrap_or_default();
    let first = match from.strip_prefix(']') {
        Some(number) => number.parse().map_or(0, |number: u64| number.saturating_add(1)),
        None => from.trim_start_matches('[').parse().unwrap_or(0),
    };
    let last = match to.strip_suffix('[') {
        Some(number) => number.parse().map_or(u64::MAX, |number: u64| number.saturating_sub(1)),
        None => to.trim_end_matches(']').parse().unwrap_or(u64::MAX),
    };
    (first, last)
}

/// `%20` is a space; what is no such thing stays.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let bytes = serde_json::to_vec(value).map_err(|error| Fault::internal(error.to_string()))?;
    let mut response = Response::new(Full::new(Bytes::from(bytes)).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A JSON answer with status 200.
pub(super) fn ok(value: &impl Serialize) -> Answer {
    json(StatusCode::OK, value)
}

/// A part of a list.
pub(super) fn list<T: Serialize>(range: Range, all: Vec<T>, number: impl Fn(&T) -> u64) -> Answer {
    let (part, next) = range.of(all, number);
    let status = if next.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = json(status, &part)?;
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("version"));
    if let Some(next) = next {
        with(&mut response, "next-range", &next);
    }
    Ok(response)
}

/// Adds a header.
pub(super) fn with(response: &mut Response<Body>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use super::{Range, decoded};

    fn taken(text: &str) -> (Vec<u64>, Option<String>) {
        Range::parse(text).of((3..=9).collect(), |number| *number)
    }

    #[test]
    fn ranges_are_read_however_their_parts_are_ordered() {
        assert_eq!(taken("").0, [3, 4, 5, 6, 7, 8, 9]);
        for text in ["version ..; max=2, order=desc", "version ..; order=desc,max=2", "version ..;order=desc;max=2;"] {
            assert_eq!(taken(text), (vec![9, 8], Some("version ..8[; max=2, order=desc".into())), "{text}");
        }
        assert_eq!(taken("version ..; max=0").0, [3]);
        assert_eq!(taken("nonsense; max=x").0.len(), 7);
    }

    #[test]
    fn the_next_range_goes_on_where_the_first_ended() {
        for order in ["", ", order=desc"] {
            let (mut all, mut next) = taken(&format!("version ..; max=3{order}"));
            while let Some(range) = next {
                let (more, after) = taken(&range);
                all.extend(more);
                next = after;
            }
            all.sort_unstable();
            assert_eq!(all, [3, 4, 5, 6, 7, 8, 9], "{order}");
        }
    }

    #[test]
    fn paths_are_decoded_and_what_is_no_escape_stays() {
        assert_eq!(decoded("web.1%20x%2Fy"), "web.1 x/y");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%é"), "%zz%é");
    }
}
