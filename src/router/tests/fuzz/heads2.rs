//! Heads that come over HTTP/2: whatever passes their check is one sound HTTP/1.1 request at the dyno, and the same one.

use super::super::stage::config;
use crate::clock::Clock;
use crate::router::body::ClientBody;
use crate::router::client::{Origin, Protocol};
use crate::router::head::{Framing, HeadScan, Scan};
use crate::router::headers::{self, Inbound};
use crate::router::http2::head::check;
use crate::router::link::{Continue, Link};
use crate::router::table::Table;
use crate::router::{Shared, TcpDial};
use http::header::HOST;
use http::{HeaderName, HeaderValue, Method, Request};
use proptest::prelude::*;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use tokio::io::{AsyncReadExt, duplex};
use tokio::sync::watch;

const NAMES: [&str; 16] = [
    "host",
    "cookie",
    "content-length",
    "transfer-encoding",
    "connection",
    "te",
    "trailer",
    "expect",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-request-id",
    "keep-alive",
    "proxy-authorization",
    "server",
    "x-a",
];
const TARGETS: [&str; 10] = ["/", "/a?b", "*", "?b", "", "/a%20b", "/a b", "//evil/x", "/a\\b", "/\u{e9}"];
const VALUES: [&str; 14] = [
    "a",
    "",
    "5",
    "0",
    "+5",
    "5, 5",
    "chunked",
    "close, x-a",
    "content-length",
    "trailers",
    "100-continue",
    "a=1; b=2",
    "localhost",
    "websocket",
];

#[derive(Debug)]
struct Sent {
    method: String,
    target: String,
    authority: String,
    headers: Vec<(String, Vec<u8>)>,
    bodiless: bool,
}

fn sent() -> impl Strategy<Value = Sent> {
    let method = prop_oneof![Just("GET".to_owned()), Just("POST".to_owned()), Just("OPTIONS".to_owned()), "[!-~]{1,6}"];
    let target = prop_oneof![3 => prop::sample::select(&TARGETS[..]).prop_map(str::to_owned), 1 => "/[!-~]{0,20}"];
    let authority = prop_oneof![3 => Just("localhost".to_owned()), 1 => Just(String::new()), 1 => "[!-~]{1,12}"];
    let name = prop_oneof![3 => prop::sample::select(&NAMES[..]).prop_map(str::to_owned), 1 => "[!-~]{1,8}"];
    let value = prop_oneof![
        2 => prop::sample::select(&VALUES[..]).prop_map(|value| value.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    let headers = prop::collection::vec((name, value), 0..8);
    (method, target, authority, headers, any::<bool>()).prop_map(|(method, target, authority, headers, bodiless)| {
        Sent { method, target, authority, headers, bodiless }
    })
}

/// The request as the h2 crate would hand it over; none when it would not.
fn arrived(sent: &Sent) -> Option<http::request::Parts> {
    let uri = http::Uri::builder().path_and_query(sent.target.as_str());
    let uri = if sent.authority.is_empty() { uri } else { uri.scheme("https").authority(sent.authority.as_str()) };
    let mut request =
        Request::builder().method(Method::from_bytes(sent.method.as_bytes()).ok()?).uri(uri.build().ok()?);
    for (name, value) in &sent.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        // These make a request over HTTP/2 malformed, and the crate refuses it.
        let forbidden = ["connection", "transfer-encoding", "upgrade", "keep-alive", "proxy-connection"];
        if forbidden.contains(&name.as_str()) || name == "te" && value != b"trailers" {
            return None;
        }
        request = request.header(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

/// The head as the dyno reads it.
fn at_the_dyno(mut parts: http::request::Parts, framing: Framing) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let clock = Clock::anchored(datetime!(2026-11-21 03:08:15 UTC), 7);
        let (_, table) = watch::channel(Arc::new(Table::default()));
        let shared = Shared::new(&table, config(), &clock, Box::new(TcpDial), Box::new(|_| {}));
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let origin = Origin { peer, port: 443, tls: Some("tls1.3"), protocol: Protocol::Http2 };
        let inbound = Inbound {
            method: &parts.method.clone(),
            origin,
            framing,
            upgrade: false,
            continues: Continue::Dropped,
            request_id: &HeaderValue::from_static("a7db6b2f-d20c-05b5-d887-cf7729a8e92d"),
            forwarded_for: &headers::forwarded_for(&parts.headers, origin),
            connect: Duration::ZERO,
            received: 0,
        };
        headers::to_dyno(&mut parts.headers, &inbound, &shared);
        let (near, mut far) = duplex(1024 * 1024);
        let mut link = Link::new(Box::new(near), Duration::MAX, Duration::MAX);
        link.begin(parts, ClientBody::None, Framing::None, Continue::Dropped);
        poll_fn(|cx| link.poll_sent(cx)).await;
        drop(link);
        let mut head = Vec::new();
        far.read_to_end(&mut head).await.unwrap();
        head
    })
}

proptest! {
    #[test]
    fn fuzz_a_head_over_http_2_is_the_same_one_request_at_the_dyno(sent in sent()) {
        let Some(mut parts) = arrived(&sent) else { return Ok(()) };
        let (method, uri) = (parts.method.clone(), parts.uri.clone());
        let Ok(framing) = check(&mut parts, sent.bodiless) else { return Ok(()) };
        let host = parts.headers[HOST].clone();
        let head = at_the_dyno(parts, framing);
        let mut scan = HeadScan::default();
        prop_assert_eq!(scan.scan(&head), Scan::Done(head.len()), "{}", head.escape_ascii());
        prop_assert_eq!(scan.framing(), framing, "{}", head.escape_ascii());
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        prop_assert!(head.starts_with(format!("{method} {target} HTTP/1.1\r\n").as_bytes()), "{}", head.escape_ascii());
        let line = [b"\r\nHost: ", host.as_bytes(), b"\r\n"].concat();
        let hosts = head.windows(line.len()).filter(|window| *window == line).count();
        prop_assert_eq!(hosts, 1, "{}", head.escape_ascii());
    }
}
