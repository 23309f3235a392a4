//! A POSIX shell text as simple commands, as far as it must be understood to tell what surely runs. Nothing is executed
//! or expanded here; what stands in quotes, substitutions and here-documents is kept together.

mod lexer;
mod parser;

use std::ops::Range;

/// A simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Simple {
    /// Program and arguments.
    pub(super) words: Vec<ShellWord>,
    /// `NAME=value` before them.
    pub(super) assigns: Vec<(String, ShellWord)>,
    /// Operator and target.
    pub(super) redirects: Vec<(String, ShellWord)>,
    /// How many conditions, loops and functions stand around it; a plain group does not count.
    pub(super) depth: usize,
    /// Whether it is the condition of something.
    pub(super) condition: bool,
    /// What stands before it.
    pub(super) before: Join,
    /// What stands behind it.
    pub(super) after: Join,
}

/// A word without its quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ShellWord {
    /// Variables as written.
    pub(super) text: String,
    /// In the text.
    pub(super) range: Range<usize>,
    /// A `$` in it is one: it stood in single quotes, or was escaped.
    pub(super) literal: bool,
}

/// What joins two commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Join {
    /// `;`, a line's end, the text's end.
    #[default]
    Sequence,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `|`
    Pipe,
    /// `&`
    Background,
}

/// Cuts a text into its commands.
pub(super) fn commands(text: &str) -> Vec<Simple> {
    let tokens = lexer::Lexer::new(text).run();
    parser::Parser::default().run(tokens)
}

#[cfg(test)]
mod tests {
    use super::{Join, commands};
    use proptest::prelude::*;

    fn shown(text: &str) -> Vec<String> {
        let words = |one: &super::Simple| one.words.iter().map(|word| word.text.clone()).collect::<Vec<_>>().join("|");
        commands(text).iter().map(|one| format!("{}:{}", one.depth, words(one))).collect()
    }

    #[test]
    fn commands_are_cut_at_operators_and_know_what_stands_around_them() {
        assert_eq!(
            shown(
                "#!/bin/sh\nset -e # all\nA=1 npm run \"a b\" && exec node 'x y'.js --p=$PORT\nif [ -z $A ]; then\n  chown a b\nfi\n"
            ),
            ["0:set|-e", "0:npm|run|a b", "0:exec|node|x y.js|--p=$PORT", "1:[|-z|$A|]", "1:chown|a|b"]
        );
        assert_eq!(
            shown("case $1 in\n  web|api) gunicorn x ;;\n  *) exec \"$@\" ;;\nesac\nlast \\\n  word"),
            ["1:gunicorn|x", "1:exec|$@", "0:last|word"]
        );
        assert_eq!(
            shown("f() { inner; }\nfunction g { h; }\n(cd /x; ls) > /dev/null"),
            ["1:inner", "1:h", "0:cd|/x", "0:ls", "0:"]
        );
        assert_eq!(
            shown("cat <<EOF > x\nchown $x `y\nEOF\necho $(date; ls) ${A:-b c} `x y`"),
            ["0:cat", "0:echo|$(date; ls)|${A:-b c}|`x y`"]
        );
    }

    #[test]
    fn joins_redirects_and_literal_dollars_are_kept() {
        let all = commands("a || b & c 2>/dev/null >> /log '$PORT' \\$X");
        assert_eq!((all[0].after, all[1].before, all[1].after), (Join::Or, Join::Or, Join::Background));
        let redirects: Vec<_> = all[2].redirects.iter().map(|(sign, word)| format!("{sign}{}", word.text)).collect();
        assert_eq!(redirects, [">/dev/null", ">>/log"]);
        assert!(all[2].words[1].literal && all[2].words[2].literal && !all[2].words[0].literal);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_every_place_is_inside(text in any::<String>()) {
            for one in commands(&text) {
                for word in one.words.iter().chain(one.assigns.iter().map(|(_, word)| word)) {
                    prop_assert!(text.get(word.range.clone()).is_some());
                }
            }
        }

        #[test]
        fn no_soup_of_signs_panics(text in "(if|then|fi|case|esac|in|do|done|[a{}()<>|&;\"'`$\\\\= \n\r\té#0-9-]){0,50}") {
            for one in commands(&text) {
                for word in &one.words {
                    prop_assert!(text.get(word.range.clone()).is_some());
                }
            }
        }
    }
}
