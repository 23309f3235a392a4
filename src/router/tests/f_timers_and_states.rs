//! F: timeouts, dyno states, and which dyno gets a request.

use super::stage::{Door, Peer, Stage, backend, config, settle};
use crate::model::dyno::DynoState::{Crashed, Starting, Up};
use crate::router::checkout::checkout;
use crate::router::config::RouterConfig;
use crate::router::table::Route;
use tokio::time::{Duration, Instant, sleep, timeout};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The log line of a failed GET, from behind `at=` to `status=`, with everything that does not vary taken out.
fn gist(line: &str) -> String {
    let (outcome, rest) =
        line.split_once(" method=GET path=\"/\" host=localhost request_id=ID fwd=\"10.0.0.9\" ").unwrap();
    format!("{outcome} | {}", rest.strip_suffix(" protocol=http1.1 tls=false").unwrap())
}

async fn assert_error_page(client: &mut Peer, status: u16) {
    let answer = client.message().await;
    assert_eq!(answer.status(), status);
    assert_eq!(answer.one("content-length"), Some("567"));
    assert_eq!(answer.one("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.one("cache-control"), Some("no-cache, no-store"));
    assert_eq!(answer.one("server"), Some("Heroku"));
    assert_eq!(answer.one("via"), Some("1.1 heroku-router"));
    assert!(answer.body.contains("https://www.herokucdn.com/error-pages/application-error.html"));
}

#[tokio::test(start_paused = true)]
async fn f1_h12_when_the_dyno_does_not_answer_within_30_seconds() {
    let mut stage = Stage::new();
    let begin = Instant::now();
    let mut client = stage.client_sends(GET).await;
    let mut dyno = stage.dyno(1).await;
    assert_error_page(&mut client, 503).await;
    assert_eq!(begin.elapsed().as_millis(), 30_000);
    dyno.head().await;
    dyno.assert_closed().await;
    assert_eq!(
        gist(&stage.line().await),
        "at=error code=H12 desc=\"Request timeout\" | dyno=web.1 connect=0ms service=30000ms status=503 bytes=567"
    );
    client.assert_alive(&mut stage, None).await;
}

#[tokio::test(start_paused = true)]
async fn f1_who_watches_is_told_which_request_failed_and_what_else_is_at_the_dyno() {
    let mut stage = Stage::new();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let watch = Box::new(move |failed| {
        let _ = tell.send(failed);
    });
    assert!(stage.shared.watch.set(watch).is_ok());
    let mut first =
        stage.client_sends("POST /report?token=secret HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    sleep(seconds(10)).await;
    let mut second = stage.client_sends(GET).await;
    let mut other = stage.dyno(1).await;
    other.head().await;
    assert_error_page(&mut first, 503).await;
    let failed = told.recv().await.unwrap();
    let expected = crate::router::Failed {
        code: crate::model::codes::H::H12,
        dyno: Some("web.1".into()),
        method: "POST".into(),
        path: "/report".into(),
        service: Some(seconds(30)),
        others: 1,
    };
    assert_eq!(failed, expected);
    other.send(OK).await;
    assert_eq!(second.message().await.status(), 200);
    assert!(told.try_recv().is_err(), "a request that went well is not told");
}

/// Pipelined behind a request that had a slow answer: the connection is given on in the moment it is given back.
#[tokio::test(start_paused = true)]
async fn f1_h12_after_30_seconds_on_a_connection_that_waited_longer_before() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(&GET.repeat(2)).await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    let (first, rest) = OK.split_at(21);
    dyno.send(first).await;
    sleep(seconds(40)).await;
    dyno.send(rest).await;
    assert_eq!(client.message().await.status(), 200);
    let begin = Instant::now();
    assert_error_page(&mut client, 503).await;
    assert_eq!(begin.elapsed().as_millis(), 30_000);
    assert!(gist(&stage.line().await).starts_with("at=info"));
    assert!(gist(&stage.line().await).starts_with("at=error code=H12 "));
    assert_eq!(stage.dialled(), [1], "the connection was reused");
}

#[tokio::test(start_paused = true)]
async fn f2_the_30_seconds_begin_when_the_whole_request_was_sent() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n").await;
    let mut dyno = stage.dyno(1).await;
    for byte in ["a", "b", "c", "d"] {
        sleep(seconds(20)).await;
        client.send(byte).await;
    }
    sleep(seconds(29)).await;
    assert_eq!(dyno.message().await.body, "abcd");
    dyno.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn f3_the_first_byte_ends_the_30_seconds() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(GET).await;
    let mut dyno = stage.dyno(1).await;
    sleep(seconds(29)).await;
    dyno.send("H").await;
    sleep(seconds(51)).await;
    dyno.send(&OK[1..]).await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn f4_h15_when_the_dyno_falls_silent_for_55_seconds() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(GET).await;
    let mut dyno = stage.dyno(1).await;
    dyno.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
    for _ in 0..3 {
        sleep(seconds(50)).await;
        dyno.send("d").await;
    }
    let begin = Instant::now();
    assert!(client.rest().await.ends_with("\r\n\r\nabcddd"));
    assert_eq!(begin.elapsed(), seconds(55));
    assert_eq!(
        gist(&stage.line().await),
        "at=error code=H15 desc=\"Idle connection\" | dyno=web.1 connect=0ms service=205000ms status=503 bytes=6"
    );
}

#[tokio::test(start_paused = true)]
async fn f5_h13_when_the_dyno_closes_without_an_answer() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(GET).await;
    let mut dyno = stage.dyno(1).await;
    dyno.head().await;
    sleep(Duration::from_millis(1250)).await;
    drop(dyno);
    assert_error_page(&mut client, 503).await;
    assert_eq!(
        gist(&stage.line().await),
        "at=error code=H13 desc=\"Connection closed without response\" | dyno=web.1 connect=0ms service=1250ms status=503 bytes=567"
    );
}

#[tokio::test(start_paused = true)]
async fn f6_h21_at_once_when_the_only_dyno_refuses() {
    let mut stage = Stage::new();
    stage.door(1, Door::Refusing);
    let mut client = stage.client_sends(GET).await;
    assert_error_page(&mut client, 503).await;
    assert_eq!(
        gist(&stage.line().await),
        "at=error code=H21 desc=\"Backend connection refused\" | dyno=web.1 connect=0ms service= status=503 bytes=567"
    );
    assert_eq!(stage.dialled(), [1]);
}

#[tokio::test(start_paused = true)]
async fn f7_a_refusing_dyno_is_left_alone_for_five_seconds() {
    let mut stage = Stage::with(config(), &[Up, Up]);
    stage.door(2, Door::Refusing);
    for _ in 0..40 {
        let mut client = stage.client_sends(GET).await;
        let mut dyno = stage.dyno(1).await;
        dyno.head().await;
        dyno.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(client.message().await.status(), 200);
    }
    assert_eq!(stage.dialled().iter().filter(|n| **n == 2).count(), 1);
    sleep(seconds(5)).await;
    stage.door(1, Door::Refusing);
    stage.door(2, Door::Open);
    let mut client = stage.client_sends(GET).await;
    let mut dyno = stage.dyno(2).await;
    dyno.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn f8_h19_when_the_connect_is_not_answered_within_five_seconds() {
    let mut stage = Stage::new();
    stage.door(1, Door::BlackHole);
    let mut client = stage.client_sends(GET).await;
    assert_error_page(&mut client, 503).await;
    assert_eq!(
        gist(&stage.line().await),
        "at=error code=H19 desc=\"Backend connection timeout\" | dyno=web.1 connect=5000ms service= status=503 bytes=567"
    );
}

#[tokio::test(start_paused = true)]
async fn f9_at_most_ten_dynos_are_tried_and_none_twice() {
    let mut stage = Stage::with(config(), &[Up; 12]);
    for number in 1..=12 {
        stage.door(number, Door::Refusing);
    }
    let mut client = stage.client_sends(GET).await;
    assert_error_page(&mut client, 503).await;
    assert!(stage.line().await.contains("code=H21"));
    let mut dialled = stage.dialled();
    dialled.sort_unstable();
    dialled.dedup();
    assert_eq!(dialled.len(), 10);
    assert_eq!(stage.dialled().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn f10_a_request_that_finds_all_dynos_quarantined_waits_for_one() {
    let mut stage = Stage::new();
    stage.door(1, Door::Refusing);
    assert_error_page(&mut stage.client_sends(GET).await, 503).await;
    sleep(seconds(1)).await;
    let mut client = stage.client_sends(GET).await;
    sleep(seconds(2)).await;
    stage.door(1, Door::Open);
    let mut dyno = stage.dyno(1).await;
    dyno.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
    stage.line().await;
    assert!(stage.line().await.contains(" dyno=web.1 connect=4000ms service=0ms status=200 "));
}

#[tokio::test(start_paused = true)]
async fn f11_h99_or_h34_when_all_dynos_stay_quarantined_for_75_seconds() {
    for (h34, gist_of_line) in [
        (false, "at=error code=H99 desc=\"Platform error\" | dyno= connect= service= status=503 bytes="),
        (true, "at=error code=H34 desc=\"All up dynos are quarantined\" | dyno= connect= service= status=503 bytes="),
    ] {
        let mut config = RouterConfig { quarantine_is_h34: h34, ..config() };
        config.timeouts.quarantine = seconds(500);
        let mut stage = Stage::with(config, &[Up]);
        stage.door(1, Door::Refusing);
        assert_error_page(&mut stage.client_sends(GET).await, 503).await;
        stage.line().await;
        let begin = Instant::now();
        assert_error_page(&mut stage.client_sends(GET).await, 503).await;
        assert_eq!(begin.elapsed(), seconds(75));
        assert_eq!(gist(&stage.line().await), gist_of_line);
    }
}

#[tokio::test(start_paused = true)]
async fn f12_a_request_waits_for_a_starting_dyno_and_connect_counts_the_wait() {
    let mut stage = Stage::with(config(), &[Starting]);
    let mut client = stage.client_sends(GET).await;
    sleep(seconds(10)).await;
    stage.dynos(&[Up]);
    let mut dyno = stage.dyno(1).await;
    dyno.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
    assert!(stage.line().await.contains(" dyno=web.1 connect=10000ms service=0ms status=200 bytes=2 "));
}

#[tokio::test(start_paused = true)]
async fn f13_h20_when_no_dyno_is_up_within_75_seconds() {
    let mut stage = Stage::with(config(), &[Starting]);
    let begin = Instant::now();
    let mut client = stage.client_sends(GET).await;
    assert_error_page(&mut client, 503).await;
    assert_eq!(begin.elapsed().as_secs(), 75);
    assert_eq!(
        gist(&stage.line().await),
        "at=error code=H20 desc=\"App boot timeout\" | dyno= connect= service= status=503 bytes="
    );
}

#[tokio::test(start_paused = true)]
async fn f14_h10_at_once_when_every_dyno_is_crashed_also_for_those_that_wait() {
    let mut stage = Stage::with(config(), &[Crashed, Starting]);
    let mut waiting = stage.client_sends(GET).await;
    waiting.assert_quiet().await;
    stage.dynos(&[Crashed, Crashed]);
    let begin = Instant::now();
    assert_error_page(&mut waiting, 503).await;
    assert_error_page(&mut stage.client_sends(GET).await, 503).await;
    assert_eq!(begin.elapsed(), Duration::ZERO);
    for _ in 0..2 {
        assert_eq!(
            gist(&stage.line().await),
            "at=error code=H10 desc=\"App crashed\" | dyno= connect= service= status=503 bytes="
        );
    }
}

#[tokio::test(start_paused = true)]
async fn f15_h14_without_a_web_dyno() {
    let mut stage = Stage::with(config(), &[]);
    assert_error_page(&mut stage.client_sends(GET).await, 503).await;
    assert_eq!(
        gist(&stage.line().await),
        "at=error code=H14 desc=\"No web processes running\" | dyno= connect= service= status=503 bytes="
    );
}

#[tokio::test(start_paused = true)]
async fn f16_h11_for_the_201st_request_and_the_others_finish() {
    let mut stage = Stage::new();
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(stage.client_sends(GET).await);
    }
    settle().await;
    assert_error_page(&mut stage.client_sends(GET).await, 503).await;
    assert_eq!(
        gist(&stage.line().await),
        "at=error code=H11 desc=\"Backlog too deep\" | dyno= connect= service= status=503 bytes="
    );
    for client in &mut clients {
        let mut dyno = stage.dyno(1).await;
        dyno.send(OK).await;
        drop(dyno);
        timeout(seconds(1), client.message()).await.unwrap();
    }
    let mut client = stage.client_sends(GET).await;
    stage.dyno(1).await.send(OK).await;
    assert_eq!(client.message().await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn f17_h80_in_maintenance_mode_with_the_maintenance_page() {
    let mut stage = Stage::new();
    stage.publish(Route { maintenance: true, dynos: vec![backend(1, Up)], ..Route::default() });
    let answer = stage.client_sends(GET).await.message().await;
    assert_eq!(answer.status(), 503);
    assert!(answer.body.contains("<title>Offline for Maintenance</title>"));
    assert!(answer.body.contains("/maintenance-mode.html"));
    assert_eq!(
        gist(&stage.line().await),
        "at=info code=H80 desc=\"Maintenance mode\" | dyno= connect= service= status=503 bytes="
    );
    assert!(stage.dialled().is_empty());
}

#[tokio::test(start_paused = true)]
async fn pages_say_what_failed_by_option() {
    let mut stage = Stage::with(RouterConfig { inline_pages: true, ..config() }, &[Up]);
    let id = "<script>alert(1)</script>-0123456789";
    let asks = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {id}\r\n\r\n");
    let mut client = stage.client_sends(&asks).await;
    let dyno = stage.dyno(1).await;
    drop(dyno);
    let page = client.message().await;
    assert_eq!((page.status(), page.one("content-type")), (503, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("<h1>H13 Connection closed without response</h1>"), "{}", page.body);
    assert!(page.body.contains("<dd>web.1</dd>") && !page.body.contains("<script>"), "{}", page.body);
    assert!(stage.line().await.contains(&format!(" bytes={} ", page.body.len())));
}

#[tokio::test(start_paused = true)]
async fn f18_h81_without_a_release() {
    let mut stage = Stage::new();
    stage.publish(Route { blank: true, ..Route::default() });
    assert_error_page(&mut stage.client_sends(GET).await, 502).await;
    assert_eq!(
        gist(&stage.line().await),
        "at=info code=H81 desc=\"Blank app\" | dyno= connect= service= status=502 bytes="
    );
}

#[tokio::test(start_paused = true)]
async fn f19_h24_when_the_router_is_stopped_first() {
    let mut stage = Stage::new();
    let mut client = stage.client_sends(GET).await;
    let mut dyno = stage.dyno(1).await;
    dyno.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
    client.until("abc").await;
    stage.shared.drain.raise();
    sleep(seconds(3)).await;
    stage.shared.force.raise();
    client.assert_closed().await;
    assert_eq!(
        gist(&stage.line().await),
        "at=error code=H24 desc=\"Forced close\" | dyno=web.1 connect=0ms service=3000ms status= bytes=3"
    );
}

#[tokio::test(start_paused = true)]
async fn f20_dynos_are_chosen_at_random_and_evenly() {
    let mut stage = Stage::with(config(), &[Up, Up, Up]);
    for number in 1..=3 {
        let mut answering =
            std::mem::replace(stage.answering.get_mut(&number).unwrap(), tokio::sync::mpsc::unbounded_channel().1);
        tokio::spawn(async move {
            while let Some(pipe) = answering.recv().await {
                let mut dyno = Peer { pipe, rest: Vec::new() };
                dyno.head().await;
                dyno.send(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n{number}")).await;
            }
        });
    }
    let mut order = String::new();
    let mut client = stage.client();
    for _ in 0..3000 {
        client.send(GET).await;
        order += &client.message().await.body;
    }
    for number in ["1", "2", "3"] {
        let share = order.matches(number).count();
        assert!((880..=1120).contains(&share), "web.{number} got {share}");
    }
    assert!(order.contains("11") && order.contains("22") && order.contains("33"), "not in turn");
}

#[tokio::test(start_paused = true)]
async fn f21_session_affinity_leads_back_to_the_first_dyno() {
    let config = RouterConfig { session_affinity: true, ..config() };
    let mut stage = Stage::with(config, &[Up, Crashed]);
    let mut client = stage.client_sends(GET).await;
    stage.dyno(1).await.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    let answer = client.message().await;
    let cookie = answer.one("set-cookie").unwrap().to_owned();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(
        attributes,
        "Version=1; Expires=Sun, 22-Nov-2026 03:08:15 GMT; Max-Age=86400; Domain=localhost; Path=/; HttpOnly"
    );
    stage.dynos(&[Up, Up]);
    let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: a=b; {pair}\r\n\r\n");
    for _ in 0..10 {
        client.send(&request).await;
        let mut dyno = stage.dyno(1).await;
        assert!(dyno.head().await.one("cookie").unwrap().contains(pair), "the app sees the cookie");
        dyno.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(client.message().await.one("set-cookie"), None);
    }
    stage.dynos(&[Crashed, Up]);
    client.send(&request).await;
    stage.dyno(2).await.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.message().await.one("set-cookie").is_some_and(|new| !new.starts_with(pair)));
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: heroku-session-affinity=forged\r\n\r\n").await;
    stage.dyno(2).await.send(OK).await;
    assert!(client.message().await.one("set-cookie").is_some());
}

#[tokio::test(start_paused = true)]
async fn f22_error_page_url_is_shown_in_the_frame() {
    let mut stage = Stage::new();
    let url = Some("https://pages.example.com/down.html".to_owned());
    stage.publish(Route { dynos: vec![backend(1, Crashed)], error_page_url: url.clone(), ..Route::default() });
    let answer = stage.client_sends(GET).await.message().await;
    assert_eq!(answer.status(), 503);
    assert!(answer.body.contains("<iframe src=\"https://pages.example.com/down.html\">"));
    stage.publish(Route { maintenance: true, maintenance_page_url: url, ..Route::default() });
    let answer = stage.client_sends(GET).await.message().await;
    assert!(answer.body.contains("<iframe src=\"https://pages.example.com/down.html\">"));
    stage.line().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_head_request_gets_the_page_s_headers_alone() {
    let mut stage = Stage::with(config(), &[Crashed]);
    let mut client = stage.client_sends("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let answer = client.head().await;
    assert_eq!((answer.status(), answer.one("content-length")), (503, Some("567")));
    client.assert_quiet().await;
    stage.dynos(&[Up]);
    client.assert_alive(&mut stage, None).await;
}

/// Preboot takes a dyno out of the table, sees no request at it, and stops it (R5.6).
#[tokio::test(start_paused = true)]
async fn a_dyno_that_left_the_table_after_the_app_was_found_gets_no_request() {
    let stage = Stage::new();
    let before = stage.shared.registry().current();
    stage.dynos(&[Crashed, Up]);
    let lease = checkout(&stage.shared, &before, "shop", None).await;
    assert_eq!(lease.map(|lease| lease.slot().name.to_string()).ok().as_deref(), Some("web.2"));
    assert_eq!(stage.dialled(), [2]);
}
