//! The router's own port: bound and kept, never picked first and bound later.

use super::error::PlatformError;
use super::report::Reporter;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;

/// Where the router shall listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortChoice {
    /// This port, or the next free one.
    From(u16),
    /// This port and no other; 0 lets the system choose.
    Exactly(u16),
}

/// The default: where `heroku local` listens too (R3).
pub const DEFAULT: PortChoice = PortChoice::From(5006);
/// How many ports after the first are tried.
const TRIES: u16 = 100;

/// Binds on loopback.
pub async fn bind(choice: PortChoice, report: &Reporter) -> Result<TcpListener, PlatformError> {
    let (first, tries) = match choice {
        PortChoice::Exactly(port) => (port, 0),
        PortChoice::From(port) => (port, TRIES),
    };
    for port in first..=first.saturating_add(tries) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match TcpListener::bind(address).await {
            Ok(listener) => {
                if port != first {
                    let by = holder(first).map(|by| format!(" by {by}")).unwrap_or_default();
                    report.note(format!("port {first} is taken{by}; the router listens on {port}"));
                }
                return Ok(listener);
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(PlatformError::io(format!("listen on {address}"))(error)),
        }
    }
    Err(PlatformError::PortTaken { port: first, by: holder(first) })
}

/// Which process listens on a loopback port, as far as this user may see: `node (pid 4242)`.
pub fn holder(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().skip(1).filter_map(|line| listening_inode(line, port)).collect::<Vec<_>>())
        .collect();
    for process in fs::read_dir("/proc").ok()?.filter_map(Result::ok) {
        let name = process.file_name();
        let Some(pid) = name.to_str().filter(|name| name.bytes().all(|b| b.is_ascii_digit())) else { continue };
        let Ok(fds) = fs::read_dir(process.path().join("fd")) else { continue };
        let holds = fds.filter_map(Result::ok).filter_map(|fd| fs::read_link(fd.path()).ok()).any(|target| {
            let target = target.to_string_lossy();
            inodes.iter().any(|inode| target == format!("socket:[{inode}]"))
        });
        if holds {
            let program = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", program.trim()));
        }
    }
    None
}

/// The inode of a line of /proc/net/tcp that listens on `port`.
fn listening_inode(line: &str, port: u16) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let (_, hex) = local.rsplit_once(':')?;
    (*state == "0A" && u16::from_str_radix(hex, 16).ok()? == port).then(|| (*inode).to_owned())
}

#[cfg(test)]
mod tests {
    use super::{PortChoice, bind};
    use crate::platform::error::PlatformError;
    use crate::platform::report::{News, Reporter};

    #[tokio::test]
    async fn a_taken_default_port_is_passed_over_and_its_holder_named() {
        let (report, mut news) = Reporter::new();
        let first = bind(PortChoice::Exactly(0), &report).await.unwrap();
        let port = first.local_addr().unwrap().port();
        let second = bind(PortChoice::From(port), &report).await.unwrap();
        assert!(second.local_addr().unwrap().port() > port);
        let Some(News::Note(note)) = news.recv().await else { panic!("no note") };
        assert!(note.starts_with(&format!("port {port} is taken")), "{note}");
        if cfg!(target_os = "linux") {
            assert!(note.contains(&format!("pid {}", std::process::id())), "{note}");
        }
    }

    #[tokio::test]
    async fn an_explicit_port_that_is_taken_is_an_error() {
        let (report, _news) = Reporter::new();
        let first = bind(PortChoice::Exactly(0), &report).await.unwrap();
        let port = first.local_addr().unwrap().port();
        let error = bind(PortChoice::Exactly(port), &report).await.unwrap_err();
        assert!(matches!(error, PlatformError::PortTaken { port: p, .. } if p == port));
    }
}
