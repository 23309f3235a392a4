//! Dockerfiles of small apps, read without being built.

use super::Reading;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::model::bare::Bare;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

fn try_read(context: &Path, text: &str, target: Option<&str>) -> Result<Bare, Box<Diagnostic>> {
    let source = Arc::new(SourceFile { name: "Dockerfile".into(), text: text.to_owned() });
    let args = BTreeMap::from([("VERSION".to_owned(), "9".to_owned())]);
    Reading { context, target, args: &args, path: "/usr/bin:/bin" }.dockerfile(source)
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("src/jobs")).unwrap();
    std::fs::write(folder.path().join("package.json"), "{}").unwrap();
    folder
}

fn env(bare: &Bare, name: &str) -> String {
    bare.facts.env(name).unwrap_or("(not set)").to_owned()
}

#[test]
fn command_environment_and_folder_are_those_of_the_last_stage_told_in_paths_of_this_machine() {
    let folder = folder();
    let here = folder.path().display().to_string();
    let text = "FROM node AS build\nRUN make\nFROM node:20\nWORKDIR /app\nENV NODE_ENV=production \\\n  \
                PATH=/app/node_modules/.bin:$PATH LIB=\"/app/lib\"\nENV OLD style  value\nCOPY package.json ./\nRUN npm ci\n\
                COPY . .\nCOPY --from=build /out /out\nUSER node\nEXPOSE 80\nCMD [\"node\", \"/app/web.js\"]\n";
    let bare = try_read(folder.path(), text, None).unwrap();
    assert_eq!(bare.facts.workdir, here);
    assert_eq!(bare.facts.cmd, ["node", &format!("{here}/web.js")]);
    assert_eq!(env(&bare, "NODE_ENV"), "production");
    assert_eq!(env(&bare, "PATH"), format!("{here}/node_modules/.bin:/usr/bin:/bin"));
    assert_eq!((env(&bare, "LIB"), env(&bare, "OLD")), (format!("{here}/lib"), "style  value".into()));
    assert_eq!((env(&bare, "HOME"), bare.facts.user.as_str(), bare.line), (here, "node", 14));
    assert_eq!(bare.undone.len(), 2, "{:?}", bare.undone);
    assert!(bare.undone[0].starts_with("RUN (Dockerfile:2, 9) is not carried out"), "{:?}", bare.undone);
    assert!(bare.undone[1].contains("Dockerfile:11"), "{:?}", bare.undone);
}

#[test]
fn a_workdir_below_a_copied_folder_is_the_same_folder_here() {
    let folder = folder();
    let at = |text: &str| try_read(folder.path(), text, None).unwrap().facts.workdir;
    let root = folder.path().display().to_string();
    assert_eq!(at("FROM x\nWORKDIR /srv\nCOPY src /srv\nWORKDIR jobs\nCMD a\n"), format!("{root}/src/jobs"));
    assert_eq!(at("FROM x\nCOPY src/ /srv/\nWORKDIR /elsewhere\nCMD a\n"), root, "a folder of the image alone");
    assert_eq!(at("FROM x\nCMD a\n"), root);
}

#[test]
fn forms_of_commands_and_what_a_later_one_undoes() {
    let folder = folder();
    let read = |text: &str| try_read(folder.path(), text, None).unwrap().facts;
    assert_eq!(read("FROM x\nCMD npm start -- $PORT\n").cmd, ["/bin/sh", "-c", "npm start -- $PORT"]);
    let shell = read("FROM x\nSHELL [\"/bin/bash\", \"-c\"]\nCMD a | b\n");
    assert_eq!(shell.cmd, ["/bin/bash", "-c", "a | b"]);
    let both = read("FROM x\nCMD a\nENTRYPOINT [\"run\"]\n");
    assert_eq!((both.entrypoint, both.cmd), (vec!["run".to_owned()], vec![]));
    assert!(read("FROM x\nCOPY . .\n").cmd.is_empty(), "its base image may have one; that is not known here");
}

#[test]
fn stages_upon_stages_and_targets() {
    let folder = folder();
    let text = "FROM x AS base\nENV A=1\nCMD base\nFROM base AS dev\nENV B=${A}2\nFROM base\nCMD last\n";
    let dev = try_read(folder.path(), text, Some("dev")).unwrap();
    assert_eq!((env(&dev, "A"), env(&dev, "B"), dev.facts.cmd[2].clone()), ("1".into(), "12".into(), "base".into()));
    assert_eq!(try_read(folder.path(), text, None).unwrap().facts.cmd[2], "last");
    assert!(try_read(folder.path(), text, Some("none")).unwrap_err().title.contains("no stage none"));
}

#[test]
fn variables_are_replaced_as_in_a_build() {
    let folder = folder();
    let text = "FROM x\nARG VERSION=1\nARG NAME='a b'\nENV V=$VERSION N=\"${NAME}\" D=${NONE:-d} P=${VERSION:+p} \
                L='$VERSION' E=\\$VERSION U=a${NONE}b\nCMD a\n";
    let bare = try_read(folder.path(), text, None).unwrap();
    let found: Vec<String> = ["V", "N", "D", "P", "L", "E", "U"].iter().map(|name| env(&bare, name)).collect();
    assert_eq!(found, ["9", "a b", "d", "p", "$VERSION", "$VERSION", "ab"]);
    assert_eq!(env(&bare, "VERSION"), "(not set)", "build args are no config vars (R8)");
}

#[test]
fn a_dockerfile_that_only_a_builder_understands_is_refused_with_the_reason() {
    let folder = folder();
    for (text, words) in
        [("FROM x\nRUN <<EOF\na\nEOF\n", "here-document"), ("", "no FROM"), ("# syntax=acme/x\nFROM x\n", "acme/x")]
    {
        let error = try_read(folder.path(), text, None).unwrap_err();
        assert!(error.title.contains(words), "{}", error.title);
    }
}

#[test]
fn what_an_earlier_stage_has_of_the_project_is_of_the_project() {
    let folder = folder();
    let text = "FROM node AS build\nWORKDIR /app\nCOPY . .\nRUN npm run build\nFROM node\nWORKDIR /srv\n\
                COPY --from=build /app ./\nCMD [\"node\", \"/srv/web.js\"]\n";
    let bare = try_read(folder.path(), text, None).unwrap();
    let here = folder.path().display().to_string();
    assert_eq!((bare.facts.workdir.as_str(), bare.facts.cmd[1].clone()), (here.as_str(), format!("{here}/web.js")));
    assert_eq!(bare.undone.len(), 1, "only RUN is left out: {:?}", bare.undone);
}

#[test]
fn a_script_that_is_copied_to_where_programs_are_is_found_and_the_path_stays_this_machine_s() {
    let folder = folder();
    std::fs::write(folder.path().join("start.sh"), "").unwrap();
    let text = "FROM x\nCOPY start.sh /usr/bin/\nCOPY src /bin\nENTRYPOINT [\"start.sh\"]\nCMD [\"web\"]\n";
    let facts = try_read(folder.path(), text, None).unwrap().facts;
    assert_eq!(facts.entrypoint, [folder.path().join("start.sh").display().to_string()]);
    assert_eq!(facts.env("PATH"), Some("/usr/bin:/bin"));
}

#[test]
fn stages_that_copy_from_one_another_many_times_are_read_once_each() {
    let folder = folder();
    let mut text = "FROM x AS s0\nWORKDIR /app\nCOPY . .\n".to_owned();
    for stage in 1..60 {
        let copy = format!("COPY --from=s{} /app /app\n", stage - 1);
        text = format!("{text}FROM x AS s{stage}\nWORKDIR /app\n{copy}{copy}{copy}");
    }
    let bare = try_read(folder.path(), &format!("{text}CMD a\n"), None).unwrap();
    assert_eq!(bare.facts.workdir, folder.path().display().to_string());
}

proptest! {
    #[test]
    fn no_dockerfile_panics(text in "(FROM x|ENV|ARG|COPY|CMD|WORKDIR|[ \\\\$\"'{}:=/.a\\[\\]\n-]){0,40}") {
        let _ = try_read(Path::new("/nowhere"), &text, None);
    }
}
