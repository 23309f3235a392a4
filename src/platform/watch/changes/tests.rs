//! One look after the other at a small Node app.

use super::{Looks, Verdict, is_passing, named};
use crate::engine::context::{Stamp, Survey};
use crate::engine::fake::usual_image;
use crate::model::image::ImageFacts;
use std::path::{Path, PathBuf};

const DOCKERFILE: &str = "FROM node\nWORKDIR /app\nCOPY package.json ./\nRUN npm ci\nCOPY web.js ./\nCOPY src src\nCMD [\"node\", \"web.js\"]\n";

fn survey(entries: &[(&str, Stamp)]) -> Survey {
    let entries = entries.iter().map(|(path, stamp)| ((*path).to_owned(), stamp.clone())).collect();
    Survey { dockerfile: DOCKERFILE.into(), entries, ..Survey::default() }
}

fn base() -> Survey {
    survey(&[
        (".dockerignore", Stamp::file(0o644, 1)),
        ("README.md", Stamp::file(0o644, 1)),
        ("package.json", Stamp::file(0o644, 1)),
        ("src", Stamp::folder(0o755)),
        ("src/a.js", Stamp::file(0o644, 1)),
        ("src/b.js", Stamp::file(0o644, 1)),
        ("web.js", Stamp::file(0o644, 1)),
    ])
}

fn with(mut survey: Survey, path: &str, stamp: Stamp) -> Survey {
    survey.entries.insert(path.to_owned(), stamp);
    survey
}

fn without(mut survey: Survey, path: &str) -> Survey {
    survey.entries.remove(path);
    survey
}

fn looks<'a>(built: &'a Survey, image: &'a ImageFacts, seen: &'a Survey, now: &'a Survey) -> Looks<'a> {
    let dockerfile = Some("Dockerfile");
    Looks {
        context: Path::new("/p"),
        native: false,
        dynos_write: &[],
        dockerfile,
        target: None,
        built,
        image,
        seen,
        now,
    }
}

fn judge(built: &Survey, seen: &Survey, now: &Survey) -> Verdict {
    let image = usual_image("a");
    looks(built, &image, seen, now).verdict()
}

#[track_caller]
fn syncs(verdict: Verdict, targets: &[&str], fresh_files: &[&str]) {
    let Verdict::Sync { pieces, fresh } = verdict else { panic!("{verdict:?}") };
    let found: Vec<&str> = pieces.iter().map(|piece| piece.target.as_str()).collect();
    assert_eq!((found, fresh), (targets.to_vec(), fresh_files.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>()));
}

#[track_caller]
fn builds(verdict: Verdict, reason: &str) {
    let Verdict::Build(found) = verdict else { panic!("{verdict:?}") };
    assert_eq!(found, reason);
}

#[test]
fn nothing_changed_is_nothing() {
    assert_eq!(judge(&base(), &base(), &base()), Verdict::Same);
}

#[test]
fn what_no_instruction_copies_is_nothing_also_when_it_goes() {
    assert_eq!(judge(&base(), &base(), &with(base(), "README.md", Stamp::file(0o644, 2))), Verdict::Same);
    assert_eq!(judge(&base(), &base(), &without(base(), "README.md")), Verdict::Same);
    assert_eq!(judge(&base(), &base(), &with(base(), "notes.txt", Stamp::file(0o644, 1))), Verdict::Same);
}

#[test]
fn an_edit_a_new_file_a_new_folder_a_link_and_a_mode_are_synced() {
    syncs(judge(&base(), &base(), &with(base(), "web.js", Stamp::file(0o644, 2))), &["/app/web.js"], &["web.js"]);
    syncs(judge(&base(), &base(), &with(base(), "web.js", Stamp::file(0o755, 1))), &["/app/web.js"], &["web.js"]);
    let new = with(with(base(), "src/n", Stamp::folder(0o755)), "src/n/x.js", Stamp::file(0o644, 1));
    syncs(judge(&base(), &base(), &new), &["/app/src/n", "/app/src/n/x.js"], &["src/n", "src/n/x.js"]);
    syncs(judge(&base(), &base(), &with(base(), "src/l", Stamp::link(1))), &["/app/src/l"], &["src/l"]);
}

#[test]
fn a_sync_is_always_of_everything_since_the_build() {
    let first = with(base(), "src/a.js", Stamp::file(0o644, 2));
    let second = with(first.clone(), "src/b.js", Stamp::file(0o644, 2));
    syncs(judge(&base(), &first, &second), &["/app/src/a.js", "/app/src/b.js"], &["src/b.js"]);
    // A file that was new after the build and goes again is gone by not being put there.
    let new = with(base(), "src/new.js", Stamp::file(0o644, 1));
    syncs(judge(&base(), &new, &base()), &[], &["src/new.js"]);
}

#[test]
fn what_a_run_uses_or_only_a_build_can_tell_is_built() {
    let changed = |path: &str| with(base(), path, Stamp::file(0o644, 2));
    builds(judge(&base(), &base(), &changed("package.json")), "package.json is used by `RUN npm ci`");
    builds(judge(&base(), &base(), &changed(".dockerignore")), ".dockerignore changed");
    builds(judge(&base(), &base(), &without(base(), "src/a.js")), "src/a.js was removed");
    builds(judge(&base(), &base(), &with(base(), "src/a.js", Stamp::link(1))), "src/a.js is of another kind now");
    builds(judge(&base(), &base(), &with(base(), "src/a.js", Stamp::folder(0o755))), "src/a.js is of another kind now");
    builds(judge(&base(), &base(), &with(base(), "web.js", Stamp::file(0o4755, 1))), "web.js has a special mode");
    let folder = with(with(base(), "src/n", Stamp::folder(0o755)), "src/n", Stamp::folder(0o755));
    let mode = with(base(), "src/n", Stamp::folder(0o700));
    builds(judge(&folder, &folder, &mode), "the mode of the folder src/n changed");
    let other = Survey { dockerfile: "FROM y\nCOPY . .\n".into(), ..base() };
    builds(judge(&base(), &base(), &other), "its Dockerfile changed");
    builds(judge(&base(), &other, &Survey { dockerfile: other.dockerfile.clone(), ..changed("web.js") }), {
        "its Dockerfile changed since it was built"
    });
}

#[test]
fn one_file_that_must_be_built_makes_the_whole_change_a_build() {
    let both = with(with(base(), "web.js", Stamp::file(0o644, 2)), "package.json", Stamp::file(0o644, 2));
    builds(judge(&base(), &base(), &both), "package.json is used by `RUN npm ci`");
    // Also when it is from before: the build of it failed.
    let later = with(both.clone(), "web.js", Stamp::file(0o644, 3));
    builds(judge(&base(), &both, &later), "package.json is used by `RUN npm ci`");
}

#[test]
fn what_was_read_while_it_changed_is_put_there_again_with_the_next_change() {
    let edited = with(base(), "src/a.js", Stamp::file(0o644, 2));
    let built = base().unsure_of(&base().differences(&edited), &edited);
    let now = with(edited.clone(), "web.js", Stamp::file(0o644, 2));
    syncs(judge(&built, &edited, &now), &["/app/src/a.js", "/app/web.js"], &["web.js"]);
}

#[test]
fn editors_and_git_come_and_go_without_effect() {
    for path in [
        ".git/index",
        "lib/.git/HEAD",
        "src/.web.js.swp",
        ".a.swx",
        "4913",
        "web.js~",
        ".#web.js",
        "#web.js#",
        ".goutputstream-X1",
        "web.js___jb_tmp___",
        ".DS_Store",
    ] {
        assert!(is_passing(path), "{path}");
        assert_eq!(judge(&base(), &base(), &with(base(), path, Stamp::file(0o644, 1))), Verdict::Same);
    }
    for path in ["web.js", ".env", ".gitignore", "#", "a.swp.js", "src/49130", ".github/x.yml"] {
        assert!(!is_passing(path), "{path}");
    }
}

#[test]
fn long_lists_are_cut() {
    let paths: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
    assert_eq!(named(&paths), "a, b, c and 2 more");
    assert_eq!(named(&paths[..2]), "a, b");
}

#[test]
fn without_an_image_every_change_that_an_image_would_have_restarts_in_place() {
    let image = usual_image("a");
    let at = |now: &Survey| Looks { native: true, ..looks(&base(), &image, &base(), now) }.verdict();
    let changed = |path: &str| with(base(), path, Stamp::file(0o644, 2));
    syncs(at(&changed("web.js")), &["/p/web.js"], &["web.js"]);
    // What a build step uses is a file like others, and one that is gone leaves nothing to copy.
    syncs(at(&changed("package.json")), &["/p/package.json"], &["package.json"]);
    syncs(at(&without(base(), "src/a.js")), &[], &["src/a.js"]);
    assert_eq!(at(&changed("README.md")), Verdict::Same, "nothing copies it");
    assert_eq!(at(&with(base(), ".env", Stamp::file(0o644, 9))), Verdict::Same, "config vars are released");
    let log = [PathBuf::from("/p/log")];
    let written = with(base(), "log/web.log", Stamp::file(0o644, 9));
    let of_dynos = Looks { native: true, dynos_write: &log, ..looks(&base(), &image, &base(), &written) }.verdict();
    assert_eq!(of_dynos, Verdict::Same, "no edit, but what a dyno wrote there");
    let other = Survey { dockerfile: "FROM y\nCOPY . .\n".into(), ..base() };
    assert_eq!(at(&other), Verdict::Same, "its command and environment are compared as such");
}
