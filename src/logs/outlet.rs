//! Standard output, or another file descriptor, that waits for its reader as long as it takes.
//!
//! Not tokio's own stdout: another program that shares the terminal or pipe may have made it non-blocking (Node does),
//! and then a write that finds it full fails, with part of the bytes gone. Here it waits instead.

use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;
use tokio::task::JoinHandle;

/// Taken at a time.
const CHUNK: usize = 256 * 1024;

/// Writes on the blocking pool, one chunk ahead of the caller. A reader that never reads holds one of the pool's
/// threads: a program that wants to end nevertheless must not wait for that thread
/// ([`Runtime::shutdown_background`](tokio::runtime::Runtime::shutdown_background), `process::exit`).
pub struct Outlet {
    file: Arc<File>,
    work: Work,
}

enum Work {
    Idle(Vec<u8>),
    Writing(JoinHandle<(Vec<u8>, io::Result<()>)>),
}

impl Outlet {
    /// Standard output.
    ///
    /// # Errors
    /// There is none, or no descriptor is free.
    pub fn stdout() -> io::Result<Self> {
        Ok(Self::new(io::stdout().as_fd().try_clone_to_owned()?))
    }

    /// Any descriptor.
    pub fn new(fd: OwnedFd) -> Self {
        Self { file: Arc::new(File::from(fd)), work: Work::Idle(Vec::new()) }
    }

    /// Waits for the write under way.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut Vec<u8>>> {
        if let Work::Writing(writing) = &mut self.work {
            let (buffer, result) = ready!(Pin::new(writing).poll(cx)).unwrap_or_else(|e| (Vec::new(), Err(e.into())));
            self.work = Work::Idle(buffer);
            result?;
        }
        match &mut self.work {
            Work::Idle(buffer) => Poll::Ready(Ok(buffer)),
            Work::Writing(_) => Poll::Pending,
        }
    }
}

impl AsyncWrite for Outlet {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut buffer = std::mem::take(ready!(self.poll_idle(cx))?);
        let some = &bytes[..bytes.len().min(CHUNK)];
        buffer.clear();
        buffer.extend_from_slice(some);
        let file = self.file.clone();
        self.work = Work::Writing(tokio::task::spawn_blocking(move || {
            let result = write_patiently(&file, &buffer);
            (buffer, result)
        }));
        Poll::Ready(Ok(some.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_idle(cx))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

fn write_patiently(mut file: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(some) => bytes = &bytes[some..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for_room(file)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn wait_for_room(file: &File) -> io::Result<()> {
    match poll(&mut [PollFd::new(file, PollFlags::OUT)], None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::Outlet;
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    use std::io::{self, Read};
    use tokio::io::AsyncWriteExt;

    fn outlet(non_blocking: bool) -> (Outlet, io::PipeReader) {
        let (reader, writer) = io::pipe().unwrap();
        if non_blocking {
            fcntl_setfl(&writer, fcntl_getfl(&writer).unwrap() | OFlags::NONBLOCK).unwrap();
        }
        (Outlet::new(writer.into()), reader)
    }

    #[tokio::test]
    async fn a_full_pipe_is_waited_for_even_if_somebody_made_it_non_blocking() {
        for non_blocking in [false, true] {
            let (mut outlet, mut reader) = outlet(non_blocking);
            let sent: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
            let copy = sent.clone();
            let sending = tokio::spawn(async move {
                outlet.write_all(&copy).await?;
                outlet.flush().await
            });
            let received = tokio::task::spawn_blocking(move || {
                let mut all = Vec::new();
                reader.read_to_end(&mut all).map(|_| all)
            });
            sending.await.unwrap().unwrap();
            assert!(received.await.unwrap().unwrap() == sent);
        }
    }

    #[tokio::test]
    async fn a_pipe_that_nobody_reads_any_more_is_broken() {
        let (mut outlet, reader) = outlet(false);
        drop(reader);
        outlet.write_all(b"x").await.unwrap();
        assert_eq!(outlet.flush().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
