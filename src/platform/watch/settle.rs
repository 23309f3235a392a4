//! When a burst of changes is over. Editors save in several steps, and a checkout touches a thousand files: each burst
//! shall be acted on once, and soon.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// It may well be over after this much, which is worth a glance.
const GLANCE: Duration = Duration::from_millis(10);
/// A save is over after this much quiet.
const SAVE: Duration = Duration::from_millis(40);
/// A checkout, a code generator: after this much.
const BURST: Duration = Duration::from_millis(300);
/// More different paths than this are no save of an editor, with its temporary files.
const MANY: usize = 6;
/// Whoever never stops writing does not hold up everything for longer.
const LONGEST: Duration = Duration::from_secs(5);

/// A burst that is going on.
#[derive(Debug, Default)]
pub(super) struct Settle {
    began: Option<Instant>,
    last: Option<Instant>,
    paths: BTreeSet<PathBuf>,
    /// There is one glance in a burst.
    glanced: bool,
}

impl Settle {
    /// Something changed at a path.
    pub(super) fn add(&mut self, path: PathBuf, now: Instant) {
        self.began.get_or_insert(now);
        self.last = Some(now);
        if self.paths.len() <= MANY {
            self.paths.insert(path);
        }
    }

    /// When to look, if nothing more comes; none while nothing has changed.
    pub(super) fn due(&self) -> Option<Instant> {
        let quiet = if self.paths.len() <= MANY && !self.glanced { GLANCE } else { self.quiet() };
        Some((self.last? + quiet).min(self.began? + LONGEST))
    }

    fn quiet(&self) -> Duration {
        if self.paths.len() > MANY { BURST } else { SAVE }
    }

    /// It goes on longer than anybody waits.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.began.is_some_and(|began| now >= began + LONGEST)
    }

    /// Being looked at: due again only when more comes. If that is but a glance, when the burst would be over.
    pub(super) fn rest(&mut self, now: Instant) -> Option<Instant> {
        let over = self.last.take()? + self.quiet();
        let early = now < over && !self.is_overdue(now);
        self.glanced |= early;
        early.then_some(over)
    }

    /// What a glance found cannot be taken back: to be looked at once the burst is over.
    pub(super) fn wait(&mut self, over: Instant) {
        self.last.get_or_insert(over - self.quiet());
    }

    /// Acted on.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST, GLANCE, LONGEST, MANY, SAVE, Settle};
    use std::time::Duration;
    use tokio::time::Instant;

    const STEP: Duration = Duration::from_millis(10);

    #[test]
    fn nothing_is_due_before_anything_changed_and_after_it_was_acted_on() {
        let mut settle = Settle::default();
        assert_eq!(settle.due(), None);
        settle.add("a".into(), Instant::now());
        settle.clear();
        assert_eq!(settle.due(), None);
    }

    #[test]
    fn a_save_is_over_soon_however_many_steps_it_has() {
        let (mut settle, now) = (Settle::default(), Instant::now());
        for step in 0..20 {
            settle.add(["a", ".a.swp", "4913", "a~"][step as usize % 4].into(), now + STEP * step);
        }
        assert_eq!(settle.rest(now + STEP * 19), Some(now + STEP * 19 + SAVE));
        settle.wait(now + STEP * 19 + SAVE);
        assert_eq!(settle.due(), Some(now + STEP * 19 + SAVE));
    }

    #[test]
    fn there_is_one_glance_at_a_burst_and_then_a_look_when_it_is_over() {
        let (mut settle, now) = (Settle::default(), Instant::now());
        settle.add("a".into(), now);
        settle.add("b".into(), now + STEP);
        assert_eq!(settle.due(), Some(now + STEP + GLANCE));
        let over = now + STEP + SAVE;
        assert_eq!(settle.rest(now + STEP + GLANCE), Some(over));
        settle.wait(over);
        assert_eq!(settle.due(), Some(over));
        assert_eq!(settle.rest(over), None, "that is no glance");
    }

    #[test]
    fn what_comes_while_a_burst_is_looked_at_belongs_to_it() {
        let (mut settle, now) = (Settle::default(), Instant::now());
        settle.add("a".into(), now);
        settle.rest(now);
        assert_eq!(settle.due(), None);
        settle.add("b".into(), now + LONGEST - STEP);
        assert_eq!(settle.due(), Some(now + LONGEST));
    }

    #[test]
    fn many_files_are_waited_for_longer() {
        let (mut settle, now) = (Settle::default(), Instant::now());
        for number in 0..=MANY {
            settle.add(format!("{number}").into(), now);
        }
        assert_eq!(settle.due(), Some(now + BURST));
    }

    #[test]
    fn who_never_stops_writing_is_not_waited_for_without_end() {
        let (mut settle, now) = (Settle::default(), Instant::now());
        for step in 0..1000 {
            settle.add("log".into(), now + STEP * step);
        }
        assert_eq!(settle.due(), Some(now + LONGEST));
        assert!(settle.is_overdue(now + LONGEST) && !settle.is_overdue(now + STEP));
    }
}
