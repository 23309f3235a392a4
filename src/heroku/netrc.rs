//! `~/.netrc`, as far as a key is in it: words that are parted by blanks, `machine`, `macdef`, comments.

/// The password of a machine: that of the first entry of its name. `default` is passed over: what stands there was not
/// meant for Heroku.
pub(super) fn password(text: &str, machine: &str) -> Option<String> {
    let mut words = Words { rest: text };
    let mut ours = false;
    while let Some(word) = words.next() {
        match word {
            "machine" => ours = words.next()? == machine,
            "default" => ours = false,
            "password" => {
                let password = words.next()?;
                if ours {
                    return Some(unquoted(password));
                }
            }
            "login" | "account" => drop(words.next()),
            "macdef" => words.skip_macro(),
            comment if comment.starts_with('#') => words.skip_line(),
            _ => {}
        }
    }
    None
}

fn unquoted(word: &str) -> String {
    let bare = word.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
    bare.unwrap_or(word).to_owned()
}

struct Words<'t> {
    rest: &'t str,
}

impl<'t> Words<'t> {
    fn next(&mut self) -> Option<&'t str> {
        let start = self.rest.trim_start();
        let end = start.find(char::is_whitespace).unwrap_or(start.len());
        let (word, rest) = start.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn skip_line(&mut self) {
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
    }

    /// A macro goes on to the next empty line.
    fn skip_macro(&mut self) {
        let end = self.rest.find("\n\n").or_else(|| self.rest.find("\n\r\n"));
        self.rest = end.map_or("", |end| &self.rest[end..]);
    }
}

#[cfg(test)]
mod tests {
    use super::password;

    #[test]
    fn the_key_of_the_api_is_found_among_others() {
        let text = "# keys\nmachine git.heroku.com\n  login ann@example.com\n  password of-git\n\
                    macdef init\nmachine api.heroku.com password of-a-macro\n\n\
                    machine api.heroku.com login ann@example.com # mine\n  password \"of-api\"\n";
        assert_eq!(password(text, "api.heroku.com").as_deref(), Some("of-api"));
        assert_eq!(password(text, "git.heroku.com").as_deref(), Some("of-git"));
        assert_eq!(password(text, "api.example.com"), None);
        assert_eq!(password("machine 127.0.0.1:5000 login a password k", "127.0.0.1:5000").as_deref(), Some("k"));
    }

    #[test]
    fn a_torn_file_holds_no_key() {
        assert_eq!(password("machine api.heroku.com login machine password x", "api.heroku.com").as_deref(), Some("x"));
        for text in ["", "machine", "machine api.heroku.com", "machine api.heroku.com password", "password x"] {
            assert_eq!(password(text, "api.heroku.com"), None, "{text}");
        }
        let other = "machine api.heroku.com login ann machine git.heroku.com password x";
        assert_eq!(password(other, "api.heroku.com"), None);
        assert_eq!(password("default login a password d", "api.heroku.com"), None);
    }
}
