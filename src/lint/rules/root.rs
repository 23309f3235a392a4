//! What only root may do, and no dyno is root (R1.5).

use super::ports::literal_ports;
use crate::diagnostic::Severity;
use crate::lint::command::{Arg, Command};
use crate::lint::hits::{Hit, Hits};
use crate::lint::rule::{Check, Rule};
use crate::lint::scene::{Image, Scene, absolute};

/// D020
pub(super) static NEEDS_ROOT: Rule = Rule {
    id: "D020",
    name: "needs-root",
    severity: Severity::Error,
    summary: "no dyno is root, whatever USER says: chown, sudo, package managers and the like fail with status 1",
    explanation: "A dyno runs as a random user of the group `dyno`. What the command or its script does here only root may. Do it \
        in the Dockerfile, where the build is root.\n\nThe rule means what runs in any case: not what an `if` decides, \
        what asks for the user before (`id -u`), or whose failure is taken care of (`|| true`).",
    source: "R1.5",
    wrong: "#!/bin/sh\nset -e\nchown -R app /app/tmp\nexec \"$@\"",
    right: "RUN chmod -R a+rwX /app/tmp    # in the Dockerfile",
    confirmed: Some("`Operation not permitted`, status 1, crashed; the mended one is up"),
    check: Check::Files(needs_root),
};

/// D021
pub(super) static LOW_PORT: Rule = Rule {
    id: "D021",
    name: "low-port",
    severity: Severity::Error,
    summary: "ports below 1024 are root's, and no dyno is root; web must listen on $PORT, which never is one of them",
    explanation: "The command of web tells its server port 80 or another below 1024. Docker lets everybody bind such ports, so it \
        works on a developer's machine; Heroku does not.",
    source: "R1.5, R5.2",
    wrong: "CMD uvicorn main:app --host 0.0.0.0 --port 80",
    right: "CMD uvicorn main:app --host 0.0.0.0 --port ${PORT:-80}",
    confirmed: Some("`Permission denied`, crashed; the mended one is up"),
    check: Check::Files(|scene, hits| literal_ports(scene, hits, true)),
};

/// D022
pub(super) static WRITES: Rule = Rule {
    id: "D022",
    name: "writes-root-path",
    severity: Severity::Warning,
    summary: "the dyno's user owns nothing in the image; and what it writes anywhere is gone with the dyno",
    explanation: "The command or its script writes to a path that belongs to root, and no `chmod` in the Dockerfile opens it. \
        COPY and RUN leave files to root, and USER and `--chown` give them to a user that is not the dyno's. Write to \
        /tmp, or open the path: `RUN chmod a+rwX /app/log`.\n\ndynosim's root file system is read-only by default, \
        where Heroku's is thrown away, so here the write fails in any case (R1.5).\n\nSome public templates \
        that write to such paths are said to run on Heroku, so this is a warning. `sed -i` on a server's own configuration, \
        as many of them do, is passed over.",
    source: "R1.5",
    wrong: "CMD mkdir -p /var/lib/app && exec ./server",
    right: "CMD mkdir -p /tmp/app && exec ./server",
    confirmed: Some("the write is refused and named; the mended one is up"),
    check: Check::Files(writes),
};

/// D023
pub(super) static HOME_OF_ROOT: Rule = Rule {
    id: "D023",
    name: "home-of-root",
    severity: Severity::Warning,
    summary: "/root is closed to everybody but root in most images, and no dyno is root",
    explanation: "The app lies below /root, which has the mode 700 in Debian's and Alpine's images: the dyno's user may not even \
        enter it. Put the app into /app, or open the folder (`RUN chmod 755 /root`).\n\nSome public templates of that kind \
        are said to run on Heroku, so this is a warning; here it does fail.",
    source: "R1.5",
    wrong: "WORKDIR /root/\nCMD [\"./server\"]",
    right: "WORKDIR /app\nCMD [\"./server\"]",
    confirmed: Some("the dyno cannot be started, or the program is not found; the mended one is up"),
    check: Check::Files(home_of_root),
};

/// Programs that need root, by the name or by the name and its first argument.
const ROOTS: &[&str] = &[
    "chown",
    "chgrp",
    "sudo",
    "su",
    "apt-get install",
    "apt-get update",
    "apt install",
    "apt update",
    "apk add",
    "yum install",
    "dnf install",
    "useradd",
    "usermod",
    "groupadd",
    "groupmod",
    "adduser",
    "addgroup",
    "setcap",
    "mount",
    "iptables",
    "gosu",
    "su-exec",
    "setpriv",
    "chroot",
    "sysctl",
];

fn needs_root(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (process, _) in scene.each() {
        for command in process.run.commands.iter().filter(|command| command.sure && !command.excused) {
            if asks_who(&command.file.text) {
                continue;
            }
            let Some(name) = named(command, ROOTS) else { continue };
            hits.push(
                Hit::new(format!("`{name}` needs root, and no dyno is root"))
                    .at(&command.file, command.span(), "fails on Heroku")
                    .help("do it in the Dockerfile, where the build is root"),
            );
        }
    }
}

fn named(command: &Command, names: &[&'static str]) -> Option<&'static str> {
    let at = usize::from(command.exec && command.name(0) == "exec");
    let first = command.name(at);
    let second = command.args.get(at + 1..).unwrap_or_default().iter().find(|arg| !arg.text.starts_with('-'));
    let second = second.map_or("", |arg| arg.text.as_str());
    names.iter().copied().find(|name| match name.split_once(' ') {
        Some((program, argument)) => first == program && second == argument,
        None => first == *name,
    })
}

/// Whether a script looks at who it is before it does what only root may.
fn asks_who(text: &str) -> bool {
    ["id -u", "whoami", "EUID", "$UID", "$USER", "id -un"].iter().any(|word| text.contains(word))
}

fn writes(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (process, image) in scene.each() {
        for command in process.run.commands.iter().filter(|command| command.sure && !command.excused) {
            for target in targets(command) {
                let Some(path) = absolute(&target.text, image.workdir.as_deref()) else { continue };
                if target.text.contains(['$', '*', '`', '~']) || !target.text.starts_with('/') || is_open(&path, image)
                {
                    continue;
                }
                hits.push(
                    Hit::new(format!("{} writes to {path}, which belongs to root: that may be refused", process.name))
                        .at(&target.file, target.span.clone(), "not the dyno's user's")
                        .help("write to /tmp, or open the path in the Dockerfile with `RUN chmod -R a+rwX …`"),
                );
            }
        }
    }
}

/// Paths that a command surely writes to.
fn targets(command: &Command) -> Vec<&Arg> {
    let mut found: Vec<&Arg> = command
        .redirects
        .iter()
        .filter(|(sign, _)| sign.contains('>') && !sign.contains('&'))
        .map(|(_, arg)| arg)
        .collect();
    let at = usize::from(command.exec && command.name(0) == "exec");
    let arguments = || command.args.iter().skip(at + 1).filter(|arg| !arg.text.starts_with('-'));
    match command.name(at) {
        "mkdir" | "touch" | "tee" => found.extend(arguments()),
        "cp" | "mv" | "ln" => found.extend(arguments().next_back()),
        _ => {}
    }
    found
}

/// Whether the dyno's user may write to a path, as far as can be seen: in doubt it may.
fn is_open(path: &str, image: &Image) -> bool {
    let below = |folder: &str| path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    if ["/tmp", "/var/tmp", "/dev", "/proc", "/run/lock"].iter().any(|folder| below(folder)) {
        return true;
    }
    if image.known.is_none() {
        return true;
    }
    let opens = |text: &str| text.contains("chmod") || text.contains("install -") || text.contains("setfacl");
    let names = |text: &str| {
        let mut folder = path;
        loop {
            if folder.len() > 1 && text.contains(folder) {
                return true;
            }
            match folder.rsplit_once('/') {
                Some((parent, _)) if !parent.is_empty() => folder = parent,
                _ => return false,
            }
        }
    };
    // A relative path, or a variable, may be this one.
    let vague = |text: &str| {
        text.split_whitespace().any(|word| !word.starts_with(['/', '-', '+', '&']) && word.contains(['.', '$']))
    };
    image.runs().any(|text| opens(&text) && (names(&text) || vague(&text)))
        || image.steps().any(|(_, one)| one.flag("chmod").is_some())
}

fn home_of_root(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (process, image) in scene.each() {
        let Some(base) = &image.base else { continue };
        let closed = image.known.is_some_and(|known| known.shell) && base.name != "busybox";
        if !closed || image.runs().any(|text| text.contains("chmod") && text.contains("/root")) {
            continue;
        }
        let in_root = |path: &str| path == "/root" || path.starts_with("/root/");
        let last = image.steps().rfind(|(_, one)| one.keyword == "WORKDIR");
        if let Some((_, one)) = last.filter(|_| image.workdir.as_deref().is_some_and(in_root)) {
            hits.push(
                Hit::new(format!("{} runs in /root, which may be closed to it", process.name))
                    .at(&image.file, one.span.clone(), "closed to the dyno's user")
                    .help("use another folder, such as /app, or `RUN chmod 755 /root`"),
            );
            continue;
        }
        let program = process.run.commands.iter().filter(|command| command.sure).find_map(|command| {
            let arg = command.args.get(command.program().0)?;
            in_root(&arg.text).then_some(arg)
        });
        if let Some(arg) = program {
            hits.push(
                Hit::new(format!("{} runs a program in /root, which may be closed to it", process.name))
                    .at(&arg.file, arg.span.clone(), "closed to the dyno's user")
                    .help("put it into another folder, such as /app, or `RUN chmod 755 /root`"),
            );
        }
    }
}
