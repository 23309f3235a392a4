//! What the reader makes of files, against BuildKit's rules and against another parser.

use super::{Base, Form, Vars, expand, names, read};
use proptest::prelude::*;

fn keywords(text: &str) -> Vec<(usize, String)> {
    read(text).instructions.into_iter().map(|one| (one.line, one.keyword)).collect()
}

#[test]
fn lines_go_on_over_comments_and_empty_lines_and_places_lead_back() {
    let text = "FROM debian AS base\n\n# tools\nrun apt-get update \\\n  # inside\n\n && apt-get install -y \\  \n    curl\nCMD x\n";
    let file = read(text);
    assert_eq!(keywords(text), [(1, "FROM".into()), (4, "RUN".into()), (9, "CMD".into())]);
    let run = &file.instructions[1];
    assert_eq!(run.rest(), "apt-get update && apt-get install -y curl");
    assert_eq!(run.shown(), "RUN apt-get update && apt-get install -y…");
    let at = run.body().find("curl").unwrap();
    assert_eq!(&text[run.body_span(at..at + 4)], "curl");
    assert!(file.faults.is_empty());
}

#[test]
fn an_escaped_backslash_does_not_go_on_and_a_directive_names_another_character() {
    assert_eq!(keywords("FROM a\nRUN echo \\\\\nCMD b\n").len(), 3);
    let file = read("# escape=`\n# syntax=docker/dockerfile:1\nFROM a\nRUN echo `\n  C:\\\nCMD b\n");
    assert_eq!((file.escape, file.directives.len()), ('`', 2));
    assert_eq!(file.instructions[1].rest(), "echo C:\\");
    assert_eq!(read("# a comment\n# escape=`\nFROM a\n").escape, '\\', "after a comment, it is one");
}

#[test]
fn here_documents_belong_to_the_instruction_that_opens_them() {
    let text = "FROM a\nRUN <<EOF cat\nFROM not\nEOF\nCOPY <<-'A' <<B /x/\n\tone\n\tA\ntwo\nB\nRUN echo \"<<EOF\" <<<x\nCMD c\n";
    let file = read(text);
    let found: Vec<&str> = file.instructions.iter().map(|one| one.keyword.as_str()).collect();
    assert_eq!(found, ["FROM", "RUN", "COPY", "RUN", "CMD"]);
    let copy = &file.instructions[2];
    assert_eq!(&text[copy.heredocs[0].span.clone()], "\tone\n");
    assert!(!copy.heredocs[0].expands && copy.heredocs[1].expands);
    let open = read("FROM a\nRUN <<EOF\nno end\n");
    assert!(open.faults[0].title.contains("`EOF` has no end"));
}

#[test]
fn the_two_forms_are_told_apart_and_bad_json_is_the_shell_s() {
    let text = "FROM a\nCMD [\"node\", \"a \\\"b\\\".js\"]\nCMD ['node']\nCMD node a.js\n";
    let file = read(text);
    let Form::Exec(words) = file.instructions[1].form() else { panic!() };
    assert_eq!(words[1].text, "a \"b\".js");
    assert_eq!(&text[words[1].span.clone()], "a \\\"b\\\".js");
    assert!(matches!(file.instructions[2].form(), Form::Shell(_)));
    let Form::Shell(word) = file.instructions[3].form() else { panic!() };
    assert_eq!(&text[word.span], "node a.js");
}

#[test]
fn assignments_flags_and_variables_are_read_as_the_builder_reads_them() {
    let text = "FROM a\nENV A=1 B=\"two words\" C=$A\nENV OLD way of it\nARG X\nCOPY --chown=node --link a b /c/\n";
    let file = read(text);
    let pairs: Vec<_> =
        file.instructions[1].pairs().into_iter().map(|p| (p.name.text, p.value.unwrap().text)).collect();
    assert_eq!(pairs, [("A", "1"), ("B", "\"two words\""), ("C", "$A")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(file.instructions[2].pairs()[0].value.as_ref().unwrap().text, "way of it");
    assert!(file.instructions[3].pairs()[0].value.is_none());
    let copy = &file.instructions[4];
    assert_eq!((copy.flag("chown").unwrap().value.as_str(), copy.paths().unwrap().len()), ("node", 3));
    let vars = Vars::from([("A".into(), Some("1".into())), ("N".into(), None)]);
    for (text, expected) in [
        ("$A", Ok("1")),
        ("${A}b", Ok("1b")),
        ("\"$A x\"", Ok("1 x")),
        ("'$A'", Ok("$A")),
        ("\\$A", Ok("$A")),
        ("${B:-x$A}", Ok("x1")),
        ("${A:+y}", Ok("y")),
        ("$", Ok("$")),
        ("$N", Err("N")),
        ("${A%x}", Err("A")),
        ("$Z", Err("Z")),
    ] {
        assert_eq!(expand(text, &vars, '\\'), expected.map(str::to_owned).map_err(str::to_owned), "{text}");
    }
    assert_eq!(names("$A ${B:-$C} \\$D $1 ${E"), ["A", "B", "C"]);
}

#[test]
fn what_nests_or_grows_without_end_is_told_by_nobody() {
    let nested = |depth: usize| format!("{}x{}", "${B:-".repeat(depth), "}".repeat(depth));
    let vars = Vars::from([("A".into(), Some("a".repeat(3000)))]);
    assert_eq!(expand(&nested(5), &vars, '\\'), Ok("x".into()));
    assert_eq!(expand(&nested(100_000), &vars, '\\'), Err("B".into()));
    assert_eq!(names(&nested(100_000)), ["B"]);
    assert!(expand(&"${a".repeat(100_000), &vars, '\\').is_ok());
    assert_eq!(expand("$A$A", &vars, '\\'), Err("A".into()));
    assert_eq!(expand(&"x".repeat(9000), &vars, '\\').unwrap().len(), 9000);
}

#[test]
fn the_chain_of_an_image_follows_named_stages_down_to_a_base() {
    let text = "ARG V=3.11\nARG W\nFROM python:$V AS base\nFROM base AS build\nFROM ${W} AS odd\nFROM base\nCMD x\n";
    let file = read(text);
    let stages = file.stages(&Vars::new());
    assert_eq!(file.chain(&stages, 3), (vec![0, 3], Base::Image("python:3.11".into())));
    assert_eq!(file.chain(&stages, 2), (vec![2], Base::Unknown));
    assert_eq!(file.target(&stages, Some("BUILD")), Some(1));
    assert_eq!(file.target(&stages, Some("0")), Some(0));
    assert_eq!(file.target(&stages, Some("nope")), None);
    let given = Vars::from([("V".to_owned(), Some("3.12".to_owned()))]);
    assert_eq!(file.stages(&given)[0].base.as_deref(), Some("python:3.12"));
}

#[test]
fn what_the_builder_refuses_is_a_fault_with_its_place() {
    for (text, part, at) in [
        ("FROM a\nRUNN x\n", "`RUNN` is not an instruction", "RUNN"),
        ("RUN x\nFROM a\n", "before the first FROM", "RUN"),
        ("# only\n", "has no FROM", ""),
        ("# escape=x\nFROM a\n", "escape character", "# escape=x"),
        ("FROM a\nCMD ['x']\n", "the list of CMD is no JSON", "CMD ['x']"),
        ("FROM a\nENTRYPOINT [“x”]\n", "the list of ENTRYPOINT is no JSON", "ENTRYPOINT [“x”]"),
        ("FROM a\nENV A=1 \\\n B\n", "ENV gives `B` no value", "ENV A=1 \\\n B"),
        ("FROM a\nSHELL bash\n", "SHELL takes a JSON list", "SHELL bash"),
        ("FROM a\nHEALTHCHECK true\n", "HEALTHCHECK takes", "HEALTHCHECK true"),
        ("FROM a\nEXPOSE\n", "EXPOSE is given nothing", "EXPOSE"),
    ] {
        let file = read(text);
        assert_eq!(file.faults.len(), 1, "{text}");
        assert!(file.faults[0].title.contains(part), "{:?}", file.faults);
        assert_eq!(&text[file.faults[0].span.clone()], at);
    }
    assert!(read("# syntax=my/frontend\nFROM a\nINCLUDE x\n").faults.is_empty(), "another program reads it");
}

fn inside(text: &str) -> Result<(), TestCaseError> {
    let file = read(text);
    let mut spans: Vec<_> = file.faults.iter().map(|fault| fault.span.clone()).collect();
    for one in &file.instructions {
        spans.extend([one.span.clone(), one.keyword_span.clone()]);
        spans.extend(one.flags.iter().map(|flag| flag.span.clone()));
        spans.extend(one.heredocs.iter().map(|heredoc| heredoc.span.clone()));
        spans.extend(one.plain_words().into_iter().map(|word| word.span));
        spans.extend(one.paths().into_iter().flatten().map(|word| word.span));
        for pair in one.pairs() {
            spans.push(pair.name.span);
            spans.extend(pair.value.map(|value| value.span));
        }
        match one.form() {
            Form::Exec(words) => spans.extend(words.into_iter().map(|word| word.span)),
            Form::Shell(word) => spans.push(word.span),
        }
        let _ = (one.shown(), one.whole(), names(one.body()), expand(one.body(), &Vars::new(), file.escape));
    }
    let stages = file.stages(&Vars::new());
    for at in 0..stages.len() {
        file.chain(&stages, at);
    }
    for span in spans {
        prop_assert!(text.get(span.clone()).is_some(), "{span:?} of {text:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_file_panics_and_every_place_is_inside(text in any::<String>()) {
        inside(&text)?;
    }

    #[test]
    fn no_soup_of_signs_panics(text in "(FROM|RUN|COPY|ENV|CMD|ARG|[a\"'\\\\`#=<$\\{\\}\\[\\], \n\r\té-]){0,60}") {
        inside(&text)?;
    }

    /// Files that another parser of Dockerfiles takes are cut at the same places here.
    #[test]
    fn instructions_begin_where_another_parser_sees_them(lines in prop::collection::vec(
        "(RUN|run|CMD|WORKDIR|USER) [a-z/. =\"]{1,8}( \\\\\n(# note\n|\n)?  [a-z]{1,4})?|# [a-z]{1,5}||RUN <<E\n(FROM x|#y)\nE", 0..8)) {
        let text = format!("FROM a\n{}\n", lines.join("\n"));
        if let Ok(other) = parse_dockerfile::parse(&text) {
            let file = read(&text);
            prop_assert_eq!(other.instructions.len(), file.instructions.len(), "{}", text);
            for (theirs, ours) in other.instructions.iter().zip(&file.instructions) {
                let shown = format!("{theirs:?}");
                let kind: String = shown.chars().take_while(char::is_ascii_alphabetic).collect();
                prop_assert_eq!(kind.to_ascii_uppercase(), ours.keyword.clone(), "{}", text);
                prop_assert!(shown.contains(&format!("span: {}..{}", ours.keyword_span.start, ours.keyword_span.end)), "{}\n{}", text, shown);
            }
        }
    }
}
