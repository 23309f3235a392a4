//! Who listens where in the dyno.

use crate::processes::Reach;
use crate::tables::{Row, listening};
use std::collections::HashMap;
use std::net::IpAddr;

/// A socket that takes connections.
pub struct Listener {
    pub address: IpAddr,
    pub port: u16,
    /// Pid and short name of the process that holds it.
    pub process: Option<(u32, String)>,
}

/// Remembers what was listening.
pub struct Watch {
    wanted: Option<u16>,
    /// The tables are the whole machine's.
    machine: bool,
    reach: Reach,
    /// All that listened.
    seen: Vec<Row>,
    /// Those of the dyno.
    last: Vec<Row>,
}

impl Watch {
    pub fn new(wanted: Option<u16>, machine: bool, reach: Reach) -> Self {
        Self { wanted, machine, reach, seen: Vec::new(), last: Vec::new() }
    }

    /// Whether the wanted port is bound where others can reach it.
    pub fn bound(&self) -> bool {
        self.last.iter().any(|row| Some(row.port) == self.wanted && !row.is_loopback())
    }

    /// The listeners, if they are not those of last time.
    pub fn changed(&mut self) -> Option<Vec<Listener>> {
        let mut rows: Vec<Row> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|table| std::fs::read_to_string(table).ok())
            .flat_map(|table| listening(&table))
            .collect();
        rows.sort();
        if rows == self.seen {
            return None;
        }
        let owners = owners(&rows, self.reach);
        self.seen.clone_from(&rows);
        if self.machine {
            rows.retain(|row| owners.contains_key(&row.inode));
            if rows == self.last {
                return None;
            }
        }
        self.last = rows;
        let listeners = self.last.iter().map(|row| Listener {
            address: row.address,
            port: row.port,
            process: owners.get(&row.inode).cloned(),
        });
        Some(listeners.collect())
    }
}

/// Which process holds which socket.
fn owners(rows: &[Row], reach: Reach) -> HashMap<u64, (u32, String)> {
    let mut owners = HashMap::new();
    for pid in crate::processes::pids(reach) {
        let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for file in files.flatten() {
            let Ok(target) = file.path().read_link() else { continue };
            let target = target.to_string_lossy();
            let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')?.parse().ok());
            let Some(inode) = inode.filter(|inode| rows.iter().any(|row| row.inode == *inode)) else { continue };
            // A forked server's children share the socket: the first process, their parent, is the one to name.
            owners.entry(inode).or_insert_with(|| (pid, crate::processes::name(pid)));
        }
    }
    owners
}
