//! Where a dyno can be dialled. Opaque to the router.

use std::fmt;
use std::net::SocketAddr;

/// An address that reaches `$PORT` of one dyno.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint(pub SocketAddr);

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
