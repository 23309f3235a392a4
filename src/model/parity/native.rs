//! What is otherwise on the native engine: dynos as processes of this machine, without images. What is not named here is as
//! on Docker, since the same code does it: the router, the machine of a dyno, the log, config vars and releases.

use super::Kept::{Absent, Nearly};
use super::{Kept, Rule};

/// The id of a rule, how its text begins, and how far it is kept.
pub(super) const DIFFERS: &[(&str, &str, Kept)] = &[
    ("R1.1", "`container:push`", Absent("nothing is built or pushed; that takes a container engine")),
    ("R1.1", "what is released", Nearly("a release names the files of the folder as they were; they are not kept")),
    ("R1.2", "the registry", Absent("nothing is built or pushed; that takes a container engine")),
    ("R1.2", "images are", Absent("there are no images; programs are this machine's own")),
    ("R1.3", "`VOLUME`", Nearly("no effect either, as there is no image")),
    (
        "R1.3",
        "an image without",
        Nearly("refused with exit code 6: what a base image runs, only a container engine knows"),
    ),
    (
        "R1.5",
        "a random user",
        Nearly("where the kernel allows user namespaces; else dynos run as your own user, under Landlock"),
    ),
    ("R1.5", "process 1", Nearly("where the kernel allows user namespaces; else dynos see your processes")),
    (
        "R1.5",
        "the filesystem",
        Nearly(
            "this machine's, read-only but for private /tmp, /var/tmp and /dev/shm; no socket of this machine's services can be connected to; with `--fs ephemeral` the app's folder is \
             writable, and what was written goes with the dyno; under Landlock these are the machine's own, and it stays",
        ),
    ),
    (
        "R1.5",
        "whether files",
        Nearly(
            "dynos can read what you can read, and write nothing of it; under Landlock mode and times of files can be changed",
        ),
    ),
    ("R1.5", "dynos cannot reach", Absent("dynos share this machine's network, and reach what listens on loopback")),
    ("R1.6", "a web image", Nearly("the release command, or the `CMD` of Dockerfile.release, without its image")),
    ("R2", "heroku.yml:", Nearly("`run` and `release` count; of `build.docker` the Dockerfiles are read, not built")),
    ("R2", "builds run", Absent("nothing is built, and nothing installed; `RUN` lines are named")),
    ("R3", "the container stack", Nearly("a Procfile alone is an app here; beside Dockerfiles it is laid over them")),
    (
        "R5.3",
        "SIGTERM goes",
        Nearly(
            "at once where the kernel allows user namespaces; else the tree is walked until no new process is found",
        ),
    ),
    (
        "R5.7",
        "sizes:",
        Nearly(
            "programs read the machine's memory as theirs; processes are counted by control group or, from Linux 5.14 on, by \
             user namespace, and not for root without a control group",
        ),
    ),
    (
        "R5.7",
        "R14 above",
        Nearly("the processes' own pages, looked at five times a second: what grows faster is killed a little late"),
    ),
    ("R5.7", "a dyno over", Nearly("pages go to this machine's swap, as it sees fit")),
    ("R7", "`log-runtime-metrics`", Nearly("without the pages read and written, which are 0")),
    ("R9", "releases v1", Nearly("a rollback brings back commands and config vars, not files")),
    ("R13#11", "`HOME`", Nearly("the folder of the project")),
    (
        "Error R14",
        "Memory",
        Nearly("looked at five times a second; the explanation names the processes that hold most"),
    ),
    ("Error R15", "Memory", Nearly("looked at five times a second: what grows faster is killed a little late")),
];

/// How far a rule is kept there.
pub(super) fn kept(rule: &Rule) -> Kept {
    DIFFERS
        .iter()
        .find(|(id, begins, _)| *id == rule.id && rule.heroku.starts_with(begins))
        .map_or(rule.on(super::Engine::Docker), |(_, _, kept)| *kept)
}
