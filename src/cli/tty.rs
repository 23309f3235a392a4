//! The terminal while keys mean something: without echo, each key at once, signals as ever; and always as it was when
//! this program does not have it: after its end, a panic, Ctrl-Z.

use bytes::Bytes;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::style::ResetColor;
use ratatui::crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpgrp, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use std::io::{self, Read};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// Between looks whether the terminal is ours: the shell may have put this job into the background.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };
const PAUSE: Duration = Duration::from_millis(100);

/// How the terminal is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Mode {
    /// As it was.
    Before = 0,
    /// Each key comes at once and is not shown; Ctrl-C, Ctrl-Z and Ctrl-\ are signals.
    Keys = 1,
    /// Every key comes as it is.
    Raw = 2,
    /// As with `Keys`, on a screen of its own: what was there before comes back afterwards.
    Screen = 3,
}

/// What is wanted; there is one terminal.
static WANTED: AtomicU8 = AtomicU8::new(Mode::Before as u8);
/// How it was, and how it is.
static HELD: Mutex<Option<(Termios, u8)>> = Mutex::new(None);

/// Whether the screen of one's own is shown; another number each time it is.
static SCREEN: LazyLock<watch::Sender<Option<u64>>> = LazyLock::new(|| watch::channel(None).0);

/// Whether the screen of one's own is there, now and as that changes: with another number it has nothing on it.
pub(super) fn screen() -> watch::Receiver<Option<u64>> {
    SCREEN.subscribe()
}

/// Puts the screen of one's own there, or takes it away.
fn show_screen(on: bool) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    if on {
        execute!(io::stdout(), EnterAlternateScreen, Hide, Clear(ClearType::All))?;
        SCREEN.send_replace(Some(COUNT.fetch_add(1, Ordering::Relaxed)));
    } else if SCREEN.borrow().is_some() {
        SCREEN.send_replace(None);
        execute!(io::stdout(), ResetColor, Show, LeaveAlternateScreen)?;
    }
    Ok(())
}

fn held() -> MutexGuard<'static, Option<(Termios, u8)>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets how the terminal is to be; done at once when it is ours, else when it is again.
pub(super) fn want(mode: Mode) {
    WANTED.store(mode as u8, Ordering::SeqCst);
    // A terminal that is gone needs no mode.
    let _ = settle();
}

/// Keys until this is dropped; then the terminal is as it was.
pub(super) struct Terminal(());

impl Terminal {
    /// Takes the terminal. Keys come through `to`, in pieces as the terminal sends them.
    pub(super) fn take(mode: Mode, to: mpsc::Sender<Bytes>) -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                let _ = restore();
                before(panic);
            }));
        });
        follow_signals()?;
        want(mode);
        std::thread::spawn(move || read_keys(&to));
        Ok(Self(()))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        want(Mode::Before);
    }
}

/// Whether this job has the terminal. One that has not is stopped by the system when it touches it.
fn is_ours() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp())
}

/// Brings the terminal to what is wanted.
fn settle() -> io::Result<()> {
    if !is_ours() {
        return Ok(());
    }
    let wanted = WANTED.load(Ordering::SeqCst);
    if wanted == Mode::Before as u8 {
        return restore();
    }
    let mut held = held();
    if held.as_ref().is_some_and(|(_, is)| *is == wanted) {
        return Ok(());
    }
    let before = match held.as_ref() {
        Some((before, _)) => before.clone(),
        None => tcgetattr(io::stdin())?,
    };
    let mut now = before.clone();
    if wanted == Mode::Raw as u8 {
        now.make_raw();
        // Output stays as it was: lines of dynosim's own come between what the dyno draws.
        now.output_modes = before.output_modes;
    } else {
        now.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        now.special_codes[SpecialCodeIndex::VMIN] = 1;
        now.special_codes[SpecialCodeIndex::VTIME] = 0;
    }
    tcsetattr(io::stdin(), OptionalActions::Now, &now)?;
    *held = Some((before, wanted));
    show_screen(wanted == Mode::Screen as u8)
}

/// Puts the terminal back as it was.
fn restore() -> io::Result<()> {
    if !is_ours() {
        // Whoever has it now has set it as they like.
        held().take();
        SCREEN.send_replace(None);
        return Ok(());
    }
    let screen = show_screen(false);
    if let Some((before, _)) = held().take() {
        tcsetattr(io::stdin(), OptionalActions::Now, &before)?;
    }
    screen
}

/// Reads until nobody wants keys any more. Only looks while the terminal is not ours: a read would stop the job.
#[allow(clippy::disallowed_methods, reason = "in a thread of its own")]
fn read_keys(to: &mpsc::Sender<Bytes>) {
    let mut buffer = [0; 1024];
    while !to.is_closed() {
        if WANTED.load(Ordering::SeqCst) == Mode::Before as u8 || !is_ours() {
            std::thread::sleep(PAUSE);
            continue;
        }
        let stdin = io::stdin();
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        if settle().is_err() {
            return;
        }
        if !poll(&mut fds, Some(&LOOK)).is_ok_and(|ready| ready > 0) || !is_ours() {
            continue;
        }
        match stdin.lock().read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => {
                if to.blocking_send(Bytes::copy_from_slice(&buffer[..read])).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Ctrl-Z stops and Ctrl-\ ends, as ever, with the terminal put back first; `fg` takes it again.
fn follow_signals() -> io::Result<()> {
    let mut stop = signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?;
    let mut go_on = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
    let mut quit = signal(SignalKind::quit())?;
    tokio::spawn(async move {
        let mut before_stop = Mode::Before as u8;
        loop {
            tokio::select! {
                Some(()) = stop.recv() => {
                    before_stop = WANTED.swap(Mode::Before as u8, Ordering::SeqCst);
                    let _ = restore();
                    let _ = kill_process(getpid(), Signal::STOP);
                }
                Some(()) = go_on.recv() => {
                    // One that was stopped in another way still has its mode.
                    let was = std::mem::replace(&mut before_stop, Mode::Before as u8);
                    if was != Mode::Before as u8 {
                        WANTED.store(was, Ordering::SeqCst);
                    }
                    // The shell may have set the terminal for itself meanwhile.
                    if let Some((_, is)) = held().as_mut() {
                        *is = Mode::Before as u8;
                    }
                    let _ = settle();
                }
                Some(()) = quit.recv() => {
                    let _ = restore();
                    // What a process that SIGQUIT ends says to its shell; what it leaves behind, the next `up` removes.
                    std::process::exit(128 + Signal::QUIT.as_raw());
                }
                else => return,
            }
        }
    });
    Ok(())
}
