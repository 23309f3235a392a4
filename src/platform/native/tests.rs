//! Small projects, loaded and put on an engine without images.

use super::{filesystem, fitted, refuse_unfit, undone};
use crate::engine::Filesystem;
use crate::manifest::{LoadOptions, load};
use crate::model::app::App;
use crate::model::exit_code::ExitCode;
use crate::model::launch::LaunchOptions;
use crate::model::process_type::ProcessType;
use crate::platform::PlatformError;
use crate::platform::slate::Slate;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn app(files: &[(&str, &str)]) -> (tempfile::TempDir, App) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let options = LoadOptions { root: folder.path().to_owned(), ..LoadOptions::default() };
    let loaded = load(&options).unwrap_or_else(|errors| panic!("{errors:?}"));
    (folder, fitted(loaded.app, "/usr/bin:/bin"))
}

/// What `up` would make of it: every type wanted, each image as the files have it.
fn slate(app: &App) -> Result<Slate, PlatformError> {
    let wanted: BTreeSet<ProcessType> = app.builds.keys().cloned().collect();
    refuse_unfit(app, &wanted)?;
    let facts = |name: &ProcessType| {
        let bare = super::bare(app, name)?;
        Some(Arc::new(bare.facts.clone()))
    };
    let facts: BTreeMap<_, _> = wanted.iter().filter_map(|name| Some((name.clone(), facts(name)?))).collect();
    let types: Vec<&ProcessType> = app.processes.keys().collect();
    Slate::of_facts(app, &facts, &types, LaunchOptions::default())
}

#[track_caller]
fn refused(files: &[(&str, &str)], line: Option<usize>, words: &str) {
    let (_folder, app) = app(files);
    let error = slate(&app).map(|_| ()).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::Engine);
    let PlatformError::NotNative(findings) = error else { panic!("{error:?}") };
    let text = findings[0].render(false);
    assert!(text.contains(words) && findings[0].help.is_some(), "no `{words}` in {text}");
    assert_eq!(findings[0].line(), line, "{text}");
}

#[test]
fn a_procfile_alone_is_an_app_whose_release_line_is_its_release_phase() {
    let (folder, app) = app(&[("Procfile", "web: python3 web.py\nworker: ./work\nrelease: ./migrate\n")]);
    assert!(app.only_procfile);
    let slate = slate(&app).unwrap();
    let names: Vec<&str> = slate.types.keys().map(ProcessType::as_str).collect();
    assert_eq!(names, ["web", "worker"]);
    let release = slate.release.unwrap();
    assert_eq!(release.launch.words(), ["/bin/sh", "-c", "./migrate"]);
    let here = folder.path().canonicalize().unwrap().display().to_string();
    assert_eq!((release.image.workdir.as_str(), release.image.env("HOME")), (here.as_str(), Some(here.as_str())));
    assert_eq!(release.image.env("PATH"), Some("/usr/bin:/bin"), "and nothing else of the host's");
    assert_eq!(release.image.env.len(), 2);
    assert!(app.formation.values().all(|scale| scale.quantity == 1));
}

#[test]
fn a_procfile_without_web_is_an_app_too() {
    let (_folder, app) = app(&[("Procfile", "clock: ./tick\n")]);
    assert_eq!(slate(&app).unwrap().types.len(), 1);
}

#[test]
fn commands_come_from_heroku_yml_else_from_the_dockerfile() {
    let yml =
        "build:\n  docker:\n    web: Dockerfile\nrun:\n  worker:\n    command:\n      - sh /app/work\n    image: web\n";
    let dockerfile = "FROM x\nRUN make\nCOPY . /app\nCMD sh serve\n";
    let (folder, app) = app(&[("heroku.yml", yml), ("Dockerfile", dockerfile)]);
    let slate = slate(&app).unwrap();
    let command = |name: &str| slate.types[&ProcessType::new(name).unwrap()].launch.command.clone();
    let work = format!("sh {}/work", folder.path().canonicalize().unwrap().display());
    assert_eq!((command("web"), command("worker")), (r"/bin/sh -c sh\ serve".into(), work));
    let said = undone(&app, &BTreeSet::from([ProcessType::web()]));
    assert!(said.iter().any(|text| text.contains("Dockerfile:2")), "{said:?}");
}

#[test]
fn what_only_an_image_has_is_refused_with_file_line_and_reason() {
    refused(&[("Dockerfile", "FROM nginx\nCOPY . /usr/share/nginx/html\n")], Some(1), "no command");
    refused(
        &[("Dockerfile", "FROM scratch\nCOPY --from=b /s /s\nCMD [\"/no/such/server\"]\n")],
        Some(3),
        "/no/such/server",
    );
    refused(&[("Dockerfile", "FROM x\nENTRYPOINT [\"/no/entry.sh\"]\nCMD [\"a\"]\n")], Some(2), "/no/entry.sh");
    refused(&[("Dockerfile", "FROM x\nRUN <<EOF\nmake\nEOF\nCMD a\n")], None, "here-document");
}

#[test]
fn a_writable_path_of_the_image_is_one_of_the_project_and_one_that_could_not_be_is_refused() {
    let dockerfile = "FROM node:20\nWORKDIR /app\nCOPY . .\nCMD node web.js\n";
    let (folder, app) = app(&[("Dockerfile", dockerfile), ("web.js", "")]);
    let here = folder.path().canonicalize().unwrap();
    std::os::unix::fs::symlink(&here, here.join("itself")).unwrap();
    let on = |path: &str| filesystem(&app, Filesystem::ReadOnly { writable: vec![path.to_owned()] });
    let wanted = |rest: &str| Filesystem::ReadOnly { writable: vec![here.join(rest).to_str().unwrap().to_owned()] };
    assert_eq!(on("/app/tmp/cache").unwrap(), wanted("tmp/cache"));
    assert_eq!(on(here.join("itself/log").to_str().unwrap()).unwrap(), wanted("log"));
    assert_eq!(on("/usr").unwrap(), Filesystem::ReadOnly { writable: vec!["/usr".into()] });
    let refused = on("/data/cache").unwrap_err();
    assert_eq!(refused.exit_code(), ExitCode::Usage);
    let PlatformError::Project(findings) = refused else { panic!() };
    assert!(findings[0].render(false).contains("--writable /data/cache: there is no such folder"));
    assert_eq!(filesystem(&app, Filesystem::Ephemeral).unwrap(), Filesystem::Ephemeral);
}
