//! HTTP/2 from clients: the rules of §14, and what of the other cases is told otherwise over streams.

use super::stage::{Peer, Stage, config, settle};
use crate::model::dyno::DynoState::{Crashed, Up};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use std::future::poll_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Duration, sleep, timeout};

/// A client with a connection of its own.
struct Client {
    streams: SendRequest<Bytes>,
}

/// A request that was sent, and what becomes of it.
struct Asked {
    answer: ResponseFuture,
    upload: SendStream<Bytes>,
}

impl Client {
    async fn of(stage: &Stage) -> Self {
        Self::with_window(stage, 1 << 20).await
    }

    /// A client that takes `window` bytes of a body before it agrees to more.
    async fn with_window(stage: &Stage, window: u32) -> Self {
        let (streams, connection) =
            h2::client::Builder::new().initial_window_size(window).handshake(stage.client_of_http2()).await.unwrap();
        tokio::spawn(connection);
        Self { streams }
    }

    async fn send(&self, request: Request<()>, ended: bool) -> Asked {
        let mut streams = self.streams.clone().ready().await.unwrap();
        let (answer, upload) = streams.send_request(request, ended).unwrap();
        Asked { answer, upload }
    }

    async fn get(&self, path: &str) -> Asked {
        self.send(Request::get(format!("https://localhost{path}")).body(()).unwrap(), true).await
    }

    async fn post(&self) -> Asked {
        self.send(Request::post("https://localhost/up").body(()).unwrap(), false).await
    }
}

impl Asked {
    async fn head(self) -> Response<RecvStream> {
        timeout(Duration::from_secs(400), self.answer).await.expect("an answer").unwrap()
    }

    /// Why there is no answer.
    async fn reset(self) -> Option<Reason> {
        timeout(Duration::from_secs(400), self.answer).await.expect("an end").unwrap_err().reason()
    }
}

/// A whole body and its trailers, or why it was cut.
async fn whole(mut body: RecvStream) -> Result<(String, Option<HeaderMap>), Reason> {
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| error.reason().unwrap())?;
        body.flow_control().release_capacity(data.len()).unwrap();
        text.extend_from_slice(&data);
    }
    let trailers = body.trailers().await.map_err(|error| error.reason().unwrap())?;
    Ok((String::from_utf8(text).unwrap(), trailers))
}

/// A client that has asked, and the dyno that has its request.
async fn asked(stage: &mut Stage, path: &str) -> (Client, Asked, Peer) {
    let client = Client::of(stage).await;
    let asked = client.get(path).await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    (client, asked, dyno)
}

#[tokio::test(start_paused = true)]
async fn g12_a_client_of_http_2_is_served_by_a_dyno_of_http_1() {
    let mut stage = Stage::new();
    let client = Client::of(&stage).await;
    let request = Request::get("https://shop.localhost:5443/a%20b?x=1")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("x-forwarded-proto", "http")
        .body(())
        .unwrap();
    let asked = client.send(request, true).await;
    let mut dyno = stage.dyno(1).await;
    let seen = dyno.head().await;
    assert_eq!(seen.first_line(), "GET /a%20b?x=1 HTTP/1.1");
    assert_eq!(seen.one("host"), Some("shop.localhost:5443"));
    assert_eq!(seen.one("cookie"), Some("a=1; b=2"));
    assert_eq!(seen.one("via"), Some("2.0 heroku-router"));
    assert_eq!(seen.one("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.one("x-forwarded-port"), Some("443"));
    assert_eq!(seen.one("connection"), None);
    assert_eq!((seen.one("content-length"), seen.one("transfer-encoding")), (None, None));
    dyno.send("HTTP/1.1 200 OK\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nok").await;
    let answer = asked.head().await;
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("via").as_deref(), Some("2.0 heroku-router"));
    assert_eq!(header("server").as_deref(), Some("Heroku"));
    assert_eq!(header("content-length").as_deref(), Some("2"));
    assert!(header("date").is_some_and(|date| date.ends_with(" GMT")));
    assert_eq!((header("connection"), header("x-hop")), (None, None));
    assert_eq!(whole(answer.into_body()).await.unwrap().0, "ok");
    assert_eq!(
        stage.line().await,
        "at=info method=GET path=\"/a b?x=1\" host=shop.localhost:5443 request_id=ID fwd=\"10.0.0.9\" dyno=web.1 \
         connect=0ms service=0ms status=200 bytes=2 protocol=http2.0 tls=true tls_version=tls1.3"
    );
}

#[tokio::test(start_paused = true)]
async fn b13_d11_bodies_and_trailers_pass_both_ways() {
    let mut stage = Stage::new();
    let client = Client::of(&stage).await;
    let mut asked = client.post().await;
    asked.upload.send_data("hello".into(), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "1".parse().unwrap());
    trailers.insert("content-length", "9".parse().unwrap());
    asked.upload.send_trailers(trailers).unwrap();
    let mut dyno = stage.dyno(1).await;
    let seen = dyno.message().await;
    assert_eq!((seen.one("transfer-encoding"), seen.one("content-length")), (Some("chunked"), None));
    assert_eq!(seen.body, "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
    dyno.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-End: 2\r\nHost: b\r\n\r\n").await;
    let answer = asked.head().await;
    assert_eq!(answer.headers().get("transfer-encoding"), None);
    let (body, trailers) = whole(answer.into_body()).await.unwrap();
    let trailers = trailers.unwrap();
    assert_eq!((body.as_str(), trailers.len(), &trailers["x-end"]), ("ok", 1, &"2".parse().unwrap()));
    assert!(stage.line().await.contains(" status=200 bytes=2 protocol=http2.0 "));
}

#[tokio::test(start_paused = true)]
async fn b22_a_known_length_is_told_to_the_dyno() {
    let mut stage = Stage::new();
    let client = Client::of(&stage).await;
    let request = Request::post("https://localhost/").header("content-length", "5").body(()).unwrap();
    let mut asked = client.send(request, false).await;
    asked.upload.send_data("hello".into(), true).unwrap();
    let mut dyno = stage.dyno(1).await;
    let seen = dyno.message().await;
    assert_eq!((seen.one("content-length"), seen.one("transfer-encoding")), (Some("5"), None));
    assert_eq!(seen.body, "hello");
    let empty = client.send(Request::post("https://localhost/").body(()).unwrap(), true).await;
    let mut other = stage.dyno(1).await;
    assert_eq!(other.head().await.one("content-length"), Some("0"));
    drop((asked, empty));
}

#[tokio::test(start_paused = true)]
async fn d16_d17_answers_without_a_body_keep_their_length() {
    for (method, answer, length) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n", Some("43")),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 43\r\n\r\n", Some("43")),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", None),
    ] {
        let mut stage = Stage::new();
        let client = Client::of(&stage).await;
        let asked =
            client.send(Request::builder().method(method).uri("https://localhost/").body(()).unwrap(), true).await;
        let mut dyno = stage.dyno(1).await;
        dyno.head().await;
        dyno.send(answer).await;
        let answer = asked.head().await;
        assert_eq!(answer.headers().get("content-length").map(|value| value.to_str().unwrap()), length);
        assert!(answer.body().is_end_stream());
        assert!(stage.line().await.contains(" bytes=0 "));
    }
}

#[tokio::test(start_paused = true)]
async fn f1_f14_the_router_s_own_pages_come_over_streams_too() {
    let mut stage = Stage::new();
    let (client, late, _dyno) = asked(&mut stage, "/").await;
    let answer = late.head().await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["content-length"]), (503, &"567".parse().unwrap()));
    assert_eq!(&answer.headers()["via"], "2.0 heroku-router");
    assert_eq!(whole(answer.into_body()).await.unwrap().0.len(), 567);
    let line = stage.line().await;
    assert!(line.starts_with("at=error code=H12 "), "{line}");
    assert!(
        line.ends_with(" service=30000ms status=503 bytes=567 protocol=http2.0 tls=true tls_version=tls1.3"),
        "{line}"
    );
    stage.dynos(&[Crashed]);
    let head = client.send(Request::head("https://localhost/").body(()).unwrap(), true).await.head().await;
    assert_eq!((head.status().as_u16(), &head.headers()["content-length"]), (503, &"567".parse().unwrap()));
    assert!(head.body().is_end_stream());
    assert!(stage.line().await.starts_with("at=error code=H10 "));
}

#[tokio::test(start_paused = true)]
async fn a23_an_unknown_host_is_404_without_a_log_line() {
    let mut stage = Stage::new();
    let client = Client::of(&stage).await;
    let asked = client.send(Request::get("https://elsewhere.example/").body(()).unwrap(), true).await;
    assert_eq!(asked.head().await.status(), 404);
    stage.no_line().await;
}

#[tokio::test(start_paused = true)]
async fn a9_a17_refused_heads_leave_the_connection_and_no_line() {
    let mut stage = Stage::new();
    let client = Client::of(&stage).await;
    let long = client.get(&format!("/{}", "x".repeat(9000))).await;
    assert_eq!(long.head().await.status(), 414);
    let connect = client.send(Request::connect("a.example:443").body(()).unwrap(), false).await;
    assert_eq!(connect.head().await.status(), 405);
    let torn = Request::get("https://localhost/").header("host", "other").body(()).unwrap();
    assert_eq!(client.send(torn, true).await.head().await.status(), 400);
    stage.no_line().await;
    assert!(!stage.is_dialled(1).await);
    let asked = client.get("/").await;
    stage.dyno(1).await.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(asked.head().await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn h27_when_the_client_resets_its_stream_and_others_go_on() {
    let mut stage = Stage::new();
    let (client, mut gone, mut dyno) = asked(&mut stage, "/slow").await;
    let other = client.get("/other").await;
    let mut second = stage.dyno(1).await;
    second.head().await;
    gone.upload.send_reset(Reason::CANCEL);
    let line = stage.line().await;
    assert!(line.starts_with("sock=client at=warning code=H27 ") && line.contains(" path=\"/slow\" "), "{line}");
    assert!(line.contains(" status=499 "), "{line}");
    dyno.assert_closed().await;
    second.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(whole(other.head().await.into_body()).await.unwrap().0, "ok");
}

#[tokio::test(start_paused = true)]
async fn h27_when_the_connection_goes_with_requests_in_flight() {
    let mut stage = Stage::new();
    let (client, asked, mut dyno) = asked(&mut stage, "/").await;
    drop((client, asked));
    assert!(stage.line().await.contains(" code=H27 "));
    dyno.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn b19_h28_when_the_client_stops_sending() {
    let mut stage = Stage::new();
    let client = Client::of(&stage).await;
    let mut asked = client.post().await;
    asked.upload.send_data("a".into(), false).unwrap();
    let mut dyno = stage.dyno(1).await;
    dyno.until("a\r\n").await;
    sleep(Duration::from_secs(54)).await;
    asked.upload.send_data("b".into(), false).unwrap();
    dyno.until("b\r\n").await;
    assert_eq!(asked.reset().await, Some(Reason::CANCEL));
    let line = stage.line().await;
    assert!(line.starts_with("at=warning code=H28 ") && line.contains(" service=109000ms status=499 "), "{line}");
    dyno.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn h28_when_the_client_stops_taking_and_other_streams_go_on() {
    let mut stage = Stage::new();
    let client = Client::with_window(&stage, 1000).await;
    let stalled = client.get("/stalled").await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    dyno.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{}", "x".repeat(5000))).await;
    let answer = stalled.head().await;
    let other = client.get("/other").await;
    dyno.head().await;
    dyno.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(whole(other.head().await.into_body()).await.unwrap().0, "ok", "not delayed");
    assert!(stage.line().await.contains(" path=\"/other\" "));
    let line = stage.line().await;
    assert!(line.starts_with("at=warning code=H28 ") && line.contains(" path=\"/stalled\" "), "{line}");
    drop(answer);
}

#[tokio::test(start_paused = true)]
async fn d21_d22_a_dyno_can_be_a_mebibyte_ahead_of_a_stream_and_not_much_more() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let mut stage = Stage::new();
    let client = Client::with_window(&stage, 1000).await;
    let asked = client.get("/").await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    tokio::spawn(async move {
        dyno.send("HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n").await;
        for _ in 0..8192 {
            dyno.send([b'x'; 1024]).await;
            count.fetch_add(1024, Ordering::Relaxed);
        }
    });
    let answer = asked.head().await;
    sleep(Duration::from_secs(1)).await;
    let ahead = written.load(Ordering::Relaxed);
    assert!((1 << 20..3 << 20).contains(&ahead), "{ahead}");
    assert_eq!(whole(answer.into_body()).await.unwrap().0.len(), 8 << 20);
}

#[tokio::test(start_paused = true)]
async fn b18_a_large_upload_is_held_back_by_the_dyno() {
    let mut stage = Stage::new();
    let client = Client::of(&stage).await;
    let mut asked = client.post().await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    let mut sent = 0;
    // As much as the router takes without the dyno reading.
    while let Ok(room) = {
        asked.upload.reserve_capacity(64 * 1024);
        timeout(Duration::from_secs(1), poll_fn(|cx| asked.upload.poll_capacity(cx))).await
    } {
        let room = room.unwrap().unwrap();
        asked.upload.send_data(Bytes::from(vec![b'x'; room]), false).unwrap();
        sent += room;
    }
    assert!((256 << 10..3 << 20).contains(&sent), "{sent}");
    drop(asked);
}

#[tokio::test(start_paused = true)]
async fn d14_h18_when_the_dyno_dies_within_its_answer() {
    let mut stage = Stage::new();
    let (client, asked, mut dyno) = asked(&mut stage, "/").await;
    dyno.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome").await;
    let answer = asked.head().await;
    drop(dyno);
    assert_eq!(whole(answer.into_body()).await.unwrap_err(), Reason::INTERNAL_ERROR);
    let line = stage.line().await;
    assert!(line.starts_with("sock=backend at=error code=H18 ") && line.contains(" status=200 bytes=4 "), "{line}");
    let again = client.get("/again").await;
    stage.dyno(1).await.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(again.head().await.status(), 204);
}

#[tokio::test(start_paused = true)]
async fn a20_an_idle_connection_is_closed_after_60_seconds() {
    let stage = Stage::new();
    let (_streams, connection) = h2::client::handshake(stage.client_of_http2()).await.unwrap();
    let begin = tokio::time::Instant::now();
    timeout(Duration::from_secs(400), connection).await.expect("an end").unwrap();
    assert_eq!(begin.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a20_a_client_that_says_nothing_is_let_go_as_well() {
    let stage = Stage::new();
    let mut silent = stage.client_of_http2();
    let mut got = Vec::new();
    timeout(Duration::from_secs(400), silent.read_to_end(&mut got)).await.expect("an end").unwrap();
}

#[tokio::test(start_paused = true)]
async fn f19_a_stop_lets_streams_finish_and_then_cuts_them() {
    let mut stage = Stage::new();
    let (client, first, mut dyno) = asked(&mut stage, "/first").await;
    let second = client.get("/second").await;
    let mut other = stage.dyno(1).await;
    other.head().await;
    stage.shared.drain.raise();
    settle().await;
    dyno.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(whole(first.head().await.into_body()).await.unwrap().0, "ok");
    assert!(stage.line().await.contains(" path=\"/first\" "));
    assert!(client.streams.clone().ready().await.is_err(), "no new streams");
    stage.shared.force.raise();
    let line = stage.line().await;
    assert!(line.starts_with("at=error code=H24 ") && line.contains(" path=\"/second\" "), "{line}");
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn f16_streams_count_towards_h11_and_250_may_be_open() {
    let mut stage = Stage::new();
    let client = Client::of(&stage).await;
    let mut waiting = Vec::new();
    for _ in 0..200 {
        waiting.push(client.get("/").await);
        waiting.last_mut().unwrap().upload.reserve_capacity(0);
    }
    let mut dynos = Vec::new();
    for _ in 0..200 {
        dynos.push(stage.dyno(1).await);
    }
    assert_eq!(client.get("/").await.head().await.status(), 503);
    assert!(stage.line().await.contains(" code=H11 "));
    let options = crate::router::RouterConfig { connection_limit: Some(0), ..config() };
    let mut full = Stage::with(options, &[Up]);
    let client = Client::of(&full).await;
    assert_eq!(client.get("/").await.head().await.status(), 503);
    assert!(full.line().await.contains(" code=H22 "), "a connection counts once");
}

/// A frame as it goes over the wire.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[0, length[0], length[1], kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Header fields as they are, without any compression.
fn literal(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// A connection on which a request with these fields, and this body, was sent as raw bytes.
async fn raw(stage: &Stage, fields: &[(&str, &str)], body: Option<&str>) -> DuplexStream {
    let mut client = stage.client_of_http2();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    let ended = u8::from(body.is_none());
    bytes.extend(frame(1, 4 | ended, 1, &literal(fields)));
    if let Some(body) = body {
        bytes.extend(frame(0, 1, 1, body.as_bytes()));
    }
    client.write_all(&bytes).await.unwrap();
    client
}

const PSEUDO: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", "/")];

#[tokio::test(start_paused = true)]
async fn smuggling_nothing_malformed_in_http_2_reaches_a_dyno_as_http_1() {
    let cases: &[&[(&str, &str)]] = &[
        &[("x", "a\r\nGET /hidden HTTP/1.1")],
        &[("x", "a\nb")],
        &[("x", "a\0b")],
        &[("x\r\ny", "a")],
        &[("x y", "a")],
        &[("x:", "a")],
        &[("X-Upper", "a")],
        &[("transfer-encoding", "chunked")],
        &[("connection", "keep-alive")],
        &[("keep-alive", "1")],
        &[("proxy-connection", "close")],
        &[("upgrade", "websocket")],
        &[("te", "gzip")],
        &[("content-length", "5"), ("content-length", "6")],
        &[("content-length", "+2")],
        &[("host", "other")],
        &[("host", "localhost"), ("host", "localhost")],
        &[(":path", "/late")],
    ];
    for fields in cases {
        let mut stage = Stage::new();
        let fields: Vec<_> = PSEUDO.iter().chain(fields.iter()).copied().collect();
        let _client = raw(&stage, &fields, Some("ab")).await;
        assert!(!stage.is_dialled(1).await, "{fields:?}");
        stage.no_line().await;
    }
    for (name, wrong) in [
        (":path", "/ HTTP/1.1\r\nHost: a\r\n\r\nGET /hidden"),
        (":path", "/a b"),
        (":path", "a"),
        (":path", ""),
        (":method", "GET /hidden HTTP/1.1\r\n"),
        (":method", "G T"),
        (":authority", "local\r\nhost"),
        (":authority", "user@localhost"),
        (":authority", ""),
    ] {
        let mut stage = Stage::new();
        let fields: Vec<_> = PSEUDO.iter().map(|(n, v)| (*n, if *n == name { wrong } else { *v })).collect();
        let _client = raw(&stage, &fields, None).await;
        assert!(!stage.is_dialled(1).await, "{name} {wrong:?}");
        stage.no_line().await;
    }
    let mut stage = Stage::new();
    let _client = raw(&stage, &PSEUDO, Some("ab")).await;
    assert!(stage.is_dialled(1).await, "the same without anything wrong");
}

#[tokio::test(start_paused = true)]
async fn smuggling_a_body_that_is_not_as_long_as_it_says_is_never_a_whole_request() {
    for (length, body) in [("5", "hello, and GET /hidden HTTP/1.1"), ("50", "hello")] {
        let mut stage = Stage::new();
        let fields: Vec<_> = PSEUDO.iter().copied().chain([("content-length", length)]).collect();
        let _client = raw(&stage, &fields, Some(body)).await;
        settle().await;
        if stage.is_dialled(1).await {
            let mut dyno = stage.dyno(1).await;
            let got = dyno.rest().await;
            assert!(!got.contains("hidden"), "{got}");
            let line = stage.line().await;
            assert!(line.contains(" status=400 ") && !line.contains("code="), "{line}");
        } else {
            stage.no_line().await;
        }
    }
}
