//! Text of an app as it may stand in one line of a screen that is not the app's.

use std::iter::Peekable;
use std::str::Chars;

/// Columns between the stops of a tab.
const TAB: usize = 8;

/// The same without what would move the cursor, colour the screen or turn the order of letters: escape sequences are
/// left out, tabs become spaces, other controls are left out.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' => skip_escape(&mut rest),
            '\u{9b}' => skip_to_final(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut rest),
            '\t' => {
                let spaces = TAB - column % TAB;
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            c if c.is_control() || turns(c) => {}
            c => {
                out.push(c);
                column += 1;
            }
        }
    }
    out
}

/// Marks that change the direction of what follows, lines within a line, and marks that cannot be seen.
fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// What follows an escape: `[` and up to a final letter, a string such as a title, or one character.
fn skip_escape(rest: &mut Peekable<Chars<'_>>) {
    match rest.next() {
        Some('[') => skip_to_final(rest),
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(rest),
        // A character set has a letter more.
        Some('(' | ')' | '*' | '+' | '#' | '%' | ' ') => {
            rest.next();
        }
        _ => {}
    }
}

/// Parameters and one final letter; what can be neither ends it and stays.
fn skip_to_final(rest: &mut Peekable<Chars<'_>>) {
    while let Some(c) = rest.next_if(|c| (' '..='~').contains(c)) {
        if c >= '@' {
            return;
        }
    }
}

/// Up to a bell or the end of the string; all of the line where there is none.
fn skip_string(rest: &mut Peekable<Chars<'_>>) {
    while let Some(c) = rest.next() {
        match c {
            '\x07' | '\u{9c}' => return,
            '\x1b' => {
                rest.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain;
    use proptest::prelude::*;

    #[test]
    fn what_steers_a_terminal_is_left_out_and_letters_stay() {
        for (text, shown) in [
            ("\x1b[1;31mred\x1b[0m", "red"),
            ("\x1b]0;a title\x07text \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "text link"),
            ("a\tb", "a       b"),
            ("bell\x07 back\x08 line\r up\x1b[2A clear\x1b[2J\x1bc", "bell back line up clear"),
            ("日本語 café 👩‍💻", "日本語 café 👩‍💻"),
            ("\u{202e}gnp.exe\u{202c} \u{9b}31mx", "gnp.exe x"),
            ("\x1b(B\x1bMok\x1b", "ok"),
        ] {
            assert_eq!(plain(text), shown, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_an_app_prints_nothing_of_it_is_a_control(text in "\\PC*|[\\x00-\\x9f\\[;m\\\\]{0,60}") {
            prop_assert!(!plain(&text).chars().any(char::is_control));
        }
    }
}
