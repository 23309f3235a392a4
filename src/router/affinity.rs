//! Session affinity (§12): a cookie that leads a client back to the dyno it was given first. Off unless asked for.
//!
//! Heroku's cookie is opaque; this one is a dyno's name and start, with a digest over both and a key of this run, so
//! that a forged or a foreign one is no cookie.

use super::Shared;
use super::checkout::Lease;
use super::pool::SlotKey;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use time::Duration;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const NAME: &str = "heroku-session-affinity";
const MAX_AGE: i64 = 86_400;
/// The old, dashed form of a cookie date, as Heroku writes it.
const EXPIRES: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day]-[month repr:short]-[year] [hour]:[minute]:[second] GMT");

/// The dyno that the client's cookie names, if it is a cookie of ours and the dyno still lives.
pub(super) fn session(shared: &Shared, app: &str, headers: &HeaderMap) -> Option<String> {
    if !shared.config.session_affinity {
        return None;
    }
    let live = shared.registry().current();
    let index = live.table.apps.iter().position(|route| route.app == app)?;
    let (_, live) = live.app(index)?;
    let sent = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='))?;
    live.up.iter().find(|slot| token(shared, app, &slot.key) == sent).map(|slot| slot.name.to_string())
}

/// Gives the client a cookie, unless it came with one that led to this dyno.
pub(super) fn remember(
    shared: &Shared,
    app: &str,
    session: Option<&str>,
    lease: &Lease,
    host: Option<&HeaderValue>,
    headers: &mut HeaderMap,
) {
    if !shared.config.session_affinity || session == Some(&*lease.slot().name) {
        return;
    }
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let domain = host.split(':').next().unwrap_or(host);
    let expires = (shared.clock().now() + Duration::seconds(MAX_AGE)).format(EXPIRES).unwrap_or_default();
    let token = token(shared, app, &lease.slot().key);
    let cookie =
        format!("{NAME}={token}; Version=1; Expires={expires}; Max-Age={MAX_AGE}; Domain={domain}; Path=/; HttpOnly");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        headers.append(SET_COOKIE, cookie);
    }
}

fn token(shared: &Shared, app: &str, key: &SlotKey) -> String {
    let mut digest = Sha256::new();
    digest.update(shared.affinity_key);
    digest.update(format!("{app} {} {}", key.name, key.generation));
    let mut token = String::with_capacity(64);
    for byte in digest.finalize() {
        let _ = write!(token, "{byte:02x}");
    }
    token
}
