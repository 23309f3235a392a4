//! C: request headers at the dyno.

use super::stage::{Peer, Received, Stage, config};
use crate::model::dyno::DynoState::Up;
use crate::router::config::{Generation, RouterConfig};

/// What the dyno sees of a request with these header lines.
async fn seen(lines: &str) -> Received {
    seen_with(config(), &format!("GET /x HTTP/1.1\r\nHost: localhost:80\r\n{lines}\r\n")).await
}

async fn seen_with(config: RouterConfig, request: &str) -> Received {
    let mut stage = Stage::with(config, &[Up]);
    let mut client = stage.client_sends(request).await;
    let mut dyno = stage.dyno(1).await;
    let request = dyno.message().await;
    answer(&mut client, &mut dyno).await;
    request
}

async fn answer(client: &mut Peer, dyno: &mut Peer) {
    dyno.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.message().await.body, "ok");
}

#[tokio::test(start_paused = true)]
async fn c1_a_plain_request_gets_the_forwarded_headers() {
    let request = seen("").await;
    assert_eq!(request.first_line(), "GET /x HTTP/1.1");
    assert_eq!(request.one("host"), Some("localhost:80"));
    assert_eq!(request.one("x-forwarded-for"), Some("10.0.0.9"));
    assert_eq!(request.one("x-forwarded-proto"), Some("http"));
    assert_eq!(request.one("x-forwarded-port"), Some("80"));
    assert_eq!(request.one("x-request-start"), Some("1795230495000"));
    let id = request.one("x-request-id").unwrap();
    let groups: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
    assert_eq!(request.one("content-length"), None);
}

#[tokio::test(start_paused = true)]
async fn c1_the_forwarded_port_can_be_configured() {
    let config = RouterConfig { forwarded_port: Some(8080), ..config() };
    let request = seen_with(config, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(request.one("x-forwarded-port"), Some("8080"));
}

#[tokio::test(start_paused = true)]
async fn c2_the_client_s_address_is_appended() {
    assert_eq!(seen("X-Forwarded-For: 10.0.0.1\r\n").await.one("x-forwarded-for"), Some("10.0.0.1, 10.0.0.9"));
    let two = seen("X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\nX-Forwarded-For: 10.0.0.3\r\n").await;
    assert_eq!(two.one("x-forwarded-for"), Some("10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.9"));
}

#[tokio::test(start_paused = true)]
async fn c3_spoofed_headers_are_replaced() {
    let request = seen("X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-Request-Start: t=1\r\n").await;
    assert_eq!(request.one("x-forwarded-proto"), Some("http"));
    assert_eq!(request.one("x-forwarded-port"), Some("80"));
    assert_eq!(request.one("x-request-start").unwrap().len(), 13);
}

#[tokio::test(start_paused = true)]
async fn c4_c5_request_ids_are_kept_if_heroku_keeps_them() {
    for id in ["aB0+/=-aB0+/=-aB0+/=", &"a".repeat(200)] {
        assert_eq!(seen(&format!("X-Request-Id: {id}\r\n")).await.one("x-request-id"), Some(id));
    }
    for id in [
        &"a".repeat(19),
        &"a".repeat(201),
        &format!("{}?", "a".repeat(20)),
        "aaaaaaaaaa aaaaaaaaaa",
        &"é".repeat(20),
        "",
    ] {
        let request = seen(&format!("X-Request-Id: {id}\r\n")).await;
        assert_eq!(request.one("x-request-id").unwrap().len(), 36, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn c6_via_is_appended() {
    assert_eq!(seen("Via: 1.1 proxy\r\n").await.one("via"), Some("1.1 proxy, 1.1 heroku-router"));
}

#[tokio::test(start_paused = true)]
async fn c7_hop_by_hop_headers_go_and_trailer_stays() {
    let request = seen(
        "TE: trailers\r\nKeep-Alive: timeout=5\r\nProxy-Authorization: x\r\nConnection: keep-alive\r\nTrailer: x\r\n\
         Proxy-Authentication: y\r\n",
    )
    .await;
    for name in ["te", "keep-alive", "proxy-authorization", "connection"] {
        assert_eq!(request.one(name), None, "{name}");
    }
    assert_eq!(request.one("trailer"), Some("x"));
    assert_eq!(request.one("proxy-authentication"), Some("y"));
}

#[tokio::test(start_paused = true)]
async fn c8_c9_names_in_connection_are_dropped_but_for_the_vital_ones() {
    let request = seen("Connection: x-foo, Host, Content-Length, X-Forwarded-For\r\nX-Foo: 1\r\nX-Bar: 2\r\n").await;
    assert_eq!(request.one("x-foo"), None);
    assert_eq!(request.one("x-bar"), Some("2"));
    assert_eq!(request.one("host"), Some("localhost:80"));
    assert_eq!(request.one("x-forwarded-for"), Some("10.0.0.9"));
    let post = seen_with(
        config(),
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: content-length\r\nContent-Length: 2\r\n\r\nab",
    )
    .await;
    assert_eq!((post.one("content-length"), post.body.as_str()), (Some("2"), "ab"));
}

#[tokio::test(start_paused = true)]
async fn c10_x_forwarded_host_is_none_of_the_router_s_business() {
    let request = seen("X-Forwarded-Host: evil\r\nForwarded: for=x\r\nX-Forwarded-By: y\r\n").await;
    assert_eq!(request.one("x-forwarded-host"), Some("evil"));
    assert_eq!(request.one("forwarded"), Some("for=x"));
    assert_eq!(request.one("x-forwarded-by"), Some("y"));
}

#[tokio::test(start_paused = true)]
async fn c11_dynos_see_http_1_1() {
    let request = seen_with(config(), "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(request.first_line(), "GET / HTTP/1.1");
}

#[tokio::test(start_paused = true)]
async fn c12_router_2_names_itself_and_keeps_the_connection() {
    let request = seen("").await;
    assert_eq!(request.one("server"), Some("Heroku"));
    assert_eq!(request.one("via"), Some("1.1 heroku-router"));
    assert_eq!(request.one("connection"), None);
}

#[tokio::test(start_paused = true)]
async fn c12_the_legacy_router_closes_and_tells_times() {
    let legacy = RouterConfig { generation: Generation::Legacy, ..config() };
    let request = seen_with(legacy, "DELETE / HTTP/1.1\r\nHost: SHOP.localhost:80\r\n\r\n").await;
    assert_eq!(request.one("connection"), Some("close"));
    assert_eq!(request.one("via"), Some("1.1 vegur"));
    assert_eq!(request.one("connect-time"), Some("0"));
    assert_eq!(request.one("total-route-time"), Some("0"));
    assert_eq!(request.one("host"), Some("shop.localhost"));
    assert_eq!(request.one("server"), None);
    assert_eq!(request.one("content-length"), Some("0"));
    assert_eq!(&request.one("x-request-id").unwrap()[14..15], "4");
}

#[tokio::test(start_paused = true)]
async fn c13_repeated_headers_stay_apart_and_in_order() {
    assert_eq!(seen("X-A: 1\r\nX-B: x\r\nX-A: 2\r\nX-A: 3\r\n").await.all("x-a"), ["1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn c14_cookies_of_8192_bytes_pass_and_longer_ones_do_not() {
    let cookie = "c".repeat(8192);
    assert_eq!(seen(&format!("Cookie: {cookie}\r\n")).await.one("cookie"), Some(cookie.as_str()));
    let stage = Stage::new();
    let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n", "c".repeat(8200));
    assert_eq!(stage.client_sends(&request).await.message().await.status(), 400);
}
