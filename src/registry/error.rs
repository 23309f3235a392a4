//! What a registry, or the way there, can answer with instead of what was asked for.

use super::place::{Digest, Host};
use std::io;

/// Why a request was not carried out. No text holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No answer, or none in time.
    #[error("{host} does not answer while {doing}: {reason}")]
    Unreachable {
        /// The registry.
        host: Host,
        /// What was being done, as "sending a layer".
        doing: String,
        /// The system's words.
        reason: String,
    },
    /// It wants a sign-in, or another one.
    #[error("{host} refuses the sign-in{}", if *.signed_in { "" } else { ": nobody is signed in there" })]
    Unauthorized {
        /// The registry.
        host: Host,
        /// Whether there was a login at all.
        signed_in: bool,
    },
    /// This login may not do that.
    #[error("{host} does not allow {doing}: {reason}")]
    Denied {
        /// The registry.
        host: Host,
        /// What was being done.
        doing: String,
        /// Its words.
        reason: String,
    },
    /// It knows no such request or format (405, `UNSUPPORTED`).
    #[error("{host} does not support {doing}: {reason}")]
    Unsupported {
        /// The registry.
        host: Host,
        /// What was being done.
        doing: String,
        /// Its words.
        reason: String,
    },
    /// Any other refusal.
    #[error("{host} refused {doing}: {status} {reason}")]
    Refused {
        /// The registry.
        host: Host,
        /// What was being done.
        doing: String,
        /// The status.
        status: u16,
        /// Its words.
        reason: String,
    },
    /// An answer that is none, or one that would send the login where it does not belong.
    #[error("{host} answered {doing} in a way that cannot be: {reason}")]
    Odd {
        /// The registry.
        host: Host,
        /// What was being done.
        doing: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What it has is not what it was given.
    #[error("{host} has {found} where {wanted} was sent ({doing})")]
    Mismatch {
        /// The registry.
        host: Host,
        /// What was being done.
        doing: String,
        /// The digest of what was sent.
        wanted: Digest,
        /// What it says it has.
        found: String,
    },
    /// No connection can be opened.
    #[error(transparent)]
    NoWay(#[from] crate::web::NoWay),
    /// A file of ours.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// The system's error.
        source: io::Error,
    },
}

impl RegistryError {
    /// Whether the same request may well succeed a little later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500..=599),
            _ => false,
        }
    }

    /// How to mend it, where that is known.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Unauthorized { host, signed_in } => Some(if *signed_in {
                format!("sign in anew: `dynosim container:login --registry {host}`")
            } else {
                format!("sign in: `dynosim container:login --registry {host}`, or `docker login {host}`")
            }),
            Self::Denied { .. } => Some("does this login have access to the app? `heroku access` lists who has".into()),
            Self::NoWay(error) => Some(error.help().into()),
            Self::Unreachable { reason, .. } if reason.starts_with("the proxy ") => {
                Some("look at HTTPS_PROXY, or name the registry in NO_PROXY if it is reached without a proxy".into())
            }
            Self::Unreachable { .. } => {
                Some("look at the network and the registry's name; to push again goes on where it stopped".into())
            }
            _ if self.goes_on() => Some("push again: it goes on where it stopped".into()),
            _ => None,
        }
    }

    /// Whether all there is to do is to wait for the registry: it does not answer, or says that it is out of order.
    pub fn goes_on(&self) -> bool {
        match self {
            Self::Unreachable { reason, .. } => !reason.starts_with("the proxy "),
            Self::Refused { status, .. } => *status >= 500,
            _ => false,
        }
    }
}
