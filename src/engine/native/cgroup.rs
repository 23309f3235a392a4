//! A dyno's own control group, where this machine lets us make one: as root, and where the user's part of cgroup 2 is
//! delegated (systemd does that for what runs under `user@UID.service`). The kernel then counts the dyno's processes, and
//! with cgroup 2 its memory.

use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::sleep;

/// A group is let go a moment after its last process has ended.
const REMOVALS: usize = 50;
const REMOVAL_PACE: Duration = Duration::from_millis(2);

/// Where groups can be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    folder: Option<PathBuf>,
    second: bool,
    memory: bool,
}

/// The group of one dyno.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    folder: PathBuf,
    /// The kernel kills at the memory limit.
    pub(super) memory: bool,
}

impl Place {
    /// Finds it, and tries it.
    pub(super) fn find() -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let (mounts, own) = (read("/proc/self/mountinfo"), read("/proc/self/cgroup"));
        let trial = format!("dynosim-trial-{}-{:06x}", std::process::id(), rand::random::<u32>() & 0x00ff_ffff);
        let found = [second(&mounts, &own), first(&mounts, &own)].into_iter().flatten();
        found
            .into_iter()
            .find(|place| place.make(&trial, 16, 1 << 30).is_some_and(|group| group.remove()))
            .unwrap_or_default()
    }

    /// Whether there is one.
    pub(super) fn counts_processes(&self) -> bool {
        self.folder.is_some()
    }

    /// Whether the kernel keeps the memory limit there.
    pub(super) fn counts_memory(&self) -> bool {
        self.memory
    }

    /// `1` or `2`; empty where there is none.
    pub(super) fn version(&self) -> &'static str {
        match (&self.folder, self.second) {
            (None, _) => "",
            (Some(_), false) => "1",
            (Some(_), true) => "2",
        }
    }

    /// Makes a group with these limits, whole or not at all.
    pub(super) fn make(&self, name: &str, processes: u32, memory: u64) -> Option<Group> {
        let group = Group { folder: self.folder.as_ref()?.join(name), memory: self.memory };
        // One that was left behind is as good.
        match fs::create_dir(&group.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return None,
            _ => {}
        }
        let write = |file: &str, value: String| fs::write(group.folder.join(file), value);
        let mut limited = write("pids.max", processes.to_string());
        if self.memory {
            limited = limited.and_then(|()| write("memory.max", memory.to_string()));
            // Kernels before 4.19 kill one process, and the init then the others.
            let _ = write("memory.oom.group", "1".to_owned());
        }
        if limited.is_err() {
            group.remove();
            return None;
        }
        Some(group)
    }
}

impl Place {
    /// Removes the groups of an app's dynos that have ended; one that has processes stays.
    pub(super) fn sweep(&self, identity: &str) {
        let entries = self.folder.as_ref().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten();
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&format!("dynosim-{identity}-")) {
                // It is busy, and none of those that have ended.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

/// Beside our own group of cgroup 2, since a group that has processes has no groups below it.
fn second(mounts: &str, own: &str) -> Option<Place> {
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 ")).and_then(place_of)?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = mount.join(own);
    let folder = if own == mount { own } else { own.parent()?.to_owned() };
    let enabled = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default();
    let has = |name: &str| enabled.split_ascii_whitespace().any(|one| one == name);
    has("pids").then(|| Place { memory: has("memory"), folder: Some(folder), second: true })
}

/// Below our own group of cgroup 1's counter of processes.
fn first(mounts: &str, own: &str) -> Option<Place> {
    let is_pids = |line: &&str| line.contains(" - cgroup ") && line.ends_with("pids");
    let mount = mounts.lines().find(is_pids).and_then(place_of)?;
    let own = own.lines().find_map(|line| line.split_once(":pids:/"))?.1;
    Some(Place { folder: Some(mount.join(own)), second: false, memory: false })
}

fn place_of(line: &str) -> Option<PathBuf> {
    line.split(' ').nth(4).map(PathBuf::from)
}

impl Group {
    /// Puts a process in, and with it those that it will start.
    pub(super) fn join(&self, pid: u32) -> io::Result<()> {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string())
    }

    /// Whether the kernel killed a process at the memory limit.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.folder.join("memory.events")).unwrap_or_default();
        let count = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        self.memory && count.and_then(|count| count.trim().parse::<u64>().ok()).is_some_and(|count| count > 0)
    }

    /// Removes it, if no process is left in it; whether it is gone.
    pub(super) fn remove(&self) -> bool {
        fs::remove_dir(&self.folder).is_ok() || !self.folder.exists()
    }

    /// Removes it once its last process has been let go.
    pub(super) async fn close(&self) {
        for _ in 0..REMOVALS {
            if self.remove() {
                return;
            }
            sleep(REMOVAL_PACE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, first, second};
    use std::fs;

    #[test]
    fn a_group_of_cgroup_2_is_made_beside_our_own_where_pids_are_counted() {
        let root = tempfile::tempdir().unwrap();
        let slice = root.path().join("user.slice/app.slice");
        fs::create_dir_all(slice.join("own.scope")).unwrap();
        let mounts = format!("30 23 0:26 / {} rw,nosuid - cgroup2 cgroup2 rw\n", root.path().display());
        let own = "0::/user.slice/app.slice/own.scope\n";
        assert_eq!(second(&mounts, own), None, "nothing is counted there");
        fs::write(slice.join("cgroup.subtree_control"), "memory pids\n").unwrap();
        let place = second(&mounts, own).unwrap();
        assert!(place.counts_memory() && place.version() == "2");
        let group = place.make("dyno", 258, 1 << 30).unwrap();
        let read = |file: &str| fs::read_to_string(slice.join("dyno").join(file)).unwrap();
        assert_eq!((read("pids.max").as_str(), read("memory.max").as_str()), ("258", "1073741824"));
        assert!(!group.ran_out_of_memory());
        fs::write(slice.join("dyno/memory.events"), "oom 1\noom_kill 1\noom_group_kill 0\n").unwrap();
        assert!(group.ran_out_of_memory());
    }

    #[test]
    fn cgroup_1_counts_processes_below_our_own_group() {
        let mounts = "31 23 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
        let place = first(mounts, "8:pids:/docker/x\n0::/\n").unwrap();
        assert_eq!(place.folder.as_deref(), Some(std::path::Path::new("/sys/fs/cgroup/pids/docker/x")));
        assert_eq!(first("", "8:pids:/\n"), None);
    }

    #[test]
    fn where_nothing_may_be_written_there_is_no_group() {
        assert_eq!(Place { folder: Some("/proc/dynosim".into()), ..Place::default() }.make("x", 1, 1), None);
    }
}
