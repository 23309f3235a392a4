//! The L codes: what the log says of itself.

use super::Topic;

pub(super) const TOPICS: &[Topic] = &[
    Topic {
        code: "L10",
        title: "Drain buffer overflow",
        means: "The app logged faster than a log drain took the lines: of more than 1,024 that waited, some were dropped.",
        causes: &[
            "The drain's receiver is slow, far away or down.",
            "The app logs at debug level, or one line for each row of something.",
        ],
        here: "Never: drains are not imitated, and readers here catch up from the journal.",
        source: "https://devcenter.heroku.com/articles/error-codes#l10-drain-buffer-overflow (R6.1, R7)",
    },
    Topic {
        code: "L11",
        title: "Tail buffer overflow",
        means: "A reader of `logs --tail` was too slow, and lines were dropped before it got them. The app and other readers \
                are not affected.",
        causes: &[
            "The terminal or the program behind a pipe cannot keep up with the app's output.",
            "A reader was stopped (Ctrl-Z) while the app went on.",
        ],
        here: "Said with Heroku's words when the journal was rotated away under a reader; it holds 256 MB, so \
               it takes a reader that stood still. Fewer lines: `dynosim logs -p web`.",
        source: "https://devcenter.heroku.com/articles/error-codes#l11-tail-buffer-overflow (R6.1, R7)",
    },
    Topic {
        code: "L12",
        title: "Local buffer overflow",
        means: "The dyno printed faster than its local log buffer was emptied, and lines were dropped.",
        causes: &[
            "The app prints in a tight loop, or dumps large structures.",
            "Every request is logged several times, by server, framework and app.",
        ],
        here: "Said with Heroku's words when this machine could not write the log for a while, a full disk say. A fast \
               app alone does not lead to it: it is slowed down, and no line is lost.",
        source: "https://devcenter.heroku.com/articles/error-codes#l12-local-buffer-overflow (R6.1, R7)",
    },
    Topic {
        code: "L13",
        title: "Local delivery error",
        means: "The dyno could not hand its lines to the log service, and they were lost.",
        causes: &["Trouble between the dyno and Heroku's log service; nothing that an app does leads to it."],
        here: "Never: lines go to a file on this machine.",
        source: "https://devcenter.heroku.com/articles/error-codes#l13-local-delivery-error (R6.1)",
    },
    Topic {
        code: "L14",
        title: "Certificate validation error",
        means: "The certificate of a log drain with TLS is not valid, so nothing is sent to it.",
        causes: &[
            "The drain's certificate has expired, or names another host.",
            "It is signed by an authority that is not commonly trusted.",
        ],
        here: "Never: drains are not imitated.",
        source: "https://devcenter.heroku.com/articles/error-codes#l14-certificate-validation (R6.1, R7)",
    },
    Topic {
        code: "L15",
        title: "Tail buffer temporarily unavailable",
        means: "The buffer that `heroku logs` reads from is out of service; drains still get the lines.",
        causes: &["Trouble or maintenance of Heroku's log service; nothing that an app does leads to it."],
        here: "Never: the journal is a file on this machine.",
        source: "https://devcenter.heroku.com/articles/error-codes#l15-tail-buffer-temporarily-unavailable (R6.1)",
    },
];
