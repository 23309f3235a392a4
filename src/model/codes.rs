//! The H and R codes that dynosim can produce: number, title, HTTP status. The only table of them.

/// A routing error (§2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum H {
    /// App crashed
    H10,
    /// Backlog too deep
    H11,
    /// Request timeout
    H12,
    /// Connection closed without response
    H13,
    /// No web processes running
    H14,
    /// Idle connection
    H15,
    /// Poorly formatted HTTP response
    H17,
    /// Server Request Interrupted
    H18,
    /// Backend connection timeout
    H19,
    /// App boot timeout
    H20,
    /// Backend connection refused
    H21,
    /// Connection limit reached
    H22,
    /// Forced close
    H24,
    /// HTTP restriction (the description says which)
    H25,
    /// Request Error (legacy router only)
    H26,
    /// Client Request Interrupted
    H27,
    /// Client Connection Idle
    H28,
    /// All up dynos are quarantined (by option)
    H34,
    /// Maintenance mode
    H80,
    /// Blank app
    H81,
    /// Platform error
    H99,
}

impl H {
    /// All of them, in order.
    pub const ALL: [H; 21] = [
        H::H10,
        H::H11,
        H::H12,
        H::H13,
        H::H14,
        H::H15,
        H::H17,
        H::H18,
        H::H19,
        H::H20,
        H::H21,
        H::H22,
        H::H24,
        H::H25,
        H::H26,
        H::H27,
        H::H28,
        H::H34,
        H::H80,
        H::H81,
        H::H99,
    ];

    /// `H12`.
    pub fn code(self) -> &'static str {
        self.row().0
    }

    /// The `desc` of the log line.
    pub fn title(self) -> &'static str {
        self.row().1
    }

    /// The status the client gets; 499 stands in the log only, 0 is an empty field (H24).
    pub fn status(self) -> u16 {
        self.row().2
    }

    fn row(self) -> (&'static str, &'static str, u16) {
        match self {
            H::H10 => ("H10", "App crashed", 503),
            H::H11 => ("H11", "Backlog too deep", 503),
            H::H12 => ("H12", "Request timeout", 503),
            H::H13 => ("H13", "Connection closed without response", 503),
            H::H14 => ("H14", "No web processes running", 503),
            H::H15 => ("H15", "Idle connection", 503),
            H::H17 => ("H17", "Poorly formatted HTTP response", 503),
            H::H18 => ("H18", "Server Request Interrupted", 503),
            H::H19 => ("H19", "Backend connection timeout", 503),
            H::H20 => ("H20", "App boot timeout", 503),
            H::H21 => ("H21", "Backend connection refused", 503),
            H::H22 => ("H22", "Connection limit reached", 503),
            H::H24 => ("H24", "Forced close", 0),
            H::H25 => ("H25", "HTTP restriction", 502),
            H::H26 => ("H26", "Request Error", 400),
            H::H27 => ("H27", "Client Request Interrupted", 499),
            H::H28 => ("H28", "Client Connection Idle", 499),
            H::H34 => ("H34", "All up dynos are quarantined", 503),
            H::H80 => ("H80", "Maintenance mode", 503),
            H::H81 => ("H81", "Blank app", 502),
            H::H99 => ("H99", "Platform error", 503),
        }
    }
}

/// A dyno error (R6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum R {
    /// Boot timeout
    R10,
    /// Exit timeout
    R12,
    /// Memory quota exceeded
    R14,
    /// Memory quota vastly exceeded
    R15,
}

impl R {
    /// All of them, in order.
    pub const ALL: [R; 4] = [R::R10, R::R12, R::R14, R::R15];

    /// `R10`.
    pub fn code(self) -> &'static str {
        match self {
            R::R10 => "R10",
            R::R12 => "R12",
            R::R14 => "R14",
            R::R15 => "R15",
        }
    }

    /// The message after `heroku[web.1]: ` (R6.1). R10 and R12 name the limits that were in force.
    pub fn line(self, limit: std::time::Duration) -> String {
        let seconds = limit.as_secs_f64();
        match self {
            R::R10 => format!(
                "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within {seconds} seconds of launch"
            ),
            R::R12 => format!(
                "Error R12 (Exit timeout) -> At least one process failed to exit within {seconds} seconds of SIGTERM"
            ),
            R::R14 => "Error R14 (Memory quota exceeded)".into(),
            R::R15 => "Error R15 (Memory quota vastly exceeded)".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::R;
    use crate::model::limits;

    #[test]
    fn r6_1_lines_are_heroku_s_to_the_letter() {
        assert_eq!(
            R::R10.line(limits::BOOT_TIMEOUT),
            "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 60 seconds of launch"
        );
        assert_eq!(
            R::R12.line(limits::EXIT_TIMEOUT),
            "Error R12 (Exit timeout) -> At least one process failed to exit within 30 seconds of SIGTERM"
        );
    }
}
