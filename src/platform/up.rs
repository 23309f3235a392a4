//! `up`: build, release, run, until somebody wants it to end.

use super::builds::{self, BuildOptions, BuiltSlug};
use super::deploy::{self, DynoRules, Ground};
use super::error::PlatformError;
use super::formation::{Running, TableOf};
use super::front::{self, Front, FrontOptions};
use super::interrupt::Interrupt;
use super::project::Project;
use super::report::{News, Urls};
use super::slate::Slate;
use super::state::{Held, Holder};
use super::store::{Kept, Releases};
use crate::engine::EngineError;
use crate::logs::Logs;
use crate::model::app::App;
use crate::model::dyno::{DynoName, DynoSize, DynoState};
use crate::model::formation::{self, Formation, Scale};
use crate::model::launch::LaunchOptions;
use crate::model::process_type::ProcessType;
use crate::model::release::Slug;
use crate::router::Router;
use crate::router::table::Backend;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// A forced stop waits this long for the engine to remove what is left.
const FORCED_SWEEP: Duration = Duration::from_secs(10);

/// What `up` was asked for.
#[derive(Clone, Debug)]
pub struct UpOptions {
    /// `web=2,worker=1`: over the app's own formation.
    pub quantities: BTreeMap<ProcessType, u32>,
    /// One size for all dynos, over the app's own.
    pub size: Option<DynoSize>,
    /// The router: where it listens, for whom, and how it behaves.
    pub front: FrontOptions,
    /// How images are built.
    pub build: BuildOptions,
    /// What dynos run under.
    pub rules: DynoRules,
    /// How commands are formed.
    pub launch: LaunchOptions,
}

/// What `up` holds while it runs.
pub struct UpSession {
    /// The project.
    pub project: Arc<Project>,
    /// Its log.
    pub logs: Logs,
    /// The app's lock, with what it says.
    pub held: (Held, Holder),
    /// Ends it.
    pub interrupt: Interrupt,
}

/// Runs the app until it is told to stop, and leaves nothing behind. Returns why it stopped.
pub async fn up(mut session: UpSession, options: &UpOptions) -> Result<String, PlatformError> {
    let project = Arc::clone(&session.project);
    let result = run(&mut session, options).await;
    let interrupt = session.interrupt.clone();
    let swept = tokio::select! {
        swept = project.sweep_own(&session.held.1.run) => swept,
        () = async { interrupt.forced().await; sleep(FORCED_SWEEP).await } => Err(unswept()),
    };
    project.report.tell(News::Stopped);
    match (result, swept) {
        (Ok(why), Ok(())) => Ok(why),
        (Ok(_), Err(error)) | (Err(error), _) => Err(error),
    }
}

fn unswept() -> PlatformError {
    PlatformError::Engine(EngineError::Gone {
        doing: "removing what is left".into(),
        reason: "it did not answer in time; the next `dynosim up` or `dynosim down` removes it".into(),
    })
}

async fn run(session: &mut UpSession, options: &UpOptions) -> Result<String, PlatformError> {
    let began = Instant::now();
    let project = Arc::clone(&session.project);
    let formation = formation_of(&project.app, options)?;
    let front = listen(session, options).await?;
    let ground = Ground {
        project: Arc::clone(&project),
        logs: session.logs.clone(),
        run: project.run_identity(&session.held.1.run),
        rules: options.rules.clone(),
    };
    let (slug, slate) = prepare(&ground, &session.interrupt, options, &formation).await?;
    let mut releases = Releases::open(&project.state).map_err(PlatformError::io("read the releases"))?;
    let table_of = front::table_of(&project.app, &options.front);
    let expected = (!releases.is_empty()).then(|| expected(&formation));
    let table = Arc::new(watch::channel(Arc::new(table_of(expected))).0);
    let has_web = project.app.processes.contains_key(&ProcessType::web());
    let urls = has_web.then(|| front.say(&project.report));
    let router = front.start(&ground, options.front.router.clone(), table.subscribe());
    let release = match deploy::deploy(&ground, &mut releases, slug, &slate, &session.interrupt).await {
        Ok(release) => release,
        Err(error) => {
            router.shutdown(Duration::ZERO).await;
            return Err(error);
        }
    };
    say_scale(&ground, &formation);
    let backends: TableOf = Arc::new(move |dynos| table_of(Some(dynos)));
    let running = Running::start(&ground, &slate, &formation, &release, &table, &backends);
    let why = watch_over(&project, &running, &session.interrupt, urls, &formation, began).await;
    project.report.tell(News::Stopping(why.clone()));
    stop(running, router, &session.interrupt, options.rules.timeouts.exit).await;
    Ok(why)
}

/// Takes the router's ports and writes the first into the lock file, where others look for it.
async fn listen(session: &mut UpSession, options: &UpOptions) -> Result<Front, PlatformError> {
    let front = Front::open(&session.project, &options.front).await?;
    session.held.1.port = Some(front.port());
    session.held.0.write(&session.held.1).map_err(PlatformError::io("write the lock file"))?;
    Ok(front)
}

/// Cleans up after dead runs, makes the network and the images, and checks every command: all before anything starts.
async fn prepare(
    ground: &Ground,
    interrupt: &Interrupt,
    options: &UpOptions,
    formation: &Formation,
) -> Result<(Slug, Slate), PlatformError> {
    let project = &ground.project;
    let wanted = builds_wanted(&project.app, formation);
    let network = async {
        project.sweep().await?;
        project.engine.open_run(&ground.run).await.map_err(PlatformError::from)
    };
    let work = async {
        let ((), built) = tokio::try_join!(network, builds::build(project, &wanted, &options.build))?;
        Ok::<_, PlatformError>(built)
    };
    let built: BuiltSlug = tokio::select! {
        built = work => built?,
        _ = interrupt.wanted() => return Err(PlatformError::Interrupted),
    };
    let running: Vec<&ProcessType> =
        formation.iter().filter(|(_, scale)| scale.quantity > 0).map(|(name, _)| name).collect();
    let slate = Slate::of(&project.app, &built, &running, options.launch)?;
    slate.say_notes(&project.report);
    Ok((built.slug, slate))
}

/// Stops dynos and router side by side: requests in flight end while their dynos do.
async fn stop(running: Running, router: Router, interrupt: &Interrupt, grace: Duration) {
    tokio::join!(running.stop(interrupt.forced()), async {
        tokio::select! {
            () = router.shutdown(grace) => {}
            () = interrupt.forced() => {}
        }
    });
}

/// Reports once when all dynos are up, and waits for the end.
async fn watch_over(
    project: &Project,
    running: &Running,
    interrupt: &Interrupt,
    urls: Option<Urls>,
    formation: &Formation,
    began: Instant,
) -> String {
    let ready = running.all_up();
    tokio::pin!(ready);
    tokio::select! {
        () = &mut ready => {
            let formation = formation.iter().map(|(name, scale)| (name.clone(), scale.quantity)).collect();
            project.report.tell(News::Ready { urls, formation, took: began.elapsed() });
        }
        why = interrupt.wanted() => return why,
    }
    interrupt.wanted().await
}

/// The app's formation with the command line's over it.
pub fn formation_of(app: &App, options: &UpOptions) -> Result<Formation, PlatformError> {
    let mut formation = app.formation.clone();
    for (process_type, quantity) in &options.quantities {
        if !app.processes.contains_key(process_type) || process_type.is_release() {
            return Err(PlatformError::no_such_type(app, process_type));
        }
        let size = formation.get(process_type).map_or(DynoSize::BASIC, |scale| scale.size);
        formation.insert(process_type.clone(), Scale { quantity: *quantity, size });
    }
    if let Some(size) = options.size {
        for scale in formation.values_mut() {
            scale.size = size;
        }
    }
    formation.retain(|process_type, _| app.processes.contains_key(process_type));
    Ok(formation)
}

/// Which images must be there: of heroku.yml all, as Heroku builds them; else those of types that run.
pub fn builds_wanted(app: &App, formation: &Formation) -> BTreeSet<ProcessType> {
    let mut wanted: BTreeSet<ProcessType> = app.release.iter().map(|release| release.image.clone()).collect();
    for (process_type, spec) in &app.processes {
        let runs = formation.get(process_type).is_some_and(|scale| scale.quantity > 0);
        if runs || app.from_heroku_yml {
            wanted.insert(spec.image.clone());
        }
    }
    wanted
}

fn say_scale(ground: &Ground, formation: &Formation) {
    let text = formation::describe(formation);
    let mut last: Kept<String> = Kept::open(ground.project.state.file("formation.json"));
    if last.value != text && !text.is_empty() {
        ground.api(format!("Scaled to {text}"));
        last.value = text;
        if let Err(error) = last.save() {
            ground.project.report.note(format!("the formation was not written down: {error}"));
        }
    }
}

/// The web dynos that will be there once the release is made: requests wait for them, as for any that boot.
fn expected(formation: &Formation) -> Vec<Backend> {
    let web = ProcessType::web();
    let quantity = formation.get(&web).map_or(0, |scale| scale.quantity);
    let backend = |number| Backend {
        name: DynoName::new(web.clone(), number),
        generation: 0,
        state: DynoState::Starting,
        endpoint: None,
    };
    (1..=quantity).map(backend).collect()
}
