//! `up`: build, release, run, until somebody wants it to end.

use super::builds::{self, BuildOptions, BuiltSlug};
use super::control::{Beginning, Control, Reload};
use super::deploy::{DynoRules, Ground};
use super::error::PlatformError;
use super::front::{Front, FrontOptions};
use super::interrupt::Interrupt;
use super::native;
use super::observed;
use super::project::Project;
use super::report::{News, Urls};
use super::slate::Slate;
use super::state::{Held, Holder};
use super::store::{Kept, Releases, Scaled};
use crate::engine::EngineError;
use crate::logs::Logs;
use crate::model::app::App;
use crate::model::dyno::DynoSize;
use crate::model::formation::{self, Formation, Scale};
use crate::model::launch::LaunchOptions;
use crate::model::process_type::ProcessType;
use crate::model::release::Slug;
use crate::router::Router;
use crate::router::table::HostRule;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
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
    /// Images that are there already; else they are built.
    pub built: Option<BuiltSlug>,
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
    /// Reads the project's files again.
    pub reload: Reload,
    /// Called once, with a hand on the app, before anything is built.
    pub attend: Box<dyn FnOnce(&Control) + Send>,
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
    let scaled = Scaled::open(project.state.file("scaled.json"));
    let formation = formation_of(&project.app, &scaled.value, options)?;
    let front = listen(session, options).await?;
    let ground = Ground {
        project: Arc::clone(&project),
        logs: session.logs.clone(),
        run: project.run_identity(&session.held.1.run),
        rules: options.rules.clone(),
    };
    let mut releases = Releases::open(&project.state).map_err(PlatformError::io("read the releases"))?;
    releases.expire().map_err(PlatformError::io("write the releases"))?;
    let control = Control::begin(Beginning {
        ground: ground.clone(),
        releases,
        formation: formation.clone(),
        hosts: options.front.domains.iter().map(|domain| HostRule::parse(domain.as_str())).collect(),
        maintenance: options.front.maintenance,
        reload: Arc::clone(&session.reload),
        build: options.build.clone(),
        interrupt: session.interrupt.clone(),
    });
    std::mem::replace(&mut session.attend, Box::new(|_| ()))(&control);
    let (slug, slate) = prepare(&ground, &session.interrupt, options, &formation).await?;
    let has_web = project.app.processes.contains_key(&ProcessType::web());
    let urls = has_web.then(|| front.say(&project.report));
    let router = front.start(&ground, options.front.router.clone(), &control.table())?;
    observed::watch(&router, &control, ground.logs.clone());
    if let Err(error) = first_release(&control, ground.clone(), slug, slate).await {
        router.shutdown(Duration::ZERO).await;
        return Err(error);
    }
    say_scale(&ground, &formation);
    let why = watch_over(&project, &control, &session.interrupt, urls, began).await;
    project.report.tell(News::Stopping(why.clone()));
    stop(&control, router, &session.interrupt, options.rules.timeouts.exit).await;
    Ok(why)
}

async fn first_release(control: &Control, ground: Ground, slug: Slug, slate: Slate) -> Result<(), PlatformError> {
    let (_, outcome) = control.deploy(ground, slug, slate)?;
    // The queue ends with the app only.
    outcome.await.map_err(|_| PlatformError::Interrupted)?.map(|_| ())
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
        let images = async {
            match &options.built {
                Some(built) => Ok(built.clone()),
                None => builds::build(project, &wanted, &options.build).await,
            }
        };
        let ((), built) = tokio::try_join!(network, images)?;
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
    for text in native::undone(&project.app, &wanted) {
        project.report.note(text);
    }
    Ok((built.slug, slate))
}

/// Stops dynos and router side by side: requests in flight end while their dynos do.
async fn stop(control: &Control, router: Router, interrupt: &Interrupt, grace: Duration) {
    tokio::join!(control.stop(interrupt.forced()), async {
        tokio::select! {
            () = router.shutdown(grace) => {}
            () = interrupt.forced() => {}
        }
    });
}

/// Reports once when all dynos are up, and waits for the end.
async fn watch_over(
    project: &Project,
    control: &Control,
    interrupt: &Interrupt,
    urls: Option<Urls>,
    began: Instant,
) -> String {
    tokio::select! {
        () = control.until_up() => {
            let formation = control.formation().into_iter().map(|(name, scale)| (name, scale.quantity)).collect();
            project.report.tell(News::Ready { urls, formation, took: began.elapsed() });
        }
        why = interrupt.wanted() => return why,
    }
    interrupt.wanted().await
}

/// The app's formation, with what `ps:scale` left over it, and the command line's over both.
pub fn formation_of(
    app: &App,
    scaled: &BTreeMap<String, (u32, String)>,
    options: &UpOptions,
) -> Result<Formation, PlatformError> {
    let mut formation = app.formation.clone();
    for (name, (quantity, size)) in scaled {
        if let (Ok(process_type), Some(size)) = (ProcessType::new(name), DynoSize::named(size)) {
            formation.insert(process_type, Scale { quantity: *quantity, size });
        }
    }
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
