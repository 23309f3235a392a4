//! Completion scripts. Commands here have colons in their names, at which bash cuts words.

use clap::Command;
use clap_complete::{Shell, generate};
use std::io::Write;

/// Puts words that bash cut at colons together again, asks for completions, and cuts the answers as bash wants them.
const BASH_COLONS: &str = r#"
_dynosim_colons() {
    local i joined="" index=0 words=() place=0
    for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
        if ((i > 0)) && [[ ${COMP_WORDS[i]} == :* || $joined == *: ]]; then
            joined+="${COMP_WORDS[i]}"
            words[index]="$joined"
        else
            ((i > 0)) && ((index += 1))
            joined="${COMP_WORDS[i]}"
            words[index]="$joined"
        fi
        ((i == COMP_CWORD)) && place=$index
    done
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$place
    local whole="${COMP_WORDS[COMP_CWORD]}"
    _dynosim "$1" "$whole" "${COMP_WORDS[COMP_CWORD-1]}"
    if [[ $whole == *:* && $COMP_WORDBREAKS == *:* ]]; then
        local before="${whole%:*}:"
        COMPREPLY=("${COMPREPLY[@]#"$before"}")
    fi
}
complete -F _dynosim_colons -o nosort -o bashdefault -o default dynosim
"#;

/// Writes the script for a shell.
pub(super) fn write(shell: Shell, command: &mut Command, out: &mut dyn Write) {
    let mut script = Vec::new();
    generate(shell, command, "dynosim", &mut script);
    if shell == Shell::Bash {
        script.extend_from_slice(BASH_COLONS.as_bytes());
    }
    // Nobody can be told that stdout is gone.
    let _ = out.write_all(&script);
}

#[cfg(test)]
mod tests {
    use super::write;
    use crate::cli::args::Cli;
    use clap::CommandFactory;
    use clap_complete::Shell;
    use std::process::Command;

    /// What bash would offer after these words, the last of them unfinished.
    fn offered(words: &str) -> Option<Vec<String>> {
        let mut script = Vec::new();
        write(Shell::Bash, &mut Cli::command(), &mut script);
        let script = String::from_utf8(script).unwrap();
        let count = words.split(' ').count();
        let ask = format!(
            "{script}\nCOMP_WORDS=({words})\nCOMP_CWORD={}\nCOMP_WORDBREAKS=' :='\n_dynosim_colons dynosim\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
            count - 1
        );
        let output = Command::new("bash").args(["--norc", "-c", &ask]).output().ok()?;
        let text = String::from_utf8(output.stdout).unwrap();
        Some(text.lines().map(str::to_owned).collect())
    }

    #[test]
    fn bash_completes_commands_with_colons_and_their_options() {
        let Some(types) = offered("dynosim ps : s") else { return };
        assert!(types.contains(&"scale".to_owned()) && types.contains(&"stop".to_owned()), "{types:?}");
        assert!(offered("dynosim mainten").unwrap().contains(&"maintenance".to_owned()));
        let options = offered("dynosim ps : wait --t").unwrap();
        assert_eq!(options, ["--timeout"]);
        assert!(offered("dynosim config :").unwrap().contains(&"set".to_owned()));
    }
}
