//! The data against the tree: the tests that are named, the sections that are cited, the documents that are made of it.

use super::{CHAPTERS, Chapter, Engine, Kept, Rule, all};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below these folders with this ending.
fn files(folders: &[&str], ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                found.push(path);
            }
        }
    }
    found
}

/// The names of all tests: functions with a test's attribute above them.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in files(&["src", "tests"], "rs") {
        let text = fs::read_to_string(path).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[") {
                is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                continue;
            }
            // What runs on each engine is a test as well: `fn r1_4_…(on) {`.
            is_test |= line.starts_with("fn ") && line.ends_with("(on) {");
            if let (true, Some((_, rest))) = (is_test, line.split_once("fn ")) {
                names.extend(rest.split_once('(').map(|(name, _)| name.to_owned()));
            }
            is_test &= line.is_empty() || line.starts_with("//");
        }
    }
    names
}

#[test]
fn every_test_that_is_named_is_there() {
    let there = tests();
    assert!(there.len() > 1000, "{}", there.len());
    let missing: Vec<_> = all()
        .flat_map(|rule| rule.tests.iter().map(move |test| (rule.id, *test)))
        .filter(|(_, test)| !there.contains(*test))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn what_is_otherwise_on_the_native_engine_is_about_one_rule_each() {
    for (id, begins, kept) in super::native::DIFFERS {
        let rules: Vec<&Rule> = all().filter(|rule| rule.id == *id && rule.heroku.starts_with(begins)).collect();
        assert_eq!(rules.len(), 1, "{id} {begins}");
        assert_eq!(rules[0].on(Engine::Native), *kept);
        assert_ne!(rules[0].on(Engine::Docker), *kept, "{id} {begins}: the same on Docker");
    }
}

#[test]
fn no_rule_is_called_exact_without_a_test_or_anything_else_without_a_sentence() {
    for rule in all() {
        assert!(!rule.heroku.is_empty() && !rule.source.is_empty(), "{rule:?}");
        let texts = Engine::ALL.iter().map(|engine| rule.on(*engine).sentence());
        for text in texts.chain([rule.heroku, rule.note, rule.source]) {
            assert!(!text.contains('|') && !text.contains('\n') && !text.ends_with('.'), "{text}");
        }
        match rule.docker {
            Kept::Exact => assert!(!rule.tests.is_empty(), "{} {}", rule.id, rule.heroku),
            Kept::Nearly(text) => assert!(text.len() > 1, "{} {}", rule.id, rule.heroku),
            Kept::Absent(text) => assert!(text.len() > 10 && rule.tests.is_empty(), "{} {}", rule.id, rule.heroku),
        }
    }
}

/// Sections of the fact sheet on the runtime.
const SECTIONS: [&str; 28] = [
    "R1.1", "R1.2", "R1.3", "R1.4", "R1.5", "R1.6", "R2", "R3", "R4", "R5.1", "R5.2", "R5.3", "R5.4", "R5.5", "R5.6",
    "R5.7", "R6.1", "R6.2", "R7", "R8", "R9", "R10", "R11", "R12", "R13#1", "R13#2", "R13#21", "R13#22",
];

#[test]
fn every_section_and_every_section_that_is_cited_has_a_rule() {
    let known: BTreeSet<String> = all().flat_map(Rule::ids).collect();
    let lacking: Vec<&str> = SECTIONS.into_iter().filter(|section| !known.contains(*section)).collect();
    assert!(lacking.is_empty(), "{lacking:?}");
    let mut unknown = BTreeSet::new();
    for path in files(&["src", "docs"], "rs").into_iter().chain(files(&["docs"], "md")) {
        if path.components().any(|part| part.as_os_str() == "parity" || part.as_os_str() == "guide") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for cited in cited(&text) {
            if !all().any(|rule| rule.is_asked(&cited)) {
                unknown.insert(format!("{cited} in {}", path.display()));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

/// `R5.2`, `R13#4`: an R, a number, and what is behind a dot or hash.
fn cited(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('R') {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &text[at + 1..];
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(rest);
        if whole == 0 || whole > 2 {
            continue;
        }
        let behind = &rest[whole..];
        let more = match behind.as_bytes().first() {
            Some(b'.' | b'#') => digits(&behind[1..]),
            _ => 0,
        };
        let end = if more > 0 { whole + 1 + more } else { whole };
        if !rest[end..].starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            found.push(format!("R{}", &rest[..end]));
        }
    }
    found
}

#[test]
fn every_case_that_a_router_test_names_has_a_rule() {
    let known: BTreeSet<String> = all().flat_map(Rule::ids).collect();
    let mut unknown = BTreeSet::new();
    for test in tests() {
        for word in test.split('_').take_while(|word| is_case(word) || *word == "to") {
            let id = word.to_uppercase();
            if word != "to" && !known.contains(&id) {
                unknown.insert(format!("{id} of {test}"));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

/// `a1`, `f16`.
fn is_case(word: &str) -> bool {
    let mut bytes = word.bytes();
    bytes.next().is_some_and(|letter| (b'a'..=b'g').contains(&letter))
        && word.len() > 1
        && bytes.all(|b| b.is_ascii_digit())
}

#[test]
fn a_rule_is_found_by_section_case_code_and_letter() {
    let ids = |asked: &str| {
        let mut ids: Vec<&str> = all().filter(|rule| rule.is_asked(asked)).map(|rule| rule.id).collect();
        ids.dedup();
        ids
    };
    assert_eq!(ids("r5.2"), ["R5.2"]);
    assert_eq!(ids("R5"), ["R5.1", "R5.2", "R5.3", "R5.4", "R5.5", "R5.6", "R5.7"]);
    assert_eq!(ids("R1"), ["R1.1", "R1.2", "R1.3", "R1.4", "R1.5", "R1.6"], "not R10 to R13");
    assert_eq!(ids("R10"), ["R10", "Error R10"], "a section and a code have one name");
    assert_eq!(ids("A3"), ["A1–A5"]);
    assert_eq!(ids("L"), ["L10", "L11", "L12", "L13", "L14", "L15"]);
    assert_eq!(ids("http/2"), ["http/2"]);
    assert!(ids("R99.1").is_empty() && ids("Q").is_empty());
}

/// A chapter as a table of Markdown, with a column for each engine.
fn table(chapter: &Chapter) -> String {
    let engines = Engine::ALL.iter().map(|engine| format!(" {} |", engine.word())).collect::<Vec<_>>().concat();
    let lines = " --- |".repeat(Engine::ALL.len());
    let mut text =
        format!("| rule | Heroku | here |{engines} source | tests |\n| --- | --- | --- |{lines} --- | --- |\n");
    for rule in chapter.rules {
        let tests: Vec<String> = rule.tests.iter().map(|test| format!("`{test}`")).collect();
        let tests = if tests.is_empty() { "–".to_owned() } else { tests.join(", ") };
        let kept: String = Engine::ALL
            .iter()
            .map(|engine| match (rule.on(*engine).word(), rule.on(*engine).sentence()) {
                (word, "") => format!(" {word} |"),
                (word, sentence) => format!(" {word}: {sentence} |"),
            })
            .collect();
        let _ = writeln!(text, "| {} | {} | {} |{kept} {} | {tests} |", rule.id, rule.heroku, rule.note, rule.source);
    }
    text
}

/// Chapters between the marks `<!-- parity: NAME -->` and `<!-- end -->` of a document are those of the data.
fn made(document: &str) -> String {
    let mut text = String::new();
    let mut rest = document;
    while let Some((before, behind)) = rest.split_once("<!-- parity: ") {
        let (name, behind) = behind.split_once(" -->\n").expect("the mark ends");
        let (_, behind) = behind.split_once("<!-- end -->").expect("the chapter ends");
        let made = match CHAPTERS.iter().find(|chapter| chapter.name == name) {
            Some(chapter) => table(chapter),
            None if name == "sums" => sums(),
            None => panic!("there is no chapter {name}"),
        };
        let _ = write!(text, "{before}<!-- parity: {name} -->\n\n{made}\n<!-- end -->");
        rest = behind;
    }
    text + rest
}

fn sums() -> String {
    let engines = Engine::ALL.iter().map(|engine| format!(" on {} |", engine.word())).collect::<Vec<_>>().concat();
    let lines = " --- |".repeat(Engine::ALL.len());
    let mut text = format!("| | rules |{engines}\n| --- | --- |{lines}\n");
    for chapter in CHAPTERS.iter() {
        let sums = Engine::ALL
            .iter()
            .map(|engine| {
                let of = |word: &str| chapter.rules.iter().filter(|rule| rule.on(*engine).word() == word).count();
                format!(" {} exact, {} approximate, {} absent |", of("exact"), of("approximate"), of("absent"))
            })
            .collect::<Vec<_>>()
            .concat();
        let _ = writeln!(text, "| {} | {} |{sums}", chapter.name, chapter.rules.len());
    }
    text
}

#[test]
fn the_documents_are_made_of_the_data() {
    let mut chapters = 0;
    for name in ["docs/parity.md", "docs/router-conformance.md"] {
        let path = root().join(name);
        let document = fs::read_to_string(&path).unwrap();
        let made = made(&document);
        chapters += document.matches("<!-- parity: ").count();
        if std::env::var_os("DYNOSIM_WRITE_DOCS").is_some() {
            fs::write(&path, &made).unwrap();
        } else {
            assert!(
                made == document,
                "{name} is not made of src/model/parity: set DYNOSIM_WRITE_DOCS=1 and test again"
            );
        }
    }
    assert_eq!(chapters, CHAPTERS.len() + 1, "every chapter stands in a document, and the sums");
}
