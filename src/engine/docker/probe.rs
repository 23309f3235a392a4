//! What can be learnt of a container from outside: where to dial it, and, where our init is missing, who listens.

// The same reading of the kernel's tables as the init's.
#[path = "../../init/tables.rs"]
#[allow(dead_code, missing_docs, unreachable_pub, reason = "shared with the init, which has other needs")]
mod tables;

use super::Shared;
use crate::engine::Listener;
use crate::engine::reports::Report;
use crate::model::endpoint::Endpoint;
use bollard::errors::Error;
use bollard::exec::StartExecResults;
use bollard::models::{ContainerInspectResponse, ExecConfig};
use futures_util::StreamExt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const PACE: Duration = Duration::from_millis(100);
/// Docker's forwarder hangs up within a millisecond when nobody listens behind it.
const STAYS_OPEN: Duration = Duration::from_millis(100);

/// Where `port` of the container can be dialled from here.
pub(super) async fn endpoint(shared: &Shared, container: &str, port: u16) -> Result<Option<Endpoint>, Error> {
    let facts = shared.docker.inspect_container(container, None).await?;
    let found = if shared.abilities.local { own_address(&facts, port) } else { published(&facts, port) };
    Ok(found.map(Endpoint))
}

fn own_address(facts: &ContainerInspectResponse, port: u16) -> Option<SocketAddr> {
    let networks = facts.network_settings.as_ref()?.networks.as_ref()?;
    let address = networks.values().find_map(|one| one.ip_address.as_ref()?.parse::<IpAddr>().ok())?;
    Some(SocketAddr::new(address, port))
}

fn published(facts: &ContainerInspectResponse, port: u16) -> Option<SocketAddr> {
    let ports = facts.network_settings.as_ref()?.ports.as_ref()?;
    let bindings = ports.get(&format!("{port}/tcp"))?.as_ref()?;
    let host_port = bindings.iter().find_map(|binding| binding.host_port.as_ref()?.parse().ok())?;
    Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), host_port))
}

/// Reports the listeners of a container without our init, until the receiver is gone.
pub(super) async fn watch(shared: &Shared, container: &str, port: u16, sink: &mpsc::Sender<Report>) {
    let pid = match shared.docker.inspect_container(container, None).await {
        Ok(facts) => facts.state.and_then(|state| state.pid).filter(|pid| *pid > 0),
        Err(_) => None,
    };
    let pid = pid.filter(|_| shared.abilities.same_machine && read_tables(0).is_some());
    let mut last = Vec::new();
    while !sink.is_closed() {
        let now = match pid.and_then(read_tables) {
            Some(rows) => rows,
            None if dialled(shared, container, port).await => vec![(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)],
            None => last.clone(),
        };
        if now != last {
            last.clone_from(&now);
            let listeners = now.into_iter().map(|(address, port)| Listener { address, port, process: None });
            if sink.send(Report::Listening(listeners.collect())).await.is_err() {
                return;
            }
        }
        sleep(PACE).await;
    }
}

/// The listening table of a process's network; of ourselves for 0.
fn read_tables(pid: i64) -> Option<Vec<(IpAddr, u16)>> {
    let process = if pid == 0 { "self".to_owned() } else { pid.to_string() };
    let read = |table: &str| std::fs::read_to_string(format!("/proc/{process}/net/{table}")).ok();
    let mut rows = tables::listening(&read("tcp")?);
    rows.extend(tables::listening(&read("tcp6").unwrap_or_default()));
    rows.sort();
    Some(rows.into_iter().map(|row| (row.address, row.port)).collect())
}

/// Whether somebody takes a connection and keeps it: a forwarder alone does not.
async fn dialled(shared: &Shared, container: &str, port: u16) -> bool {
    let Ok(Some(Endpoint(address))) = endpoint(shared, container, port).await else { return false };
    let Ok(Ok(mut stream)) = timeout(STAYS_OPEN, TcpStream::connect(address)).await else { return false };
    match timeout(STAYS_OPEN, stream.read(&mut [0_u8; 1])).await {
        Err(_) => true,
        Ok(read) => read.is_ok_and(|count| count > 0),
    }
}

/// Signals every process through the image's own shell; false when it has none.
pub(super) async fn signal_all(shared: &Shared, container: &str, signal: &str) -> bool {
    let number = signal.trim_start_matches("SIG");
    let exec = ExecConfig {
        cmd: Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), format!("kill -{number} -1")]),
        attach_stdout: Some(true),
        ..ExecConfig::default()
    };
    let Ok(made) = shared.docker.create_exec(container, exec).await else { return false };
    let Ok(StartExecResults::Attached { mut output, .. }) = shared.docker.start_exec(&made.id, None).await else {
        return false;
    };
    while output.next().await.is_some() {}
    let facts = shared.docker.inspect_exec(&made.id).await;
    // The shell signals itself too, and 128 + signal is what it then ends with.
    facts.is_ok_and(|facts| !matches!(facts.exit_code, Some(126 | 127)))
}
