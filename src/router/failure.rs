//! Why a request failed, and what follows from it: code, status, page and the words of the log line. The one mapping.

use super::pages::Page;
use crate::model::codes::H;

/// Why a request did not end as the app wanted, by stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Every web dyno is crashed.
    Crashed,
    /// There is no web dyno.
    NoWeb,
    /// More requests in flight than the app's dynos may have.
    Backlog,
    /// More client connections than the router takes.
    ConnectionLimit,
    /// No dyno became up while the request waited.
    Booting,
    /// Every dyno stayed quarantined while the request waited.
    Quarantined,
    /// The same, told as H34.
    AllQuarantined,
    /// The last dyno tried did not answer the connect.
    ConnectTimeout,
    /// The last dyno tried refused the connect.
    Refused,
    /// Maintenance mode.
    Maintenance,
    /// No release.
    Blank,
    /// An `Expect` that is not `100-continue`.
    Expectation,
    /// `Connection: upgrade` without `Upgrade`.
    BadHeader,
    /// The request's chunks or trailers are broken.
    BadChunk,
    /// The client went away.
    ClientGone,
    /// The client stopped sending, or taking, for the idle time.
    ClientIdle,
    /// No response byte in time.
    FirstByte,
    /// The dyno closed before a response byte.
    Unanswered,
    /// The dyno closed, or broke its chunks, within its response.
    Interrupted,
    /// The dyno fell silent within its response, or both sides of a tunnel did.
    Idle,
    /// Not an HTTP/1 response.
    BadResponse,
    /// A second `100 Continue`, when the first was passed on for the client to wait for.
    SecondContinue,
    /// A response over one of the limits.
    Restricted(Restriction),
    /// The router was stopped first.
    Forced,
}

/// The limits on responses that Heroku enforces (§8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restriction {
    ContentLength,
    Cookie,
    Header,
    StatusLine,
}

/// What a failure means for the client and the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// `error`, `warning` or `info`.
    pub(super) at: &'static str,
    /// The code.
    pub(super) code: H,
    /// The code's description.
    pub(super) desc: &'static str,
    /// H26 only.
    pub(super) cause: Option<&'static str>,
    /// `backend` or `client`.
    pub(super) sock: Option<&'static str>,
    /// The status of the client's answer, and of the log line unless a status was sent before; 0 is an empty field.
    pub(super) status: u16,
    /// What the client gets if nothing was sent before; `None` cuts the connection.
    pub(super) page: Option<Page>,
}

impl Failure {
    pub(super) fn verdict(self) -> Verdict {
        let error = |code: H| Verdict {
            at: "error",
            code,
            desc: code.title(),
            cause: None,
            sock: None,
            status: code.status(),
            page: Some(Page::Error),
        };
        let told = |code: H, page: Page| Verdict { at: "info", page: Some(page), ..error(code) };
        let client = |code: H| Verdict { at: "warning", page: None, ..error(code) };
        let request = |status: u16, cause: &'static str, page: Page| Verdict {
            status,
            cause: Some(cause),
            page: Some(page),
            ..error(H::H26)
        };
        match self {
            Self::Crashed => error(H::H10),
            Self::Backlog => error(H::H11),
            Self::FirstByte => error(H::H12),
            Self::Unanswered => error(H::H13),
            Self::NoWeb => error(H::H14),
            Self::Idle => error(H::H15),
            Self::BadResponse => error(H::H17),
            Self::Interrupted => Verdict { sock: Some("backend"), ..error(H::H18) },
            Self::ConnectTimeout => error(H::H19),
            Self::Booting => error(H::H20),
            Self::Refused => error(H::H21),
            Self::ConnectionLimit => error(H::H22),
            Self::Forced => Verdict { page: None, ..error(H::H24) },
            Self::SecondContinue => Verdict { status: 502, ..error(H::H17) },
            Self::Restricted(which) => Verdict { desc: which.title(), ..error(H::H25) },
            Self::Expectation => request(417, "unsupported expect header value", Page::Empty),
            Self::BadHeader => request(400, "bad header", Page::Empty),
            Self::BadChunk => request(400, "bad chunk", Page::Error),
            Self::ClientGone => Verdict { sock: Some("client"), ..client(H::H27) },
            Self::ClientIdle => client(H::H28),
            Self::AllQuarantined => error(H::H34),
            Self::Maintenance => told(H::H80, Page::Maintenance),
            Self::Blank => told(H::H81, Page::Error),
            Self::Quarantined => error(H::H99),
        }
    }
}

impl Restriction {
    fn title(self) -> &'static str {
        match self {
            Self::ContentLength => "HTTP restriction: invalid content length",
            Self::Cookie => "HTTP restriction: oversized cookie",
            Self::Header => "HTTP restriction: oversized header",
            Self::StatusLine => "HTTP restriction: oversized status line",
        }
    }
}
