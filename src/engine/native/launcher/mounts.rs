//! The file system of a dyno that has a mount space of its own: the machine's, read-only, with private folders for
//! temporary files, a small `/dev`, and layers where the dyno may write.
//!
//! `/run` is empty but for the name server's address: the sockets of the machine's services are in there, among them
//! those of container engines, and a socket can be connected to however read-only the folder is.

use super::Fault;
use crate::engine::native::plan::Plan;
use rustix::fs::{CWD, Mode, OFlags, open, symlink};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_bind, mount_change, mount_remount,
    move_mount, open_tree,
};
use std::ffi::{CStr, CString};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What a dyno writes to a place, apart from what was there.
pub(super) struct Layer {
    pub(super) place: PathBuf,
    /// The folder that holds it.
    pub(super) upper: OwnedFd,
}

/// Hidden later, so that nothing of the layers' own folders is seen.
const SCRATCH: &str = "/run";
/// Devices that every container has.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// What stays of `/run`, where it is there: programs of NixOS.
const KEPT: [&str; 2] = ["/run/current-system", "/run/wrappers"];
/// The mode of a cover that nobody writes to.
const CLOSED: &str = "0755";
/// What `/dev/shm` takes, as in a container.
const SHARED_MEMORY: &CStr = c"mode=1777,size=64m";
const PRIVATE: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Makes it, in the mount space that this process is in.
pub(super) fn make(plan: &Plan) -> Result<Vec<Layer>, Fault> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(Fault::at("making a mount space"))?;
    for (file, place) in [(&plan.passwd, "/etc/passwd"), (&plan.group, "/etc/group")] {
        if let Some(file) = file.as_ref().filter(|_| Path::new(place).is_file()) {
            mount_bind(file, place).map_err(Fault::at(format!("laying the dyno's user over {place}")))?;
        }
    }
    // Taken along before everything becomes read-only and is covered.
    let own: Vec<Option<OwnedFd>> = covers().iter().map(|cover| own_folder(plan, cover)).collect::<Result<_, _>>()?;
    make_read_only()?;
    cover_sockets();
    let layers = lay(plan)?;
    let covers = covers();
    let mut kept: Vec<&Path> = vec![&plan.folder];
    kept.extend(plan.places.layered.iter().map(PathBuf::as_path));
    let server = fs::canonicalize("/etc/resolv.conf").unwrap_or_default();
    kept.push(&server);
    kept.extend(KEPT.iter().map(Path::new));
    kept.retain(|path| path.exists() && covers.iter().any(|(cover, _)| path.starts_with(cover)));
    // What is in another comes along with it.
    kept.sort();
    kept.dedup_by(|later, earlier| later.starts_with(earlier));
    let kept: Vec<(&Path, OwnedFd)> = kept
        .into_iter()
        .map(|path| Ok((path, clone(path).map_err(Fault::at(format!("keeping {}", path.display())))?)))
        .collect::<Result<_, _>>()?;
    let devices = devices().map_err(Fault::at("taking devices along"))?;
    for ((cover, mode), own) in covers.iter().zip(&own) {
        match own {
            Some(folder) => attach(folder, cover).map_err(Fault::at(format!("making a private {}", cover.display()))),
            None => temporary(cover, mode),
        }?;
    }
    dev(&devices).map_err(Fault::at("making /dev"))?;
    for (path, tree) in &kept {
        attach(tree, path).map_err(Fault::at(format!("keeping {}", path.display())))?;
    }
    for (cover, _) in covers.iter().filter(|(_, mode)| *mode == CLOSED) {
        mount_remount(cover, MountFlags::BIND | MountFlags::RDONLY | PRIVATE, "")
            .map_err(Fault::at(format!("closing {}", cover.display())))?;
    }
    Ok(layers)
}

/// The folders that the dyno gets empty ones for, with their modes.
fn covers() -> Vec<(PathBuf, &'static str)> {
    let mut found: Vec<(PathBuf, &'static str)> = Vec::new();
    for (place, mode) in [("/tmp", "1777"), ("/var/tmp", "1777"), ("/run", CLOSED), ("/var/run", CLOSED)] {
        if let Ok(real) = fs::canonicalize(place)
            && found.iter().all(|(other, _)| *other != real)
        {
            found.push((real, mode));
        }
    }
    found
}

/// A folder on disk that lies where a cover does; `None` for a cover that is empty for good.
fn own_folder(plan: &Plan, (cover, mode): &(PathBuf, &str)) -> Result<Option<OwnedFd>, Fault> {
    let Some(folder) = plan.temporary.as_ref().filter(|_| *mode != CLOSED) else { return Ok(None) };
    let folder = folder.join(cover.strip_prefix("/").unwrap_or(cover));
    let made = || {
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o1777))?;
        io::Result::Ok(Some(clone(&folder)?))
    };
    made().map_err(Fault::at(format!("making {}", folder.display())))
}

fn temporary(place: &Path, mode: &str) -> Result<(), Fault> {
    let data = CString::new(format!("mode={mode}")).map_err(Fault::at("mounting"))?;
    mount("tmpfs", place, "tmpfs", PRIVATE, data.as_c_str())
        .map_err(Fault::at(format!("making a private {}", place.display())))
}

/// Makes every mount read-only, keeping what else is said of it, which a user may not lift.
fn make_read_only() -> Result<(), Fault> {
    let table = fs::read("/proc/self/mountinfo").map_err(Fault::at("listing the mounts"))?;
    for (place, flags) in table.split(|byte| *byte == b'\n').filter_map(row) {
        match mount_remount(&place, MountFlags::BIND | MountFlags::RDONLY | flags, "") {
            // Under another mount, or in a folder that our user may not enter: the dyno cannot get there either.
            Ok(()) | Err(Errno::INVAL | Errno::NOENT | Errno::ACCESS | Errno::NOTDIR) => {}
            Err(error) => return Err(Fault::at(format!("making {} read-only", place.display()))(error)),
        }
    }
    Ok(())
}

/// Lays an empty device over each socket of the machine's services, those of container engines among them.
fn cover_sockets() {
    let table = fs::read("/proc/net/unix").unwrap_or_default();
    for line in table.split(|byte| *byte == b'\n').skip(1) {
        // The place is the eighth field, and not there for a socket that has no place.
        let Some(from) = line.iter().position(|byte| *byte == b'/') else { continue };
        let place = Path::new(std::ffi::OsStr::from_bytes(&line[from..]));
        if fs::symlink_metadata(place).is_ok_and(|facts| facts.file_type().is_socket()) {
            // Where it cannot be laid, the dyno cannot get either.
            let _ = mount_bind("/dev/null", place);
        }
    }
}

/// Place and flags of a line of `mountinfo`, unless it is read-only already.
fn row(line: &[u8]) -> Option<(PathBuf, MountFlags)> {
    let mut fields = line.split(|byte| *byte == b' ').skip(4);
    let (place, options) = (fields.next()?, fields.next()?);
    let options: Vec<&[u8]> = options.split(|byte| *byte == b',').collect();
    if options.contains(&&b"ro"[..]) {
        return None;
    }
    let known = [
        (&b"nosuid"[..], MountFlags::NOSUID),
        (b"nodev", MountFlags::NODEV),
        (b"noexec", MountFlags::NOEXEC),
        (b"noatime", MountFlags::NOATIME),
        (b"nodiratime", MountFlags::NODIRATIME),
        (b"relatime", MountFlags::RELATIME),
        (b"nosymfollow", MountFlags::NOSYMFOLLOW),
    ];
    let flags = known.into_iter().filter(|(name, _)| options.contains(name)).map(|(_, flag)| flag);
    Some((unescape(place), flags.fold(MountFlags::empty(), MountFlags::union)))
}

/// The kernel writes blanks and their like as three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        if let Some(code) = code.filter(|_| byte == b'\\') {
            bytes.push(code);
            rest = &after[3..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// Lays a layer over each place that the dyno may write to.
fn lay(plan: &Plan) -> Result<Vec<Layer>, Fault> {
    let mut places: Vec<&PathBuf> = plan.places.layered.iter().collect();
    if places.is_empty() {
        return Ok(Vec::new());
    }
    places.sort();
    temporary(Path::new(SCRATCH), "0700")?;
    let lay = |(number, place): (usize, &PathBuf)| {
        let scratch = Path::new(SCRATCH).join(number.to_string());
        let upper = scratch.join("upper");
        one(plan, place, &scratch, &upper)
            .and_then(|()| Ok(open(&upper, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?))
            .map(|upper| Layer { place: place.clone(), upper })
            .map_err(Fault::at(format!("making {} writable", place.display())))
    };
    places.into_iter().enumerate().map(lay).collect()
}

fn one(plan: &Plan, place: &Path, scratch: &Path, upper: &Path) -> io::Result<()> {
    fs::create_dir_all(upper)?;
    match fs::metadata(place) {
        Ok(facts) if facts.is_dir() => overlay(&[place], Some((upper, &scratch.join("work"))), place),
        Ok(facts) => {
            let name = place.file_name().ok_or_else(|| io::Error::other("it is no file"))?;
            fs::write(upper.join(name), fs::read(place)?)?;
            fs::set_permissions(upper.join(name), facts.permissions())?;
            Ok(mount_bind(upper.join(name), place)?)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => absent(plan, place, scratch, upper),
        Err(error) => Err(error),
    }
}

/// A folder that is not there yet: its parents are laid over the app's folder, without anything being written there.
fn absent(plan: &Plan, place: &Path, scratch: &Path, upper: &Path) -> io::Result<()> {
    let found = place.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("/"));
    if !found.starts_with(&plan.folder) {
        return Err(io::Error::other("there is no such folder, and only in the app's own one can be made for a dyno"));
    }
    let lower = scratch.join("lower");
    let inner = place.strip_prefix(found).unwrap_or(place);
    fs::create_dir_all(lower.join(inner))?;
    overlay(&[&lower, found], None, found)?;
    Ok(mount_bind(upper, place)?)
}

/// Overlays `lower`, upmost first; what is written goes to the first of the two folders of `upper`.
fn overlay(lower: &[&Path], upper: Option<(&Path, &Path)>, place: &Path) -> io::Result<()> {
    let escaped = |path: &Path| {
        let special = |byte: &u8| b"\\:,".contains(byte);
        path.as_os_str()
            .as_bytes()
            .iter()
            .flat_map(|byte| {
                let bytes = if special(byte) { vec![b'\\', *byte] } else { vec![*byte] };
                bytes.into_iter()
            })
            .collect::<Vec<u8>>()
    };
    let mut data = b"userxattr,lowerdir=".to_vec();
    data.extend(lower.iter().map(|path| escaped(path)).collect::<Vec<_>>().join(&b':'));
    let mut flags = PRIVATE;
    match upper {
        Some((upper, work)) => {
            fs::create_dir_all(work)?;
            for (name, path) in [(&b",upperdir="[..], upper), (b",workdir=", work)] {
                data.extend(name.iter().copied().chain(escaped(path)));
            }
        }
        None => flags |= MountFlags::RDONLY,
    }
    let data = CString::new(data)?;
    Ok(mount("overlay", place, "overlay", flags, data.as_c_str())?)
}

/// A copy of a mounted tree, to be attached elsewhere.
fn clone(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, path, flags)
}

/// Attaches it at a path, which is made.
fn attach(tree: &OwnedFd, path: &Path) -> io::Result<()> {
    let is_folder = rustix::fs::fstat(tree).map(|facts| rustix::fs::FileType::from_raw_mode(facts.st_mode).is_dir())?;
    if is_folder {
        fs::create_dir_all(path)?;
    } else {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        File::options().create(true).append(true).open(path)?;
    }
    Ok(move_mount(tree, c"", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

fn devices() -> rustix::io::Result<Vec<(PathBuf, OwnedFd)>> {
    let paths = DEVICES.iter().map(|name| Path::new("/dev").join(name)).filter(|path| path.exists());
    paths.map(|path| clone(&path).map(|tree| (path, tree))).collect()
}

/// A `/dev` as containers have it.
fn dev(devices: &[(PathBuf, OwnedFd)]) -> io::Result<()> {
    mount("tmpfs", "/dev", "tmpfs", MountFlags::NOSUID, c"mode=0755")?;
    for (path, tree) in devices {
        attach(tree, path)?;
    }
    for folder in ["/dev/pts", "/dev/shm"] {
        fs::create_dir(folder)?;
    }
    let no_programs = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("devpts", "/dev/pts", "devpts", no_programs, c"newinstance,ptmxmode=0666,mode=0620")?;
    mount("tmpfs", "/dev/shm", "tmpfs", PRIVATE, SHARED_MEMORY)?;
    let links = [("pts/ptmx", "ptmx"), ("/proc/self/fd", "fd"), ("/proc/self/fd/0", "stdin")];
    for (target, name) in links.into_iter().chain([("/proc/self/fd/1", "stdout"), ("/proc/self/fd/2", "stderr")]) {
        symlink(target, Path::new("/dev").join(name))?;
    }
    Ok(mount_remount("/dev", MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID, "")?)
}

#[cfg(test)]
mod tests {
    use super::row;
    use rustix::mount::MountFlags;
    use std::path::PathBuf;

    #[test]
    fn a_mount_keeps_its_flags_and_its_odd_name() {
        let line =
            b"36 35 98:0 /mnt1 /mnt/a\\040b\\134c rw,nosuid,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let (place, flags) = row(line).unwrap();
        assert_eq!(place, PathBuf::from("/mnt/a b\\c"));
        assert_eq!(flags, MountFlags::NOSUID | MountFlags::NOATIME);
        assert!(row(b"36 35 98:0 / /x ro,nosuid - ext3 x rw").is_none(), "it is read-only");
        assert!(row(b"").is_none());
    }
}
