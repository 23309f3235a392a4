//! D: responses.

use super::stage::{Peer, Received, Stage, config, settle};
use crate::model::dyno::DynoState::Up;
use crate::router::config::{Generation, RouterConfig};
use tokio::time::{Duration, sleep, timeout};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A client and a dyno that has a request of the client's.
async fn asked(stage: &mut Stage, request: &str) -> (Peer, Peer) {
    let client = stage.client_sends(request).await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    (client, dyno)
}

/// What the client gets when the dyno answers this and closes.
async fn answered(answer: &str) -> Received {
    let mut stage = Stage::new();
    let (mut client, mut dyno) = asked(&mut stage, GET).await;
    dyno.send(answer).await;
    drop(dyno);
    client.message().await
}

/// The failure page the client gets, and the log line.
async fn failed(answer: &[u8]) -> (u16, String) {
    let mut stage = Stage::new();
    let (mut client, mut dyno) = asked(&mut stage, GET).await;
    let answer = answer.to_vec();
    let sending = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let _ = dyno.pipe.write_all(&answer).await;
        dyno
    });
    let page = client.message().await;
    assert_eq!(page.body.len(), 567, "{}", page.body);
    sending.await.unwrap().assert_closed().await;
    client.assert_alive(&mut stage, None).await;
    (page.status(), stage.line().await)
}

#[tokio::test(start_paused = true)]
async fn d1_a_plain_answer_gets_via_server_and_date() {
    let answer = answered("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok").await;
    assert_eq!(answer.first_line(), "HTTP/1.1 200 OK");
    assert_eq!(answer.body, "ok");
    assert_eq!(answer.one("via"), Some("1.1 heroku-router"));
    assert_eq!(answer.one("server"), Some("Heroku"));
    assert_eq!(answer.one("x-a"), Some("b"));
    assert_eq!(answer.one("connection"), None);
    assert!(answer.one("date").is_some_and(|date| date.ends_with(" GMT")));
}

#[tokio::test(start_paused = true)]
async fn d2_the_app_s_own_server_date_and_via_are_kept() {
    let answer =
        answered("HTTP/1.1 200 OK\r\nServer: x\r\nDate: today\r\nVia: 1.1 p\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(answer.one("server"), Some("x"));
    assert_eq!(answer.one("date"), Some("today"));
    assert_eq!(answer.one("via"), Some("1.1 p, 1.1 heroku-router"));
}

#[tokio::test(start_paused = true)]
async fn d3_d4_any_status_and_reason_pass() {
    let odd = answered("HTTP/1.1 666 THE NUMBER OF THE BEAST\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(odd.first_line(), "HTTP/1.1 666 THE NUMBER OF THE BEAST");
    let bare = answered("HTTP/1.1 421\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(bare.first_line(), "HTTP/1.1 421 ");
}

#[tokio::test(start_paused = true)]
async fn d5_h17_for_what_is_no_http_1_response() {
    for answer in [
        "HTTP/2.0 200 OK\r\n\r\n",
        "ICY 200\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "garbage",
        "HTTP/1.1 200 OK\r\nX Y\r\n\r\n",
    ] {
        let (status, line) = failed(answer.as_bytes()).await;
        assert_eq!(status, 503, "{answer}");
        assert!(line.starts_with("at=error code=H17 desc=\"Poorly formatted HTTP response\" method="), "{line}");
        assert!(line.contains(" dyno=web.1 connect=0ms service=0ms status=503 bytes=567 "), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn d6_h25_for_an_invalid_content_length() {
    for length in ["43\r\nContent-Length: 41", "43,41", "abc"] {
        let (status, line) = failed(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes()).await;
        assert_eq!(status, 502);
        assert!(line.starts_with("at=error code=H25 desc=\"HTTP restriction: invalid content length\" "), "{line}");
        assert!(line.contains(" dyno=web.1 ") && line.contains(" status=502 "), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn d7_equal_content_lengths_become_one() {
    let answer = answered("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!((answer.one("content-length"), answer.body.as_str()), (Some("2"), "ok"));
}

#[tokio::test(start_paused = true)]
async fn d8_d9_d10_h25_for_oversized_lines() {
    let cookie =
        |n: usize| format!("HTTP/1.1 200 OK\r\nSet-Cookie: {}\r\nContent-Length: 0\r\n\r\n", "c".repeat(n - 12));
    assert_eq!(answered(&cookie(8192)).await.status(), 200);
    let (status, line) = failed(cookie(8193).as_bytes()).await;
    assert!(status == 502 && line.contains("desc=\"HTTP restriction: oversized cookie\""), "{line}");
    let header = |n: usize| format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "c".repeat(n));
    let mut stage = Stage::new();
    let (mut client, mut dyno) = asked(&mut stage, GET).await;
    tokio::spawn(async move { dyno.send(header(500 * 1024)).await });
    assert_eq!(client.message().await.one("x").unwrap().len(), 500 * 1024);
    let (status, line) = failed(header(1024 * 1024).as_bytes()).await;
    assert!(status == 502 && line.contains("desc=\"HTTP restriction: oversized header\""), "{line}");
    let (status, line) = failed(format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(9000)).as_bytes()).await;
    assert!(status == 502 && line.contains("desc=\"HTTP restriction: oversized status line\""), "{line}");
}

#[tokio::test(start_paused = true)]
async fn d11_chunks_and_trailers_pass() {
    for announced in ["", "Trailer: x-sum\r\n"] {
        let body = "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n";
        let answer = answered(&format!("HTTP/1.1 200 OK\r\n{announced}Transfer-Encoding: chunked\r\n\r\n{body}")).await;
        assert_eq!(answer.body, body);
        assert_eq!(answer.one("content-length"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn d12_chunks_are_undone_for_an_http_1_0_client() {
    let mut stage = Stage::new();
    let (mut client, mut dyno) = asked(&mut stage, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").await;
    dyno.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: 1\r\n\r\n").await;
    let answer = client.message().await;
    assert_eq!((answer.first_line(), answer.body.as_str()), ("HTTP/1.1 200 OK", "abcde"));
    assert_eq!(answer.one("transfer-encoding"), None);
    assert!(stage.line().await.contains(" status=200 bytes=5 "));
}

#[tokio::test(start_paused = true)]
async fn d12_a_body_without_a_length_closes_the_connection_of_an_http_1_0_client_that_asked_to_stay() {
    let mut stage = Stage::new();
    let request = "GET / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
    let (mut client, mut dyno) = asked(&mut stage, request).await;
    dyno.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").await;
    let answer = client.message().await;
    assert_eq!((answer.first_line(), answer.body.as_str()), ("HTTP/1.1 200 OK", "abc"));
    assert_eq!((answer.one("connection"), answer.one("transfer-encoding")), (Some("close"), None));
}

#[tokio::test(start_paused = true)]
async fn d13_a_broken_chunk_cuts_the_answer_without_its_end() {
    let mut stage = Stage::new();
    let (mut client, mut dyno) = asked(&mut stage, GET).await;
    dyno.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n").await;
    let got = client.rest().await;
    assert!(got.ends_with("\r\n\r\n3\r\nabc\r\n"), "{got}");
    dyno.assert_closed().await;
    assert!(stage.line().await.starts_with("sock=backend at=error code=H18 desc=\"Server Request Interrupted\" "));
}

#[tokio::test(start_paused = true)]
async fn d14_a_dyno_that_dies_within_its_answer_is_h18() {
    let mut stage = Stage::new();
    let (mut client, mut dyno) = asked(&mut stage, GET).await;
    dyno.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "x".repeat(50))).await;
    drop(dyno);
    let got = client.rest().await;
    assert!(got.ends_with(&format!("\r\n\r\n{}", "x".repeat(50))));
    let line = stage.line().await;
    assert!(line.starts_with("sock=backend at=error code=H18 "), "{line}");
    assert!(line.contains(" dyno=web.1 connect=0ms service=0ms status=200 bytes=50 "), "{line}");
}

#[tokio::test(start_paused = true)]
async fn d14_within_its_head_the_client_gets_the_error_page() {
    let mut stage = Stage::new();
    let (mut client, mut dyno) = asked(&mut stage, GET).await;
    dyno.send("HTTP/1.1 200 OK\r\nContent-").await;
    drop(dyno);
    assert_eq!(client.message().await.status(), 503);
    let line = stage.line().await;
    assert!(line.starts_with("sock=backend at=error code=H18 ") && line.contains(" status=503 bytes=567 "), "{line}");
}

#[tokio::test(start_paused = true)]
async fn d15_an_answer_without_a_length_goes_to_the_end() {
    let answer = answered("HTTP/1.1 200 OK\r\n\r\nall of it").await;
    assert_eq!(answer.one("transfer-encoding"), Some("chunked"));
    assert_eq!(answer.body, "9\r\nall of it\r\n0\r\n\r\n");
}

#[tokio::test(start_paused = true)]
async fn d16_answers_to_head_have_headers_only_and_keep_the_connection() {
    for (lines, length, coding) in [
        ("Content-Length: 43\r\n", Some("43"), None),
        ("Content-Length: 430000\r\n", Some("430000"), None),
        ("Transfer-Encoding: chunked\r\n", None, Some("chunked")),
        ("Connection: close\r\n", None, None),
    ] {
        let mut stage = Stage::new();
        let (mut client, mut dyno) = asked(&mut stage, HEAD).await;
        dyno.send(format!("HTTP/1.1 200 OK\r\n{lines}\r\n")).await;
        let answer = client.head().await;
        assert_eq!((answer.one("content-length"), answer.one("transfer-encoding")), (length, coding));
        assert_eq!(answer.one("connection"), None);
        let reused = !lines.starts_with("Connection");
        client.assert_alive(&mut stage, reused.then_some(&mut dyno)).await;
        assert!(stage.line().await.contains(" status=200 bytes=0 "), "G7");
    }
}

#[tokio::test(start_paused = true)]
async fn d17_204_and_304_have_no_body_whatever_they_claim() {
    for head in [
        "204 No Content\r\nContent-Length: 14",
        "304 Not Modified\r\nContent-Length: 14",
        "204 No Content\r\nTransfer-Encoding: chunked",
    ] {
        let mut stage = Stage::new();
        let (mut client, mut dyno) = asked(&mut stage, GET).await;
        dyno.send(format!("HTTP/1.1 {head}\r\n\r\nmisplaced body")).await;
        let answer = client.head().await;
        let claim = head.lines().nth(1).unwrap();
        assert!(answer.head.contains(claim), "{}", answer.head);
        client.assert_quiet().await;
        // The connection with the misplaced bytes is not used again.
        client.assert_alive(&mut stage, None).await;
        dyno.assert_closed().await;
        assert!(stage.line().await.contains(" bytes=0 "));
    }
}

#[tokio::test(start_paused = true)]
async fn d18_d19_the_dyno_s_version_and_close_are_its_own_affair() {
    let mut stage = Stage::new();
    let (mut client, mut dyno) = asked(&mut stage, GET).await;
    dyno.send("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.message().await.first_line(), "HTTP/1.1 200 OK");
    client.send(GET).await;
    let mut dyno = stage.dyno(1).await;
    dyno.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.message().await.one("connection"), None);
    client.assert_alive(&mut stage, None).await;
}

#[tokio::test(start_paused = true)]
async fn d20_hop_by_hop_headers_are_stripped() {
    let answer = answered(
        "HTTP/1.1 200 OK\r\nTE: x\r\nKeep-Alive: timeout=5\r\nProxy-Authorization: x\r\nConnection: keep-alive, x-a\r\n\
         X-A: 1\r\nProxy-Authenticate: y\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    for name in ["te", "keep-alive", "proxy-authorization", "connection", "x-a"] {
        assert_eq!(answer.one(name), None, "{name}");
    }
    assert_eq!(answer.one("proxy-authenticate"), Some("y"));
}

#[tokio::test(start_paused = true)]
async fn d21_a_dyno_can_write_a_mebibyte_and_leave_though_the_client_reads_nothing() {
    const SIZE: usize = 1024 * 1024;
    let mut stage = Stage::new();
    let (mut client, mut dyno) = asked(&mut stage, GET).await;
    dyno.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n{}", "x".repeat(SIZE))).await;
    drop(dyno);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(client.message().await.body.len(), SIZE);
    assert!(stage.line().await.contains("at=info "));
}

#[tokio::test(start_paused = true)]
async fn d22_a_dyno_is_held_back_near_a_mebibyte_while_the_client_reads_nothing() {
    let mut stage = Stage::new();
    let (mut client, mut dyno) = asked(&mut stage, GET).await;
    dyno.send("HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n").await;
    let block = "x".repeat(16 * 1024);
    let mut written = 0;
    while timeout(Duration::from_secs(1), dyno.send(&block)).await.is_ok() {
        written += block.len();
    }
    assert!((1_000_000..1_500_000).contains(&written), "{written}");
    let rest = tokio::spawn(async move {
        // The write that timed out may have been taken in part.
        while timeout(Duration::from_secs(1), dyno.send(&block)).await.is_ok() {}
    });
    assert!(client.head().await.status() == 200);
    assert_eq!(client.exactly(2_000_000).await.len(), 2_000_000);
    rest.abort();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_is_cut_after_the_idle_time() {
    let mut stage = Stage::new();
    let (_client, mut dyno) = asked(&mut stage, GET).await;
    let sending = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let _ = dyno.pipe.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n").await;
        let _ = dyno.pipe.write_all(&vec![b'x'; 10_485_760]).await;
    });
    let line = stage.line().await;
    assert!(line.starts_with("at=warning code=H28 ") && line.contains(" service=55000ms status=499 "), "{line}");
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn d24_other_interim_responses_are_dropped() {
    let answer = answered(
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, "ok"));
    assert_eq!(answer.one("link"), None);
}

#[tokio::test(start_paused = true)]
async fn d23_vegur_no_expect_continue_an_unasked_100_is_passed_on_once_and_bare() {
    let mut stage = Stage::new();
    let (mut client, mut dyno) = asked(&mut stage, GET).await;
    dyno.send("HTTP/1.1 100 Continue\r\nX-Foo: 1\r\nConnection: close\r\n\r\n").await;
    assert_eq!(client.head().await.head, "HTTP/1.1 100 Continue");
    dyno.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.message().await.body, "ok");
    client.assert_alive(&mut stage, Some(&mut dyno)).await;
}

#[tokio::test(start_paused = true)]
async fn d25_an_answer_that_comes_before_the_upload_is_over_reaches_the_client() {
    for closes in [true, false] {
        let mut stage = Stage::new();
        let request = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857600\r\n\r\n";
        let (client, mut dyno) = asked(&mut stage, request).await;
        let (mut reading, mut writing) = tokio::io::split(client.pipe);
        let upload = tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            let block = vec![b'x'; 16 * 1024];
            for _ in 0..6400 {
                if writing.write_all(&block).await.is_err() {
                    break;
                }
            }
        });
        settle().await;
        dyno.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig").await;
        if closes {
            drop(dyno);
        }
        let mut got = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut got).await.unwrap();
        let got = String::from_utf8(got).unwrap();
        assert!(got.starts_with("HTTP/1.1 413 Too Large\r\n") && got.ends_with("\r\n\r\nbig"), "{got}");
        assert!(got.contains("\r\nConnection: close\r\n"), "{got}");
        upload.await.unwrap();
        assert!(stage.line().await.contains(" status=413 bytes=3 "));
    }
}

#[tokio::test(start_paused = true)]
async fn the_legacy_router_signs_and_counts_its_own_way() {
    let mut stage = Stage::with(RouterConfig { generation: Generation::Legacy, ..config() }, &[Up]);
    let (mut client, mut dyno) = asked(&mut stage, "GET /a%20b?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    dyno.send("HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok").await;
    let answer = client.message().await;
    assert_eq!((answer.one("via"), answer.one("server")), (Some("1.1 vegur"), Some("Cowboy")));
    let whole = answer.head.len() + 4 + 2;
    assert_eq!(
        stage.line().await,
        format!(
            "at=info method=GET path=\"/a%20b?x=1\" host=localhost request_id=ID fwd=\"10.0.0.9\" dyno=web.1 connect=0ms \
             service=0ms status=200 bytes={whole} protocol=http"
        )
    );
    dyno.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn d26_network_error_logging_by_option() {
    for (generation, policy) in [
        (
            Generation::Router2,
            r#"{"report_to":"heroku-nel","response_headers":["Via"],"max_age":3600,"success_fraction":0.01,"failure_fraction":0.1}"#,
        ),
        (
            Generation::Legacy,
            r#"{"report_to":"heroku-nel","max_age":3600,"success_fraction":0.005,"failure_fraction":0.05,"response_headers":["Via"]}"#,
        ),
    ] {
        let mut stage = Stage::with(RouterConfig { generation, network_error_logging: true, ..config() }, &[Up]);
        let (mut client, mut dyno) = asked(&mut stage, GET).await;
        dyno.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        let answer = client.message().await;
        assert_eq!(answer.one("nel"), Some(policy));
        let endpoint = answer.one("reporting-endpoints").unwrap();
        let url = endpoint.strip_prefix("heroku-nel=\"").unwrap().strip_suffix('"').unwrap();
        assert!(url.starts_with("https://nel.heroku.com/reports?s=") && url.ends_with("&ts=1795230495"), "{url}");
        let escaped = url.replace('&', "\\u0026");
        let report_to = format!(r#"{{"group":"heroku-nel","endpoints":[{{"url":"{escaped}"}}],"max_age":3600}}"#);
        assert_eq!(answer.one("report-to"), Some(report_to.as_str()));
    }
    assert_eq!(answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.one("nel"), None);
}

#[tokio::test(start_paused = true)]
async fn vegur_trailers_serv_err_a_broken_trailer_cuts_the_answer() {
    let mut stage = Stage::new();
    let (mut client, mut dyno) = asked(&mut stage, GET).await;
    dyno.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nGET / HTTP/1.1\r\n\r\n").await;
    let got = client.rest().await;
    assert!(got.ends_with("\r\n\r\n3\r\nabc\r\n"), "{got}");
    assert!(stage.line().await.contains("code=H18 "));
}

#[tokio::test(start_paused = true)]
async fn vegur_http_1_0_continue_an_interim_response_never_reaches_an_old_client() {
    let mut stage = Stage::new();
    let (mut client, mut dyno) = asked(&mut stage, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").await;
    dyno.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.message().await.body, "ok");
}

#[tokio::test(start_paused = true)]
async fn vegur_close_delimited_answers_end_the_connection_of_an_old_client() {
    let mut stage = Stage::new();
    let (mut client, mut dyno) =
        asked(&mut stage, "GET / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n").await;
    dyno.send("HTTP/1.1 200 OK\r\n\r\nall of it").await;
    drop(dyno);
    let answer = client.message().await;
    assert_eq!((answer.first_line(), answer.body.as_str()), ("HTTP/1.1 200 OK", "all of it"));
    assert_eq!(answer.one("transfer-encoding"), None);
}

#[tokio::test(start_paused = true)]
async fn vegur_delete_and_preserve_names_are_title_case_on_both_sides() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends("GET / HTTP/1.1\r\nhost: localhost\r\nx-ODD-naME: Kept\r\n\r\n").await;
    let mut dyno = stage.dyno(1).await;
    assert!(dyno.head().await.head.contains("\r\nX-Odd-Name: Kept"));
    dyno.send("HTTP/1.1 200 OK\r\nx-anSWER: Kept\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.message().await.head.contains("\r\nX-Answer: Kept"));
}

#[tokio::test(start_paused = true)]
async fn vegur_header_order_repeated_headers_stay_apart_and_in_order() {
    let answer = answered(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX: y\r\nSet-Cookie: c=3\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert_eq!(answer.all("set-cookie"), ["a=1", "b=2", "c=3"]);
}

#[tokio::test(start_paused = true)]
async fn d14_the_legacy_router_has_a_short_answer_whole_before_it_sends_any_of_it() {
    for (length, page) in [(65_536, true), (65_537, false)] {
        let mut stage = Stage::with(RouterConfig { generation: Generation::Legacy, ..config() }, &[Up]);
        let (mut client, mut dyno) = asked(&mut stage, GET).await;
        dyno.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nsome of it")).await;
        drop(dyno);
        let got = client.head().await;
        assert_eq!(got.status(), if page { 503 } else { 200 }, "{length}");
        let line = stage.line().await;
        assert!(line.starts_with("sock=backend at=error code=H18 ") && line.contains(" status=503 "), "{line}");
    }
}
