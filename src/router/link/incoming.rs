//! The body of a response, as its framing delimits it.

use super::super::chunks::{BodyScan, Step};
use super::super::fields::Fields;
use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;

/// What is left of a response's body.
pub(super) enum Incoming {
    /// It is over, or there is none.
    Nothing,
    Length(u64),
    Chunked(Box<BodyScan>),
    /// It ends with the connection.
    Rest,
}

/// What the next bytes of a body are.
pub(super) enum Piece {
    Data(Bytes),
    /// They end it.
    Trailers(HeaderMap),
    /// There is no more.
    End,
    /// Bytes are wanting.
    More,
    /// Not a body.
    Broken,
}

impl Incoming {
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Nothing | Self::Length(0))
    }

    pub(super) fn ends_with_connection(&self) -> bool {
        matches!(self, Self::Rest)
    }

    /// The bytes that are still to come, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        match self {
            Self::Nothing => Some(0),
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::Rest => None,
        }
    }

    /// Takes the next piece out of what was read.
    pub(super) fn next(&mut self, inbox: &mut BytesMut) -> Piece {
        match self {
            Self::Nothing | Self::Length(0) => Piece::End,
            Self::Length(_) | Self::Rest if inbox.is_empty() => Piece::More,
            Self::Length(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(inbox.len());
                *left -= n as u64;
                Piece::Data(inbox.split_to(n).freeze())
            }
            Self::Rest => Piece::Data(inbox.split().freeze()),
            Self::Chunked(scan) => match next_chunk(scan, inbox) {
                Piece::End => {
                    let trailers = scan.take_trailers();
                    *self = Self::Nothing;
                    if trailers.is_empty() { Piece::End } else { Piece::Trailers(read_trailers(trailers)) }
                }
                piece => piece,
            },
        }
    }
}

fn next_chunk(scan: &mut BodyScan, inbox: &mut BytesMut) -> Piece {
    loop {
        match scan.step(inbox) {
            Step::Data(n) => return Piece::Data(inbox.split_to(n).freeze()),
            Step::Between(n) => inbox.advance(n),
            Step::More => return Piece::More,
            Step::End => return Piece::End,
            Step::Broken => return Piece::Broken,
        }
    }
}

/// The headers of sound trailer lines, each with its line feed.
fn read_trailers(lines: Vec<u8>) -> HeaderMap {
    let lines = Bytes::from(lines);
    let mut fields = Fields::default();
    let mut start = 0;
    for line in lines.split_inclusive(|b| *b == b'\n') {
        if let Some(colon) = line.iter().position(|b| *b == b':') {
            fields.push(start, line.trim_ascii_end(), colon);
        }
        start += line.len();
    }
    fields.map(&lines)
}
