//! What is typed after a colon: the words of the commands. Pure.

use super::state::Command;

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    Nothing,
    Order(Command),
    /// An empty one shows all lines.
    Filter(String),
    /// A dyno, a type, `router`; none shows all.
    Focus(Option<String>),
    Help,
}

/// Reads a line.
pub(super) fn read(text: &str) -> Result<Word, String> {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let order = |command| Ok(Word::Order(command));
    match word.strip_prefix("ps:").unwrap_or(word) {
        "" => Ok(Word::Nothing),
        "q" | "quit" | "q!" | "exit" => order(Command::Quit),
        "h" | "help" => Ok(Word::Help),
        "restart" => order(Command::Restart(if rest == "*" { String::new() } else { rest.to_owned() })),
        "stop" | "kill" if !rest.is_empty() => order(Command::Stop(rest.to_owned())),
        "stop" | "kill" => Err("write which: stop web.1, stop worker; `dynosim down` stops the app".into()),
        "scale" if !rest.is_empty() => order(Command::Scale(rest.to_owned())),
        "scale" => Err("write the quantities: scale web=2 worker+1".into()),
        "maintenance" | "maintenance:on" | "maintenance:off" => match (word, rest) {
            ("maintenance:on", "") | ("maintenance", "on") => order(Command::Maintenance(true)),
            ("maintenance:off", "") | ("maintenance", "off") => order(Command::Maintenance(false)),
            _ => Err("write maintenance on, or maintenance off".into()),
        },
        "rebuild" | "build" if rest.is_empty() => order(Command::Rebuild),
        "rebuild" | "build" => Err("write rebuild alone: what has changed is built".into()),
        "rollback" => match rest.strip_prefix(['v', 'V']).unwrap_or(rest).parse() {
            Ok(version) => order(Command::Rollback(version)),
            Err(_) => Err("write to which release: rollback v3".into()),
        },
        "filter" => Ok(Word::Filter(rest.to_owned())),
        "focus" | "logs" => Ok(Word::Focus(Some(rest.to_owned()).filter(|rest| !rest.is_empty()))),
        other => Err(format!(
            "there is no command {other}: restart, stop, scale, maintenance, rollback, focus, filter, help, quit"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{Word, read};
    use crate::cli::ui::state::Command;

    #[test]
    fn commands_are_written_as_at_the_shell_and_wrong_ones_say_how() {
        for (text, command) in [
            ("restart", Command::Restart(String::new())),
            ("restart web.1", Command::Restart("web.1".into())),
            ("ps:scale  web=2 worker+1", Command::Scale("web=2 worker+1".into())),
            ("stop worker", Command::Stop("worker".into())),
            ("maintenance:on", Command::Maintenance(true)),
            ("maintenance off", Command::Maintenance(false)),
            ("rollback v12", Command::Rollback(12)),
            ("rebuild", Command::Rebuild),
            ("q", Command::Quit),
        ] {
            assert_eq!(read(text), Ok(Word::Order(command)), "{text}");
        }
        assert_eq!(read("focus web"), Ok(Word::Focus(Some("web".into()))));
        assert_eq!(read("filter"), Ok(Word::Filter(String::new())));
        for (text, says) in [
            ("stop", "stop web.1"),
            ("scale", "scale web=2"),
            ("maintenance maybe", "maintenance on"),
            ("rollback soon", "rollback v3"),
            ("deploy", "no command deploy"),
        ] {
            assert!(read(text).unwrap_err().contains(says), "{text}");
        }
    }
}
