//! Everything that is tested from outside: one binary, one module for each behaviour.

mod architecture;
mod cli;
mod engine_build;
mod engine_dyno;
mod harness;
mod scenarios;
mod support;
mod up;
mod wrong_apps;
