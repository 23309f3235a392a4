//! What test commands print, as it comes: alone as it is, of several jobs line by line with the job's number.

use crate::cli::printer::Printer;
use crate::engine::Output;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, Write};
use tokio::sync::mpsc;

/// Prints until nobody prints any more.
pub(super) async fn print(printer: Printer, jobs: u32, mut printed: mpsc::Receiver<(u32, Output)>) {
    let mut lines = Lines::default();
    while let Some((job, piece)) = printed.recv().await {
        if printer.json {
            let stream = if piece.stderr { "stderr" } else { "stdout" };
            let text = String::from_utf8_lossy(&piece.bytes);
            printer.out(&json!({"event": "test-output", "job": job, "stream": stream, "text": text}).to_string());
            continue;
        }
        let stderr = piece.stderr;
        let bytes = if jobs == 1 { piece.bytes.to_vec() } else { lines.take(job, &piece) };
        // Nobody reads any more: the tests go on all the same.
        let _ = tokio::task::spawn_blocking(move || write(stderr, &bytes)).await;
    }
    for (stderr, bytes) in lines.rest() {
        let _ = write(stderr, &bytes);
    }
}

fn write(stderr: bool, bytes: &[u8]) -> io::Result<()> {
    if stderr {
        return io::stderr().lock().write_all(bytes);
    }
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Puts pieces together to whole lines.
#[derive(Default)]
struct Lines(BTreeMap<(u32, bool), Vec<u8>>);

impl Lines {
    /// The lines that this piece completes, each with its job's number.
    fn take(&mut self, job: u32, piece: &Output) -> Vec<u8> {
        let partial = self.0.entry((job, piece.stderr)).or_default();
        partial.extend_from_slice(&piece.bytes);
        let Some(end) = memchr::memrchr(b'\n', partial) else { return Vec::new() };
        let whole: Vec<u8> = partial.drain(..=end).collect();
        whole.split_inclusive(|byte| *byte == b'\n').flat_map(|line| numbered(job, line)).collect()
    }

    /// What no newline ended.
    fn rest(self) -> Vec<(bool, Vec<u8>)> {
        let open = self.0.into_iter().filter(|(_, partial)| !partial.is_empty());
        open.map(|((job, stderr), partial)| {
            let mut line = numbered(job, &partial);
            line.push(b'\n');
            (stderr, line)
        })
        .collect()
    }
}

fn numbered(job: u32, line: &[u8]) -> Vec<u8> {
    [format!("[{job}] ").as_bytes(), line].concat()
}

#[cfg(test)]
mod tests {
    use super::Lines;
    use crate::engine::Output;
    use bytes::Bytes;

    #[test]
    fn lines_of_jobs_stay_whole_and_keep_their_number() {
        let mut lines = Lines::default();
        let mut take = |job, stderr, text: &'static str| {
            let piece = Output { stderr, bytes: Bytes::from_static(text.as_bytes()) };
            String::from_utf8(lines.take(job, &piece)).unwrap()
        };
        assert_eq!(take(1, false, "one\ntw"), "[1] one\n");
        assert_eq!(take(2, false, "other\n"), "[2] other\n");
        assert_eq!(take(1, true, "oops\n"), "[1] oops\n");
        assert_eq!(take(1, false, "o\nthree"), "[1] two\n");
        assert_eq!(lines.rest(), [(false, b"[1] three\n".to_vec())]);
    }
}
