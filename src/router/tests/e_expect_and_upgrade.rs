//! E: Expect and upgraded connections.

use super::stage::{Peer, Stage, config, settle};
use crate::model::dyno::DynoState;
use crate::router::config::{Generation, RouterConfig};
use tokio::time::{Duration, Instant, sleep, timeout};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n";

fn upgrade(connection: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"
    )
}

/// A client and a dyno with an open tunnel between them.
async fn tunnel(stage: &mut Stage) -> (Peer, Peer) {
    let mut client = stage.client_sends(&upgrade("Upgrade")).await;
    let mut dyno = stage.dyno(1).await;
    let seen = dyno.head().await;
    assert_eq!((seen.one("connection"), seen.one("upgrade")), (Some("Upgrade"), Some("websocket")));
    assert_eq!(seen.one("sec-websocket-key"), Some("k"));
    dyno.send(SWITCH).await;
    let answer = client.head().await;
    assert_eq!(answer.first_line(), "HTTP/1.1 101 Switching Protocols");
    assert_eq!((answer.one("connection"), answer.one("upgrade")), (Some("Upgrade"), Some("websocket")));
    assert_eq!((answer.one("via"), answer.one("content-length")), (Some("1.1 heroku-router"), None));
    (client, dyno)
}

#[tokio::test(start_paused = true)]
async fn e1_the_router_answers_an_expectation_itself() {
    for expect in ["100-continue", "100-CONTINUE"] {
        let mut stage = Stage::new();
        let request = format!("POST / HTTP/1.1\r\nHost: localhost\r\nExpect: {expect}\r\nContent-Length: 3\r\n\r\n");
        let mut client = stage.client_sends(&request).await;
        assert_eq!(client.head().await.head, "HTTP/1.1 100 Continue");
        client.send("abc").await;
        let mut dyno = stage.dyno(1).await;
        let seen = dyno.message().await;
        assert_eq!((seen.one("expect"), seen.body.as_str()), (None, "abc"));
        dyno.send(OK).await;
        assert_eq!(client.message().await.status(), 200);
        client.assert_alive(&mut stage, Some(&mut dyno)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn e2_an_empty_expectation_is_none() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends("GET / HTTP/1.1\r\nHost: localhost\r\nExpect:\r\n\r\n").await;
    let mut dyno = stage.dyno(1).await;
    assert_eq!(dyno.head().await.one("expect"), None);
    dyno.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn e3_any_other_expectation_is_417() {
    for expect in ["whatever", "100-continue, auth", "100 continue", "100-continue\r\nExpect: 100-continue"] {
        let mut stage = Stage::new();
        let mut client =
            stage.client_sends(&format!("GET / HTTP/1.1\r\nHost: localhost\r\nExpect: {expect}\r\n\r\n")).await;
        let answer = client.message().await;
        assert_eq!((answer.status(), answer.body.as_str()), (417, ""), "{expect}");
        client.assert_closed().await;
        assert!(stage.dialled().is_empty());
        assert!(stage.line().await.starts_with("at=info method=GET "), "Router 2.0 emits no H26");
    }
}

#[tokio::test(start_paused = true)]
async fn e5_an_upgrade_to_nothing_is_400() {
    let stage = Stage::new();
    let mut client = stage.client_sends("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\n\r\n").await;
    assert_eq!(client.message().await.status(), 400);
    client.assert_closed().await;
    assert!(stage.dialled().is_empty());
}

#[tokio::test(start_paused = true)]
async fn e6_a_tunnel_carries_a_mebibyte_both_ways_at_once() {
    const SIZE: usize = 1024 * 1024;
    let mut stage = Stage::new();
    let (client, dyno) = tunnel(&mut stage).await;
    let mut ends = Vec::new();
    for (end, own) in [(client, b'c'), (dyno, b'd')] {
        let (mut reading, mut writing) = tokio::io::split(end.pipe);
        ends.push((
            tokio::spawn(async move {
                use tokio::io::AsyncWriteExt;
                writing.write_all(&vec![own; SIZE]).await.unwrap();
                writing
            }),
            tokio::spawn(async move {
                let mut got = vec![0; SIZE];
                tokio::io::AsyncReadExt::read_exact(&mut reading, &mut got).await.unwrap();
                assert!(got.iter().all(|b| *b != own));
                reading
            }),
        ));
    }
    for (writing, reading) in ends {
        reading.await.unwrap().unsplit(writing.await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn e7_the_connection_list_may_be_separated_by_spaces_and_in_any_case() {
    for connection in ["Upgrade Keep-Alive", "keep-alive, UPGRADE", "upgrade"] {
        let mut stage = Stage::new();
        let mut client = stage.client_sends(&upgrade(connection)).await;
        let mut dyno = stage.dyno(1).await;
        assert_eq!(dyno.head().await.one("connection"), Some("Upgrade"));
        dyno.send(SWITCH).await;
        assert_eq!(client.head().await.status(), 101);
    }
}

#[tokio::test(start_paused = true)]
async fn e8_a_dyno_that_declines_an_upgrade_answers_normally() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(&upgrade("Upgrade")).await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    dyno.send(OK).await;
    let answer = client.message().await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, "ok"));
    client.assert_alive(&mut stage, Some(&mut dyno)).await;
}

#[tokio::test(start_paused = true)]
async fn e9_a_head_request_can_open_a_tunnel() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(&upgrade("Upgrade").replacen("GET", "HEAD", 1)).await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    dyno.send(SWITCH).await;
    assert_eq!(client.head().await.status(), 101);
    client.send("ping").await;
    assert_eq!(dyno.exactly(4).await, "ping");
}

#[tokio::test(start_paused = true)]
async fn e10_bytes_right_behind_the_heads_are_delivered() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(&format!("{}early", upgrade("Upgrade"))).await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    dyno.send(format!("{SWITCH}hello")).await;
    assert_eq!(client.head().await.status(), 101);
    assert_eq!(client.exactly(5).await, "hello");
    assert_eq!(dyno.exactly(5).await, "early");
}

#[tokio::test(start_paused = true)]
async fn e11_either_side_ends_the_tunnel_and_it_is_logged_once() {
    for dyno_closes in [true, false] {
        let mut stage = Stage::new();
        let (mut client, mut dyno) = tunnel(&mut stage).await;
        dyno.send("abc").await;
        assert_eq!(client.exactly(3).await, "abc");
        client.send("xy").await;
        assert_eq!(dyno.exactly(2).await, "xy");
        stage.no_line().await;
        sleep(Duration::from_millis(2_999)).await;
        let begin = Instant::now();
        if dyno_closes {
            drop(dyno);
            client.assert_closed().await;
        } else {
            drop(client);
            dyno.assert_closed().await;
        }
        assert!(begin.elapsed() < Duration::from_secs(5));
        assert_eq!(
            stage.line().await,
            "at=info method=GET path=\"/ws\" host=localhost request_id=ID fwd=\"10.0.0.9\" dyno=web.1 connect=0ms \
             service=3000ms status=101 bytes=3 protocol=http1.1 tls=false"
        );
        stage.no_line().await;
    }
}

#[tokio::test(start_paused = true)]
async fn e12_a_tunnel_that_is_silent_for_55_seconds_is_h15() {
    let mut stage = Stage::new();
    let (mut client, mut dyno) = tunnel(&mut stage).await;
    for _ in 0..3 {
        sleep(Duration::from_secs(54)).await;
        client.send("p").await;
        assert_eq!(dyno.exactly(1).await, "p");
    }
    let begin = Instant::now();
    client.assert_closed().await;
    dyno.assert_closed().await;
    assert_eq!(begin.elapsed(), Duration::from_secs(55));
    let line = stage.line().await;
    assert!(line.starts_with("at=error code=H15 desc=\"Idle connection\" "), "{line}");
    assert!(line.contains(" service=217000ms status=503 bytes=0 "), "{line}");
}

#[tokio::test(start_paused = true)]
async fn tunnels_do_not_count_towards_h11() {
    let mut stage = Stage::new();
    let mut tunnels = Vec::new();
    for _ in 0..210 {
        tunnels.push(tunnel(&mut stage).await);
    }
    let mut client = stage.client_sends("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    stage.dyno(1).await.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_outlives_its_dyno_s_removal_and_ends_with_a_forced_stop() {
    let mut stage = Stage::new();
    let (mut client, mut dyno) = tunnel(&mut stage).await;
    stage.dynos(&[]);
    settle().await;
    client.send("still").await;
    assert_eq!(dyno.exactly(5).await, "still");
    stage.shared.drain.raise();
    stage.shared.force.raise();
    timeout(Duration::from_secs(1), client.assert_closed()).await.unwrap();
    assert!(stage.line().await.starts_with("at=error code=H24 "));
}

#[tokio::test(start_paused = true)]
async fn vegur_continue_upgrade_an_expectation_a_body_and_then_a_tunnel() {
    let mut stage = Stage::new();
    let request = upgrade("Upgrade").replacen("GET", "POST", 1);
    let request = request.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    let mut client = stage.client_sends(&request).await;
    assert_eq!(client.head().await.head, "HTTP/1.1 100 Continue");
    client.send("body").await;
    let mut dyno = stage.dyno(1).await;
    assert_eq!(dyno.message().await.body, "body");
    dyno.send(SWITCH).await;
    assert_eq!(client.head().await.status(), 101);
    client.send("ping").await;
    assert_eq!(dyno.exactly(4).await, "ping");
    dyno.send("pong").await;
    assert_eq!(client.exactly(4).await, "pong");
}

#[tokio::test(start_paused = true)]
async fn vegur_upgrade_no_continue_a_dyno_may_switch_before_the_body() {
    let mut stage = Stage::new();
    let request = upgrade("Upgrade").replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let mut client = stage.client_sends(&request).await;
    let mut dyno = stage.dyno(1).await;
    assert_eq!(dyno.head().await.one("expect"), None);
    dyno.send(SWITCH).await;
    assert_eq!(client.head().await.status(), 101);
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_nobody_asked_for_is_h17() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    stage.dyno(1).await.send(SWITCH).await;
    assert_eq!(client.message().await.status(), 503);
    assert!(stage.line().await.contains("code=H17 "));
}

#[tokio::test(start_paused = true)]
async fn an_http_1_0_client_cannot_upgrade() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(&upgrade("Upgrade").replace("HTTP/1.1", "HTTP/1.0")).await;
    let mut dyno = stage.dyno(1).await;
    assert_eq!(dyno.head().await.one("connection"), None);
    dyno.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
}

const EXPECTANT: &str = "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// A client with an expectation, and a dyno that has heard of it: the labs flag `http-end-to-end-continue`.
async fn end_to_end(request: &str, generation: Generation) -> (Stage, Peer, Peer) {
    let config = RouterConfig { end_to_end_continue: true, generation, ..config() };
    let mut stage = Stage::with(config, &[DynoState::Up]);
    let mut client = stage.client_sends(request).await;
    let mut dyno = stage.dyno(1).await;
    let seen = dyno.head().await;
    assert_eq!((seen.one("expect"), seen.one("content-length")), (Some("100-continue"), Some("4")));
    client.assert_quiet().await;
    (stage, client, dyno)
}

#[tokio::test(start_paused = true)]
async fn vegur_back_and_forth_the_dyno_s_100_reaches_the_client_and_then_its_body_the_dyno() {
    for generation in [Generation::Router2, Generation::Legacy] {
        let (mut stage, mut client, mut dyno) = end_to_end(EXPECTANT, generation).await;
        dyno.send("HTTP/1.1 100 Continue\r\nX-Foo: 1\r\nConnection: close\r\n\r\n").await;
        assert_eq!(client.head().await.head, "HTTP/1.1 100 Continue", "its headers are stripped");
        client.send("body").await;
        assert_eq!(dyno.exactly(4).await, "body");
        dyno.send(OK).await;
        let answer = client.message().await;
        assert_eq!((answer.status(), answer.one("connection")), (200, None));
        if generation == Generation::Legacy {
            dyno.assert_closed().await;
            client.assert_alive(&mut stage, None).await;
        } else {
            client.assert_alive(&mut stage, Some(&mut dyno)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn vegur_body_timeout_a_client_need_not_wait_for_the_100() {
    let (mut stage, mut client, mut dyno) = end_to_end(EXPECTANT, Generation::Router2).await;
    sleep(Duration::from_secs(1)).await;
    client.send("body").await;
    let begin = Instant::now();
    assert_eq!(dyno.exactly(4).await, "body");
    assert!(begin.elapsed() < Duration::from_millis(500));
    dyno.send(format!("{CONTINUE}{OK}")).await;
    assert_eq!(client.head().await.head, "HTTP/1.1 100 Continue");
    assert_eq!(client.message().await.status(), 200);
    client.assert_alive(&mut stage, Some(&mut dyno)).await;
}

#[tokio::test(start_paused = true)]
async fn e4_vegur_non_terminal_a_second_100_is_502() {
    let (mut stage, mut client, mut dyno) = end_to_end(EXPECTANT, Generation::Router2).await;
    dyno.send(CONTINUE).await;
    assert_eq!(client.head().await.head, "HTTP/1.1 100 Continue");
    client.send("body").await;
    assert_eq!(dyno.exactly(4).await, "body");
    dyno.send(CONTINUE).await;
    assert_eq!(client.message().await.status(), 502);
    dyno.assert_closed().await;
    let line = stage.line().await;
    assert!(line.starts_with("at=error code=H17 ") && line.contains(" status=502 "), "{line}");
}

#[tokio::test(start_paused = true)]
async fn vegur_terminal_no_continue_a_final_answer_instead_of_the_100_closes_both_sides() {
    for complete in [false, true] {
        let (mut stage, mut client, mut dyno) = end_to_end(EXPECTANT, Generation::Router2).await;
        if complete {
            client.send("body").await;
            assert_eq!(dyno.exactly(4).await, "body");
        }
        dyno.send(OK).await;
        let answer = client.message().await;
        assert_eq!((answer.status(), answer.one("connection")), (200, Some("close")), "{complete}");
        dyno.assert_closed().await;
        client.assert_closed().await;
        assert!(stage.line().await.contains(" status=200 bytes=2 "));
    }
}

#[tokio::test(start_paused = true)]
async fn vegur_continue_upgrade_httpbis_the_dyno_s_100_the_body_and_then_a_tunnel() {
    let request = EXPECTANT.replace("Expect", "Connection: Upgrade\r\nUpgrade: websocket\r\nExpect");
    let (_stage, mut client, mut dyno) = end_to_end(&request, Generation::Router2).await;
    dyno.send(CONTINUE).await;
    assert_eq!(client.head().await.head, "HTTP/1.1 100 Continue");
    client.send("body").await;
    assert_eq!(dyno.exactly(4).await, "body");
    dyno.send(SWITCH).await;
    assert_eq!(client.head().await.status(), 101);
    client.send("ping").await;
    assert_eq!(dyno.exactly(4).await, "ping");
    dyno.send("pong").await;
    assert_eq!(client.exactly(4).await, "pong");
}

#[tokio::test(start_paused = true)]
async fn a_client_may_take_its_time_after_the_dyno_s_100() {
    let (_stage, mut client, mut dyno) = end_to_end(EXPECTANT, Generation::Router2).await;
    dyno.send(CONTINUE).await;
    assert_eq!(client.head().await.head, "HTTP/1.1 100 Continue");
    for byte in ["b", "o", "d", "y"] {
        sleep(Duration::from_secs(40)).await;
        client.send(byte).await;
    }
    assert_eq!(dyno.exactly(4).await, "body");
    sleep(Duration::from_secs(29)).await;
    dyno.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn vegur_bypass_without_the_flag_a_100_of_the_dyno_s_own_is_not_a_second_one() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(EXPECTANT).await;
    assert_eq!(client.head().await.head, "HTTP/1.1 100 Continue");
    client.send("body").await;
    let mut dyno = stage.dyno(1).await;
    assert_eq!(dyno.message().await.one("expect"), None);
    dyno.send(format!("{CONTINUE}{OK}")).await;
    assert_eq!(client.message().await.status(), 200);
    client.assert_alive(&mut stage, Some(&mut dyno)).await;
}
