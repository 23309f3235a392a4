//! Changes to what hyper writes, for the few things it will not write itself (§15): `HTTP/1.1` to an HTTP/1.0 client,
//! the `Content-Length` and `Transfer-Encoding` of answers without a body, and trailers nobody announced.
//!
//! hyper hands over all bytes it holds, from one flat buffer, so a head begins where a write begins, and the end of a
//! chunked body is where a write ends. A replacement stands for some of hyper's bytes and is written in their place.

use super::headers;
use http::HeaderMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// What hyper writes when it asks for a body on behalf of the app.
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The changes that are due.
#[derive(Debug, Default)]
pub(super) struct Splice {
    /// Lines to put behind the status line of the response head that comes next.
    head: Option<Vec<u8>>,
    /// Trailer lines to put between hyper's last chunk and its final line end.
    trailers: Option<Vec<u8>>,
    replacement: Option<Replacement>,
    /// hyper's own `100 Continue` is not written.
    muted: bool,
}

#[derive(Debug)]
struct Replacement {
    bytes: Vec<u8>,
    written: usize,
    /// How many of hyper's bytes it stands for.
    stands_for: usize,
}

impl Splice {
    /// Puts `lines` into the next response head, and makes its version 1.1.
    pub(super) fn head(&mut self, lines: Vec<u8>) {
        self.head = Some(lines);
    }

    /// Leaves out hyper's own `100 Continue`, if that comes next.
    pub(super) fn mute_continue(&mut self) {
        self.muted = true;
    }

    /// Puts these trailers at the end of the chunked body that is being written.
    pub(super) fn trailers(&mut self, trailers: &HeaderMap) {
        let lines = trailer_lines(trailers);
        self.trailers = (!lines.is_empty()).then_some(lines);
    }

    /// Writes some of `bytes`, changed as is due; the answer counts hyper's bytes.
    pub(super) fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        to: &mut W,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.head.is_none() && self.trailers.is_none() && self.replacement.is_none() && !self.muted {
            return Pin::new(to).poll_write(cx, bytes);
        }
        if self.replacement.is_none() {
            self.replacement = self.plan(bytes);
        }
        let Some(replacement) = &mut self.replacement else {
            let end = if self.trailers.is_some() { bytes.len().saturating_sub(2).max(1) } else { bytes.len() };
            return Pin::new(to).poll_write(cx, &bytes[..end]);
        };
        while replacement.written < replacement.bytes.len() {
            let n = ready!(Pin::new(&mut *to).poll_write(cx, &replacement.bytes[replacement.written..]))?;
            if n == 0 {
                return Poll::Ready(Ok(0));
            }
            replacement.written += n;
        }
        let stands_for = replacement.stands_for;
        self.replacement = None;
        Poll::Ready(Ok(stands_for))
    }

    fn plan(&mut self, bytes: &[u8]) -> Option<Replacement> {
        if bytes.starts_with(CONTINUE) {
            let muted = std::mem::take(&mut self.muted);
            let bytes = if muted { Vec::new() } else { CONTINUE.to_vec() };
            return Some(Replacement { bytes, written: 0, stands_for: CONTINUE.len() });
        }
        // It comes first or not at all.
        self.muted = false;
        if self.head.is_some() && bytes.starts_with(b"HTTP/1.") {
            let end = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
            let lines = self.head.take()?;
            let bytes = [b"HTTP/1.1", &bytes[8..end], &lines].concat();
            return Some(Replacement { bytes, written: 0, stands_for: end });
        }
        if self.trailers.is_some() && bytes == b"\r\n" {
            let mut bytes = self.trailers.take()?;
            bytes.extend_from_slice(b"\r\n");
            return Some(Replacement { bytes, written: 0, stands_for: 2 });
        }
        None
    }
}

pub(super) fn trailer_lines(trailers: &HeaderMap) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in trailers.iter().filter(|(name, _)| headers::is_trailer(name)) {
        write_line(&mut lines, name, value);
    }
    lines
}

/// One header line, its name in Title-Case.
pub(super) fn write_line(lines: &mut Vec<u8>, name: &http::HeaderName, value: &http::HeaderValue) {
    let at = lines.len();
    lines.extend_from_slice(name.as_str().as_bytes());
    let mut first = true;
    for byte in &mut lines[at..] {
        if first {
            byte.make_ascii_uppercase();
        }
        first = *byte == b'-';
    }
    lines.extend_from_slice(b": ");
    lines.extend_from_slice(value.as_bytes());
    lines.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::Splice;
    use http::HeaderMap;
    use std::future::poll_fn;
    use tokio::io::AsyncReadExt;

    /// What arrives when hyper's `bytes` go through a pipe that takes `pipe` bytes at a time.
    async fn written(mut splice: Splice, bytes: &'static [u8], pipe: usize) -> String {
        let (mut near, mut far) = tokio::io::duplex(pipe);
        let writer = tokio::spawn(async move {
            let mut at = 0;
            while at < bytes.len() {
                at += poll_fn(|cx| splice.poll_write(&mut near, cx, &bytes[at..])).await.unwrap();
            }
        });
        let mut out = Vec::new();
        far.read_to_end(&mut out).await.unwrap();
        writer.await.unwrap();
        String::from_utf8(out).unwrap()
    }

    #[tokio::test]
    async fn heads_and_trailers_are_changed_whatever_the_socket_takes_at_once() {
        for pipe in [1, 2, 3, 7, 1000] {
            let mut splice = Splice::default();
            splice.head(b"Content-Length: 14\r\n".to_vec());
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", "1".parse().unwrap());
            trailers.insert("content-length", "9".parse().unwrap());
            splice.trailers(&trailers);
            let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nDate: x\r\n\r\n1\r\na\r\n0\r\n\r\n";
            assert_eq!(
                written(splice, bytes, pipe).await,
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 14\r\nDate: x\r\n\r\n\
                 1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n",
                "pipe of {pipe}"
            );
        }
    }
}
