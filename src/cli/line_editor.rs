//! One line that is being typed at a prompt. Pure.

use super::keys::Key;

/// A prompt with what has been typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LineEditor {
    prompt: String,
    text: String,
}

/// What a key came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// It goes on.
    More,
    /// Enter: the text.
    Done(String),
    /// It was given up.
    Cancelled,
}

impl LineEditor {
    pub(super) fn new(prompt: impl Into<String>) -> Self {
        Self { prompt: prompt.into(), text: String::new() }
    }

    pub(super) fn on(&mut self, key: Key) -> Typed {
        match key {
            Key::Char(c) => self.text.push(c),
            // Backspace on an empty line leaves, as in the pagers that have the same keys.
            Key::Backspace if self.text.pop().is_none() => return Typed::Cancelled,
            Key::EraseLine => self.text.clear(),
            Key::EraseWord => {
                let kept = self.text.trim_end();
                let end = kept.rfind(' ').map_or(0, |space| space + 1);
                self.text.truncate(end);
            }
            Key::Enter => return Typed::Done(std::mem::take(&mut self.text)),
            Key::Escape => return Typed::Cancelled,
            _ => {}
        }
        Typed::More
    }

    /// The line as it is shown, its end when it is longer than the terminal is wide.
    pub(super) fn shown(&self, columns: u16) -> String {
        let whole = format!("{}{}", self.prompt, self.text);
        // The cursor needs a place too.
        let room = usize::from(columns).saturating_sub(1).max(1);
        let length = whole.chars().count();
        whole.chars().skip(length.saturating_sub(room)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::decode;
    use super::{LineEditor, Typed};

    fn typed(bytes: &[u8]) -> (LineEditor, Typed) {
        let mut editor = LineEditor::new("scale: ");
        let last = decode(bytes).into_iter().map(|key| editor.on(key)).last().unwrap();
        (editor, last)
    }

    #[test]
    fn a_line_is_typed_mended_and_sent() {
        assert_eq!(typed(b"web=3\x7f2\r").1, Typed::Done("web=2".into()));
        assert_eq!(typed(b"web=2 worker=9\x17\x1b[Dclock=1\r").1, Typed::Done("web=2 clock=1".into()));
        assert_eq!(typed(b"nonsense\x15web=1\r").1, Typed::Done("web=1".into()));
        assert_eq!(typed(b"\r").1, Typed::Done(String::new()));
    }

    #[test]
    fn escape_and_a_backspace_too_many_give_it_up() {
        assert_eq!(typed(b"web\x1b").1, Typed::Cancelled);
        assert_eq!(typed(b"w\x7f\x7f").1, Typed::Cancelled);
    }

    #[test]
    fn a_line_wider_than_the_terminal_shows_its_end() {
        let (editor, _) = typed("web=2 wörker=1".as_bytes());
        assert_eq!(editor.shown(80), "scale: web=2 wörker=1");
        assert_eq!(editor.shown(10), " wörker=1");
    }
}
