//! Keys at the terminal of an `up`, `attach` or `ui`: bytes to keys, keys to actions, and the lines that explain them. Pure.

/// A key, as far as dynosim tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Enter,
    Backspace,
    /// Escape alone, or Ctrl-G: gives up a prompt.
    Escape,
    /// Ctrl-U
    EraseLine,
    /// Ctrl-W
    EraseWord,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Tab,
    /// Shift-Tab
    BackTab,
    /// Ctrl and this letter, where it has no name above.
    Ctrl(char),
    /// Function keys and other things without a meaning here.
    Other,
}

/// The keys in a piece of what a terminal sent. A sequence such as an arrow's comes in one piece and is one key.
pub(super) fn decode(bytes: &[u8]) -> Vec<Key> {
    let text = String::from_utf8_lossy(bytes);
    let mut keys = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        keys.push(match c {
            '\r' | '\n' => Key::Enter,
            '\x7f' | '\x08' => Key::Backspace,
            '\x15' => Key::EraseLine,
            '\x17' => Key::EraseWord,
            '\x07' => Key::Escape,
            '\x1b' if rest.peek().is_none() => Key::Escape,
            '\x1b' => sequence(&mut rest),
            '\t' => Key::Tab,
            c @ '\x01'..='\x1a' => Key::Ctrl(char::from(b'a' + (c as u8) - 1)),
            c if c.is_control() => Key::Other,
            c => Key::Char(c),
        });
    }
    keys
}

/// What follows an escape: `[` or `O`, parameters, and one final letter; or one character with Alt. Whether Shift or Ctrl
/// was held too makes no difference.
fn sequence(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Key {
    if !rest.next().is_some_and(|c| c == '[' || c == 'O') {
        return Key::Other;
    }
    let mut number = String::new();
    for c in rest.by_ref() {
        match c {
            'A' => return Key::Up,
            'B' => return Key::Down,
            'C' => return Key::Right,
            'D' => return Key::Left,
            'H' => return Key::Home,
            'F' => return Key::End,
            'Z' => return Key::BackTab,
            '~' => {
                return match number.split(';').next() {
                    Some("1" | "7") => Key::Home,
                    Some("4" | "8") => Key::End,
                    Some("5") => Key::PageUp,
                    Some("6") => Key::PageDown,
                    _ => Key::Other,
                };
            }
            '@'..='}' => return Key::Other,
            c => number.push(c),
        }
    }
    Key::Other
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Open,
    Restart,
    Rebuild,
    Focus,
    Type,
    Filter,
    Scale,
    Maintenance,
    Detach,
    Help,
    Quit,
}

/// Whose terminal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// That of the `up` itself.
    Up,
    /// That of an `attach` to it.
    Attached,
}

/// Key, action, the word in the hint line, the line in the help.
const KEYS: &[(char, Action, &str, &str)] = &[
    ('o', Action::Open, "open", "open the app in the browser"),
    ('r', Action::Restart, "restart", "restart all dynos, or those named: web.1, worker, w*"),
    ('b', Action::Rebuild, "rebuild", "build the images and release them"),
    ('f', Action::Focus, "focus a dyno", "show the lines of one dyno or type only; empty shows all again"),
    ('i', Action::Type, "", "type into a dyno: it is restarted with a terminal of its own, so that a debugger works"),
    ('/', Action::Filter, "filter", "show only lines that match a text or regular expression; empty shows all"),
    ('s', Action::Scale, "scale", "change the formation: web=2 worker+1"),
    ('m', Action::Maintenance, "maintenance", "turn maintenance mode on or off"),
    ('d', Action::Detach, "detach", "leave; the app goes on, `dynosim down` stops it"),
    ('?', Action::Help, "help", "this list"),
    ('q', Action::Quit, "quit", "stop the app, as Ctrl-C does"),
];

/// Whether an action can be had there. To type into a dyno and to stop is for the app's own terminal; an `up` in the
/// foreground has a shell that waits for it.
fn has(seat: Seat, action: Action) -> bool {
    match seat {
        Seat::Up => action != Action::Detach,
        Seat::Attached => !matches!(action, Action::Type | Action::Quit),
    }
}

/// What a key does there.
pub(super) fn action(seat: Seat, key: Key) -> Option<Action> {
    let Key::Char(c) = key else { return None };
    let c = if c == 'h' { '?' } else { c.to_ascii_lowercase() };
    let found = KEYS.iter().find(|(key, ..)| *key == c).map(|(_, action, ..)| *action)?;
    match (seat, found) {
        // Who is attached leaves with the same key, so that no slip stops the app.
        (Seat::Attached, Action::Quit) => Some(Action::Detach),
        _ => has(seat, found).then_some(found),
    }
}

/// `keys: o open · r restart · …`
pub(super) fn hint(seat: Seat) -> String {
    let named = KEYS.iter().filter(|(_, action, word, _)| !word.is_empty() && has(seat, *action));
    let words: Vec<String> = named.map(|(key, _, word, _)| format!("{key} {word}")).collect();
    format!("keys: {}", words.join(" · "))
}

/// One line for each key.
pub(super) fn help(seat: Seat) -> Vec<String> {
    let mut lines: Vec<String> = KEYS
        .iter()
        .filter(|(_, action, ..)| has(seat, *action))
        .map(|(key, _, _, text)| format!("  {key}  {text}"))
        .collect();
    if seat == Seat::Up {
        lines.push(
            "  An `up` in the foreground cannot let go of its terminal, for the shell waits for it: `dynosim up -d` runs \
             in the background, `dynosim attach` shows its log"
                .to_owned(),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{Action, KEYS, Key, Seat, action, decode, has, help, hint};

    #[test]
    fn bytes_become_keys_and_a_sequence_is_one() {
        assert_eq!(decode(b"ab\r"), [Key::Char('a'), Key::Char('b'), Key::Enter]);
        assert_eq!(decode(b"\x1b[A\x1bOP\x1b[1;5Cx"), [Key::Up, Key::Other, Key::Right, Key::Char('x')]);
        assert_eq!(decode(b"\x1b"), [Key::Escape]);
        assert_eq!(decode(b"\x7f\x15\x17\x01"), [Key::Backspace, Key::EraseLine, Key::EraseWord, Key::Ctrl('a')]);
        assert_eq!(decode(b"\x1b[5~\x1b[6;2~\x1bOH\x1b[4~"), [Key::PageUp, Key::PageDown, Key::Home, Key::End]);
        assert_eq!(decode(b"\t\x1b[Z\x1b[3~\x04"), [Key::Tab, Key::BackTab, Key::Other, Key::Ctrl('d')]);
        assert_eq!(decode("ö".as_bytes()), [Key::Char('ö')]);
        assert_eq!(decode(b"\x1b[").len(), 1, "a sequence that was cut off is no letter");
    }

    #[test]
    fn keys_do_the_same_in_both_cases_and_nothing_else_does() {
        for (key, wanted) in [('o', Action::Open), ('R', Action::Restart), ('/', Action::Filter), ('h', Action::Help)] {
            assert_eq!(action(Seat::Up, Key::Char(key)), Some(wanted));
        }
        for key in [Key::Char('x'), Key::Char('1'), Key::Enter, Key::Escape, Key::Other] {
            assert_eq!(action(Seat::Up, key), None);
        }
    }

    #[test]
    fn the_hint_and_the_help_name_every_key_that_works_and_no_other() {
        for seat in [Seat::Up, Seat::Attached] {
            for (key, what, word, _) in KEYS {
                let works = has(seat, *what);
                let listed = help(seat).iter().any(|line| line.starts_with(&format!("  {key}  ")));
                assert_eq!(listed, works, "{key} {seat:?}");
                if !word.is_empty() {
                    assert_eq!(hint(seat).contains(&format!("{key} {word}")), works, "{key} {seat:?}");
                }
            }
        }
        let expected = "keys: o open · r restart · b rebuild · f focus a dyno · / filter · s scale · m maintenance · \
                        ? help · q quit";
        assert_eq!(hint(Seat::Up), expected);
        let expected = "keys: o open · r restart · b rebuild · f focus a dyno · / filter · s scale · m maintenance · d detach · ? help";
        assert_eq!(hint(Seat::Attached), expected);
    }

    #[test]
    fn who_is_attached_does_not_stop_the_app_by_a_slip() {
        assert_eq!(action(Seat::Attached, Key::Char('q')), Some(Action::Detach));
        assert_eq!(action(Seat::Attached, Key::Char('i')), None);
        assert_eq!(action(Seat::Up, Key::Char('d')), None);
    }
}
