//! Network error logging: the three headers Heroku adds to responses (§6). Off unless asked for; the address in them
//! is never contacted by dynosim.

use super::Shared;
use super::config::Generation;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::Write as _;

const NEL: HeaderName = HeaderName::from_static("nel");
const REPORT_TO: HeaderName = HeaderName::from_static("report-to");
const REPORTING_ENDPOINTS: HeaderName = HeaderName::from_static("reporting-endpoints");

const POLICY: &str = "{\"report_to\":\"heroku-nel\",\"response_headers\":[\"Via\"],\"max_age\":3600,\
                      \"success_fraction\":0.01,\"failure_fraction\":0.1}";
const LEGACY_POLICY: &str = "{\"report_to\":\"heroku-nel\",\"max_age\":3600,\"success_fraction\":0.005,\
                             \"failure_fraction\":0.05,\"response_headers\":[\"Via\"]}";

/// Adds them to a response's headers, if they are wanted.
pub(super) fn add(headers: &mut HeaderMap, shared: &Shared) {
    if !shared.config.network_error_logging {
        return;
    }
    let secret = [shared.clock().random_bytes(), shared.clock().random_bytes()].concat();
    let sid = shared.clock().random_hex(32);
    let sid = [&sid[..8], &sid[8..12], &sid[12..16], &sid[16..20], &sid[20..]].join("-");
    let time = shared.clock().now().unix_timestamp();
    let url =
        |and: &str| format!("https://nel.heroku.com/reports?s={}{and}sid={sid}{and}ts={time}", url_base64(&secret));
    let policy = match shared.config.generation {
        Generation::Router2 => POLICY,
        Generation::Legacy => LEGACY_POLICY,
    };
    headers.insert(NEL, HeaderValue::from_static(policy));
    // The ampersand is escaped as Go's JSON encoder does.
    let group =
        format!("{{\"group\":\"heroku-nel\",\"endpoints\":[{{\"url\":\"{}\"}}],\"max_age\":3600}}", url("\\u0026"));
    for (name, value) in [(REPORT_TO, group), (REPORTING_ENDPOINTS, format!("heroku-nel=\"{}\"", url("&")))] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// Base64, percent-encoded for a query.
fn url_base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len() * 2);
    for group in bytes.chunks(3) {
        let byte = |n: usize| u32::from(group.get(n).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for n in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * n) & 63) as usize];
            let _ = match digit {
                _ if n > group.len() => write!(out, "%3D"),
                b'+' | b'/' => write!(out, "%{digit:02X}"),
                digit => write!(out, "{}", char::from(digit)),
            };
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::url_base64;

    #[test]
    fn base64_is_padded_and_fit_for_a_query() {
        assert_eq!(url_base64(b"f"), "Zg%3D%3D");
        assert_eq!(url_base64(b"fo"), "Zm8%3D");
        assert_eq!(url_base64(b"foo"), "Zm9v");
        assert_eq!(url_base64(&[0xfb, 0xff, 0xbf]), "%2B%2F%2B%2F");
    }
}
