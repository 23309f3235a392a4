//! The files that dynosim puts into dynos: its init, the passwd and group file with the dyno's user, the memory quota.
//! They live in a private folder and are mounted read-only; the engine must see the same files as we do.

use super::hex;
use crate::engine::DynoSpec;
use crate::model::limits::DYNO_GID;
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The init's program, where it could be compiled.
#[cfg(dynosim_init)]
const INIT: Result<&[u8], &str> = Ok(include_bytes!(env!("DYNOSIM_INIT")));
#[cfg(not(dynosim_init))]
const INIT: Result<&[u8], &str> = Err(env!("DYNOSIM_INIT_MISSING"));

/// The private folder.
pub(in crate::engine) struct PrivateFiles {
    folder: PathBuf,
    /// One lock file for each run of ours; the kernel frees the lock when we die, however we die.
    locks: Mutex<Vec<(PathBuf, File)>>,
}

/// What one dyno gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct DynoFiles {
    pub(in crate::engine) passwd: PathBuf,
    pub(in crate::engine) group: PathBuf,
    pub(in crate::engine) quota: PathBuf,
    /// A file that is locked while we live; `None` where files cannot be locked.
    pub(in crate::engine) alive: Option<PathBuf>,
}

impl PrivateFiles {
    pub(in crate::engine) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), locks: Mutex::default() }
    }

    /// Writes the init where dynos can be given it, or says why they cannot.
    pub(in crate::engine) fn install_init(&self, architecture: &str) -> Result<PathBuf, String> {
        let program = INIT.map_err(str::to_owned)?;
        if architecture != here() {
            return Err(format!("the engine runs {architecture}, this dynosim was built for {}", here()));
        }
        let told = |error: io::Error| format!("{} cannot be written: {error}", self.folder.display());
        make_folder(&self.folder).map_err(told)?;
        let mounted = rustix::fs::statvfs(&self.folder).map_err(io::Error::from).map_err(told)?;
        if mounted.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC) {
            return Err(format!("{} is on a file system without execution (noexec)", self.folder.display()));
        }
        let name = format!("init-{}", &hex(&Sha256::digest(program))[..12]);
        let path = self.folder.join(name);
        if fs::metadata(&path).is_ok_and(|facts| facts.len() == program.len() as u64) {
            return Ok(path);
        }
        write_whole(&path, program, 0o755).map_err(told)?;
        Ok(path)
    }

    /// Writes a dyno's own files. Blocks for a moment.
    pub(in crate::engine) fn prepare(&self, spec: &DynoSpec, name: &str) -> io::Result<DynoFiles> {
        let run = self.run_folder(&spec.run.identity, &spec.run.run);
        let folder = run.join(name);
        make_folder(&folder)?;
        let alive = run.join("alive");
        let locked = self.lock(&alive)?;
        let files = DynoFiles {
            passwd: folder.join("passwd"),
            group: folder.join("group"),
            quota: self.folder.join(format!("quota-{}", spec.size.quota)),
            alive: locked.then_some(alive),
        };
        write_whole(&files.passwd, passwd(&spec.image.files.passwd, spec.uid, &spec.home()).as_bytes(), 0o644)?;
        write_whole(&files.group, group(&spec.image.files.group).as_bytes(), 0o644)?;
        if !files.quota.exists() {
            write_whole(&files.quota, format!("{}\n", spec.size.quota).as_bytes(), 0o644)?;
        }
        Ok(files)
    }

    /// Keeps the run's lock file locked for as long as this process lives; false where that cannot be done.
    fn lock(&self, path: &Path) -> io::Result<bool> {
        let mut locks = self.locks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if locks.iter().any(|(held, _)| held == path) {
            return Ok(true);
        }
        write_whole(path, b"", 0o644)?;
        let file = File::options().read(true).write(true).open(path)?;
        let locked = file.try_lock().is_ok();
        if locked {
            locks.push((path.to_owned(), file));
        }
        Ok(locked)
    }

    /// Removes the files of one dyno.
    pub(in crate::engine) fn forget_dyno(&self, identity: &str, run: &str, name: &str) {
        // What is left behind is removed by the next sweep.
        let _ = remove_whole(&self.run_folder(identity, run).join(name));
    }

    /// Removes the files of every run but those of `live`.
    pub(in crate::engine) fn forget_runs(&self, identity: &str, live: &[String]) {
        let folder = self.folder.join("dynos").join(identity);
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if !live.iter().any(|run| path.ends_with(run)) {
                let mut locks = self.locks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                locks.retain(|(held, _)| !held.starts_with(&path));
                let _ = remove_whole(&path);
            }
        }
        let _ = fs::remove_dir(folder);
    }

    fn run_folder(&self, identity: &str, run: &str) -> PathBuf {
        self.folder.join("dynos").join(identity).join(run)
    }
}

/// Removes a folder, also what a dyno has closed to everybody in it.
fn remove_whole(folder: &Path) -> io::Result<()> {
    fs::remove_dir_all(folder).or_else(|_| {
        open_all(folder);
        fs::remove_dir_all(folder)
    })
}

fn open_all(folder: &Path) {
    if fs::set_permissions(folder, Permissions::from_mode(0o700)).is_ok() {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            open_all(&entry.path());
        }
    }
}

/// The architecture we run on, in Docker's words.
pub(in crate::engine) fn here() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Written beside and renamed, so that nobody sees half of it.
fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.persist(path)?;
    Ok(())
}

/// The image's users, and the dyno's (R1.5).
fn passwd(image: &str, uid: u32, home: &str) -> String {
    format!("{}u{uid}:x:{uid}:{DYNO_GID}::{home}:/bin/sh\n", whole_lines(image))
}

/// The group `dyno` first: an image may have given its number to another name.
fn group(image: &str) -> String {
    format!("dyno:x:{DYNO_GID}:\n{}", whole_lines(image))
}

fn whole_lines(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

#[cfg(test)]
mod tests {
    use super::{PrivateFiles, group, passwd};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn r1_5_the_dyno_s_user_and_group_have_entries_beside_the_image_s() {
        assert_eq!(passwd("root:x:0:0::/root:/bin/sh", 42856, "/app"), {
            "root:x:0:0::/root:/bin/sh\nu42856:x:42856:1000::/app:/bin/sh\n"
        });
        assert_eq!(group("root:x:0:\nnode:x:1000:\n"), "dyno:x:1000:\nroot:x:0:\nnode:x:1000:\n");
        assert_eq!(passwd("", 10_000, "/"), "u10000:x:10000:1000::/:/bin/sh\n");
    }

    #[test]
    fn the_init_is_installed_once_executable_and_only_for_this_architecture() {
        let folder = tempfile::tempdir().unwrap();
        let files = PrivateFiles::new(&folder.path().join("engine"));
        assert!(files.install_init("s390x").is_err());
        if let Ok(path) = files.install_init(super::here()) {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o755);
            assert_eq!(files.install_init(super::here()).unwrap(), path);
        }
    }

    #[test]
    fn files_of_runs_that_are_over_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let files = PrivateFiles::new(folder.path());
        for run in ["old", "new"] {
            std::fs::create_dir_all(folder.path().join("dynos/id").join(run).join("web")).unwrap();
        }
        files.forget_runs("id", &["new".to_owned()]);
        assert!(!folder.path().join("dynos/id/old").exists());
        assert!(folder.path().join("dynos/id/new/web").exists());
    }
}
