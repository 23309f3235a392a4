//! Where the parts meet: builds become releases, releases become dynos, dynos become the router's table.
//!
//! Nothing in here prints or reads arguments; a face passes values in and gets [`report::News`] and log lines out.

pub mod authority;
pub mod builds;
pub mod check;
pub mod commit;
pub mod control;
pub mod deploy;
pub mod down;
pub mod engines;
pub mod env;
pub mod error;
pub mod front;
pub mod heroku;
pub mod interrupt;
pub mod native;
mod observed;
pub mod one_off;
pub mod port;
pub mod project;
pub mod push;
pub mod report;
pub mod scaffold;
pub mod slate;
pub mod state;
pub mod store;
pub mod tested;
pub mod trial;
pub mod trust;
pub mod up;
pub mod wait;
pub mod watch;

pub use error::PlatformError;
