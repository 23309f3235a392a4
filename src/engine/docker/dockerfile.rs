//! Finds the line of a Dockerfile that a build step came from.

/// An instruction: its first line, from 1, and its text on one line.
#[derive(Debug, PartialEq, Eq)]
struct Instruction {
    line: usize,
    text: String,
}

/// The line of the step that BuildKit names `[2/5] RUN pip install …`.
pub(super) fn line_of_step(dockerfile: &str, step: &str) -> Option<usize> {
    let wanted = collapse(step.rsplit_once("] ").map_or(step, |(_, text)| text));
    let instructions = instructions(dockerfile);
    if let Some(image) = wanted.strip_prefix("load metadata for ") {
        return line_of_image(&instructions, image);
    }
    let exact = instructions.iter().find(|one| same_text(&one.text, &wanted));
    // Variables are replaced in the step's name, so only the beginning may be equal.
    let alike = || {
        let common = |one: &&Instruction| common_start(&one.text, &wanted);
        instructions.iter().filter(|one| common(one) > 8).max_by_key(common)
    };
    exact.or_else(alike).map(|one| one.line)
}

/// The line of the n-th instruction, from 1, as the classic builder counts them.
pub(super) fn line_of_instruction(dockerfile: &str, number: usize) -> Option<usize> {
    instructions(dockerfile).get(number.checked_sub(1)?).map(|one| one.line)
}

/// The line that a parse error names.
pub(super) fn line_in_message(message: &str) -> Option<usize> {
    let lower = message.to_ascii_lowercase();
    let at = lower.find("parse error").map(|at| &lower[at..])?;
    let rest = at.split("line ").nth(1)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// BuildKit names an image in full; a Dockerfile seldom does.
fn line_of_image(instructions: &[Instruction], image: &str) -> Option<usize> {
    let short = image.trim_start_matches("docker.io/").trim_start_matches("library/").trim_end_matches(":latest");
    let names = |one: &&Instruction| one.text.split_whitespace().skip(1).any(|word| word.contains(short));
    instructions.iter().find(names).map(|one| one.line)
}

fn same_text(instruction: &str, wanted: &str) -> bool {
    let strip = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect::<String>();
    strip(instruction).eq_ignore_ascii_case(&strip(wanted))
}

fn common_start(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
}

fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn instructions(dockerfile: &str) -> Vec<Instruction> {
    let read = crate::dockerfile::read(dockerfile).instructions;
    read.into_iter().map(|one| Instruction { line: one.line, text: collapse(&one.whole()) }).collect()
}

#[cfg(test)]
mod tests {
    use super::{line_in_message, line_of_instruction, line_of_step};

    const DOCKERFILE: &str = "# syntax=docker/dockerfile:1\nFROM debian AS base\n\n# tools\nRUN apt-get update \\\n \
        # a comment inside\n && apt-get install -y curl\nCOPY <<EOF /x\nRUN not an instruction\nEOF\nARG V\nRUN false\nRUN echo $V\n";

    #[test]
    fn a_step_leads_to_the_first_line_of_its_instruction() {
        let line = |step| line_of_step(DOCKERFILE, step);
        assert_eq!(line("[2/4] RUN apt-get update  && apt-get install -y curl"), Some(5));
        assert_eq!(line("[base 3/4] RUN false"), Some(12));
        assert_eq!(line("[4/4] RUN echo ${V}"), Some(13));
        assert_eq!(line("[internal] load metadata for docker.io/library/debian:latest"), Some(2));
        assert_eq!(line("exporting to image"), None);
    }

    #[test]
    fn classic_steps_are_counted() {
        assert_eq!(line_of_instruction(DOCKERFILE, 5), Some(12));
        assert_eq!(line_of_instruction(DOCKERFILE, 0), None);
    }

    #[test]
    fn a_parse_error_names_its_line() {
        assert_eq!(
            line_in_message("failed to solve: dockerfile parse error line 3: unknown instruction: RUNN"),
            Some(3)
        );
        assert_eq!(line_in_message("Dockerfile parse error on line 12: x"), Some(12));
        assert_eq!(line_in_message("exit code: 1 line 4"), None);
    }
}
