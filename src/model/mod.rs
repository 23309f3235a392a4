//! Heroku's vocabulary: plain data, no I/O, no async, no clock.
//!
//! `R` in the docs below is `runtime.md` of the fact sheets (`R5.2` is its section 5.2), `§` is `router.md`.

pub mod app;
pub mod bare;
pub mod codes;
pub mod config_vars;
pub mod domain;
pub mod dyno;
pub mod endpoint;
pub mod exit_code;
pub mod formation;
pub mod glob;
pub mod guide;
pub mod image;
pub mod launch;
pub mod limits;
pub mod log;
pub mod parity;
pub mod process_type;
pub mod release;
pub mod timeouts;
