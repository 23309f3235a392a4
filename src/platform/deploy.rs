//! A release: number it, run its command, and only then let its dynos boot (R9).

use super::commit::commit_of;
use super::control::{Deployed, Place};
use super::error::PlatformError;
use super::interrupt::Interrupt;
use super::project::Project;
use super::report::News;
use super::slate::{Runnable, Slate};
use super::store::Releases;
use crate::dyno::environment::Metadata;
use crate::dyno::{Attachment, Dyno, DynoPlan, StopKind};
use crate::engine::{Filesystem, RunIdentity};
use crate::logs::Logs;
use crate::model::config_vars::ConfigVars;
use crate::model::dyno::{DynoKind, DynoName, DynoSize};
use crate::model::limits;
use crate::model::log::Message;
use crate::model::process_type::ProcessType;
use crate::model::release::{Commands, Release, ReleaseStatus, Slug};
use crate::model::timeouts::Timeouts;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The rules that all dynos of a command run under.
#[derive(Clone, Debug)]
pub struct DynoRules {
    /// Deadlines.
    pub timeouts: Timeouts,
    /// What dynos may write to.
    pub filesystem: Filesystem,
    /// Metadata variables, by switch.
    pub metadata: bool,
    /// `log-runtime-metrics` lines, by switch.
    pub runtime_metrics: bool,
    /// Deny every bind but that of `$PORT`, by switch.
    pub strict_ports: bool,
    /// Variables of this machine's environment that dynos get (`--pass`), below the app's own config vars.
    pub passed: ConfigVars,
}

/// Everything a dyno of this command has in common with its siblings.
#[derive(Clone)]
pub struct Ground {
    /// The project.
    pub project: Arc<Project>,
    /// The log.
    pub logs: Logs,
    /// Labels.
    pub run: RunIdentity,
    /// Rules.
    pub rules: DynoRules,
}

impl Ground {
    /// The plan of one dyno of a release.
    pub fn plan(&self, name: DynoName, kind: DynoKind, size: DynoSize, runnable: &Runnable, of: &Release) -> DynoPlan {
        DynoPlan {
            engine: Arc::clone(&self.project.engine),
            logs: self.logs.clone(),
            clock: self.project.clock.clone(),
            run: self.run.clone(),
            name,
            kind,
            size,
            timeouts: self.rules.timeouts.clone(),
            image: Arc::clone(&runnable.image),
            launch: Arc::clone(&runnable.launch),
            config: Arc::new(self.config_of(of)),
            metadata: self.rules.metadata.then(|| self.metadata(of)),
            filesystem: self.rules.filesystem.clone(),
            strict_ports: self.rules.strict_ports,
            runtime_metrics: self.rules.runtime_metrics,
            attachment: Attachment::Log,
        }
    }

    /// The release's config over what is passed on, with the origins where they are still known.
    fn config_of(&self, release: &Release) -> ConfigVars {
        let mut config = self.rules.passed.clone();
        for (name, value) in &release.config {
            let known = self.project.app.config.get(name).filter(|var| var.value == *value);
            let origin = known.map_or(crate::model::config_vars::Origin::Release, |var| var.origin.clone());
            config.set(name, value, origin);
        }
        config
    }

    fn metadata(&self, release: &Release) -> Metadata {
        Metadata {
            app_id: self.project.identity.app_id(),
            app_name: self.project.app.name.clone(),
            version: release.version,
            created_at: release.created_at.clone(),
            commit: commit_of(&self.project.app.root),
            description: release.description.clone(),
        }
    }

    /// Writes a line as the API does: `… by user user@example.com`.
    pub fn api(&self, text: impl AsRef<str>) {
        self.logs.publish(&Message::api(format!("{} by user {}", text.as_ref(), self.project.user)));
    }
}

/// Numbers a release and writes it down: when this returns, no crash loses it.
pub fn enter(
    ground: &Ground,
    releases: &mut Releases,
    slug: Slug,
    slate: &Slate,
    description: String,
    config: BTreeMap<String, String>,
) -> Result<Release, PlatformError> {
    if releases.is_empty() {
        for text in ["Initial release", "Release v1 created", "Enable Logplex", "Release v2 created"] {
            ground.api(text);
        }
    }
    let app = &ground.project.app;
    let release = Release {
        version: releases.next(),
        description,
        user: ground.project.user.clone(),
        created_at: rfc3339(ground),
        slug,
        config,
        status: if slate.release.is_some() { ReleaseStatus::Pending } else { ReleaseStatus::Succeeded },
        commands: Some(Commands { processes: app.processes.clone(), release: app.release.clone() }),
        release_dyno: slate.release.as_ref().map(|_| {
            DynoName::new(ProcessType::release(), ground.project.clock.random(limits::ONE_OFF_NUMBERS)).to_string()
        }),
    };
    releases.put(release.clone()).map_err(PlatformError::io(format!("write release {}", release.version)))?;
    ground.api(&release.description);
    Ok(release)
}

/// Runs the release command, if there is one, to its end. `list` gets its dyno, to be seen and stopped by others.
pub async fn carry_out(
    deployed: &Deployed,
    interrupt: &Interrupt,
    list: impl FnOnce(Arc<Dyno>, Place),
) -> Result<(), PlatformError> {
    let Deployed { ground, slate, release, .. } = deployed;
    let Some(runnable) = &slate.release else { return Ok(()) };
    let status = run_command(deployed, runnable, interrupt, list).await;
    if status != Some(0) {
        ground.api(format!("Release {} command failed", release.version));
    }
    match status {
        Some(0) => Ok(()),
        Some(status) => Err(PlatformError::ReleaseFailed { version: release.version, status }),
        None => Err(PlatformError::Interrupted),
    }
}

/// Says that a release's dynos may boot.
pub fn announce(ground: &Ground, release: &Release, phase: Option<Duration>) {
    let news = News::Release { version: release.version, description: release.description.clone(), phase };
    ground.project.report.tell(news);
    ground.api(format!("Release {} created", release.version));
}

/// `Deployed web (eacd9b960537), worker (0c1d2e3f4a5b)` (R6.2, R13#7).
pub fn describe(slug: &Slug) -> String {
    let images: Vec<String> = slug.iter().map(|(name, image)| format!("{name} ({})", image.short())).collect();
    format!("Deployed {}", images.join(", "))
}

fn rfc3339(ground: &Ground) -> String {
    let now = ground.project.clock.now();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        now.year(),
        u8::from(now.month()),
        now.day(),
        now.hour(),
        now.minute(),
        now.second()
    )
}

/// Runs the release command to its end, or to the hour that Heroku gives it (R9). Returns its status, `None` when the
/// user interrupted it.
async fn run_command(
    Deployed { ground, slate, release, .. }: &Deployed,
    runnable: &Runnable,
    interrupt: &Interrupt,
    list: impl FnOnce(Arc<Dyno>, Place),
) -> Option<i32> {
    let number = release.release_dyno.as_deref().and_then(|name| name.rsplit('.').next()?.parse().ok());
    let number = number.unwrap_or_else(|| ground.project.clock.random(limits::ONE_OFF_NUMBERS));
    let name = DynoName::new(ProcessType::release(), number);
    ground.api(format!("Running release {} commands", release.version));
    ground.api(format!("Starting process with command `{}`", runnable.launch.command));
    let size = DynoSize::named("standard-1x").unwrap_or(DynoSize::BASIC);
    let dyno = Arc::new(Dyno::start(ground.plan(name.clone(), DynoKind::Release, size, runnable, release)));
    list(Arc::clone(&dyno), Place::of(&dyno, release, runnable, size));
    let mut status = dyno.status();
    let began = Instant::now();
    let notice = sleep_until(began + limits::RELEASE_NOTICE.min(ground.rules.timeouts.release / 2));
    let limit = sleep_until(began + ground.rules.timeouts.release);
    tokio::pin!(notice, limit);
    let (mut noticed, mut stopped, mut interrupted, mut killed) = (false, false, false, false);
    let exit = loop {
        tokio::select! {
            changed = status.changed() => {
                let now = status.borrow_and_update().clone();
                if now.ended || changed.is_err() {
                    break now.exit.map_or(1, |exit| exit.status);
                }
            }
            () = &mut notice, if !noticed => {
                noticed = true;
                ground.logs.publish(&Message::explain(&name, never_ends(&name, runnable, slate)));
            }
            () = &mut limit, if !stopped => {
                stopped = true;
                let text = format!(
                    "{name} ran into the release phase's limit of {} s and is stopped (R9)",
                    ground.rules.timeouts.release.as_secs_f64()
                );
                ground.logs.publish(&Message::explain(&name, text));
                dyno.stop(StopKind::Down);
            }
            _ = interrupt.wanted(), if !interrupted => {
                interrupted = true;
                dyno.stop(StopKind::Down);
            }
            () = interrupt.forced(), if !killed => {
                killed = true;
                dyno.stop(StopKind::Down);
                dyno.kill();
            }
        }
    };
    dyno.ended().await;
    match (interrupted, stopped, exit) {
        (true, _, _) => None,
        (false, true, 0) => Some(1),
        (false, _, exit) => Some(exit),
    }
}

fn never_ends(name: &DynoName, runnable: &Runnable, slate: &Slate) -> String {
    let same = slate.types.iter().find(|(_, other)| other.launch.argv == runnable.launch.argv);
    let why = match same {
        Some((process_type, _)) => format!(
            "its command is that of {process_type}, `{}`, which never ends: give release a command of its own \
             (heroku.yml `release.command`, or the CMD of the release image)",
            runnable.launch.command
        ),
        None => "if it starts a server, it never will: a release command must end by itself".to_owned(),
    };
    format!("{name} still runs; no dyno boots before it has ended: {why} (R1.6)")
}
