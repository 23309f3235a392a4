//! Where the web process listens.

use super::node::programs;
use crate::diagnostic::Severity;
use crate::lint::command::{Arg, Command, dollar_names, has_extension};
use crate::lint::fix::Fix;
use crate::lint::hits::{Hit, Hits};
use crate::lint::listen::find_loopback;
use crate::lint::rule::{Check, Rule};
use crate::lint::scene::{Image, Process, Scene};
use crate::lint::servers::{Bind, Server};
use crate::lint::sources::{mentions_port, named_files};
use crate::lint::told::{build_arg, elsewhere, file_tells, own_port};

/// D001
pub(super) static HARD_CODED_PORT: Rule = Rule {
    id: "D001",
    name: "hard-coded-port",
    severity: Severity::Error,
    summary: "Heroku gives each web dyno another port, in $PORT; one that listens elsewhere is killed after 60 s (R10)",
    explanation: "The command of web tells its server a fixed port. Nothing on Heroku connects to it: the router asks \
        $PORT, which is another number at every start, and EXPOSE changes nothing.\n\nUsually the port is the one that \
        `docker run -p 8000:8000` used. `${PORT:-8000}` keeps that and listens where Heroku asks.\n\nThe rule knows the \
        options of common servers (gunicorn, uvicorn, puma, rails, next, php -S, httpd, …), follows scripts of the \
        project and `npm start`, and says nothing where a variable decides or where another server of the same command \
        listens on $PORT. It looks into what tells a server its port otherwise: `ENV` (UVICORN_PORT, ASPNETCORE_URLS, …), \
        gunicorn.conf.py, config/puma.rb, and a PORT that the command line sets itself.",
    source: "R5.2, R10, R1.3",
    wrong: "CMD gunicorn --bind 0.0.0.0:8000 app:app",
    right: "CMD gunicorn --bind 0.0.0.0:${PORT:-8000} app:app",
    confirmed: Some("R10 at the boot limit; the mended one is up"),
    check: Check::Files(|scene, hits| literal_ports(scene, hits, false)),
};

/// D002
pub(super) static DEFAULT_PORT: Rule = Rule {
    id: "D002",
    name: "default-port",
    severity: Severity::Error,
    summary: "a server that is told no port listens on its own, where Heroku's router never asks (R10)",
    explanation: "The server of web is started without a port and does not read $PORT by itself: uvicorn, hypercorn and \
        daphne take 8000, flask 5000, streamlit 8501, Vite 5173, ASP.NET's images 8080. gunicorn, puma, rails and next read \
        $PORT and are not meant. Or its port is a build arg (ARG), which is empty when a dyno runs.\n\n\
        The rule says nothing where a variable or a file of the server's own may tell it a port.",
    source: "R5.2, R10",
    wrong: "CMD uvicorn main:app --host 0.0.0.0",
    right: "CMD uvicorn main:app --host 0.0.0.0 --port $PORT",
    confirmed: Some("R10 at the boot limit; the mended one is up"),
    check: Check::Files(default_port),
};

/// D003
pub(super) static LOOPBACK: Rule = Rule {
    id: "D003",
    name: "loopback-bind",
    severity: Severity::Error,
    summary: "a server on 127.0.0.1 is reached by nobody outside of its dyno: that does not count as bound (R10)",
    explanation: "The server of web listens on the loopback address, because it is told so or because that is its default \
        (uvicorn, flask, `manage.py runserver`). The router comes from outside: listen on 0.0.0.0.",
    source: "R5.2, R10",
    wrong: "CMD uvicorn main:app --port $PORT",
    right: "CMD uvicorn main:app --host 0.0.0.0 --port $PORT",
    confirmed: Some("R10 at the boot limit; the mended one is up"),
    check: Check::Files(loopback),
};

/// A command, the server it starts, where its arguments begin, and where it is told to listen.
type Started<'s> = (&'s Command, &'static Server, usize, Vec<(Bind, Arg)>);

/// Servers that web surely starts, each with what it is told.
fn servers<'s>(process: &'s Process, image: &Image) -> Vec<Started<'s>> {
    let sure = process.run.commands.iter().filter(|command| command.sure);
    let found = sure.filter_map(|command| {
        let (server, at) = command.server(image.is_busybox())?;
        Some((command, server, at, command.binds(server, at)))
    });
    found.collect()
}

/// Whether something of it listens where Heroku asks, as far as can be seen.
fn listens_well(process: &Process, image: &Image) -> bool {
    let by_variable = |(_, _, _, binds): &Started<'_>| {
        binds.iter().any(|(bind, _)| {
            bind.port.as_ref().is_some_and(|port| port.contains('$') && build_arg(process, image, port).is_none())
        })
    };
    servers(process, image).iter().any(by_variable)
        || process.run.commands.iter().any(|command| {
            // Something that nobody knows here is told the port: a proxy before the server.
            command.server(image.is_busybox()).is_none()
                && command.args.iter().any(|arg| dollar_names(&arg.text).contains(&"PORT"))
                && !["echo", "printf", "export", "test", "["].contains(&command.program().1)
        })
}

pub(super) fn literal_ports(scene: &Scene<'_>, hits: &mut Hits<'_>, low: bool) {
    let Some((process, image)) = scene.web() else { return };
    if listens_well(process, image) {
        return;
    }
    let title = |name: &str, number: u16| {
        if low {
            format!("web's {name} listens on port {number}, which only root may bind")
        } else {
            format!("web's {name} listens on port {number}, whatever $PORT is")
        }
    };
    let meant = |number: u16| (number < 1024) == low && number != 0;
    let own = own_port(process).filter(|_| !process.run.commands.iter().any(is_proxy));
    if let Some((file, span, number)) = own.as_ref().filter(|(.., number)| meant(*number)) {
        hits.push(
            Hit::new(title("command", *number))
                .at(file, span.clone(), "takes the place of the platform's")
                .help(format!("take it out, or write `PORT=${{PORT:-{number}}}`")),
        );
    }
    for (command, server, at, binds) in servers(process, image) {
        let name = server.names[0];
        let told: Vec<_> = binds.iter().filter(|(bind, _)| bind.port.is_some()).collect();
        if told.is_empty()
            && let Some(fixed) = elsewhere(process, image, command, server, at).filter(|fixed| meant(fixed.number))
        {
            let hit = Hit::new(title(name, fixed.number)).at(&fixed.file, fixed.span, "a port of its own");
            hits.push(hit.help(fixed.help));
        }
        for (bind, arg) in told {
            let Some(number) = bind.port.as_ref().and_then(|port| port.parse::<u16>().ok()) else { continue };
            if !meant(number) || own.as_ref().is_some_and(|(.., own)| *own == number) {
                continue;
            }
            let title = title(name, number);
            let help = format!("let it listen on $PORT: `${{PORT:-{number}}}` in place of `{number}`");
            let exec = command.instead_of_literal(arg);
            let hit = Hit::new(title)
                .at(&arg.file, arg.span.clone(), "a port of its own")
                .help(format!("{help}{exec}"))
                .fix(with_port(command, arg, number));
            hits.push(hit);
        }
    }
}

/// The number replaced, where a shell reads it and it stands there once.
fn with_port(command: &Command, arg: &Arg, number: u16) -> Option<Fix> {
    let text = arg.file.text.get(arg.span.clone())?;
    let written = number.to_string();
    if arg.literal || !command.by_shell || text.contains('\'') || text.matches(&written).count() != 1 {
        return None;
    }
    let at = arg.span.start + text.find(&written)?;
    Fix::replace(&arg.file, at..at + written.len(), &format!("${{PORT:-{number}}}"))
}

fn default_port(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let Some((process, image)) = scene.web() else { return };
    if listens_well(process, image) {
        return;
    }
    for (command, server, at, binds) in servers(process, image) {
        let name = server.names[0];
        let arg = binds.iter().find_map(|(bind, arg)| Some((build_arg(process, image, bind.port.as_ref()?)?, arg)));
        if let Some((variable, arg)) = arg.filter(|(variable, _)| scene.loaded.app.config.get(variable).is_none()) {
            hits.push(
                Hit::new(format!("web's {name} is told the port ${variable}, a build arg: no dyno has it"))
                    .at(&command.file, arg.span.clone(), "empty when it runs")
                    .help("write $PORT in its place; an ARG is there only while the image is built"),
            );
            continue;
        }
        let Some(port) = server.default_port.or_else(|| port_of_base(command, image)) else { continue };
        if binds.iter().any(|(bind, _)| bind.port.is_some()) || told_otherwise(command, server, at, scene, image) {
            continue;
        }
        let option = server.port.last().or(server.bind.last()).copied();
        let help = match (option, name) {
            (Some(option), _) if server.port.is_empty() => format!("add `{option} 0.0.0.0:$PORT`"),
            (Some(option), _) => format!("add `{option} $PORT`"),
            (None, "http.server") => "add $PORT as its argument".to_owned(),
            (None, "dotnet") => "set it at the start: `CMD ASPNETCORE_URLS=http://*:$PORT dotnet …`".to_owned(),
            (None, _) => "add 0.0.0.0:$PORT as its argument".to_owned(),
        };
        hits.push(
            Hit::new(format!("web's {name} is told no port and listens on {port}, whatever $PORT is"))
                .at(&command.file, command.span(), "no port")
                .help(help),
        );
    }
}

/// The port of ASP.NET's own images, where nothing of the app speaks of another.
fn port_of_base(command: &Command, image: &Image) -> Option<u16> {
    let base = image.base.as_ref().filter(|base| base.name == "mcr.microsoft.com/dotnet/aspnet")?;
    let app = command.program().1 == "dotnet" && command.args.iter().any(|arg| has_extension(&arg.text, "dll"));
    // The image also runs programs that are no servers.
    let is_web = |path: &String| {
        image.folder.read(path).is_some_and(|content| content.file.text.contains("Microsoft.NET.Sdk.Web"))
    };
    let web = named_files(&image.folder, |name| has_extension(name, "csproj")).iter().any(is_web);
    if !app || !web || image.mentions("PORT") || mentions_port(&image.folder, None) {
        return None;
    }
    let major = base.tag.split('.').next().and_then(|major| major.parse::<u32>().ok());
    Some(if major.is_some_and(|major| major < 8) { 80 } else { 8080 })
}

/// Whether a variable, a file or another option may say where it listens.
fn told_otherwise(command: &Command, server: &Server, at: usize, scene: &Scene<'_>, image: &Image) -> bool {
    let by = |word: &&str| match word {
        option if option.starts_with('-') => command.has(&[*option], at),
        file if file.contains('.') => file_tells(image, file),
        name => {
            image.vars.contains_key(*name) || scene.loaded.app.config.get(name).is_some() || process_sets(scene, name)
        }
    };
    server.told_by.iter().any(by)
}

fn process_sets(scene: &Scene<'_>, name: &str) -> bool {
    scene.processes.iter().any(|process| {
        process.run.values.contains_key(name)
            || process.run.scripts.iter().any(|script| script.content.file.text.contains(name))
    })
}

fn loopback(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let Some((process, image)) = scene.web() else { return };
    if !process.run.commands.iter().any(is_proxy) {
        loopback_in_source(process, image, hits);
    }
    let all = servers(process, image);
    // Behind a proxy of the same dyno, loopback is right.
    if all.len() != 1 || process.run.commands.iter().any(is_proxy) {
        return;
    }
    for (command, server, at, binds) in all {
        let name = server.names[0];
        let is_loopback = |host: &str| host == "localhost" || host == "::1" || host.starts_with("127.");
        let hosts: Vec<_> = binds.iter().filter_map(|(bind, arg)| Some((bind.host.as_deref()?, arg))).collect();
        let port = binds.iter().any(|(bind, _)| bind.port.is_some());
        if let Some((host, arg)) = hosts.first().filter(|_| hosts.iter().all(|(host, _)| is_loopback(host))) {
            let hit = Hit::new(format!("web's {name} listens on {host}, which nobody outside of the dyno reaches"))
                .at(&arg.file, arg.span.clone(), "the loopback address")
                .help("write 0.0.0.0 in its place")
                .fix(without_loopback(arg, host));
            hits.push(hit);
        } else if hosts.is_empty()
            && port
            && server.default_loopback
            && !told_otherwise(command, server, at, scene, image)
        {
            let option = server.host.last().map_or("0.0.0.0:$PORT".to_owned(), |option| format!("{option} 0.0.0.0"));
            hits.push(
                Hit::new(format!("web's {name} is told no address and listens on 127.0.0.1 only"))
                    .at(&command.file, command.span(), "no address")
                    .help(format!("add `{option}`")),
            );
        }
    }
}

/// The same of programs of the project's own.
fn loopback_in_source(process: &Process, image: &Image, hits: &mut Hits<'_>) {
    for content in programs(process, image) {
        let Some(span) = find_loopback(&content) else { continue };
        let host = content.file.text[span.clone()].to_owned();
        let title = format!("{} listens on {host}, which nobody outside of the dyno reaches", content.file.name);
        hits.push(Hit::new(title).at(&content.file, span, "the loopback address").help("write 0.0.0.0 in its place"));
    }
}

fn without_loopback(arg: &Arg, host: &str) -> Option<Fix> {
    let text = arg.file.text.get(arg.span.clone())?;
    let at = arg.span.start + text.find(host).filter(|_| text.matches(host).count() == 1)?;
    Fix::replace(&arg.file, at..at + host.len(), "0.0.0.0")
}

fn is_proxy(command: &Command) -> bool {
    ["nginx", "caddy", "haproxy", "envoy", "supervisord", "honcho", "foreman", "traefik", "apache2-foreground"]
        .contains(&command.program().1)
}
