//! Several lines read as one, with the way back to where each byte stands in the file.

use std::ops::Range;

/// Pieces of a file, joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    joined: String,
    /// Where each piece begins: here, and in the file.
    pieces: Vec<(usize, usize)>,
}

impl Text {
    /// Adds a piece that begins at byte `source` of the file.
    pub fn push(&mut self, piece: &str, source: usize) {
        if !piece.is_empty() {
            self.pieces.push((self.joined.len(), source));
            self.joined.push_str(piece);
        }
    }

    /// All pieces as one text.
    pub fn as_str(&self) -> &str {
        &self.joined
    }

    /// Where bytes of the joined text stand in the file: from the first to the last, with whatever lies between.
    pub fn span(&self, range: Range<usize>) -> Range<usize> {
        let start = self.source(range.start);
        if range.end <= range.start {
            return start..start;
        }
        // The last byte, not the end: that may already be the beginning of another piece.
        start..self.source(range.end - 1) + 1
    }

    /// Each piece without blanks at its ends, one blank between them.
    pub fn on_one_line(&self, from: usize) -> String {
        let ends = self.pieces.iter().skip(1).map(|(at, _)| *at).chain([self.joined.len()]);
        let pieces = self.pieces.iter().zip(ends).filter(|(_, end)| *end > from);
        let pieces = pieces.map(|((at, _), end)| self.joined[(*at).max(from)..end].trim());
        pieces.filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(" ")
    }

    fn source(&self, at: usize) -> usize {
        let piece = self.pieces.partition_point(|(start, _)| *start <= at).saturating_sub(1);
        self.pieces.get(piece).map_or(0, |(start, source)| source + at.saturating_sub(*start))
    }
}
