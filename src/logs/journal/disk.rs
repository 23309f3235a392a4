//! The boundary between the journal and the file system, so that a test can fill the disk.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

/// What the owner of a journal asks of a file system.
pub(in crate::logs) trait Disk: Send + Sync {
    /// Opens a file for appending, made if need be, readable by its owner only.
    fn append_to(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
}

/// A segment that is appended to.
pub(in crate::logs) trait SegmentFile: Send + Sync {
    /// Appends some of the bytes and says how many.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Its length now; another process may have appended.
    fn length(&self) -> io::Result<u64>;
    /// Cuts it to this length.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Whether nobody else is appending at this moment; if so, nobody can until the file is closed.
    fn seal(&self) -> bool;
}

/// The real one.
pub(in crate::logs) struct FileSystem;

impl Disk for FileSystem {
    fn append_to(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(open_for_append(path)?))
    }
}

impl SegmentFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn seal(&self) -> bool {
        // A file system without locks must not keep a segment from ending.
        !matches!(self.try_lock(), Err(std::fs::TryLockError::WouldBlock))
    }
}

/// Opens a file for appending, made with mode 0600 if need be, in a folder made with mode 0700.
pub(super) fn open_for_append(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    match (open(), path.parent()) {
        (Err(error), Some(dir)) if error.kind() == io::ErrorKind::NotFound => {
            make_folder(dir)?;
            open()
        }
        (result, _) => result,
    }
}

/// Makes a folder and its parents, for this user only.
pub(super) fn make_folder(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Whether a file is empty or ends with a newline.
pub(super) fn ends_whole(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    let Some(last) = file.metadata()?.len().checked_sub(1) else { return Ok(true) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte == *b"\n")
}

#[cfg(test)]
pub(in crate::logs) mod fake {
    //! Real files on a disk of a given size.

    use super::{Disk, FileSystem, SegmentFile};
    use std::io;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A disk that has so many bytes left.
    #[derive(Clone)]
    pub(in crate::logs) struct SmallDisk {
        pub(in crate::logs) free: Arc<AtomicUsize>,
    }

    impl SmallDisk {
        pub(in crate::logs) fn with(free: usize) -> Self {
            Self { free: Arc::new(AtomicUsize::new(free)) }
        }

        pub(in crate::logs) fn set_free(&self, free: usize) {
            self.free.store(free, Ordering::SeqCst);
        }
    }

    impl Disk for SmallDisk {
        fn append_to(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
            Ok(Box::new(SmallFile { file: FileSystem.append_to(path)?, disk: self.clone() }))
        }
    }

    struct SmallFile {
        file: Box<dyn SegmentFile>,
        disk: SmallDisk,
    }

    impl SegmentFile for SmallFile {
        fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let some = bytes.len().min(self.disk.free.load(Ordering::SeqCst));
            if some == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.disk.free.fetch_sub(some, Ordering::SeqCst);
            self.file.append(&bytes[..some])
        }

        fn length(&self) -> io::Result<u64> {
            self.file.length()
        }

        fn truncate(&mut self, length: u64) -> io::Result<()> {
            self.disk.free.fetch_add(usize::try_from(self.file.length()? - length).unwrap(), Ordering::SeqCst);
            self.file.truncate(length)
        }

        fn seal(&self) -> bool {
            self.file.seal()
        }
    }
}
