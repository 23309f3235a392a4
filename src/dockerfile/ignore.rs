//! `.dockerignore`, by Docker's rules, which are not Git's: patterns are anchored at the root of the context, a match of
//! a folder covers all below it, and the last pattern that matches decides.

use regex::Regex;

/// The patterns of one file, in order.
#[derive(Debug, Default)]
pub struct Ignore {
    patterns: Vec<Pattern>,
    exceptions: bool,
}

#[derive(Debug)]
struct Pattern {
    /// As written, cleaned, without `!`.
    text: String,
    exception: bool,
    matcher: Matcher,
}

#[derive(Debug)]
enum Matcher {
    Exact,
    Glob(Regex),
}

/// Which patterns matched a folder or one above it: what is below it inherits that.
#[derive(Clone, Debug, Default)]
pub struct Inherited(Vec<bool>);

/// A pattern that Docker refuses too.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{pattern}` is not a pattern")]
pub struct BadPattern {
    /// From 1.
    pub line: usize,
    /// As written.
    pub pattern: String,
}

impl Ignore {
    /// Reads the text of a `.dockerignore`.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut ignore = Self::default();
        for (index, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let bad = || BadPattern { line: index + 1, pattern: line.trim().to_owned() };
            let (exception, pattern) = match line.trim().strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line.trim()),
            };
            if pattern.is_empty() {
                return Err(bad());
            }
            let text = clean(pattern);
            let matcher = matcher(&text).ok_or_else(bad)?;
            ignore.exceptions |= exception;
            ignore.patterns.push(Pattern { text, exception, matcher });
        }
        Ok(ignore)
    }

    /// Whether `path` (relative, with `/`) is left out, and what is inherited below it if it is a folder.
    pub fn check(&self, path: &str, above: &Inherited) -> (bool, Inherited) {
        let mut ignored = false;
        let mut matched = Vec::with_capacity(self.patterns.len());
        for (index, pattern) in self.patterns.iter().enumerate() {
            let hit = above.0.get(index).copied().unwrap_or(false) || pattern.matches(path);
            if hit {
                ignored = !pattern.exception;
            }
            matched.push(hit);
        }
        (ignored, Inherited(matched))
    }

    /// Whether an ignored folder may hold something that an exception brings back.
    pub fn may_reappear_below(&self, folder: &str) -> bool {
        let slashed = format!("{folder}/");
        self.exceptions
            && self.patterns.iter().filter(|pattern| pattern.exception).any(|pattern| match pattern.matcher {
                Matcher::Exact => pattern.text.starts_with(&slashed),
                Matcher::Glob(_) => true,
            })
    }
}

impl Pattern {
    fn matches(&self, path: &str) -> bool {
        match &self.matcher {
            Matcher::Exact => self.text == path,
            Matcher::Glob(regex) => regex.is_match(path),
        }
    }
}

/// As Go's `filepath.Clean`, without a leading slash.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if pattern.starts_with('/') && parts.is_empty() => {}
            other => parts.push(other),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

/// `filepath.Match` with `**`, as a regular expression; `None` when it is malformed.
fn matcher(pattern: &str) -> Option<Matcher> {
    if !pattern.contains(['*', '?', '[', ']', '\\']) {
        return Some(Matcher::Exact);
    }
    let mut regex = String::from("^");
    let mut chars = pattern.chars().peekable();
    while let Some(one) = chars.next() {
        match one {
            '*' if chars.next_if_eq(&'*').is_some() => {
                chars.next_if_eq(&'/');
                regex.push_str(if chars.peek().is_none() { ".*" } else { "(.*/)?" });
            }
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '\\' => regex.push_str(&regex::escape(&chars.next()?.to_string())),
            '[' => class(&mut chars, &mut regex)?,
            other => regex.push_str(&regex::escape(&other.to_string())),
        }
    }
    regex.push('$');
    regex::RegexBuilder::new(&regex).dot_matches_new_line(true).build().ok().map(Matcher::Glob)
}

/// A character class: `[a-z]`, `[^a]`; without an end it is malformed.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, regex: &mut String) -> Option<()> {
    regex.push('[');
    if chars.next_if_eq(&'^').is_some() {
        regex.push('^');
    }
    let mut empty = true;
    loop {
        match chars.next()? {
            ']' if !empty => break,
            '-' => regex.push('-'),
            '\\' => regex.push_str(&escape_in_class(chars.next()?)),
            other => regex.push_str(&escape_in_class(other)),
        }
        empty = false;
    }
    regex.push(']');
    Some(())
}

fn escape_in_class(one: char) -> String {
    if one.is_alphanumeric() { one.to_string() } else { format!("\\x{{{:x}}}", u32::from(one)) }
}

#[cfg(test)]
mod tests {
    use super::{Ignore, Inherited};

    /// Decides as Docker does for a path: its folders first.
    fn ignored(patterns: &str, path: &str) -> bool {
        let ignore = Ignore::parse(patterns).unwrap();
        let mut above = Inherited::default();
        let mut result = false;
        for (at, _) in path.match_indices('/').chain([(path.len(), "")]) {
            (result, above) = ignore.check(&path[..at], &above);
        }
        result
    }

    /// The cases of moby's pattern matcher: pattern, path, whether it matches.
    const MOBY: &[(&str, &str, bool)] = &[
        ("**", "file", true),
        ("**", "file/", true),
        ("**/", "file", true),
        ("**/", "file/", true),
        ("**", "/", true),
        ("**/", "/", true),
        ("**", "dir/file", true),
        ("**/", "dir/file", true),
        ("**", "dir/file/", true),
        ("**/**", "dir/file", true),
        ("dir/**", "dir/file", true),
        ("dir/**", "dir/file/", true),
        ("dir/**", "dir/dir2/file", true),
        ("**/dir", "dir", true),
        ("**/dir", "dir/file", true),
        ("**/dir2/*", "dir/dir2/file", true),
        ("**/dir2/*", "dir/dir2/dir2/file", true),
        ("**/dir2/**", "dir/dir2/dir2/file", true),
        ("**file", "file", true),
        ("**file", "dir/file", true),
        ("**file", "dir/dir/file", true),
        ("**/file", "dir/file", true),
        ("**/file*", "dir/dir/file", true),
        ("**/file*", "dir/dir/file.txt", true),
        ("**/file*txt", "dir/dir/file.txt", true),
        ("**/file*.txt", "dir/dir/file.txt", true),
        ("**/file*.txt*", "dir/dir/file.txt", true),
        ("**/**/*.txt", "dir/dir/file.txt", true),
        ("**/**/*.txt2", "dir/dir/file.txt", false),
        ("**/*.txt", "file.txt", true),
        ("**/**/*.txt", "file.txt", true),
        ("a**/*.txt", "a/file.txt", true),
        ("a**/*.txt", "a/dir/file.txt", true),
        ("a**/*.txt", "a/dir/dir/file.txt", true),
        ("a/*.txt", "a/dir/file.txt", false),
        ("a/*.txt", "a/file.txt", true),
        ("a/*.txt**", "a/file.txt", true),
        ("a[b-d]e", "ae", false),
        ("a[b-d]e", "ace", true),
        ("a[b-d]e", "aae", false),
        ("a[^b-d]e", "aze", true),
        (".*", ".foo", true),
        (".*", "foo", false),
        ("abc.def", "abcdef", false),
        ("abc.def", "abc.def", true),
        ("abc.def", "abcZdef", false),
        ("abc?def", "abcZdef", true),
        ("abc?def", "abcdef", false),
        ("a\\\\", "a\\", true),
        ("**/foo/bar", "foo/bar", true),
        ("**/foo/bar", "dir/foo/bar", true),
        ("**/foo/bar", "dir/dir2/foo/bar", true),
        ("abc/**", "abc", false),
        ("abc/**", "abc/def", true),
        ("abc/**", "abc/def/ghi", true),
        ("**/.foo", ".foo", true),
        ("**/.foo", "bar.foo", false),
        ("./bar.*", "bar.go", true),
        ("a(b)c/def", "a(b)c/def", true),
        ("a(b)c/def", "a(b)c/xyz", false),
        ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
        (
            "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
            "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
            true,
        ),
        ("dist/*.whl", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", true),
    ];

    #[test]
    fn patterns_match_what_docker_s_own_cases_say() {
        for (pattern, path, expected) in MOBY {
            let path = path.trim_end_matches('/');
            if !path.is_empty() {
                assert_eq!(ignored(pattern, path), *expected, "{pattern} on {path}");
            }
        }
    }

    #[test]
    fn patterns_are_anchored_at_the_root_of_the_context() {
        assert!(ignored("node_modules", "node_modules/left-pad/index.js"));
        assert!(!ignored("node_modules", "web/node_modules/x"));
        assert!(ignored("/node_modules/", "node_modules/x"));
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        assert!(!ignored("*.md\n!README.md", "README.md"));
        assert!(ignored("*.md\n!README*.md\nREADME-secret.md", "README-secret.md"));
        assert!(!ignored("docs\n!docs/README.md", "docs/README.md"));
        assert!(ignored("docs\n!docs/README.md", "docs/other.md"));
        assert!(!ignored("*\n!src", "src/main.rs"));
    }

    #[test]
    fn comments_blank_lines_and_marks_are_passed_over() {
        assert!(ignored("\u{feff}# a comment\n\n  tmp/ \r\n", "tmp/x"));
        assert!(!ignored("# tmp", "# tmp/x/y") || ignored("\\# tmp", "# tmp"));
    }

    #[test]
    fn a_broken_pattern_is_named_with_its_line() {
        assert_eq!(Ignore::parse("a\n[b").unwrap_err().to_string(), "line 2: `[b` is not a pattern");
        assert!(Ignore::parse("!").is_err());
    }
}
