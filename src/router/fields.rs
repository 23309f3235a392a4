//! Where the header lines of a head lie, as its strict scan has found them: what is known once is not looked for again.

use super::headers::ADDED;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header lines of one head.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<Field>);

/// Positions in the head; no head that passes its scan is too long for them.
#[derive(Clone, Copy, Debug)]
struct Field {
    name: u32,
    colon: u32,
    value: u32,
    end: u32,
}

impl Fields {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The header line at `start`, without its line end, with its colon at `colon` in it.
    pub(super) fn push(&mut self, start: usize, line: &[u8], colon: usize) {
        let behind = &line[colon + 1..];
        let value = behind.trim_ascii_start();
        let from = start + colon + 1 + behind.len() - value.len();
        let position = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.0.push(Field {
            name: position(start),
            colon: position(start + colon),
            value: position(from),
            end: position(from + value.trim_ascii_end().len()),
        });
    }

    /// The headers of `head`, whose values stay where they are. What no header can be made of is left out; a scan lets
    /// none of that through.
    pub(super) fn map(&self, head: &Bytes) -> HeaderMap {
        self.map_into(HeaderMap::new(), head)
    }

    /// The same, in a map that is empty and may have room.
    pub(super) fn map_into(&self, mut headers: HeaderMap, head: &Bytes) -> HeaderMap {
        headers.reserve(self.0.len() + ADDED);
        for field in &self.0 {
            let name = head.get(field.name as usize..field.colon as usize).map(HeaderName::from_bytes);
            let (value, end) = (field.value as usize, field.end as usize);
            if let Some(Ok(name)) = name
                && end <= head.len()
                && let Ok(value) = HeaderValue::from_maybe_shared(head.slice(value..end))
            {
                headers.append(name, value);
            }
        }
        headers
    }
}
