//! App output into lines: bytes as they are, any bytes but the newline, cut at 10,000 (R7).
//!
//! A line is stamped when its end, or its 10,000th byte, arrives; further pieces of it repeat that stamp. What is kept
//! between chunks is therefore less than one piece.

use super::line::{STAMP_BYTES, Stamp, write_line};
use crate::model::dyno::DynoName;
use crate::model::limits::LOG_LINE_BYTES;

/// The lines of one dyno's output.
pub(super) struct Splitter {
    /// Stamp and ` app[web.1]: `; the stamp is overwritten for each chunk.
    prefix: Vec<u8>,
    /// The piece of the last line that has come so far; always shorter than a whole piece.
    open: Vec<u8>,
    /// The stamp of the last line's earlier pieces, when it has any.
    begun: Option<Stamp>,
}

impl Splitter {
    pub(super) fn new(dyno: &DynoName) -> Self {
        let mut prefix = vec![b' '; STAMP_BYTES];
        prefix.extend_from_slice(format!(" app[{dyno}]: ").as_bytes());
        Self { prefix, open: Vec::new(), begun: None }
    }

    /// Appends to `out` the lines that these bytes complete.
    pub(super) fn push(&mut self, stamp: &Stamp, bytes: &[u8], out: &mut Vec<u8>) {
        self.prefix[..STAMP_BYTES].copy_from_slice(stamp);
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let line = &bytes[start..end];
            if self.open.is_empty() && self.begun.is_none() && line.len() <= LOG_LINE_BYTES {
                write_line(&self.prefix, line, out);
            } else {
                self.extend(line, out);
                self.end_line(out);
            }
            start = end + 1;
        }
        self.extend(&bytes[start..], out);
    }

    /// Ends the output: a last line without a newline is a line too.
    pub(super) fn finish(&mut self, stamp: &Stamp, out: &mut Vec<u8>) {
        self.prefix[..STAMP_BYTES].copy_from_slice(stamp);
        self.end_line(out);
    }

    /// Adds bytes of one line, writing out each piece that is full.
    fn extend(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while self.open.len() + bytes.len() >= LOG_LINE_BYTES {
            let (piece, later) = bytes.split_at(LOG_LINE_BYTES - self.open.len());
            self.open.extend_from_slice(piece);
            self.write_open(out);
            bytes = later;
        }
        self.open.extend_from_slice(bytes);
    }

    /// A newline right after a full piece ends the line and makes no empty piece.
    fn end_line(&mut self, out: &mut Vec<u8>) {
        if !self.open.is_empty() {
            self.write_open(out);
        }
        self.begun = None;
    }

    fn write_open(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        write_line(&self.prefix, &self.open, out);
        let stamp = &mut out[start..start + STAMP_BYTES];
        match &self.begun {
            Some(first) => stamp.copy_from_slice(first),
            None => self.begun = self.prefix.first_chunk().copied(),
        }
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Splitter;
    use crate::logs::line::{ParsedLine, Stamp};
    use crate::model::dyno::DynoName;
    use crate::model::process_type::ProcessType;
    use proptest::prelude::*;

    const EARLY: &Stamp = b"2026-11-21T03:08:15.000001+00:00";
    const LATE: &Stamp = b"2026-11-21T03:08:15.000002+00:00";

    fn web() -> Splitter {
        Splitter::new(&DynoName::new(ProcessType::web(), 1))
    }

    fn split<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let (mut splitter, mut out) = (web(), Vec::new());
        for chunk in chunks {
            splitter.push(EARLY, chunk, &mut out);
        }
        splitter.finish(EARLY, &mut out);
        out
    }

    fn texts(lines: &[u8]) -> Vec<&[u8]> {
        lines.split_inclusive(|b| *b == b'\n').map(|line| ParsedLine::parse(line).unwrap().text).collect()
    }

    /// What Heroku makes of whole output, said as plainly as it can be.
    fn expected(bytes: &[u8]) -> Vec<&[u8]> {
        let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
        if lines.last().is_some_and(|last| last.is_empty()) {
            lines.pop();
        }
        lines.into_iter().flat_map(|l| if l.is_empty() { vec![l] } else { l.chunks(10_000).collect() }).collect()
    }

    #[test]
    fn r7_lines_are_byte_faithful_with_carriage_returns_empty_lines_and_an_unfinished_end() {
        let out = split([&b"a\r\n\n\xff\x00 "[..], b"b\n", b"> "]);
        assert_eq!(texts(&out), [&b"a\r"[..], b"", b"\xff\x00 b", b"> "]);
        assert!(out.starts_with(b"2026-11-21T03:08:15.000001+00:00 app[web.1]: a\r\n"));
    }

    #[test]
    fn r7_ten_thousand_bytes_are_one_line_and_one_more_makes_two() {
        for (length, pieces) in [(9_999, 1), (10_000, 1), (10_001, 2), (20_000, 2), (20_001, 3)] {
            let mut line = vec![b'x'; length];
            line.push(b'\n');
            assert_eq!(texts(&split([line.as_slice()])).len(), pieces, "{length}");
            assert_eq!(texts(&split(line.chunks(7))).len(), pieces, "{length} in sevens");
            assert_eq!(texts(&split([&line[..length]])).len(), pieces, "{length} unfinished");
        }
    }

    #[test]
    fn r7_the_pieces_of_a_line_share_its_stamp_though_they_come_later() {
        let (mut splitter, mut out) = (web(), Vec::new());
        splitter.push(EARLY, &[b'x'; 10_000], &mut out);
        splitter.push(LATE, &[b'y'; 10_001], &mut out);
        splitter.push(LATE, b"\nnext\n", &mut out);
        let stamps: Vec<&[u8]> = out.split_inclusive(|b| *b == b'\n').map(|line| &line[..32]).collect();
        assert_eq!(stamps, [EARLY, EARLY, EARLY, LATE]);
    }

    fn output() -> impl Strategy<Value = Vec<u8>> {
        let run = prop_oneof![
            4 => proptest::collection::vec(any::<u8>(), 0..40),
            2 => (0..4usize).prop_map(|n| vec![b'\n'; n]),
            2 => (9_998..10_003usize).prop_map(|n| vec![b'x'; n]),
            1 => (0..35_000usize).prop_map(|n| vec![b'y'; n]),
        ];
        proptest::collection::vec(run, 0..8).prop_map(|runs| runs.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_chunking_of_the_same_bytes_gives_the_same_lines(bytes in output(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12)) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let out = split(cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]));
            prop_assert_eq!(texts(&out), expected(&bytes));
        }

        #[test]
        fn joining_the_pieces_of_a_line_gives_it_back(length in 1..40_000usize) {
            let line: Vec<u8> = (0..length).map(|i| b'a' + u8::try_from(i % 26).unwrap()).collect();
            prop_assert_eq!(texts(&split(line.chunks(4_096))).concat(), line);
        }
    }
}
