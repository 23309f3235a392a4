//! The words of dynosim's own explanations. They follow a Heroku line and never replace it; each is one line.

use super::machine::Explanation;
use super::words::LastWords;
use crate::engine::{Finding, Listener, LostWrite, ProcessFacts};
use crate::model::dyno::DynoName;
use std::fmt::Write as _;
use std::net::IpAddr;

/// How many lost files one line names.
const NAMED_WRITES: usize = 8;

/// The names of shells, which run other programs and wait for them.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "busybox", "zsh"];

/// The explanation's text. `processes` are those of the dyno at this moment, where the explanation needs them; `words` is
/// what it printed last; `native` that there is no image.
pub fn text(
    dyno: &DynoName,
    explanation: &Explanation,
    processes: &[ProcessFacts],
    words: &LastWords,
    native: bool,
) -> String {
    match explanation {
        Explanation::WrongListener { listeners, port } => wrong_listener(dyno, listeners, *port),
        Explanation::NoListener { port } => format!(
            "{dyno} listens on no port; $PORT is {port}: bind 0.0.0.0:{port}{}{}",
            running(processes, "; running: "),
            if words.line().is_some() { words.told() } else { "; it has printed nothing".into() }
        ),
        Explanation::ExitedZero => format!(
            "{dyno} ended with status 0: a formation dyno shall never end, so on Heroku that is a crash; \
             if the command puts itself in the background, run it in the foreground, \
             and run a task that has an end with `dynosim run`"
        ),
        Explanation::Survivors(limit) => format!(
            "{dyno} did not end within {} s of SIGTERM{}; Heroku signals every process, each must end by itself{}{}",
            limit.as_secs_f64(),
            running(processes, ": still running "),
            shells(processes),
            words.told()
        ),
        Explanation::Memory { quota } => {
            format!("{dyno} is over its quota of {} MB{}", quota >> 20, heaviest(processes))
        }
        Explanation::OutOfMemory { limit } => format!(
            "{dyno} was killed at {} MB, where Heroku kills a dyno of this size; it grew faster than samples are taken{}",
            limit >> 20,
            words.told()
        ),
        Explanation::Finding(finding) => found(dyno, finding, native),
        Explanation::LostWrites(writes) => lost_writes(dyno, writes),
        Explanation::LaunchFailed(reason) => format!("{dyno} could not be started: {reason}"),
        Explanation::Backoff { crashes, wait } => format!(
            "{dyno} crashed {crashes} times in a row; the next start is in {} s (Heroku waits longer: R5.5; \
             see --timeouts backoff)",
            wait.as_secs_f64()
        ),
        Explanation::EngineLost(reason) => {
            format!("{dyno}: the container engine does not answer ({reason}); trying again until it does")
        }
        Explanation::EngineFound => format!("{dyno}: the container engine answers again; the dyno still runs"),
        Explanation::Unconfirmed(patience) => format!(
            "{dyno}: the container engine did not confirm the end within {} s; what is left of the dyno goes with the \
             next `dynosim up` or `dynosim down`",
            patience.as_secs_f64()
        ),
        Explanation::CommandStatus(126) => {
            format!("{dyno} ended with status 126: the command was found but could not be executed")
        }
        Explanation::Signalled(status) => format!("{dyno} {}{}", signalled(*status), words.told()),
        Explanation::CommandStatus(_) => format!(
            "{dyno} ended with status 127: the command, or the interpreter its first line names, was not found {}",
            if native { "on this machine: install it, where $PATH leads" } else { "in the image" }
        ),
    }
}

/// Which of the processes are shells that stand between the platform and the server.
fn shells(processes: &[ProcessFacts]) -> String {
    let shell = processes.iter().find(|process| SHELLS.contains(&process.name.as_str()));
    match shell {
        Some(shell) if processes.len() > 1 => format!(
            "; {} (pid {}) is a shell that waits for the others: start the server with `exec`, so that it takes the \
             shell's place",
            shell.name, shell.pid
        ),
        _ => String::new(),
    }
}

/// How a status above 128 came about: a signal that nobody here sent.
fn signalled(status: i32) -> String {
    let why = match status - 128 {
        4 => "SIGILL, an instruction that this processor does not know: was it built for another one?",
        6 => "SIGABRT: it gave up by itself, after an assertion or a failed allocation",
        7 => "SIGBUS, a fault in native code, or a full /dev/shm",
        9 => "SIGKILL that did not come from the platform: a process of its own, or the machine when memory ran out",
        11 => "SIGSEGV, a fault in native code",
        15 => "SIGTERM that did not come from the platform: a process of its own sent it",
        other => return format!("ended with status {status}: signal {other}, or a status of its own above 128"),
    };
    format!("ended with status {status}: {why}")
}

fn wrong_listener(dyno: &DynoName, listeners: &[Listener], port: u16) -> String {
    let places: Vec<String> = listeners.iter().map(place).collect();
    format!("{dyno} listens on {}; $PORT is {port}: bind 0.0.0.0:{port}", places.join(" and "))
}

fn place(listener: &Listener) -> String {
    let address = match listener.address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    match &listener.process {
        Some((pid, name)) => format!("{address}:{} ({name}, pid {pid})", listener.port),
        None => format!("{address}:{}", listener.port),
    }
}

fn running(processes: &[ProcessFacts], before: &str) -> String {
    if processes.is_empty() {
        return String::new();
    }
    let names: Vec<String> = processes.iter().take(8).map(|p| format!("{} (pid {})", p.name, p.pid)).collect();
    format!("{before}{}", names.join(", "))
}

fn heaviest(processes: &[ProcessFacts]) -> String {
    let mut sorted: Vec<&ProcessFacts> = processes.iter().collect();
    sorted.sort_by_key(|p| std::cmp::Reverse(p.rss));
    let names: Vec<String> =
        sorted.iter().take(4).map(|p| format!("{} (pid {}) {} MB", p.name, p.pid, p.rss >> 20)).collect();
    if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) }
}

fn found(dyno: &DynoName, finding: &Finding, native: bool) -> String {
    match finding {
        Finding::ExecFailed { program, reason } => format!("{dyno} could not execute `{program}`: {reason}"),
        Finding::CrlfScript { path, shebang } => format!(
            "{path} has Windows line ends: its first line is `{shebang}` and a carriage return, so the interpreter is \
             not found; save it with LF, and keep it so with `* text eol=lf` in .gitattributes"
        ),
        Finding::NotExecutable { path } => format!(
            "{path} may not be executed by the dyno's user: `chmod +x` it, or `git update-index --chmod=+x` it{}",
            if native { "" } else { ", and rebuild" }
        ),
        Finding::NoShell => format!(
            "{dyno}'s image has no /bin/sh, which runs the command when there is no ENTRYPOINT: set an ENTRYPOINT in \
             the Dockerfile (R1.4)"
        ),
        Finding::Other(text) => text.clone(),
    }
}

/// What only the explanation of lost files says.
const GONE: &str = " gone with it: ";

/// Whether an explanation tells of files that a dyno wrote and that vanished with it.
pub fn is_of_lost_writes(text: &str) -> bool {
    text.contains(" wrote ") && text.contains(GONE)
}

fn lost_writes(dyno: &DynoName, writes: &[LostWrite]) -> String {
    let mut text = format!(
        "{dyno} wrote {} that {}{GONE}",
        count(writes.len(), "file"),
        if writes.len() == 1 { "is" } else { "are" }
    );
    for (index, write) in writes.iter().take(NAMED_WRITES).enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        let _ = match write.size {
            Some(size) => write!(text, "{comma}{} ({})", write.path, bytes(size)),
            None => write!(text, "{comma}{}", write.path),
        };
    }
    if writes.len() > NAMED_WRITES {
        let _ = write!(text, " and {} more", writes.len() - NAMED_WRITES);
    }
    text
}

/// `1 file`, `2 files`.
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// `512 B`, `1.5 kB`, `20 MB`.
#[allow(clippy::cast_precision_loss, reason = "one decimal is shown")]
pub fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        _ => format!("{:.1} GB", n as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::is_of_lost_writes;
    use crate::dyno::LastWords;
    use crate::dyno::machine::Explanation;
    use crate::engine::{Listener, LostWrite, ProcessFacts};
    use crate::model::dyno::DynoName;
    use crate::model::process_type::ProcessType;

    fn web() -> DynoName {
        DynoName::new(ProcessType::web(), 1)
    }

    fn text(dyno: &DynoName, explanation: &Explanation, processes: &[ProcessFacts]) -> String {
        super::text(dyno, explanation, processes, &LastWords::default(), false)
    }

    fn process(pid: u32, name: &str) -> ProcessFacts {
        ProcessFacts { pid, name: name.into(), command: name.into(), rss: 0 }
    }

    #[test]
    fn r12_names_who_still_runs_and_a_shell_that_waits() {
        let told = Explanation::Survivors(std::time::Duration::from_secs(30));
        let both = text(&web(), &told, &[process(7, "sh"), process(8, "node")]);
        assert!(both.contains(": still running sh (pid 7), node (pid 8)"), "{both}");
        assert!(
            both.contains("sh (pid 7) is a shell that waits for the others: start the server with `exec`"),
            "{both}"
        );
        let alone = text(&web(), &told, &[process(7, "node")]);
        assert!(!alone.contains("exec"), "{alone}");
        assert!(!text(&web(), &told, &[process(7, "sh")]).contains("waits for the others"));
    }

    #[test]
    fn r10_without_a_socket_names_what_runs_and_what_it_printed() {
        let words = LastWords::default();
        words.hear(b"waiting for postgres\n");
        let told =
            super::text(&web(), &Explanation::NoListener { port: 43127 }, &[process(7, "python")], &words, false);
        assert_eq!(
            told,
            "web.1 listens on no port; $PORT is 43127: bind 0.0.0.0:43127; running: python (pid 7); it last printed, 0 s \
             ago: \"waiting for postgres\""
        );
    }

    #[test]
    fn a_wrong_port_is_named_with_process_and_cure_in_one_line() {
        let listeners =
            vec![Listener { address: "127.0.0.1".parse().unwrap(), port: 3000, process: Some((7, "node".into())) }];
        assert_eq!(
            text(&web(), &Explanation::WrongListener { listeners, port: 43127 }, &[]),
            "web.1 listens on 127.0.0.1:3000 (node, pid 7); $PORT is 43127: bind 0.0.0.0:43127"
        );
    }

    #[test]
    fn lost_writes_are_named_with_sizes() {
        let writes = vec![
            LostWrite { path: "/app/uploads/a.png".into(), size: Some(20_480) },
            LostWrite { path: "/app/db.sqlite".into(), size: None },
        ];
        assert!(is_of_lost_writes(&text(&web(), &Explanation::LostWrites(writes.clone()), &[])));
        assert!(!is_of_lost_writes(&text(&web(), &Explanation::ExitedZero, &[])));
        assert_eq!(
            text(&web(), &Explanation::LostWrites(writes), &[]),
            "web.1 wrote 2 files that are gone with it: /app/uploads/a.png (20.5 kB), /app/db.sqlite"
        );
    }
}
