//! The `dynosim` command: arguments in, exit code out. Everything else is the library's.

use std::process::ExitCode;

fn main() -> ExitCode {
    dynosim::cli::run(std::env::args_os())
}
