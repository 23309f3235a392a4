//! Commands inside a dyno that runs already, beside its own processes: what `ps:exec` needs of an engine.

use super::{Console, EngineError, OutputSink};
use async_trait::async_trait;
use bytes::Bytes;

/// A running dyno, as somebody has it who did not start it.
#[async_trait]
pub trait Inside: Send + Sync {
    /// The first of the shells that the dyno has, as a path; `None` when it has none of them.
    async fn shell(&self) -> Result<Option<String>, EngineError>;
    /// Whether a program is there, looked for as the dyno itself would: by path, or in its `$PATH`.
    async fn has(&self, program: &str) -> Result<bool, EngineError>;
    /// Programs that are in the dyno's `$PATH`, and its own; not all when there are very many.
    async fn programs(&self) -> Result<Vec<String>, EngineError>;
    /// Starts a command as the dyno's own user, with its environment and working directory and under its limits.
    /// `env` is added. Output comes through `output`, which is closed when there will be no more.
    async fn exec(
        &self,
        argv: &[String],
        env: &[(String, String)],
        console: Console,
        output: OutputSink,
    ) -> Result<Box<dyn Guest>, EngineError>;
}

/// A command that runs inside a dyno. It ends at the latest with the dyno.
#[async_trait]
pub trait Guest: Send + Sync {
    /// Writes to its standard input; an empty `Bytes` closes it.
    async fn input(&self, bytes: Bytes);
    /// Tells it its terminal's size.
    async fn resize(&self, columns: u16, rows: u16);
    /// Waits for its end; returns its status, 137 when the dyno ended under it.
    async fn ended(&self) -> Result<i32, EngineError>;
}

/// Shells by how good they are at a terminal, with where distributions and small images put them.
pub const SHELLS: &[&str] =
    &["/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash", "/bin/sh", "/usr/bin/sh", "/bin/ash", "/busybox/sh"];

/// Where programs are looked for when the dyno has no `$PATH`.
pub const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// No more programs are named.
pub(in crate::engine) const MOST_PROGRAMS: usize = 24;

/// The folders of a dyno's `$PATH`, or of the usual one.
pub(in crate::engine) fn folders(path: Option<&str>) -> Vec<String> {
    let folders = path.unwrap_or(USUAL_PATH).split(':');
    folders.filter(|folder| folder.starts_with('/')).map(str::to_owned).collect()
}
