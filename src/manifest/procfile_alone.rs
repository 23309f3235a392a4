//! A Procfile without any Dockerfile: what Heroku's buildpacks make a slug of. No image can be built of it, so only an
//! engine without images runs it. Its `release` is the release phase (R9).

use super::assembly::{Assembled, Sources, build};
use super::procfile::Process;
use crate::model::app::{Build, ProcessSpec, ReleaseSpec};
use crate::model::process_type::ProcessType;

/// Whether the Procfile names anything to run.
pub(super) fn stands(sources: &Sources<'_>) -> bool {
    sources.procfile.is_some_and(|(_, processes)| !processes.is_empty())
}

/// Makes the app of it: one slug, which every process type runs on.
pub(super) fn take(app: &mut Assembled, sources: &Sources<'_>) {
    let (Some((_, processes)), Some(path)) = (sources.procfile, sources.procfile_path) else { return };
    let slug = named_for(processes);
    app.only_procfile = true;
    // Whatever folder the file is in, the app is the project's.
    let build = Build { context: sources.root.to_owned(), ..build(sources, path.to_owned()) };
    app.builds.insert(slug.clone(), build);
    for process in processes {
        let (process_type, command) = (process.process_type.value.clone(), Some(process.command.clone()));
        if process_type.is_release() {
            app.release = Some(ReleaseSpec { image: slug.clone(), command });
        } else {
            app.processes.insert(process_type, ProcessSpec { image: slug.clone(), command });
        }
    }
}

/// The type that names the slug: web, else the first.
fn named_for(processes: &[Process]) -> ProcessType {
    let has = |wanted: &ProcessType| processes.iter().any(|process| process.process_type.value == *wanted);
    let first = processes.first().map(|process| process.process_type.value.clone());
    if has(&ProcessType::web()) { ProcessType::web() } else { first.unwrap_or_else(ProcessType::web) }
}
