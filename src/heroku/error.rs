//! What can go wrong with the API, in Heroku's words where it has some, and what to do about it.

use super::key::{KeyError, Origin};
use super::shapes;
use hyper::StatusCode;
use std::fmt::Write as _;

/// Why Heroku did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum HerokuError {
    /// No key to ask with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The environment names no API.
    #[error(transparent)]
    Endpoint(#[from] super::endpoint::BadEndpoint),
    /// No connection can be opened.
    #[error(transparent)]
    NoWay(#[from] crate::web::NoWay),
    /// Nobody answers there, or not the right one.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        host: String,
        /// The innermost cause.
        reason: String,
    },
    /// The request left, and no answer came.
    #[error("{host} did not answer {what}: {reason}")]
    Lost {
        /// Where.
        host: String,
        /// `PATCH /apps/shop/formation`
        what: String,
        /// The innermost cause.
        reason: String,
        /// Whether it may have been done all the same.
        unknown: bool,
    },
    /// Heroku said no.
    #[error("{}", said(.error, *.status, .request.as_deref()))]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// Heroku's id and words.
        error: shapes::Error,
        /// Heroku's id of the request, for its support.
        request: Option<String>,
        /// Where the key was found.
        key: Origin,
    },
    /// The answer is not one of this API.
    #[error("{host} answered {what} with what cannot be read: {reason}")]
    Unreadable {
        /// Where.
        host: String,
        /// `GET /apps/shop`
        what: String,
        /// Why.
        reason: String,
    },
    /// A stream at a place that is not asked.
    #[error("the output of the release is at {0}, which is neither https nor this machine")]
    StrangeStream(String),
}

impl HerokuError {
    /// The status of a refusal.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Key(KeyError::Missing { .. }) => {
                "set HEROKU_API_KEY, as with: export HEROKU_API_KEY=$(heroku auth:token); or put the key into ~/.netrc"
                    .into()
            }
            Self::Key(KeyError::Unusable { .. } | KeyError::Unreadable { .. }) => {
                "a key is one word of letters, digits and dashes; `heroku auth:token` prints it".into()
            }
            Self::NoWay(error) => error.help().into(),
            Self::Unreachable { reason, .. } if reason.contains("certificate") => {
                "behind a proxy with a certificate of its own, name its authority's file in SSL_CERT_FILE".into()
            }
            Self::Unreachable { reason, .. } if reason.contains("the proxy ") => {
                "look at HTTPS_PROXY, or name the host in NO_PROXY if it is reached without a proxy".into()
            }
            Self::Unreachable { .. } => {
                "look at the network, at HTTPS_PROXY if there is a proxy, or at HEROKU_API_URL and HEROKU_HOST if one is set".into()
            }
            Self::Lost { unknown: true, .. } => {
                "whether it was done is not known: look with `dynosim releases -a APP` before doing it again".into()
            }
            Self::Lost { .. } => "nothing was changed; try again".into(),
            Self::Refused { status, error, key, .. } => refusal(*status, error, key)?,
            Self::Endpoint(_) | Self::Unreadable { .. } | Self::StrangeStream(_) => return None,
        })
    }
}

/// `Couldn't find that app. (404 not_found, request 5b3a…)`
fn said(error: &shapes::Error, status: StatusCode, request: Option<&str>) -> String {
    let mut text = format!("{} ({} {}", error.message, status.as_u16(), error.id);
    if let Some(request) = request {
        let _ = write!(text, ", request {request}");
    }
    text.push(')');
    text
}

fn refusal(status: StatusCode, error: &shapes::Error, key: &Origin) -> Option<String> {
    let more = error.url.as_ref().map(|url| format!("see {url}"));
    let help = match (status.as_u16(), error.id.as_str()) {
        (401, _) => {
            format!("the key in {key} is not taken: sign in again, or set HEROKU_API_KEY to a key that is valid")
        }
        (402, _) => "Heroku waits for a payment of this account".into(),
        (403, "two_factor") => {
            "Heroku wants a second factor, which only its own tools can give; use a key that was made \
                                for this: `heroku authorizations:create`"
                .into()
        }
        (403, _) => format!("the account of the key in {key} may not do this with the app"),
        (404, _) if error.message.contains(" app") => {
            "look at the spelling of -a, and whether the key's account can see the app".into()
        }
        (409, _) => "something else changes the app just now; try again when it is done".into(),
        (429, _) => {
            "the account has asked too much within the hour; Heroku lets about 75 more requests a minute".into()
        }
        (500.., _) => "the fault is Heroku's; https://status.heroku.com tells more".into(),
        _ => return more,
    };
    Some(more.map_or(help.clone(), |more| format!("{help}; {more}")))
}
