//! Everything that is tested from outside: one binary, one module for each behaviour.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test may panic and read the clock"
)]

mod architecture;
mod check;
mod check_confirmed;
mod cli;
mod detached;
mod engine_build;
mod engine_dyno;
mod examples;
mod harness;
mod hosted;
mod https;
mod init;
mod init_templates;
mod killed;
mod load;
mod native;
mod proxy;
mod ps_exec;
mod push;
mod registry;
mod restarts;
mod router_options;
mod scenarios;
mod stand_in;
mod steer;
mod support;
mod terminal;
mod test_command;
mod told;
mod tutorial;
mod ui;
mod up;
mod watch;
mod without_images;
mod workflow;
mod wrong_apps;
