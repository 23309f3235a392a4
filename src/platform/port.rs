//! The router's own ports: bound and kept, never picked first and bound later.

use super::error::PlatformError;
use super::report::Reporter;
use rustix::io::Errno;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
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
/// The default for HTTPS.
pub const DEFAULT_HTTPS: PortChoice = PortChoice::From(5443);
/// How many ports after the first are tried.
const TRIES: u16 = 100;

/// A port that the router has, on 127.0.0.1 and, where there is IPv6, on ::1: `localhost` may be either.
#[derive(Debug)]
pub struct Bound {
    /// The port.
    pub port: u16,
    /// One for each address.
    pub sockets: Vec<TcpListener>,
}

/// Binds on loopback.
pub async fn bind(choice: PortChoice, report: &Reporter) -> Result<Bound, PlatformError> {
    let (first, tries) = match choice {
        PortChoice::Exactly(0) => (0, TRIES),
        PortChoice::Exactly(port) => (port, 0),
        PortChoice::From(port) => (port, TRIES),
    };
    for step in 0..=tries {
        let port = if first == 0 { 0 } else { first.saturating_add(step) };
        match bind_both(port).await {
            Ok(Some(bound)) => {
                if first != 0 && port != first {
                    let by = holder(first).map(|by| format!(" by {by}")).unwrap_or_default();
                    report.note(format!("port {first} is taken{by}; the router listens on {port}"));
                }
                return Ok(bound);
            }
            Ok(None) => {}
            Err(error) => return Err(PlatformError::io(format!("listen on port {port} of localhost"))(error)),
        }
    }
    Err(PlatformError::PortTaken { port: first, by: holder(first) })
}

/// Binds the port on both addresses; `None` when somebody has it on either: a client that asks for `localhost` must not
/// reach another program by chance.
async fn bind_both(port: u16) -> io::Result<Option<Bound>> {
    let free = |bound: io::Result<TcpListener>| match bound {
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(None),
        other => other.map(Some),
    };
    let Some(first) = free(TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await)? else {
        return Ok(None);
    };
    let port = first.local_addr()?.port();
    match free(TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await) {
        Ok(Some(second)) => Ok(Some(Bound { port, sockets: vec![first, second] })),
        Ok(None) => Ok(None),
        Err(error) if is_absent(&error) => Ok(Some(Bound { port, sockets: vec![first] })),
        Err(error) => Err(error),
    }
}

/// Whether this machine has no IPv6, or none on loopback.
fn is_absent(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
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
    use super::{PortChoice, bind, is_absent};
    use crate::platform::error::PlatformError;
    use crate::platform::report::{News, Reporter};
    use std::io;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_taken_default_port_is_passed_over_and_its_holder_named() {
        let (report, mut news) = Reporter::new();
        let first = bind(PortChoice::Exactly(0), &report).await.unwrap();
        let second = bind(PortChoice::From(first.port), &report).await.unwrap();
        assert!(second.port > first.port);
        let Some(News::Note(note)) = news.recv().await else { panic!("no note") };
        assert!(note.starts_with(&format!("port {} is taken", first.port)), "{note}");
        if cfg!(target_os = "linux") {
            assert!(note.contains(&format!("pid {}", std::process::id())), "{note}");
        }
    }

    #[tokio::test]
    async fn an_explicit_port_that_is_taken_is_an_error() {
        let (report, _news) = Reporter::new();
        let first = bind(PortChoice::Exactly(0), &report).await.unwrap();
        let error = bind(PortChoice::Exactly(first.port), &report).await.unwrap_err();
        assert!(matches!(error, PlatformError::PortTaken { port: p, .. } if p == first.port));
    }

    #[tokio::test]
    async fn a_port_is_taken_when_somebody_has_it_on_either_address() {
        let (report, _news) = Reporter::new();
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let other = match TcpListener::bind(address).await {
                Ok(other) => other,
                Err(error) if is_absent(&error) => continue,
                Err(error) => panic!("{error}"),
            };
            let port = other.local_addr().unwrap().port();
            let error = bind(PortChoice::Exactly(port), &report).await.unwrap_err();
            assert!(matches!(error, PlatformError::PortTaken { .. }), "{address}: {error}");
            assert_ne!(bind(PortChoice::From(port), &report).await.unwrap().port, port, "{address}");
        }
    }

    #[tokio::test]
    async fn both_addresses_have_the_same_port_also_when_the_system_chooses_it() {
        let (report, _news) = Reporter::new();
        let bound = bind(PortChoice::Exactly(0), &report).await.unwrap();
        assert_ne!(bound.port, 0);
        for socket in &bound.sockets {
            assert_eq!(socket.local_addr().unwrap().port(), bound.port);
        }
    }

    #[test]
    fn a_machine_without_ipv6_is_told_from_a_port_that_is_taken() {
        assert!(is_absent(&io::Error::from_raw_os_error(rustix::io::Errno::AFNOSUPPORT.raw_os_error())));
        assert!(is_absent(&io::Error::from(io::ErrorKind::AddrNotAvailable)));
        assert!(!is_absent(&io::Error::from(io::ErrorKind::AddrInUse)));
    }
}
