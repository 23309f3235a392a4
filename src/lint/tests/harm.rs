//! Texts that are written to do harm, or look as if: pieces that are repeated, and values that double.

use super::{File, checked, write};
use std::fmt::Write as _;
use std::time::Duration;
use tokio::time::Instant;

/// A project of any size takes less; what doubles or multiplies takes for ever.
const PATIENCE: Duration = Duration::from_secs(20);

fn project(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<File> = files
        .iter()
        .map(|(name, text)| File { name: (*name).into(), executable: *name == "start.sh", text: (*text).into() })
        .collect();
    write(folder.path(), &files);
    let began = Instant::now();
    let found = checked(folder.path());
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let shown: String = files.iter().flat_map(|file| file.text.chars().skip(9).take(50)).collect();
    assert!(began.elapsed() < PATIENCE, "{names:?}: {shown:?}: {:?}", began.elapsed());
    for finding in &found.findings {
        if let Some((file, span)) = &finding.diagnostic.place {
            assert!(file.text.get(span.clone()).is_some(), "{finding:?}");
        }
    }
    found.findings.iter().map(|one| one.rule.id.to_owned()).collect()
}

const START: &str = "FROM node:20\nWORKDIR /app\nCOPY . .\nCMD [\"./start.sh\"]\n";

#[test]
fn what_is_repeated_thousands_of_times_ends() {
    const TIMES: usize = 3_000;
    for piece in [
        "${A:-",
        "${a",
        "${A%",
        "$A",
        "$(",
        "`",
        "(",
        "{ ",
        "if ",
        "case a in ",
        "'",
        "\"",
        "[",
        "[\"",
        "<<E ",
        "\\\n",
        "a && ",
        "f() ",
        "sh -c ",
        "./start.sh;",
        "npm start;",
        "..",
        "WORKDIR a\n",
        "--from=0 ",
    ] {
        let many = piece.repeat(TIMES);
        let closed = format!("{many}x{}", "}".repeat(TIMES));
        for text in [&many, &closed] {
            project(&[("Dockerfile", &format!("FROM node:20\nENV A={text}\nCMD node $A\n"))]);
            project(&[("Dockerfile", &format!("FROM node:20\nRUN {text}\nCMD {text}\n")), (".env", "A=1\n")]);
            project(&[("Dockerfile", START), ("start.sh", &format!("#!/bin/sh\n{text}\n"))]);
        }
    }
}

#[test]
fn what_doubles_line_by_line_is_told_by_nobody() {
    const LINES: usize = 80;
    let mut values = String::from("A0=aaaaaaaa\n");
    for at in 1..LINES {
        let _ = writeln!(values, "A{at}=$A{}$A{}", at - 1, at - 1);
    }
    let dockerfile = format!("FROM node:20\n{}CMD node $A79\n", values.replace('A', "ENV A").replace("$ENV ", "$"));
    project(&[("Dockerfile", &dockerfile)]);
    project(&[("Dockerfile", START), ("start.sh", &format!("#!/bin/sh\n{values}node $A79\n"))]);
    let exported = values.replace('A', "export A").replace("$export ", "$");
    project(&[("Dockerfile", START), ("start.sh", &format!("#!/bin/sh\n{exported}node $A79\n"))]);
}

#[test]
fn what_starts_itself_many_times_is_followed_once() {
    let many = "npm start;".repeat(300);
    let package = format!("{{\"scripts\": {{\"start\": \"{many}./start.sh\"}}}}");
    let script = format!("#!/bin/sh\n{}uvicorn app:app --host 0.0.0.0\n", "npm start\n./start.sh\n".repeat(300));
    let found = project(&[("Dockerfile", START), ("package.json", &package), ("start.sh", &script)]);
    assert!(found.contains(&"D002".to_owned()), "the end of it is still seen: {found:?}");
    let mut stages = String::from("FROM a AS s0\n");
    for at in 1..8 {
        let _ = write!(stages, "FROM a AS s{at}\n{}", copies(at));
    }
    project(&[("Dockerfile", &format!("{stages}CMD [\"./start.sh\"]\n"))]);
}

fn copies(at: usize) -> String {
    format!("COPY --from={} / /\n", at - 1).repeat(50)
}
