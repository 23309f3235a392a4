//! A start command as the words of `CMD`: the program itself where it can be, else a shell that makes room for it.

/// What only a shell understands.
const SHELL: &[char] =
    &['$', '&', '|', ';', '<', '>', '(', ')', '{', '}', '*', '?', '[', ']', '~', '#', '`', '\\', '"', '\'', '\n'];
/// What joins commands: `exec` would end with the first of them.
const JOINS: &[char] = &['&', '|', ';', '<', '>', '(', ')', '`', '\n'];
/// Words that are no programs.
const BUILTINS: &[&str] = &[
    ".", ":", "cd", "eval", "exec", "exit", "export", "for", "if", "read", "set", "source", "test", "trap", "ulimit",
    "umask", "unset", "until", "wait", "while", "{", "!",
];

/// The words.
pub(super) fn words(command: &str) -> Vec<String> {
    let command = command.trim();
    let plain: Vec<&str> = command.split_whitespace().collect();
    let first = plain.first().copied().unwrap_or_default();
    if !command.contains(SHELL) && !first.contains('=') && !BUILTINS.contains(&first) {
        return plain.into_iter().map(str::to_owned).collect();
    }
    vec!["sh".to_owned(), "-c".to_owned(), replacing(command)]
}

/// The command with `exec` before its program, so that signals reach that and not a shell.
fn replacing(command: &str) -> String {
    let bare = without_quotes(command);
    // Of `a && b`, the last is what stays.
    if let Some((before, last)) = command.rsplit_once("&&")
        && !before.replace("&&", "").contains(['|', ';', '&', '\n', '`', '('])
        && !last.contains(JOINS)
    {
        let last = last.trim();
        return format!("{} && {}", before.trim(), replacing(last));
    }
    let first = command.split_whitespace().next().unwrap_or_default();
    if bare.contains(JOINS) || BUILTINS.contains(&first) {
        command.to_owned()
    } else if first.contains('=') && !first.starts_with('=') {
        format!("exec env {command}")
    } else {
        format!("exec {command}")
    }
}

/// The command without what single quotes hold: nothing in them joins commands.
fn without_quotes(command: &str) -> String {
    if command.matches('\'').count() % 2 == 1 {
        return command.to_owned();
    }
    command.split('\'').step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_command_is_its_program_s_words_where_no_shell_is_needed() {
        assert_eq!(words("node  server.js"), ["node", "server.js"]);
        assert_eq!(words("java -Xmx300m -jar app.jar"), ["java", "-Xmx300m", "-jar", "app.jar"]);
    }

    #[test]
    fn a_shell_that_is_needed_makes_room_for_the_program() {
        for (command, shell) in [
            ("gunicorn --bind 0.0.0.0:$PORT app:app", "exec gunicorn --bind 0.0.0.0:$PORT app:app"),
            ("NODE_ENV=production node server.js", "exec env NODE_ENV=production node server.js"),
            ("cd web && node server.js", "cd web && exec node server.js"),
            ("a && b && c -p $PORT", "a && b && exec c -p $PORT"),
            ("exec ./start $PORT", "exec ./start $PORT"),
            ("bin/a | bin/b", "bin/a | bin/b"),
            ("a; b", "a; b"),
            ("a & b && c", "a & b && c"),
            ("if true; then a; fi", "if true; then a; fi"),
            ("gunicorn 'shop:create_app()'", "exec gunicorn 'shop:create_app()'"),
            ("a \"$(b)\"", "a \"$(b)\""),
        ] {
            assert_eq!(words(command), ["sh", "-c", shell], "{command}");
        }
    }
}
