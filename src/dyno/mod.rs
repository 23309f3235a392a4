//! A dyno: a pure state machine that decides, and a task around it that acts.

pub mod environment;
pub mod explain;
pub mod hints;
pub mod machine;
pub mod metrics;
pub mod task;

pub use machine::{DynoStatus, StopKind};
pub use task::{Attachment, Dyno, DynoPlan};
