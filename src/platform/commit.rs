//! Which commit of its sources an app was built from.

use super::tested::Commit;
use std::path::Path;
use std::process::{Command, Stdio};

/// The checked-out commit, read from the folder without running git.
pub(super) fn commit_of(root: &Path) -> Option<String> {
    let git = root.ancestors().map(|folder| folder.join(".git")).find(|git| git.is_dir())?;
    let head = std::fs::read_to_string(git.join("HEAD")).ok()?;
    let hash = match head.trim().strip_prefix("ref: ") {
        None => head.trim().to_owned(),
        Some(reference) => std::fs::read_to_string(git.join(reference))
            .map(|text| text.trim().to_owned())
            .or_else(|_| {
                let packed = std::fs::read_to_string(git.join("packed-refs"))?;
                let line = packed.lines().find(|line| line.ends_with(reference));
                let hash = line.and_then(|line| line.split(' ').next()).unwrap_or_default();
                Ok::<_, std::io::Error>(hash.to_owned())
            })
            .ok()?,
    };
    (hash.len() == 40 && hash.bytes().all(|b| b.is_ascii_hexdigit())).then_some(hash)
}

/// The checked-out commit and whether the tree holds anything else, as git says. Without git what the folder says; none
/// where nothing is checked out.
pub(super) async fn checkout(root: &Path) -> Option<Commit> {
    let root = root.to_owned();
    tokio::task::spawn_blocking(move || look(&root)).await.ok()?
}

fn look(root: &Path) -> Option<Commit> {
    let hash = match git(root, &["rev-parse", "HEAD"]) {
        Some(hash) => hash.trim().to_owned(),
        None => commit_of(root)?,
    };
    let status = git(root, &["status", "--porcelain", "--untracked-files=normal", "--", "."]);
    Some(Commit { hash, dirty: status.map(|text| !text.trim().is_empty()) })
}

/// What git prints; none when there is no git, or it has nothing to say here.
fn git(root: &Path, words: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(root).arg("--no-optional-locks").args(words).stdin(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

#[cfg(test)]
mod tests {
    use super::checkout;
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    fn git(root: &Path, words: &[&str]) -> bool {
        let words = [&["-c", "user.name=ann", "-c", "user.email=ann@example.com"], words].concat();
        Command::new("git").arg("-C").arg(root).args(words).output().is_ok_and(|output| output.status.success())
    }

    #[tokio::test]
    async fn the_commit_is_named_with_whether_the_tree_is_clean_and_none_without_git() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(checkout(folder.path()).await, None);
        if !git(folder.path(), &["init", "-q"]) {
            return;
        }
        assert_eq!(checkout(folder.path()).await, None, "nothing is checked out yet");
        fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").unwrap();
        assert!(git(folder.path(), &["add", "."]) && git(folder.path(), &["commit", "-q", "-m", "first"]));
        let clean = checkout(folder.path()).await.unwrap();
        assert_eq!((clean.hash.len(), clean.dirty), (40, Some(false)));
        fs::write(folder.path().join("notes"), "").unwrap();
        let dirty = checkout(folder.path()).await.unwrap();
        assert_eq!((dirty.hash, dirty.dirty), (clean.hash, Some(true)));
    }
}
