//! Memory and processes of a container, as the engine counts them.

use super::Shared;
use crate::engine::{LostWrite, ProcessFacts, Usage};
use bollard::models::ContainerMemoryStats;
use bollard::query_parameters::{ContainerArchiveInfoOptionsBuilder, StatsOptionsBuilder, TopOptionsBuilder};
use futures_util::StreamExt;
#[cfg(test)]
use std::collections::HashMap;

/// A dyno that fills its disk with files need not have each of them named.
const MOST_LOST_WRITES: usize = 200;
/// Go's bit for a folder in a file mode.
const GO_FOLDER: u32 = 1 << 31;

/// Memory use now; `None` when the container does not run.
pub(super) async fn usage(shared: &Shared, container: &str) -> Option<Usage> {
    let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
    let stats = std::pin::pin!(shared.docker.stats(container, Some(options))).next().await?.ok()?;
    memory(&stats.memory_stats?)
}

/// cgroup 1 and 2 use different words.
fn memory(stats: &ContainerMemoryStats) -> Option<Usage> {
    let map = stats.stats.as_ref()?;
    let one = |names: &[&str]| names.iter().find_map(|name| map.get(*name)).copied().unwrap_or(0);
    Some(Usage {
        rss: one(&["total_rss", "rss", "anon"]),
        cache: one(&["total_cache", "cache", "file"]),
        swap: one(&["total_swap", "swap"]),
        pages_in: one(&["total_pgpgin", "pgpgin"]),
        pages_out: one(&["total_pgpgout", "pgpgout"]),
        runnable: 0,
    })
}

/// The processes as `ps` on the engine's host sees them: for dynos without our init.
pub(super) async fn top(shared: &Shared, container: &str) -> (Vec<ProcessFacts>, u64) {
    let options = TopOptionsBuilder::new().ps_args("-eo pid,stat,rss,comm,args").build();
    let Ok(answer) = shared.docker.top_processes(container, Some(options)).await else { return Default::default() };
    let rows: Vec<Vec<String>> = answer.processes.unwrap_or_default();
    let runnable = rows.iter().filter(|row| row.get(1).is_some_and(|state| state.starts_with('R'))).count();
    (rows.iter().filter_map(|row| process(row)).collect(), runnable as u64)
}

fn process(row: &[String]) -> Option<ProcessFacts> {
    let [pid, _, kilobytes, name, command, ..] = row else { return None };
    // docker's init is none of the app's processes.
    (name != "docker-init" && name != "tini").then_some(())?;
    Some(ProcessFacts {
        pid: pid.parse().ok()?,
        name: name.clone(),
        command: command.clone(),
        rss: kilobytes.parse::<u64>().ok()? * 1024,
    })
}

/// The files of a container's own layer that the app made or changed.
pub(super) async fn lost_writes(shared: &Shared, container: &str) -> Vec<LostWrite> {
    const DELETED: i32 = 2;
    let changes = shared.docker.container_changes(container).await.ok().flatten().unwrap_or_default();
    let kept =
        changes.into_iter().filter(|change| change.kind as i32 != DELETED && !super::launch::is_ours(&change.path));
    let mut paths: Vec<String> = kept.map(|change| change.path).collect();
    paths.sort();
    // A path with another below it is a folder: no need to ask.
    let folders: Vec<bool> = (0..paths.len())
        .map(|at| {
            paths
                .get(at + 1)
                .is_some_and(|next| next.strip_prefix(paths[at].as_str()).is_some_and(|rest| rest.starts_with('/')))
        })
        .collect();
    let files = paths.into_iter().zip(folders).filter(|(_, folder)| !folder).map(|(path, _)| path);
    let sizes = futures_util::stream::iter(files.take(MOST_LOST_WRITES * 2)).map(|path| async move {
        let options = ContainerArchiveInfoOptionsBuilder::new().path(&path).build();
        match shared.docker.get_container_archive_info(container, Some(options)).await {
            Ok(facts) if facts.file_mode & GO_FOLDER != 0 => None,
            Ok(facts) => Some(LostWrite { path, size: u64::try_from(facts.size).ok() }),
            Err(_) => Some(LostWrite { path, size: None }),
        }
    });
    sizes.buffered(16).filter_map(std::future::ready).take(MOST_LOST_WRITES).collect().await
}

/// For tests of the words of both cgroup versions.
#[cfg(test)]
fn stats(words: &[(&str, u64)]) -> ContainerMemoryStats {
    let map: HashMap<String, u64> = words.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    ContainerMemoryStats { stats: Some(map), ..ContainerMemoryStats::default() }
}

#[cfg(test)]
mod tests {
    use super::{memory, stats};
    use crate::engine::Usage;

    #[test]
    fn r7_memory_is_read_from_both_cgroup_versions() {
        let v1 = stats(&[("rss", 1), ("total_rss", 5), ("cache", 2), ("swap", 3), ("pgpgin", 7), ("pgpgout", 8)]);
        let expected = Usage { rss: 5, cache: 2, swap: 3, pages_in: 7, pages_out: 8, runnable: 0 };
        assert_eq!(memory(&v1), Some(expected));
        let v2 = stats(&[("anon", 5), ("file", 2)]);
        assert_eq!(memory(&v2), Some(Usage { rss: 5, cache: 2, ..Usage::default() }));
    }
}
