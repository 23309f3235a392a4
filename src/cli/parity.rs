//! `dynosim parity`: which rules of Heroku's this version keeps, on which engine, and what proves it.

use super::args::Parity;
use super::printer::Printer;
use super::topics::wrapped;
use crate::model::exit_code::ExitCode as Code;
use crate::model::parity::{self, Chapter, Engine, Rule};
use serde_json::{Value, json};
use std::process::ExitCode;

/// `engine` is that of the command line: of one that is named, only its column is shown.
pub(super) fn run(printer: Printer, args: &Parity, engine: Option<&str>) -> ExitCode {
    let engines = match engine {
        None => Engine::ALL,
        Some("native") => &[Engine::Native],
        // Whatever else can be named speaks Docker's API.
        Some(_) => &[Engine::Docker],
    };
    for asked in &args.rules {
        if !parity::all().any(|rule| rule.is_asked(asked)) {
            let help = "rules are named as R5.2, R13#4, H12, L11, A3 or http/2; `dynosim parity` lists all";
            printer.error(&format!("there is no rule `{asked}`"), Some(help));
            return super::code(Code::Usage);
        }
    }
    let wanted = |rule: &&Rule| args.rules.is_empty() || args.rules.iter().any(|asked| rule.is_asked(asked));
    if printer.json {
        let rules: Vec<Value> = parity::CHAPTERS
            .iter()
            .flat_map(|chapter| chapter.rules.iter().filter(wanted).map(|rule| object(chapter, rule, engines)))
            .collect();
        printer.out(&json!(rules).to_string());
    } else if args.rules.is_empty() {
        list(printer, engines);
    } else {
        for (number, rule) in parity::all().filter(wanted).enumerate() {
            if number > 0 {
                printer.out("");
            }
            detail(printer, rule, engines);
        }
    }
    super::code(Code::Ok)
}

/// All rules, a line or two each, and the sums.
fn list(printer: Printer, engines: &[Engine]) {
    let width = parity::all().map(|rule| rule.id.chars().count()).max().unwrap_or(0);
    let columns = engines.iter().map(|engine| format!("  {:<11}", engine.word())).collect::<Vec<_>>().concat();
    printer.out(&bold(printer, format!("{:<width$}{columns}  what Heroku does", "rule").as_str()));
    printer.out("");
    for chapter in parity::CHAPTERS.iter() {
        printer.out(&bold(printer, chapter.name));
        for rule in chapter.rules {
            let kept =
                engines.iter().map(|engine| format!("  {:<11}", rule.on(*engine).word())).collect::<Vec<_>>().concat();
            let head = format!("{:<width$}{kept}  ", rule.id);
            printer.out_all(&wrapped(&said(rule, engines), &head, &" ".repeat(head.chars().count())));
        }
        printer.out("");
    }
    for engine in engines {
        let of = |word: &str| parity::all().filter(|rule| rule.on(*engine).word() == word).count();
        printer.out(&format!(
            "dynosim {} on {}: {} rules exact, {} approximate, {} absent",
            env!("CARGO_PKG_VERSION"),
            engine.word(),
            of("exact"),
            of("approximate"),
            of("absent")
        ));
    }
    printer.out("`dynosim parity R5.2` shows one with its source and the tests that prove it");
}

/// The rule, what is to be added to it, and what differs where.
fn said(rule: &Rule, engines: &[Engine]) -> String {
    let mut text = rule.heroku.to_owned();
    let mut told = Vec::from_iter((!rule.note.is_empty()).then_some(rule.note));
    for engine in engines {
        let sentence = rule.on(*engine).sentence();
        if !sentence.is_empty() && !told.contains(&sentence) {
            told.push(sentence);
        }
    }
    for one in told {
        text.push_str(" — ");
        text.push_str(one);
    }
    text
}

/// One rule with all that is known of it.
fn detail(printer: Printer, rule: &Rule, engines: &[Engine]) {
    printer.out_all(&wrapped(rule.heroku, &format!("{}  ", bold(printer, rule.id)), "  "));
    let row = |name: &str, text: &str| printer.out_all(&wrapped(text, &format!("  {name:<8} "), &" ".repeat(11)));
    for engine in engines {
        let (word, sentence) = (rule.on(*engine).word(), rule.on(*engine).sentence());
        row(engine.word(), &if sentence.is_empty() { word.to_owned() } else { format!("{word}: {sentence}") });
    }
    if !rule.note.is_empty() {
        row("note", rule.note);
    }
    row("source", rule.source);
    for (number, test) in rule.tests.iter().enumerate() {
        row(if number == 0 { "tests" } else { "" }, test);
    }
    if rule.tests.is_empty() {
        row("tests", "none");
    }
}

fn object(chapter: &Chapter, rule: &Rule, engines: &[Engine]) -> Value {
    let on = |engine: &Engine| {
        let kept = rule.on(*engine);
        (engine.word().to_owned(), json!({"kept": kept.word(), "differs": kept.sentence()}))
    };
    let engines: serde_json::Map<String, Value> = engines.iter().map(on).collect();
    json!({
        "id": rule.id,
        "ids": rule.ids(),
        "chapter": chapter.name,
        "heroku": rule.heroku,
        "note": rule.note,
        "engines": engines,
        "source": rule.source,
        "tests": rule.tests,
    })
}

fn bold(printer: Printer, text: &str) -> String {
    if printer.out_colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}
