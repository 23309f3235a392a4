//! `dynosim ui`: a running app on the whole screen. A client of its API and nothing else.
//!
//! `feed` tells what happens, `state` is what there is to show, `render` shows it; this file is the loop between them.
//! Bytes of the terminal become keys as at the terminal of an `up`.

mod acts;
mod feed;
mod keymap;
mod lay;
mod line;
mod log;
mod plain;
mod render;
mod state;
#[cfg(test)]
mod tests;
mod traffic;
mod words;

use super::attach::how_to_start;
use super::keys::decode;
use super::remote::Remote;
use super::session::{Session, environment};
use super::terminal;
use super::tty::{self, Mode, Terminal as Tty};
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use bytes::Bytes;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use render::Paint;
use state::{Command, Event, Order, State};
use std::io::{self, Stdout};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// Between two pictures at least: a log that runs is not read faster.
const FRAME: Duration = Duration::from_millis(40);
/// Ages and rates are looked at this often.
const TICK: Duration = Duration::from_secs(1);
/// Events that may wait.
const QUEUE: usize = 64;

pub(super) async fn run(session: &Session) -> Result<ExitCode, PlatformError> {
    let printer = session.printer;
    if !terminal::is_interactive() || environment("TERM").as_deref() == Some("dumb") || printer.json {
        let help = "without one, or with --json: `dynosim ps`, `dynosim releases`, `dynosim logs -t`, `dynosim events`";
        printer.error("ui draws on the whole screen: its input and output must be a terminal", Some(help));
        return Ok(super::code(Code::Usage));
    }
    let place = session.place()?;
    let identity = place.identity()?;
    let app = place.state(&identity)?;
    let folder = identity.root.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = folder.unwrap_or_else(|| "the app".into());
    let state = State::new(plain::plain(&name), how_to_start(session), terminal::size(), session.clock.now());
    let screen = Screen { session, state, remote: Remote { state: app }, paint: Paint { colour: printer.out_colour } };
    let ended = screen.run().await.map_err(PlatformError::io("use the terminal"))?;
    Ok(super::code(ended))
}

struct Screen<'s> {
    session: &'s Session,
    state: State,
    remote: Remote,
    paint: Paint,
}

/// Why it ends.
enum Wake {
    Event(Option<Event>),
    Keys(Option<Bytes>),
    Size,
    Tick,
    Draw,
    Shown,
    Ended(Code),
}

impl Screen<'_> {
    async fn run(mut self) -> io::Result<Code> {
        let (events, mut happened) = mpsc::channel(QUEUE);
        let (typed, mut keys) = mpsc::channel(QUEUE);
        let mut shown = tty::screen();
        let mut sizes = signal(SignalKind::window_change())?;
        let mut term = signal(SignalKind::terminate())?;
        let mut hup = signal(SignalKind::hangup())?;
        let mut int = signal(SignalKind::interrupt())?;
        let _tty = Tty::take(Mode::Screen, typed)?;
        let feed = tokio::spawn(feed::run(self.remote.state.clone(), events.clone()));
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut canvas: Option<Canvas> = None;
        let mut drawn = Instant::now();
        let mut due = Some(drawn);
        let ended = loop {
            let wake = tokio::select! {
                biased;
                _ = term.recv() => Wake::Ended(Code::Interrupted),
                _ = hup.recv() => Wake::Ended(Code::Interrupted),
                // As in `attach`: who leaves has not interrupted anything.
                _ = int.recv() => Wake::Ended(Code::Ok),
                pressed = keys.recv() => Wake::Keys(pressed),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Wake::Draw,
                _ = shown.changed() => Wake::Shown,
                _ = sizes.recv() => Wake::Size,
                _ = tick.tick() => Wake::Tick,
                event = happened.recv() => Wake::Event(event),
            };
            let order = match wake {
                Wake::Ended(code) => break code,
                Wake::Keys(None) => break Code::Ok,
                Wake::Keys(Some(bytes)) => {
                    let orders = decode(&bytes).into_iter().filter_map(|key| self.state.on(Event::Key(key)));
                    orders.collect::<Vec<Order>>()
                }
                Wake::Draw => {
                    due = None;
                    drawn = Instant::now();
                    self.draw(&mut canvas, &shown)?;
                    continue;
                }
                Wake::Shown => Vec::new(),
                Wake::Size => {
                    let (columns, rows) = terminal::size();
                    self.state.on(Event::Size(columns, rows)).into_iter().collect()
                }
                Wake::Tick => self.state.on(Event::Time(self.session.clock.now())).into_iter().collect(),
                Wake::Event(event) => event.and_then(|event| self.state.on(event)).into_iter().collect(),
            };
            if order.iter().any(|order| order.command == Command::Quit) {
                break Code::Ok;
            }
            for order in order {
                tokio::spawn(carry_out(self.remote.clone(), order, events.clone()));
            }
            due = due.or(Some(drawn + FRAME));
        };
        feed.abort();
        Ok(ended)
    }

    /// Draws, where the screen is ours; on one that has just come, everything anew.
    fn draw(&mut self, canvas: &mut Option<Canvas>, shown: &watch::Receiver<Option<u64>>) -> io::Result<()> {
        let Some(number) = *shown.borrow() else { return Ok(()) };
        // It may have changed before anybody listened, or while this job was stopped.
        let (columns, rows) = terminal::size();
        self.state.on(Event::Size(columns, rows));
        if canvas.as_ref().is_none_or(|canvas| canvas.number != number) {
            *canvas = Some(Canvas { number, terminal: Terminal::new(CrosstermBackend::new(io::stdout()))? });
        }
        if let Some(canvas) = canvas {
            canvas.terminal.draw(|frame| render::draw(&self.state, self.paint, frame))?;
        }
        Ok(())
    }
}

/// What was drawn on a screen.
struct Canvas {
    number: u64,
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

/// Asks the app, and tells what came of it.
async fn carry_out(remote: Remote, order: Order, to: mpsc::Sender<Event>) {
    let said = match &order.command {
        Command::Restart(which) => remote.restart(which).await,
        Command::Stop(which) => remote.stop(which).await,
        Command::Scale(words) => remote.scale(words).await,
        Command::Maintenance(on) => remote.set_maintenance(*on).await,
        Command::Rollback(version) => remote.rollback(*version).await,
        Command::Rebuild => remote.rebuild().await,
        Command::Quit => return,
    };
    let _ = to.send(Event::Done(said, order.undo)).await;
}
