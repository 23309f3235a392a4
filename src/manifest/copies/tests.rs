//! Dockerfiles as people write them, and where a change of each file leads.

use super::{Copies, Subject, Way};
use crate::model::image::{ImageFacts, ImageFiles};

const NODE: &str = "# syntax=docker/dockerfile:1\nFROM node:20-slim\nWORKDIR /app\nARG NODE_ENV=production\n\
    COPY package.json package-lock.json ./\nRUN npm ci --omit=dev --no-audit --no-fund --prefer-offline\nCOPY . .\n\
    CMD [\"node\", \"web.js\"]\n";

fn image() -> ImageFacts {
    let files = ImageFiles {
        passwd: "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\nodd:x:7:8::/:/bin/sh\n".into(),
        group: "root:x:0:\nnode:x:1000:\nstaff:x:50:\n".into(),
        ..ImageFiles::default()
    };
    ImageFacts { workdir: "/srv".into(), files, ..ImageFacts::default() }
}

/// What is in the context: everything that is not listed is a file.
fn context(path: &str) -> Option<Subject> {
    match path {
        "src" | "src/new" | "public" | "lib" | "conf" => Some(Subject::Folder),
        "link" | "src/link" => Some(Subject::Link),
        "src/web.js" | "web.js" | "lib/a.js" | "conf/app.ini" | "package.json" | "package-lock.json" => {
            Some(Subject::File)
        }
        path if path.starts_with("public/") => Some(Subject::File),
        _ => None,
    }
}

fn way(dockerfile: &str, path: &str) -> Way {
    Copies::read(dockerfile, None).way(path, &context, &image())
}

#[track_caller]
fn lands(dockerfile: &str, path: &str, targets: &[&str]) {
    let Way::Lands(found) = way(dockerfile, path) else { panic!("{path}: {:?}", way(dockerfile, path)) };
    let found: Vec<&str> = found.iter().map(|landing| landing.target.as_str()).collect();
    assert_eq!(found, targets, "{path}");
}

#[track_caller]
fn builds(dockerfile: &str, path: &str, reason: &str) {
    match way(dockerfile, path) {
        Way::Build(found) => assert!(found.contains(reason), "{path} {found}"),
        other => panic!("{path} in\n{dockerfile}\n{other:?}"),
    }
}

#[test]
fn sources_that_are_copied_after_the_last_run_land_and_manifests_before_it_need_a_build() {
    lands(NODE, "web.js", &["/app/web.js"]);
    lands(NODE, "src/web.js", &["/app/src/web.js"]);
    lands(NODE, "src/link", &["/app/src/link"]);
    lands(NODE, "link", &["/app/link"]);
    builds(NODE, "package.json", "is used by `RUN npm ci --omit=dev --no-audit --no-fu…`");
}

#[test]
fn what_is_copied_before_any_run_needs_a_build() {
    builds("FROM x\nWORKDIR /app\nCOPY . .\nRUN make\n", "web.js", "`RUN make`");
    lands(
        "FROM x\nWORKDIR /app\nRUN make\nCOPY . .\nUSER node\nENV A=1\nEXPOSE 80\nCMD x\n",
        "web.js",
        &["/app/web.js"],
    );
}

#[test]
fn a_file_that_nothing_copies_is_no_part_of_the_image() {
    let dockerfile = "FROM x\nCOPY web.js /app/\nCOPY src /app/src\n";
    assert_eq!(way(dockerfile, "README.md"), Way::Unused);
    assert_eq!(way(dockerfile, "src2/web.js"), Way::Unused);
    lands(dockerfile, "src/web.js", &["/app/src/web.js"]);
}

#[test]
fn every_form_of_a_destination_that_is_clear_is_understood() {
    for (copy, path, target) in [
        ("COPY web.js .", "web.js", "/app/web.js"),
        ("COPY web.js ./", "web.js", "/app/web.js"),
        ("COPY ./web.js /x/", "web.js", "/x/web.js"),
        ("COPY web.js /x/web.js", "web.js", "/x/web.js"),
        ("COPY src/web.js web.js lib/", "src/web.js", "/app/lib/web.js"),
        ("COPY [\"web.js\", \"./\"]", "web.js", "/app/web.js"),
        ("COPY src /x", "src/web.js", "/x/web.js"),
        ("COPY src/ /x/", "src/web.js", "/x/web.js"),
        ("COPY / /x", "src/web.js", "/x/src/web.js"),
        ("copy . /", "web.js", "/web.js"),
        ("ADD . .", "web.js", "/app/web.js"),
        ("ADD src .", "src/web.js", "/app/web.js"),
        ("COPY \\\n  # all of it\n  . \\\n  .", "web.js", "/app/web.js"),
    ] {
        lands(&format!("FROM x\nWORKDIR /app\n{copy}\n"), path, &[target]);
    }
}

#[test]
fn whatever_is_not_clear_is_built() {
    for (copy, path, reason) in [
        ("COPY web.js /x/server.js", "web.js", "another name"),
        ("COPY web.js /x", "web.js", "another name"),
        ("COPY *.js .", "web.js", "pattern *.js"),
        ("COPY s?c/ .", "src/web.js", "pattern"),
        ("COPY **/web.js .", "web.js", "pattern"),
        ("COPY [a-z]*.js .", "web.js", "not understood"),
        ("COPY w[a-z]b.js .", "web.js", "pattern"),
        ("COPY $DIR .", "web.js", "variable"),
        ("COPY . $DIR", "web.js", "only a build knows"),
        ("COPY . ../x", "web.js", "only a build knows"),
        ("COPY ../web.js .", "web.js", "`..`"),
        ("COPY \"web.js\" .", "web.js", "not understood"),
        ("COPY --chmod=755 . .", "web.js", "--chmod"),
        ("COPY --link . .", "web.js", "--link"),
        ("COPY --parents src .", "src/web.js", "--parents"),
        ("COPY --exclude=x . .", "web.js", "--exclude"),
        ("COPY --chown=odd . .", "web.js", "belongs to odd"),
        ("COPY --chown=ghost:node . .", "web.js", "belongs to ghost"),
        ("COPY --chown=$U . .", "web.js", "belongs to $U"),
        ("ADD web.js .", "web.js", "unpacked"),
        ("COPY link .", "link", "itself"),
        ("COPY src .", "src", "itself"),
        ("COPY . /etc/", "web.js", "/etc"),
        ("COPY . /usr/bin", "web.js", "/usr/bin"),
        ("COPY . .\nCOPY --from=build /x /app", "web.js", "copied over"),
        ("COPY . .\nCOPY conf /app/src", "src/app.ini", "copied over"),
        ("COPY . .\nADD https://x.test/y.tar /app/", "web.js", "copied over"),
        ("COPY . .\nCOPY *.ini /app/", "web.js", "copied over"),
        ("COPY . .\nVOLUME /data", "web.js", "VOLUME"),
        ("COPY . .\nONBUILD RUN x", "web.js", "ONBUILD"),
        ("COPY . .\nCOPY <<EOF /x\nhello\nEOF", "web.js", "here-document"),
        ("COPY . .\nRUN --mount=type=bind,target=/y ls", "web.js", "mounts"),
        ("COPY . .\nRUN --mount=target=/y ls", "web.js", "mounts"),
        ("COPY . .\nRUN --mount=type=cache,from=web,target=/y ls", "web.js", "mounts"),
    ] {
        builds(&format!("FROM x\nWORKDIR /app\n{copy}\n"), path, reason);
    }
    builds("# escape=`\nFROM x\nCOPY . /x\n", "web.js", "escape");
    builds("# syntax=example.test/frontend\nFROM x\nCOPY . /x\n", "web.js", "read by example.test/frontend");
    builds("FROM x\nCMD y\n", "web.js", "copies nothing");
    builds("", "web.js", "no FROM");
}

#[test]
fn a_pattern_stands_only_in_the_way_of_what_it_may_match() {
    let dockerfile = "FROM x\nWORKDIR /app\nCOPY package*.json ./\nRUN npm ci\nCOPY . .\n";
    lands(dockerfile, "web.js", &["/app/web.js"]);
    lands(dockerfile, "src/package.json", &["/app/src/package.json"]);
    builds(dockerfile, "package.json", "pattern");
    builds("FROM x\nCOPY s*/ /x\n", "src/web.js", "pattern");
}

#[test]
fn caches_and_secrets_of_a_run_hide_nothing_of_the_context() {
    let dockerfile = "FROM x\nWORKDIR /app\nCOPY package.json .\n\
        RUN --mount=type=cache,target=/cache/npm --mount=type=secret,id=t npm ci\nCOPY . .\n";
    lands(dockerfile, "web.js", &["/app/web.js"]);
    builds(dockerfile, "package.json", "RUN npm ci");
}

#[test]
fn what_an_earlier_stage_uses_is_built_and_the_last_stage_s_own_files_land() {
    let dockerfile = "FROM node AS build\nWORKDIR /b\nCOPY src src\nRUN npm run build\n\
        FROM nginx\nCOPY --from=build /b/dist /html\nCOPY public /html/public\n";
    builds(dockerfile, "src/web.js", "is used by the stage build (Dockerfile:3)");
    lands(dockerfile, "public/x.css", &["/html/public/x.css"]);
    assert_eq!(way(dockerfile, "README.md"), Way::Unused);
}

#[test]
fn only_stages_up_to_the_target_count() {
    let dockerfile = "FROM a AS base\nWORKDIR /app\nCOPY . .\nFROM base AS test\nRUN make test\n";
    let way = |target| Copies::read(dockerfile, target).way("web.js", &context, &image());
    assert!(matches!(way(Some("base")), Way::Lands(_)));
    assert!(matches!(way(Some("0")), Way::Lands(_)));
    assert!(matches!(way(None), Way::Build(_)));
    assert!(matches!(way(Some("nope")), Way::Build(reason) if reason.contains("no stage nope")));
}

#[test]
fn the_working_folder_is_the_image_s_where_the_stage_names_none() {
    lands("FROM x\nCOPY . .\n", "web.js", &["/srv/web.js"]);
    lands("FROM x\nWORKDIR /a\nCOPY lib .\nWORKDIR /b\nCOPY web.js .\n", "lib/a.js", &["/a/a.js"]);
    lands("FROM x\nWORKDIR /a\nCOPY lib .\nWORKDIR /b\nCOPY web.js .\n", "web.js", &["/b/web.js"]);
    builds("FROM x\nCOPY . .\nWORKDIR /b\n", "web.js", "only a build knows");
    builds("FROM x\nWORKDIR /a\nWORKDIR b\nCOPY . .\n", "web.js", "only a build knows");
    builds("FROM x\nWORKDIR $HOME\nCOPY . .\n", "web.js", "only a build knows");
}

#[test]
fn owners_are_looked_up_in_the_image() {
    let owner = |chown: &str| {
        let way = way(&format!("FROM x\nCOPY {chown} . /app\n"), "web.js");
        let Way::Lands(landings) = way else { panic!("{way:?}") };
        landings[0].owner
    };
    assert_eq!(owner(""), (0, 0));
    assert_eq!(owner("--chown=node"), (1000, 1000));
    assert_eq!(owner("--chown=node:staff"), (1000, 50));
    assert_eq!(owner("--chown=odd:8"), (7, 8));
    assert_eq!(owner("--chown=12"), (12, 12));
}

#[test]
fn a_file_that_is_copied_twice_lands_twice_and_one_that_is_hidden_is_built() {
    lands("FROM x\nCOPY . /a\nCOPY web.js /b/\n", "web.js", &["/a/web.js", "/b/web.js"]);
    lands("FROM x\nCOPY web.js /a/\nCOPY . /a\n", "web.js", &["/a/web.js"]);
    lands("FROM x\nCOPY web.js /a/\nCOPY lib /a/lib\nCOPY conf /a/conf\n", "web.js", &["/a/web.js"]);
    lands("FROM x\nWORKDIR /a\nCOPY web.js ./\nCOPY conf/app.ini ./\n", "web.js", &["/a/web.js"]);
    builds("FROM x\nCOPY . /a\nCOPY src/web.js /a/\n", "web.js", "copied over (Dockerfile:3)");
    builds("FROM x\nCOPY . /a\nCOPY src /a\n", "web.js", "copied over");
}

#[test]
fn destinations_are_the_folders_that_the_end_of_the_file_copies_into() {
    let of = |text: &str| Copies::read(text, None).destinations(&image());
    assert_eq!(of(NODE), ["/app"]);
    assert_eq!(of("FROM x\nRUN y\nCOPY a /x/a\nCOPY b /y/\nCOPY c .\n"), ["/x", "/y", "/srv"]);
}
