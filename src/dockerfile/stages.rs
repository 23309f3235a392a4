//! Stages, and which of them make an image.

use super::expand::{Vars, expand};
use super::read::{Dockerfile, Instruction};
use super::words::{Flag, Word};
use std::ops::Range;

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// `AS name`, in small letters.
    pub name: Option<String>,
    /// What stands behind `FROM`.
    pub image: Word,
    /// The same with its variables replaced, where they can be told.
    pub base: Option<String>,
    /// `--platform`.
    pub platform: Option<Flag>,
    /// Its instructions, the `FROM` first.
    pub range: Range<usize>,
}

/// What a chain of stages begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// An image, as named.
    Image(String),
    /// Nobody can tell: a variable without a value.
    Unknown,
}

impl Dockerfile {
    /// All stages, in order. `args` are build args that are given.
    pub fn stages(&self, args: &Vars) -> Vec<Stage> {
        let starts: Vec<usize> =
            (0..self.instructions.len()).filter(|at| self.instructions[*at].keyword == "FROM").collect();
        let vars = self.global_args(args);
        let ends = starts.iter().skip(1).copied().chain([self.instructions.len()]);
        starts.iter().zip(ends).map(|(start, end)| self.stage(*start..end, &vars)).collect()
    }

    /// `ARG`s before the first `FROM`, with their values.
    pub fn global_args(&self, given: &Vars) -> Vars {
        let mut vars = Vars::new();
        for one in self.instructions.iter().take_while(|one| one.keyword != "FROM").filter(|one| one.keyword == "ARG") {
            for pair in one.pairs() {
                let default = pair.value.and_then(|value| expand(&value.text, &vars, self.escape).ok());
                let value = given.get(&pair.name.text).cloned().unwrap_or(default);
                vars.insert(pair.name.text, value);
            }
        }
        vars
    }

    fn stage(&self, range: Range<usize>, vars: &Vars) -> Stage {
        let from = &self.instructions[range.start];
        let words = from.plain_words();
        let end = from.span.end;
        let image = words.first().cloned().unwrap_or(Word { text: String::new(), span: end..end });
        let named = words.get(1).is_some_and(|word| word.text.eq_ignore_ascii_case("as"));
        let name = words.get(2).filter(|_| named).map(|word| word.text.to_ascii_lowercase());
        let base = expand(&image.text, vars, self.escape).ok().filter(|base| !base.is_empty());
        Stage { name, image, base, platform: from.flag("platform").cloned(), range }
    }

    /// The stage that is named, by name or number; the last one when none is.
    pub fn target(&self, stages: &[Stage], target: Option<&str>) -> Option<usize> {
        let Some(target) = target else { return stages.len().checked_sub(1) };
        let by_name = stages.iter().position(|stage| stage.name.as_deref() == Some(&target.to_ascii_lowercase()));
        by_name.or_else(|| target.parse().ok().filter(|number| *number < stages.len()))
    }

    /// The stages whose layers the image of stage `last` has, first to last, and the image they begin with.
    pub fn chain(&self, stages: &[Stage], last: usize) -> (Vec<usize>, Base) {
        let mut chain = vec![last];
        loop {
            let at = chain[chain.len() - 1];
            let Some(base) = &stages[at].base else {
                chain.reverse();
                return (chain, Base::Unknown);
            };
            let name = base.to_ascii_lowercase();
            let Some(earlier) = stages[..at].iter().rposition(|stage| stage.name.as_deref() == Some(&name)) else {
                chain.reverse();
                return (chain, Base::Image(base.clone()));
            };
            chain.push(earlier);
        }
    }

    /// The instructions of a stage without its `FROM`.
    pub fn of<'d>(&'d self, stage: &Stage) -> &'d [Instruction] {
        &self.instructions[stage.range.start + 1..stage.range.end]
    }
}
