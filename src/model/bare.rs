//! What runs in place of an image where none is built: the files' own words, told in terms of this machine.

use super::image::ImageFacts;
use crate::diagnostic::SourceFile;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An image's configuration as its Dockerfile writes it, without the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bare {
    /// Command, environment and folder; the folder and all paths are of this machine. It has no id yet.
    pub facts: ImageFacts,
    /// The file that says so: a Dockerfile, or the Procfile of an app that has none.
    pub source: Arc<SourceFile>,
    /// The line of the program (`ENTRYPOINT`, else `CMD`, else the last `FROM`), from 1.
    pub line: usize,
    /// What a build would have copied where.
    pub lands: Lands,
    /// What the file asks for and nobody does here, each a sentence about the file.
    pub undone: Vec<String>,
}

/// Paths of an image, each with what of the project a build would have put there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lands(Vec<(String, PathBuf)>);

impl Lands {
    /// Takes in a path, in place of what was there.
    pub fn add(&mut self, target: String, here: PathBuf) {
        self.0.retain(|(path, _)| *path != target);
        self.0.push((target, here));
    }

    /// Takes in a path unless something is known of it.
    pub fn suggest(&mut self, target: &str, here: PathBuf) {
        if !self.0.iter().any(|(path, _)| path == target) {
            self.0.push((target.to_owned(), here));
        }
    }

    /// What stands for a path of the image; `None` where nothing of the project lands.
    pub fn here(&self, path: &str) -> Option<String> {
        let (target, here) = self.of(path)?;
        let rest = path.get(target.len()..).unwrap_or_default().trim_start_matches('/');
        let whole = if rest.is_empty() { here.clone() } else { here.join(rest) };
        Some(whole.to_string_lossy().into_owned())
    }

    /// The deepest entry that a path is at or below.
    fn of(&self, path: &str) -> Option<&(String, PathBuf)> {
        let below =
            |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.0.iter().filter(|(target, _)| target != "/" && below(target)).max_by_key(|(target, _)| target.len())
    }

    /// What stands for a program by its name alone, which a build would have put where programs are.
    pub fn program(&self, name: &str) -> Option<String> {
        if name.contains('/') {
            return None;
        }
        let folders = ["/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin", "/bin", "/sbin"];
        let found = folders.iter().find_map(|folder| self.here(&format!("{folder}/{name}")));
        found.filter(|path| Path::new(path).is_file())
    }

    /// The same for each part of a list with colons, but for those of `own`.
    pub fn here_in_list(&self, value: &str, own: &[&str]) -> String {
        let here = |part: &str| self.here(part).filter(|_| !own.contains(&part)).unwrap_or_else(|| part.to_owned());
        value.split(':').map(here).collect::<Vec<_>>().join(":")
    }

    /// The same in a shell's command line: for words, and parts of words behind `=`, `:` or a quote, that begin with such
    /// a path. A path of this machine that a shell would not take as it stands is left out.
    pub fn here_in_line(&self, line: &str) -> String {
        let ends = |c: char| c.is_whitespace() || "\"'=:;&|()<>`".contains(c);
        let mut shown = String::with_capacity(line.len());
        for piece in line.split_inclusive(ends) {
            let word = piece.trim_end_matches(ends);
            let plain = |text: &String| text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@,".contains(c));
            shown.push_str(&self.here(word).filter(plain).unwrap_or_else(|| word.to_owned()));
            shown.push_str(&piece[word.len()..]);
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::Lands;

    fn lands() -> Lands {
        let mut lands = Lands::default();
        lands.add("/app".into(), "/home/ann/shop".into());
        lands.add("/app/data".into(), "/mnt/data".into());
        lands.add("/srv".into(), "/home/ann/my shop".into());
        lands
    }

    #[test]
    fn the_deepest_path_counts_and_a_like_name_does_not() {
        let here = |path: &str| lands().here(path).unwrap_or_else(|| "(elsewhere)".into());
        assert_eq!(here("/app"), "/home/ann/shop");
        assert_eq!(here("/app/data/x"), "/mnt/data/x");
        assert_eq!(here("/srv/x"), "/home/ann/my shop/x");
        assert_eq!((here("/application"), here("app/x")), ("(elsewhere)".into(), "(elsewhere)".into()));
    }

    #[test]
    fn command_lines_keep_everything_but_the_paths() {
        for (line, here) in [
            ("python /app/web.py; echo \"/app/x\"", "python /home/ann/shop/web.py; echo \"/home/ann/shop/x\""),
            ("A=/app:/bin /app/run >/tmp/app/x", "A=/home/ann/shop:/bin /home/ann/shop/run >/tmp/app/x"),
            ("node /srv/web.js", "node /srv/web.js"),
            ("", ""),
        ] {
            assert_eq!(lands().here_in_line(line), here);
        }
    }
}
