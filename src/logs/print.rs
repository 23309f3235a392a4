//! From a follower to a terminal, a pipe or a file.

use super::follower::Follower;
use super::render::Renderer;
use std::io;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// How printing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Printed {
    /// Everything was printed.
    All,
    /// Whoever read has gone, as `head` does; no error.
    ReaderGone,
}

/// Prints what a follower gives until it ends; for standard output `out` is an [`Outlet`](super::Outlet). A reader that
/// does not read makes this wait, and nothing else.
///
/// # Errors
/// The journal cannot be read, or `out` cannot be written to for another reason than that its reader has gone.
pub async fn print<W: AsyncWrite + Unpin>(
    follower: &mut Follower,
    renderer: &mut Renderer,
    out: &mut W,
) -> io::Result<Printed> {
    while let Some(lines) = follower.next_lines().await? {
        let written = async {
            out.write_all(renderer.render(lines)).await?;
            out.flush().await
        };
        match written.await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Printed::ReaderGone),
            Err(error) => return Err(error),
        }
    }
    Ok(Printed::All)
}
