//! Everything that is tested from outside: one binary, one module for each behaviour.

mod architecture;
mod cli;
mod harness;
mod scenarios;
mod support;
mod up;
mod wrong_apps;
