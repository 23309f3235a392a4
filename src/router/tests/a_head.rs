//! A: request heads. The limits themselves are tested in `head.rs`; here is what the client, the dyno and the log see.

use super::stage::{Stage, settle};
use tokio::time::{Duration, Instant, sleep};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A request that is refused with this status: an empty answer, the connection closed, no log line, no dyno.
async fn assert_refused(request: &str, status: u16) {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(request).await;
    let answer = client.message().await;
    assert_eq!((answer.status(), answer.body.as_str()), (status, ""), "{request:?}");
    assert_eq!(answer.one("connection"), Some("close"));
    assert_eq!(answer.one("content-length"), Some("0"));
    assert_eq!(answer.one("date"), Some("Sat, 21 Nov 2026 03:08:15 GMT"));
    drop(client.pipe);
    stage.no_line().await;
    assert!(stage.dialled().is_empty());
    stage.client().assert_alive(&mut stage, None).await;
}

/// The target that the dyno sees.
async fn target(request: &str) -> String {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(request).await;
    let mut dyno = stage.dyno(1).await;
    let seen = dyno.message().await;
    dyno.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
    seen.first_line().split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a1_to_a5_a_request_without_exactly_one_host_is_400() {
    assert_refused("GET / HTTP/1.1\r\n\r\n", 400).await;
    assert_refused("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400).await;
    assert_refused("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400).await;
    assert_refused("GET / HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n\r\n", 400).await;
    assert_refused("GET / HTTP/1.0\r\n\r\n", 400).await;
}

#[tokio::test(start_paused = true)]
async fn a6_the_host_header_beats_an_absolute_target() {
    assert_eq!(target("GET http://elsewhere/x?y HTTP/1.1\r\nHost: localhost\r\n\r\n").await, "/x?y");
    assert_eq!(target("GET http://elsewhere HTTP/1.1\r\nHost: localhost\r\n\r\n").await, "/");
    let mut stage = Stage::new();
    let mut client = stage.client_sends("GET http://localhost/ HTTP/1.1\r\nHost: elsewhere\r\n\r\n").await;
    assert_eq!(client.message().await.status(), 404);
    stage.no_line().await;
}

#[tokio::test(start_paused = true)]
async fn a7_a8_a9_request_lines_that_are_refused() {
    assert_refused("GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400).await;
    assert_refused("GET /\r\nHost: localhost\r\n\r\n", 400).await;
    assert_refused("GET / HTTP/1.2\r\nHost: localhost\r\n\r\n", 505).await;
    assert_refused("GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 505).await;
    assert_refused(&format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(8179)), 414).await;
    let longest = format!("/{}", "x".repeat(8178));
    assert_eq!(target(&format!("GET {longest} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await, longest);
}

#[tokio::test(start_paused = true)]
async fn a10_a11_a12_header_limits_reach_through_the_whole_router() {
    let name = format!("GET /a HTTP/1.1\r\nHost: localhost\r\n{}: x\r\n\r\n", "n".repeat(1000));
    assert_eq!(target(&name).await, "/a");
    assert_refused(&name.replacen('n', "nn", 1), 400).await;
    let value = format!("GET /b HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "v".repeat(8192));
    assert_eq!(target(&value).await, "/b");
    assert_refused(&value.replacen('v', "vv", 1), 400).await;
    let many = format!("GET /c HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "a: b\r\n".repeat(999));
    assert_eq!(target(&many).await, "/c");
    assert_refused(&many.replacen("a: b", "a: b\r\na: b", 1), 400).await;
}

#[tokio::test(start_paused = true)]
async fn a13_empty_lines_before_the_request() {
    let get = "GET /d HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(target(&format!("{}{get}", "\r\n".repeat(5))).await, "/d");
    assert_refused(&format!("{}{get}", "\r\n".repeat(6)), 400).await;
    assert_refused(&format!("\n{get}"), 400).await;
}

#[tokio::test(start_paused = true)]
async fn a14_a15_broken_header_lines_are_400() {
    for line in
        ["Host : localhost", "Host: localhost\r\nX: a\r\n b", "Host: localhost\r\nX: a\0b", "Host: localhost\r\nX[]: 1"]
    {
        assert_refused(&format!("GET / HTTP/1.1\r\n{line}\r\n\r\n"), 400).await;
    }
    assert_refused("GET / HTTP/1.1\nHost: localhost\n\n", 400).await;
}

#[tokio::test(start_paused = true)]
async fn a16_a17_any_method_but_connect() {
    for method in ["PROPFIND", "FOO-BAR", &"A".repeat(127)] {
        assert_eq!(target(&format!("{method} /m HTTP/1.1\r\nHost: localhost\r\n\r\n")).await, "/m");
    }
    assert_refused(&format!("{} / HTTP/1.1\r\nHost: localhost\r\n\r\n", "A".repeat(128)), 400).await;
    assert_refused("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", 405).await;
}

#[tokio::test(start_paused = true)]
async fn a18_a_head_may_come_byte_by_byte() {
    let mut stage = Stage::new();
    let mut client = stage.client();
    let head = "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for byte in head.bytes() {
        assert!(!stage.is_dialled(1).await);
        client.send([byte]).await;
        sleep(Duration::from_millis(50)).await;
    }
    let mut dyno = stage.dyno(1).await;
    assert_eq!(dyno.head().await.first_line(), "GET /slow HTTP/1.1");
    dyno.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a19_half_a_head_is_408_after_60_seconds_in_all() {
    let mut stage = Stage::new();
    let begin = Instant::now();
    let mut client = stage.client_sends("GET / HTTP/1.1\r\nHost: loc").await;
    sleep(Duration::from_secs(50)).await;
    client.send("alhost\r\n").await;
    let answer = client.message().await;
    assert_eq!((answer.status(), answer.body.as_str()), (408, ""));
    assert_eq!(begin.elapsed(), Duration::from_secs(60));
    stage.no_line().await;
}

#[tokio::test(start_paused = true)]
async fn a20_silence_and_half_a_request_line_end_in_a_silent_close() {
    for bytes in ["", "GET / HT"] {
        let mut stage = Stage::new();
        let begin = Instant::now();
        let mut client = stage.client_sends(bytes).await;
        client.assert_closed().await;
        assert_eq!(begin.elapsed(), Duration::from_secs(60));
        stage.no_line().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a21_a22_targets_reach_the_dyno_as_they_are_but_for_the_fragment() {
    assert_eq!(target("GET /a?b=c%20d#frag HTTP/1.1\r\nHost: localhost\r\n\r\n").await, "/a?b=c%20d");
    assert_eq!(target("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n").await, "*");
    assert_eq!(target("GET //x//?a=[1]|{2} HTTP/1.1\r\nHost: localhost\r\n\r\n").await, "//x//?a=[1]|{2}");
}

#[tokio::test(start_paused = true)]
async fn a23_an_unknown_host_is_404_without_a_log_line() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends("GET / HTTP/1.1\r\nHost: nowhere.example.com\r\n\r\n").await;
    let answer = client.message().await;
    assert_eq!(answer.status(), 404);
    assert!(answer.body.contains("<title>No such app</title>"));
    stage.no_line().await;
    client.assert_alive(&mut stage, None).await;
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_refused_request_does_not_overtake_the_one_before() {
    let mut stage = Stage::new();
    let get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut client = stage.client_sends(&format!("{get}GET / HTTP/1.1\r\n\r\n")).await;
    let mut dyno = stage.dyno(1).await;
    settle().await;
    dyno.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
    assert_eq!(client.message().await.status(), 400);
    client.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a6_an_absolute_target_without_a_path_has_one_at_the_dyno() {
    for (target, seen) in [("http://a", "/"), ("http://a#b", "/"), ("http://a?b#c", "/?b"), ("http://a/#b", "/")] {
        let mut stage = Stage::new();
        let _client = stage.client_sends(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let head = stage.dyno(1).await.head().await;
        assert_eq!(head.first_line(), format!("GET {seen} HTTP/1.1"), "{target}");
    }
}
