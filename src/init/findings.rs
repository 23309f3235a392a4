//! Why a program did not start: what only a look into the image's own files can tell.

use crate::protocol::Reporter;
use crate::sys;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Tells why the app could not be executed; gives the status a shell would: 127 not found, 126 otherwise.
pub fn report_exec_failure(reporter: &mut Reporter, argv: &[OsString], error: &io::Error) -> i32 {
    let program = argv[0].to_string_lossy();
    let found = sys::find_program(&argv[0]).filter(|path| path.exists());
    let reason = match &found {
        None if !program.contains('/') => "not found in PATH".to_owned(),
        Some(path) if error.kind() == io::ErrorKind::NotFound => missing_interpreter(path),
        _ => words(error),
    };
    reporter.exec_failure(&program, &reason);
    let status = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
    report_scripts(reporter, argv, status);
    status
}

/// The system's words, without std's "(os error 2)".
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(words, _)| words.to_owned())
}

/// The file is there, so what is missing is what it is run by.
fn missing_interpreter(path: &Path) -> String {
    let interpreter = first_bytes(path, 4096).and_then(|bytes| interpreter(&bytes));
    match interpreter {
        Some(name) => format!("its interpreter {name} is not in the image"),
        None => "No such file or directory".to_owned(),
    }
}

/// From the `#!` line of a script, or the loader that a dynamic program names.
fn interpreter(bytes: &[u8]) -> Option<String> {
    if let Some(line) = bytes.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next()?;
        let text = String::from_utf8_lossy(line).trim_start().to_owned();
        return Some(text.split([' ', '\t']).next()?.trim_end().to_owned());
    }
    bytes.starts_with(b"\x7fELF").then_some(())?;
    let start = bytes.windows(5).position(|window| window == b"/lib/" || window == b"/lib6")?;
    let text = bytes[start..].split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// Looks at every file the command names for the usual mistakes.
pub fn report_scripts(reporter: &mut Reporter, argv: &[OsString], status: i32) {
    if !reporter.is_on() {
        return;
    }
    if argv[0] == "/bin/sh" && !Path::new("/bin/sh").exists() {
        return reporter.no_shell();
    }
    let mut seen = Vec::new();
    for path in named_files(argv) {
        if seen.contains(&path) {
            continue;
        }
        if let Some(line) = carriage_return(&path) {
            reporter.carriage_return(&path.to_string_lossy(), &line);
        } else if status == 126 && !sys::may_execute(&path) {
            reporter.not_executable(&path.to_string_lossy());
        }
        seen.push(path);
    }
}

/// The regular files among the words of the command, also of a text for `sh -c`.
fn named_files(argv: &[OsString]) -> Vec<PathBuf> {
    let mut words: Vec<OsString> = argv.to_vec();
    for text in argv.iter().filter_map(|word| word.to_str()).filter(|word| word.contains(char::is_whitespace)) {
        let split = text.split(|c: char| c.is_whitespace() || ";&|()<>".contains(c));
        words.extend(split.map(|word| OsString::from(word.trim_matches(['"', '\'', '`']))));
    }
    let named = |word: &OsString| {
        let path = if word.as_bytes().contains(&b'/') { PathBuf::from(word) } else { sys::find_program(word)? };
        path.is_file().then_some(path)
    };
    words.iter().filter(|word| !word.is_empty() && *word != OsStr::new("-c")).filter_map(named).collect()
}

/// The first line of a script that ends in a carriage return, without it.
fn carriage_return(path: &Path) -> Option<String> {
    let bytes = first_bytes(path, 512)?;
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let line = line.strip_suffix(b"\r").filter(|line| line.starts_with(b"#!"))?;
    Some(String::from_utf8_lossy(line).into_owned())
}

fn first_bytes(path: &Path, count: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(count).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
