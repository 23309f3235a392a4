//! Codes and rules of `check`, explained: the list of all, and each with what is known of it.

use super::printer::Printer;
use crate::lint::{self, Rule};
use crate::manifest::similar;
use crate::model::guide::{self, Topic};
use serde_json::{Value, json};

/// Lines are no longer than this.
const WIDTH: usize = 100;

/// Every code and rule with its name.
fn all() -> Vec<(&'static str, &'static str)> {
    let codes = guide::all().map(|topic| (topic.code, topic.title));
    codes.chain(lint::RULES.iter().map(|rule| (rule.id, rule.name))).collect()
}

/// All of them.
pub(super) fn list(printer: Printer) {
    if printer.json {
        let all: Vec<Value> = all().iter().map(|(code, title)| json!({"code": code, "title": title})).collect();
        printer.out(&json!(all).to_string());
        return;
    }
    for (code, title) in all() {
        printer.out(&format!("{code:<5} {title}"));
    }
    printer.out("");
    printer.out("`dynosim explain H12` explains one; `dynosim explain web` shows what a process type will run.");
}

/// One code: what it means, what usually causes it, how to see it here, who says so.
pub(super) fn show(printer: Printer, topic: &Topic) {
    if printer.json {
        let all = json!({
            "code": topic.code, "title": topic.title, "means": topic.means, "causes": topic.causes, "here": topic.here,
            "source": topic.source,
        });
        printer.out(&all.to_string());
        return;
    }
    let heading = |text: &str| if printer.out_colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() };
    printer.out(&heading(&format!("{} {}", topic.code, topic.title)));
    printer.out_all(&wrapped(topic.means, "  ", "  "));
    printer.out(&heading("usually"));
    for cause in topic.causes {
        printer.out_all(&wrapped(cause, "  - ", "    "));
    }
    printer.out(&heading("here"));
    printer.out_all(&wrapped(topic.here, "  ", "  "));
    printer.out(&heading("source"));
    printer.out(&format!("  {}", topic.source));
}

/// One rule of `check`.
pub(super) fn show_rule(printer: Printer, rule: &Rule) {
    if printer.json {
        let all = json!({
            "code": rule.id, "title": rule.name, "means": rule.summary, "explanation": rule.explanation,
            "wrong": rule.wrong, "right": rule.right, "source": rule.source,
        });
        printer.out(&all.to_string());
        return;
    }
    printer.out(rule.text().trim_end());
}

/// What somebody may have meant who asked for a code that is not there.
pub(super) fn suggestion(word: &str) -> String {
    let codes: Vec<String> = all().iter().map(|(code, _)| code.to_ascii_lowercase()).collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    // Rather another number than another letter.
    let letter = word.to_ascii_lowercase().chars().next();
    let kin: Vec<&str> = codes.iter().copied().filter(|code| code.chars().next() == letter).collect();
    match similar(word, &kin).or_else(|| similar(word, &codes)) {
        Some(code) => format!("did you mean `{}`? `dynosim explain` lists all codes", code.to_ascii_uppercase()),
        None => "`dynosim explain` lists all codes".into(),
    }
}

/// Text in lines of [`WIDTH`] at most; the first begins with `first`, the others with `rest`.
pub(super) fn wrapped(text: &str, first: &str, rest: &str) -> Vec<String> {
    let mut lines = vec![first.to_owned()];
    let mut fresh = true;
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if !fresh && line + 1 + word.chars().count() > WIDTH {
            lines.push(format!("{rest}{word}"));
        } else if let Some(line) = lines.last_mut() {
            if !fresh {
                line.push(' ');
            }
            line.push_str(word);
        }
        fresh = false;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, suggestion, wrapped};

    #[test]
    fn a_slip_is_told_what_was_meant() {
        assert_eq!(suggestion("H122"), "did you mean `H12`? `dynosim explain` lists all codes");
        assert_eq!(suggestion("R111"), "did you mean `R10`? `dynosim explain` lists all codes");
        assert_eq!(suggestion("Z777"), "`dynosim explain` lists all codes");
    }

    #[test]
    fn long_text_is_wrapped_between_words_and_none_is_lost() {
        let text = "word ".repeat(60) + &"x".repeat(120);
        let lines = wrapped(&text, "  - ", "    ");
        assert!(lines.iter().all(|line| line.len() <= WIDTH || line.trim() == "x".repeat(120)), "{lines:?}");
        let back: Vec<&str> =
            lines.iter().flat_map(|line| line.trim_start_matches("  - ").split_whitespace()).collect();
        assert_eq!(back.join(" "), text);
    }
}
