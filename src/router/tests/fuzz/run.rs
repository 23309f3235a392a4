//! The run over the corpus: which input is judged how, and what is told of it.

use super::judge;
use super::scene::{self, Scene};
use super::seeds::{Kind, Random, Seeds, keep};
use crate::router::head::Framing;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use tokio::time::{Duration, Instant};

/// Changes to one seed, at most.
const CHANGES: usize = 6;
/// One input in this many goes through the whole router.
const SCENES: u64 = 10;
/// No input takes this long; counted in real time.
const HANG: Duration = Duration::from_secs(60);

/// How many inputs were judged, by kind.
#[derive(Default)]
struct Totals {
    requests: AtomicU64,
    bodies: AtomicU64,
    answers: AtomicU64,
    scenes: AtomicU64,
}

impl Totals {
    fn all(&self) -> u64 {
        [&self.requests, &self.bodies, &self.answers, &self.scenes].iter().map(|n| n.load(Ordering::Relaxed)).sum()
    }
}

/// Judges input `number` of `seed`. An input that fails is kept in the corpus.
fn one(seeds: &Seeds, seed: u64, number: u64, totals: &Totals) {
    let mut random = Random::new(seed, number);
    let random = &mut random;
    if number.is_multiple_of(SCENES) {
        let scene = Scene::any(seeds, random);
        let judged = catch_unwind(AssertUnwindSafe(|| scene::play(&scene)));
        judged.unwrap_or_else(|panic| {
            keep(Kind::Requests, &scene.stream);
            scene.answers.iter().for_each(|answer| keep(Kind::Answers, answer));
            eprintln!("input {number} of seed {seed} fails: {scene:?}");
            resume_unwind(panic)
        });
        totals.scenes.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let (kind, count) = match number % 9 {
        0..4 => (Kind::Requests, &totals.requests),
        4 | 5 => (Kind::Bodies, &totals.bodies),
        _ => (Kind::Answers, &totals.answers),
    };
    let bytes = seeds.mutant(kind, random, CHANGES);
    let judged = catch_unwind(AssertUnwindSafe(|| judge(kind, &bytes, random)));
    judged.unwrap_or_else(|panic| {
        keep(kind, &bytes);
        eprintln!("input {number} of seed {seed} fails: {kind:?}: {}", bytes.escape_ascii());
        resume_unwind(panic)
    });
    count.fetch_add(1, Ordering::Relaxed);
}

fn judge(kind: Kind, bytes: &[u8], random: &mut Random) {
    match kind {
        Kind::Requests => judge::requests(bytes, random),
        Kind::Bodies => judge::body(Framing::Chunked, bytes, random),
        Kind::Answers => judge::answers(bytes, random),
    }
}

#[test]
fn fuzz_every_seed_of_the_corpus_is_judged_rightly_as_it_is() {
    let seeds = Seeds::load();
    for kind in [Kind::Requests, Kind::Bodies, Kind::Answers] {
        for (number, bytes) in (0..).zip(seeds.of(kind)) {
            judge(kind, bytes, &mut Random::new(0, number));
        }
    }
    let get = seeds.requests.first().unwrap();
    for request in &seeds.requests {
        scene::play(&Scene::plain(request.clone(), Vec::new()));
        scene::play(&Scene::plain([request.as_slice(), get].concat(), Vec::new()));
    }
    for answer in &seeds.answers {
        for dyno_closes in [true, false] {
            scene::play(&Scene { dyno_closes, ..Scene::plain(get.repeat(2), vec![answer.clone()]) });
        }
    }
}

/// A few thousand inputs; or `DYNOSIM_FUZZ` of `DYNOSIM_FUZZ_SEED`, beginning at number `DYNOSIM_FUZZ_FROM`. Over all
/// processors.
#[test]
fn fuzz_changed_messages() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |value| value.parse().unwrap());
    let (count, seed) = (number("DYNOSIM_FUZZ", 3000), number("DYNOSIM_FUZZ_SEED", 0));
    let from = number("DYNOSIM_FUZZ_FROM", 0);
    let (seeds, totals, next) = (Seeds::load(), Totals::default(), AtomicU64::new(from));
    let failed = AtomicU64::new(0);
    let begin = Instant::now();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let (done, ended) = channel::<()>();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (seeds, totals, next, failed, done) = (&seeds, &totals, &next, &failed, done.clone());
            scope.spawn(move || {
                let _done = done;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= from + count {
                        return;
                    }
                    if catch_unwind(AssertUnwindSafe(|| one(seeds, seed, number, totals))).is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        drop(done);
        let mut before = 0;
        while ended.recv_timeout(HANG) == Err(RecvTimeoutError::Timeout) {
            let now = totals.all();
            println!("{now} inputs after {:.0?}", begin.elapsed());
            if now == before {
                eprintln!("an input just before {} of seed {seed} hangs", next.load(Ordering::Relaxed));
                std::process::exit(1);
            }
            before = now;
        }
    });
    let asked = count;
    let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
    println!(
        "{} inputs of seed {seed} in {:.0?}, {}/s: {} request streams, {} chunked bodies, {} answers, and {} times \
         a client and a dyno with the whole router between them",
        totals.all(),
        begin.elapsed(),
        totals.all() / begin.elapsed().as_secs().max(1),
        count(&totals.requests),
        count(&totals.bodies),
        count(&totals.answers),
        count(&totals.scenes),
    );
    assert_eq!(count(&failed), 0, "inputs failed, and were kept in the corpus");
    assert_eq!(totals.all(), asked);
}
