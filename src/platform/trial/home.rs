//! Where one run of `test` lives: an instance of the app with a name, an identity and a state folder of its own.

use crate::engine::Engine;
use crate::engine::Swept;
use crate::platform::PlatformError;
use crate::platform::project::{Place, Project, sweep};
use crate::platform::report::{News, Reporter};
use crate::platform::state::{Held, Holder, StateDir};
use std::path::Path;

/// A run's own place; it is registered, so that what a killed run leaves is found.
pub(super) struct Home {
    /// The app, in this instance.
    pub(super) project: Project,
    /// The instance's lock.
    pub(super) held: Option<(Held, Holder)>,
    base: StateDir,
    number: String,
    _alive: Held,
    _run: Held,
}

impl Home {
    /// Makes one beside the app's own state.
    pub(super) async fn open(base: &Project, place: &Place, report: Reporter) -> Result<Self, PlatformError> {
        let (number, alive) =
            base.state.open_test(&base.clock).await.map_err(PlatformError::io("register the run of the tests"))?;
        let place = Place { instance: instance(&place.instance, &number), ..place.clone() };
        let identity = place.identity()?;
        let state = place.state(&identity)?;
        let (run, alive_run) = state.open_run(&base.clock).await.map_err(PlatformError::io("register the run"))?;
        let holder = Holder { pid: std::process::id(), folder: identity.root.clone(), port: None, run };
        let held =
            state.hold(&holder).map_err(|error| PlatformError::io("lock the app")(std::io::Error::other(error)))?;
        let project = Project { identity, state, report, ..base.clone() };
        let (base, held) = (base.state.clone(), Some((held, holder)));
        Ok(Self { project, held, base, number, _alive: alive, _run: alive_run })
    }

    /// The instance's name.
    pub(super) fn name(&self) -> &str {
        &self.project.identity.instance
    }

    /// Removes everything it kept on this machine. The engine was swept already.
    pub(super) fn close(self) -> std::io::Result<()> {
        let Self { project, held, base, number, .. } = self;
        drop(held);
        project.state.remove()?;
        base.forget_test(&number);
        Ok(())
    }
}

/// `test-…`, or `pr-42-test-…` of the instance `pr-42`.
fn instance(base: &str, number: &str) -> String {
    if base.is_empty() { format!("test-{number}") } else { format!("{base}-test-{number}") }
}

/// Removes what killed runs of `test` left behind: containers, volumes, networks, state folders. Whether there was any.
pub async fn sweep_dead(
    engines: &[&dyn Engine],
    base: &StateDir,
    place: &Place,
    report: &Reporter,
) -> Result<bool, PlatformError> {
    let dead = base.tests().map_err(PlatformError::io("look for killed tests"))?.dead;
    // What is swept in their places is told once, for all of them.
    let (quiet, mut told) = Reporter::new();
    for number in &dead {
        let place = Place { instance: instance(&place.instance, number), ..place.clone() };
        let identity = place.identity()?;
        let state = place.state(&identity)?;
        sweep(engines, &state, &identity, &quiet).await?;
        remove(state.path())?;
        base.forget_test(number);
    }
    let mut all = Swept::default();
    while let Ok(news) = told.try_recv() {
        if let News::Swept(swept) = news {
            all.add(swept);
        }
    }
    if !all.is_nothing() {
        report.tell(News::Swept(all));
    }
    Ok(!dead.is_empty())
}

fn remove(folder: &Path) -> Result<(), PlatformError> {
    std::fs::remove_dir_all(folder).map_err(PlatformError::io(format!("remove {}", folder.display())))
}
