//! Dockerfiles as text: what stands where. The one reader of them, for whoever builds, watches or judges.
//!
//! | file | what |
//! |---|---|
//! | `text` | a logical line and where each of its bytes came from |
//! | `read` | a file to instructions: directives, comments, continuation, here-documents |
//! | `words` | what an instruction takes: flags, exec and shell form, paths, assignments |
//! | `faults` | what the builder refuses, or takes for something else than is meant |
//! | `expand` | `$NAME` and quotes, as the builder reads them |
//! | `stages` | stages, and which of them make the image |
//! | `ignore` | `.dockerignore` |
//!
//! Reading never fails: what the builder would refuse becomes a [`Fault`], and the rest is read all the same, since a file
//! with one wrong line is what people ask about. Every span lies inside the text, on character boundaries.

mod expand;
mod faults;
pub mod ignore;
mod read;
mod stages;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use expand::{LONGEST, Vars, expand, names};
pub use read::{Directive, Dockerfile, Fault, Heredoc, Instruction, read};
pub use stages::{Base, Stage};
pub use text::Text;
pub use words::{Flag, Form, Pair, Word};
