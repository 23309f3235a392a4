//! Where the socket is. Its address has room for about a hundred bytes; a state folder whose path is longer holds a
//! note instead, which names a private folder in /tmp.

use crate::platform::state::{StateDir, write_atomically};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The socket, in the state folder.
const NAME: &str = "api.sock";
/// The note, in the state folder.
const ELSEWHERE: &str = "api.sock.at";
/// Bytes of a path that every system takes: Linux has 108 with the NUL, macOS 104.
const LONGEST: usize = 103;

/// A bound socket's place; it goes with this.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    note: Option<PathBuf>,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    /// Binds the app's socket, for its owner alone. What a killed run left there is replaced: the caller holds the
    /// app's lock.
    pub(super) fn bind(state: &StateDir) -> io::Result<(UnixListener, Self)> {
        clear(state);
        let near = state.file(NAME);
        let place = if near.as_os_str().len() <= LONGEST {
            Self { path: near, note: None, _folder: None }
        } else {
            let private = Permissions::from_mode(0o700);
            let folder = tempfile::Builder::new().prefix("dynosim-").permissions(private).tempdir_in("/tmp")?;
            let (path, note) = (folder.path().join(NAME), state.file(ELSEWHERE));
            write_atomically(&note, path.as_os_str().as_bytes())?;
            Self { path, note: Some(note), _folder: Some(folder) }
        };
        let listener = UnixListener::bind(&place.path)?;
        fs::set_permissions(&place.path, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok((listener, place))
    }

    /// Takes the socket away: who comes from now on learns that nothing runs.
    pub(super) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
        self.note.iter().for_each(|note| {
            let _ = fs::remove_file(note);
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Where a client finds the app's socket.
pub(super) fn find(state: &StateDir) -> PathBuf {
    noted(state).unwrap_or_else(|| state.file(NAME))
}

fn noted(state: &StateDir) -> Option<PathBuf> {
    fs::read(state.file(ELSEWHERE)).ok().map(|bytes| PathBuf::from(std::ffi::OsStr::from_bytes(&bytes)))
}

fn clear(state: &StateDir) {
    if let Some(path) = noted(state) {
        let _ = fs::remove_file(&path);
        if let Some(folder) = path.parent().filter(|folder| folder.parent() == Some(Path::new("/tmp"))) {
            // Only an empty one goes.
            let _ = fs::remove_dir(folder);
        }
        let _ = fs::remove_file(state.file(ELSEWHERE));
    }
    let _ = fs::remove_file(state.file(NAME));
}

#[cfg(test)]
mod tests {
    use super::{Place, find};
    use crate::platform::state::{Identity, StateDir};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    use std::path::Path;

    fn state(base: &Path) -> StateDir {
        StateDir::open(base, "shop", &Identity::of(Path::new("/a/shop"), "")).unwrap()
    }

    #[test]
    fn the_socket_is_the_owner_s_alone_and_goes_with_its_server() {
        let base = tempfile::tempdir().unwrap();
        let state = state(base.path());
        let (_listener, place) = Place::bind(&state).unwrap();
        let path = find(&state);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        UnixStream::connect(&path).unwrap();
        drop(place);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_killed_run_left_is_replaced() {
        let base = tempfile::tempdir().unwrap();
        let state = state(base.path());
        let (listener, place) = Place::bind(&state).unwrap();
        std::mem::forget(place);
        drop(listener);
        assert!(UnixStream::connect(find(&state)).is_err(), "nobody listens");
        let (_listener, _place) = Place::bind(&state).unwrap();
        UnixStream::connect(find(&state)).unwrap();
    }

    #[test]
    fn a_state_folder_with_a_long_path_has_its_socket_elsewhere() {
        let base = tempfile::tempdir().unwrap();
        let deep = base.path().join("x".repeat(120));
        let state = state(&deep);
        let (listener, place) = Place::bind(&state).unwrap();
        let first = find(&state);
        UnixStream::connect(&first).unwrap();
        let folder = first.parent().unwrap();
        assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
        std::mem::forget(place);
        drop(listener);
        let (_listener, place) = Place::bind(&state).unwrap();
        assert!(!folder.exists(), "the killed run's folder is gone");
        let second = find(&state);
        UnixStream::connect(&second).unwrap();
        drop(place);
        assert!(!second.exists() && !second.parent().unwrap().exists());
    }
}
