//! The only place that writes to stdout and stderr.
//!
//! stdout is for results and the app's log; stderr for what dynosim itself has to say.

use super::bottom;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// Where and how to write; a value that is passed down.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "four independent facts about two streams")]
pub(super) struct Printer {
    /// Colour on stdout.
    pub(super) out_colour: bool,
    /// Colour on stderr.
    pub(super) err_colour: bool,
    /// stderr is a terminal: progress may be drawn and redrawn.
    pub(super) live: bool,
    /// One JSON object per line on stdout.
    pub(super) json: bool,
}

impl Printer {
    /// By what the streams are, `NO_COLOR` and the options.
    pub(super) fn new(json: bool, no_colour: bool) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self { out_colour: out && !no_colour && !json, err_colour: err && !no_colour, live: err && !json, json }
    }

    /// A line for stdout. `false` when nobody reads it any more.
    #[allow(clippy::unused_self, reason = "who prints must hold a printer")]
    pub(super) fn out(self, line: &str) -> bool {
        bottom::above(format!("{line}\n").as_bytes(), &mut io::stdout().lock()).is_ok()
    }

    /// Lines for stdout.
    pub(super) fn out_all(self, lines: &[String]) {
        for line in lines {
            self.out(line);
        }
    }

    /// A list or an object for stdout, as the API has it.
    pub(super) fn out_json(self, value: &impl Serialize) -> serde_json::Result<()> {
        self.out(&serde_json::to_string_pretty(value)?);
        Ok(())
    }

    /// Output of something else, passed on as it comes: to stdout, or beside the JSON that stands there.
    pub(super) fn pass_on(self, bytes: &[u8]) {
        // Nobody can be told that nobody reads.
        let _ = if self.json {
            io::stderr().lock().write_all(bytes)
        } else {
            let mut out = io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        };
    }

    /// A line for stderr.
    pub(super) fn err(self, line: &str) {
        // In one piece: on a terminal the log on stdout may come between two.
        let whole = format!("{line}\n");
        // Nobody can be told that stderr is gone.
        let _ = if self.live {
            bottom::above(whole.as_bytes(), &mut io::stderr().lock())
        } else {
            io::stderr().lock().write_all(whole.as_bytes())
        };
    }

    /// A part of a line for stderr, shown at once.
    #[allow(clippy::unused_self, reason = "who prints must hold a printer")]
    pub(super) fn err_part(self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// `text` in a colour of stderr: 1 red, 2 green, 3 yellow, 6 cyan; bold.
    pub(super) fn paint(self, colour: u8, text: &str) -> String {
        if self.err_colour { format!("\x1b[1;3{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// `text` dimmed on stderr.
    pub(super) fn dim(self, text: &str) -> String {
        if self.err_colour { format!("\x1b[2m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Something to look at, on stderr.
    pub(super) fn warn(self, text: &str) {
        self.err(&format!("{} {text}", self.paint(3, "warning:")));
    }

    /// Says on stderr what is being done, and what came of it.
    pub(super) async fn progress<T, E>(
        self,
        doing: &str,
        work: impl Future<Output = Result<(T, String), E>>,
    ) -> Result<T, E> {
        self.err_part(&format!("{doing}... "));
        match work.await {
            Ok((value, outcome)) => {
                self.err(&outcome);
                Ok(value)
            }
            Err(error) => {
                self.err("!");
                Err(error)
            }
        }
    }

    /// An error and, on the next line, how to mend it.
    pub(super) fn error(self, text: &str, help: Option<&str>) {
        self.err(&format!("{} {text}", self.paint(1, "error:")));
        if let Some(help) = help {
            self.err(&format!(" {} {help}", self.paint(6, "help:")));
        }
    }
}
