//! The same router over real sockets: what in-memory pipes cannot show.

use super::stage::{config, name};
use crate::clock::Clock;
use crate::model::dyno::DynoState;
use crate::model::endpoint::Endpoint;
use crate::model::log::{Message, Process, Source};
use crate::router::config::RouterConfig;
use crate::router::table::{Backend, Route, Table};
use crate::router::traffic::Traffic;
use crate::router::{Listener, Router};
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, timeout};
use tokio_tungstenite::tungstenite;

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

struct Live {
    router: Router,
    address: SocketAddr,
    table: watch::Sender<Arc<Table>>,
    lines: mpsc::UnboundedReceiver<Message>,
}

/// A router with one dyno at this address.
async fn router(dyno: SocketAddr, config: RouterConfig) -> Live {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let backend = Backend {
        name: name(1),
        generation: 1,
        state: DynoState::Up,
        endpoint: Some(Endpoint(dyno)),
        traffic: Traffic::default(),
    };
    let route = Route { app: "shop".into(), dynos: vec![backend], ..Route::default() };
    let (table, seen) = watch::channel(Arc::new(Table { apps: vec![route] }));
    let (log, lines) = mpsc::unbounded_channel();
    let log = move |message| drop(log.send(message));
    let address = listener.local_addr().unwrap();
    let router = Router::start(vec![Listener::http(listener)], &seen, config, &Clock::system(), log).unwrap();
    Live { router, address, table, lines }
}

impl Live {
    async fn line(&mut self) -> String {
        let message = timeout(Duration::from_secs(20), self.lines.recv()).await.unwrap().unwrap();
        assert_eq!((message.source, message.process), (Source::Heroku, Process::Router));
        message.text
    }
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_request_goes_through_and_a_stop_lets_it_finish() {
    let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut live = router(app.local_addr().unwrap(), config()).await;
    let address = live.address;
    let asking = tokio::spawn(async move { ask(address, GET).await });
    let (mut dyno, _) = app.accept().await.unwrap();
    let mut request = vec![0; 4096];
    let n = dyno.read(&mut request).await.unwrap();
    let request = String::from_utf8_lossy(&request[..n]).into_owned();
    assert!(request.contains(&format!("\r\nX-Forwarded-Port: {}\r\n", address.port())), "{request}");
    assert!(request.contains("\r\nX-Forwarded-For: 127.0.0.1\r\n"), "{request}");
    let stopping = tokio::spawn(live.router.shutdown(Duration::from_secs(20)));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(TcpStream::connect(address).await.is_err(), "no new connections");
    dyno.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    assert!(asking.await.unwrap().ends_with("\r\n\r\nok"));
    timeout(Duration::from_secs(10), stopping).await.unwrap().unwrap();
    let message = live.lines.recv().await.unwrap();
    assert!(message.text.starts_with("at=info method=GET path=\"/\" host=localhost "), "{}", message.text);
}

#[tokio::test]
async fn http_2_without_tls_is_spoken_by_option_only_and_http_1_beside_it() {
    for h2c in [false, true] {
        let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut live = router(app.local_addr().unwrap(), RouterConfig { h2c, ..config() }).await;
        tokio::spawn(async move {
            while let Ok((mut dyno, _)) = app.accept().await {
                tokio::spawn(async move {
                    let _ = dyno.read(&mut [0; 4096]).await;
                    let _ =
                        dyno.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").await;
                });
            }
        });
        assert!(ask(live.address, GET).await.ends_with("\r\n\r\nok"));
        assert!(live.line().await.ends_with(" protocol=http1.1 tls=false"));
        let socket = TcpStream::connect(live.address).await.unwrap();
        let (mut streams, connection) = h2::client::handshake(socket).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::get("http://localhost/").body(()).unwrap();
        let answer = match streams.send_request(request, true) {
            Ok((answer, _)) => answer.await.ok(),
            Err(_) => None,
        };
        assert_eq!(answer.map(|answer| answer.status().as_u16()), h2c.then_some(200));
        if h2c {
            assert!(live.line().await.ends_with(" protocol=http2.0 tls=false"));
        }
    }
}

#[tokio::test]
async fn a_stop_cuts_what_does_not_finish_in_time() {
    let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut live = router(app.local_addr().unwrap(), config()).await;
    let address = live.address;
    let asking = tokio::spawn(async move { ask(address, GET).await });
    let (_dyno, _) = app.accept().await.unwrap();
    timeout(Duration::from_secs(10), live.router.shutdown(Duration::from_millis(100))).await.unwrap();
    assert_eq!(asking.await.unwrap(), "");
    assert!(live.lines.recv().await.unwrap().text.starts_with("at=error code=H24 "));
}

#[tokio::test]
async fn a_port_nobody_listens_on_is_h21_and_a_removed_dyno_is_h14() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut live = router(nobody, config()).await;
    assert!(ask(live.address, GET).await.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    assert!(live.line().await.contains(" code=H21 "));
    live.table.send_replace(Arc::new(Table { apps: vec![Route::default()] }));
    ask(live.address, GET).await;
    assert!(live.line().await.contains(" code=H14 "));
}

#[tokio::test]
async fn d25_the_answer_to_a_large_upload_survives_the_close() {
    let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut live = router(app.local_addr().unwrap(), config()).await;
    tokio::spawn(async move {
        let (mut dyno, _) = app.accept().await.unwrap();
        let mut some = [0; 1000];
        let _ = dyno.read(&mut some).await;
        dyno.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig").await.unwrap();
    });
    let client = TcpStream::connect(live.address).await.unwrap();
    let (mut reading, mut writing) = client.into_split();
    let upload = tokio::spawn(async move {
        let _ = writing.write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857600\r\n\r\n").await;
        let block = vec![b'x'; 65_536];
        for _ in 0..1600 {
            if writing.write_all(&block).await.is_err() {
                break;
            }
        }
    });
    let mut answer = Vec::new();
    timeout(Duration::from_secs(20), reading.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("big"), "{answer}");
    upload.await.unwrap();
    assert!(live.line().await.contains(" status=413 "));
}

#[tokio::test]
async fn e6_websocket_messages_of_a_mebibyte_are_echoed() {
    let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut live = router(app.local_addr().unwrap(), config()).await;
    tokio::spawn(async move {
        let (dyno, _) = app.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(dyno).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_binary() || message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    });
    let url = format!("ws://{}/socket", live.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let large = vec![7; 1024 * 1024];
    for payload in [large.clone(), b"small".to_vec(), large] {
        socket.send(tungstenite::Message::binary(payload.clone())).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap().into_data(), payload);
    }
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    let told = live.line().await;
    assert!(told.starts_with("at=info ") && told.contains(" status=101 "), "{told}");
}

#[tokio::test]
async fn one_slow_one_silent_and_one_huge_stream_do_not_delay_other_requests() {
    let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let live = router(app.local_addr().unwrap(), config()).await;
    tokio::spawn(async move {
        loop {
            let (mut dyno, _) = app.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = vec![0; 8192];
                while let Ok(n) = dyno.read(&mut request).await
                    && n > 0
                {
                    let request = String::from_utf8_lossy(&request[..n]).into_owned();
                    if request.starts_with("GET /huge ") {
                        let _ = dyno.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                        let block = vec![b'x'; 65_536];
                        while dyno.write_all(&block).await.is_ok() {}
                    } else if request.starts_with("GET /silent ") {
                        std::future::pending::<()>().await;
                    } else {
                        let _ = dyno.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                    }
                }
            });
        }
    });
    let mut held = Vec::new();
    for path in ["/huge", "/silent", "/huge"] {
        let mut client = TcpStream::connect(live.address).await.unwrap();
        client.write_all(GET.replace("GET /", &format!("GET {path}")).as_bytes()).await.unwrap();
        held.push(client);
    }
    // One huge stream is read as fast as it comes, the other not at all.
    let mut reader = held.remove(0);
    let reading = tokio::spawn(async move {
        let mut block = vec![0; 65_536];
        while reader.read(&mut block).await.is_ok_and(|n| n > 0) {}
    });
    for _ in 0..50 {
        let answer = timeout(Duration::from_secs(2), ask(live.address, GET)).await.unwrap();
        assert!(answer.ends_with("\r\n\r\nok"));
    }
    reading.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_at_once_are_all_answered_and_share_dyno_connections() {
    const CLIENTS: usize = 64;
    const REQUESTS: usize = 40;
    let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut live = router(app.local_addr().unwrap(), RouterConfig { threads: 4, ..config() }).await;
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (mut dyno, _) = app.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut request = vec![0; 8192];
                while let Ok(n) = dyno.read(&mut request).await
                    && n > 0
                {
                    let request = String::from_utf8_lossy(&request[..n]).into_owned();
                    let path = request.split(' ').nth(1).unwrap();
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len());
                    let _ = dyno.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let address = live.address;
        clients.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut seen = vec![0; 4096];
            for request in 0..REQUESTS {
                let path = format!("/{client:03}/{request:03}");
                stream.write_all(GET.replace("GET /", &format!("GET {path}")).as_bytes()).await.unwrap();
                let mut answer = Vec::new();
                while !answer.ends_with(path.as_bytes()) {
                    let n = timeout(Duration::from_secs(20), stream.read(&mut seen)).await.unwrap().unwrap();
                    assert!(n > 0, "closed early");
                    answer.extend_from_slice(&seen[..n]);
                }
                assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    for _ in 0..CLIENTS * REQUESTS {
        assert!(live.line().await.contains(" status=200 bytes=8 "));
    }
    assert!(connections.load(Ordering::Relaxed) <= CLIENTS, "{connections:?} dyno connections");
}

#[tokio::test]
async fn h11_counts_the_requests_of_all_threads() {
    let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = RouterConfig { threads: 2, in_flight_per_dyno: 1, ..config() };
    let mut live = router(app.local_addr().unwrap(), config).await;
    let address = live.address;
    let held = tokio::spawn(async move { ask(address, GET).await });
    let (mut dyno, _) = app.accept().await.unwrap();
    assert!(dyno.read(&mut [0; 4096]).await.unwrap() > 0);
    // The first client is still there, so the second one is the other thread's.
    let refused = timeout(Duration::from_secs(20), ask(address, GET)).await.expect("a dyno has one request at a time");
    assert!(refused.starts_with("HTTP/1.1 503 "));
    assert!(live.line().await.contains(" code=H11 "));
    dyno.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    assert!(held.await.unwrap().ends_with("\r\n\r\nok"));
    assert!(live.line().await.contains(" status=200 "));
}

#[tokio::test]
async fn a_dyno_that_refused_one_thread_is_left_alone_by_all() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut config = RouterConfig { threads: 2, ..config() };
    config.timeouts.queue = Duration::from_millis(50);
    let mut live = router(gone, config).await;
    let mut first = TcpStream::connect(live.address).await.unwrap();
    first.write_all(GET.as_bytes()).await.unwrap();
    assert!(live.line().await.contains(" code=H21 "));
    ask(live.address, GET).await;
    let told = live.line().await;
    assert!(told.contains(" code=H99 "), "dialled again: {told}");
}

/// Answers one request with these bytes and resets the connection.
async fn resetting(bytes: &'static [u8]) -> SocketAddr {
    let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = app.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut dyno, _) = app.accept().await.unwrap();
        let _ = dyno.read(&mut [0; 4096]).await;
        dyno.write_all(bytes).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        rustix::net::sockopt::set_socket_linger(&dyno, Some(Duration::ZERO)).unwrap();
    });
    address
}

#[tokio::test]
async fn d15_a_reset_is_h13_before_the_answer_and_h18_within_it_even_without_a_length() {
    let mut live = router(resetting(b"").await, config()).await;
    assert!(ask(live.address, GET).await.starts_with("HTTP/1.1 503 "));
    assert!(live.line().await.contains(" code=H13 "));
    let mut live = router(resetting(b"HTTP/1.1 200 OK\r\n\r\npart of it").await, config()).await;
    let got = ask(live.address, GET).await;
    assert!(got.contains("part of it\r\n") && !got.ends_with("0\r\n\r\n"), "{got}");
    let told = live.line().await;
    assert!(told.starts_with("sock=backend at=error code=H18 ") && told.contains(" status=200 bytes=10 "), "{told}");
}
