//! What happens while a dyno runs: signals, the background, kept connections, a shell in it.

use crate::diagnostic::Severity;
use crate::lint::command::Command;
use crate::lint::folder::Content;
use crate::lint::hits::{Hit, Hits};
use crate::lint::rule::{Check, Rule};
use crate::lint::scene::{Image, Process, Scene};
use crate::lint::shell::Join;
use crate::lint::told::own_file;
use regex::Regex;
use std::sync::LazyLock;

/// D014
pub(super) static WITHOUT_EXEC: Rule = Rule {
    id: "D014",
    name: "shell-without-exec",
    severity: Severity::Note,
    summary: "a shell stays above the server: it costs memory and a process, and `docker stop` reaches only the shell",
    explanation: "The last command of a script or of a CMD with several commands is a server, started without `exec`. On Heroku \
        every process of a dyno gets SIGTERM, so the server ends all the same; in Docker, in Kubernetes and under another \
        init only the shell does, and the server is killed after the grace time. With `exec` the server takes the \
        shell's place.\n\nA CMD that is one command is not meant: shells replace themselves by a last command, or lose \
        nothing by it.",
    source: "R5.3",
    wrong: "#!/bin/sh\npython manage.py migrate\ngunicorn app",
    right: "#!/bin/sh\npython manage.py migrate\nexec gunicorn app",
    confirmed: None,
    check: Check::Files(without_exec),
};

/// D016
pub(super) static BACKGROUND: Rule = Rule {
    id: "D016",
    name: "background",
    severity: Severity::Error,
    summary: "a formation dyno whose command ends has crashed, whatever the status, and what it left running is killed",
    explanation: "The last command puts its server into the background and ends: `nginx` without `daemon off;`, `gunicorn \
        --daemon`, `pm2 start`, `service … start`. Run the server in the foreground.",
    source: "R5.4",
    wrong: "CMD service nginx start",
    right: "CMD nginx -g 'daemon off;'",
    confirmed: Some("ends with status 0 and has crashed"),
    check: Check::Files(background),
};

/// D042
pub(super) static PS_EXEC: Rule = Rule {
    id: "D042",
    name: "ps-exec-needs",
    severity: Severity::Warning,
    summary: "`heroku ps:exec` needs bash, curl, openssh and python in the image, and its script started with the dyno",
    explanation: "The Dockerfile prepares for `heroku ps:exec` (it speaks of heroku-exec or HEROKU_EXEC_URL), and lacks a part \
        of what that needs. `dynosim ps:exec` needs none of it.",
    source: "R1.6",
    wrong: "RUN apt-get install -y curl\nCOPY heroku-exec.sh /app/.profile.d/",
    right: "RUN apt-get install -y bash curl openssh-server python3\nCOPY heroku-exec.sh /app/.profile.d/",
    confirmed: None,
    check: Check::Files(ps_exec),
};

/// D043
pub(super) static KEEP_ALIVE: Rule = Rule {
    id: "D043",
    name: "keep-alive",
    severity: Severity::Warning,
    summary: "Heroku's router keeps connections to a dyno for 90 s; a server that closes them earlier loses requests (H13)",
    explanation: "The server closes an idle connection before the router does. When a request comes at that moment it meets a \
        closed connection: H13 or H18. Keep connections for more than 90 s (Heroku's own templates use 95), or turn \
        reuse off by `heroku labs:enable http-disable-keepalive-to-dyno`.\n\nThe rule reads what is written: options of \
        gunicorn and uvicorn, `keepalive` of gunicorn.conf.py, `keepalive_timeout` of nginx, `persistent_timeout` of puma, `KeepAliveTimeout` of Apache, \
        `keepAliveTimeout` of a Node server.",
    source: "router §7 (keep-alive to dynos)",
    wrong: "CMD uvicorn main:app --host 0.0.0.0 --port $PORT --timeout-keep-alive 5",
    right: "CMD uvicorn main:app --host 0.0.0.0 --port $PORT --timeout-keep-alive 95",
    confirmed: Some("closes the router's connection after a second; the mended one keeps it"),
    check: Check::Files(keep_alive),
};

/// Router: idle connections to dynos, in seconds.
const KEPT: f64 = 90.0;

fn without_exec(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (process, image) in scene.each() {
        if process.name.is_release() {
            continue;
        }
        let commands = &process.run.commands;
        let Some(last) =
            commands.last().filter(|last| last.by_shell && last.sure && !last.exec && last.after == Join::Sequence)
        else {
            continue;
        };
        // A single command is all that its shell has to do.
        let several = commands
            .iter()
            .filter(|one| one.by_shell && one.script == last.script && one.file.name == last.file.name)
            .count()
            > 1;
        let manages = |one: &Command| ["trap", "wait"].contains(&one.program().1);
        let package = last.script.as_deref().is_some_and(|script| script.ends_with("package.json"));
        let replaced = process.run.bash_text && last.script.is_none();
        if !several || package || replaced || commands.iter().any(|one| manages(one) || one.after == Join::Background) {
            continue;
        }
        let Some((server, _)) = last.server(image.is_busybox()) else { continue };
        hits.push(
            Hit::new(format!("a shell stays above {}: it is started without `exec`", server.names[0]))
                .at(&last.file, last.span(), "no `exec`")
                .help("write `exec` before it"),
        );
    }
}

fn background(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    for (process, image) in scene.each() {
        if process.name.is_release() {
            continue;
        }
        let Some(last) = process.run.commands.last().filter(|last| last.sure && !last.excused) else { continue };
        let Some(why) = goes_away(last, process, image) else { continue };
        hits.push(
            Hit::new(format!("{} ends as soon as it has started: {why}", process.name))
                .at(&last.file, last.span(), "goes into the background")
                .help("run the server in the foreground"),
        );
    }
}

/// Why a command ends while its server goes on.
fn goes_away(command: &Command, process: &Process, image: &Image) -> Option<String> {
    let (at, name) = command.program();
    let word = |offset: usize| command.args.get(at + offset).map_or("", |arg| arg.text.as_str());
    let said = |why: &str| Some(why.to_owned());
    if command.after == Join::Background && command.by_shell {
        return said("the last command ends in `&`");
    }
    match name {
        "service" if word(2) == "start" => said("`service … start` does not wait"),
        "nginx" => {
            let off = |text: &str| text.contains("daemon off");
            let anywhere = command.args.iter().any(|arg| off(&arg.text))
                || image.mentions("daemon off")
                || process.run.scripts.iter().any(|script| off(&script.content.file.text))
                || command.has(&["-t", "-s", "-v", "-V", "-T"], at);
            // Configuration that nobody reads here may say it.
            let own = image
                .steps()
                .any(|(_, one)| ["COPY", "ADD"].contains(&one.keyword.as_str()) && one.body().contains("nginx.conf"));
            (!anywhere && !own && image.known.is_some())
                .then(|| "nginx goes into the background without `daemon off;`".to_owned())
        }
        "pm2" if word(1) == "start" && !command.has(&["--no-daemon", "--attach"], at) => {
            said("`pm2 start` does not wait; `pm2-runtime` does")
        }
        "apachectl" | "apache2ctl"
            if word(1) == "start" && !command.args.iter().any(|arg| arg.text.contains("FOREGROUND")) =>
        {
            said("`apachectl start` does not wait; `-D FOREGROUND` does")
        }
        "redis-server" if word(1) == "--daemonize" && word(2) == "yes" => said("`--daemonize yes`"),
        _ => {
            let (server, start) = command.server(image.is_busybox())?;
            if server.names[0] == "busybox httpd" {
                let foreground = command.args[start..].iter().any(|arg| {
                    arg.text.starts_with('-')
                        && !arg.text.starts_with("--")
                        && (arg.text.contains('f') || arg.text.contains('i'))
                });
                return (!foreground).then(|| "BusyBox's httpd goes into the background without `-f`".to_owned());
            }
            command
                .has(server.background, start)
                .then(|| format!("{} is told to go into the background", server.names[0]))
        }
    }
}

fn ps_exec(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    const NEEDS: &[(&str, &[&str])] =
        &[("bash", &["bash"]), ("curl", &["curl"]), ("openssh", &["openssh", "ssh"]), ("python", &["python"])];
    for image in &scene.images {
        let signs = ["heroku-exec", "HEROKU_EXEC_URL"];
        let Some((_, one)) = image.steps().find(|(_, one)| signs.iter().any(|sign| image.whole(one).contains(sign)))
        else {
            continue;
        };
        let Some(known) = image.known else { continue };
        let base = image.base.as_ref().map_or("", |base| base.name.as_str());
        let installed: String = image.runs().collect();
        let there = |name: &str, words: &[&str]| {
            words.iter().any(|word| installed.contains(word))
                || (name == "bash" && known.bash)
                || (name == "curl" && known.curl)
                || base.contains(name)
        };
        let missing: Vec<&str> =
            NEEDS.iter().filter(|(name, words)| !there(name, words)).map(|(name, _)| *name).collect();
        if !missing.is_empty() {
            hits.push(
                Hit::new(format!("`heroku ps:exec` will not work: the image lacks {}", missing.join(", ")))
                    .at(&image.file, one.span.clone(), "prepares for it")
                    .help(format!("install {}", missing.join(", "))),
            );
        }
    }
}

static CONFIGURED: LazyLock<Vec<(Option<Regex>, f64, &'static str)>> = LazyLock::new(|| {
    let rule = |pattern: &str, scale: f64, help: &'static str| (Regex::new(pattern).ok(), scale, help);
    vec![
        rule(
            r"(?m)^(?:[^#\n]*[{;])?[ \t]*keepalive_timeout[ \t]+([0-9]+)s?[ \t]*[; \t]",
            1.0,
            "write `keepalive_timeout 95s;`",
        ),
        rule(r"(?m)^keepalive[ \t]*=[ \t]*([0-9]+)[ \t]*(?:#.*)?\r?$", 1.0, "write `keepalive = 95`"),
        rule(r"(?m)^[ \t]*persistent_timeout[ \t]*\(?[ \t]*([0-9]+)", 1.0, "write `persistent_timeout 95`"),
        rule(r"(?m)^[ \t]*KeepAliveTimeout[ \t]+([0-9]+)[ \t\r]*$", 1.0, "write `KeepAliveTimeout 95`"),
        rule(
            r"(?m)^[^/#*\n]*\.keepAliveTimeout[ \t]*=[ \t]*([0-9][0-9_]*(?:[ \t]*\*[ \t]*[0-9][0-9_]*)*)[ \t]*(?:;|//|/\*|\r?$)",
            0.001,
            "set it to 95000 milliseconds",
        ),
    ]
});

fn keep_alive(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let Some((process, image)) = scene.web() else { return };
    for command in process.run.commands.iter().filter(|command| command.sure) {
        let Some((server, at)) = command.server(image.is_busybox()) else { continue };
        let flags: &[&str] = match server.names[0] {
            "gunicorn" | "hypercorn" => &["--keep-alive"],
            "uvicorn" => &["--timeout-keep-alive"],
            _ => continue,
        };
        for arg in command.values_of(flags, at) {
            if arg.text.parse::<f64>().is_ok_and(|seconds| seconds < KEPT) {
                hits.push(
                    Hit::new(format!(
                        "{} closes idle connections after {} s, the router after {KEPT}",
                        server.names[0], arg.text
                    ))
                    .at(&arg.file, arg.span.clone(), "shorter than the router's")
                    .help(format!("write `{} 95`", flags[0])),
                );
            }
        }
    }
    for content in configured(process, image) {
        for (pattern, scale, help) in CONFIGURED.iter() {
            let found = pattern
                .as_ref()
                .and_then(|pattern| pattern.captures(&content.file.text))
                .and_then(|found| found.get(1));
            let Some(number) = found else { continue };
            let Some(value) = product(number.as_str()) else { continue };
            let seconds = value * scale;
            // Zero is no time: it keeps none, or each for ever.
            if seconds > 0.0 && seconds < KEPT {
                hits.push(
                    Hit::new(format!(
                        "{} closes idle connections after {seconds} s, the router after {KEPT}",
                        content.file.name
                    ))
                    .at(&content.file, number.range(), "shorter than the router's")
                    .help(*help),
                );
            }
        }
    }
}

/// `65_000`, `60 * 1000`.
fn product(text: &str) -> Option<f64> {
    let factors = text.split('*').map(|factor| factor.trim().replace('_', "").parse::<f64>().ok());
    factors.product()
}

/// Configuration of the server that surely faces the router.
fn configured(process: &Process, image: &Image) -> Vec<Content> {
    let mut found = Vec::new();
    let runs = |names: &[&str]| {
        process.run.commands.iter().any(|command| command.sure && names.contains(&command.program().1))
    };
    let nginx = runs(&["nginx"]) || (image.base_server() == Some("nginx") && process.run.unknown);
    if nginx || image.base_server().is_some() {
        for (at, one) in image.steps().filter(|(_, one)| one.keyword == "COPY" && one.flag("from").is_none()) {
            let Some((sources, _)) = crate::lint::locate::copied(image, at) else { continue };
            let configs = sources.iter().filter(|source| source.contains("conf") && !one.body().is_empty());
            found.extend(configs.filter_map(|source| image.folder.read(source.trim_start_matches("./"))));
        }
    } else if runs(&["puma", "rails"]) {
        found.extend(image.folder.read("config/puma.rb"));
    } else if let Some((command, server, at)) =
        process.run.commands.iter().filter(|command| command.sure).find_map(|one| {
            let (server, at) = one.server(image.is_busybox()).filter(|(server, _)| server.names[0] == "gunicorn")?;
            Some((one, server, at))
        })
    {
        found.extend(own_file(process, image, command, server, at).filter(|_| !command.has(&["--keep-alive"], at)));
    } else if let Some(command) =
        process.run.commands.iter().find(|command| command.sure && command.program().1 == "node")
    {
        let file = command.args.iter().skip(command.program().0 + 1).find(|arg| !arg.text.starts_with('-'));
        found.extend(file.and_then(|file| crate::lint::locate::locate(image, &file.text)).map(|(content, _)| content));
    }
    found
}
