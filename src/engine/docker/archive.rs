//! Small tar archives for and from containers.

use std::io::Read;

/// Folders with mode and owner, to be unpacked at `/`.
pub(super) fn of_folders<'a>(folders: impl Iterator<Item = (&'a str, u32, u32)>) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, mode, uid) in folders {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(mode);
        header.set_uid(u64::from(uid));
        header.set_gid(if uid == 0 { 0 } else { u64::from(super::volumes::GROUP) });
        header.set_size(0);
        let name = format!("{}/", path.trim_matches('/'));
        // A path that no header can carry is left out, and the engine's own error tells of it later.
        let _ = archive.append_data(&mut header, name, std::io::empty());
    }
    archive.into_inner().unwrap_or_default()
}

/// The text of the first regular file.
pub(super) fn first_file(tar: &[u8]) -> Option<String> {
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().ok()? {
        let mut entry = entry.ok()?;
        if entry.header().entry_type().is_file() {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).ok()?;
            return Some(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #[test]
    fn folders_keep_mode_and_owner() {
        let tar = super::of_folders([("/var/tmp", 0o1777, 0), ("/data", 0o755, 12_345)].into_iter());
        let mut archive = tar::Archive::new(&tar[..]);
        let found: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|e| e.unwrap())
            .map(|e| (e.path().unwrap().display().to_string(), e.header().mode().unwrap(), e.header().uid().unwrap()))
            .collect();
        assert_eq!(found, [("var/tmp/".to_owned(), 0o1777, 0), ("data/".to_owned(), 0o755, 12_345)]);
    }
}
