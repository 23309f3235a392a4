//! A Dockerfile as instructions, as far as it must be understood to tell where files of the context go. What is not
//! understood is said to be so, never guessed.

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// Its first line, from 1.
    pub(crate) line: usize,
    /// Upper-case.
    pub(crate) keyword: String,
    /// `--chown=node` as (`chown`, `node`).
    pub(crate) flags: Vec<(String, String)>,
    /// What follows the flags, on one line.
    pub(crate) rest: String,
}

/// All of them, or why they cannot be told.
pub(crate) fn instructions(text: &str) -> Result<Vec<Instruction>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    directives(text)?;
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.starts_with('#') || trimmed.is_empty() {
            continue;
        }
        let (part, goes_on) = match trimmed.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (trimmed, false),
        };
        let (_, whole) = open.get_or_insert_with(|| (index + 1, String::new()));
        if !whole.is_empty() {
            whole.push(' ');
        }
        whole.push_str(part.trim());
        if !goes_on && let Some((line, whole)) = open.take() {
            found.push(instruction(line, &whole)?);
        }
    }
    if let Some((line, whole)) = open {
        found.push(instruction(line, &whole)?);
    }
    Ok(found)
}

/// `# escape=` and `# syntax=`: only comments before everything else.
fn directives(text: &str) -> Result<(), String> {
    for line in text.lines().take_while(|line| line.trim_start().starts_with('#')) {
        let comment = line.trim().trim_start_matches('#').trim();
        let Some((name, value)) = comment.split_once('=') else { continue };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "escape" if value != "\\" => return Err("the Dockerfile has an escape character of its own".into()),
            "syntax" if !value.trim_start_matches("docker.io/").starts_with("docker/dockerfile:1") => {
                return Err(format!("the Dockerfile is read by {value}"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn instruction(line: usize, whole: &str) -> Result<Instruction, String> {
    let (keyword, mut rest) = whole.split_once(char::is_whitespace).unwrap_or((whole, ""));
    let keyword = keyword.to_ascii_uppercase();
    if whole.contains("<<") && ["RUN", "COPY", "ADD"].contains(&keyword.as_str()) {
        return Err(format!("line {line} of the Dockerfile has a here-document"));
    }
    let mut flags = Vec::new();
    rest = rest.trim_start();
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        flags.push((name.to_owned(), value.to_owned()));
        rest = after.trim_start();
    }
    Ok(Instruction { line, keyword, flags, rest: rest.trim().to_owned() })
}

impl Instruction {
    /// The words of `COPY` and `ADD`: sources and, last, the destination.
    pub(crate) fn words(&self) -> Option<Vec<String>> {
        let words: Vec<String> = if self.rest.starts_with('[') {
            serde_json::from_str(&self.rest).ok()?
        } else if self.rest.contains(['"', '\'']) {
            return None;
        } else {
            self.rest.split_whitespace().map(str::to_owned).collect()
        };
        (words.len() >= 2).then_some(words)
    }

    /// The value of a flag.
    pub(crate) fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().find(|(flag, _)| flag == name).map(|(_, value)| value.as_str())
    }

    /// As it is shown in a sentence: `RUN npm ci --omit=dev …`.
    pub(crate) fn shown(&self) -> String {
        const MOST: usize = 40;
        let whole = format!("{} {}", self.keyword, self.rest);
        if whole.chars().count() <= MOST {
            return whole;
        }
        let short: String = whole.chars().take(MOST).collect();
        format!("{}…", short.trim_end())
    }
}

/// A path of the context without `.` and slashes at its ends; empty for all of it, `None` when it leads out.
pub(super) fn clean(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            other => parts.push(other),
        }
    }
    Some(parts.join("/"))
}

/// Whether a pattern may match a path or something above it. In doubt it does.
pub(super) fn may_match(pattern: &str, path: &str) -> bool {
    let Some(pattern) = clean(pattern) else { return true };
    let mut parts = path.split('/');
    pattern.split('/').all(|wanted| {
        let Some(part) = parts.next() else { return false };
        wanted.contains(['[', '\\']) || wanted == "**" || glob(wanted.as_bytes(), part.as_bytes())
    }) || pattern.contains("**")
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => glob(&pattern[1..], text) || (!text.is_empty() && glob(pattern, &text[1..])),
        (Some(b'?'), Some(_)) => glob(&pattern[1..], &text[1..]),
        (Some(one), Some(other)) if one == other => glob(&pattern[1..], &text[1..]),
        _ => false,
    }
}
