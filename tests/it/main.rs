//! Everything that is tested from outside: one binary, one module for each behaviour.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test may panic and read the clock"
)]

mod architecture;
mod cli;
mod detached;
mod engine_build;
mod engine_dyno;
mod harness;
mod https;
mod killed;
mod load;
mod ps_exec;
mod restarts;
mod router_options;
mod scenarios;
mod steer;
mod support;
mod terminal;
mod ui;
mod up;
mod watch;
mod wrong_apps;
