//! B: request framing and smuggling (§16).

use super::stage::{Peer, Stage, config, settle};
use crate::model::dyno::DynoState::Up;
use crate::router::config::{Generation, RouterConfig};
use tokio::time::{Duration, Instant, sleep};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn post(headers: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n{body}")
}

/// Refused before any dyno: 400 and the connection closed.
async fn assert_refused(request: &str) {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(request).await;
    assert_eq!(client.message().await.status(), 400, "{request:?}");
    client.assert_closed().await;
    stage.no_line().await;
    assert!(stage.dialled().is_empty(), "{request:?}");
}

/// Taken, dialled, and then found broken: the dyno's connection is dropped, the client gets 400 and is closed.
async fn broken(stage: &mut Stage, request: &str) -> String {
    let mut client = stage.client_sends(request).await;
    let mut dyno = stage.dyno(1).await;
    let seen = dyno.rest().await;
    let answer = client.message().await;
    assert_eq!(answer.status(), 400, "{request:?}");
    assert_eq!(answer.one("connection"), Some("close"));
    client.assert_closed().await;
    seen.split_once("\r\n\r\n").unwrap_or_default().1.to_owned()
}

async fn assert_broken(request: &str) {
    broken(&mut Stage::new(), request).await;
}

async fn served(request: &str) -> super::stage::Received {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(request).await;
    let mut dyno = stage.dyno(1).await;
    let seen = dyno.message().await;
    dyno.send(OK).await;
    assert_eq!(client.message().await.body, "ok");
    seen
}

#[tokio::test(start_paused = true)]
async fn b1_b2_b4_a_length_that_is_not_one_number_is_400() {
    for length in ["5\r\nContent-Length: 11", "10,10", "abc", "-1", "+5", "999999999999999999999999999999"] {
        assert_refused(&post(&format!("Content-Length: {length}"), "hello")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn b3_equal_lengths_become_one() {
    let seen = served(&post("Content-Length: 10\r\nContent-Length: 10", "0123456789")).await;
    assert_eq!((seen.one("content-length"), seen.body.as_str()), (Some("10"), "0123456789"));
}

#[tokio::test(start_paused = true)]
async fn b5_chunks_win_over_a_length_and_the_connection_is_closed() {
    let mut stage = Stage::new();
    let body = "5\r\nhello\r\n0\r\n\r\n";
    let mut client = stage
        .client_sends(&post(
            "Content-Length: 10\r\nTransfer-Encoding: chunked",
            &format!("{body}GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ))
        .await;
    let mut dyno = stage.dyno(1).await;
    let seen = dyno.message().await;
    assert_eq!((seen.one("content-length"), seen.body.as_str()), (None, body));
    dyno.send(OK).await;
    let answer = client.message().await;
    assert_eq!((answer.status(), answer.one("connection")), (200, Some("close")));
    client.assert_closed().await;
    dyno.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn b6_b7_b8_transfer_codings_other_than_chunked_are_400() {
    for coding in [
        ",",
        "gzip",
        "chunked, gzip",
        "xchunked",
        "chunked, identity",
        "\u{b}chunked",
        "chunked\r\nTransfer-Encoding: chunked",
    ] {
        assert_refused(&post(&format!("Transfer-Encoding: {coding}"), "0\r\n\r\n")).await;
    }
    assert_refused("POST / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
}

#[tokio::test(start_paused = true)]
async fn b9_b10_broken_chunks_are_400_and_the_dyno_is_let_go() {
    for body in [
        "zz\r\n",
        "c\r\r\n",
        "1\n\r\n",
        "10000000000000000\r\n",
        "3\r\nabcdef\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n",
        "3\r\nabc0\r\n\r\n",
    ] {
        assert_broken(&post("Transfer-Encoding: chunked", body)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn b9_the_legacy_router_logs_h26_and_router_2_does_not() {
    for (generation, begin, end) in [
        (
            Generation::Router2,
            "at=info method=POST ",
            "dyno=web.1 connect=0ms service=0ms status=400 bytes=567 protocol=http1.1 tls=false",
        ),
        (
            Generation::Legacy,
            "at=error code=H26 desc=\"Request Error\" cause=\"bad chunk\" method=POST ",
            "dyno=web.1 connect=0ms service=0ms status=400 bytes=0 protocol=http",
        ),
    ] {
        let mut stage = Stage::with(RouterConfig { generation, ..config() }, &[Up]);
        broken(&mut stage, &post("Transfer-Encoding: chunked", "zz\r\n")).await;
        let line = stage.line().await;
        assert!(line.starts_with(begin) && line.ends_with(end), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn b11_nothing_behind_an_early_last_chunk_reaches_the_dyno() {
    let seen =
        broken(&mut Stage::new(), &post("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n3\r\ndef\r\n0\r\n\r\n")).await;
    assert_eq!(seen, "3\r\nabc\r\n");
}

#[tokio::test(start_paused = true)]
async fn b12_what_follows_a_complete_body_is_never_a_second_answer() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(&post("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n")).await;
    let mut dyno = stage.dyno(1).await;
    dyno.message().await;
    dyno.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
    client.send("3\r\ndef\r\n0\r\n\r\n").await;
    assert_eq!(client.message().await.status(), 400);
    client.assert_closed().await;
    dyno.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn b13_trailers_reach_the_dyno_announced_or_not() {
    for announced in ["", "\r\nTrailer: head1"] {
        let body = "3\r\nabc\r\n0\r\nhead1: val1\r\n\r\n";
        let seen = served(&post(&format!("Transfer-Encoding: chunked{announced}"), body)).await;
        assert_eq!(seen.body, "3\r\nabc\r\n0\r\nHead1: val1\r\n\r\n");
    }
}

#[tokio::test(start_paused = true)]
async fn b13_trailers_cannot_change_framing_or_routing() {
    let body = "0\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\nHost: y\r\nX-A: 1\r\n\r\n";
    assert_eq!(served(&post("Transfer-Encoding: chunked", body)).await.body, "0\r\nX-A: 1\r\n\r\n");
}

#[tokio::test(start_paused = true)]
async fn b14_an_invalid_trailer_is_400() {
    assert_broken(&post("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\nGET / HTTP/1.1\r\n\r\n")).await;
}

#[tokio::test(start_paused = true)]
async fn b14_as_many_trailers_as_headers_are_taken_and_more_are_400() {
    let body = |count: usize| format!("3\r\nabc\r\n0\r\n{}\r\n", "x: y\r\n".repeat(count));
    let seen = served(&post("Transfer-Encoding: chunked", &body(1000))).await;
    assert_eq!(seen.body.matches("X: y\r\n").count(), 1000);
    for count in [1001, 1010, 1011, 1500] {
        assert_broken(&post("Transfer-Encoding: chunked", &body(count))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn b15_b16_extensions_are_dropped_and_data_is_kept() {
    let seen = served(&post("Transfer-Encoding: chunked", "5;a=b\r\nhe\r\rl\r\n0;c\r\n\r\n")).await;
    assert_eq!(seen.body, "5\r\nhe\r\rl\r\n0\r\n\r\n");
}

#[tokio::test(start_paused = true)]
async fn b17_without_the_last_line_end_the_request_is_not_complete() {
    let mut stage = Stage::new();
    let begin = Instant::now();
    let mut client = stage.client_sends(&post("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n")).await;
    let mut dyno = stage.dyno(1).await;
    assert!(dyno.rest().await.ends_with("\r\n\r\n3\r\nabc\r\n"));
    client.assert_closed().await;
    assert_eq!(begin.elapsed(), Duration::from_secs(55));
    assert!(stage.line().await.starts_with("at=warning code=H28 "));
}

#[tokio::test(start_paused = true)]
async fn b18_a_large_upload_streams_and_is_held_back_by_the_dyno() {
    const SIZE: usize = 20 * 1024 * 1024;
    let mut stage = Stage::new();
    let mut client = stage.client_sends(&post(&format!("Content-Length: {SIZE}"), "")).await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    let upload = tokio::spawn(async move {
        let block = vec![b'x'; 64 * 1024];
        let mut sent = 0;
        let mut held_back = false;
        while sent < SIZE {
            let stuck = tokio::time::timeout(Duration::from_secs(5), client.send(&block)).await.is_err();
            if stuck {
                held_back = true;
                break;
            }
            sent += block.len();
        }
        (client, sent, held_back)
    });
    let (client, sent, held_back) = upload.await.unwrap();
    assert!(held_back && sent < 4 * 1024 * 1024, "{sent} bytes were taken though the dyno read none");
    drop(client);
    assert!(stage.line().await.starts_with("sock=client at=warning code=H27 "));
}

#[tokio::test(start_paused = true)]
async fn b18_every_byte_of_a_large_upload_arrives() {
    const SIZE: usize = 5_000_000;
    let mut stage = Stage::new();
    let mut client = stage.client_sends(&post(&format!("Content-Length: {SIZE}"), "")).await;
    let upload = tokio::spawn(async move {
        for n in 0..SIZE / 1000 {
            client.send(format!("{n:0>1000}")).await;
        }
        client
    });
    let mut dyno = stage.dyno(1).await;
    let seen = dyno.message().await;
    dyno.send(OK).await;
    let blocks: Vec<String> = (0..SIZE / 1000).map(|n| format!("{n:0>1000}")).collect();
    assert!(seen.body == blocks.concat());
    assert_eq!(upload.await.unwrap().message().await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn b19_a_byte_every_54_seconds_is_an_upload_and_56_seconds_of_silence_are_h28() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(&post("Content-Length: 10", "")).await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    for _ in 0..5 {
        sleep(Duration::from_secs(54)).await;
        client.send("x").await;
    }
    let silent = Instant::now();
    assert_eq!(dyno.rest().await, "xxxxx");
    client.assert_closed().await;
    assert_eq!(silent.elapsed(), Duration::from_secs(55));
    assert_eq!(
        stage.line().await,
        "at=warning code=H28 desc=\"Client Connection Idle\" method=POST path=\"/\" host=localhost request_id=ID \
         fwd=\"10.0.0.9\" dyno=web.1 connect=0ms service=325000ms status=499 bytes=0 protocol=http1.1 tls=false"
    );
}

#[tokio::test(start_paused = true)]
async fn b20_a_client_that_closes_within_its_upload_is_h27() {
    let mut stage = Stage::new();
    let client = stage.client_sends(&post("Content-Length: 10", "abc")).await;
    let mut dyno = stage.dyno(1).await;
    dyno.until("abc").await;
    drop(client);
    dyno.assert_closed().await;
    assert_eq!(
        stage.line().await,
        "sock=client at=warning code=H27 desc=\"Client Request Interrupted\" method=POST path=\"/\" host=localhost \
         request_id=ID fwd=\"10.0.0.9\" dyno=web.1 connect=0ms service=0ms status=499 bytes=0 protocol=http1.1 tls=false"
    );
}

#[tokio::test(start_paused = true)]
async fn b21_pipelined_requests_are_answered_in_order_one_at_a_time() {
    let mut stage = Stage::new();
    let get = |path: &str| format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut client = stage.client_sends(&(get("one") + &get("two") + &get("three"))).await;
    let mut dyno = stage.dyno(1).await;
    for path in ["one", "two", "three"] {
        assert_eq!(dyno.head().await.first_line(), format!("GET /{path} HTTP/1.1"));
        settle().await;
        dyno.assert_quiet().await;
        dyno.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len())).await;
        assert_eq!(client.message().await.body, path);
    }
}

#[tokio::test(start_paused = true)]
async fn b22_b23_a_post_without_a_body_says_so_and_a_get_may_have_one() {
    let bare = |method: &str| format!("{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for method in ["POST", "PUT", "PATCH"] {
        assert_eq!(served(&bare(method)).await.one("content-length"), Some("0"), "{method}");
    }
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        let mut stage = Stage::new();
        let _client = stage.client_sends(&bare(method)).await;
        assert_eq!(stage.dyno(1).await.head().await.one("content-length"), None, "{method}");
    }
    let seen = served("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\n\r\n0123456789abcde").await;
    assert_eq!((seen.one("content-length"), seen.body.as_str()), (Some("15"), "0123456789abcde"));
    let seen =
        served("GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n").await;
    assert_eq!(seen.body, "1\r\na\r\n0\r\n\r\n");
}

#[tokio::test(start_paused = true)]
async fn smuggling_the_rest_of_a_refused_request_is_never_read_as_a_request() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for request in [
        post("Content-Length: 4\r\nTransfer-Encoding: xchunked", smuggled),
        post("Transfer-Encoding : chunked\r\nContent-Length: 0", smuggled),
        post("Content-Length: 0\r\nContent-Length: 44", smuggled),
        format!("GET / HTTP/1.1\r\n Host: localhost\r\nHost: localhost\r\n\r\n{smuggled}"),
    ] {
        assert_refused(&request).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_longer_than_its_dyno_reads_is_not_called_idle() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(&post("Content-Length: 200000", "")).await;
    let mut dyno: Peer = stage.dyno(1).await;
    let upload = tokio::spawn(async move {
        client.send("x".repeat(200_000)).await;
        client
    });
    sleep(Duration::from_secs(50)).await;
    dyno.message().await;
    dyno.send(OK).await;
    assert_eq!(upload.await.unwrap().message().await.status(), 200);
}
