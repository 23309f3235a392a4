use super::{Commit, Entry, Fault, Ledger, LedgerError, Pushed, Tagged, TaggedImage, Tested, TestedImage, Verdict};
use crate::model::image::ImageId;
use crate::model::process_type::ProcessType;
use crate::platform::state::{Identity, StateDir};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

fn state() -> (tempfile::TempDir, StateDir) {
    let base = tempfile::tempdir().unwrap();
    let state = StateDir::open(base.path(), "shop", &Identity::of(Path::new("/a"), "")).unwrap();
    (base, state)
}

fn id(name: &str) -> ImageId {
    ImageId(format!("sha256:{name}"))
}

fn tested(image: &str, verdict: Verdict) -> Tested {
    let image = TestedImage { config: id(image), manifest: None, inputs: "in".into() };
    Tested {
        images: BTreeMap::from([(ProcessType::web(), image)]),
        commit: Some(Commit { hash: "c0ffee".into(), dirty: Some(true) }),
        command: "make test".into(),
        verdict,
        findings: Vec::new(),
        time: "2026-11-21T03:08:15.000000+00:00".into(),
        took_ms: 1500,
        dynosim: "0.1.0".into(),
    }
}

fn tagged(version: &str, process_type: &str, image: &str, manifest: Option<&str>) -> Tagged {
    let image = TaggedImage { config: id(image), manifest: manifest.map(str::to_owned) };
    Tagged {
        version: version.into(),
        images: BTreeMap::from([(process_type.parse().unwrap(), image)]),
        time: "2026-11-21T03:08:16.000000+00:00".into(),
    }
}

/// Three tests that passed: of a, b and c.
fn three(state: &StateDir) -> Ledger {
    let mut ledger = Ledger::open(state).unwrap();
    for image in ["a", "b", "c"] {
        ledger.record(tested(image, Verdict::Passed)).unwrap();
    }
    ledger
}

fn vouched(state: &StateDir) -> Vec<&'static str> {
    let ledger = Ledger::open(state).unwrap();
    ["a", "b", "c", "d"].into_iter().filter(|image| ledger.vouches_for(&id(image)).is_some()).collect()
}

fn edit(state: &StateDir, change: impl FnOnce(&mut Vec<String>)) {
    let path = state.file("ledger.jsonl");
    let mut lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    change(&mut lines);
    lines.push(String::new());
    fs::write(path, lines.join("\n")).unwrap();
}

#[track_caller]
fn broken_at(state: &StateDir, line: usize, fault: Fault) {
    let mut ledger = Ledger::open(state).unwrap();
    let broken = ledger.broken().expect("it is broken");
    assert_eq!((broken.line, broken.fault), (line, fault));
    let refused = ledger.record(tested("d", Verdict::Passed)).unwrap_err();
    assert!(matches!(refused, LedgerError::Broken { .. }), "{refused}");
    assert!(refused.to_string().contains(&format!("line {line} was")), "{refused}");
    assert!(refused.help().contains("ledger.jsonl"), "{}", refused.help());
}

#[test]
fn only_what_passed_is_vouched_for_and_the_newest_test_is_named() {
    let (_base, state) = state();
    let mut ledger = Ledger::open(&state).unwrap();
    ledger.record(tested("a", Verdict::Failed { status: 3 })).unwrap();
    ledger.record(tested("b", Verdict::Gates { gates: vec!["r14".into()] })).unwrap();
    assert!(ledger.vouches_for(&id("a")).is_none() && ledger.vouches_for(&id("b")).is_none());
    ledger.record(tested("a", Verdict::Passed)).unwrap();
    let newest = Tested { command: "make check".into(), ..tested("a", Verdict::Passed) };
    ledger.record(newest.clone()).unwrap();
    ledger.record(tested("a", Verdict::Failed { status: 1 })).unwrap();
    let again = Ledger::open(&state).unwrap();
    assert_eq!(again.vouches_for(&id("a")), Some(&newest));
    assert_eq!(again.tests().count(), 5);
    assert!(again.broken().is_none());
}

#[test]
fn a_line_that_a_crash_tore_is_passed_over_and_does_not_swallow_the_next() {
    let (_base, state) = state();
    three(&state);
    let path = state.file("ledger.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let line = text.lines().next().unwrap();
    for (cut, next) in [(1, "x"), (line.len() / 2, "y"), (line.len(), "z")] {
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&line.as_bytes()[..cut]).unwrap();
        assert_eq!(vouched(&state), ["a", "b", "c"]);
        assert!(Ledger::open(&state).unwrap().broken().is_none(), "{cut} bytes");
        Ledger::open(&state).unwrap().record(tested(next, Verdict::Passed)).unwrap();
        assert!(Ledger::open(&state).unwrap().vouches_for(&id(next)).is_some());
    }
    assert_eq!(Ledger::open(&state).unwrap().tests().count(), 6);
}

#[test]
fn a_crash_between_the_line_and_its_count_loses_nothing() {
    let (_base, state) = state();
    three(&state);
    let head = state.file("ledger.head");
    let before = fs::read(&head).unwrap();
    Ledger::open(&state).unwrap().record(tested("d", Verdict::Passed)).unwrap();
    fs::write(&head, before).unwrap();
    assert_eq!(vouched(&state), ["a", "b", "c", "d"]);
    Ledger::open(&state).unwrap().record(tested("e", Verdict::Passed)).unwrap();
    assert_eq!(Ledger::open(&state).unwrap().tests().count(), 5);
}

#[test]
fn a_changed_line_is_named_and_neither_it_nor_what_follows_is_vouched_for() {
    let (_base, state) = state();
    three(&state);
    edit(&state, |lines| lines[1] = lines[1].replace("sha256:b", "sha256:d"));
    assert_eq!(vouched(&state), ["a"]);
    broken_at(&state, 2, Fault::Changed);
}

#[test]
fn a_failure_cannot_be_made_a_pass_even_with_a_fitting_hash_of_its_own() {
    let (_base, state) = state();
    let (_other_base, other) = {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::open(base.path(), "shop", &Identity::of(Path::new("/b"), "")).unwrap();
        (base, state)
    };
    let mut ledger = Ledger::open(&state).unwrap();
    ledger.record(tested("a", Verdict::Failed { status: 1 })).unwrap();
    ledger.record(tested("b", Verdict::Passed)).unwrap();
    Ledger::open(&other).unwrap().record(tested("a", Verdict::Passed)).unwrap();
    let forged = fs::read_to_string(other.file("ledger.jsonl")).unwrap();
    edit(&state, |lines| lines[0] = forged.trim_end().to_owned());
    assert_eq!(vouched(&state), ["a"], "the first line alone would be believed");
    broken_at(&state, 2, Fault::Changed);
    edit(&state, |lines| lines.truncate(1));
    broken_at(&state, 2, Fault::Missing);
}

#[test]
fn lines_that_are_taken_out_moved_or_cut_off_are_missed() {
    type Change = fn(&mut Vec<String>);
    let cases: [(Change, usize, Fault); 5] = [
        (|lines| drop(lines.remove(0)), 1, Fault::Changed),
        (|lines| drop(lines.remove(1)), 2, Fault::Changed),
        (|lines| lines.swap(1, 2), 2, Fault::Changed),
        (|lines| drop(lines.pop()), 3, Fault::Missing),
        (Vec::clear, 1, Fault::Missing),
    ];
    for (change, line, fault) in cases {
        let (_base, state) = state();
        three(&state);
        edit(&state, change);
        broken_at(&state, line, fault);
    }
}

#[test]
fn two_writers_at_once_do_not_interleave() {
    let (_base, state) = state();
    let start = Barrier::new(2);
    thread::scope(|scope| {
        for writer in ["x", "y"] {
            let (state, start) = (&state, &start);
            scope.spawn(move || {
                let mut ledger = Ledger::open(state).unwrap();
                start.wait();
                for number in 0..20 {
                    ledger.record(tested(&format!("{writer}{number}"), Verdict::Passed)).unwrap();
                }
            });
        }
    });
    let ledger = Ledger::open(&state).unwrap();
    assert!(ledger.broken().is_none());
    assert_eq!(ledger.tests().count(), 40);
    for writer in ["x", "y"] {
        assert!((0..20).all(|number| ledger.vouches_for(&id(&format!("{writer}{number}"))).is_some()));
    }
}

#[test]
fn a_version_never_comes_to_name_another_image() {
    let (_base, state) = state();
    let mut ledger = Ledger::open(&state).unwrap();
    ledger.tag(tagged("v1", "web", "a", None)).unwrap();
    ledger.tag(tagged("v1", "worker", "b", None)).unwrap();
    // Read before the tags were there: what others wrote counts all the same.
    let refused = ledger.tag(tagged("v1", "web", "c", None)).unwrap_err();
    assert_eq!(refused.to_string(), "version v1 already names another image for web: sha256:a, not sha256:c");
    ledger.tag(tagged("v1", "web", "a", Some("sha256:m"))).unwrap();
    assert!(ledger.tag(tagged("v1", "web", "a", Some("sha256:n"))).is_err());
    let lines = ledger.iter().count();
    ledger.tag(tagged("v1", "web", "a", Some("sha256:m"))).unwrap();
    assert_eq!(ledger.iter().count(), lines, "what is said already is not written again");
    ledger.tag(tagged("v2", "web", "c", None)).unwrap();
    let ledger = Ledger::open(&state).unwrap();
    let version = ledger.by_version("v1").unwrap();
    let images: Vec<_> = version.images.iter().map(|(name, image)| (name.as_str(), image.config.0.as_str())).collect();
    assert_eq!(images, [("web", "sha256:a"), ("worker", "sha256:b")]);
    assert_eq!(version.images[&ProcessType::web()].manifest.as_deref(), Some("sha256:m"));
    assert!(ledger.by_version("v3").is_none());
    assert_eq!(ledger.versioned_images().len(), 4);
}

#[test]
fn two_that_tag_one_version_at_once_leave_one_image() {
    let (_base, state) = state();
    let (mut one, mut other) = (Ledger::open(&state).unwrap(), Ledger::open(&state).unwrap());
    one.tag(tagged("v1", "web", "a", None)).unwrap();
    assert!(matches!(other.tag(tagged("v1", "web", "b", None)), Err(LedgerError::Taken { .. })));
}

#[test]
fn pushes_are_kept_and_lines_of_a_newer_dynosim_are_passed_over() {
    let (_base, state) = state();
    let mut ledger = Ledger::open(&state).unwrap();
    let pushed = Pushed {
        registry: "registry.heroku.com".into(),
        repository: "shop/web".into(),
        tag: "latest".into(),
        manifest: "sha256:m".into(),
        config: id("a"),
        time: "2026-11-21T03:08:17.000000+00:00".into(),
    };
    ledger.pushed(pushed.clone()).unwrap();
    let chain = super::Chain::new(state.file("ledger.jsonl"));
    let found: super::Found<Entry> = chain.read().unwrap();
    chain.append(&found, &serde_json::json!({"kind": "promoted", "by": "a later dynosim"})).unwrap();
    let mut ledger = Ledger::open(&state).unwrap();
    assert!(ledger.broken().is_none());
    ledger.record(tested("a", Verdict::Passed)).unwrap();
    let entries: Vec<Entry> = Ledger::open(&state).unwrap().iter().cloned().collect();
    assert_eq!(entries, [Entry::Pushed(pushed), Entry::Tested(Box::new(tested("a", Verdict::Passed)))]);
}
