//! What the subcommands have in common: the options, the environment, and how both become the platform's values.

use super::args::{BuildArgs, Common, Fs, Rules};
use super::background::Background;
use super::news;
use super::printer::Printer;
use super::signals;
use crate::clock::Clock;
use crate::diagnostic::Severity;
use crate::engine::docker::{self, DockerEngine};
use crate::engine::{EngineError, Filesystem};
use crate::manifest::{EnvFileOption, LoadOptions};
use crate::model::launch::LaunchOptions;
use crate::platform::PlatformError;
use crate::platform::builds::BuildOptions;
use crate::platform::check;
use crate::platform::control::Reload;
use crate::platform::deploy::DynoRules;
use crate::platform::interrupt::{self, Interrupt};
use crate::platform::project::{Place, Project, Sources};
use crate::platform::report::{News, Reporter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    news: Option<mpsc::UnboundedReceiver<News>>,
    shown: Option<JoinHandle<()>>,
}

impl Session {
    pub(super) fn new(common: Common, printer: Printer) -> Self {
        let (report, news) = Reporter::new();
        Self { common, printer, clock: Clock::system(), report, background: None, news: Some(news), shown: None }
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
        if least == Severity::Note {
            self.report.tell(News::Checked(Arc::new(check::quick(&sources.loaded))));
        }
        Ok(sources)
    }

    /// Reads the project's files again, as they are then.
    pub(super) fn reload(&self, build: &BuildArgs) -> Result<Reload, PlatformError> {
        let place = self.place()?;
        let (options, clock) = (self.load_options(&place, build)?, self.clock.clone());
        Ok(Arc::new(move || {
            let sources = Sources::read(&place, options.clone(), &clock)?;
            sources.loaded.require_config().map_err(PlatformError::Project)?;
            Ok(sources.loaded.app)
        }))
    }

    /// The same, whether or not the config vars that the app requires are there: they may be just what is being set.
    pub(super) fn reload_lenient(&self, build: &BuildArgs) -> Result<Reload, PlatformError> {
        let place = self.place()?;
        let (options, clock) = (self.load_options(&place, build)?, self.clock.clone());
        Ok(Arc::new(move || Ok(Sources::read(&place, options.clone(), &clock)?.loaded.app)))
    }

    pub(super) fn load_options(&self, place: &Place, build: &BuildArgs) -> Result<LoadOptions, PlatformError> {
        Ok(LoadOptions {
            root: place.folder.clone(),
            recursive: self.common.recursive,
            env_files: self.common.env.iter().map(|path| env_file(path)).collect::<Result<_, _>>()?,
            interpolate: self.common.env_interpolate,
            build_args: build.args.iter().cloned().collect(),
            context_path: build.context_path.as_deref().map(absolute).transpose()?,
            ..LoadOptions::default()
        })
    }

    /// Finds the engine; `folder` is where it keeps files that dynos see.
    pub(super) async fn engine(&self, folder: &Path) -> Result<DockerEngine, EngineError> {
        docker::find(self.common.engine.as_deref(), &environment, folder).await
    }

    /// Puts an engine under a project that was read.
    pub(super) async fn project(&self, sources: Sources) -> Result<Arc<Project>, PlatformError> {
        let engine = self.engine(&sources.state.file("engine")).await?;
        Ok(Arc::new(Project {
            app: sources.loaded.app,
            identity: sources.identity,
            state: sources.state,
            engine: Arc::new(engine),
            clock: self.clock.clone(),
            report: self.report.clone(),
            user: user(),
        }))
    }
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
        }
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
