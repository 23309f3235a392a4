//! A client of Heroku's Platform API v3, and of nothing else: it asks, and says what Heroku answers. What is released,
//! and whether it may be, is decided above.
//!
//! What it promises:
//! - The key goes to the API alone, in a header, and stands in no error, log or `Debug` text. Plain HTTP is spoken with
//!   this machine only.
//! - A request that may have been carried out is not sent again: lost ones are repeated when they only read, or when they
//!   never left. One that was turned away (429) is repeated whatever it asks, since nothing was done.
//! - Nothing waits for ever: connecting, an answer's head, and each silence in its body have a limit.
//! - An error is in Heroku's own words, with its id and the request's.

mod client;
mod endpoint;
mod error;
mod key;
mod netrc;
mod output;
mod path;
pub mod shapes;

pub use client::{Client, Patience};
pub use endpoint::{BadEndpoint, Endpoint};
pub use error::HerokuError;
pub use key::{Key, KeyError, Origin};
pub use output::Output;
pub use path::part;
