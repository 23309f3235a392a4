//! The router's log line of one request (§1).

use super::client::{Origin, Protocol};
use super::config::Generation;
use super::failure::Failure;
use super::{Shared, headers};
use http::header::HOST;
use http::{HeaderValue, Method, Uri, request};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use tokio::time::{Duration, Instant};

/// What the log line of one request says. Holds the request's own header values, so that nothing is copied before
/// the line is written.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) method: Method,
    pub(super) target: Uri,
    pub(super) host: HeaderValue,
    pub(super) request_id: HeaderValue,
    pub(super) forwarded_for: HeaderValue,
    /// The dyno that was chosen, and how long it took to have a connection to it.
    pub(super) dyno: Option<(Arc<str>, Duration)>,
    /// When the request was sent off to the dyno; none when it could not be connected to.
    pub(super) dispatched: Option<Instant>,
    /// The status that was sent to the client, 0 if none was.
    pub(super) status: u16,
    /// Bytes of body that were sent to the client.
    pub(super) body_bytes: u64,
    /// Bytes of the whole response as written to the client's socket; the legacy router counts these.
    pub(super) wire_bytes: u64,
    /// The body was the router's own page.
    pub(super) own_page: bool,
    /// `tls1.3` and the like, on a TLS listener.
    pub(super) tls: Option<&'static str>,
    pub(super) protocol: Protocol,
    /// Why it failed, if it did.
    pub(super) failure: Option<Failure>,
}

impl Record {
    /// What can be said of a request before anything came of it.
    pub(super) fn begin(parts: &request::Parts, origin: Origin, shared: &Shared) -> Self {
        Self {
            method: parts.method.clone(),
            target: parts.uri.clone(),
            host: parts.headers.get(HOST).cloned().unwrap_or_else(|| HeaderValue::from_static("")),
            request_id: headers::request_id(&parts.headers, shared.clock(), shared.config.generation),
            forwarded_for: headers::forwarded_for(&parts.headers, origin),
            dyno: None,
            dispatched: None,
            status: 0,
            body_bytes: 0,
            wire_bytes: 0,
            own_page: false,
            tls: origin.tls,
            protocol: origin.protocol,
            failure: None,
        }
    }

    /// Lets go of the buffer the request was read into, for a request that stays for long.
    pub(super) fn detach(&mut self) {
        for value in [&mut self.host, &mut self.request_id, &mut self.forwarded_for] {
            if let Ok(own) = HeaderValue::from_bytes(value.as_bytes()) {
                *value = own;
            }
        }
        if let Ok(own) = self.target.to_string().parse() {
            self.target = own;
        }
    }

    /// The line, as of now: `service` ends here.
    pub(super) fn line(&self, generation: Generation) -> String {
        let mut line = String::with_capacity(320);
        // Writing to a string cannot fail.
        let _ = self.write(&mut line, generation);
        line
    }

    fn write(&self, line: &mut String, generation: Generation) -> std::fmt::Result {
        let legacy = generation == Generation::Legacy;
        self.write_outcome(line, legacy)?;
        line.extend([" method=", self.method.as_str(), " path=\""]);
        write_path(line, &self.target, legacy);
        line.extend(["\" host=", &text(&self.host), " request_id=", &text(&self.request_id), " fwd=\""]);
        write_escaped(line, text(&self.forwarded_for).as_bytes());
        line.push('"');
        match &self.dyno {
            Some((name, connect)) => {
                line.extend([" dyno=", name, " connect="]);
                write_millis(line, *connect);
            }
            None => line.push_str(" dyno= connect="),
        }
        match self.dispatched {
            Some(at) => {
                line.push_str(" service=");
                write_millis(line, at.elapsed());
            }
            None => line.push_str(" service="),
        }
        line.push_str(" status=");
        match self.logged_status(legacy) {
            0 => {}
            status => line.push_str(itoa::Buffer::new().format(status)),
        }
        line.push_str(" bytes=");
        if let Some(bytes) = self.logged_bytes(legacy) {
            line.push_str(itoa::Buffer::new().format(bytes));
        }
        match (legacy, self.tls) {
            (true, None) => line.push_str(" protocol=http"),
            (true, Some(_)) => line.push_str(" protocol=https"),
            (false, None) => line.extend([" protocol=", self.protocol.logged(), " tls=false"]),
            (false, Some(tls)) => line.extend([" protocol=", self.protocol.logged(), " tls=true tls_version=", tls]),
        }
        Ok(())
    }

    /// `sock=`, `at=`, `code=`, `desc=`, `cause=`. Router 2.0 emits no H26 (§2).
    fn write_outcome(&self, line: &mut String, legacy: bool) -> std::fmt::Result {
        let Some(verdict) = self.failure.map(Failure::verdict).filter(|v| legacy || v.cause.is_none()) else {
            line.push_str("at=info");
            return Ok(());
        };
        if let Some(sock) = verdict.sock {
            write!(line, "sock={sock} ")?;
        }
        write!(line, "at={} code={} desc=\"{}\"", verdict.at, verdict.code.code(), verdict.desc)?;
        match verdict.cause {
            Some(cause) => write!(line, " cause=\"{cause}\""),
            None => Ok(()),
        }
    }

    /// The failure's own status, but for an interrupted response on Router 2.0: what was sent already (§2, H18).
    fn logged_status(&self, legacy: bool) -> u16 {
        match self.failure {
            None => self.status,
            Some(Failure::Interrupted) if !legacy && self.status != 0 => self.status,
            Some(failure) => failure.verdict().status,
        }
    }

    /// Router 2.0 counts body bytes, its own error page among them; the legacy router counts head and body, but not
    /// its own pages; both leave the field empty when a failure kept the request from any dyno (§1, §20 U2).
    fn logged_bytes(&self, legacy: bool) -> Option<u64> {
        let coded = self.failure.is_some_and(|f| legacy || f.verdict().cause.is_none());
        match (coded && self.dyno.is_none(), legacy) {
            (true, _) => None,
            (false, true) if self.own_page => Some(0),
            (false, true) => Some(self.wire_bytes),
            (false, false) => Some(self.body_bytes),
        }
    }
}

/// As much as fits, which is more than any request takes.
fn write_millis(line: &mut String, time: Duration) {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    line.extend([itoa::Buffer::new().format(millis), "ms"]);
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    let bytes = value.as_bytes();
    // What is sound is nearly always seen to be so at once, many bytes at a time.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Path and query: Router 2.0 logs the path percent-decoded, the legacy router as it came.
fn write_path(line: &mut String, target: &Uri, legacy: bool) {
    if legacy {
        write_escaped(line, target.path().as_bytes());
    } else {
        let path = target.path();
        write_escaped(line, &if path.contains('%') { Cow::from(decode(path)) } else { Cow::from(path.as_bytes()) });
    }
    if let Some(query) = target.query() {
        line.push('?');
        write_escaped(line, query.as_bytes());
    }
}

fn decode(path: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    loop {
        rest = match rest {
            [] => return out,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(*high) << 4 | hex(*low));
                rest
            }
            [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Whatever stands in it, it stays inside its quotes and on its line (G10).
fn write_escaped(line: &mut String, bytes: &[u8]) {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if let (true, Ok(text)) = (bytes.iter().all(plain), std::str::from_utf8(bytes)) {
        // Nearly always.
        return line.push_str(text);
    }
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => line.extend(['\\', c]),
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                    let mut encoded = [0; 4];
                    write_percent(line, c.encode_utf8(&mut encoded).as_bytes());
                }
                c => line.push(c),
            }
        }
        write_percent(line, chunk.invalid());
    }
}

fn write_percent(line: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(line, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, write_escaped};

    fn shown(path: &str) -> String {
        let mut line = String::new();
        write_escaped(&mut line, &decode(path));
        line
    }

    #[test]
    fn g8_paths_are_logged_decoded() {
        assert_eq!(shown("/a%20b"), "/a b");
        assert_eq!(shown("/caf%C3%A9"), "/café");
        assert_eq!(shown("/%zz%2"), "/%zz%2");
    }

    #[test]
    fn g10_nothing_in_a_path_can_end_the_field_or_the_line() {
        assert_eq!(shown("/%22%20at=error%0d%0a%5c%ff%00"), "/\\\" at=error%0D%0A\\\\%FF%00");
    }
}
