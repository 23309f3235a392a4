//! What a Python app is started with.

use super::super::folder::{Folder, command, place, quoted};
use super::packages::Packages;
use crate::diagnostic::SourceFile;
use crate::model::app::CommandText;

/// What makes an app object, the framework's name, and whether its server speaks ASGI.
const MAKERS: &[(&str, &str, bool)] = &[
    ("Flask(", "Flask", false),
    ("FastAPI(", "FastAPI", true),
    ("Starlette(", "Starlette", true),
    ("Litestar(", "Litestar", true),
    ("Quart(", "Quart", true),
    ("Sanic(", "Sanic", true),
    ("Bottle(", "Bottle", false),
    ("falcon.App(", "Falcon", false),
];

/// Files in which an app is looked for first.
const USUAL: &[&str] = &["wsgi.py", "asgi.py", "app.py", "main.py", "server.py", "api.py", "web.py", "run.py"];

pub(super) fn start(folder: &mut Folder, packages: &Packages) -> Option<CommandText> {
    if let Some(file) = folder.read("manage.py") {
        return django(folder, &file, packages);
    }
    let mut paths = folder.sources(&[".py"]);
    paths.retain(|path| !path.split('/').any(|part| part.starts_with("test")));
    let rank = |path: &String| {
        let name = path.rsplit('/').next().unwrap_or(path);
        (path.matches('/').count(), USUAL.iter().position(|usual| *usual == name).unwrap_or(USUAL.len()))
    };
    paths.sort_by_key(rank);
    let sources: Vec<_> = paths.iter().filter_map(|path| folder.source(path)).collect();
    for source in &sources {
        if let Some((object, framework, asgi, at)) = object(source) {
            let origin = place(source, at);
            folder.fact(framework, origin.clone());
            return Some(command(serve(&module(&source.name), &object, asgi), origin));
        }
    }
    for source in &sources {
        if let Some(at) = source.text.find("def create_app(") {
            let framework = MAKERS.iter().find(|(_, name, _)| packages.has(&name.to_lowercase()));
            let (name, asgi) = framework.map_or(("an app factory", false), |(_, name, asgi)| (*name, *asgi));
            let origin = place(source, at);
            folder.fact(name, origin.clone());
            let target = module(&source.name);
            let text = if asgi {
                format!("uvicorn --factory {target}:create_app --host 0.0.0.0 --port $PORT")
            } else {
                format!("gunicorn --bind 0.0.0.0:$PORT '{target}:create_app()'")
            };
            return Some(command(text, origin));
        }
    }
    // A server of its own: a file that reads $PORT.
    let own = sources.iter().find(|source| {
        let reads = source.text.contains("\"PORT\"") || source.text.contains("'PORT'");
        reads && !source.name.contains('/')
    })?;
    let word = crate::model::launch::shellwords_escape(&own.name);
    Some(command(format!("python {word}"), format!("{}, which reads $PORT", own.name)))
}

/// `web:app` with the server that speaks its language.
fn serve(module: &str, object: &str, asgi: bool) -> String {
    if asgi {
        format!("uvicorn {module}:{object} --host 0.0.0.0 --port $PORT")
    } else {
        format!("gunicorn --bind 0.0.0.0:$PORT {module}:{object}")
    }
}

fn django(folder: &mut Folder, manage: &SourceFile, packages: &Packages) -> Option<CommandText> {
    let at = manage.text.find("DJANGO_SETTINGS_MODULE")?;
    let line = manage.text[at..].lines().next().unwrap_or_default();
    let settings = quoted(line.split_once(',').map_or("", |(_, value)| value))?;
    // `shop.settings.production` belongs to the package `shop`.
    let package = settings.split(".settings").next().unwrap_or(settings);
    let origin = place(manage, at);
    folder.fact("Django", packages.origin("django").unwrap_or(&origin).to_owned());
    let path = |kind: &str| format!("{}/{kind}.py", package.replace('.', "/"));
    let text = if packages.has("daphne") && folder.has(&path("asgi")) {
        format!("daphne -b 0.0.0.0 -p $PORT {package}.asgi:application")
    } else if packages.has("uvicorn") && !packages.has("gunicorn") && folder.has(&path("asgi")) {
        serve(&format!("{package}.asgi"), "application", true)
    } else {
        serve(&format!("{package}.wsgi"), "application", false)
    };
    Some(command(text, format!("{origin} `{settings}`")))
}

/// An app object at the margin: its name, what made it, whether it speaks ASGI, and where.
fn object(source: &SourceFile) -> Option<(String, &'static str, bool, usize)> {
    let mut start = 0;
    for line in source.text.split_inclusive('\n') {
        let at = start;
        start += line.len();
        let Some((left, right)) = line.split_once('=') else { continue };
        let name = left.split(':').next().unwrap_or_default().trim_end();
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let right = right.trim_start();
        for (maker, framework, asgi) in MAKERS {
            let made =
                right.starts_with(maker) || right.split_once('.').is_some_and(|(_, rest)| rest.starts_with(maker));
            if is_name && made {
                return Some((name.to_owned(), framework, *asgi, at));
            }
        }
    }
    None
}

/// `shop/web.py` as Python imports it.
fn module(path: &str) -> String {
    let path = path.strip_suffix(".py").unwrap_or(path);
    path.strip_suffix("/__init__").unwrap_or(path).replace('/', ".")
}
