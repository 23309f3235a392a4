//! The header rules in both directions (§5, §6).

use super::Shared;
use super::client::Origin;
use super::config::Generation;
use super::head::Framing;
use super::link::Continue;
use super::nel;
use super::splice::write_line;
use crate::clock::Clock;
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHORIZATION, SERVER, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::net::IpAddr;
use tokio::time::Duration;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CONNECT_TIME: HeaderName = HeaderName::from_static("connect-time");
const TOTAL_ROUTE_TIME: HeaderName = HeaderName::from_static("total-route-time");

/// Headers that the router adds to a head, at most.
pub(super) const ADDED: usize = 12;

/// Never dropped for being named in `Connection` (§5).
const PROTECTED: [HeaderName; 9] =
    [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_PORT, REQUEST_ID, VIA, UPGRADE];

/// What of a request the header rules need to know beside its headers.
pub(super) struct Inbound<'a> {
    pub(super) method: &'a Method,
    pub(super) origin: Origin,
    pub(super) framing: Framing,
    pub(super) upgrade: bool,
    /// What becomes of the dyno's `100 Continue`.
    pub(super) continues: Continue,
    pub(super) request_id: &'a HeaderValue,
    pub(super) forwarded_for: &'a HeaderValue,
    /// How long the connection to the dyno took; the legacy router tells the dyno.
    pub(super) connect: Duration,
    /// Milliseconds since the Unix epoch when the request was received.
    pub(super) received: i128,
}

/// The client's id if it is one that Heroku keeps, else a new one.
pub(super) fn request_id(headers: &HeaderMap, clock: &Clock, generation: Generation) -> HeaderValue {
    let acceptable = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (20..=200).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-'))
    };
    headers.get(REQUEST_ID).filter(acceptable).cloned().unwrap_or_else(|| {
        let mut bytes = clock.random_bytes();
        if generation == Generation::Legacy {
            bytes[6] = bytes[6] & 0x0f | 0x40;
            bytes[8] = bytes[8] & 0x3f | 0x80;
        }
        let mut id = String::with_capacity(36);
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                id.push('-');
            }
            id.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
        }
        owned(id)
    })
}

/// The chain the client sent, with its own address at the right end.
pub(super) fn forwarded_for(headers: &HeaderMap, origin: Origin) -> HeaderValue {
    let peer = address(origin.peer);
    if headers.contains_key(FORWARDED_FOR) { appended(headers, &FORWARDED_FOR, &peer) } else { owned(peer) }
}

/// An IPv4 address that came as IPv6 is written as what it is.
fn address(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let mut text = String::with_capacity(15);
            for (index, octet) in address.octets().into_iter().enumerate() {
                text.extend([if index == 0 { "" } else { "." }, itoa::Buffer::new().format(octet)]);
            }
            text
        }
        IpAddr::V6(address) => address.to_string(),
    }
}

/// Whether `Connection` asks for an upgrade; its list may be separated by commas or spaces (§11).
pub(super) fn asks_upgrade(headers: &HeaderMap) -> bool {
    connection_tokens(headers).any(|token| token.eq_ignore_ascii_case("upgrade"))
}

/// Whether `Connection` asks to keep the connection, as HTTP/1.0 clients may.
pub(super) fn asks_keep_alive(headers: &HeaderMap) -> bool {
    connection_tokens(headers).any(|token| token.eq_ignore_ascii_case("keep-alive"))
}

/// Whether there is an `Expect` that the router does not answer; an empty one is none (§10).
pub(super) fn expects_too_much(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(EXPECT).iter().filter(|value| !value.is_empty());
    match (values.next(), values.next()) {
        (None, _) => false,
        (Some(only), None) => !only.as_bytes().eq_ignore_ascii_case(b"100-continue"),
        (Some(_), Some(_)) => true,
    }
}

/// Whether the client waits for `100 Continue`, if its expectation is one that is met.
pub(super) fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get_all(EXPECT).iter().any(|value| !value.is_empty())
}

/// Turns a client's request headers into those the dyno sees (§5).
pub(super) fn to_dyno(headers: &mut HeaderMap, request: &Inbound<'_>, shared: &Shared) {
    // Once, and not as it fills.
    headers.reserve(ADDED);
    drop_hop_by_hop(headers);
    headers.remove(EXPECT);
    if request.continues == Continue::Awaited {
        headers.insert(EXPECT, HeaderValue::from_static("100-continue"));
    }
    headers.insert(FORWARDED_FOR, request.forwarded_for.clone());
    headers.insert(REQUEST_ID, request.request_id.clone());
    let https = request.origin.tls.is_some();
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(if https { "https" } else { "http" }));
    headers.insert(FORWARDED_PORT, shared.config.forwarded_port.unwrap_or(request.origin.port).into());
    headers.insert(REQUEST_START, u64::try_from(request.received).unwrap_or(0).into());
    add_via(headers, shared.via(request.origin));
    set_framing(headers, request, shared.config.is_legacy());
    if shared.config.is_legacy() {
        let millis = value(&request.connect.as_millis().to_string());
        headers.insert(CONNECT_TIME, millis.clone());
        headers.insert(TOTAL_ROUTE_TIME, millis);
        plain_host(headers);
    } else {
        headers.insert(SERVER, HeaderValue::from_static("Heroku"));
    }
    if request.upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    } else if !shared.pools() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

fn set_framing(headers: &mut HeaderMap, request: &Inbound<'_>, legacy: bool) {
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRANSFER_ENCODING);
    match request.framing {
        Framing::Chunked => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        Framing::Length(length) => {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        Framing::None => {
            let needs_zero = if legacy {
                !matches!(*request.method, Method::GET | Method::HEAD)
            } else {
                matches!(*request.method, Method::POST | Method::PUT | Method::PATCH)
            };
            if needs_zero {
                headers.insert(CONTENT_LENGTH, 0.into());
            }
        }
    }
}

/// The legacy router hands on the host in lower case and without its port.
fn plain_host(headers: &mut HeaderMap) {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else { return };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = value(&name.to_ascii_lowercase());
    headers.insert(HOST, name);
}

/// Turns a dyno's response headers into those the client sees (§6).
pub(super) fn to_client(headers: &mut HeaderMap, bodiless: bool, origin: Origin, shared: &Shared) {
    drop_hop_by_hop(headers);
    add_via(headers, shared.via(origin));
    if !headers.contains_key(SERVER) {
        headers.insert(SERVER, HeaderValue::from_static(shared.server()));
    }
    nel::add(headers, shared);
    if !bodiless && headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    } else if let Some(length) = headers.get(CONTENT_LENGTH).cloned() {
        // Equal repeats become one.
        headers.insert(CONTENT_LENGTH, length);
    }
}

/// Whether a trailer is passed on: not if it would change framing or routing when taken for a header (§16).
pub(super) fn is_trailer(name: &HeaderName) -> bool {
    const NOT_IN_TRAILERS: [HeaderName; 8] =
        [CONTENT_LENGTH, TRANSFER_ENCODING, HOST, CONNECTION, TE, TRAILER, AUTHORIZATION, SET_COOKIE];
    !NOT_IN_TRAILERS.contains(name)
}

/// Takes out the trailers that are not passed on.
pub(super) fn keep_trailers(trailers: &mut HeaderMap) {
    let gone: Vec<HeaderName> = trailers.keys().filter(|name| !is_trailer(name)).cloned().collect();
    for name in gone {
        trailers.remove(name);
    }
}

/// Takes out the framing headers of a response without a body, which hyper would not write, as lines.
pub(super) fn take_framing(headers: &mut HeaderMap) -> Vec<u8> {
    let mut lines = Vec::new();
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        if let Some(value) = headers.remove(&name) {
            write_line(&mut lines, &name, &value);
        }
    }
    lines
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> =
            connection_tokens(headers).filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok()).collect();
        for name in named.iter().filter(|name| !PROTECTED.contains(name)) {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    headers.remove(TE);
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_AUTHORIZATION);
}

fn connection_tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ' ', '\t']))
        .filter(|token| !token.is_empty())
}

fn add_via(headers: &mut HeaderMap, router: &'static str) {
    let via =
        if headers.contains_key(VIA) { appended(headers, &VIA, router) } else { HeaderValue::from_static(router) };
    headers.insert(VIA, via);
}

/// Every value of a list header, and one more, in one line.
fn appended(headers: &HeaderMap, name: &HeaderName, last: &str) -> HeaderValue {
    let mut chain = Vec::new();
    for one in headers.get_all(name).iter().filter(|one| !one.is_empty()) {
        chain.extend_from_slice(one.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(last.as_bytes());
    HeaderValue::from_bytes(&chain).unwrap_or_else(|_| value(last))
}

/// A value made of digits, names and addresses, which is always one.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The same, without a copy.
fn owned(text: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or_else(|_| HeaderValue::from_static(""))
}
