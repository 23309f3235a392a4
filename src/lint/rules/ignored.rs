//! Instructions that Heroku does not carry out (R1.3).

use crate::diagnostic::Severity;
use crate::lint::hits::{Hit, Hits};
use crate::lint::rule::{Check, Rule, Said};
use crate::lint::scene::Scene;
use crate::lint::sources::mentions_port;

/// D007
pub(super) static EXPOSE: Rule = Rule {
    id: "D007",
    name: "expose-relied-on",
    severity: Severity::Note,
    summary: "EXPOSE has no effect on Heroku: web must listen on $PORT, which is another port at every start",
    explanation: "The Dockerfile exposes a port, and neither it nor the command, the scripts or any source of the build context \
        speaks of PORT. So it seems that the app counts on EXPOSE, as platforms do that read it. Heroku does not.\n\nThe \
        rule says nothing where a server is known to read $PORT by itself, and where PORT is mentioned anywhere.",
    source: "R1.3, R5.2",
    wrong: "EXPOSE 8080\nCMD [\"./server\"]",
    right: "CMD ./server --listen 0.0.0.0:$PORT",
    confirmed: None,
    check: Check::Files(expose),
};

/// D017
pub(super) static VOLUME: Rule = Rule {
    id: "D017",
    name: "volume",
    severity: Severity::Warning,
    summary: "Heroku has no volumes: what is written there is gone when the dyno ends, and no other dyno sees it",
    explanation: "VOLUME has no effect. Every dyno begins with the image's own files, once a day at the latest. Keep uploads in \
        an object store, data in a database, and take the VOLUME out so that nobody counts on it.",
    source: "R1.3, R1.5",
    wrong: "VOLUME /data",
    right: "ENV BUCKET_URL=",
    confirmed: Some("a file written there is gone after a restart"),
    check: Check::Both(volume, |image| {
        (!image.volumes.is_empty()).then(|| Said {
            title: format!("has the VOLUME {}, which Heroku does not support", image.volumes.join(" ")),
            help: "keep what must last in a database or an object store".into(),
        })
    }),
};

/// D018
pub(super) static HEALTHCHECK: Rule = Rule {
    id: "D018",
    name: "healthcheck",
    severity: Severity::Note,
    summary: "Heroku runs no HEALTHCHECK: a dyno counts as well as long as its process runs",
    explanation: "HEALTHCHECK has no effect. Nothing restarts a dyno that hangs, so let the process end when it cannot go on, \
        and watch the app from outside.",
    source: "R1.3",
    wrong: "HEALTHCHECK CMD curl -f http://localhost:8080/",
    right: "# none: Heroku does not run it",
    confirmed: None,
    check: Check::Both(healthcheck, |image| {
        image.healthcheck.then(|| Said {
            title: "has a HEALTHCHECK, which Heroku does not run".into(),
            help: "let the process end when it cannot go on".into(),
        })
    }),
};

/// D019
pub(super) static STOPSIGNAL: Rule = Rule {
    id: "D019",
    name: "stopsignal",
    severity: Severity::Warning,
    summary: "every process of a dyno gets SIGTERM, whatever STOPSIGNAL says, and SIGKILL 30 s later",
    explanation: "STOPSIGNAL has no effect. A server that ends gracefully only on another signal (nginx and php-fpm on SIGQUIT) \
        drops requests at each restart: let its wrapper turn SIGTERM into that signal, or accept it.",
    source: "R1.3, R5.3",
    wrong: "STOPSIGNAL SIGINT",
    right: "# none: handle SIGTERM",
    confirmed: Some("at its stop it does not hear the signal it waits for; the mended one does"),
    check: Check::Both(stopsignal, |image| {
        let signal = image.stop_signal.as_deref().filter(|signal| !is_term(signal))?;
        Some(Said {
            title: format!("has the STOPSIGNAL {signal}; on Heroku every process gets SIGTERM"),
            help: "handle SIGTERM".into(),
        })
    }),
};

/// D057
pub(super) static ONBUILD: Rule = Rule {
    id: "D057",
    name: "onbuild",
    severity: Severity::Note,
    summary: "ONBUILD runs when another image is built from this one; in the image that is deployed it does nothing",
    explanation: "What stands behind ONBUILD is not in the image that Heroku runs. It belongs to images that others begin with.",
    source: "R1.3",
    wrong: "ONBUILD COPY . /app",
    right: "COPY . /app",
    confirmed: Some("the file is not in the image; in the mended one it is"),
    check: Check::Files(onbuild),
};

fn is_term(signal: &str) -> bool {
    ["SIGTERM", "TERM", "15"].contains(&signal.trim().to_ascii_uppercase().as_str()) || signal.contains('$')
}

fn expose(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let Some((process, image)) = scene.web() else { return };
    let Some((_, one)) = image.steps().find(|(_, one)| one.keyword == "EXPOSE" && !one.body().contains('$')) else {
        return;
    };
    let speaks = |text: &str| text.contains("PORT");
    let run = &process.run;
    let reads_itself = run.commands.iter().any(|command| {
        command.server(image.is_busybox()).is_some()
            || ["npm", "yarn", "pnpm", "rails", "foreman"].contains(&command.program().1)
    });
    if run.unknown
        || reads_itself
        || image.base_server().is_some()
        || process.command.as_ref().is_some_and(|command| speaks(&command.command.text))
        || run.scripts.iter().any(|script| speaks(&script.content.file.text))
        || image.mentions("PORT")
        || mentions_port(&image.folder, None)
    {
        return;
    }
    hits.push(
        Hit::new("EXPOSE has no effect on Heroku, and nothing of the app speaks of $PORT")
            .at(&image.file, one.span.clone(), "nobody reads it")
            .help("let web listen on 0.0.0.0:$PORT"),
    );
}

fn volume(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    each(
        scene,
        "VOLUME",
        |body| Some(format!("VOLUME {body} has no effect: what is written there is gone with the dyno")),
        hits,
    );
}

fn healthcheck(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let title =
        |body: &str| (!body.eq_ignore_ascii_case("none")).then(|| "HEALTHCHECK has no effect on Heroku".to_owned());
    each(scene, "HEALTHCHECK", title, hits);
}

fn stopsignal(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    let title =
        |body: &str| (!is_term(body)).then(|| format!("STOPSIGNAL {body} has no effect: every dyno gets SIGTERM"));
    each(scene, "STOPSIGNAL", title, hits);
}

fn onbuild(scene: &Scene<'_>, hits: &mut Hits<'_>) {
    each(scene, "ONBUILD", |_| Some("ONBUILD does nothing in the image that is deployed".into()), hits);
}

/// Instructions of that name in each image: all of those that add up, the last one of those that replace each other.
fn each(scene: &Scene<'_>, keyword: &str, title: impl Fn(&str) -> Option<String>, hits: &mut Hits<'_>) {
    let help = match keyword {
        "VOLUME" => "take it out; keep what must last in a database or an object store",
        "HEALTHCHECK" => "take it out, or keep it for other platforms; let the process end when it cannot go on",
        "STOPSIGNAL" => "handle SIGTERM",
        _ => "write the instruction without ONBUILD, or take it out",
    };
    for image in &scene.images {
        let most = if ["VOLUME", "ONBUILD"].contains(&keyword) { usize::MAX } else { 1 };
        let of_name: Vec<_> = image.steps().rev().filter(|(_, one)| one.keyword == keyword).take(most).collect();
        for (_, one) in of_name.into_iter().rev() {
            let Some(title) = title(&one.rest()) else { continue };
            hits.push(Hit::new(title).at(&image.file, one.span.clone(), "without effect").help(help));
        }
    }
}
