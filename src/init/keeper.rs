//! The keeper: init's parent, outside of the dyno. It waits for init, sees that nothing of the dyno is left, tells which
//! files are lost, and ends with init's status.
//!
//! Its standard input is the socket that dynosim started the dyno through.

use crate::processes::Reach;
use crate::protocol::escape;
use crate::sys;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::exit;

/// A dyno that fills its disk with files need not have each of them named.
const MOST_LOST: usize = 200;

/// `child=PID`, `tree`, and pairs of `upper=FD` (a folder that holds what was written) and `shown=PATH` (what the dyno
/// saw it as).
pub fn keep(words: impl Iterator<Item = OsString>) -> ! {
    sys::forbid_inspection();
    let (mut child, mut reach, mut uppers) = (0, Reach::Space, Vec::new());
    for word in words {
        let word = word.to_string_lossy().into_owned();
        match word.split_once('=') {
            Some(("child", pid)) => child = pid.parse().unwrap_or(0),
            Some(("upper", fd)) => uppers.push((fd.to_owned(), String::new())),
            Some(("shown", path)) => {
                if let Some(last) = uppers.last_mut() {
                    path.clone_into(&mut last.1);
                }
            }
            _ => reach = Reach::Tree,
        }
    }
    sys::keep_only(&uppers.iter().filter_map(|(fd, _)| fd.parse().ok()).collect::<Vec<i32>>());
    let status = loop {
        match sys::reap_next() {
            sys::Reaped::Child(pid, status) if pid == child => break status,
            sys::Reaped::NoChildren => break 137,
            _ => {}
        }
    };
    if reach == Reach::Tree {
        sys::end_all(reach);
    }
    tell_lost(&uppers);
    exit(status)
}

fn tell_lost(uppers: &[(String, String)]) {
    let mut lines = Vec::new();
    for (fd, shown) in uppers {
        walk(Path::new(&format!("/proc/self/fd/{fd}")), shown.trim_end_matches('/'), &mut lines);
    }
    let mut socket: File = sys::standard_input();
    // Nobody who listens is nobody who would show them.
    let _ = socket.write_all(lines.concat().as_bytes());
}

fn walk(folder: &Path, shown: &str, lines: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(facts) = entry.metadata() else { continue };
        let path = format!("{shown}/{}", entry.file_name().to_string_lossy());
        if facts.is_dir() {
            walk(&entry.path(), &path, lines);
        } else if !(facts.file_type().is_char_device() && facts.rdev() == 0) && lines.len() < MOST_LOST {
            // That device stands for a file that was removed.
            lines.push(format!("lost\t{}\t{}\n", escape(&path), facts.len()));
        }
    }
}
