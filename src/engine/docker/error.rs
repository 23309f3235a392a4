//! bollard's errors, told by what we were doing and how to mend it.

use crate::engine::EngineError;
use bollard::errors::Error;

/// The error of an operation: `doing` is what we were at, as "starting web.1".
pub(super) fn told(doing: &str, error: &Error) -> EngineError {
    let reason = words(error);
    if is_disk_full(&reason) {
        return EngineError::DiskFull(format!("{doing}: {reason}"));
    }
    if is_gone(error) {
        return EngineError::Gone { doing: doing.to_owned(), reason };
    }
    let reason = match advice(&reason) {
        Some(advice) => format!("{reason} ({advice})"),
        None => reason,
    };
    EngineError::Operation { doing: doing.to_owned(), reason }
}

/// An error of ours, not of the engine.
pub(super) fn failed(doing: &str, reason: &impl ToString) -> EngineError {
    let reason = reason.to_string();
    if is_disk_full(&reason) {
        return EngineError::DiskFull(format!("{doing}: {reason}"));
    }
    EngineError::Operation { doing: doing.to_owned(), reason }
}

/// What the engine said, without bollard's frame.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } | Error::DockerContainerWaitError { error, .. } => error.trim().to_owned(),
        Error::RequestTimeoutError => "it did not answer in time".to_owned(),
        Error::SocketNotFoundError(path) => format!("there is no socket {path}"),
        other => chain(other),
    }
}

/// An error with its causes. Those that only say that a request failed are passed over for the reason below them: a
/// user reads "Connection refused", not the names of our HTTP client's layers.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        let words = one.to_string();
        if text.contains("client error") || text.starts_with("error trying to connect") {
            text = words;
        } else if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = one.source();
    }
    text
}

/// The status of an answer that refused.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Whether the thing asked for is not there.
pub(super) fn is_missing(error: &Error) -> bool {
    status(error) == Some(404)
}

/// Whether there was no answer at all.
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(
        error,
        Error::HyperLegacyError { .. }
            | Error::HyperResponseError { .. }
            | Error::IOError { .. }
            | Error::RequestTimeoutError
            | Error::SocketNotFoundError(_)
    )
}

pub(super) fn is_disk_full(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    ["no space left on device", "disk quota exceeded", "not enough space"].iter().any(|text| words.contains(text))
}

fn advice(words: &str) -> Option<&'static str> {
    const ADVICE: &[(&str, &str)] = &[
        (
            "non-overlapping IPv4 address pool",
            "too many networks: `docker network prune` frees those that nothing uses",
        ),
        (
            "address pools have been fully subnetted",
            "too many networks: `docker network prune` frees those that nothing uses",
        ),
        ("permission denied while trying to connect", "may this user use the engine? see `docker run hello-world`"),
        ("does not match the specified platform", "the image was built for another platform: build it anew"),
        ("mounts denied", "share the folder with the engine's virtual machine"),
        ("bind source path does not exist", "the engine does not see this machine's files"),
    ];
    ADVICE.iter().find(|(part, _)| words.contains(part)).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::{is_gone, told};
    use crate::engine::EngineError;
    use bollard::errors::Error;

    fn refused(message: &str) -> Error {
        Error::DockerResponseServerError { status_code: 500, message: message.into() }
    }

    #[test]
    fn a_full_disk_is_told_apart_from_other_refusals() {
        let full = refused("write /var/lib/docker/tmp/x: no space left on device");
        assert!(matches!(told("sending the context", &full), EngineError::DiskFull(text) if text.contains("sending")));
        let other = refused("could not find an available, non-overlapping IPv4 address pool among the defaults");
        let shown = told("making the network", &other).to_string();
        assert!(shown.contains("making the network failed") && shown.contains("docker network prune"), "{shown}");
    }

    #[test]
    fn an_engine_that_does_not_answer_is_gone_not_failing() {
        assert!(is_gone(&Error::RequestTimeoutError));
        assert!(matches!(told("starting web.1", &Error::RequestTimeoutError), EngineError::Gone { .. }));
        assert!(!is_gone(&refused("no")));
    }
}
