//! Journal lines as a person or a program wants to see them. The app's own bytes are never changed.

use super::line::{ParsedLine, STAMP_BYTES};
use crate::model::log::Source;
use memchr::memmem;

/// How lines are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As Heroku prints them, bytes as they are; dynosim's explanations without stamp and source.
    Plain,
    /// The same for a terminal: a colour for each dyno, errors that stand out.
    Colour,
    /// An object per line: `time`, `source`, `dyno`, `message`.
    Json,
}

/// Turns journal lines into what is printed; reuses its memory.
pub struct Renderer {
    style: Style,
    explanation: memmem::Finder<'static>,
    out: Vec<u8>,
}

const RESET: &[u8] = b"\x1b[0m";
/// Also undoes a colour that the app left on.
const DIM: &[u8] = b"\x1b[0;2m";
const ERROR: &[u8] = b"\x1b[1;31m";
const EXPLANATION: &[u8] = b"\x1b[1m";
/// Cyan, yellow, green, magenta, blue, and their bright kin; red is for errors.
const COLOURS: [&[u8]; 10] = [
    b"\x1b[36m",
    b"\x1b[33m",
    b"\x1b[32m",
    b"\x1b[35m",
    b"\x1b[34m",
    b"\x1b[96m",
    b"\x1b[93m",
    b"\x1b[92m",
    b"\x1b[95m",
    b"\x1b[94m",
];

#[derive(serde::Serialize)]
struct JsonLine<'a> {
    /// Always `log`: tells lines of the log from other events of the same stream.
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dyno: Option<&'a str>,
    message: &'a str,
}

impl Renderer {
    /// A renderer of this style. Whether there is a terminal, or `NO_COLOR`, is the caller's to find out.
    pub fn new(style: Style) -> Self {
        Self { style, explanation: memmem::Finder::new(" dynosim["), out: Vec::new() }
    }

    /// Renders whole journal lines.
    pub fn render<'a>(&'a mut self, lines: &'a [u8]) -> &'a [u8] {
        if self.style == Style::Plain && self.explanation.find(lines).is_none() {
            return lines;
        }
        self.out.clear();
        for line in lines.split_inclusive(|b| *b == b'\n') {
            match self.style {
                Style::Plain => plain(line, &mut self.out),
                Style::Colour => colour(line, &mut self.out),
                Style::Json => json(line, &mut self.out),
            }
        }
        &self.out
    }
}

fn plain(line: &[u8], out: &mut Vec<u8>) {
    match ParsedLine::parse(line) {
        Some(ParsedLine { source: Source::Dynosim, text, .. }) => push_all(out, &[text, b"\n"]),
        _ => out.extend_from_slice(line),
    }
}

fn colour(line: &[u8], out: &mut Vec<u8>) {
    let Some(parsed) = ParsedLine::parse(line) else { return push_all(out, &[RESET, line]) };
    if parsed.source == Source::Dynosim {
        return push_all(out, &[RESET, EXPLANATION, parsed.text, RESET, b"\n"]);
    }
    let head = &line[STAMP_BYTES..line.len() - parsed.text.len() - usize::from(line.ends_with(b"\n"))];
    push_all(out, &[DIM, parsed.time.as_bytes(), RESET, colour_of(parsed.process), head, RESET]);
    if is_error(&parsed) {
        push_all(out, &[ERROR, parsed.text, RESET, b"\n"]);
    } else if memchr::memchr(b'\x1b', parsed.text).is_some() {
        push_all(out, &[parsed.text, RESET, b"\n"]);
    } else {
        push_all(out, &[parsed.text, b"\n"]);
    }
}

fn json(line: &[u8], out: &mut Vec<u8>) {
    let parsed = ParsedLine::parse(line);
    let text = parsed.map_or(line.strip_suffix(b"\n").unwrap_or(line), |parsed| parsed.text);
    let object = JsonLine {
        event: "log",
        time: parsed.map(|parsed| parsed.time),
        source: parsed.map(|parsed| parsed.source.as_str()),
        dyno: parsed.map(|parsed| parsed.process),
        message: &String::from_utf8_lossy(text),
    };
    // Strings into memory: neither can fail.
    if serde_json::to_writer(&mut *out, &object).is_ok() {
        out.push(b'\n');
    }
}

/// The router's errors, and the R and L codes.
fn is_error(line: &ParsedLine<'_>) -> bool {
    let text = line.text;
    let code = text.strip_prefix(b"Error ").and_then(|rest| rest.first());
    let coded = code.is_some_and(|letter| matches!(letter, b'H' | b'L' | b'R'));
    match line.source {
        Source::Heroku => coded || text.starts_with(b"at=error"),
        Source::App => coded && line.process == "log-shuttle",
        Source::Dynosim => false,
    }
}

/// Always the same for the same name; the dynos of one type are told apart.
fn colour_of(process: &str) -> &'static [u8] {
    let (kind, number) = process.split_once('.').unwrap_or((process, "0"));
    let kind = kind.bytes().fold(0usize, |sum, b| sum.wrapping_mul(31).wrapping_add(usize::from(b)));
    let number = number.parse::<usize>().unwrap_or(0);
    COLOURS[kind.wrapping_add(number) % COLOURS.len()]
}

fn push_all(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::{Renderer, Style, colour_of};

    const TS: &str = "2026-11-21T03:08:15.123456+00:00";

    fn render(style: Style, line: &str) -> String {
        String::from_utf8(Renderer::new(style).render(line.as_bytes()).to_vec()).unwrap()
    }

    #[test]
    fn r7_plain_lines_are_the_journal_s_and_explanations_stand_alone() {
        let lines = format!("{TS} heroku[web.1]: Error R10 (Boot timeout)\n{TS} app[web.1]: ok\n");
        assert_eq!(render(Style::Plain, &lines), lines);
        let why = format!("{lines}{TS} dynosim[web.1]: web.1 listens on 127.0.0.1:3000\nnot a line\n");
        assert_eq!(render(Style::Plain, &why), format!("{lines}web.1 listens on 127.0.0.1:3000\nnot a line\n"));
        let quoted = format!("{TS} app[web.1]: says dynosim[web.1]: x\n");
        assert_eq!(render(Style::Plain, &quoted), quoted);
    }

    #[test]
    fn bytes_that_are_not_text_come_out_as_they_went_in() {
        let line = [TS.as_bytes(), b" app[web.1]: \xff\x00\x1b[2J\r\n"].concat();
        assert_eq!(Renderer::new(Style::Plain).render(&line), line);
        let coloured = Renderer::new(Style::Colour).render(&line).to_vec();
        assert!(memchr::memmem::find(&coloured, b"\xff\x00\x1b[2J\r").is_some());
    }

    #[test]
    fn colour_dims_the_stamp_marks_the_dyno_and_leaves_the_text() {
        assert_eq!(
            render(Style::Colour, &format!("{TS} app[web.1]: at=error is the app's own\n")),
            format!(
                "\x1b[0;2m{TS}\x1b[0m{} app[web.1]: \x1b[0mat=error is the app's own\n",
                str::from_utf8(colour_of("web.1")).unwrap()
            )
        );
    }

    #[test]
    fn errors_of_the_platform_stand_out() {
        for text in ["at=error code=H12", "Error R14 (Memory quota exceeded)", "Error H10 (App crashed)"] {
            let line = render(Style::Colour, &format!("{TS} heroku[router]: {text}\n"));
            assert!(line.ends_with(&format!("\x1b[1;31m{text}\x1b[0m\n")), "{line:?}");
        }
        assert!(!render(Style::Colour, &format!("{TS} heroku[router]: at=info\n")).contains("\x1b[1;31m"));
    }

    #[test]
    fn a_colour_that_the_app_left_on_ends_with_its_line() {
        let line = render(Style::Colour, &format!("{TS} app[web.1]: \x1b[31mred\n"));
        assert!(line.ends_with("\x1b[31mred\x1b[0m\n"), "{line:?}");
    }

    #[test]
    fn dynos_of_one_type_differ_in_colour_and_keep_it() {
        let colours: std::collections::HashSet<_> = (1..=10).map(|n| colour_of(&format!("web.{n}"))).collect();
        assert_eq!(colours.len(), 10);
        assert_eq!(colour_of("worker.3"), colour_of("worker.3"));
    }

    #[test]
    fn json_is_one_object_per_line() {
        assert_eq!(
            render(Style::Json, &format!("{TS} app[web.1]: say \"hi\"\n{TS} heroku[router]: at=info\nodd\n")),
            format!(
                "{{\"event\":\"log\",\"time\":\"{TS}\",\"source\":\"app\",\"dyno\":\"web.1\",\"message\":\"say \\\"hi\\\"\"}}\n\
                 {{\"event\":\"log\",\"time\":\"{TS}\",\"source\":\"heroku\",\"dyno\":\"router\",\"message\":\"at=info\"}}\n\
                 {{\"event\":\"log\",\"message\":\"odd\"}}\n"
            )
        );
        let broken = [TS.as_bytes(), b" app[web.1]: \xff\n"].concat();
        let text = String::from_utf8(Renderer::new(Style::Json).render(&broken).to_vec()).unwrap();
        assert!(text.ends_with("\"message\":\"\u{fffd}\"}\n"));
    }
}
