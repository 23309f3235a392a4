//! Programs of the project's own that never look at `$PORT`.

use crate::diagnostic::Severity;
use crate::lint::command::has_extension;
use crate::lint::folder::Content;
use crate::lint::hits::{Hit, Hits};
use crate::lint::listen::find_listen;
use crate::lint::locate::locate;
use crate::lint::rule::{Check, Rule};
use crate::lint::scene::{Image, Process, Scene};
use crate::lint::sources::mentions_port;

/// D006
pub(super) static PORT_NOT_READ: Rule = Rule {
    id: "D006",
    name: "port-not-read",
    severity: Severity::Warning,
    summary: "Heroku gives each web dyno another port, in $PORT; one that listens elsewhere is killed after 60 s (R10)",
    explanation: "Web runs a program of the project, its file listens on a number, and the word PORT stands nowhere: not in \
        the Dockerfile, the command, its scripts, the app's config vars, nor in any source or configuration of the build \
        context.\n\nThe rule looks at JavaScript, TypeScript, Python and Ruby that is started by name, and only where \
        the listening call holds a number, or a constant of the same file that is one. It says nothing when there are more sources than it reads.",
    source: "R5.2, R10",
    wrong: "// server.js, started by CMD [\"node\", \"server.js\"]\napp.listen(3000)",
    right: "app.listen(process.env.PORT || 3000)",
    confirmed: Some("R10 at the boot limit; the mended one is up"),
    check: Check::Files(port_not_read),
};

const PROGRAMS: &[&str] = &["node", "python", "python3", "ruby", "ts-node", "tsx", "bun", "nodemon"];

fn port_not_read(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let Some((process, image)) = scene.web() else { return };
    if process.run.commands.iter().any(|command| command.args.iter().any(|arg| arg.text.contains("PORT"))) {
        return;
    }
    for content in programs(process, image) {
        let Some((found, number)) = find_listen(&content) else { continue };
        let constant = found.constant.as_deref().map(|name| (&content, name));
        if image.mentions("PORT") || mentions_port(&image.folder, constant) {
            continue;
        }
        hits.push(
            Hit::new(format!("{} listens on port {number}, and nothing of the app reads $PORT", content.file.name))
                .at(&content.file, found.span, "a port of its own")
                .help(help(&content.path, number)),
        );
    }
}

/// Files of the project that web surely runs by an interpreter.
pub(super) fn programs(process: &Process, image: &Image) -> Vec<Content> {
    let sure = process.run.commands.iter().filter(|command| command.sure);
    let found = sure.filter_map(|command| {
        let (at, name) = command.program();
        let itself = has_extension(name, "py");
        let start = if itself { at } else { at + 1 };
        let file = command.args.iter().skip(start).find(|arg| !arg.text.starts_with('-'));
        let file = file.filter(|_| itself || PROGRAMS.contains(&name))?;
        Some(locate(image, &file.text)?.0)
    });
    found.collect()
}

fn help(path: &str, number: u16) -> String {
    match path.rsplit('.').next() {
        Some("py") => format!("read it: `int(os.environ.get(\"PORT\", {number}))`, on host \"0.0.0.0\""),
        Some("rb") => format!("read it: `ENV.fetch(\"PORT\", {number})`, bound to 0.0.0.0"),
        _ => format!("read it: `process.env.PORT || {number}`"),
    }
}
