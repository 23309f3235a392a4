//! Clients and suites that were not written here, through the router over real sockets: what they take for granted of
//! a server must hold of it. A suite that is not installed is passed over by name; `.ci/suites` installs and requires
//! them all.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test may panic and read the clock"
)]

mod app;
mod autobahn;
mod curl;
mod h1spec;
mod python;
mod stand;
