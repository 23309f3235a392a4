//! The command line of a dyno: how `ENTRYPOINT`, `CMD` and a command laid over the image become one argv (R1.4).
//!
//! Pure. Nothing here expands a variable for execution: on Heroku that is the business of the dyno's shell. The one
//! replacement that the platform makes is in its own log line, see [`Launch::log_command`].

use super::app::CommandText;
use super::image::ImageFacts;
use super::process_type::ProcessType;
use std::fmt;

/// What a dyno executes, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The final argv, each word with its origin; `explain` prints both.
    pub argv: Vec<Word>,
    /// The stored command, before variables are replaced for the log.
    pub command: String,
    /// Whether the platform's own `/bin/sh` runs the command.
    pub shell: bool,
    /// What will surprise the user of this command.
    pub notes: Vec<Note>,
}

/// One word of an argv.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word, byte for byte as the process sees it.
    pub text: String,
    /// Who put it there.
    pub origin: WordOrigin,
}

/// Who put a word into the argv.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WordOrigin {
    /// The image's `ENTRYPOINT`.
    Entrypoint,
    /// The image's `CMD`.
    Cmd,
    /// A command laid over the image, by the place it was written at.
    Command(String),
    /// The platform's `/bin/sh -c`.
    Platform,
}

impl fmt::Display for WordOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entrypoint => f.write_str("image ENTRYPOINT"),
            Self::Cmd => f.write_str("image CMD"),
            Self::Command(place) => f.write_str(place),
            Self::Platform => f.write_str("added by the platform"),
        }
    }
}

/// Choices that the user of dynosim can make about launching.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaunchOptions {
    /// `/bin/sh -l -c` instead of `/bin/sh -c` (R13#1).
    pub login_shell: bool,
    /// The behaviour of 2016 to 2020: an `ENTRYPOINT` gets the whole command as one word (R13#22).
    pub one_word_entrypoint: bool,
}

/// Something that runs otherwise than its author may expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// No shell reads the command, but it holds shell syntax: this piece of it.
    NotInterpreted(String),
    /// An exec-form `CMD` holds `$NAME`, which stays literal: this word.
    LiteralVariable(String),
    /// The platform's `/bin/sh` is needed and the image has none.
    NoShell,
    /// The `ENTRYPOINT` is `sh -c`, which runs only the first word it is given: this one.
    ShellTakesOneWord(String),
    /// A shell-form `ENTRYPOINT` does not look at the command.
    EntrypointIgnoresCommand,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInterpreted(piece) => write!(
                f,
                "the image has an ENTRYPOINT, so no shell reads the command: `{piece}` reaches the program as written; \
                 wrap the command in `sh -c '…'`, or leave the ENTRYPOINT out"
            ),
            Self::LiteralVariable(word) => write!(
                f,
                "CMD is in exec form, so the variable in `{word}` is not replaced: write CMD in shell form, without brackets"
            ),
            Self::NoShell => f.write_str(
                "the command needs /bin/sh and the image has none: set an ENTRYPOINT, which Heroku runs without a shell",
            ),
            Self::ShellTakesOneWord(word) => write!(
                f,
                "the ENTRYPOINT is a shell with -c, which runs only the first word of the command, `{word}`: \
                 quote the whole command as one word, or leave the ENTRYPOINT out"
            ),
            Self::EntrypointIgnoresCommand => f.write_str(
                "ENTRYPOINT is in shell form and ignores the command: write it in exec form, ending in `exec \"$@\"`",
            ),
        }
    }
}

/// Why there is no command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// Neither the image nor the app's files name a command; Heroku refuses such a release in these words (R1.3).
    #[error("No command specified for process type {0}")]
    NoCommand(ProcessType),
    /// The command must be cut into words for the `ENTRYPOINT`, and its quotes do not match.
    #[error("the command of {origin} cannot be split into words for the image's ENTRYPOINT: {cause}")]
    Quoting {
        /// Where the command was written.
        origin: WordOrigin,
        /// What is wrong with it.
        cause: SplitError,
    },
}

/// Why a text cannot be split into shell words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// A quote is opened at this byte and never closed.
    #[error("the quote at byte {} is never closed", .0 + 1)]
    UnclosedQuote(usize),
    /// The text ends in a backslash that escapes nothing.
    #[error("it ends in a backslash")]
    TrailingBackslash,
}

impl Launch {
    /// Forms the command line of a dyno of `process_type` on `image`; `command` goes before the image's `CMD`.
    ///
    /// A `release` dyno is wrapped in `/bin/sh -c` even behind an `ENTRYPOINT` (R1.6).
    pub fn of(
        process_type: &ProcessType,
        image: &ImageFacts,
        command: Option<&CommandText>,
        options: &LaunchOptions,
    ) -> Result<Self, LaunchError> {
        let (stored, origin) = match command {
            Some(text) => (text.text.clone(), WordOrigin::Command(text.origin.clone())),
            None => (shellwords_join(&image.cmd), WordOrigin::Cmd),
        };
        if stored.trim().is_empty() {
            return Err(LaunchError::NoCommand(process_type.clone()));
        }
        let shell = image.entrypoint.is_empty() || process_type.is_release();
        let mut argv: Vec<Word> =
            image.entrypoint.iter().map(|w| Word { text: w.clone(), origin: WordOrigin::Entrypoint }).collect();
        if shell {
            // The wrapper of a release command behind an ENTRYPOINT is a plain `sh -c` whatever the dyno's shell is.
            let login = options.login_shell && image.entrypoint.is_empty();
            let words: &[&str] = if login { &["/bin/sh", "-l", "-c"] } else { &["/bin/sh", "-c"] };
            argv.extend(words.iter().map(|w| Word { text: (*w).to_owned(), origin: WordOrigin::Platform }));
            argv.push(Word { text: stored.clone(), origin: origin.clone() });
        } else if options.one_word_entrypoint {
            argv.push(Word { text: stored.clone(), origin: origin.clone() });
        } else {
            let words =
                shellwords_split(&stored).map_err(|cause| LaunchError::Quoting { origin: origin.clone(), cause })?;
            argv.extend(words.into_iter().map(|text| Word { text, origin: origin.clone() }));
        }
        let notes = notes(image, command, &argv, shell);
        Ok(Self { argv, command: stored, shell, notes })
    }

    /// The command as the `Starting process with command` line shows it: `$NAME` and `${NAME}` replaced by their
    /// values where `value` knows the name, and left alone elsewhere. An escaping backslash stays, as on Heroku:
    /// `0.0.0.0:\$PORT` becomes `0.0.0.0:\19792` (R1.4).
    pub fn log_command<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> String {
        let mut shown = String::with_capacity(self.command.len());
        let mut rest = self.command.as_str();
        while let Some(at) = rest.find('$') {
            shown.push_str(&rest[..at]);
            rest = &rest[at..];
            let (reference, name) = variable(rest);
            let known = name.and_then(&value);
            shown.push_str(known.unwrap_or(&rest[..reference]));
            rest = &rest[reference..];
        }
        shown.push_str(rest);
        shown
    }

    /// The argv as plain texts.
    pub fn words(&self) -> Vec<String> {
        self.argv.iter().map(|w| w.text.clone()).collect()
    }
}

/// The command of a one-off dyno, from the words after `--`: several words are quoted and joined, a single one is a
/// command as it stands, as in `heroku run "a && b"`. `None` when there are no words.
pub fn one_off_command(words: &[String]) -> Option<CommandText> {
    let text = match words {
        [] => return None,
        [one] => one.clone(),
        several => shellwords_join(several),
    };
    Some(CommandText { text, origin: "command line".into() })
}

/// Whether an image that is started by its own `CMD` runs what this command would run on it. Words are compared, not what
/// they do; `exec` and a shell around them make no difference where the platform's shell reads the command anyway.
pub fn same_as_cmd(command: &CommandText, image: &ImageFacts) -> bool {
    let Ok(words) = shellwords_split(&command.text) else { return false };
    if !image.entrypoint.is_empty() {
        return words == image.cmd;
    }
    let script = |words: Vec<String>| match words.as_slice() {
        [_, flag, script] if flag == "-c" && shell_argv(&words) == ShellArgv::WithScript => {
            shellwords_split(script).unwrap_or_default()
        }
        _ => words,
    };
    let bare = |words: Vec<String>| {
        let mut words = script(words);
        if words.first().is_some_and(|word| word == "exec") {
            words.remove(0);
        }
        words
    };
    // In exec form a variable is a word as it stands; only a shell replaces it.
    let read_by_shell = shell_argv(&image.cmd) == ShellArgv::WithScript;
    let literal = !read_by_shell && image.cmd.iter().any(|word| word.contains('$'));
    !literal && bare(words) == bare(image.cmd.clone())
}

/// Ruby's `Shellwords.join`, by which Heroku stores an image's `CMD` (R1.4).
pub fn shellwords_join(words: &[String]) -> String {
    words.iter().map(|w| shellwords_escape(w)).collect::<Vec<_>>().join(" ")
}

/// Ruby's `Shellwords.escape`: one word that a shell reads back as it is.
pub fn shellwords_escape(word: &str) -> String {
    if word.is_empty() {
        return "''".into();
    }
    let mut out = String::with_capacity(word.len() + 8);
    for c in word.chars() {
        match c {
            '\n' => out.push_str("'\n'"),
            c if c.is_ascii_alphanumeric() || "_-.,:+/@".contains(c) => out.push(c),
            c => {
                out.push('\\');
                out.push(c);
            }
        }
    }
    out
}

/// Cuts a text into shell words: quotes and backslashes as POSIX has them, no expansion of any kind. The inverse of
/// [`shellwords_join`].
pub fn shellwords_split(text: &str) -> Result<Vec<String>, SplitError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or(SplitError::UnclosedQuote(at))?.1 {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => double_quoted(&mut chars, word.get_or_insert_default()).ok_or(SplitError::UnclosedQuote(at))?,
            '\\' => match chars.next().ok_or(SplitError::TrailingBackslash)?.1 {
                '\n' => {} // a continued line
                c => word.get_or_insert_default().push(c),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Reads up to the closing `"`; `None` when there is none.
fn double_quoted(chars: &mut std::str::CharIndices<'_>, word: &mut String) -> Option<()> {
    loop {
        match chars.next()?.1 {
            '"' => return Some(()),
            '\\' => match chars.next()?.1 {
                '\n' => {}
                c @ ('$' | '`' | '"' | '\\') => word.push(c),
                c => {
                    word.push('\\');
                    word.push(c);
                }
            },
            c => word.push(c),
        }
    }
}

/// At a `$`: the length of the reference, and its name when it is one.
fn variable(text: &str) -> (usize, Option<&str>) {
    let name_length = |s: &str| {
        let starts_well = s.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let end = s.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(s.len());
        if starts_well { end } else { 0 }
    };
    let after = &text[1..];
    if let Some(braced) = after.strip_prefix('{') {
        let n = name_length(braced);
        if n > 0 && braced[n..].starts_with('}') {
            return (n + 3, Some(&braced[..n]));
        }
    }
    match name_length(after) {
        0 => (1, None),
        n => (n + 1, Some(&after[..n])),
    }
}

fn notes(image: &ImageFacts, command: Option<&CommandText>, argv: &[Word], shell: bool) -> Vec<Note> {
    let mut notes = Vec::new();
    let entrypoint = shell_argv(&image.entrypoint);
    if shell && !image.files.has_shell {
        notes.push(Note::NoShell);
    }
    if entrypoint == ShellArgv::WithScript {
        // The script may use "$@"; only one that cannot see its arguments is sure to ignore them.
        let sees_arguments =
            image.entrypoint.iter().any(|w| ["$@", "$*", "$0", "$1", "${@"].iter().any(|a| w.contains(a)));
        if !sees_arguments {
            notes.push(Note::EntrypointIgnoresCommand);
        }
    }
    let passed = argv.get(image.entrypoint.len()..).unwrap_or_default();
    if entrypoint == ShellArgv::Open
        && !shell
        && let [first, _, ..] = passed
    {
        notes.push(Note::ShellTakesOneWord(first.text.clone()));
    }
    let interpreted = shell || entrypoint != ShellArgv::No || shell_argv(&texts(passed)) != ShellArgv::No;
    match command {
        Some(text) if !interpreted => {
            notes.extend(shell_syntax(&text.text).map(|piece| Note::NotInterpreted(piece.into())));
        }
        None if shell_argv(&image.cmd) == ShellArgv::No && entrypoint == ShellArgv::No => {
            let literal = image.cmd.iter().find(|w| w.match_indices('$').any(|(at, _)| variable(&w[at..]).1.is_some()));
            notes.extend(literal.map(|w| Note::LiteralVariable(w.clone())));
        }
        _ => {}
    }
    notes
}

fn texts(words: &[Word]) -> Vec<String> {
    words.iter().map(|w| w.text.clone()).collect()
}

/// Whether an argv starts a shell with `-c`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ShellArgv {
    /// It does not.
    No,
    /// It does, and the script comes next: `["/bin/bash", "-c"]`.
    Open,
    /// It does, with its script: Docker's shell form.
    WithScript,
}

fn shell_argv(argv: &[String]) -> ShellArgv {
    let program = argv.first().and_then(|w| w.rsplit('/').next()).unwrap_or_default();
    let is_shell = ["sh", "bash", "dash", "ash", "zsh", "ksh"].contains(&program);
    let flag = argv.iter().position(|w| w.starts_with('-') && !w.starts_with("--") && w.ends_with('c'));
    match flag {
        Some(flag) if is_shell && flag + 1 < argv.len() => ShellArgv::WithScript,
        Some(_) if is_shell => ShellArgv::Open,
        _ => ShellArgv::No,
    }
}

/// The first piece of shell syntax in a command, outside quotes that would protect it.
fn shell_syntax(command: &str) -> Option<&str> {
    let first = command.split_whitespace().next().unwrap_or_default();
    if let (length, Some(_)) = variable(&format!("${first}"))
        && first[length - 1..].starts_with('=')
    {
        return Some(first); // `RACK_ENV=production rackup`
    }
    let mut quote = None;
    let mut chars = command.char_indices();
    while let Some((at, c)) = chars.next() {
        let rest = &command[at..];
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => {
                chars.next();
            }
            (None, '\'' | '"') => quote = Some(c),
            (_, '$') if rest.starts_with("$(") => return Some("$("),
            (_, '$') => {
                if let (length, Some(_)) = variable(rest) {
                    return Some(&rest[..length]);
                }
            }
            (_, '`') => return Some("`"),
            (None, _) => {
                if let Some(sign) = ["&&", "||", ">>", "&", "|", ";", ">", "<"].iter().find(|s| rest.starts_with(**s)) {
                    return Some(sign);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Launch, LaunchError, LaunchOptions, Note, SplitError, one_off_command};
    use super::{same_as_cmd, shellwords_join, shellwords_split};
    use crate::model::app::CommandText;
    use crate::model::image::{ImageFacts, ImageFiles};
    use crate::model::process_type::ProcessType;
    use proptest::prelude::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|w| (*w).to_owned()).collect()
    }

    fn image(entrypoint: &[&str], cmd: &[&str]) -> ImageFacts {
        ImageFacts {
            entrypoint: words(entrypoint),
            cmd: words(cmd),
            files: ImageFiles { has_shell: true, ..ImageFiles::default() },
            ..ImageFacts::default()
        }
    }

    fn command(text: &str) -> CommandText {
        CommandText { text: text.into(), origin: "heroku.yml:18 run.web".into() }
    }

    #[test]
    fn r1_4_a_command_is_the_cmd_s_own_when_its_words_are() {
        let shell = image(&[], &["/bin/sh", "-c", "exec gunicorn --bind 0.0.0.0:$PORT app:app"]);
        for same in ["gunicorn --bind 0.0.0.0:$PORT app:app", "exec gunicorn  --bind '0.0.0.0:$PORT' app:app"] {
            assert!(same_as_cmd(&command(same), &shell), "{same}");
        }
        let exec = image(&[], &["node", "web.js"]);
        assert!(same_as_cmd(&command("node web.js"), &exec) && same_as_cmd(&command("exec node web.js"), &exec));
        for other in ["node worker.js", "node", "node web.js && true", "node 'web.js"] {
            assert!(!same_as_cmd(&command(other), &exec), "{other}");
        }
        let literal = image(&[], &["serve", "--port", "$PORT"]);
        assert!(!same_as_cmd(&command("serve --port $PORT"), &literal), "only a shell replaces it");
        let behind = image(&["/start"], &["sh", "-c", "node web.js"]);
        assert!(!same_as_cmd(&command("node web.js"), &behind), "no shell reads it behind an ENTRYPOINT");
        assert!(same_as_cmd(&command("node web.js"), &image(&["/start"], &["node", "web.js"])));
    }

    fn launch(image: &ImageFacts, laid_over: Option<&str>) -> Launch {
        let laid_over = laid_over.map(command);
        Launch::of(&ProcessType::web(), image, laid_over.as_ref(), &LaunchOptions::default()).unwrap()
    }

    fn origins(launch: &Launch) -> Vec<String> {
        launch.argv.iter().map(|w| w.origin.to_string()).collect()
    }

    #[test]
    fn r1_4_the_rule_reproduces_six_real_log_lines() {
        let port = |value: &'static str| move |name: &str| (name == "PORT").then_some(value);
        let shell_form =
            |script: &str, value| launch(&image(&[], &["/bin/sh", "-c", script]), None).log_command(port(value));
        assert_eq!(
            shell_form("gunicorn trydockerdjango.wsgi:application --bind 0.0.0.0:$PORT", "19792"),
            r"/bin/sh -c gunicorn\ trydockerdjango.wsgi:application\ --bind\ 0.0.0.0:\19792"
        );
        assert_eq!(
            shell_form("gunicorn --bind 0.0.0.0:$PORT manage:app", "8122"),
            r"/bin/sh -c gunicorn\ --bind\ 0.0.0.0:\8122\ manage:app"
        );
        assert_eq!(
            shell_form("redis-server /etc/redis/redis.conf ; bash herokufix.sh", "1"),
            r"/bin/sh -c redis-server\ /etc/redis/redis.conf\ \;\ bash\ herokufix.sh"
        );
        assert_eq!(shell_form("npm start", "1"), r"/bin/sh -c npm\ start");
        assert_eq!(shell_form("./launch.sh", "1"), "/bin/sh -c ./launch.sh");
        let behind_entrypoint = image(&["node", "./src/server.js"], &["npm", "run", "start-production"]);
        assert_eq!(launch(&behind_entrypoint, None).log_command(port("1")), "npm run start-production");
    }

    #[test]
    fn r1_4_without_entrypoint_the_stored_command_goes_to_bin_sh_c() {
        let launch = launch(&image(&[], &["/bin/sh", "-c", "gunicorn x -b :$PORT"]), None);
        assert_eq!(launch.words(), ["/bin/sh", "-c", r"/bin/sh -c gunicorn\ x\ -b\ :\$PORT"]);
        assert_eq!(origins(&launch), ["added by the platform", "added by the platform", "image CMD"]);
        assert!(launch.shell);
        assert_eq!(launch.notes, []);
    }

    #[test]
    fn r1_4_with_entrypoint_the_stored_command_is_split_back_into_words() {
        let image = image(&["/docker-entrypoint.sh"], &["/bin/sh", "-c", "echo 'a b' $PORT"]);
        let launch = launch(&image, None);
        assert_eq!(launch.words(), ["/docker-entrypoint.sh", "/bin/sh", "-c", "echo 'a b' $PORT"]);
        assert_eq!(origins(&launch)[..2], ["image ENTRYPOINT", "image CMD"]);
        assert!(!launch.shell);
        assert_eq!(launch.notes, []);
    }

    #[test]
    fn r1_4_a_heroku_yml_command_replaces_cmd_but_not_entrypoint() {
        let bare = launch(&image(&[], &["ignored"]), Some("rackup -p $PORT && echo done"));
        assert_eq!(bare.words(), ["/bin/sh", "-c", "rackup -p $PORT && echo done"]);
        assert_eq!(origins(&bare)[2], "heroku.yml:18 run.web");
        assert_eq!(bare.notes, []);
        let wrapped = launch(&image(&["tini", "--"], &["ignored"]), Some("rackup -p 'a b'"));
        assert_eq!(wrapped.words(), ["tini", "--", "rackup", "-p", "a b"]);
    }

    #[test]
    fn r1_3_an_image_without_cmd_is_refused_in_heroku_s_words() {
        let refused =
            Launch::of(&ProcessType::web(), &image(&["/app"], &[]), None, &LaunchOptions::default()).unwrap_err();
        assert_eq!(refused.to_string(), "No command specified for process type web");
    }

    #[test]
    fn r1_6_a_release_command_gets_a_shell_even_behind_an_entrypoint() {
        let image = image(&["/entry"], &["x"]);
        let migrate = command("rake a && rake b");
        let options = LaunchOptions { login_shell: true, ..LaunchOptions::default() };
        let launch = Launch::of(&ProcessType::release(), &image, Some(&migrate), &options).unwrap();
        assert_eq!(launch.words(), ["/entry", "/bin/sh", "-c", "rake a && rake b"]);
        assert_eq!(launch.notes, []);
    }

    #[test]
    fn r13_1_a_login_shell_and_r13_22_the_old_single_word_come_by_switch() {
        let login = LaunchOptions { login_shell: true, ..LaunchOptions::default() };
        let by_login = Launch::of(&ProcessType::web(), &image(&[], &["run"]), None, &login).unwrap();
        assert_eq!(by_login.words(), ["/bin/sh", "-l", "-c", "run"]);
        let old = LaunchOptions { one_word_entrypoint: true, ..LaunchOptions::default() };
        let by_old = Launch::of(&ProcessType::web(), &image(&["/e"], &["haproxy", "-f", "x"]), None, &old).unwrap();
        assert_eq!(by_old.words(), ["/e", "haproxy -f x"]);
    }

    #[test]
    fn quotes_that_do_not_match_are_an_error_only_where_words_are_needed() {
        let odd = command("echo 'oops");
        let of = |image: &ImageFacts| Launch::of(&ProcessType::web(), image, Some(&odd), &LaunchOptions::default());
        assert!(of(&image(&[], &[])).is_ok());
        let error = of(&image(&["/e"], &[])).unwrap_err();
        assert!(matches!(error, LaunchError::Quoting { cause: SplitError::UnclosedQuote(5), .. }));
        assert!(error.to_string().contains("heroku.yml:18 run.web"), "{error}");
    }

    #[test]
    fn r1_4_exec_form_cmd_with_a_variable_stays_literal_and_is_noted() {
        let literal = launch(&image(&[], &["gunicorn", "--bind", "0.0.0.0:$PORT"]), None);
        assert_eq!(literal.words()[2], r"gunicorn --bind 0.0.0.0:\$PORT");
        assert_eq!(literal.notes, [Note::LiteralVariable("0.0.0.0:$PORT".into())]);
        let own_shell = launch(&image(&[], &["bash", "-lc", "exec x $PORT"]), None);
        assert_eq!(own_shell.notes, []);
    }

    #[test]
    fn r13_2_shell_syntax_behind_an_entrypoint_is_noted_with_the_piece_that_fails() {
        let image = image(&["/e"], &["x"]);
        for (text, piece) in [
            ("web -p $PORT", "$PORT"),
            ("web -p ${PORT}", "${PORT}"),
            ("a && b", "&&"),
            ("a | b", "|"),
            ("RACK_ENV=test rackup", "RACK_ENV=test"),
            ("a > log", ">"),
            ("a $(date)", "$("),
            ("a \"$HOME\"", "$HOME"),
        ] {
            assert_eq!(launch(&image, Some(text)).notes, [Note::NotInterpreted(piece.into())], "{text}");
        }
        for text in ["web --port 1", "web '$PORT'", r"web \$PORT", "web '&&'", "sh -c 'a && b $PORT'", "cost 5$"] {
            assert_eq!(launch(&image, Some(text)).notes, [], "{text}");
        }
    }

    #[test]
    fn entrypoints_that_are_shells_are_noted() {
        let takes_one = launch(&image(&["/bin/bash", "-c"], &["x"]), Some("npm start"));
        assert_eq!(takes_one.notes, [Note::ShellTakesOneWord("npm".into())]);
        let shell_form = image(&["/bin/sh", "-c", "exec nginx"], &["x"]);
        assert_eq!(launch(&shell_form, None).notes, [Note::EntrypointIgnoresCommand]);
        assert_eq!(launch(&image(&["sh", "-c", "exec \"$@\"", "--"], &["x"]), None).notes, []);
    }

    #[test]
    fn an_image_without_a_shell_is_noted_when_the_platform_needs_one() {
        let mut bare = image(&[], &["/server"]);
        bare.files.has_shell = false;
        assert_eq!(launch(&bare, None).notes, [Note::NoShell]);
        bare.entrypoint = words(&["/server"]);
        assert_eq!(launch(&bare, None).notes, []);
    }

    #[test]
    fn unknown_variables_and_odd_dollars_stay_in_the_log_line() {
        let launch = launch(&image(&[], &[]), Some("a $PORT ${PORT} ${PORT $NOPE $1 $ $$ $PORTS"));
        let shown = launch.log_command(|name| (name == "PORT").then_some("7"));
        assert_eq!(shown, "a 7 7 ${PORT $NOPE $1 $ $$ $PORTS");
    }

    #[test]
    fn one_off_words_are_quoted_and_a_single_word_is_a_command() {
        let text = |list: &[&str]| one_off_command(&words(list)).map(|c| c.text);
        assert_eq!(text(&["a && b"]).as_deref(), Some("a && b"));
        assert_eq!(text(&["rake", "say[a b]"]).as_deref(), Some(r"rake say\[a\ b\]"));
        assert_eq!(text(&[]), None);
    }

    #[test]
    fn splitting_follows_posix() {
        let split = |text: &str| shellwords_split(text).unwrap();
        assert_eq!(split(r#"a "b c" 'd "e'f\ g"#), ["a", "b c", "d \"ef g"]);
        assert_eq!(split(r#""\$x \n \"q\"" '' """#.trim_end_matches('"')), [r#"$x \n "q""#, ""]);
        assert_eq!(split("  a\t\nb \\\n c "), ["a", "b", "c"]);
        assert_eq!(shellwords_split("a\\"), Err(SplitError::TrailingBackslash));
        assert_eq!(shellwords_split("a \"b"), Err(SplitError::UnclosedQuote(2)));
    }

    proptest! {
        #[test]
        fn splitting_undoes_joining(list in proptest::collection::vec(any::<String>(), 0..6)) {
            prop_assert_eq!(shellwords_split(&shellwords_join(&list)).unwrap(), list);
        }

        #[test]
        fn no_command_panics(text in any::<String>(), entry in proptest::collection::vec("(sh|-c|/e|\\$@|x)", 0..3)) {
            let entry: Vec<&str> = entry.iter().map(String::as_str).collect();
            let made = Launch::of(&ProcessType::web(), &image(&entry, &["c"]), Some(&command(&text)), &LaunchOptions::default());
            if let Ok(launch) = made {
                prop_assert!(!launch.argv.is_empty());
                launch.log_command(|_| Some("v"));
            }
        }
    }
}
