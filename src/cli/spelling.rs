//! `ps scale` is `ps:scale`; and the commands in the help stand in groups.

use clap::Command;
use clap::builder::StyledStr;
use std::ffi::OsString;
use std::fmt::Write as _;

/// Options before the command that take the next word as their value.
const WITH_VALUE: &[&str] = &["-C", "--directory", "--name", "-e", "--env", "--engine"];

/// Joins the two words of a command such as `ps scale`.
pub(super) fn joined(args: impl IntoIterator<Item = OsString>, command: &Command) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let Some(at) = command_at(&args) else { return args };
    let (Some(first), Some(second)) = (args[at].to_str(), args.get(at + 1).and_then(|word| word.to_str())) else {
        return args;
    };
    // What `run` is given is a command of the user's: only its whole name with a colon is meant.
    let whole = format!("{first}:{second}");
    if first != "run" && command.find_subcommand(&whole).is_some() {
        args.splice(at..=at + 1, [OsString::from(whole)]);
    }
    args
}

/// Where the command stands: the first word that is neither an option nor an option's value.
fn command_at(args: &[OsString]) -> Option<usize> {
    let mut at = 1;
    loop {
        let word = args.get(at)?.to_str()?;
        match word {
            "--" => return None,
            option if WITH_VALUE.contains(&option) => at += 2,
            option if option.starts_with('-') => at += 1,
            _ => return Some(at),
        }
    }
}

/// The help's groups. A command that is in none stands under the last.
const GROUPS: &[(&str, &[&str])] = &[
    ("App", &["init", "up", "local", "local:run", "down", "build", "run", "logs", "open", "attach", "ui"]),
    ("Tests", &["check", "test", "tested"]),
    (
        "Dynos",
        &["ps", "ps:scale", "ps:type", "ps:restart", "ps:stop", "ps:cycle", "ps:wait", "ps:exec", "run:detached"],
    ),
    ("Config", &["config", "config:get", "config:set", "config:unset", "config:edit"]),
    ("Releases", &["releases", "releases:info", "releases:output", "rollback"]),
    (
        "Heroku",
        &[
            "tag",
            "container:push",
            "container:release",
            "container:promote",
            "container:rm",
            "container:pull",
            "container:login",
            "container:logout",
        ],
    ),
    (
        "While it runs",
        &[
            "maintenance",
            "maintenance:on",
            "maintenance:off",
            "features",
            "features:enable",
            "features:disable",
            "events",
        ],
    ),
    ("More", &["explain", "parity", "trust", "doctor", "completion"]),
];

/// Puts the commands of the help into groups.
pub(super) fn grouped(command: Command) -> Command {
    let styles = command.get_styles().clone();
    let shown: Vec<(String, String)> = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set())
        .map(|sub| (sub.get_name().to_owned(), sub.get_about().map(ToString::to_string).unwrap_or_default()))
        .collect();
    let width = shown.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut text = StyledStr::new();
    for (number, (title, names)) in GROUPS.iter().enumerate() {
        let _ = writeln!(text, "{header}{title}:{header:#}");
        let last = number + 1 == GROUPS.len();
        let grouped = |name: &String| GROUPS.iter().any(|(_, names)| names.contains(&name.as_str()));
        let listed = names.iter().filter_map(|name| shown.iter().find(|(shown, _)| shown == name));
        let others = shown.iter().filter(|(name, _)| last && !grouped(name));
        for (name, about) in listed.chain(others) {
            let _ = writeln!(text, "  {literal}{name:width$}{literal:#}  {about}");
        }
        let _ = writeln!(text);
    }
    let _ = writeln!(text, "{header}Options:{header:#}");
    let template =
        format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}{{options}}{{after-help}}", text.ansi());
    command.help_template(template)
}

#[cfg(test)]
mod tests {
    use super::{GROUPS, grouped, joined};
    use crate::cli::args::Cli;
    use clap::CommandFactory;
    use std::ffi::OsString;

    fn words(text: &str) -> String {
        let args = joined(text.split(' ').map(OsString::from), &Cli::command());
        args.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn two_words_name_a_command_as_the_colon_does() {
        for (written, read) in [
            ("dynosim ps scale web=2", "dynosim ps:scale web=2"),
            ("dynosim -C dir --json config set A=1", "dynosim -C dir --json config:set A=1"),
            ("dynosim -e ps ps restart web.1", "dynosim -e ps ps:restart web.1"),
            ("dynosim releases rollback v3", "dynosim releases:rollback v3"),
            ("dynosim ps web", "dynosim ps web"),
            ("dynosim run detached", "dynosim run detached"),
            ("dynosim config --json", "dynosim config --json"),
            ("dynosim", "dynosim"),
            ("dynosim -C", "dynosim -C"),
        ] {
            assert_eq!(words(written), read);
        }
    }

    #[test]
    fn the_help_has_every_command_once() {
        let mut command = grouped(Cli::command());
        let help = command.render_help().to_string();
        for sub in Cli::command().get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let lines = help.lines().filter(|line| line.trim_start().split(' ').next() == Some(sub.get_name()));
            assert_eq!(lines.count(), 1, "{} in\n{help}", sub.get_name());
        }
        assert!(GROUPS.iter().all(|(title, _)| help.contains(&format!("{title}:"))), "{help}");
        assert!(help.contains("--engine") && help.contains("Exit codes:"), "{help}");
    }
}
