//! Changed cases: no panic, no hang, and every place of a finding inside its file.
//!
//! `DYNOSIM_FUZZ=100000 DYNOSIM_FUZZ_SEED=1 cargo test --release --lib fuzz_changed_projects -- --nocapture` for as many
//! as one likes; input number *n* of a seed is always the same.

use super::{Case, cases, checked, write};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::time::Duration;
use tokio::time::Instant;

/// One project takes at most this; a hang would take for ever.
const PATIENCE: Duration = Duration::from_secs(5);
const PIECES: &[&str] = &[
    "$PORT",
    "${",
    "}",
    "$(",
    ")",
    "`",
    "'",
    "\"",
    "\\",
    "\\\n",
    "\n",
    "\r\n",
    "[",
    "]",
    "<<EOF",
    "EOF\n",
    "&&",
    "||",
    "|",
    ";",
    "#",
    "=",
    ":",
    "é",
    "\u{feff}",
    "\0",
    "FROM ",
    "ONBUILD RUN ",
    "COPY --from=0 ",
    "ARG ",
    "ENV ",
    "CMD [",
    "case ",
    "esac",
    "if ",
    "fi",
    "# escape=`\n",
    "..",
    "/",
    "*",
    "**",
    "80",
    "-p",
    "--bind",
    "exec ",
    "dynosim-ignore D001: x",
    "65536",
    "- ",
    "  ",
];

fn changed(text: &str, random: &mut StdRng) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..=chars.len());
        match random.random_range(0..4) {
            0 if at < chars.len() => drop(chars.remove(at)),
            1 => {
                let end = (at + random.random_range(0..12)).min(chars.len());
                chars.drain(at..end);
            }
            2 => {
                let end = (at + random.random_range(0..30)).min(chars.len());
                let again: Vec<char> = chars[at..end].to_vec();
                chars.splice(at..at, again);
            }
            _ => {
                let piece = PIECES[random.random_range(0..PIECES.len())];
                chars.splice(at..at, piece.chars());
            }
        }
    }
    chars.into_iter().collect()
}

fn one(cases: &mut [Case], seed: u64, number: u64) {
    let mut random = StdRng::seed_from_u64(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let at = random.random_range(0..cases.len());
    let case = &mut cases[at];
    let before: Vec<String> = case.files.iter().map(|file| file.text.clone()).collect();
    for file in &mut case.files {
        if random.random_range(0..3) > 0 && file.text.len() < 5000 {
            file.text = changed(&file.text, &mut random);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &case.files);
    let began = Instant::now();
    let found = checked(folder.path());
    assert!(began.elapsed() < PATIENCE, "seed {seed}, number {number}: {:?}", began.elapsed());
    for finding in found.findings.iter().chain(found.ignored.iter().map(|(finding, _)| finding)) {
        if let Some((file, span)) = &finding.diagnostic.place {
            assert!(file.text.get(span.clone()).is_some(), "seed {seed}, number {number}: {finding:?}");
        }
        assert!(!finding.diagnostic.render_with_reason(false, finding.rule.summary).is_empty());
    }
    for (file, text) in case.files.iter_mut().zip(before) {
        file.text = text;
    }
}

#[test]
fn fuzz_changed_projects() {
    let number = |name: &str, usual: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (count, seed) = (number("DYNOSIM_FUZZ", 400), number("DYNOSIM_FUZZ_SEED", 7));
    let mut cases = cases();
    cases.retain(|case| case.files.iter().all(|file| file.text.len() < 20_000));
    for at in 0..count {
        one(&mut cases, seed, at);
    }
}
