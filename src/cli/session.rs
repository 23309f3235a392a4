//! What the subcommands have in common: the options, the environment, and how both become the platform's values.

use super::args::{BuildArgs, Common, Fs, Rules};
use super::background::Background;
use super::news;
use super::printer::Printer;
use super::signals;
use crate::clock::Clock;
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::inside::USUAL_PATH;
use crate::engine::{Engine, EngineError, Filesystem};
use crate::manifest::{EnvFileOption, LoadOptions};
use crate::model::app::App;
use crate::model::config_vars::{ConfigVars, Origin};
use crate::model::launch::LaunchOptions;
use crate::platform::PlatformError;
use crate::platform::builds::BuildOptions;
use crate::platform::check;
use crate::platform::control::Reload;
use crate::platform::deploy::DynoRules;
use crate::platform::engines::{self, Chosen, Kind, NATIVE, Used, Wish};
use crate::platform::interrupt::{self, Interrupt};
use crate::platform::native::{self, fitted};
use crate::platform::project::{Place, Project, Sources};
use crate::platform::report::{News, Reporter};
use crate::platform::state::StateDir;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// One invocation.
pub(super) struct Session {
    pub(super) common: Common,
    pub(super) printer: Printer,
    pub(super) clock: Clock,
    pub(super) report: Reporter,
    /// Set in the background of an `up -d`.
    pub(super) background: Option<Background>,
    /// The engine that was chosen has no images.
    native: Arc<AtomicBool>,
    news: Option<mpsc::UnboundedReceiver<News>>,
    shown: Option<JoinHandle<()>>,
}

impl Session {
    pub(super) fn new(common: Common, printer: Printer) -> Self {
        let (report, news) = Reporter::new();
        let (clock, native) = (Clock::system(), Arc::default());
        Self { common, printer, clock, report, background: None, native, news: Some(news), shown: None }
    }

    /// Listens for Ctrl-C, SIGTERM and SIGHUP from now on.
    pub(super) fn interrupt(&self) -> Result<Interrupt, PlatformError> {
        let (interrupter, interrupt) = interrupt::channel();
        signals::listen(interrupter, self.report.clone(), || false).map_err(PlatformError::io("listen for signals"))?;
        Ok(interrupt)
    }

    /// Starts to show the platform's news.
    pub(super) fn show_news(&mut self) {
        if let Some(news) = self.news.take() {
            self.shown = Some(tokio::spawn(news::show(self.printer, news, self.background.clone())));
        }
    }

    /// Makes this the background of an `up -d`; before any news is shown.
    pub(super) fn enter_background(&mut self, wait: bool) -> Result<(), PlatformError> {
        self.background = Some(Background::enter(self, wait)?);
        Ok(())
    }

    /// Waits until all news so far is shown; more may come.
    pub(super) async fn settle_news(&self) {
        let shown = Arc::new(tokio::sync::Notify::new());
        self.report.tell(News::Settled(Arc::clone(&shown)));
        if self.shown.is_some() {
            shown.notified().await;
        }
    }

    /// Waits until all news is shown; there is none after it.
    pub(super) async fn finish_news(&mut self) {
        self.report.tell(News::End);
        if let Some(shown) = self.shown.take() {
            let _ = shown.await;
        }
    }

    /// Which project, and where its state is.
    pub(super) fn place(&self) -> Result<Place, PlatformError> {
        Ok(Place {
            folder: self.common.directory.clone().unwrap_or_else(|| PathBuf::from(".")),
            instance: self.common.name.clone().unwrap_or_default(),
            state_base: state_base()?,
        })
    }

    /// Reads the project's files and says what is worth saying about them.
    pub(super) fn sources(&self, build: &BuildArgs, least: Severity) -> Result<Sources, PlatformError> {
        let place = self.place()?;
        let sources = Sources::read(&place, self.load_options(&place, build)?, &self.clock)?;
        sources.tell(&self.report, least);
        if least == Severity::Note
            && let Some(noticed) = super::check::noticed(&check::quick(&sources.loaded))
        {
            self.report.tell(News::Checked(noticed));
        }
        Ok(sources)
    }

    /// Reads the project's files again, as they are then.
    pub(super) fn reload(&self, build: &BuildArgs) -> Result<Reload, PlatformError> {
        let place = self.place()?;
        let (options, clock) = (self.load_options(&place, build)?, self.clock.clone());
        let native = Arc::clone(&self.native);
        Ok(Arc::new(move || {
            let sources = Sources::read(&place, options.clone(), &clock)?;
            sources.loaded.require_config().map_err(PlatformError::Project)?;
            Ok(fit(&native, sources.loaded.app))
        }))
    }

    /// The same, whether or not the config vars that the app requires are there: they may be just what is being set.
    pub(super) fn reload_lenient(&self, build: &BuildArgs) -> Result<Reload, PlatformError> {
        let place = self.place()?;
        let (options, clock) = (self.load_options(&place, build)?, self.clock.clone());
        let native = Arc::clone(&self.native);
        Ok(Arc::new(move || Ok(fit(&native, Sources::read(&place, options.clone(), &clock)?.loaded.app))))
    }

    pub(super) fn load_options(&self, place: &Place, build: &BuildArgs) -> Result<LoadOptions, PlatformError> {
        let procfile = self.common.local.as_ref().and_then(|local| local.procfile.as_deref());
        Ok(LoadOptions {
            root: place.folder.clone(),
            recursive: self.common.recursive,
            env_files: self.common.env.iter().map(|path| env_file(path)).collect::<Result<_, _>>()?,
            without_dot_env: self.common.local.is_some() && !self.common.env.is_empty(),
            procfile: procfile.map(env_file).transpose()?,
            procfile_alone: self.common.local.is_some(),
            start_command: self.common.local.as_ref().and_then(|local| local.start_command.clone()),
            interpolate: self.common.env_interpolate,
            build_args: build.args.iter().cloned().collect(),
            context_path: build.context_path.as_deref().map(absolute).transpose()?,
            ..LoadOptions::default()
        })
    }

    /// What the choice of an engine depends on, but for the project; `folder` is where engines keep files.
    fn wish<'a>(&'a self, folder: &'a Path) -> Wish<'a> {
        let requested = self.common.engine.as_deref().filter(|name| !name.is_empty());
        Wish { requested, env: &environment, files: folder, only_procfile: false, running: None }
    }

    /// Chooses the engine without a project.
    pub(super) async fn any_engine(&self, folder: &Path) -> Result<Chosen, EngineError> {
        engines::choose(&self.wish(folder)).await
    }

    /// The engine that the app's dynos are on, or were last.
    pub(super) async fn engine_of(&self, state: &StateDir) -> Result<Arc<dyn Engine>, EngineError> {
        let (folder, running) = (state.file("engine"), engine_used(state));
        Ok(engines::choose(&Wish { running, ..self.wish(&folder) }).await?.engine)
    }

    /// The native engine, for what it may have left of the app.
    pub(super) async fn native_engine(&self, state: &StateDir) -> Result<Arc<dyn Engine>, EngineError> {
        engines::native(&state.file("engine")).await
    }

    /// The container engine, for what it may have left of the app; `None` where none answers and none was used.
    pub(super) async fn containers_of(&self, state: &StateDir) -> Result<Option<Arc<dyn Engine>>, EngineError> {
        let folder = state.file("engine");
        let wish = self.wish(&folder);
        if wish.requested == Some(NATIVE) {
            return Ok(None);
        }
        match engines::containers(&wish).await {
            Err(EngineError::Unreachable { .. })
                if wish.requested.is_none() && engine_used(state) == Some(Kind::Native) =>
            {
                Ok(None)
            }
            found => found.map(Some),
        }
    }

    /// An engine of containers, for what images are needed for.
    pub(super) async fn containers(&self, folder: &Path) -> Result<Arc<dyn Engine>, PlatformError> {
        let wish = self.wish(folder);
        if wish.requested == Some(NATIVE) {
            return Err(no_images());
        }
        Ok(engines::containers(&wish).await?)
    }

    /// Puts an engine under a project that was read.
    pub(super) async fn project(&self, sources: Sources) -> Result<Arc<Project>, PlatformError> {
        let folder = sources.state.file("engine");
        let runs = sources.state.holder().map_err(PlatformError::io("look for a running up"))?;
        // Its own lock is what an `up` finds here.
        let running = runs.filter(|holder| holder.pid != std::process::id()).and_then(|_| engine_used(&sources.state));
        let only_procfile = sources.loaded.app.only_procfile;
        let chosen = engines::choose(&Wish { only_procfile, running, ..self.wish(&folder) }).await?;
        if only_procfile && chosen.native.is_none() {
            return Err(only_native(&sources));
        }
        if running.is_none() {
            let mut used = Used::open(sources.state.file("engine.json"));
            used.value = Some(if chosen.native.is_some() { Kind::Native } else { Kind::Containers });
            used.save().map_err(PlatformError::io("write down the engine"))?;
        }
        self.native.store(chosen.native.is_some(), Ordering::Relaxed);
        if let Some(natively) = chosen.natively() {
            self.report.tell(News::Native(natively));
        }
        Ok(Arc::new(self.on(sources, chosen.engine)))
    }

    /// The same for what needs images.
    pub(super) async fn project_of_images(&self, sources: Sources) -> Result<Arc<Project>, PlatformError> {
        if sources.loaded.app.only_procfile {
            return Err(only_native(&sources));
        }
        let engine = self.containers(&sources.state.file("engine")).await?;
        Ok(Arc::new(self.on(sources, engine)))
    }

    fn on(&self, sources: Sources, engine: Arc<dyn Engine>) -> Project {
        Project {
            app: self.fit(sources.loaded.app),
            identity: sources.identity,
            state: sources.state,
            engine,
            clock: self.clock.clone(),
            report: self.report.clone(),
            user: user(),
        }
    }

    fn fit(&self, app: App) -> App {
        fit(&self.native, app)
    }
}

/// What the app's dynos were last started on.
fn engine_used(state: &StateDir) -> Option<Kind> {
    Used::open(state.file("engine.json")).value
}

/// With the native engine, what runs in place of each image.
fn fit(native: &AtomicBool, app: App) -> App {
    if !native.load(Ordering::Relaxed) {
        return app;
    }
    fitted(app, &environment("PATH").unwrap_or_else(|| USUAL_PATH.to_owned()))
}

/// A Procfile alone, on an engine that needs images.
fn only_native(sources: &Sources) -> PlatformError {
    let title = format!("{} has a Procfile alone, of which no image can be made", sources.identity.root.display());
    let help = "leave --engine out, and it runs without images; or write a Dockerfile: `dynosim init` can do that";
    PlatformError::Project(vec![Diagnostic::error(title).help(help)])
}

/// Something that needs images, on the engine that has none.
fn no_images() -> PlatformError {
    let title = "this needs images, and the native engine has none";
    PlatformError::NotNative(vec![Diagnostic::error(title).help("leave --engine native out, or use --engine docker")])
}

/// A variable of the host's environment. Read for dynosim's own use only: it never reaches a dyno.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn env_file(path: &Path) -> Result<EnvFileOption, PlatformError> {
    Ok(EnvFileOption { path: absolute(path)?, name: path.display().to_string() })
}

fn absolute(path: &Path) -> Result<PathBuf, PlatformError> {
    std::path::absolute(path).map_err(PlatformError::io(format!("find {}", path.display())))
}

/// `$XDG_STATE_HOME/dynosim`, else `~/.local/state/dynosim`.
fn state_base() -> Result<PathBuf, PlatformError> {
    let xdg = environment("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = xdg.or_else(|| environment("HOME").map(|home| Path::new(&home).join(".local/state")));
    base.map(|base| base.join("dynosim"))
        .ok_or_else(|| PlatformError::io("find the state folder")(std::io::Error::other("set HOME or XDG_STATE_HOME")))
}

/// The user's config folder: `$DYNOSIM_CONFIG_DIR`, else `dynosim` where the system keeps such folders.
pub(super) fn config_base(environment: &impl Fn(&str) -> Option<String>) -> Result<PathBuf, String> {
    let folder = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(own) = folder("DYNOSIM_CONFIG_DIR") {
        return Ok(own);
    }
    let usual = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".config" };
    let xdg = folder("XDG_CONFIG_HOME").filter(|_| !cfg!(target_os = "macos"));
    let base = xdg.or_else(|| folder("HOME").map(|home| home.join(usual)));
    base.map(|base| base.join("dynosim"))
        .ok_or_else(|| "there is no config folder for the local certificate authority: set HOME to a full path".into())
}

/// Who makes releases, in the shape of Heroku's log lines.
fn user() -> String {
    let name = environment("USER").or_else(|| environment("LOGNAME")).unwrap_or_else(|| "user".into());
    format!("{name}@localhost")
}

impl BuildArgs {
    /// Those of a command that builds nothing.
    pub(super) fn usual() -> Self {
        Self { args: Vec::new(), context_path: None, platform: "linux/amd64".into(), no_cache: false }
    }

    pub(super) fn options(&self) -> BuildOptions {
        BuildOptions { platform: self.platform.clone(), no_cache: self.no_cache }
    }
}

impl Rules {
    /// What dynos run under on the project's engine. Refuses what that cannot hold them to.
    pub(super) fn dynos_on(&self, project: &Project) -> Result<DynoRules, PlatformError> {
        let (mut rules, facts) = (self.dynos(), project.engine.facts());
        if facts.native {
            rules.filesystem = native::filesystem(&project.app, rules.filesystem)?;
        }
        if !self.strict_ports || facts.strict_ports {
            return Ok(rules);
        }
        let (why, help) = if facts.native {
            ("the kernel here cannot deny ports: it takes Linux 6.7 or newer, with Landlock", "leave it out")
        } else {
            ("a container may bind any port of its own", "leave it out, or use --engine native")
        };
        let title = format!("--strict-ports is not possible on {}: {why}", facts.product);
        Err(PlatformError::Project(vec![Diagnostic::error(title).help(help)]))
    }

    pub(super) fn dynos(&self) -> DynoRules {
        let filesystem = match self.fs {
            Fs::ReadOnly => Filesystem::ReadOnly { writable: self.writable.clone() },
            Fs::Ephemeral => Filesystem::Ephemeral,
        };
        DynoRules {
            timeouts: self.timeouts.clone(),
            filesystem,
            metadata: self.metadata,
            runtime_metrics: self.log_runtime_metrics,
            strict_ports: self.strict_ports,
            passed: self.passed(),
        }
    }

    /// The variables of `--pass`, which are there: the command line was read with them.
    pub(super) fn passed(&self) -> ConfigVars {
        let mut passed = ConfigVars::new();
        for name in &self.pass {
            if let Ok(value) = std::env::var(name) {
                passed.set(name, value, Origin::Passed);
            }
        }
        passed
    }

    pub(super) fn launch(&self) -> LaunchOptions {
        LaunchOptions { login_shell: self.login_shell, one_word_entrypoint: self.one_word_entrypoint }
    }
}

#[cfg(test)]
mod tests {
    use super::config_base;
    use std::path::Path;

    fn with(variables: &[(&str, &str)]) -> Result<std::path::PathBuf, String> {
        config_base(&|name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_config_folder_is_the_user_s_and_a_relative_path_is_none() {
        assert_eq!(with(&[("DYNOSIM_CONFIG_DIR", "/c"), ("HOME", "/home/ann")]).unwrap(), Path::new("/c"));
        assert!(with(&[("HOME", "ann"), ("XDG_CONFIG_HOME", "x")]).is_err());
        if !cfg!(target_os = "macos") {
            assert_eq!(with(&[("HOME", "/home/ann")]).unwrap(), Path::new("/home/ann/.config/dynosim"));
            assert_eq!(with(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]).unwrap(), Path::new("/x/dynosim"));
        }
    }
}
