//! `explain CODE` and `parity`: what needs neither a project nor an engine.

use crate::harness::Project;
use serde_json::Value;

#[test]
fn codes_are_explained_with_four_parts_in_the_order_asked_for() {
    let project = Project::empty("nothing");
    let told = project.run(&["explain", "H12", "r10"]);
    told.expect_code(0);
    let [first, second] = ["H12 Request timeout\n", "R10 Boot timeout\n"].map(|title| told.out.find(title).unwrap());
    assert!(first < second, "{}", told.out);
    for part in ["usually\n", "here\n", "source\n", "https://devcenter.heroku.com/articles/request-timeout"] {
        told.expect_out(part);
    }
    assert!(told.out.lines().all(|line| line.chars().count() <= 110), "{}", told.out);
}

#[test]
fn without_an_argument_every_code_is_listed() {
    let listed = Project::empty("nothing").run(&["explain"]);
    listed.expect_code(0);
    for line in ["H10   App crashed", "R15   Memory quota vastly exceeded", "L11   Tail buffer overflow"] {
        listed.expect_out(line);
    }
}

#[test]
fn every_rule_of_check_is_listed_and_explained_by_its_code_and_by_its_name() {
    let project = Project::empty("nothing");
    project.run(&["explain"]).expect_code(0).expect_out("D014  shell-without-exec");
    for word in ["D014", "d014", "shell-without-exec"] {
        project.run(&["explain", word]).expect_code(0).expect_out("D014 shell-without-exec").expect_out("exec");
    }
    project.run(&["explain", "D999"]).expect_code(2).expect_err("there is no code `D999`");
}

#[test]
fn a_slip_in_a_code_is_told_what_was_meant_and_nothing_else_is_shown() {
    let slip = Project::empty("nothing").run(&["explain", "H12", "R111"]);
    slip.expect_code(2).expect_err("there is no code `R111`").expect_err("did you mean `R10`?");
    assert_eq!(slip.out, "");
    Project::empty("nothing").run(&["explain", "a b"]).expect_code(2).expect_err("neither a code nor a process type");
}

#[test]
fn explanations_are_objects_for_programs() {
    let told = Project::empty("nothing").run(&["explain", "--json", "H14", "L12"]);
    let objects: Vec<Value> = told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0]["code"], "H14");
    assert!(objects.iter().all(|topic| topic["causes"].as_array().is_some_and(|causes| !causes.is_empty())));
}

#[test]
fn a_word_that_is_no_code_is_told_so_where_no_app_is() {
    let nowhere = Project::empty("nothing").run(&["explain", "nonsense"]);
    nowhere.expect_code(2).expect_err("there is no code `nonsense`").expect_err("lists all codes");
}

#[test]
fn parity_lists_every_rule_and_its_sums() {
    let all = Project::empty("nothing").run(&["parity"]);
    all.expect_code(0).expect_out("Images and command lines").expect_out("H. HTTP/2").expect_out(" rules exact, ");
    let heading = all.out.lines().next().unwrap();
    assert_eq!(heading.split_whitespace().take(3).collect::<Vec<_>>(), ["rule", "docker", "native"], "{heading}");
    let native = Project::empty("nothing").run(&["parity", "--engine", "native"]);
    native.expect_code(0).expect_out(" on native: ");
    assert!(!native.out.lines().next().unwrap().contains("docker") && !native.out.contains(" on docker: "));
}

#[test]
fn parity_shows_one_rule_with_source_and_proof() {
    let project = Project::empty("nothing");
    let rule = project.run(&["parity", "R5.5"]);
    rule.expect_code(0).expect_out("approximate: ").expect_out("source ").expect_out("r5_5_backoff_ladder");
    let both = project.run(&["parity", "--json", "R5.4", "H12"]);
    let rules: Value = serde_json::from_str(&both.out).unwrap();
    let rules = rules.as_array().unwrap();
    assert!(rules.iter().all(|rule| ["R5.4", "H12", "F1 H12"].contains(&rule["id"].as_str().unwrap())), "{rules:?}");
    assert!(rules.iter().any(|rule| rule["engines"]["docker"]["kept"] == "exact"));
    project.run(&["parity", "R77"]).expect_code(2).expect_err("there is no rule `R77`");
}
