//! The only place that writes to stdout and stderr.
//!
//! stdout is for results and the app's log; stderr for what dynosim itself has to say.

use super::bottom;
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

    /// An error and, on the next line, how to mend it.
    pub(super) fn error(self, text: &str, help: Option<&str>) {
        self.err(&format!("{} {text}", self.paint(1, "error:")));
        if let Some(help) = help {
            self.err(&format!(" {} {help}", self.paint(6, "help:")));
        }
    }
}
