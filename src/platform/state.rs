//! Where an app's state lives: outside the project, in the user's state folder, one folder for each identity, 0700.
//!
//! ```text
//! $XDG_STATE_HOME/dynosim/apps/<app>-<identity>/
//!   up.lock         held while `up` runs; says who
//!   api.sock        the running app's control plane; `api.sock.at` says where, when this path is too long for one
//!   tests/<number>  one file for each living run of `test`, whose app is the instance `test-<number>`
//!   runs/<run>      one file for each living run, locked while it lives
//!   journal/        the log
//!   background.log  what an `up -d` said after it had let go of its caller
//!   releases.jsonl  releases, one line each
//!   ledger.jsonl    tested images, versions and pushes, one line each; with ledger.head and ledger.lock
//!   builds.json     what was last built from what
//!   builds.lock     held while a command builds
//!   sweep.lock      held while a command cleans up; shared while a run registers
//!   images.json     what images say about themselves
//!   secrets.json    values made for app.json's `generator: secret`
//!   push.json       layers and manifests as registries have them; uploads that have begun
//!   push.lock       held while a command pushes
//!   push/           compressed layers, until they are pushed
//!   engine/         files the engine gives to dynos
//! ```

use crate::clock::Clock;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Who an app is on this machine: its folder's real path and the instance name. Two folders of one name never mix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Twelve hex digits.
    pub id: String,
    /// The folder.
    pub root: PathBuf,
    /// From `-n`; empty when not given.
    pub instance: String,
}

impl Identity {
    /// Of a folder whose path is real (no links).
    pub fn of(root: &Path, instance: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(root.as_os_str().as_bytes());
        hash.update([0]);
        hash.update(instance.as_bytes());
        let digest = hash.finalize();
        let mut id = String::new();
        for byte in digest.iter().take(6) {
            let _ = write!(id, "{byte:02x}");
        }
        Self { id, root: root.to_owned(), instance: instance.to_owned() }
    }

    /// The app's id as Heroku's tools know ids: the shape of a UUID.
    pub fn app_id(&self) -> String {
        format!("{}-{}-4000-a000-{}", &self.id[..8], &self.id[8..12], self.id)
    }
}

/// The state folder of one app.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
}

/// Who holds the app, as `up.lock` says.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Holder {
    /// Process id of the running `up`.
    pub pid: u32,
    /// The project's folder.
    pub folder: PathBuf,
    /// The router's port, once it listens.
    pub port: Option<u16>,
    /// Its run.
    pub run: String,
}

/// A lock that is held as long as this lives; the system frees it when the process dies, however it dies.
#[derive(Debug)]
pub struct Held {
    file: File,
    path: PathBuf,
    remove: bool,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody has it.
    #[error("held by {0:?}")]
    Held(Option<Holder>),
    /// The file cannot be used.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StateDir {
    /// The folder of an app under `base` (`$XDG_STATE_HOME/dynosim`), made when it is not there.
    ///
    /// A folder of the same identity under another app name is taken: the name may change, the folder stays.
    pub fn open(base: &Path, name: &str, identity: &Identity) -> io::Result<Self> {
        let apps = base.join("apps");
        private_dir(&apps)?;
        let suffix = format!("-{}", identity.id);
        let existing = fs::read_dir(&apps)?
            .filter_map(Result::ok)
            .find(|entry| entry.file_name().as_bytes().ends_with(suffix.as_bytes()))
            .map(|entry| entry.path());
        let path = existing.unwrap_or_else(|| apps.join(format!("{name}{suffix}")));
        for folder in [path.clone(), path.join("runs"), path.join("journal"), path.join("engine")] {
            private_dir(&folder)?;
        }
        // Files that are bind-mounted from here are read by the dyno's own user, which must be able to reach them by
        // mount only: the folder itself stays closed.
        Ok(Self { path })
    }

    /// The folder of an app, where there is one: for whoever only looks.
    pub fn find(base: &Path, identity: &Identity) -> Option<Self> {
        let suffix = format!("-{}", identity.id);
        let apps = fs::read_dir(base.join("apps")).ok()?;
        let mut found =
            apps.filter_map(Result::ok).filter(|entry| entry.file_name().as_bytes().ends_with(suffix.as_bytes()));
        found.next().map(|entry| Self { path: entry.path() })
    }

    /// What the names of the app's images begin with: `dynosim/shop-3f9a1c227be4`.
    pub fn repository(&self) -> String {
        let name = self.path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        format!("dynosim/{name}")
    }

    /// Waits for the turn to build: two commands of one app would take each other's images for replaced ones. `waiting`
    /// is called when another one builds. The turn ends when the file is dropped.
    pub async fn turn_to_build(&self, waiting: impl FnOnce()) -> io::Result<File> {
        self.turn("builds.lock", false, waiting).await
    }

    /// Waits for the turn to push, as for that to build.
    pub async fn turn_to_push(&self, waiting: impl FnOnce()) -> io::Result<File> {
        self.turn("push.lock", false, waiting).await
    }

    /// Waits for the turn to clean up: no run can register until the file is dropped, so that what a run makes cannot
    /// be taken for a dead one's.
    pub async fn turn_to_sweep(&self) -> io::Result<File> {
        self.turn("sweep.lock", false, || ()).await
    }

    async fn turn(&self, name: &str, shared: bool, waiting: impl FnOnce()) -> io::Result<File> {
        let path = self.file(name);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match if shared { file.try_lock_shared() } else { file.try_lock() } {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => waiting(),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let lock = move || if shared { file.lock_shared() } else { file.lock() }.map(|()| file);
        tokio::task::spawn_blocking(lock).await.map_err(io::Error::other)?
    }

    /// A file or folder in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the app for an `up`.
    pub fn hold(&self, holder: &Holder) -> Result<Held, LockError> {
        let mut held = Held::take(self.file("up.lock"), false)?;
        held.write(holder)?;
        Ok(held)
    }

    /// Who runs `up` now, if anybody does.
    pub fn holder(&self) -> io::Result<Option<Holder>> {
        let unknown = Holder { pid: 0, folder: PathBuf::new(), port: None, run: String::new() };
        Ok(match look(&self.file("up.lock"))? {
            Lock::Free => None,
            Lock::Held(text) => Some(serde_json::from_str(&text).unwrap_or(unknown)),
        })
    }

    /// A new run, alive as long as the lock is held.
    pub async fn open_run(&self, clock: &Clock) -> io::Result<(String, Held)> {
        self.register("runs", clock).await
    }

    /// A new run of `test`, which is an instance of its own: its number, alive as long as the lock is held.
    pub async fn open_test(&self, clock: &Clock) -> io::Result<(String, Held)> {
        private_dir(&self.file("tests"))?;
        self.register("tests", clock).await
    }

    async fn register(&self, folder: &str, clock: &Clock) -> io::Result<(String, Held)> {
        let _registering = self.turn("sweep.lock", true, || ()).await?;
        let run = clock.random_hex(12);
        // Locked before it has its name: nobody sees it free and takes the run for a dead one.
        let (hidden, path) = (self.file(folder).join(format!(".{run}")), self.file(folder).join(&run));
        match Held::take(hidden.clone(), true) {
            Ok(mut held) => {
                fs::rename(&hidden, &path)?;
                held.path = path;
                Ok((run, held))
            }
            Err(LockError::Io(error)) => Err(error),
            Err(LockError::Held(_)) => Err(io::Error::other("two runs drew the same number")),
        }
    }

    /// Runs by whether their process lives.
    pub fn runs(&self) -> io::Result<Runs> {
        self.registered("runs")
    }

    /// Runs of `test` by whether their process lives.
    pub fn tests(&self) -> io::Result<Runs> {
        match self.registered("tests") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Runs::default()),
            found => found,
        }
    }

    fn registered(&self, folder: &str) -> io::Result<Runs> {
        let mut runs = Runs::default();
        for entry in fs::read_dir(self.file(folder))?.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            match look(&entry.path())? {
                Lock::Free => runs.dead.push(name),
                Lock::Held(_) => runs.live.push(name),
            }
        }
        Ok(runs)
    }

    /// Forgets runs that left nothing behind any more, and those that were killed before they had a name. Must be called
    /// in the turn to clean up.
    pub fn forget(&self, dead: &[String]) {
        let entries = fs::read_dir(self.file("runs")).into_iter().flatten().filter_map(Result::ok);
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        for name in names.filter(|name| name.starts_with('.') || dead.contains(name)) {
            let _ = fs::remove_file(self.file("runs").join(name));
        }
    }

    /// Forgets a run of `test` that left nothing behind any more.
    pub fn forget_test(&self, number: &str) {
        let _ = fs::remove_file(self.file("tests").join(number));
    }

    /// Removes the folder with everything in it.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(self.path)
    }
}

/// The runs a state folder knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Their processes live.
    pub live: Vec<String>,
    /// Their processes were killed; they may have left containers behind.
    pub dead: Vec<String>,
}

/// What a look at a lock finds.
enum Lock {
    Free,
    /// Held; what its file says.
    Held(String),
}

/// Looks whether a lock is held, without making its file. Two that look at once do not take one another for a holder.
fn look(path: &Path) -> io::Result<Lock> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock::Free),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Lock::Free),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            Ok(Lock::Held(text))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Held {
    fn take(path: PathBuf, remove: bool) -> Result<Self, LockError> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file, path, remove }),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                Err(LockError::Held(serde_json::from_str(&text).ok()))
            }
            Err(TryLockError::Error(error)) => Err(LockError::Io(error)),
        }
    }

    /// Says who holds it.
    pub fn write(&mut self, holder: &Holder) -> io::Result<()> {
        let text = serde_json::to_vec(holder)?;
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&text)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.remove {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes a folder and its parents, readable by the user alone; one that exists is closed to others.
pub fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// How the name of a file ends that was not wholly written.
const UNFINISHED: &str = ".dynosim-new";

/// Removes what a kill left of [`write_atomically`] in a folder. Nobody else may be writing there: it could be theirs.
pub fn forget_unfinished(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for entry in entries.filter(|entry| entry.file_name().as_bytes().ends_with(UNFINISHED.as_bytes())) {
        let _ = fs::remove_file(entry.path());
    }
}

/// Writes a whole file so that a crash at any moment leaves either the old or the new one.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // A name alone has an empty parent.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".").suffix(UNFINISHED).tempfile_in(folder)?;
    file.write_all(bytes)?;
    if let Ok(before) = fs::metadata(path) {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::{Holder, Identity, LockError, StateDir};
    use crate::clock::Clock;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    fn holder() -> Holder {
        Holder { pid: 42, folder: PathBuf::from("/src/shop"), port: Some(5006), run: "r".into() }
    }

    #[test]
    fn two_folders_of_one_name_and_two_instances_of_one_folder_never_mix() {
        let a = Identity::of(Path::new("/a/shop"), "");
        assert_ne!(a.id, Identity::of(Path::new("/b/shop"), "").id);
        assert_ne!(a.id, Identity::of(Path::new("/a/shop"), "pr-42").id);
        assert_eq!(a.id.len(), 12);
    }

    #[tokio::test]
    async fn commands_of_one_app_build_one_after_another() {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::open(base.path(), "shop", &Identity::of(Path::new("/a/shop"), "")).unwrap();
        let first = state.turn_to_build(|| panic!("nobody builds")).await.unwrap();
        let told = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let second = tokio::spawn({
            let (state, told) = (state.clone(), told.clone());
            async move { state.turn_to_build(|| told.store(true, std::sync::atomic::Ordering::SeqCst)).await }
        });
        while !told.load(std::sync::atomic::Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        assert!(!second.is_finished());
        drop(first);
        second.await.unwrap().unwrap();
    }

    #[test]
    fn state_is_the_user_s_alone() {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::open(base.path(), "shop", &Identity::of(Path::new("/a/shop"), "")).unwrap();
        let mode = std::fs::metadata(state.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_new_name_in_app_json_keeps_the_state_of_the_folder() {
        let base = tempfile::tempdir().unwrap();
        let identity = Identity::of(Path::new("/a/shop"), "");
        let first = StateDir::open(base.path(), "shop", &identity).unwrap();
        let second = StateDir::open(base.path(), "boutique", &identity).unwrap();
        assert_eq!(first.path(), second.path());
    }

    #[test]
    fn what_a_kill_left_half_written_is_forgotten_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        super::write_atomically(&path, b"A=1\n").unwrap();
        std::fs::write(folder.path().join(".abc.dynosim-new"), "A=").unwrap();
        super::forget_unfinished(folder.path());
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, [path]);
    }

    #[test]
    fn a_second_up_learns_who_holds_the_app() {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::open(base.path(), "shop", &Identity::of(Path::new("/a/shop"), "")).unwrap();
        let first = state.hold(&holder()).unwrap();
        assert!(matches!(state.hold(&holder()), Err(LockError::Held(Some(found))) if found == holder()));
        assert_eq!(state.holder().unwrap(), Some(holder()));
        drop(first);
        assert_eq!(state.holder().unwrap(), None);
    }

    #[test]
    fn two_commands_that_look_at_once_do_not_take_one_another_for_a_running_up() {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::open(base.path(), "shop", &Identity::of(Path::new("/a/shop"), "")).unwrap();
        drop(state.hold(&holder()).unwrap());
        let other = std::fs::File::open(state.file("up.lock")).unwrap();
        other.try_lock_shared().unwrap();
        assert_eq!(state.holder().unwrap(), None, "the pid in the file is of an up that is long gone");
    }

    #[tokio::test]
    async fn runs_are_alive_as_long_as_their_lock() {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::open(base.path(), "shop", &Identity::of(Path::new("/a/shop"), "")).unwrap();
        let (run, held) = state.open_run(&Clock::system()).await.unwrap();
        assert_eq!(state.runs().unwrap().live, std::slice::from_ref(&run));
        drop(held);
        std::fs::write(state.file("runs").join("of-a-killed-process"), "").unwrap();
        std::fs::write(state.file("runs").join(".killed-without-a-name"), "").unwrap();
        let runs = state.runs().unwrap();
        assert_eq!((runs.live.len(), runs.dead.as_slice()), (0, &["of-a-killed-process".to_owned()][..]));
        state.forget(&runs.dead);
        assert_eq!(std::fs::read_dir(state.file("runs")).unwrap().count(), 0, "dead runs are forgotten");
    }
}
