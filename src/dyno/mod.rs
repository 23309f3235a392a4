//! A dyno: a pure state machine that decides, and a task around it that acts.

pub mod environment;
pub mod explain;
mod handle;
pub mod hints;
pub mod machine;
pub mod metrics;
mod streams;
mod task;
mod words;

pub use handle::{Attachment, Dyno, DynoPlan, Gauge, Keyboard};
pub use machine::{DynoStatus, StopKind, quota_use};
pub use words::LastWords;
