//! A dyno's streams: pipes, or a terminal.

use super::orphans;
use crate::engine::{Console, Output, OutputSink};
use bytes::Bytes;
use rustix::pipe::fcntl_setpipe_size;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

/// What is read at once, and what a pipe holds: a dyno that prints fast is woken seldom.
const PIECE: usize = 256 << 10;
/// What a terminal takes for the end of its input.
const END_OF_INPUT: u8 = 4;

/// Reads what the dyno prints, and writes what it reads.
type Reader = pipe::Receiver;
type Writer = pipe::Sender;

fn reader(fd: impl Into<OwnedFd>) -> io::Result<Reader> {
    let fd = fd.into();
    rustix::io::ioctl_fionbio(&fd, true)?;
    pipe::Receiver::from_owned_fd_unchecked(fd)
}

fn writer(fd: impl Into<OwnedFd>) -> io::Result<Writer> {
    let fd = fd.into();
    rustix::io::ioctl_fionbio(&fd, true)?;
    pipe::Sender::from_owned_fd_unchecked(fd)
}

/// Our ends of a dyno's streams.
pub(super) struct Streams {
    output: Reader,
    errors: Option<Reader>,
    input: Option<Writer>,
    /// The master, to set its size.
    terminal: Option<Arc<OwnedFd>>,
}

/// The dyno's ends: input, output, errors.
pub(super) type Ends = [OwnedFd; 3];

/// Makes both ends.
pub(super) fn open(console: Console) -> io::Result<(Streams, Ends)> {
    match console {
        Console::Log => {
            let (output, ours) = from_dyno()?;
            let null = OwnedFd::from(std::fs::File::open("/dev/null")?);
            let streams = Streams { output: ours, errors: None, input: None, terminal: None };
            Ok((streams, [null, output.try_clone()?, output]))
        }
        Console::Pipe => {
            let ((output, ours), (errors, our_errors)) = (from_dyno()?, from_dyno()?);
            let (input, typed) = std::io::pipe()?;
            let input_end = Some(writer(typed)?);
            let streams = Streams { output: ours, errors: Some(our_errors), input: input_end, terminal: None };
            Ok((streams, [input.into(), output, errors]))
        }
        Console::Terminal(columns, rows) => {
            let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
            grantpt(&master)?;
            unlockpt(&master)?;
            let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
            let peer = ioctl_tiocgptpeer(&master, flags)?;
            resize(&master, columns, rows);
            let (output, input) = (reader(master.try_clone()?)?, Some(writer(master.try_clone()?)?));
            let ends = [peer.try_clone()?, peer.try_clone()?, peer];
            Ok((Streams { output, errors: None, input, terminal: Some(Arc::new(master)) }, ends))
        }
    }
}

/// A pipe from the dyno: its end and ours.
fn from_dyno() -> io::Result<(OwnedFd, Reader)> {
    let (ours, theirs) = std::io::pipe()?;
    // The system may grant no more than its usual size.
    let _ = fcntl_setpipe_size(&theirs, PIECE);
    Ok((theirs.into(), reader(ours)?))
}

/// A size that cannot be set costs a misdrawn screen, no more.
fn resize(terminal: &OwnedFd, columns: u16, rows: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let _ = tcsetwinsize(terminal, size);
}

/// The writing side, as an owner has it.
#[derive(Clone)]
pub(super) struct Keyboard {
    typed: mpsc::Sender<Bytes>,
    terminal: Option<Arc<OwnedFd>>,
}

impl Keyboard {
    pub(super) async fn input(&self, bytes: Bytes) {
        // A dyno without input takes none.
        let _ = self.typed.send(bytes).await;
    }

    pub(super) fn resize(&self, columns: u16, rows: u16) {
        if let Some(terminal) = &self.terminal {
            resize(terminal, columns, rows);
        }
    }
}

impl Streams {
    /// Passes on what is typed, until an empty piece closes the input.
    pub(super) fn keyboard(&mut self) -> Keyboard {
        let (typed, given) = mpsc::channel(16);
        if let Some(input) = self.input.take() {
            tokio::spawn(pass_input(input, given, self.terminal.is_some()));
        }
        Keyboard { typed, terminal: self.terminal.clone() }
    }

    /// What they are called among the open files of whoever prints to them.
    pub(super) fn names(&self) -> Vec<String> {
        if let Some(terminal) = &self.terminal {
            let name = rustix::pty::ptsname(terminal, Vec::new()).ok().and_then(|name| name.into_string().ok());
            return name.into_iter().collect();
        }
        [Some(&self.output), self.errors.as_ref()].into_iter().flatten().filter_map(orphans::name_of).collect()
    }

    /// Hands output over until there will be no more.
    pub(super) async fn carry(self, sink: OutputSink) {
        let errors = async {
            if let Some(errors) = self.errors {
                carry(errors, true, &sink).await;
            }
        };
        tokio::join!(carry(self.output, false, &sink), errors);
    }
}

async fn pass_input(mut input: Writer, mut given: mpsc::Receiver<Bytes>, terminal: bool) {
    while let Some(bytes) = given.recv().await {
        let last = bytes.is_empty();
        let written =
            if last && terminal { input.write_all(&[END_OF_INPUT]).await } else { input.write_all(&bytes).await };
        if last || written.is_err() {
            return;
        }
    }
}

async fn carry(mut stream: Reader, stderr: bool, sink: &OutputSink) {
    let mut buffer = vec![0; PIECE];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        // Without a reader the rest is of no use to anybody, but the dyno must not stop for it.
        let _ = sink.send(Output { stderr, bytes: Bytes::copy_from_slice(&buffer[..read]) }).await;
    }
}
