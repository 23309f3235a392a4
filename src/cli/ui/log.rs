//! The log on the screen: which lines there are, which of them are shown, and where one is in it. Pure.

use super::line::Line;
use crate::cli::view::{Sieve, pattern};
use regex::bytes::Regex;
use std::collections::VecDeque;

/// Lines that are kept; the journal has the others.
const MOST: usize = 10_000;
/// Columns by which the log moves sideways.
const SIDE: usize = 20;

/// How much of it can be seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// Where in the log.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: VecDeque<Line>,
    /// The number of the first line that is kept.
    first: u64,
    /// The number of the lowest line that is seen; `None` follows the end.
    bottom: Option<u64>,
    sieve: Sieve,
    /// The filter as it was typed.
    pub(super) filter: String,
    search: Option<Regex>,
    /// The search as it was typed.
    pub(super) searched: String,
    /// The line that was found last.
    pub(super) found: Option<u64>,
    pub(super) wrap: bool,
    /// Columns that are out of sight on the left.
    pub(super) left: usize,
}

impl Log {
    /// Takes a line in; says what it is.
    pub(super) fn push(&mut self, whole: &str) {
        let line = Line::of(whole, &self.sieve);
        self.lines.push_back(line);
        if self.lines.len() > MOST {
            self.lines.pop_front();
            self.first += 1;
            let first = self.first;
            self.bottom = self.bottom.map(|bottom| bottom.max(first));
        }
    }

    /// Forgets all lines: those of another run come.
    pub(super) fn clear(&mut self) {
        self.first += self.lines.len() as u64;
        self.lines.clear();
        (self.bottom, self.found) = (None, None);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What is in focus.
    pub(super) fn focus(&self) -> Option<&str> {
        self.sieve.focus.as_deref()
    }

    /// Shows one dyno or type only; `None` shows all.
    pub(super) fn set_focus(&mut self, focus: Option<String>) {
        self.sieve.focus = focus;
        self.sift();
    }

    /// Shows lines only that match; an empty text shows all.
    pub(super) fn set_filter(&mut self, text: &str) {
        text.clone_into(&mut self.filter);
        self.sieve.pattern = pattern(text);
        self.sift();
    }

    fn sift(&mut self) {
        for line in &mut self.lines {
            line.chosen = self.sieve.takes(&line.whole);
        }
    }

    pub(super) fn follows(&self) -> bool {
        self.bottom.is_none()
    }

    /// Follows the end, or stays where it is.
    pub(super) fn set_follow(&mut self, follow: bool) {
        self.bottom = if follow { None } else { self.last() };
    }

    /// Lines that are chosen.
    pub(super) fn count(&self) -> usize {
        self.lines.iter().filter(|line| line.chosen).count()
    }

    /// Chosen lines below what is seen.
    pub(super) fn below(&self) -> usize {
        let Some(bottom) = self.bottom else { return 0 };
        self.lines.range(self.index(bottom + 1)..).filter(|line| line.chosen).count()
    }

    fn index(&self, number: u64) -> usize {
        usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.lines.len())
    }

    fn last(&self) -> Option<u64> {
        self.chosen_down_to(0).next().map(|(number, _)| number)
    }

    /// Chosen lines from the end up, `from` being the number of the lowest.
    fn chosen_up_from(&self, from: u64) -> impl Iterator<Item = (u64, &Line)> {
        let first = self.first;
        let upper = self.lines.range(..self.index(from.saturating_add(1)));
        upper.enumerate().rev().map(move |(at, line)| (first + at as u64, line)).filter(|(_, line)| line.chosen)
    }

    fn chosen_down_to(&self, to: u64) -> impl Iterator<Item = (u64, &Line)> {
        self.chosen_up_from(u64::MAX).take_while(move |(number, _)| *number >= to)
    }

    /// Chosen lines from there on down.
    fn chosen_from(&self, from: u64) -> impl Iterator<Item = (u64, &Line)> {
        let at = self.index(from);
        let first = self.first;
        let lower = self.lines.range(at..).enumerate();
        lower.map(move |(more, line)| (first + (at + more) as u64, line)).filter(|(_, line)| line.chosen)
    }

    /// The lines that are seen, the highest first.
    pub(super) fn seen(&self, window: Window) -> Vec<(u64, &Line)> {
        let mut lines = Vec::new();
        let mut rows = 0;
        for (number, line) in self.chosen_up_from(self.bottom.unwrap_or(u64::MAX)) {
            rows += line.rows(window, self.wrap);
            if rows > window.rows && !lines.is_empty() {
                break;
            }
            lines.push((number, line));
            if rows >= window.rows {
                break;
            }
        }
        lines.reverse();
        lines
    }

    /// The lowest line of the first windowful.
    fn first_bottom(&self, window: Window) -> Option<u64> {
        let mut rows = 0;
        let mut bottom = None;
        for (number, line) in self.chosen_from(self.first) {
            rows += line.rows(window, self.wrap);
            if rows > window.rows && bottom.is_some() {
                break;
            }
            bottom = Some(number);
        }
        bottom
    }

    /// Moves by lines; up lets go of the end, and who comes down to the end follows it again.
    pub(super) fn scroll(&mut self, by: isize, window: Window) {
        let Some(last) = self.last() else { return };
        let at = self.bottom.unwrap_or(last);
        let count = by.unsigned_abs();
        let to = if by < 0 {
            let first = self.first_bottom(window).unwrap_or(last);
            self.chosen_up_from(at).map(|(number, _)| number).take(count + 1).last().unwrap_or(at).max(first)
        } else {
            self.chosen_from(at).map(|(number, _)| number).take(count + 1).last().unwrap_or(last)
        };
        self.bottom = if to >= last && (by > 0 || self.bottom.is_none()) { None } else { Some(to) };
    }

    /// To the first line that is kept.
    pub(super) fn top(&mut self, window: Window) {
        self.bottom = self.first_bottom(window).or(self.bottom);
    }

    /// To the end, and follows it.
    pub(super) fn end(&mut self) {
        self.bottom = None;
    }

    pub(super) fn sideways(&mut self, right: bool) {
        let longest = self.lines.iter().map(Line::width).max().unwrap_or(0);
        self.left = if right { (self.left + SIDE).min(longest) } else { self.left.saturating_sub(SIDE) };
    }

    /// Looks for a text or an expression: the nearest, what is seen first, then below, then above. An empty text ends
    /// the search. Whether there is any.
    pub(super) fn search(&mut self, text: &str, window: Window) -> bool {
        text.clone_into(&mut self.searched);
        self.search = pattern(text);
        self.found = None;
        let Some(search) = self.search.clone() else { return true };
        let top = self.seen(window).first().map_or(self.first, |(number, _)| *number);
        let below = self.chosen_from(top).find(|(_, line)| line.matches(&search)).map(|(number, _)| number);
        let above = || self.chosen_up_from(top).find(|(_, line)| line.matches(&search)).map(|(number, _)| number);
        self.go_to(below.or_else(above), window)
    }

    /// The next line that matches, below or above, round the end if need be. Whether there is any.
    pub(super) fn again(&mut self, down: bool, window: Window) -> bool {
        let Some(search) = self.search.clone() else { return false };
        let fits = |(_, line): &(u64, &Line)| line.matches(&search);
        let number = |(number, _): (u64, &Line)| number;
        let at = self.found.or_else(|| self.seen(window).first().map(|(number, _)| *number)).unwrap_or(self.first);
        let found = if down {
            self.chosen_from(at + 1).find(fits).or_else(|| self.chosen_from(self.first).find(fits)).map(number)
        } else {
            let above = at.checked_sub(1).and_then(|above| self.chosen_up_from(above).find(fits));
            above.or_else(|| self.chosen_up_from(u64::MAX).find(fits)).map(number)
        };
        self.go_to(found, window)
    }

    /// Brings a line into sight, in the middle where it was out of it.
    fn go_to(&mut self, number: Option<u64>, window: Window) -> bool {
        self.found = number;
        let Some(number) = number else { return false };
        let seen = self.seen(window);
        if let (Some((top, _)), Some((bottom, _))) = (seen.first(), seen.last())
            && (*top..=*bottom).contains(&number)
        {
            self.bottom = Some(*bottom);
            return true;
        }
        let (mut bottom, mut rows) = (number, 0);
        for (below, line) in self.chosen_from(number + 1) {
            rows += line.rows(window, self.wrap);
            if rows > window.rows / 2 {
                break;
            }
            bottom = below;
        }
        self.bottom = Some(bottom.max(self.first_bottom(window).unwrap_or(bottom)));
        true
    }

    /// Where a shown text matches the search: byte ranges that begin and end between characters.
    pub(super) fn matches_in(&self, text: &str) -> Vec<(usize, usize)> {
        let Some(search) = &self.search else { return Vec::new() };
        let ranges = search.find_iter(text.as_bytes()).filter(|found| !found.is_empty());
        ranges.map(|found| (text.floor_char_boundary(found.start()), text.ceil_char_boundary(found.end()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Log, MOST, Window};

    const SMALL: Window = Window { rows: 3, columns: 40 };

    fn line(number: usize) -> String {
        let process = if number.is_multiple_of(2) { "web.1" } else { "worker.1" };
        format!("2026-11-21T03:08:15.{number:06}+00:00 app[{process}]: line {number}")
    }

    fn log(count: usize) -> Log {
        let mut log = Log::default();
        (1..=count).for_each(|number| log.push(&line(number)));
        log
    }

    fn seen(log: &Log) -> String {
        let texts = log.seen(SMALL).into_iter().map(|(_, line)| line.text.trim_start_matches("line ").to_owned());
        texts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_end_is_followed_until_one_scrolls_up_and_again_from_the_end_on() {
        let mut log = log(6);
        assert_eq!(seen(&log), "4 5 6");
        log.scroll(-1, SMALL);
        log.push(&line(7));
        assert_eq!(
            (seen(&log).as_str(), log.follows(), log.below()),
            ("3 4 5", false, 2),
            "nothing moves under the eye"
        );
        log.scroll(-100, SMALL);
        assert_eq!(seen(&log), "1 2 3", "no further than the first full window");
        log.scroll(100, SMALL);
        log.push(&line(8));
        assert_eq!((seen(&log).as_str(), log.follows()), ("6 7 8", true));
        log.set_follow(false);
        log.push(&line(9));
        assert_eq!(seen(&log), "6 7 8");
        log.top(SMALL);
        assert_eq!(seen(&log), "1 2 3");
        log.end();
        assert_eq!(seen(&log), "7 8 9");
    }

    #[test]
    fn a_focus_and_a_filter_choose_lines_and_the_place_stays() {
        let mut log = log(12);
        log.set_focus(Some("worker".into()));
        assert_eq!((seen(&log).as_str(), log.count()), ("7 9 11", 6));
        log.scroll(-1, SMALL);
        log.push(&line(13));
        assert_eq!(seen(&log), "5 7 9");
        log.set_filter("line [1-5]$");
        assert_eq!(seen(&log), "1 3 5");
        log.set_focus(None);
        log.set_filter("");
        assert_eq!(seen(&log), "7 8 9");
        log.set_filter("nothing like it");
        assert_eq!((seen(&log).as_str(), log.count()), ("", 0));
        log.scroll(-1, SMALL);
        log.top(SMALL);
        log.push(&line(14));
    }

    #[test]
    fn a_search_goes_to_the_nearest_then_down_and_up_and_round() {
        let mut log = log(30);
        assert!(log.search("line 2$", SMALL));
        assert_eq!(seen(&log), "1 2 3");
        assert!(log.search("line (9|20|28)", SMALL));
        let mut way = vec![seen(&log)];
        for down in [true, true, true, false] {
            assert!(log.again(down, SMALL));
            way.push(seen(&log));
        }
        assert_eq!(way, ["8 9 10", "19 20 21", "27 28 29", "8 9 10", "27 28 29"]);
        assert!(!log.search("nowhere", SMALL));
        assert!(log.search("", SMALL) && !log.again(true, SMALL), "an empty one ends it");
        assert!(log.search("ö.", SMALL) || log.matches_in("aöb").len() == 1, "cut between characters");
        assert_eq!(log.matches_in("aö日b"), [(1, 6)]);
    }

    #[test]
    fn ten_thousand_lines_are_kept_and_the_place_goes_with_the_oldest() {
        let mut log = log(MOST);
        log.top(SMALL);
        (MOST + 1..=MOST + 100).for_each(|number| log.push(&line(number)));
        assert_eq!(log.count(), MOST);
        log.scroll(-1, SMALL);
        assert_eq!(seen(&log), "101 102 103");
        log.clear();
        assert!(log.is_empty() && log.follows());
        log.push(&line(1));
        assert_eq!(seen(&log), "1");
    }

    #[test]
    fn wrapped_lines_take_the_rows_they_need_and_one_too_long_is_seen_all_the_same() {
        let mut log = Log { wrap: true, ..Log::default() };
        for text in ["short", &"x".repeat(59), &"y".repeat(200)] {
            log.push(&format!("2026-11-21T03:08:15.000000+00:00 app[web.1]: {text}"));
        }
        let seen =
            |log: &Log| log.seen(SMALL).iter().map(|(_, line)| line.text.chars().next().unwrap()).collect::<String>();
        assert_eq!(seen(&log), "y");
        log.scroll(-1, SMALL);
        assert_eq!(seen(&log), "sx");
        for number in 0..9 {
            log.push(&format!("2026-11-21T03:08:15.000000+00:00 app[web.1]: {number}{}", "z".repeat(40)));
        }
        log.end();
        assert!(log.search("app.web.1.: 4z", SMALL));
        assert!(seen(&log).contains('4'), "what is found is in sight: {}", seen(&log));
    }
}
