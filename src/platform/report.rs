//! What the platform tells a face while it works. Log lines do not come this way: they are in the log.

use super::engines::Natively;
use super::error::PlatformError;
use super::push::Landed;
use crate::diagnostic::Diagnostic;
use crate::engine::{BuildEvent, Swept};
use crate::model::dyno::DynoName;
use crate::model::exit_code::ExitCode;
use crate::model::image::ImageId;
use crate::model::process_type::ProcessType;
use crate::model::release::Version;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// One piece of news.
#[derive(Clone, Debug)]
pub enum News {
    /// Something about the project's files, said once.
    Finding(Diagnostic),
    /// What `check` finds in files that are about to be built or run.
    Checked(Noticed),
    /// Left-overs of a run that was killed were removed.
    Swept(Swept),
    /// The app runs without images: why, and what that means here.
    Native(Natively),
    /// A build began.
    BuildStarted {
        /// Its process types.
        label: String,
    },
    /// A build goes on.
    BuildProgress {
        /// Its process types.
        label: String,
        /// What happened.
        event: BuildEvent,
    },
    /// An image is there.
    BuildDone {
        /// Its process types.
        label: String,
        /// The image.
        image: ImageId,
        /// Its size in bytes.
        size: u64,
        /// How long it took.
        took: Duration,
        /// Steps in all, and those taken from the cache; `None` when nothing had to be built.
        steps: Option<(usize, usize)>,
    },
    /// A release is made, and its command, if it has one, has succeeded.
    Release {
        /// Its number.
        version: Version,
        /// `Deployed web (eacd9b960537)`.
        description: String,
        /// How long its release command took, if it has one.
        phase: Option<Duration>,
    },
    /// An image is being pushed.
    Pushing {
        /// Its process type.
        label: String,
        /// How far it is.
        step: PushStep,
    },
    /// A registry has an image, by its own answer.
    Pushed(Box<Landed>),
    /// Something that may well be a mistake.
    Warning(String),
    /// Something worth a line: a port that was taken, a type that starts at 0.
    Note(String),
    /// A line about how to use the terminal; not for programs.
    Hint(String),
    /// A change of the files could not be applied; what ran before goes on.
    Failed(Arc<PlatformError>),
    /// Edits of the project are applied from now on.
    Watching {
        /// How many folders are watched.
        folders: usize,
        /// They are looked at every so often, as the system does not say what changes.
        polling: bool,
    },
    /// The router listens.
    Listening(Urls),
    /// Every dyno that should be up is up.
    Ready {
        /// Where it is reached, for apps with web.
        urls: Option<Urls>,
        /// Process types and quantities.
        formation: Vec<(ProcessType, u32)>,
        /// Since the command began.
        took: Duration,
    },
    /// Not every dyno came up, which somebody waited for.
    NotUp(NotUp),
    /// The app is being stopped: why.
    Stopping(String),
    /// It is stopped.
    Stopped,
    /// News of one of several jobs of a test: its number, from 1.
    OfJob(u32, Box<News>),
    /// Everything told before this was shown.
    Settled(Arc<tokio::sync::Notify>),
    /// There will be no more news.
    End,
}

/// How far a push is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushStep {
    /// The engine hands the image over.
    Exporting {
        /// Bytes so far.
        bytes: u64,
        /// About how many there will be.
        size: u64,
    },
    /// Its layers are being compressed.
    Compressing,
    /// The registry gets what it lacks.
    Sending {
        /// Bytes that it has of that.
        sent: u64,
        /// Bytes in all.
        size: u64,
    },
}

/// What `check` has to say in another command: texts only, for news is held by nearly every future of the platform, and what
/// it is made of is proved to be `Send` in each of them.
#[derive(Clone, Debug)]
pub struct Noticed {
    /// One line.
    pub line: String,
    /// Whether there is an error among it.
    pub error: bool,
    /// The findings, as JSON.
    pub json: String,
}

/// Why the wait for all dynos was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotUp {
    /// These dynos crashed.
    Crashed(Vec<DynoName>),
    /// They took longer than this.
    Late(Duration),
}

impl NotUp {
    /// The exit code that stands for it.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Crashed(_) => ExitCode::Boot,
            Self::Late(_) => ExitCode::TimeLimit,
        }
    }
}

impl fmt::Display for NotUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crashed(dynos) if dynos.is_empty() => f.write_str("a dyno crashed"),
            Self::Crashed(dynos) => {
                let names: Vec<String> = dynos.iter().map(ToString::to_string).collect();
                write!(f, "{} crashed", names.join(", "))
            }
            Self::Late(limit) => write!(f, "not every dyno was up in {} s", limit.as_secs_f64()),
        }
    }
}

/// Where the app is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    /// `http://localhost:5006`
    pub http: String,
    /// `https://localhost:5443`, where that was asked for.
    pub https: Option<String>,
}

impl fmt::Display for Urls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.http)?;
        self.https.iter().try_for_each(|https| write!(f, "  {https}"))
    }
}

/// Where news goes. A face that went away is not waited for.
#[derive(Clone)]
pub struct Reporter(mpsc::UnboundedSender<News>);

impl Reporter {
    /// A reporter and the end that a face reads.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<News>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Tells.
    pub fn tell(&self, news: News) {
        let _ = self.0.send(news);
    }

    /// Tells something worth a line.
    pub fn note(&self, text: impl Into<String>) {
        self.tell(News::Note(text.into()));
    }

    /// Warns.
    pub fn warn(&self, text: impl Into<String>) {
        self.tell(News::Warning(text.into()));
    }
}
