//! Files that appear whole or not at all, and never in the place of another.

use super::Planned;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// What became of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is there now.
    Yes,
    /// Somebody else has made one meanwhile: it was left alone.
    Another,
}

/// Writes one file of a plan. A crash at any moment leaves all of it or nothing.
pub fn write(root: &Path, planned: &Planned) -> io::Result<Written> {
    let path = root.join(&planned.path);
    let folder = path.parent().unwrap_or(root);
    fs::create_dir_all(folder)?;
    let placed = match nameless(folder, &path, planned.text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => named(folder, &path, planned.text.as_bytes()),
        placed => placed,
    };
    match placed {
        Ok(()) => {
            File::open(folder)?.sync_all()?;
            Ok(Written::Yes)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Written::Another),
        Err(error) => Err(error),
    }
}

/// A file without a name gets one when it is complete: nothing is left behind even by `kill -9`.
#[cfg(target_os = "linux")]
fn nameless(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
    use std::os::fd::AsRawFd;

    let fd = open(folder, OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, Mode::from_raw_mode(0o666))?;
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    file.sync_all()?;
    let by_number = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(CWD, by_number.as_str(), CWD, path, AtFlags::SYMLINK_FOLLOW)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn nameless(_: &Path, _: &Path, _: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The same on systems and file systems that have no such files.
fn named(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mut builder = tempfile::Builder::new();
    let mut file =
        builder.prefix(".dynosim-init-").permissions(fs::Permissions::from_mode(0o666)).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Planned;
    use super::{Written, named, write};
    use std::fs;
    use std::path::PathBuf;

    #[test]
    fn a_file_appears_whole_in_folders_that_are_made_and_never_over_another() {
        let root = tempfile::tempdir().unwrap();
        let planned = Planned { path: PathBuf::from(".github/workflows/x.yml"), text: "a: 1\n".into(), there: None };
        assert_eq!(write(root.path(), &planned).unwrap(), Written::Yes);
        let other = Planned { text: "b: 2\n".into(), ..planned.clone() };
        assert_eq!(write(root.path(), &other).unwrap(), Written::Another);
        let folder = root.path().join(".github/workflows");
        assert_eq!(fs::read_to_string(folder.join("x.yml")).unwrap(), "a: 1\n");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left there");
        // Where files without a name are not to be had.
        named(&folder, &folder.join("y.yml"), b"c").unwrap();
        assert!(named(&folder, &folder.join("y.yml"), b"d").is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_not_written_through() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("elsewhere", root.path().join("Dockerfile")).unwrap();
        let planned = Planned { path: PathBuf::from("Dockerfile"), text: "FROM busybox\n".into(), there: None };
        assert_eq!(write(root.path(), &planned).unwrap(), Written::Another);
        assert!(!root.path().join("elsewhere").exists());
    }
}
