//! Reads along with an app's output for refused writes and other wants of root, and names each cause once.
//!
//! Reading must cost next to nothing: one pass for the rare byte sequences that every such message holds, and the
//! rest only on a hit.

use crate::engine::Filesystem;
use crate::model::dyno::DynoName;
use memchr::memmem::Finder;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// How many different paths are explained for one start of a dyno.
const MOST: usize = 10;
/// How far before and after a hit the line is looked at.
const REACH: usize = 300;
/// No needle is longer.
const NEEDLE: usize = 24;

struct Needles {
    read_only: [Finder<'static>; 2],
    refused: [Finder<'static>; 5],
}

static NEEDLES: LazyLock<Needles> = LazyLock::new(|| Needles {
    read_only: [Finder::new("ead-only file system"), Finder::new("EROFS")],
    refused: [
        Finder::new("ermission denied"),
        Finder::new("EACCES"),
        Finder::new("peration not permitted"),
        Finder::new("re you root"),
        Finder::new("uperuser privilege"),
    ],
});

/// What only the explanation of a refused write says.
const READ_ONLY: &str = "its file system is read-only but for /tmp";

/// Whether an explanation tells of a write that the read-only file system refused.
pub fn is_of_refused_write(text: &str) -> bool {
    text.contains(READ_ONLY)
}

/// Watches the output of one start of one dyno.
pub struct WriteHints {
    dyno: DynoName,
    uid: u32,
    filesystem: Filesystem,
    /// It runs this machine's own programs, and there is no image to mend.
    native: bool,
    strict_ports: bool,
    told: BTreeSet<String>,
    /// The end of what was read before.
    tail: Vec<u8>,
}

impl WriteHints {
    /// For a dyno that runs as `uid` under these rules.
    pub fn new(dyno: DynoName, uid: u32, filesystem: Filesystem) -> Self {
        Self { dyno, uid, filesystem, native: false, strict_ports: false, told: BTreeSet::new(), tail: Vec::new() }
    }

    /// The same where there is no image, or where every port but `$PORT` is denied.
    #[must_use]
    pub fn with(self, native: bool, strict_ports: bool) -> Self {
        Self { native, strict_ports, ..self }
    }

    /// Explanations that this piece of output calls for, each cause once. A message may come in several pieces.
    pub fn read(&mut self, output: &[u8]) -> Vec<String> {
        let mut hints = Vec::new();
        if self.told.len() >= MOST {
            return hints;
        }
        // A needle may lie across the border of two pieces.
        let kept = self.tail.len();
        let border = [&self.tail[kept.saturating_sub(NEEDLE)..], &output[..output.len().min(NEEDLE)]].concat();
        let before = kept.min(NEEDLE);
        for (finders, read_only) in [(&NEEDLES.read_only[..], true), (&NEEDLES.refused[..], false)] {
            for finder in finders {
                let across = finder.find_iter(&border).filter(|at| *at < before).map(|at| kept - before + at);
                let within = finder.find_iter(output).map(|at| kept + at);
                for place in across.chain(within).take(MOST) {
                    // Only a hit is worth a copy of what stands around it.
                    let (from, to) = (place.saturating_sub(2 * REACH), place + REACH);
                    let end = to.saturating_sub(kept).min(output.len());
                    let joined =
                        [&self.tail[from.min(kept)..], &output[from.saturating_sub(kept).min(end)..end]].concat();
                    if let Some(hint) = self.hint(line_around(&joined, place - from), &joined, read_only) {
                        hints.push(hint);
                    }
                }
            }
        }
        self.tail.extend_from_slice(&output[output.len().saturating_sub(2 * REACH)..]);
        let excess = self.tail.len().saturating_sub(2 * REACH);
        self.tail.drain(..excess);
        hints
    }

    /// `line` holds the message, `near` also what was printed just before and after it.
    fn hint(&mut self, line: &[u8], near: &[u8], read_only: bool) -> Option<String> {
        if self.told.len() >= MOST {
            return None;
        }
        let (line, near) = (String::from_utf8_lossy(line), String::from_utf8_lossy(near));
        let dyno = &self.dyno;
        let (key, text) = if !read_only && self.strict_ports && is_of_bind(&line, &near) {
            let text = format!(
                "{dyno} may bind no port but $PORT, as --strict-ports says: bind 0.0.0.0:$PORT, or leave it out"
            );
            ("a port".to_owned(), text)
        } else if !read_only && is_low_port(&line, &near) {
            let text = format!(
                "{dyno} may not bind a port below 1024: only root may, and no dyno is root (uid {}): bind 0.0.0.0:$PORT",
                self.uid
            );
            ("a low port".to_owned(), text)
        } else if line.contains("re you root") || line.contains("uperuser privilege") {
            let text = format!(
                "{dyno} runs a program that wants to be root; no dyno is (uid {}), whatever USER says: install packages \
                 {}",
                self.uid,
                if self.native { "on this machine beforehand" } else { "in the Dockerfile" }
            );
            ("root".to_owned(), text)
        } else {
            let path = path_in(&line)?;
            (path.to_owned(), self.about_path(path, &line, read_only))
        };
        self.told.insert(key).then_some(text)
    }

    fn about_path(&self, path: &str, line: &str, read_only: bool) -> String {
        let (dyno, uid) = (&self.dyno, self.uid);
        let folder = path.rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder });
        if read_only && matches!(self.filesystem, Filesystem::ReadOnly { .. }) {
            return format!(
                "{dyno} may not write {path}: {READ_ONLY}, /var/tmp and /dev/shm; on \
                 Heroku the file would be gone with the dyno: write to /tmp or to a service, allow it here with \
                 `--writable {folder}`, or use Heroku's own way with `--fs ephemeral`"
            );
        }
        if line.contains("chown") || line.contains("peration not permitted") {
            return format!(
                "{dyno} may not change the owner or mode of {path}: only root and the owner may, and the dyno runs as a \
                 random user (uid {uid}): do it {}",
                if self.native { "beforehand" } else { "in the Dockerfile" }
            );
        }
        if self.native {
            return format!(
                "{dyno} may not use {path}: it has your rights here at most, on Heroku those of an unprivileged user \
                 (uid {uid}): let everybody use it, or use /tmp"
            );
        }
        format!(
            "{dyno} may not use {path}: it runs as an unprivileged user (uid {uid}), on Heroku too, whatever USER says: \
             give the path away in the Dockerfile (`RUN chmod -R a+rwX …`) or use /tmp"
        )
    }
}

/// Whether the refusal is about a port: the message names none but 80 or 443, or a bind stands next to it.
fn is_low_port(line: &str, near: &str) -> bool {
    let names_port = [":80", ":443", " 80", " 443"].iter().any(|port| {
        line.match_indices(port).any(|(at, _)| !line[at + port.len()..].starts_with(|c: char| c.is_ascii_digit()))
    });
    (names_port && binds(line)) || binds_near(line, near)
}

/// Whether the refusal is about a bind, of whatever port.
fn is_of_bind(line: &str, near: &str) -> bool {
    binds(line) || binds_near(line, near)
}

/// A traceback has the call on another line than the refusal.
fn binds_near(line: &str, near: &str) -> bool {
    path_in(line).is_none() && near.contains(".bind(")
}

fn binds(text: &str) -> bool {
    text.contains("bind") || text.contains("listen EACCES") || text.contains("make_sock")
}

fn line_around(output: &[u8], place: usize) -> &[u8] {
    let from = place.saturating_sub(REACH);
    let to = (place + REACH).min(output.len());
    let start = memchr::memrchr(b'\n', &output[from..place]).map_or(from, |at| from + at + 1);
    let end = memchr::memchr(b'\n', &output[place..to]).map_or(to, |at| place + at);
    &output[start..end]
}

/// The absolute path that a message is about: the first one in it, but for that of the program that speaks
/// (`/bin/sh: can't create /data/x: …`).
fn path_in(line: &str) -> Option<&str> {
    let speaks = |path: &&str| line.starts_with(*path) && line[path.len()..].starts_with(": ");
    let (first, second) = {
        let mut paths = paths_in(line);
        (paths.next()?, paths.next())
    };
    if speaks(&first) { second.or_else(|| named_last(line)) } else { Some(first) }
}

/// What a program names before its complaint: `python` of `/bin/sh: 1: python: Permission denied`. A script of the app that
/// lacks its exec bit is told of when the dyno ends.
fn named_last(line: &str) -> Option<&str> {
    let name = line.trim_end().rsplit(": ").nth(1)?;
    let relative = name.contains('/') && !name.starts_with('/');
    let word = name.contains(|c: char| !c.is_ascii_digit()) && !name.contains(char::is_whitespace);
    (word && !relative).then_some(name)
}

/// Absolute paths in a text, without the punctuation around them.
fn paths_in(line: &str) -> impl Iterator<Item = &str> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(at) = line[from..].find('/') {
            let start = from + at;
            let before = line[..start].chars().next_back();
            let alone = before.is_none_or(|c| c.is_whitespace() || "'\"`([{<=:‘“".contains(c));
            let rest = &line[start..];
            let end = rest.find(|c: char| c.is_whitespace() || "'\"`)]}>,;’”".contains(c)).unwrap_or(rest.len());
            from = start + end.max(1);
            let path = rest[..end].trim_end_matches([':', '.']);
            if alone && path.len() > 1 && !path.starts_with("//") {
                return Some(path);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::{WriteHints, is_of_refused_write, path_in};
    use crate::engine::Filesystem;
    use crate::model::dyno::DynoName;
    use crate::model::process_type::ProcessType;

    #[test]
    fn paths_are_found_in_the_words_of_common_runtimes() {
        for (line, path) in [
            ("OSError: [Errno 30] Read-only file system: '/app/data.db'", "/app/data.db"),
            ("Error: EROFS: read-only file system, open '/app/log.txt'", "/app/log.txt"),
            ("sh: can't create /data/x: Read-only file system", "/data/x"),
            ("/bin/sh: 1: cannot create /data/x: Read-only file system", "/data/x"),
            ("/bin/sh: 1: python: Permission denied", "python"),
            ("/bin/sh: Permission denied", "/bin/sh"),
            ("touch: cannot touch '/var/log/app.log': Permission denied", "/var/log/app.log"),
            ("mkdir: can't create directory '/cache/': Permission denied", "/cache/"),
            ("chown: /srv: Operation not permitted", "/srv"),
            ("Errno::EACCES: Permission denied @ rb_sysopen - /app/tmp/pids/server.pid", "/app/tmp/pids/server.pid"),
            ("open /etc/hosts.new: permission denied", "/etc/hosts.new"),
        ] {
            assert_eq!(path_in(line), Some(path), "{line}");
        }
        for line in ["see https://example.com/x and/or y", "/bin/bash: line 1: ./start.sh: Permission denied"] {
            assert_eq!(path_in(line), None, "{line}");
        }
    }

    #[test]
    fn each_path_is_explained_once_with_the_cure() {
        let web = DynoName::new(ProcessType::web(), 1);
        let mut hints = WriteHints::new(web, 12_345, Filesystem::ReadOnly { writable: vec![] });
        let output = b"a\nError: EROFS: read-only file system, open '/app/log.txt'\nb\n";
        let first = hints.read(output);
        assert_eq!(first.len(), 1, "{first:?}");
        assert!(first[0].contains("/app/log.txt") && first[0].contains("--writable /app`"), "{}", first[0]);
        assert!(is_of_refused_write(&first[0]));
        assert!(hints.read(output).is_empty());
        let denied = hints.read(b"touch: /srv/x: Permission denied\n");
        assert!(denied[0].contains("uid 12345") && !is_of_refused_write(&denied[0]), "{denied:?}");
    }

    #[test]
    fn a_message_that_comes_in_pieces_is_understood_as_well() {
        let whole = "    self.socket.bind(self.server_address)\nPermissionError: [Errno 13] Permission denied\n\
            Error: EROFS: read-only file system, open '/app/log.txt'\n";
        for size in 1..whole.len() {
            let web = DynoName::new(ProcessType::web(), 1);
            let mut hints = WriteHints::new(web, 1, Filesystem::ReadOnly { writable: vec![] });
            let found: Vec<String> = whole.as_bytes().chunks(size).flat_map(|piece| hints.read(piece)).collect();
            assert!(found.iter().any(|hint| hint.contains("port below 1024")), "{size}: {found:?}");
        }
    }

    #[test]
    fn where_there_is_no_image_no_dockerfile_is_to_be_mended() {
        let web = || DynoName::new(ProcessType::web(), 1);
        let hints =
            |strict| WriteHints::new(web(), 12_345, Filesystem::ReadOnly { writable: vec![] }).with(true, strict);
        for line in ["/bin/sh: 1: python: Permission denied", "chown: /srv: Operation not permitted", "are you root?"] {
            let told = hints(false).read(format!("{line}\n").as_bytes());
            assert!(told.len() == 1 && !told[0].contains("Dockerfile"), "{told:?}");
        }
        let bind = b"PermissionError: [Errno 13] bind 0.0.0.0:9000: Permission denied\n";
        let told = hints(true).read(bind);
        assert!(told[0].contains("--strict-ports") && !told[0].contains("1024"), "{told:?}");
    }

    #[test]
    fn r1_5_what_needs_root_is_named_for_what_it_is() {
        let web = DynoName::new(ProcessType::web(), 1);
        let mut hints = WriteHints::new(web, 12_345, Filesystem::Ephemeral);
        let traceback = b"  File \"/usr/lib/python3.11/socketserver.py\", line 472, in server_bind\n    \
            self.socket.bind(self.server_address)\nPermissionError: [Errno 13] Permission denied\n";
        assert!(hints.read(traceback)[0].contains("port below 1024"));
        for (output, word) in [
            (&b"chown: changing ownership of '/srv': Operation not permitted\n"[..], "owner or mode of /srv"),
            (b"E: Unable to lock directory /var/lib/apt/lists/, are you root?\n", "wants to be root"),
        ] {
            let hint = hints.read(output);
            assert!(hint[0].contains(word), "{hint:?}");
        }
        let mut fresh = WriteHints::new(DynoName::new(ProcessType::web(), 2), 1, Filesystem::Ephemeral);
        for port in [
            "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)\n",
            "Error: listen EACCES: permission denied 0.0.0.0:443\n",
        ] {
            let hint = fresh.read(port.as_bytes());
            fresh.told.clear();
            assert!(hint[0].contains("port below 1024"), "{hint:?}");
        }
    }
}
