//! G: keep-alive on both sides, and the log line.

use super::stage::{Peer, Stage, backend, config, settle};
use crate::model::dyno::DynoState::{self, Up};
use crate::router::config::{Generation, RouterConfig};
use crate::router::table::Route;
use tokio::time::{Duration, Instant, sleep};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn exchange(client: &mut Peer, dyno: &mut Peer) {
    client.send(GET).await;
    dyno.head().await;
    dyno.send(OK).await;
    assert_eq!(client.message().await.body, "ok");
}

#[tokio::test(start_paused = true)]
async fn g1_g6_two_requests_use_one_dyno_connection_and_leave_two_lines() {
    let mut stage = Stage::new();
    let mut client = stage
        .client_sends("GET /a?b=c HTTP/1.1\r\nHost: shop.localhost:5006\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
        .await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    sleep(Duration::from_millis(15)).await;
    dyno.send("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").await;
    client.message().await;
    assert_eq!(
        stage.line().await,
        "at=info method=GET path=\"/a?b=c\" host=shop.localhost:5006 request_id=ID fwd=\"1.2.3.4, 10.0.0.9\" dyno=web.1 \
         connect=0ms service=15ms status=201 bytes=5 protocol=http1.1 tls=false"
    );
    exchange(&mut client, &mut dyno).await;
    assert!(stage.line().await.contains(" status=200 bytes=2 "));
    stage.no_line().await;
    assert_eq!(stage.dialled(), [1]);
}

#[tokio::test(start_paused = true)]
async fn g1_other_clients_share_the_pool_newest_first() {
    let mut stage = Stage::new();
    let (mut a, mut b) = (stage.client(), stage.client());
    a.send(GET).await;
    let mut first = stage.dyno(1).await;
    b.send(GET).await;
    let mut second = stage.dyno(1).await;
    for (dyno, client) in [(&mut first, &mut a), (&mut second, &mut b)] {
        dyno.head().await;
        dyno.send(OK).await;
        client.message().await;
    }
    exchange(&mut a, &mut second).await;
    assert_eq!(stage.dialled().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_legacy_router_takes_a_hundred_requests_on_a_connection() {
    for (generation, closes) in [(Generation::Legacy, true), (Generation::Router2, false)] {
        let mut stage = Stage::with(RouterConfig { generation, ..config() }, &[Up]);
        let mut client = stage.client();
        let mut pooled: Option<Peer> = None;
        for number in 1..=100 {
            client.send(GET).await;
            let mut dyno = match pooled.take() {
                Some(dyno) => dyno,
                None => stage.dyno(1).await,
            };
            dyno.head().await;
            dyno.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            let answer = client.message().await;
            assert_eq!(answer.one("connection") == Some("close"), closes && number == 100, "{number}");
            pooled = (generation == Generation::Router2).then_some(dyno);
        }
        if closes {
            client.assert_closed().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g2_without_keep_alive_to_dynos_each_request_has_its_own_connection() {
    let mut stage = Stage::with(RouterConfig { keep_alive_to_dynos: false, ..config() }, &[Up]);
    let mut client = stage.client();
    for _ in 0..2 {
        client.send(GET).await;
        let mut dyno = stage.dyno(1).await;
        assert_eq!(dyno.head().await.one("connection"), Some("close"));
        dyno.send(OK).await;
        client.message().await;
        dyno.assert_closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn g3_a_connection_that_the_app_closed_while_idle_is_not_used() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(GET).await;
    let mut dyno = stage.dyno(1).await;
    dyno.send(OK).await;
    client.message().await;
    stage.line().await;
    drop(dyno);
    client.assert_alive(&mut stage, None).await;
    assert!(stage.line().await.contains("status=200"));
}

#[tokio::test(start_paused = true)]
async fn g3_a_connection_closed_under_a_request_is_h13_or_replayed_by_option() {
    for replay in [false, true] {
        let mut stage = Stage::with(RouterConfig { replay_stale: replay, ..config() }, &[Up]);
        let mut client = stage.client_sends(GET).await;
        let mut dyno = stage.dyno(1).await;
        dyno.send(OK).await;
        client.message().await;
        dyno.head().await;
        stage.line().await;
        client.send(GET).await;
        dyno.head().await;
        drop(dyno);
        if replay {
            stage.dyno(1).await.send(OK).await;
            assert_eq!(client.message().await.status(), 200);
            assert!(stage.line().await.contains(" status=200 "));
        } else {
            assert_eq!(client.message().await.status(), 503);
            assert!(stage.line().await.starts_with("at=error code=H13 "));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g3_a_request_with_a_body_or_on_a_fresh_connection_is_never_replayed() {
    let mut stage = Stage::with(RouterConfig { replay_stale: true, ..config() }, &[Up]);
    let mut client = stage.client_sends(GET).await;
    drop(stage.dyno(1).await);
    assert_eq!(client.message().await.status(), 503, "fresh");
    client.send(GET).await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    dyno.send(OK).await;
    client.message().await;
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nab").await;
    dyno.message().await;
    drop(dyno);
    assert_eq!(client.message().await.status(), 503, "body");
}

#[tokio::test(start_paused = true)]
async fn g4_an_idle_connection_is_closed_after_90_seconds_without_a_word() {
    let mut stage = Stage::new();
    let sweeping = tokio::spawn(crate::router::sweep(std::sync::Arc::clone(&stage.shared)));
    let mut client = stage.client_sends(GET).await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    dyno.send(OK).await;
    client.message().await;
    stage.line().await;
    let begin = Instant::now();
    dyno.assert_closed().await;
    assert!((90..=91).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    stage.no_line().await;
    sweeping.abort();
}

#[tokio::test(start_paused = true)]
async fn an_app_that_closes_idle_connections_early_is_told_once_why_that_matters() {
    let mut stage = Stage::new();
    let sweeping = tokio::spawn(crate::router::sweep(std::sync::Arc::clone(&stage.shared)));
    for told in [true, false] {
        let mut client = stage.client_sends(GET).await;
        let mut dyno = stage.dyno(1).await;
        dyno.send(OK).await;
        client.message().await;
        assert!(stage.line().await.starts_with("at=info "));
        sleep(Duration::from_secs(5)).await;
        drop(dyno);
        sleep(Duration::from_secs(2)).await;
        if told {
            assert!(stage.line().await.starts_with("closed an idle connection after 5 s. Heroku's router keeps "));
        }
    }
    stage.no_line().await;
    sweeping.abort();
}

#[tokio::test(start_paused = true)]
async fn g5_no_request_goes_to_a_socket_of_a_restarted_dyno() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(GET).await;
    let mut old = stage.dyno(1).await;
    old.head().await;
    old.send(OK).await;
    client.message().await;
    let restarted = crate::router::table::Backend { generation: 2, ..backend(1, Up) };
    stage.publish(Route { dynos: vec![restarted], ..Route::default() });
    client.assert_alive(&mut stage, None).await;
    old.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn g5_a_request_in_flight_at_a_stop_finishes_and_its_socket_is_not_kept() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(GET).await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    stage.dynos(&[DynoState::Down, Up]);
    let mut other = stage.client_sends(GET).await;
    stage.dyno(2).await.send(OK).await;
    assert_eq!(other.message().await.status(), 200);
    dyno.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
    dyno.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn g7_not_modified_counts_no_bytes() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(GET).await;
    stage.dyno(1).await.send("HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 304);
    assert!(stage.line().await.contains(" status=304 bytes=0 "));
}

async fn logged(generation: Generation, request: &str) -> String {
    let mut stage = Stage::with(RouterConfig { generation, ..config() }, &[DynoState::Crashed]);
    let mut client = stage.client_sends(request).await;
    client.message().await;
    stage.line().await
}

#[tokio::test(start_paused = true)]
async fn g8_paths_are_logged_decoded_by_router_2_and_raw_by_legacy() {
    let request = "GET /a%20b?x=%201 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert!(logged(Generation::Router2, request).await.contains(" path=\"/a b?x=%201\" "));
    assert!(logged(Generation::Legacy, request).await.contains(" path=\"/a%20b?x=%201\" "));
}

#[tokio::test(start_paused = true)]
async fn g10_nothing_a_client_sends_forges_a_field_or_a_line() {
    let line = logged(
        Generation::Router2,
        "GET /%0d%0a%22%20status=200%5c?\"q\" HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 1\" status=200 x=\"\r\n\r\n",
    )
    .await;
    assert!(!line.contains(['\r', '\n']));
    assert!(line.contains(" path=\"/%0D%0A\\\" status=200\\\\?%22q%22\" host=localhost "), "{line}");
    assert!(line.contains(" fwd=\"1\\\" status=200 x=\\\", 10.0.0.9\" "), "{line}");
}

#[tokio::test(start_paused = true)]
async fn g11_the_legacy_line_of_an_error_without_a_dyno() {
    assert_eq!(
        logged(Generation::Legacy, GET).await,
        "at=error code=H10 desc=\"App crashed\" method=GET path=\"/\" host=localhost request_id=ID fwd=\"10.0.0.9\" dyno= \
         connect= service= status=503 bytes= protocol=http"
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_is_closed_silently_after_60_seconds() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(GET).await;
    let mut dyno = stage.dyno(1).await;
    dyno.send(OK).await;
    client.message().await;
    stage.line().await;
    let begin = Instant::now();
    client.assert_closed().await;
    assert_eq!(begin.elapsed(), Duration::from_secs(60));
    stage.no_line().await;
}

#[tokio::test(start_paused = true)]
async fn http_1_0_clients_are_closed_unless_they_ask_to_stay() {
    for (line, stays) in [("", false), ("Connection: keep-alive\r\n", true)] {
        let mut stage = Stage::new();
        let mut client = stage.client_sends(&format!("GET / HTTP/1.0\r\nHost: localhost\r\n{line}\r\n")).await;
        let mut dyno = stage.dyno(1).await;
        dyno.head().await;
        dyno.send(OK).await;
        let answer = client.message().await;
        assert_eq!((answer.first_line(), answer.body.as_str()), ("HTTP/1.1 200 OK", "ok"));
        if stays {
            client.assert_alive(&mut stage, Some(&mut dyno)).await;
        } else {
            assert_eq!(answer.one("connection"), Some("close"));
            client.assert_closed().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_to_close_is_closed_and_the_dyno_s_connection_kept() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    dyno.send(OK).await;
    assert_eq!(client.message().await.one("connection"), Some("close"));
    client.assert_closed().await;
    stage.client().assert_alive(&mut stage, Some(&mut dyno)).await;
}

#[tokio::test(start_paused = true)]
async fn h27_when_the_client_leaves_before_the_answer_or_within_it() {
    let mut stage = Stage::new();
    let client = stage.client_sends(GET).await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    sleep(Duration::from_millis(700)).await;
    drop(client);
    dyno.assert_closed().await;
    assert_eq!(
        stage.line().await,
        "sock=client at=warning code=H27 desc=\"Client Request Interrupted\" method=GET path=\"/\" host=localhost \
         request_id=ID fwd=\"10.0.0.9\" dyno=web.1 connect=0ms service=700ms status=499 bytes=0 protocol=http1.1 tls=false"
    );
    let mut client = stage.client_sends(GET).await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    dyno.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
    client.until("abc").await;
    drop(client);
    dyno.assert_closed().await;
    let line = stage.line().await;
    assert!(line.starts_with("sock=client at=warning code=H27 ") && line.contains(" status=499 bytes=3 "), "{line}");
}

#[tokio::test(start_paused = true)]
async fn h27_when_the_client_leaves_while_its_request_waits_for_a_dyno() {
    let mut stage = Stage::with(config(), &[DynoState::Starting]);
    let client = stage.client_sends(GET).await;
    settle().await;
    drop(client);
    assert!(stage.line().await.contains("code=H27 "));
}

#[tokio::test(start_paused = true)]
async fn by_option_a_client_may_close_its_sending_side_and_still_be_answered() {
    for half_close in [true, false] {
        let mut stage = Stage::with(RouterConfig { half_close, ..config() }, &[Up]);
        let mut client = stage.client_sends(GET).await;
        let mut dyno = stage.dyno(1).await;
        dyno.head().await;
        tokio::io::AsyncWriteExt::shutdown(&mut client.pipe).await.unwrap();
        settle().await;
        if half_close {
            dyno.send(OK).await;
            assert_eq!(client.message().await.status(), 200);
            assert!(stage.line().await.starts_with("at=info "));
        } else {
            client.assert_closed().await;
            assert!(stage.line().await.contains("code=H27 "));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h22_when_more_clients_are_connected_than_the_router_may_take() {
    let mut stage = Stage::with(RouterConfig { connection_limit: Some(1), ..config() }, &[Up]);
    let _first = stage.client();
    let mut second = stage.client_sends(GET).await;
    assert_eq!(second.message().await.status(), 503);
    assert!(stage.line().await.starts_with("at=error code=H22 desc=\"Connection limit reached\" "));
}

#[tokio::test(start_paused = true)]
async fn a_stopping_router_finishes_what_it_has_and_closes_what_is_idle() {
    let mut stage = Stage::new();
    let mut idle = stage.client();
    let mut busy = stage.client_sends(GET).await;
    let mut dyno = stage.dyno(1).await;
    stage.shared.drain.raise();
    idle.assert_closed().await;
    dyno.send(OK).await;
    let answer = busy.message().await;
    assert_eq!((answer.status(), answer.one("connection")), (200, Some("close")));
    busy.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_dyno_that_answers_in_http_1_0_gets_its_next_request_whole_over_another_connection() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    dyno.send("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.message().await.body, "ok");
    dyno.assert_closed().await;
    let post = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    client.send(post).await;
    assert_eq!(stage.dyno(1).await.message().await.body, "3\r\nabc\r\n0\r\n\r\n");
}
