//! Traffic on an app while its dynos are restarted, cycled and scaled: whoever waits for an answer must get one.

use crate::model::process_type::ProcessType;
use crate::platform::control::{Control, ControlError, Quantity, ScaleUpdate, Selector};
use crate::platform::report::NotUp;
use crate::platform::wait::all_up;
use futures_util::future::join_all;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Clients at once.
const CLIENTS: usize = 8;
/// Between an answer and the client's next request.
const PAUSE: Duration = Duration::from_millis(50);
/// Traffic without and between the changes.
const STEADY: Duration = Duration::from_secs(1);
/// Longer than the router lets any request wait (§7: 75 s for a dyno, 30 s for its first byte).
const PATIENCE: Duration = Duration::from_secs(120);

/// What came of the requests, as their clients saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests with an answer below 500.
    pub answered: u64,
    /// Answers from 500 on, the router's own among them.
    pub errors: u64,
    /// Connections that ended without an answer.
    pub unanswered: u64,
}

/// Why the traffic was given up.
#[derive(Debug)]
pub(super) enum Stopped {
    NotUp(NotUp),
    Refused(ControlError),
}

/// Runs the traffic, and the changes under it.
pub(super) async fn run(control: &Control, port: u16, path: &str) -> Result<Traffic, Stopped> {
    let over = CancellationToken::new();
    let clients = join_all((0..CLIENTS).map(|_| client(port, path, over.clone())));
    let changes = async {
        let done = change(control).await;
        over.cancel();
        done
    };
    let (all, done) = tokio::join!(clients, changes);
    done?;
    Ok(all.into_iter().fold(Traffic::default(), |sum, one| Traffic {
        answered: sum.answered + one.answered,
        errors: sum.errors + one.errors,
        unanswered: sum.unanswered + one.unanswered,
    }))
}

async fn change(control: &Control) -> Result<(), Stopped> {
    let settled = async || {
        all_up(control, None).await.map_err(Stopped::NotUp)?;
        sleep(STEADY).await;
        Ok(())
    };
    let web = |quantity| ScaleUpdate { process_type: ProcessType::web(), quantity: Some(quantity), size: None };
    settled().await?;
    control.restart(&Selector::All).map_err(Stopped::Refused)?;
    settled().await?;
    control.cycle(&Selector::All).map_err(Stopped::Refused)?;
    settled().await?;
    control.scale(&[web(Quantity::By(1))]).map_err(Stopped::Refused)?;
    settled().await?;
    control.scale(&[web(Quantity::By(-1))]).map_err(Stopped::Refused)?;
    settled().await
}

async fn client(port: u16, path: &str, over: CancellationToken) -> Traffic {
    let mut traffic = Traffic::default();
    while !over.is_cancelled() {
        match timeout(PATIENCE, ask(port, path)).await {
            Ok(Some(status)) if status < 500 => traffic.answered += 1,
            Ok(Some(_)) => traffic.errors += 1,
            Ok(None) | Err(_) => traffic.unanswered += 1,
        }
        sleep(PAUSE).await;
    }
    traffic
}

/// The status of a whole answer.
async fn ask(port: u16, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.ok()?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: dynosim\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let head = answer.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(head).ok()?.parse().ok()
}
