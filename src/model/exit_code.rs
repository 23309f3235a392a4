//! dynosim's own exit codes: the same everywhere, documented in the README.

/// What the command returns to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// All went well.
    Ok = 0,
    /// The command failed (`run` passes the dyno's own status instead).
    Failed = 1,
    /// Wrong usage, or a project that cannot be read.
    Usage = 2,
    /// An image failed to build.
    Build = 3,
    /// The release phase failed.
    Release = 4,
    /// A dyno did not boot (for `--wait` and tests).
    Boot = 5,
    /// No container engine answers.
    Engine = 6,
    /// A check gate was not passed.
    Check = 7,
    /// A push or its verification was refused or failed.
    Push = 8,
    /// A time limit that was asked for ran out.
    TimeLimit = 124,
    /// Interrupted, after a clean stop.
    Interrupted = 130,
}
