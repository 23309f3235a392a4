//! Whose continuous integration runs for this folder: what its git repository says, read without git.

use crate::diagnostic::Diagnostic;
use std::fs;
use std::path::{Path, PathBuf};

/// A continuous integration that there is a workflow for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ci {
    /// GitHub Actions.
    GitHub,
    /// GitLab CI/CD.
    GitLab,
    /// None.
    None,
}

impl Ci {
    /// Where its workflow stands.
    pub(super) fn path(self) -> &'static str {
        if self == Self::GitLab { ".gitlab-ci.yml" } else { ".github/workflows/heroku.yml" }
    }

    pub(super) fn template(self) -> &'static str {
        if self == Self::GitLab { "gitlab.yml" } else { "github.yml" }
    }
}

/// What the repository says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// The folder that holds `.git`.
    pub top: Option<PathBuf>,
    /// The URL of `origin`, without what may be a secret in it.
    pub url: Option<String>,
    /// The branch that is released.
    pub branch: Option<String>,
}

impl Remote {
    /// Reads the repository that `root` is in, if it is in one.
    pub fn read(root: &Path) -> Self {
        let Some(top) = root.ancestors().find(|folder| folder.join(".git").exists()) else { return Self::default() };
        let (own, common) = git_folders(top);
        let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
        let url = origin(&read(common.join("config"))).map(|url| without_user(&url));
        let branch = [read(common.join("refs/remotes/origin/HEAD")), read(own.join("HEAD"))].iter().find_map(|head| {
            let name = head.trim().strip_prefix("ref: refs/")?;
            name.strip_prefix("remotes/origin/").or_else(|| name.strip_prefix("heads/")).map(str::to_owned)
        });
        Self { top: Some(top.to_owned()), url, branch }
    }

    /// Which workflow to write, and why.
    pub(super) fn choose(&self, wanted: Option<Ci>, root: &Path, notes: &mut Vec<Diagnostic>) -> Option<Ci> {
        let chosen = wanted.unwrap_or_else(|| {
            let host = self.url.as_deref().unwrap_or_default();
            let lab = host.contains("gitlab") || (!host.contains("github") && root.join(".gitlab-ci.yml").exists());
            if lab { Ci::GitLab } else { Ci::GitHub }
        });
        if chosen == Ci::None {
            return None;
        }
        if wanted.is_none()
            && let Some(top) = self.top.as_deref().filter(|top| *top != root)
        {
            let title = format!("no workflow is written: it would belong into {}, above this folder", top.display());
            let help = "--ci github or --ci gitlab writes it here, to be moved and given `working-directory`";
            notes.push(Diagnostic::note(title).help(help));
            return None;
        }
        let known = self.url.as_deref().is_some_and(|url| url.contains("github") || url.contains("gitlab"));
        if wanted.is_none() && !known && chosen == Ci::GitHub {
            let title = match &self.url {
                Some(url) => format!("the remote {url} does not say whose CI runs: the workflow is for GitHub Actions"),
                None => "there is no git remote: the workflow is for GitHub Actions".to_owned(),
            };
            notes.push(Diagnostic::note(title).help("--ci gitlab writes GitLab's, --ci none no workflow"));
        }
        Some(chosen)
    }
}

/// The folder of this work tree, and the one that all work trees share.
fn git_folders(top: &Path) -> (PathBuf, PathBuf) {
    let git = top.join(".git");
    let Ok(pointer) = fs::read_to_string(&git) else { return (git.clone(), git) };
    let own = top.join(pointer.trim().strip_prefix("gitdir:").unwrap_or_default().trim());
    let common = fs::read_to_string(own.join("commondir")).map(|path| own.join(path.trim()));
    (own.clone(), common.unwrap_or(own))
}

/// The URL of `origin` in a git config.
fn origin(config: &str) -> Option<String> {
    let mut inside = false;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[remote \"origin\"]";
        } else if inside
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == "url"
        {
            return Some(value.trim().to_owned());
        }
    }
    None
}

/// A URL can hold a token: it is neither shown nor kept.
fn without_user(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            format!("{scheme}://{}/{path}", host.rsplit('@').next().unwrap_or(host))
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Ci, Remote};
    use std::fs;
    use std::path::Path;

    fn repository(config: &str, head: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(".git/refs/remotes/origin")).unwrap();
        fs::write(folder.path().join(".git/config"), config).unwrap();
        fs::write(folder.path().join(".git/HEAD"), head).unwrap();
        folder
    }

    fn chosen(remote: &Remote, wanted: Option<Ci>, root: &Path) -> (Option<Ci>, usize) {
        let mut notes = Vec::new();
        (remote.choose(wanted, root, &mut notes), notes.len())
    }

    #[test]
    fn the_remote_says_whose_workflow_it_is_and_its_token_stays_where_it_is() {
        let config = "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = https://ann:s3cret@gitlab.com/a/b.git\n";
        let folder = repository(config, "ref: refs/heads/trunk\n");
        let remote = Remote::read(folder.path());
        assert_eq!(remote.url.as_deref(), Some("https://gitlab.com/a/b.git"));
        assert_eq!(remote.branch.as_deref(), Some("trunk"));
        assert_eq!(chosen(&remote, None, folder.path()), (Some(Ci::GitLab), 0));
        assert_eq!(chosen(&remote, Some(Ci::None), folder.path()), (None, 0));
    }

    #[test]
    fn the_remote_s_own_branch_counts_more_than_the_one_that_is_checked_out() {
        let folder = repository("[remote \"origin\"]\nurl = git@github.com:a/b.git\n", "ref: refs/heads/try/this\n");
        fs::write(folder.path().join(".git/refs/remotes/origin/HEAD"), "ref: refs/remotes/origin/main\n").unwrap();
        let remote = Remote::read(folder.path());
        assert_eq!(remote.branch.as_deref(), Some("main"));
        assert_eq!(chosen(&remote, None, folder.path()), (Some(Ci::GitHub), 0));
    }

    #[test]
    fn without_a_remote_it_is_github_s_and_that_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(chosen(&Remote::default(), None, folder.path()), (Some(Ci::GitHub), 1));
    }

    #[test]
    fn a_folder_of_a_repository_gets_no_workflow_unless_it_is_asked_for() {
        let folder = repository("[remote \"origin\"]\nurl = git@github.com:a/b.git\n", "ref: refs/heads/main\n");
        let below = folder.path().join("services/shop");
        fs::create_dir_all(&below).unwrap();
        let remote = Remote::read(&below);
        assert_eq!(chosen(&remote, None, &below), (None, 1));
        assert_eq!(chosen(&remote, Some(Ci::GitHub), &below), (Some(Ci::GitHub), 0));
    }
}
