//! What init and dynosim say to one another: lines of fields, divided by tabs.
//!
//! | to init | means |
//! |---|---|
//! | `term` `kill` `hup` `int` | that signal, to every process |
//! | `ps` | list the processes |
//! | `mem` | tell the memory |
//!
//! | from init | fields |
//! |---|---|
//! | `listen` | address, port, pid, name; repeated. Pid 0: unknown |
//! | `ps` | pid, state, resident bytes, name, command; repeated |
//! | `mem` | resident, page cache and swapped bytes, runnable processes |
//! | `exec` | program, reason |
//! | `crlf` | path, first line |
//! | `noexec` | path |
//! | `noshell` | |
//! | `oom` | |

use crate::memory::Used;
use crate::processes::Process;
use crate::sockets::Listener;
use std::fs::File;
use std::io::Write;

/// An order from dynosim.
#[derive(Clone, Copy)]
pub enum Command {
    Term,
    Kill,
    Hup,
    Int,
    Processes,
    Memory,
}

/// Takes the whole lines out of `unread`; what is no command is passed over.
pub fn take_lines(unread: &mut Vec<u8>) -> Vec<Command> {
    let Some(end) = unread.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
    let lines: Vec<u8> = unread.drain(..=end).collect();
    lines
        .split(|byte| *byte == b'\n')
        .filter_map(|line| match line {
            b"term" => Some(Command::Term),
            b"kill" => Some(Command::Kill),
            b"hup" => Some(Command::Hup),
            b"int" => Some(Command::Int),
            b"ps" => Some(Command::Processes),
            b"mem" => Some(Command::Memory),
            _ => None,
        })
        .collect()
}

/// The way to dynosim. Never blocks: what cannot be written now waits.
pub struct Reporter {
    file: Option<File>,
    unsent: Vec<u8>,
}

impl Reporter {
    /// Where reports go. Nowhere: only the failure to start is told, in words.
    pub fn new(file: Option<File>) -> Self {
        Self { file, unsent: Vec::new() }
    }

    pub fn is_on(&self) -> bool {
        self.file.is_some()
    }

    pub fn listeners(&mut self, listeners: &[Listener]) {
        let mut fields = vec!["listen".to_owned()];
        for one in listeners {
            let (pid, name) = one.process.clone().unwrap_or_default();
            fields.extend([one.address.to_string(), one.port.to_string(), pid.to_string(), name]);
        }
        self.line(&fields);
    }

    pub fn processes(&mut self, processes: &[Process]) {
        let mut fields = vec!["ps".to_owned()];
        for one in processes {
            let command = one.command.clone();
            fields.extend([
                one.pid.to_string(),
                one.state.to_string(),
                one.resident.to_string(),
                one.name.clone(),
                command,
            ]);
        }
        self.line(&fields);
    }

    pub fn memory(&mut self, used: &Used) {
        let numbers = [used.resident, used.cache, used.swapped, used.runnable];
        let fields: Vec<String> =
            std::iter::once("mem".to_owned()).chain(numbers.iter().map(u64::to_string)).collect();
        self.line(&fields);
    }

    pub fn exec_failure(&mut self, program: &str, reason: &str) {
        if self.is_on() {
            self.line(&["exec".to_owned(), program.to_owned(), reason.to_owned()]);
        } else {
            eprintln!("{program}: {reason}");
        }
    }

    pub fn carriage_return(&mut self, path: &str, first_line: &str) {
        self.line(&["crlf".to_owned(), path.to_owned(), first_line.to_owned()]);
    }

    pub fn not_executable(&mut self, path: &str) {
        self.line(&["noexec".to_owned(), path.to_owned()]);
    }

    pub fn no_shell(&mut self) {
        self.line(&["noshell".to_owned()]);
    }

    pub fn out_of_memory(&mut self) {
        self.line(&["oom".to_owned()]);
    }

    fn line(&mut self, fields: &[String]) {
        let escaped: Vec<String> = fields.iter().map(|field| escape(field)).collect();
        self.unsent.extend_from_slice(escaped.join("\t").as_bytes());
        self.unsent.push(b'\n');
        self.flush();
    }

    /// Sends what can be sent now.
    pub fn flush(&mut self) {
        let Some(file) = &mut self.file else { return self.unsent.clear() };
        while !self.unsent.is_empty() {
            match file.write(&self.unsent) {
                Ok(sent @ 1..) => drop(self.unsent.drain(..sent)),
                _ => return,
            }
        }
    }

    /// Sends the rest, and gives a slow reader a second for it.
    pub fn finish(&mut self) {
        for _ in 0..100 {
            self.flush();
            if self.unsent.is_empty() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

/// Tab, line end and backslash as `\t`, `\n`, `\r`, `\\`.
pub fn escape(field: &str) -> String {
    field.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}
