//! One dyno's container: made, attached to, started, and handed to its task.

use super::create::{OURS, Recipe, Terms};
use super::error::{self, failed, told};
use super::streams::attach;
use super::task::{Life, Order};
use super::{Shared, images, labels, volumes};
use crate::engine::files::DynoFiles;
use crate::engine::{
    Console, DynoSpec, EngineError, EventSink, Filesystem, Finding, Instance, OutputSink, ProcessFacts, Signal, Usage,
};
use async_trait::async_trait;
use bollard::container::AttachContainerResults;
use bollard::query_parameters::{CreateContainerOptionsBuilder, RemoveVolumeOptions, ResizeContainerTTYOptionsBuilder};
use bytes::Bytes;
use std::sync::{Arc, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// What is removed with a dyno, however it ends: by its task, by a launch that fails or is given up.
pub(super) struct Leftovers {
    shared: Arc<Shared>,
    pub(super) container: String,
    volumes: Vec<String>,
    identity: String,
    run: String,
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        if tokio::runtime::Handle::try_current().is_err() {
            return; // The process ends; the labels lead the next sweep here.
        }
        let shared = Arc::clone(&self.shared);
        let container = std::mem::take(&mut self.container);
        let volumes = std::mem::take(&mut self.volumes);
        let (identity, run) = (std::mem::take(&mut self.identity), std::mem::take(&mut self.run));
        let tracker = shared.cleanups.clone();
        tracker.spawn(async move {
            shared.launches.over().await;
            // What stays is labelled, and goes with the next sweep.
            let _ = shared.remove(&container).await;
            for volume in volumes {
                let _ = shared.docker.remove_volume(&volume, None::<RemoveVolumeOptions>).await;
            }
            shared.files.forget_dyno(&identity, &run, &container);
        });
    }
}

/// Starts one dyno.
pub(super) async fn launch(
    shared: &Arc<Shared>,
    spec: DynoSpec,
    events: EventSink,
    output: OutputSink,
) -> Result<Box<dyn Instance>, EngineError> {
    let _launch = shared.launches.begin();
    let name = labels::container(&spec);
    let mut leftovers = Leftovers {
        shared: Arc::clone(shared),
        container: name.clone(),
        volumes: Vec::new(),
        identity: spec.run.identity.clone(),
        run: spec.run.run.clone(),
    };
    let files = files(shared, &spec, &name).await?;
    let missing = missing_paths(shared, &spec).await?;
    let places = volumes::places(&spec, &missing);
    leftovers.volumes = volumes::named(&places, &name);
    volumes::create_named(shared, &spec, &leftovers.volumes).await?;

    let mut terms = shared.terms.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let started = loop {
        let abilities = &shared.abilities;
        let recipe = Recipe { spec: &spec, abilities, terms: &terms, name: &name, files: &files, places: &places };
        let started = start(shared, &recipe).await;
        let Some(fewer) = fewer_terms(&terms, &started) else { break started };
        shared.terms.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&fewer);
        terms = fewer;
        // Refused on creation there is nothing to remove.
        let _ = shared.remove(&name).await;
    };
    let (orders, inbox) = mpsc::unbounded_channel();
    let (input, typed) = mpsc::channel(16);
    let life = Life::new(shared, spec, leftovers, terms.init.is_some(), events, output);
    match started {
        Ok(attached) => drop(tokio::spawn(life.run(attached, inbox, typed))),
        Err(Refused::App(status, finding)) => drop(tokio::spawn(life.never_started(status, finding))),
        Err(Refused::Engine(error)) => return Err(error),
    }
    Ok(Box::new(DockerInstance { shared: Arc::clone(shared), container: name, orders, input }))
}

/// What to do without, when the engine refused one of our files.
fn fewer_terms(terms: &Terms, started: &Result<AttachContainerResults, Refused>) -> Option<Terms> {
    const UNSEEN: [&str; 3] = ["bind source path does not exist", "mounts denied", "is not shared"];
    let Err(Refused::Engine(error)) = started else { return None };
    let words = error.to_string();
    if terms.quota && words.contains("/sys/fs/cgroup") {
        // Some kernels or runtimes do not let a file be laid over a control file.
        return Some(Terms { quota: false, ..terms.clone() });
    }
    // A virtual machine that does not share the folder with our files.
    (terms.files && UNSEEN.iter().any(|part| words.to_lowercase().contains(part))).then(Terms::default)
}

async fn files(shared: &Arc<Shared>, spec: &DynoSpec, name: &str) -> Result<DynoFiles, EngineError> {
    let (task_shared, task_spec, task_name) = (Arc::clone(shared), spec.clone(), name.to_owned());
    let prepared = tokio::task::spawn_blocking(move || task_shared.files.prepare(&task_spec, &task_name)).await;
    let doing = format!("writing files for {}", spec.name);
    match prepared {
        Ok(files) => files.map_err(|error| failed(&doing, &error)),
        Err(error) => Err(failed(&doing, &error)),
    }
}

/// The writable paths that the image lacks; asked of the image once.
async fn missing_paths(shared: &Shared, spec: &DynoSpec) -> Result<Vec<String>, EngineError> {
    match spec.writable()? {
        [] => Ok(Vec::new()),
        writable => images::missing_paths(shared, &spec.image, writable).await,
    }
}

/// Why a dyno did not start.
enum Refused {
    /// The app's or image's fault: status and reason.
    App(i32, Finding),
    Engine(EngineError),
}

fn told_starting(spec: &DynoSpec, error: &bollard::errors::Error) -> EngineError {
    told(&format!("starting {}", spec.name), error)
}

async fn start(shared: &Shared, recipe: &Recipe<'_>) -> Result<AttachContainerResults, Refused> {
    let spec = recipe.spec;
    let options = CreateContainerOptionsBuilder::new().name(recipe.name).platform(&volumes::platform(spec)).build();
    let create = async {
        let doing = format!("creating a container for {}", spec.name);
        shared.docker.create_container(Some(options), recipe.body()).await.map_err(|error| told(&doing, &error))
    };
    let fill = volumes::fill(shared, spec, recipe.name, recipe.places);
    tokio::try_join!(create, fill).map_err(Refused::Engine)?;
    if matches!(spec.filesystem, Filesystem::Ephemeral) {
        volumes::mend(shared, spec, recipe.name).await.map_err(Refused::Engine)?;
    }
    let attached = attach(shared, recipe.name).await.map_err(|error| Refused::Engine(told_starting(spec, &error)))?;
    match shared.docker.start_container(recipe.name, None).await {
        Ok(()) => {}
        Err(error) => return Err(judge(spec, &error)),
    }
    if let Console::Terminal(columns, rows) = spec.console {
        resize(shared, recipe.name, columns, rows).await;
    }
    Ok(attached)
}

/// Tells a program or folder that cannot be used, the image's fault, from the engine's own trouble.
fn judge(spec: &DynoSpec, error: &bollard::errors::Error) -> Refused {
    const NOT_FOUND: [&str; 2] = ["executable file not found", "no such file or directory"];
    const NOT_USABLE: [&str; 4] = ["permission denied", "exec format error", "is a directory", "not a directory"];
    let words = error::words(error);
    let lower = words.to_ascii_lowercase();
    let of_program = lower.contains("exec: ") || lower.contains("chdir") || lower.contains("exec user process");
    let status = if NOT_FOUND.iter().any(|part| lower.contains(part)) {
        127
    } else if NOT_USABLE.iter().any(|part| lower.contains(part)) {
        126
    } else {
        0
    };
    if !of_program || status == 0 || lower.contains("/sys/fs/cgroup") {
        return Refused::Engine(told_starting(spec, error));
    }
    let reason = words.rsplit("caused: ").next().unwrap_or(&words).trim_end_matches(": unknown").to_owned();
    let program = if lower.contains("chdir") {
        spec.image.workdir.clone()
    } else {
        spec.argv.first().cloned().unwrap_or_default()
    };
    Refused::App(status, Finding::ExecFailed { program, reason })
}

/// A size that cannot be set costs a misdrawn screen, no more.
async fn resize(shared: &Shared, container: &str, columns: u16, rows: u16) {
    let options = ResizeContainerTTYOptionsBuilder::new().w(i32::from(columns)).h(i32::from(rows)).build();
    let _ = shared.docker.resize_container_tty(container, options).await;
}

/// Whether the app wrote the path itself.
pub(super) fn is_ours(path: &str) -> bool {
    OURS.iter().any(|ours| path == *ours || path.strip_prefix(ours).is_some_and(|rest| rest.starts_with('/')))
}

/// The handle that the dyno's owner holds.
struct DockerInstance {
    shared: Arc<Shared>,
    container: String,
    orders: mpsc::UnboundedSender<Order>,
    input: mpsc::Sender<Bytes>,
}

#[async_trait]
impl Instance for DockerInstance {
    fn signal(&self, signal: Signal) {
        // A task that is gone has nothing left to signal.
        let _ = self.orders.send(Order::Signal(signal));
    }

    async fn usage(&self) -> Option<Usage> {
        let (stats, (_, runnable)) = tokio::join!(super::usage::usage(&self.shared, &self.container), self.list());
        stats.map(|usage| Usage { runnable, ..usage })
    }

    async fn processes(&self) -> Vec<ProcessFacts> {
        self.list().await.0
    }

    async fn input(&self, bytes: Bytes) {
        let _ = self.input.send(bytes).await;
    }

    async fn resize(&self, columns: u16, rows: u16) {
        resize(&self.shared, &self.container, columns, rows).await;
    }
}

impl DockerInstance {
    async fn list(&self) -> (Vec<ProcessFacts>, u64) {
        let (answer, listed) = oneshot::channel();
        if self.orders.send(Order::Processes(answer)).is_err() {
            return Default::default();
        }
        listed.await.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Refused, Terms, fewer_terms, judge};
    use crate::engine::Finding;
    use crate::engine::docker::testing::spec;
    use bollard::errors::Error;

    const FRAME: &str = "OCI runtime create failed: container_linux.go:380: starting container process caused: ";

    fn refused(words: &str) -> Refused {
        let message = format!("{FRAME}{words}: unknown");
        judge(&spec(), &Error::DockerResponseServerError { status_code: 400, message })
    }

    #[test]
    fn a_program_or_folder_that_cannot_be_used_is_the_app_s_fault() {
        let cases = [
            ("exec: \"gunicorn\": executable file not found in $PATH", 127, "/bin/sh"),
            ("exec: \"./run\": permission denied", 126, "/bin/sh"),
            ("chdir to cwd (\"/secret\") set in config.json failed: permission denied", 126, ""),
        ];
        for (words, expected, named) in cases {
            let Refused::App(status, Finding::ExecFailed { program, reason }) = refused(words) else {
                panic!("{words}");
            };
            assert_eq!((status, program.as_str(), reason.as_str()), (expected, named, words));
        }
    }

    #[test]
    fn the_engine_s_own_trouble_is_no_fault_of_the_app() {
        for words in ["process_linux.go: cannot allocate memory", "no such file or directory"] {
            assert!(matches!(refused(words), Refused::Engine(_)), "{words}");
        }
    }

    #[test]
    fn files_that_the_engine_refuses_are_done_without() {
        let all = Terms { files: true, quota: true, init: Some("/init".into()) };
        let quota = Err(refused("mounting \"q\" to rootfs at \"/sys/fs/cgroup/memory.max\": permission denied"));
        assert_eq!(fewer_terms(&all, &quota), Some(Terms { quota: false, ..all.clone() }));
        let unseen = Err(refused("invalid mount config for type \"bind\": bind source path does not exist: /x"));
        assert_eq!(fewer_terms(&all, &unseen), Some(Terms::default()));
        assert_eq!(fewer_terms(&Terms::default(), &unseen), None);
        assert_eq!(fewer_terms(&all, &Err(refused("out of addresses"))), None);
    }
}
