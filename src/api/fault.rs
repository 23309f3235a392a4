//! Refusals in Heroku's shape: a status, an id for programs, a message for people.

use super::shapes;
use crate::platform::PlatformError;
use crate::platform::control::ControlError;
use hyper::StatusCode;

/// A request that is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    pub(super) error: shapes::Error,
}

impl Fault {
    fn new(status: StatusCode, id: &str, message: impl Into<String>) -> Self {
        Self { status, error: shapes::Error { id: id.into(), message: message.into(), url: None } }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_params", message)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "That path does not take this method.")
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("The body of a request can have {limit} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error", message)
    }
}

impl From<ControlError> for Fault {
    fn from(error: ControlError) -> Self {
        let message = error.to_string();
        match error {
            ControlError::NotReleased | ControlError::Closing | ControlError::NameTaken(_) => {
                Self::new(StatusCode::CONFLICT, "conflict", message)
            }
            ControlError::NoSuchType { .. } | ControlError::NoSuchDyno { .. } | ControlError::NoSuchRelease(_) => {
                Self::not_found(message)
            }
            ControlError::BadQuantity(_)
            | ControlError::TooManyDynos(_)
            | ControlError::NothingToRollBackTo(_)
            | ControlError::NotEligible(_)
            | ControlError::ImageGone { .. }
            | ControlError::BadConfig(_) => Self::invalid(message),
            ControlError::NotKept(_) => Self::internal(message),
            ControlError::Platform(error) => error.into(),
        }
    }
}

impl From<PlatformError> for Fault {
    fn from(error: PlatformError) -> Self {
        match &error {
            PlatformError::Project(findings) => {
                let all: Vec<String> = findings.iter().map(|finding| finding.title.clone()).collect();
                Self::invalid(format!("{error}: {}", all.join("; ")))
            }
            PlatformError::Build { failure, .. } => Self::invalid(format!("{error}: {}", failure.message)),
            PlatformError::ReleaseFailed { .. } => Self::invalid(error.to_string()),
            PlatformError::Refused { help, .. } => Self::invalid(format!("{error}: {help}")),
            PlatformError::NoSuchType { .. } => Self::not_found(error.to_string()),
            _ => Self::internal(error.to_string()),
        }
    }
}
