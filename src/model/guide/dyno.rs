//! The R codes: what the dyno manager says of a dyno.

use super::Topic;

pub(super) const TOPICS: &[Topic] = &[
    Topic {
        code: "R10",
        title: "Boot timeout",
        means: "The web process did not bind $PORT within 60 seconds of its start. The dyno is killed with SIGKILL and \
                has crashed. Only web is checked; other types are up as soon as they run.",
        causes: &[
            "The server listens on a port that is written in its code or Dockerfile (3000, 8000, 8080) instead of $PORT.",
            "It listens on 127.0.0.1 or localhost, where no router reaches it; it has to be 0.0.0.0 or ::.",
            "An exec-form CMD passes the text $PORT itself, since no shell replaces it.",
            "Migrations, asset builds or a cache fill run before the server binds, and take longer than the limit.",
            "The process waits for a database or another service that it cannot reach.",
        ],
        here: "`dynosim up` names what the app listens on, and which process, about two seconds after a wrong bind; the \
               limit is `--timeouts boot=60s`, and `--timeouts fast` shows it in 6 seconds.",
        source: "https://devcenter.heroku.com/articles/error-codes#r10-boot-timeout (R5.2, R6.1)",
    },
    Topic {
        code: "R12",
        title: "Exit timeout",
        means: "A process of the dyno still ran 30 seconds after SIGTERM, and was killed with SIGKILL. Every process of \
                the dyno gets the signal, not just the first.",
        causes: &[
            "The app has no handler for SIGTERM, or one that waits for long jobs.",
            "A worker does not give an unfinished job back, but tries to finish it.",
            "A thread that is no daemon keeps the process alive after the server has stopped.",
            "A shell script starts the server without `exec` and traps SIGTERM, or starts it in the background.",
        ],
        here: "`dynosim up`, then Ctrl-C or `dynosim ps:restart`: the explanation after R12 names the processes that \
               still run, and a shell that waits for them; the limit is `--timeouts exit=30s`.",
        source: "https://devcenter.heroku.com/articles/error-codes#r12-exit-timeout (R5.3, R6.1)",
    },
    Topic {
        code: "R13",
        title: "Attach error",
        means: "A one-off dyno was started for a client that did not come to it within 30 seconds.",
        causes: &[
            "A firewall between the client and Heroku does not let the connection to port 5000 through.",
            "The client gave up while the dyno was still being started.",
        ],
        here: "Never: `dynosim run` and its dyno are on one machine, and no connection has to be made.",
        source: "https://devcenter.heroku.com/articles/error-codes#r13-attach-error (R6.1)",
    },
    Topic {
        code: "R14",
        title: "Memory quota exceeded",
        means: "The dyno uses more memory than its quota (512 MB for Eco, Basic and Standard-1X). It runs on, swaps, and \
                is slow. The line comes again about every 20 seconds while it lasts.",
        causes: &[
            "More server processes than fit: WEB_CONCURRENCY, or a default that counts the machine's cores.",
            "A leak, or a cache without a bound.",
            "A large file, image or query result that is held in memory as a whole.",
            "A runtime that is not told the limit, such as a JVM heap or Node's old space of its own default.",
        ],
        here: "`dynosim up` measures every 20 s (`--timeouts metrics=20s`) and names the processes that hold most; \
               `--size standard-2x` shows whether a larger dyno helps, `dynosim ui` shows memory as it grows.",
        source: "https://devcenter.heroku.com/articles/error-codes#r14-memory-quota-exceeded (R5.7, R6.1)",
    },
    Topic {
        code: "R15",
        title: "Memory quota vastly exceeded",
        means: "The dyno's memory and swap together passed the hard limit, twice the quota for most sizes. It is killed \
                with SIGKILL and has crashed.",
        causes: &[
            "What leads to R14, faster: one request or job that needs a multiple of the quota.",
            "A leak that R14 had been announcing for a while.",
            "A build tool or test runner that was made for the developer's machine and runs in the dyno.",
        ],
        here: "`dynosim up` kills at the limit of the dyno's size and names the process that held most; `dynosim explain \
               web` shows quota and limit.",
        source: "https://devcenter.heroku.com/articles/error-codes#r15-memory-quota-vastly-exceeded (R5.7, R6.1)",
    },
    Topic {
        code: "R16",
        title: "Detached",
        means: "The client of a one-off dyno went away, and a process of the dyno goes on in spite of SIGHUP.",
        causes: &[
            "The command ignores SIGHUP, as under `nohup` or in a session of its own.",
            "A daemon was started from the shell of a one-off dyno.",
        ],
        here: "Not said: `dynosim run` sends SIGHUP to its dyno when its terminal is closed, and stops it.",
        source: "https://devcenter.heroku.com/articles/error-codes#r16-detached (R6.1)",
    },
    Topic {
        code: "R17",
        title: "Checksum error",
        means: "The slug that a dyno fetched is not the one that was released.",
        causes: &["Damage on the way from Heroku's storage to the dyno; nothing that an app does leads to it."],
        here: "Never: it is about slugs, which container apps do not have; images are addressed by their digest.",
        source: "https://devcenter.heroku.com/articles/error-codes#r17-checksum-error (R6.1)",
    },
    Topic {
        code: "R99",
        title: "Platform error",
        means: "Heroku itself could not start the dyno, or lost it.",
        causes: &["Trouble of the platform; Heroku's status page tells."],
        here: "Not said: when the container engine fails, the explanation says what it answered, and it is tried again.",
        source: "https://devcenter.heroku.com/articles/error-codes#r99-platform-error (R6.1)",
    },
];
