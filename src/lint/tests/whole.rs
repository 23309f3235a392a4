//! Projects of which something is refused, cannot be read, or is not read by Heroku.

use super::{checked, shown};
use crate::lint::Checked;
use std::fs;

fn found(files: &[(&str, &[u8])]) -> Checked {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        fs::write(folder.path().join(name), text).unwrap();
    }
    checked(folder.path())
}

fn ids(checked: &Checked) -> Vec<&str> {
    checked.findings.iter().map(|one| one.rule.id).collect()
}

const LITERAL: &[u8] = b"FROM node:20\nCMD [\"node\", \"$PORT\"]\n";

#[test]
fn a_dockerfile_that_is_no_utf_8_is_judged_as_the_builder_reads_it() {
    let text = b"FROM node:20\n# caf\xe9\nCMD [\"node\",\"$PORT\"]\n";
    let seen = found(&[("Dockerfile", text), (".env", b"A=1\n")]);
    assert_eq!(ids(&seen), ["D004"]);
    assert!(seen.findings[0].fix.is_none(), "what was replaced would be written back");
    assert!(!seen.partial && seen.unreadable.is_empty());
    let noise: Vec<u8> = (0..5000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    assert!(ids(&found(&[("Dockerfile", &noise)])).contains(&"D055"));
}

#[test]
fn a_large_dockerfile_is_judged_and_a_huge_one_is_not_called_good() {
    let comment =
        |bytes: usize| [b"FROM node:20\n# ", "x".repeat(bytes).as_bytes(), b"\nCMD [\"node\", \"$PORT\"]\n"].concat();
    assert_eq!(ids(&found(&[("Dockerfile", &comment(600_000))])), ["D004"]);
    let seen = found(&[("Dockerfile", &comment(5_000_000))]);
    assert!(seen.findings.is_empty() && seen.partial);
    assert!(seen.unreadable[0].title.contains("Dockerfile is larger than 4 MB"), "{:?}", seen.unreadable);
}

#[test]
fn what_refuses_the_project_hides_as_little_as_can_be() {
    let volume: &[u8] = b"FROM node:20\nVOLUME /data\nCMD [\"node\", \"$PORT\"]\n";
    let seen = found(&[("Dockerfile", volume), (".env", b"MY-KEY=1\nOPEN=\"x\n")]);
    for id in ["D004", "D017", "D052"] {
        assert!(ids(&seen).contains(&id), "{:?}", shown(&seen));
    }
    assert!(seen.partial);
    // A command of heroku.yml may take the place of CMD, so nothing is said of that.
    let seen = found(&[("Dockerfile", volume), ("heroku.yml", b"biuld: 1\n")]);
    assert!(ids(&seen).contains(&"D017") && !ids(&seen).contains(&"D004"), "{:?}", shown(&seen));
    let yml = b"build:\n  docker:\n    web: web/Dockerfile\n  wrong: 1\n";
    let seen = found(&[("web/Dockerfile", volume), ("heroku.yml", yml)]);
    assert!(ids(&seen).contains(&"D017"), "{:?}", shown(&seen));
    let seen = found(&[("Dockerfile", volume), ("app.json", b"{")]);
    assert!(ids(&seen).contains(&"D004") && ids(&seen).contains(&"D054"), "{:?}", shown(&seen));
}

#[test]
fn what_refuses_the_project_cannot_be_let_pass() {
    let yml = b"# dynosim-ignore D044: legacy key\nbiuld: 1\n";
    let seen = found(&[("Dockerfile", LITERAL), ("heroku.yml", yml)]);
    assert!(ids(&seen).contains(&"D044") && seen.ignored.is_empty(), "{:?}", shown(&seen));
    let help = seen.findings.iter().find(|one| one.rule.id == "D044").unwrap().diagnostic.help.clone();
    assert!(help.unwrap().contains("cannot be let pass"));
    let toml = b"[[check.ignore]]\nrule = \"D052\"\nreason = \"never mind\"\n";
    let seen = found(&[("Dockerfile", LITERAL), (".env", b"OPEN=\"x\n"), ("dynosim.toml", toml)]);
    assert!(ids(&seen).contains(&"D052") && !ids(&seen).contains(&"D056"), "{:?}", shown(&seen));
    // What is not looked at may need its ignore.
    let toml = b"[[check.ignore]]\nrule = \"D047\"\nreason = \"set elsewhere\"\n";
    let seen = found(&[("Dockerfile", LITERAL), (".env", b"OPEN=\"x\n"), ("dynosim.toml", toml)]);
    assert!(!ids(&seen).contains(&"D056"), "{:?}", shown(&seen));
}

#[test]
fn r1_6_a_procfile_beside_images_takes_no_command_s_place() {
    let procfile: (&str, &[u8]) = ("Procfile", b"web: gunicorn app:app\nclock: clock\n");
    let seen = found(&[("Dockerfile", LITERAL), procfile]);
    assert!(ids(&seen).contains(&"D004") && ids(&seen).contains(&"D046"), "{:?}", shown(&seen));
    let seen = found(&[("Dockerfile", b"FROM node:20\nENTRYPOINT [\"tini\", \"--\"]\n"), procfile]);
    assert!(ids(&seen).contains(&"D008"), "{:?}", shown(&seen));
    let seen = found(&[("Dockerfile", b"FROM python:3.12\nCMD gunicorn -b 0.0.0.0:8000 app\n"), procfile]);
    assert!(ids(&seen).contains(&"D001"), "{:?}", shown(&seen));
    assert_eq!(shown(&seen).iter().filter(|one| one.starts_with("D001")).count(), 1, "{:?}", shown(&seen));
    // The command of heroku.yml does.
    let yml: (&str, &[u8]) = ("heroku.yml", b"build:\n  docker:\n    web: Dockerfile\nrun:\n  web: gunicorn app\n");
    let seen = found(&[("Dockerfile", LITERAL), procfile, yml]);
    assert!(!ids(&seen).contains(&"D004"), "{:?}", shown(&seen));
}

#[test]
fn a_procfile_that_heroku_does_not_read_is_no_error_and_hides_nothing() {
    let yml: (&str, &[u8]) = ("heroku.yml", b"build:\n  docker:\n    web: Dockerfile\n");
    let seen = found(&[("Dockerfile", LITERAL), yml, ("Procfile", b"web:\n  bad\n")]);
    assert!(ids(&seen).contains(&"D004") && !seen.partial, "{:?}", shown(&seen));
    let procfile: Vec<_> = seen.findings.iter().filter(|one| one.rule.id == "D046").collect();
    assert!(!procfile.is_empty());
    assert!(procfile.iter().all(|one| one.diagnostic.severity < crate::diagnostic::Severity::Error));
}

#[test]
fn words_of_heroku_yml_behind_an_entrypoint_stand_in_heroku_yml() {
    let image = b"FROM python:3.12\nENTRYPOINT [\"tini\", \"--\"]\nCMD x\n";
    for yml in [
        "build:\n  docker:\n    web: Dockerfile\nrun:\n  web: gunicorn -b 0.0.0.0:8000 a\n",
        "build:\n  docker:\n    web: Dockerfile\nrun:\n  web:\n    command:\n      - gunicorn -b 0.0.0.0:8000 a\n    image: web\n",
    ] {
        let seen = found(&[("Dockerfile", image), ("heroku.yml", yml.as_bytes())]);
        let one = seen.findings.iter().find(|one| one.rule.id == "D001").unwrap();
        let (file, span) = one.diagnostic.place.as_ref().unwrap();
        assert_eq!((file.name.as_str(), &file.text[span.clone()]), ("heroku.yml", "0.0.0.0:8000"));
        assert!(one.diagnostic.help.as_ref().unwrap().contains("sh -c"), "{:?}", one.diagnostic.help);
    }
    let image = b"FROM python:3.12\nENTRYPOINT [\"gunicorn\", \"-b\", \"0.0.0.0:8000\"]\nCMD app\n";
    let yml = b"build:\n  docker:\n    web: Dockerfile\nrun:\n  web: app:app\n";
    let seen = found(&[("Dockerfile", image), ("heroku.yml", yml)]);
    assert!(shown(&seen).iter().any(|one| one.starts_with("D001 Dockerfile:2 ")), "{:?}", shown(&seen));
}

#[test]
fn ignores_go_by_name_and_count_for_whole_instructions_of_any_dockerfile() {
    let yml = b"build:\n  docker:\n    web: web.prod\n";
    let image = b"FROM python:3.12\n# dynosim-ignore hard-coded-port: behind a proxy\nCMD gunicorn \\\n  -b 0.0.0.0:8000 \\\n  app\n";
    let seen = found(&[("web.prod", image), ("heroku.yml", yml)]);
    assert!(!ids(&seen).contains(&"D001") && !ids(&seen).contains(&"D056"), "{:?}", shown(&seen));
    assert_eq!(seen.ignored.len(), 1);
    let toml = b"[[check.ignore]]\nrule = \"hard-coded-port\"\nfile = \"./web.prod\"\nreason = \"x\"\n";
    let image = b"FROM python:3.12\nCMD gunicorn -b 0.0.0.0:8000 app\n";
    let seen = found(&[("web.prod", image), ("heroku.yml", yml), ("dynosim.toml", toml)]);
    assert!(ids(&seen).is_empty() && seen.ignored[0].1.outside, "{:?}", shown(&seen));
}
