//! The router's cases, by the letters of its fact sheet: `§17`.

mod answers;
mod framing;
mod headers;
mod heads;
mod http2;
mod reuse;
mod timers;
mod upgrades;

use super::Chapter;

pub(super) const CHAPTERS: &[Chapter] = &[
    Chapter { name: "A. Request heads", of_router: true, rules: heads::RULES },
    Chapter { name: "B. Request framing", of_router: true, rules: framing::RULES },
    Chapter { name: "C. Request headers", of_router: true, rules: headers::RULES },
    Chapter { name: "D. Responses", of_router: true, rules: answers::RULES },
    Chapter { name: "E. Expect and upgrade", of_router: true, rules: upgrades::RULES },
    Chapter { name: "F. Timers and dyno states", of_router: true, rules: timers::RULES },
    Chapter { name: "G. Keep-alive and log", of_router: true, rules: reuse::RULES },
    Chapter { name: "H. HTTP/2", of_router: true, rules: http2::RULES },
];
