//! What a dyno's init reports: lines of fields divided by tabs (see `src/init/protocol.rs`).

use crate::engine::{Finding, Listener, ProcessFacts, Usage};
use std::net::IpAddr;

/// One report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Report {
    /// The sockets that listen now.
    Listening(Vec<Listener>),
    /// The processes now, and how many of them are runnable.
    Processes(Vec<ProcessFacts>, u64),
    /// The memory used now.
    Memory(Usage),
    /// Why a start failed.
    Finding(Finding),
    /// The kernel killed a process at the memory limit.
    OutOfMemory,
}

/// Bytes of the report channel, as they come.
#[derive(Default)]
pub(in crate::engine) struct Reports {
    unread: Vec<u8>,
    /// The first line of standard error has been read.
    first_line_read: bool,
}

impl Reports {
    /// Takes bytes, gives the reports that are complete. A line that is no report is an engine's own word about the
    /// init, and worth showing.
    pub(in crate::engine) fn take(&mut self, bytes: &[u8]) -> Vec<Report> {
        self.unread.extend_from_slice(bytes);
        let Some(end) = self.unread.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let lines: Vec<u8> = self.unread.drain(..=end).collect();
        let lines = lines[..end].split(|byte| *byte == b'\n');
        lines.map(|line| parse(&String::from_utf8_lossy(line))).collect()
    }

    /// Takes bytes of a dyno whose process 1 is Docker's own init: if that could not execute the program, its word is
    /// the first line, which it writes in pieces.
    pub(in crate::engine) fn take_of_docker_init(&mut self, bytes: &[u8]) -> Option<Finding> {
        const LONGEST: usize = 1024;
        if self.first_line_read {
            return None;
        }
        self.unread.extend_from_slice(&bytes[..bytes.len().min(LONGEST)]);
        let end = self.unread.iter().position(|byte| *byte == b'\n');
        self.first_line_read = end.is_some() || self.unread.len() >= LONGEST;
        of_docker_init(&self.unread[..end?])
    }
}

/// What Docker's own init prints when it cannot execute the program: `[FATAL tini (7)] exec x failed: reason`.
fn of_docker_init(bytes: &[u8]) -> Option<Finding> {
    let text = std::str::from_utf8(bytes).ok()?.strip_prefix("[FATAL tini (")?;
    let (program, reason) = text.split_once("] exec ")?.1.split_once(" failed: ")?;
    Some(Finding::ExecFailed { program: program.to_owned(), reason: reason.to_owned() })
}

fn parse(line: &str) -> Report {
    let fields: Vec<String> = line.split('\t').map(unescape).collect();
    let text = |at: usize| fields.get(at).cloned().unwrap_or_default();
    match fields[0].as_str() {
        "listen" => Report::Listening(fields[1..].chunks_exact(4).filter_map(listener).collect()),
        "ps" => {
            let rows = fields[1..].chunks_exact(5);
            let runnable = rows.clone().filter(|row| row[1] == "R").count();
            Report::Processes(rows.filter_map(process).collect(), runnable as u64)
        }
        "mem" => Report::Memory(memory(&fields[1..])),
        "exec" => Report::Finding(Finding::ExecFailed { program: text(1), reason: text(2) }),
        "crlf" => Report::Finding(Finding::CrlfScript { path: text(1), shebang: text(2) }),
        "noexec" => Report::Finding(Finding::NotExecutable { path: text(1) }),
        "noshell" => Report::Finding(Finding::NoShell),
        "oom" => Report::OutOfMemory,
        _ => Report::Finding(Finding::Other(line.to_owned())),
    }
}

/// The listener through which `port` can be reached from outside of the dyno.
pub(in crate::engine) fn reachable(listeners: &[Listener], port: Option<u16>) -> Option<&Listener> {
    listeners.iter().find(|one| Some(one.port) == port && !is_loopback(one.address))
}

fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
    }
}

fn memory(fields: &[String]) -> Usage {
    let number = |at: usize| fields.get(at).and_then(|field| field.parse().ok()).unwrap_or(0);
    Usage { rss: number(0), cache: number(1), swap: number(2), runnable: number(3), ..Usage::default() }
}

fn listener(fields: &[String]) -> Option<Listener> {
    let pid: u32 = fields[2].parse().ok()?;
    Some(Listener {
        address: fields[0].parse().ok()?,
        port: fields[1].parse().ok()?,
        process: (pid != 0).then(|| (pid, fields[3].clone())),
    })
}

fn process(fields: &[String]) -> Option<ProcessFacts> {
    Some(ProcessFacts {
        pid: fields[0].parse().ok()?,
        rss: fields[2].parse().ok()?,
        name: fields[3].clone(),
        command: fields[4].clone(),
    })
}

pub(in crate::engine) fn unescape(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(one) = chars.next() {
        match (one, one == '\\') {
            (_, false) => text.push(one),
            (_, true) => match chars.next() {
                Some('t') => text.push('\t'),
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some(other) => text.push(other),
                None => {}
            },
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Report, Reports};
    use crate::engine::{Finding, Listener, ProcessFacts, Usage};

    #[test]
    fn reports_are_read_however_they_are_cut() {
        let text = "listen\t127.0.0.1\t3000\t7\tnode\t::\t8080\t0\t\noom\nnoshell\n";
        let mut reports = Reports::default();
        let found: Vec<Report> = text.as_bytes().chunks(5).flat_map(|part| reports.take(part)).collect();
        let listener = |address: &str, port, process| Listener { address: address.parse().unwrap(), port, process };
        assert_eq!(
            found,
            [
                Report::Listening(vec![
                    listener("127.0.0.1", 3000, Some((7, "node".to_owned()))),
                    listener("::", 8080, None)
                ]),
                Report::OutOfMemory,
                Report::Finding(Finding::NoShell),
            ]
        );
    }

    #[test]
    fn r7_the_memory_that_an_init_counts_is_read() {
        let used = Usage { rss: 5, cache: 2, swap: 3, runnable: 1, ..Usage::default() };
        assert_eq!(Reports::default().take(b"mem\t5\t2\t3\t1\n"), [Report::Memory(used)]);
    }

    #[test]
    fn docker_s_own_init_is_understood_too() {
        let told = Finding::ExecFailed { program: "gunicorn".into(), reason: "No such file or directory".into() };
        let pieces = ["[FATAL tini (7)] ", "exec gunicorn failed: No such file or directory", "\n"];
        let mut reports = Reports::default();
        let found: Vec<_> = pieces.iter().map(|piece| reports.take_of_docker_init(piece.as_bytes())).collect();
        assert_eq!(found, [None, None, Some(told)]);
        assert_eq!(Reports::default().take_of_docker_init(b"app: exec x failed: y\n"), None);
    }

    #[test]
    fn fields_may_hold_tabs_and_line_ends() {
        let found = Reports::default().take(b"ps\t7\tR\t4096\ta\\tb\tx\\ny \\\\z\nexec\t./run\tNo such file\n");
        let process = ProcessFacts { pid: 7, name: "a\tb".into(), command: "x\ny \\z".into(), rss: 4096 };
        let exec = Finding::ExecFailed { program: "./run".into(), reason: "No such file".into() };
        assert_eq!(found, [Report::Processes(vec![process], 1), Report::Finding(exec)]);
    }
}
