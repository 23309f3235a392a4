//! Which engine runs an app: one choice, for every command.
//!
//! A container engine that is named, or that answers; else this machine's own programs. An app of a Procfile alone has
//! no image, so it is native from the start. What is named and does not answer is an error, never replaced.

use super::store::Kept;
use crate::engine::docker;
use crate::engine::native::{NativeEngine, NativeOptions};
use crate::engine::{Engine, EngineError, EngineFacts};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name of the engine without images, as `--engine` takes it.
pub const NATIVE: &str = "native";

/// A variable of the environment, by name.
pub type Env<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// The two kinds of engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Docker, or what speaks its API.
    Containers,
    /// This machine's own programs.
    Native,
}

/// `engine.json`: what the app's dynos were last started on.
pub type Used = Kept<Option<Kind>>;

/// What the choice depends on.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// `--engine`.
    pub requested: Option<&'a str>,
    /// The environment.
    pub env: Env<'a>,
    /// A private folder, for what engines put into dynos or know of them.
    pub files: &'a Path,
    /// Whether the app has nothing but a Procfile.
    pub only_procfile: bool,
    /// What the app's dynos run on now, if they do.
    pub running: Option<Kind>,
}

/// Why the native engine was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// By `--engine native`.
    Named,
    /// The app has nothing but a Procfile.
    OnlyProcfile,
    /// The running app is on it.
    Running,
    /// No container engine is configured and none answers; what was looked for, one line each.
    NoneAnswers(Vec<String>),
}

/// An engine, and why it is not one of containers.
pub struct Chosen {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// `None` for a container engine.
    pub native: Option<Why>,
}

/// What follows from a wish before anything is asked.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Native(Why),
    /// A container engine; without an answer the native one, unless one was named.
    Containers {
        named: bool,
    },
}

fn plan(wish: &Wish<'_>) -> Plan {
    match (wish.requested, wish.running) {
        // Of a Procfile alone no image could be made, whatever is asked for.
        (Some(NATIVE), _) | (None, None | Some(Kind::Native)) if wish.only_procfile => Plan::Native(Why::OnlyProcfile),
        (Some(NATIVE), _) => Plan::Native(Why::Named),
        (Some(_), _) | (None, Some(Kind::Containers)) => Plan::Containers { named: true },
        (None, Some(Kind::Native)) => Plan::Native(Why::Running),
        (None, None) => Plan::Containers { named: docker::is_named(wish.env) },
    }
}

/// Chooses the engine and opens it.
///
/// # Errors
/// [`EngineError::Unreachable`] when one is named and does not answer.
pub async fn choose(wish: &Wish<'_>) -> Result<Chosen, EngineError> {
    let why = match plan(wish) {
        Plan::Native(why) => why,
        Plan::Containers { named } => match containers(wish).await {
            Ok(engine) => return Ok(Chosen { engine, native: None }),
            Err(EngineError::Unreachable { tried }) if !named => Why::NoneAnswers(tried),
            Err(error) => return Err(error),
        },
    };
    Ok(Chosen { engine: native(wish.files).await?, native: Some(why) })
}

/// A container engine and no other, for what needs images.
pub async fn containers(wish: &Wish<'_>) -> Result<Arc<dyn Engine>, EngineError> {
    Ok(Arc::new(docker::find(wish.requested, wish.env, wish.files).await?))
}

/// The native engine.
pub async fn native(files: &Path) -> Result<Arc<dyn Engine>, EngineError> {
    let options = NativeOptions { files: PathBuf::from(files), ..NativeOptions::default() };
    Ok(Arc::new(NativeEngine::open(options).await?))
}

impl Why {
    /// As the end of a sentence about the native engine.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Named => "as --engine says",
            Self::OnlyProcfile => "as the app is a Procfile alone",
            Self::Running => "as the running app is",
            Self::NoneAnswers(_) => "as no container engine answers",
        }
    }

    /// How the app gets onto a container engine.
    pub fn other(&self) -> &'static str {
        match self {
            Self::OnlyProcfile => "for an image, write a Dockerfile; `dynosim init` can",
            Self::Named | Self::Running => "for the image, use --engine docker",
            Self::NoneAnswers(_) => "for the image, start a container engine; `dynosim doctor` says what was tried",
        }
    }
}

/// What running natively means, on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Natively {
    /// Why it is so.
    pub why: Why,
    /// What is only approximate, each a sentence.
    pub approximate: Vec<String>,
}

impl Chosen {
    /// What there is to say about the choice, if it is the native engine.
    pub fn natively(&self) -> Option<Natively> {
        let EngineFacts { approximations, .. } = self.engine.facts();
        Some(Natively { why: self.native.clone()?, approximate: approximations.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Plan, Why, Wish, plan};
    use std::path::Path;

    fn of(requested: Option<&str>, host: Option<&str>, only_procfile: bool, running: Option<Kind>) -> Plan {
        let env = |name: &str| host.filter(|_| name == "DOCKER_HOST").map(str::to_owned);
        plan(&Wish { requested, env: &env, files: Path::new("/none"), only_procfile, running })
    }

    #[test]
    fn what_is_named_is_taken_and_never_replaced() {
        assert_eq!(of(Some("native"), Some("tcp://h"), false, None), Plan::Native(Why::Named));
        assert_eq!(of(Some("docker"), None, true, Some(Kind::Native)), Plan::Containers { named: true });
        assert_eq!(of(None, Some("tcp://h"), false, None), Plan::Containers { named: true });
    }

    #[test]
    fn without_a_name_it_is_a_container_engine_that_answers_else_native() {
        assert_eq!(of(None, None, false, None), Plan::Containers { named: false });
    }

    #[test]
    fn a_procfile_alone_is_native_whatever_answers_and_a_running_app_stays_where_it_is() {
        assert_eq!(of(None, Some("tcp://h"), true, None), Plan::Native(Why::OnlyProcfile));
        assert_eq!(of(None, Some("tcp://h"), false, Some(Kind::Native)), Plan::Native(Why::Running));
        assert_eq!(of(None, None, true, Some(Kind::Containers)), Plan::Containers { named: true });
    }
}
