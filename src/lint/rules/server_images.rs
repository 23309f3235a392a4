//! Images of web servers that listen on port 80 unless told otherwise.

use crate::diagnostic::Severity;
use crate::lint::bases::Default as BaseDefault;
use crate::lint::folder::Content;
use crate::lint::hits::{Hit, Hits};
use crate::lint::locate::{copied, locate};
use crate::lint::rule::{Check, Rule};
use crate::lint::scene::{Image, Process, Scene, Setting};
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// D005
pub(super) static SERVER_IMAGE: Rule = Rule {
    id: "D005",
    name: "server-image-port",
    severity: Severity::Error,
    summary: "the images of nginx and Apache listen on port 80; on Heroku web must listen on $PORT, and port 80 needs root",
    explanation: "Web runs the server of its base image (nginx, httpd, php with Apache), and nothing in the Dockerfile, its \
        scripts or the configuration it copies speaks of PORT. So the server tries port 80, and the dyno is not root, or \
        the number that its configuration holds; the router asks another port.\n\nA dyno's user may write where everybody \
        may, as below /tmp: let the start make nginx's configuration there, as the Dockerfile of `dynosim init` does. \
        Apache replaces `Listen ${PORT}` by itself.",
    source: "R5.2, R1.5, R10",
    wrong: "FROM nginx\nCOPY dist /usr/share/nginx/html",
    right: "FROM nginx\nCOPY app.conf.template /\nCMD envsubst '$PORT' < /app.conf.template > /tmp/app.conf && \
        exec nginx -c /tmp/app.conf -g 'daemon off;'",
    confirmed: Some(
        "with Debian's nginx in place of the image: it may not bind port 80 and crashes; the mended one is up",
    ),
    check: Check::Files(server_image),
};

fn server_image(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let Some((process, image)) = scene.web() else { return };
    let Some(server) = image.base_server() else { return };
    if !runs_it(process, image) || knows_port(process, image) {
        return;
    }
    let Some(from) = image.from() else { return };
    let own = configurations(image).into_iter().flatten().find_map(|content| {
        let (span, port) = listens(&content.file.text)?.into_iter().next()?;
        Some((content, span, port))
    });
    let help = if server == "nginx" {
        "copy a template with `listen ${PORT};`; start with `envsubst '$PORT' < TEMPLATE > /tmp/app.conf && exec nginx -c /tmp/app.conf -g 'daemon off;'`"
    } else {
        "write `Listen ${PORT}` into its configuration: Apache replaces the variable"
    };
    let hit = match own.filter(|(.., port)| *port != 80) {
        Some((content, span, port)) => Hit::new(format!(
            "web runs {server} of its base image on port {port}; nothing tells it $PORT"
        ))
        .at(&content.file, span, "a port of its own"),
        None => Hit::new(format!("web runs {server} of its base image on port 80; nothing tells it $PORT")).at(
            &image.file,
            from.image.span.clone(),
            "listens on 80",
        ),
    };
    hits.push(hit.help(help));
}

/// Whether the base image's own server is what runs.
fn runs_it(process: &Process, image: &Image) -> bool {
    let Some(BaseDefault::Server(server)) = image.known.map(|known| known.default) else { return false };
    if process.command.is_none() && image.cmd == Setting::Base && image.entrypoint == Setting::Base {
        return true;
    }
    let names: &[&str] =
        if server == "nginx" { &["nginx"] } else { &["apache2-foreground", "httpd-foreground", "apachectl"] };
    !matches!(image.entrypoint, Setting::Own(..))
        && process.run.commands.iter().any(|command| command.sure && names.contains(&command.program().1))
}

/// Whether anything that can change the server speaks of a port: in doubt it does.
fn knows_port(process: &Process, image: &Image) -> bool {
    let speaks = |text: &str| text.contains("PORT") || text.contains("envsubst") || text.contains("erb ");
    if image.docker.instructions.iter().any(|one| speaks(&image.whole(one)) || changes_listen(&image.whole(one))) {
        return true;
    }
    if process.command.as_ref().is_some_and(|command| speaks(&command.command.text))
        || process.run.scripts.iter().any(|script| speaks(&script.content.file.text))
    {
        return true;
    }
    // Configuration that is copied: read it, and where that cannot be done, be silent.
    configurations(image).into_iter().any(|content| {
        content.is_none_or(|content| speaks(&content.file.text) || listens(&content.file.text).is_none())
    })
}

/// Files that are copied to where the server's configuration lies; `None` for what nobody can read here.
fn configurations(image: &Image) -> Vec<Option<Content>> {
    let copies = image.steps().filter(|(_, one)| ["COPY", "ADD"].contains(&one.keyword.as_str()));
    let found = copies.flat_map(|(at, one)| {
        let Some((sources, (destination, folder))) = copied(image, at) else { return vec![None] };
        let configures = ["/etc", "/usr/local/apache2/conf", "/docker-entrypoint.d", "/opt"]
            .iter()
            .any(|folder| destination.starts_with(folder))
            || destination == "/";
        if !configures {
            return Vec::new();
        }
        let read = |source: &String| match one.flag("from") {
            None => image.folder.read(source.trim_start_matches("./")),
            Some(_) if folder => None,
            Some(_) => locate(image, &destination).map(|(content, _)| content),
        };
        sources.iter().map(read).collect()
    });
    found.collect()
}

/// Whether a `RUN` may rewrite the configuration.
fn changes_listen(text: &str) -> bool {
    text.starts_with("RUN") && (text.contains("Listen") || text.contains("listen") || text.contains("sed "))
}

/// The ports of all `listen` lines of a configuration; `None` where one of them is no number.
fn listens(text: &str) -> Option<Vec<(Range<usize>, u16)>> {
    let lines = LISTEN.as_ref()?.captures_iter(text).filter_map(|found| found.get(1));
    lines
        .map(|place| {
            let port = place.as_str().rsplit(':').next()?.parse().ok()?;
            Some((place.range(), port))
        })
        .collect()
}

static LISTEN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^(?:[^#\n]*[{;])?[ \t]*[Ll]isten[ \t]+([^ \t\r\n;{}]+)").ok());
