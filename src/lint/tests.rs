//! The rules against their cases (`cases/`), against random input, and the texts that are made of them.

mod facts;
mod fuzz;
mod harm;
mod whole;

use super::{Check, Checked, RULES, Rule, check, refused, rule, settings};
use crate::manifest::{LoadOptions, load_or_rest};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// One case: `=== hit Dockerfile:2 what it is`, then files: `--- name [+x] [crlf]` and their text.
pub(super) struct Case {
    pub(super) rule: String,
    /// Where the rule must find something (`-`: without a place); `None` where it must not.
    pub(super) hit: Option<String>,
    pub(super) title: String,
    pub(super) files: Vec<File>,
}

pub(super) struct File {
    pub(super) name: String,
    executable: bool,
    pub(super) text: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lint/cases")
}

/// Texts that should not stand in a file: they look like secrets, or are large.
fn filled(text: &str) -> String {
    let large = "x".repeat(65_600);
    let texts = [
        ("%65600x%", large.as_str()),
        ("%AWS%", concat!("AKIA2E0A8F3B", "244C9986")),
        ("%GITHUB%", concat!("ghp_0123456789abcdefghij", "ABCDEFGHIJ012345")),
    ];
    texts.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut names: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names {
        let rule = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for line in filled(&fs::read_to_string(&path).unwrap()).lines() {
            if let Some(head) = line.strip_prefix("=== ") {
                let (kind, rest) = head.split_once(' ').unwrap();
                let (hit, title) = match kind {
                    "hit" => rest.split_once(' ').map(|(place, title)| (Some(place.to_owned()), title)).unwrap(),
                    "miss" => (None, rest),
                    other => panic!("{rule}: {other}"),
                };
                cases.push(Case { rule: rule.clone(), hit, title: title.to_owned(), files: Vec::new() });
            } else if let Some(head) = line.strip_prefix("--- ") {
                let mut words = head.split(' ');
                let name = words.next().unwrap().to_owned();
                let words: Vec<&str> = words.collect();
                let text = if words.contains(&"crlf") { "\r" } else { "" }.to_owned();
                cases.last_mut().unwrap().files.push(File { name, executable: words.contains(&"+x"), text });
            } else {
                let file = cases.last_mut().unwrap().files.last_mut().unwrap();
                // The mark of a file with Windows line ends is taken away at its first line.
                let crlf = file.text == "\r" || file.text.contains("\r\n");
                if file.text == "\r" {
                    file.text.clear();
                }
                file.text.push_str(line);
                file.text.push_str(if crlf { "\r\n" } else { "\n" });
            }
        }
    }
    cases
}

pub(super) fn write(folder: &Path, files: &[File]) {
    for file in files {
        let path = folder.join(&file.name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &file.text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(if file.executable { 0o755 } else { 0o644 })).unwrap();
    }
}

pub(super) fn checked(folder: &Path) -> Checked {
    let Ok(settings) = settings(folder) else { return Checked::default() };
    match load_or_rest(&LoadOptions { root: folder.to_owned(), ..LoadOptions::default() }) {
        Ok(loaded) => check(&loaded, &[], &settings),
        Err(left) => refused(&left, &settings),
    }
}

fn shown(checked: &Checked) -> Vec<String> {
    let place = |one: &super::Finding| {
        let place = one.diagnostic.place.as_ref().zip(one.diagnostic.line());
        place.map_or_else(|| "-".to_owned(), |((file, _), line)| format!("{}:{line}", file.name))
    };
    checked.findings.iter().map(|one| format!("{} {} {}", one.rule.id, place(one), one.diagnostic.title)).collect()
}

#[test]
fn every_rule_finds_what_it_must_and_nothing_else() {
    let mut wrong = String::new();
    for case in cases() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &case.files);
        let found = shown(&checked(folder.path()));
        let own: Vec<&String> = found.iter().filter(|one| one.starts_with(&case.rule)).collect();
        let good = match &case.hit {
            Some(place) => own.iter().any(|one| one.starts_with(&format!("{} {place} ", case.rule))),
            None => own.is_empty(),
        };
        if !good {
            let _ = writeln!(wrong, "{} {:?} {}: {found:#?}", case.rule, case.hit, case.title);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_rule_has_cases_of_both_kinds() {
    let cases = cases();
    for rule in RULES {
        let of = |hit: bool| cases.iter().filter(|case| case.rule == rule.id && case.hit.is_some() == hit).count();
        assert!(of(true) > 0 && of(false) > 0, "{}: {} hits, {} misses", rule.id, of(true), of(false));
    }
    assert!(cases.iter().all(|case| super::rule(&case.rule).is_some()));
}

#[test]
fn the_fixes_mend_what_they_promise_to() {
    let mut mended = 0;
    for case in cases().into_iter().filter(|case| case.hit.is_some()) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &case.files);
        let root = folder.path().canonicalize().unwrap();
        let before = checked(&root);
        let fixable: Vec<_> =
            before.findings.iter().filter(|one| one.rule.id == case.rule && one.fix.is_some()).collect();
        if fixable.is_empty() {
            continue;
        }
        let edits = crate::platform::check::edits(&root, &before.findings).unwrap();
        assert!(!edits.is_empty(), "{} {}", case.rule, case.title);
        for edit in edits {
            assert!(!edit.diff().is_empty());
            assert!(edit.apply().unwrap());
        }
        let after = checked(&root);
        let left: Vec<_> = after.findings.iter().filter(|one| one.fix.is_some()).collect();
        assert!(left.is_empty(), "{} {}: {:#?}", case.rule, case.title, shown(&after));
        mended += 1;
    }
    assert!(mended >= 10, "{mended}");
}

#[test]
fn what_cannot_be_replaced_without_spoiling_its_file_is_left_to_a_person() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Dockerfile"), "FROM python:3.12\nCMD x\n").unwrap();
    let mut seen = Vec::new();
    for run in ["run: {web: gunicorn -b 0.0.0.0:8000 a}", "run:\n  web: gunicorn -b 0.0.0.0:8000 a"] {
        let text = format!("build: {{docker: {{web: Dockerfile}}}}\n{run}\n");
        fs::write(folder.path().join("heroku.yml"), text).unwrap();
        let found = checked(folder.path());
        assert_eq!(found.findings[0].rule.id, "D001");
        seen.push(found.findings[0].fix.is_some());
    }
    assert_eq!(seen, [false, true]);
}

#[test]
fn an_exec_form_becomes_a_shell_form_where_the_base_s_entrypoint_passes_it_on() {
    let folder = tempfile::tempdir().unwrap();
    let fixable = |dockerfile: &str| {
        fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
        let found = checked(folder.path());
        assert_eq!(found.findings[0].rule.id, "D004", "{dockerfile}");
        found.findings[0].fix.is_some()
    };
    assert!(fixable("FROM node:20\nCMD [\"node\", \"server.js\", \"--port=$PORT\"]\n"));
    assert!(fixable("FROM php:8-cli\nCMD [\"php\", \"-S\", \"0.0.0.0:$PORT\"]\n"));
    // Node's ENTRYPOINT would put `node` before this one.
    assert!(!fixable("FROM node:20\nCMD [\"server.js\", \"--port=$PORT\"]\n"));
    assert!(!fixable("FROM me/app\nCMD [\"node\", \"--port=$PORT\"]\n"));
}

#[test]
fn numbers_are_unique_in_order_and_never_with_a_gap() {
    let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    let expected: Vec<String> = (1..=RULES.len()).map(|number| format!("D{number:03}")).collect();
    assert_eq!(ids, expected);
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len());
    assert_eq!(rule("d014").unwrap().name, "shell-without-exec");
    assert_eq!(rule("volume").unwrap().id, "D017");
    assert!(rule("D999").is_none());
}

#[test]
fn every_rule_says_all_there_is_to_say() {
    for rule in RULES {
        for text in [rule.summary, rule.explanation, rule.source, rule.wrong, rule.right] {
            assert!(text.len() > 1 && !text.contains("  \\"), "{}", rule.id);
        }
        assert!(rule.summary.chars().count() < 130, "{}: {}", rule.id, rule.summary.chars().count());
        let text = rule.text();
        for part in [rule.id, rule.name, "wrong:", "right:", "dynosim-ignore"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

/// Numbers that the reader of the files gives must be rules of its own.
#[test]
fn what_the_reader_numbers_is_a_rule_of_the_reader_s() {
    let mut files = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manifest")];
    let mut seen = BTreeSet::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("\"D0") {
            seen.insert(text[at + 1..at + 5].to_owned());
        }
    }
    assert!(seen.len() >= 10, "{seen:?}");
    for id in seen {
        let rule = rule(&id).unwrap_or_else(|| panic!("{id} is no rule"));
        assert!(matches!(rule.check, Check::Reader) || rule.id == "D051", "{id}");
    }
}

fn page() -> String {
    let mut text = String::from(
        "# The rules of `dynosim check`\n\nMade from the rules' own data; `dynosim explain D014` prints one of them. How to use them, let one pass, \
         and mend what is found: [check.md](check.md).\n\n| rule | name | severity | why |\n|---|---|---|---|\n",
    );
    let mut rules: Vec<&Rule> = RULES.to_vec();
    rules.sort_by_key(|rule| rule.id);
    for rule in &rules {
        let anchor = format!("{}-{}", rule.id.to_lowercase(), rule.name);
        let summary = rule.summary.replace('|', "\\|");
        let _ = writeln!(text, "| [{}](#{anchor}) | `{}` | {} | {summary} |", rule.id, rule.name, rule.severity_word());
    }
    for rule in &rules {
        let indented = |text: &str| {
            text.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect::<String>()
        };
        let _ = write!(
            text,
            "\n## {} {}\n\n{}\n\nWrong:\n\n{}\nRight:\n\n{}\n",
            rule.id,
            rule.name,
            rule.explanation,
            indented(rule.wrong),
            indented(rule.right)
        );
        if let Some(confirmed) = rule.confirmed {
            let _ = writeln!(text, "Seen in a run: {confirmed}.\n");
        }
        let _ = writeln!(text, "Source: {}.", rule.source);
    }
    text
}

/// `DYNOSIM_WRITE_DOCS=1 cargo test --lib the_page_of_the_rules` writes it.
#[test]
fn the_page_of_the_rules_is_what_the_rules_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules-of-check.md");
    if std::env::var_os("DYNOSIM_WRITE_DOCS").is_some() {
        fs::write(&path, page()).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == page(),
        "docs/rules-of-check.md has drifted: see this test's comment"
    );
}

#[test]
fn a_finding_shows_place_reason_fix_and_number() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Dockerfile"), "FROM python:3.11\nCMD gunicorn --bind 0.0.0.0:8000 app\n").unwrap();
    let found = checked(folder.path());
    let text = found.findings[0].diagnostic.render_with_reason(false, found.findings[0].rule.summary);
    for part in [
        "error[D001]: web's gunicorn listens on port 8000",
        "Dockerfile:2:21",
        "^^^^^^^^^^^^ a port of its own",
        "note: Heroku gives",
        "help: let it listen on $PORT",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn no_finding_shows_a_secret() {
    for (name, text) in [
        ("Dockerfile", "FROM node:20\nENV STRIPE_SECRET_KEY=hunter2hunter2xyz\nCMD [\"node\", \".\"]\n"),
        (".env", "A=hunter2hunter2xyz#\n"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Dockerfile"), "FROM node:20\nCMD [\"node\", \".\"]\n").unwrap();
        fs::write(folder.path().join(name), text).unwrap();
        let found = checked(folder.path());
        assert!(!found.findings.is_empty(), "{name}");
        for one in found.findings {
            let shown = format!("{one:?} {}", one.diagnostic.render(false));
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
