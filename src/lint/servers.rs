//! Servers by name: how each is told where to listen, and what it does when it is told nothing.

/// One server.
pub(super) struct Server {
    /// Program names; `a b` means the program `a` with the first argument `b`.
    pub(super) names: &'static [&'static str],
    /// Options whose value is a port alone.
    pub(super) port: &'static [&'static str],
    /// Options whose value is an address alone.
    pub(super) host: &'static [&'static str],
    /// Options whose value is `host:port`, a port, or a URL with both.
    pub(super) bind: &'static [&'static str],
    /// The first argument that is no option says where to listen.
    pub(super) positional: bool,
    /// Where it listens when nothing says so; `None` when it reads `$PORT`, or nobody can tell.
    pub(super) default_port: Option<u16>,
    /// Whether it listens on the loopback address when nothing says so.
    pub(super) default_loopback: bool,
    /// Variables, files and options by which it can be told otherwise.
    pub(super) told_by: &'static [&'static str],
    /// Options that put it into the background.
    pub(super) background: &'static [&'static str],
    /// Variables that tell it a port where its command does not, and how to mend one that is a number.
    pub(super) by_env: &'static [(&'static str, Told, &'static str)],
    /// The file of its own that tells it one.
    pub(super) config: Option<Config>,
}

/// What the value of a variable is to a server.
#[derive(Clone, Copy)]
pub(super) enum Told {
    /// A port.
    Port,
    /// `host:port`, or a URL with both.
    Bind,
    /// Options, as its command could have them.
    Options,
}

/// A file that a server reads at its start.
pub(super) struct Config {
    /// Options that name it.
    pub(super) flags: &'static [&'static str],
    /// Where it lies else.
    pub(super) default: &'static str,
    /// Finds where it says to listen.
    pub(super) pattern: &'static str,
    /// How to mend a number there.
    pub(super) help: &'static str,
}

const PLAIN: Server = Server {
    names: &[],
    port: &[],
    host: &[],
    bind: &[],
    positional: false,
    default_port: None,
    default_loopback: false,
    told_by: &[],
    background: &[],
    by_env: &[],
    config: None,
};

const ASP_NET: &str = "take it out, and set it where $PORT is known: `CMD ASPNETCORE_URLS=http://*:$PORT dotnet …`";
const VITE: &[&str] = &["vite.config.js", "vite.config.ts", "vite.config.mjs", "vite.config.mts"];

/// All that are known.
pub(super) const SERVERS: &[Server] = &[
    Server {
        names: &["gunicorn"],
        bind: &["-b", "--bind"],
        told_by: &["GUNICORN_CMD_ARGS"],
        background: &["-D", "--daemon"],
        by_env: &[("GUNICORN_CMD_ARGS", Told::Options, "take the address out: gunicorn listens on $PORT by itself")],
        config: Some(Config {
            flags: &["-c", "--config"],
            default: "gunicorn.conf.py",
            pattern: r#"(?m)^bind[ \t]*=[ \t]*\[?["']([^"'\n]*)["']"#,
            help: "take the line out: gunicorn listens on 0.0.0.0:$PORT by itself",
        }),
        ..PLAIN
    },
    Server {
        names: &["uvicorn"],
        port: &["--port"],
        host: &["--host"],
        default_port: Some(8000),
        default_loopback: true,
        told_by: &["UVICORN_PORT", "UVICORN_HOST", "--uds", "--fd", "--env-file"],
        by_env: &[("UVICORN_PORT", Told::Port, "take it out, and let the command say `--port $PORT`")],
        ..PLAIN
    },
    // Without a port it reads $PORT, but only since its version of September 2025.
    Server { names: &["fastapi run"], port: &["--port"], host: &["--host"], ..PLAIN },
    Server { names: &["fastapi dev"], port: &["--port"], host: &["--host"], default_loopback: true, ..PLAIN },
    Server {
        names: &["hypercorn"],
        bind: &["-b", "--bind"],
        default_port: Some(8000),
        default_loopback: true,
        told_by: &["-c", "--config"],
        ..PLAIN
    },
    Server {
        names: &["daphne"],
        port: &["-p", "--port"],
        host: &["-b", "--bind"],
        default_port: Some(8000),
        default_loopback: true,
        told_by: &["-e", "--endpoint", "-u", "--unix-socket", "--fd"],
        ..PLAIN
    },
    Server {
        names: &["waitress-serve"],
        port: &["--port"],
        host: &["--host"],
        bind: &["--listen"],
        default_port: Some(8080),
        told_by: &["--unix-socket"],
        ..PLAIN
    },
    Server {
        names: &["flask run"],
        port: &["-p", "--port"],
        host: &["-h", "--host"],
        default_port: Some(5000),
        default_loopback: true,
        told_by: &["FLASK_RUN_PORT", "FLASK_RUN_HOST"],
        by_env: &[("FLASK_RUN_PORT", Told::Port, "take it out, and let the command say `--port $PORT`")],
        ..PLAIN
    },
    Server {
        names: &["manage.py runserver", "django-admin runserver"],
        positional: true,
        default_port: Some(8000),
        default_loopback: true,
        ..PLAIN
    },
    Server { names: &["http.server"], host: &["-b", "--bind"], positional: true, default_port: Some(8000), ..PLAIN },
    Server {
        names: &["streamlit run"],
        port: &["--server.port"],
        host: &["--server.address"],
        default_port: Some(8501),
        told_by: &["STREAMLIT_SERVER_PORT", ".streamlit/config.toml"],
        by_env: &[("STREAMLIT_SERVER_PORT", Told::Port, "take it out, and let the command say `--server.port $PORT`")],
        ..PLAIN
    },
    Server {
        names: &["granian"],
        port: &["--port"],
        host: &["--host"],
        default_port: Some(8000),
        default_loopback: true,
        told_by: &["GRANIAN_PORT", "GRANIAN_HOST"],
        by_env: &[("GRANIAN_PORT", Told::Port, "take it out, and let the command say `--port $PORT`")],
        ..PLAIN
    },
    Server { names: &["uwsgi"], bind: &["--http", "--http-socket"], background: &["-d", "--daemonize"], ..PLAIN },
    Server {
        names: &["rails server", "rails s"],
        port: &["-p", "--port"],
        host: &["-b", "--binding"],
        background: &["-d", "--daemon"],
        ..PLAIN
    },
    Server {
        names: &["puma"],
        port: &["-p", "--port"],
        bind: &["-b", "--bind"],
        background: &["-d", "--daemon"],
        config: Some(Config {
            flags: &["-C", "--config"],
            default: "config/puma.rb",
            pattern: r#"(?m)^[ \t]*(?:port[ \t(]+|bind[ \t(]+["'])([0-9]+|tcp://[^"'\n]*)"#,
            help: "write `port ENV.fetch(\"PORT\", 3000)`",
        }),
        ..PLAIN
    },
    Server {
        names: &["rackup"],
        port: &["-p", "--port"],
        host: &["-o", "--host"],
        background: &["-D", "--daemonize"],
        ..PLAIN
    },
    Server {
        names: &["thin start"],
        port: &["-p", "--port"],
        host: &["-a", "--address"],
        background: &["-d", "--daemonize"],
        ..PLAIN
    },
    Server {
        names: &["unicorn", "unicorn_rails"],
        port: &["-p", "--port"],
        bind: &["-l", "--listen"],
        background: &["-D", "--daemonize"],
        ..PLAIN
    },
    Server { names: &["next start"], port: &["-p", "--port"], host: &["-H", "--hostname"], ..PLAIN },
    Server { names: &["serve"], port: &["-p"], bind: &["-l", "--listen"], ..PLAIN },
    Server { names: &["http-server"], port: &["-p", "--port"], host: &["-a"], ..PLAIN },
    Server {
        names: &["ng serve"],
        port: &["--port"],
        host: &["--host"],
        default_port: Some(4200),
        default_loopback: true,
        told_by: &["angular.json"],
        ..PLAIN
    },
    Server {
        names: &["vite preview"],
        port: &["--port"],
        host: &["--host"],
        default_port: Some(4173),
        told_by: VITE,
        ..PLAIN
    },
    Server {
        names: &["vite dev", "vite serve"],
        port: &["--port"],
        host: &["--host"],
        default_port: Some(5173),
        told_by: VITE,
        ..PLAIN
    },
    Server { names: &["json-server"], port: &["-p", "--port"], host: &["-H", "--host"], ..PLAIN },
    Server { names: &["php -S"], positional: true, ..PLAIN },
    Server {
        names: &["artisan serve"],
        port: &["--port"],
        host: &["--host"],
        default_port: Some(8000),
        default_loopback: true,
        told_by: &["SERVER_PORT", "SERVER_HOST"],
        ..PLAIN
    },
    Server { names: &["java"], port: &["-Dserver.port", "--server.port", "-Dquarkus.http.port"], ..PLAIN },
    Server {
        names: &["dotnet"],
        bind: &["--urls"],
        told_by: &["ASPNETCORE_URLS", "ASPNETCORE_HTTP_PORTS", "DOTNET_URLS", "URLS", "appsettings.json"],
        by_env: &[("ASPNETCORE_URLS", Told::Bind, ASP_NET), ("ASPNETCORE_HTTP_PORTS", Told::Port, ASP_NET)],
        ..PLAIN
    },
    Server { names: &["ttyd"], port: &["-p", "--port"], ..PLAIN },
    Server { names: &["caddy file-server"], bind: &["--listen", "-l"], ..PLAIN },
    // BusyBox's; Apache's program of the same name takes none of these.
    Server { names: &["busybox httpd"], bind: &["-p"], default_port: Some(80), ..PLAIN },
];

/// Programs that run what follows them; their own options stand before it.
pub(super) const WRAPPERS: &[&str] = &[
    "exec",
    "command",
    "nohup",
    "time",
    "nice",
    "tini",
    "dumb-init",
    "catatonit",
    "bundle exec",
    "poetry run",
    "pipenv run",
    "pdm run",
    "uv run",
    "npx",
    "bunx",
    "yarn exec",
    "pnpm exec",
    "opentelemetry-instrument",
    "ddtrace-run",
    "newrelic-admin run-program",
];

/// Where a server is told to listen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bind {
    /// The address.
    pub(super) host: Option<String>,
    /// The port, as written.
    pub(super) port: Option<String>,
}

impl Bind {
    /// Of `0.0.0.0:8000`, `:80`, `8000`, `tcp://[::]:80`, `$PORT`; `None` for sockets that are files.
    pub(super) fn of(text: &str) -> Option<Self> {
        if ["unix:", "fd:", "/", "."].iter().any(|start| text.starts_with(start)) {
            return None;
        }
        let text = text.split_once("://").map_or(text, |(_, rest)| rest).trim_end_matches('/');
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let is_port =
            |text: &str| text.starts_with('$') || (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
        if is_port(text) && outer_colon(text).is_none() {
            return Some(Self { host: None, port: some(text) });
        }
        let Some(colon) = outer_colon(text) else { return Some(Self { host: some(text), port: None }) };
        Some(Self { host: some(text[..colon].trim_matches(['[', ']'])), port: some(&text[colon + 1..]) })
    }
}

/// The last colon that is not within `${…}` or `[…]`.
fn outer_colon(text: &str) -> Option<usize> {
    let mut depth = 0_i32;
    let mut found = None;
    for (at, c) in text.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ':' if depth == 0 => found = Some(at),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::Bind;

    #[test]
    fn addresses_are_taken_apart() {
        let read =
            |text: &str| Bind::of(text).map(|bind| (bind.host.unwrap_or_default(), bind.port.unwrap_or_default()));
        for (text, host, port) in [
            ("0.0.0.0:8000", "0.0.0.0", "8000"),
            (":80", "", "80"),
            ("8000", "", "8000"),
            ("$PORT", "", "$PORT"),
            ("0.0.0.0:${PORT:-8000}", "0.0.0.0", "${PORT:-8000}"),
            ("tcp://[::]:80", "::", "80"),
            ("localhost", "localhost", ""),
            ("http://*:$PORT/", "*", "$PORT"),
            ("$HOST:$PORT", "$HOST", "$PORT"),
        ] {
            assert_eq!(read(text), Some((host.to_owned(), port.to_owned())), "{text}");
        }
        assert_eq!(Bind::of("unix:/tmp/x.sock"), None);
    }
}
