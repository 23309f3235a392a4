//! Which folders are watched, and by what. It is only heard *that* something may have changed; what did, a look at the
//! files tells. So it does not matter how an editor saves, and nothing that is missed here is missed for long.

use super::changes::is_passing;
use crate::diagnostic::Diagnostic;
use notify::event::{AccessKind, AccessMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::PathBuf;
use tokio::sync::mpsc;

/// So many paths may wait; those that come on top of them say nothing new.
const WAITING: usize = 256;

/// Hears of changes in folders.
pub(super) trait Eyes: Send + Sync {
    /// Watches these folders, and no others. Whether any of them is new.
    fn cover(&mut self, folders: &BTreeSet<PathBuf>) -> bool;
    /// Why the folders must be looked at every so often, said once.
    fn blindness(&mut self) -> Option<Diagnostic>;
    /// The folders must be looked at every so often.
    fn is_blind(&self) -> bool;
}

/// The system's own way of telling.
pub(super) struct SystemEyes {
    watcher: Option<RecommendedWatcher>,
    covered: BTreeSet<PathBuf>,
    blindness: Option<Diagnostic>,
}

impl SystemEyes {
    /// Eyes, and where they tell what they see.
    pub(super) fn open() -> (Self, mpsc::Receiver<PathBuf>) {
        let (sender, seen) = mpsc::channel(WAITING);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| match event {
            Ok(event) if is_change(event.kind) => {
                // An overflow of the system's queue comes without a path.
                let paths = if event.paths.is_empty() { vec![PathBuf::new()] } else { event.paths };
                for path in paths.into_iter().filter(|path| !is_passing(&path.to_string_lossy())) {
                    let _ = sender.try_send(path);
                }
            }
            Ok(_) => {}
            Err(_) => drop(sender.try_send(PathBuf::new())),
        });
        let (watcher, blindness) = match watcher {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(blind(&error))),
        };
        (Self { watcher, covered: BTreeSet::new(), blindness }, seen)
    }
}

impl Eyes for SystemEyes {
    fn cover(&mut self, folders: &BTreeSet<PathBuf>) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        for gone in self.covered.difference(folders) {
            let _ = watcher.unwatch(gone);
        }
        let new: Vec<PathBuf> = folders.difference(&self.covered).cloned().collect();
        for folder in &new {
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                // Gone already: the next look does not list it.
                Ok(()) | Err(notify::Error { kind: ErrorKind::PathNotFound, .. }) => {}
                Err(error) => {
                    self.blindness = Some(blind(&error));
                    self.watcher = None;
                    return false;
                }
            }
        }
        self.covered.clone_from(folders);
        !new.is_empty()
    }

    fn blindness(&mut self) -> Option<Diagnostic> {
        self.blindness.take()
    }

    fn is_blind(&self) -> bool {
        self.watcher.is_none()
    }
}

/// Reads are told of as well, our own among them.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    }
}

fn blind(error: &notify::Error) -> Diagnostic {
    let (why, help) = match &error.kind {
        ErrorKind::MaxFilesWatch => (
            "this system does not watch more folders for one user".to_owned(),
            "raise the limit: `sudo sysctl fs.inotify.max_user_watches=524288`; or list folders of no interest in \
             .dockerignore",
        ),
        _ => (error.to_string(), "`--no-watch` turns watching off"),
    };
    Diagnostic::warning(format!("changes are looked for every 2 s, which is slower and costs more: {why}")).help(help)
}

#[cfg(test)]
mod tests {
    use super::{Eyes, SystemEyes, blind};
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;
    use std::time::Duration;
    use tokio::time::timeout;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_write_is_heard_and_a_read_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&file, "1").unwrap();
        let (mut eyes, mut seen) = SystemEyes::open();
        assert!(eyes.cover(&BTreeSet::from([folder.path().to_owned()])));
        assert!(!eyes.cover(&BTreeSet::from([folder.path().to_owned()])));
        fs::read(&file).unwrap();
        fs::write(folder.path().join(".a.swp"), "").unwrap();
        fs::write(&other, "1").unwrap();
        let first = timeout(PATIENCE, seen.recv()).await.unwrap().unwrap();
        assert_eq!(first, other, "neither the read nor the editor's file");
        fs::rename(&other, &file).unwrap();
        while timeout(PATIENCE, seen.recv()).await.unwrap().unwrap() != file {}
    }

    #[test]
    fn where_no_more_folders_can_be_watched_the_cure_is_named() {
        let finding = blind(&notify::Error::new(notify::ErrorKind::MaxFilesWatch));
        assert!(finding.render(false).contains("fs.inotify.max_user_watches"));
        let (mut eyes, _seen) = SystemEyes::open();
        assert!(eyes.cover(&BTreeSet::from([Path::new("/there/is/no/such").to_owned()])));
        assert!(!eyes.is_blind());
    }
}
