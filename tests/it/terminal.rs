//! Keys, prompts and screens in a real terminal: tmux draws, and its captures are compared as text.

use crate::harness::{Project, docker, engine_lock, exchange, on_each_engine};
use crate::support::engine_or_skip;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// Leaves the test when there is no tmux, saying so.
macro_rules! tmux_or_skip {
    () => {
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("skipped: no tmux here, so no real terminal");
            return;
        }
    };
}
pub(crate) use tmux_or_skip;

/// A shell in a terminal.
pub(crate) struct Screen {
    server: String,
}

impl Screen {
    /// Of 100 columns and 40 rows.
    fn of(project: &Project, name: &str) -> Self {
        Self::sized(project, name, 100, 40)
    }

    pub(crate) fn sized(project: &Project, name: &str, columns: u16, rows: u16) -> Self {
        let screen = Self { server: format!("dynosim-it-{}-{name}", std::process::id()) };
        let plain = project.command(&[]);
        let mut command = Command::new("tmux");
        command.current_dir(&project.dir).env_clear().env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        // tmux starts what it is given through a shell, and some users have none to log in with.
        command.env("PATH", std::env::var("PATH").unwrap()).env("SHELL", "/bin/sh");
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.args(["-L", &screen.server, "-f", "/dev/null", "new-session", "-d"]);
        command.args(["-x", &columns.to_string(), "-y", &rows.to_string()]);
        command.arg("exec bash --norc --noprofile");
        assert!(command.status().unwrap().success());
        screen.keys(&["PS1='ready> '", "Enter"]);
        screen.wait_last("ready>");
        screen
    }

    pub(crate) fn tmux(&self, args: &[&str]) -> String {
        let output = Command::new("tmux").args(["-L", &self.server]).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types; `Enter`, `C-c` and such are keys.
    pub(crate) fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types a command line of dynosim's.
    pub(crate) fn dynosim(&self, line: &str) {
        self.keys(&[&format!("{} {line}", env!("CARGO_BIN_EXE_dynosim")), "Enter"]);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let text = self.tmux(&["capture-pane", "-p", "-J", "-S", "-500"]);
        text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
    }

    /// Waits for a line that holds this; returns the lines from the newest such line on.
    #[track_caller]
    pub(crate) fn wait(&self, text: &str) -> Vec<String> {
        let began = Instant::now();
        loop {
            let lines = self.lines();
            if let Some(at) = lines.iter().rposition(|line| line.contains(text)) {
                return lines[at..].to_vec();
            }
            assert!(began.elapsed() < PATIENCE, "no `{text}` on the screen:\n{}", lines.join("\n"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the last line is this.
    #[track_caller]
    fn wait_last(&self, text: &str) {
        let began = Instant::now();
        while self.lines().last().is_none_or(|line| line != text) {
            assert!(began.elapsed() < PATIENCE, "`{text}` is not at the bottom:\n{}", self.lines().join("\n"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until no line has this.
    #[track_caller]
    fn wait_gone(&self, text: &str) {
        let began = Instant::now();
        while self.lines().iter().any(|line| line.contains(text)) {
            assert!(began.elapsed() < PATIENCE, "`{text}` stays:\n{}", self.lines().join("\n"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the shell has its prompt again, and asks it for the code of the command.
    #[track_caller]
    pub(crate) fn ended_with(&self, code: i32) {
        let began = Instant::now();
        while self.lines().last().is_none_or(|line| line != "ready>") {
            assert!(began.elapsed() < PATIENCE, "no prompt:\n{}", self.lines().join("\n"));
            std::thread::sleep(Duration::from_millis(50));
        }
        self.asks("echo", &format!("code {code}"), |mark| format!("echo {mark} code $?"));
    }

    /// Types a line that prints a mark and more; waits until what is printed is the mark and `answer`.
    #[track_caller]
    fn asks(&self, what: &str, answer: &str, line: impl Fn(&str) -> String) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // As it is typed it is another word than as it is printed.
        self.keys(&[&line(&format!("{what}-'{count}'")), "Enter"]);
        self.wait(&format!("{what}-{count} {answer}"));
    }

    /// Waits until dynosim has the terminal, key by key.
    #[track_caller]
    fn wait_taken(&self) {
        let began = Instant::now();
        loop {
            let pane = self.tmux(&["display-message", "-p", "#{pane_tty} #{pane_current_command}"]);
            let (tty, program) = pane.trim().split_once(' ').unwrap();
            let state = Command::new("stty").args(["-a", "-F", tty]).output().unwrap();
            if program == "dynosim" && String::from_utf8_lossy(&state.stdout).contains("-icanon") {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "nobody takes the terminal:\n{}", self.lines().join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn clear(&self) {
        self.tmux(&["send-keys", "-R"]);
        self.tmux(&["clear-history"]);
    }

    /// Whether the shell has its terminal back as it was.
    #[track_caller]
    pub(crate) fn is_as_before(&self) {
        self.asks("kept", "0", |mark| format!("stty -a | grep -qE '(^| )icanon.*|[^-]echo ' ; echo {mark} $?"));
        self.asks("raw", "1", |mark| format!("stty -a | grep -qE -- '-icanon|-echo ' ; echo {mark} $?"));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn get(project: &Project) -> String {
    let port = project.locked_port();
    let request = format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    exchange(port, request.as_bytes()).lines().next().unwrap_or_default().to_owned()
}

const HINT: &str =
    "keys: o open · r restart · b rebuild · f focus a dyno · / filter · s scale · m maintenance · ? help · q quit";

#[test]
fn keys_steer_the_app_and_the_prompt_stays_below_the_log() {
    engine_or_skip!();
    tmux_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/env-dump");
    let screen = Screen::of(&project, "keys");
    screen.dynosim("up --timeouts fast");
    screen.wait("✔ up ");
    let hint = screen.lines().join("").replace('\n', "");
    assert!(hint.contains(HINT), "{hint}");
    // A prompt stays at the bottom while lines come, and nothing of it is left behind.
    screen.keys(&["s"]);
    screen.wait_last("scale (web=1):");
    screen.keys(&["web=3", "BSpace", "2"]);
    screen.wait_last("scale (web=1): web=2");
    assert_eq!(get(&project), "HTTP/1.1 200 OK");
    screen.wait("at=info method=GET");
    screen.wait_last("scale (web=1): web=2");
    screen.keys(&["Enter"]);
    screen.wait("note: now running web=2");
    screen.wait("heroku[web.2]: State changed from starting to up");
    assert!(!screen.lines().iter().any(|line| line.starts_with("scale (")), "{:?}", screen.lines());
    screen.keys(&["s", "web=200", "Enter"]);
    screen.wait("100 dynos");
    screen.keys(&["s", "C-g"]);
    // Maintenance, and back.
    screen.keys(&["m"]);
    screen.wait("app[api]: Enabled maintenance mode");
    assert_eq!(get(&project), "HTTP/1.1 503 Service Unavailable");
    screen.keys(&["m"]);
    screen.wait("app[api]: Disabled maintenance mode");
    // One dyno restarts, and the other does not.
    screen.clear();
    screen.keys(&["r", "web.2", "Enter"]);
    screen.wait("note: restarting web.2");
    screen.wait("heroku[web.2]: State changed from starting to up");
    assert!(!screen.lines().iter().any(|line| line.contains("heroku[web.1]")), "{:?}", screen.lines());
    // A rebuild of what has not changed makes no release; an edit does.
    screen.keys(&["b"]);
    screen.wait("nothing has changed; no release is made");
    let server = std::fs::read_to_string(project.dir.join("server.py")).unwrap();
    project.write("server.py", &format!("# edited\n{server}"));
    screen.keys(&["b"]);
    screen.wait("✔ release  v4  Deployed web (");
    screen.keys(&["q"]);
    screen.wait("quit: stopping gracefully");
    screen.ended_with(0);
    screen.is_as_before();
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

on_each_engine! {
    fn focus_and_filter_choose_the_lines_that_are_shown(on) {
        tmux_or_skip!();
        let project = on.project("tests/fixtures/apps/env-dump");
        let screen = Screen::of(&project, "view");
        screen.dynosim("up web=2");
        screen.wait("✔ up ");
        screen.keys(&["f", "router", "Enter"]);
        screen.wait("note: only router");
        screen.clear();
        get(&project);
        screen.wait("heroku[router]: at=info");
        screen.keys(&["r", "Enter"]);
        screen.wait("note: restarting web.1, web.2");
        std::thread::sleep(Duration::from_secs(2));
        assert!(!screen.lines().iter().any(|line| line.contains("heroku[web.")), "{:?}", screen.lines());
        screen.keys(&["f", "Enter"]);
        screen.wait("note: all dynos");
        screen.keys(&["/", "STARTING TO|at=info", "C-u", "starting to|at=error", "Enter"]);
        screen.wait("note: only lines with starting to|at=error");
        screen.clear();
        screen.keys(&["r", "web.1", "Enter"]);
        screen.wait("heroku[web.1]: State changed from starting to up");
        let shown = screen.lines();
        let heroku: Vec<&String> = shown.iter().filter(|line| line.contains("heroku[")).collect();
        assert!(heroku.iter().all(|line| line.contains("starting to")), "{shown:?}");
        screen.keys(&["C-c"]);
        screen.wait("Ctrl-C: stopping gracefully");
        screen.ended_with(130);
        screen.is_as_before();
    }
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_fg_takes_it_again() {
    engine_or_skip!();
    tmux_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/env-dump");
    let screen = Screen::of(&project, "stop");
    screen.dynosim("up");
    screen.wait("✔ up ");
    screen.keys(&["C-z"]);
    screen.wait("Stopped");
    screen.is_as_before();
    screen.keys(&["fg", "Enter"]);
    screen.wait_taken();
    screen.keys(&["s"]);
    screen.wait_last("scale (web=1):");
    screen.keys(&["Escape"]);
    screen.wait_gone("scale (web=1):");
    assert_eq!(get(&project), "HTTP/1.1 200 OK");
    // Ctrl-\ ends at once; what it leaves, the next command removes.
    screen.keys(&["C-\\"]);
    screen.ended_with(131);
    screen.is_as_before();
    project.run(&["down"]).expect_code(0);
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

#[test]
fn a_dyno_with_a_terminal_of_its_own_can_be_typed_into_while_it_serves() {
    engine_or_skip!();
    tmux_or_skip!();
    let _engine = engine_lock();
    let project = Project::empty("debugger");
    project.write("Dockerfile", "FROM python:3.11-slim\nCOPY app.py /app.py\nCMD [\"python\", \"-u\", \"/app.py\"]\n");
    project.write(
        "app.py",
        "import http.server, os\n\
         class H(http.server.BaseHTTPRequestHandler):\n\
         \x20def do_GET(self):\n\
         \x20 answer = 'nobody'\n\
         \x20 breakpoint()\n\
         \x20 self.send_response(200); self.end_headers(); self.wfile.write(answer.encode())\n\
         http.server.HTTPServer(('0.0.0.0', int(os.environ['PORT'])), H).serve_forever()\n",
    );
    let screen = Screen::of(&project, "typing");
    screen.dynosim("up");
    screen.wait("✔ up ");
    screen.keys(&["i", "web.1", "Enter"]);
    screen.wait("web.1 restarts, for a process gets its terminal only as it starts");
    let log = || project.run(&["logs", "-n", "200"]).out;
    let began = Instant::now();
    while log().matches("State changed from starting to up").count() < 2 {
        assert!(began.elapsed() < PATIENCE, "{}", log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let port = project.locked_port();
    let asked = std::thread::spawn(move || {
        exchange(port, format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n").as_bytes())
    });
    screen.wait("(Pdb)");
    screen.keys(&["!answer = 'typed in'", "Enter"]);
    screen.keys(&["c", "Enter"]);
    let answer = asked.join().unwrap();
    assert!(answer.contains("typed in"), "{answer}");
    screen.keys(&["C-]"]);
    screen.wait("left web.1");
    assert!(log().contains("app[web.1]: (Pdb) "), "its lines are in the log: {}", log());
    screen.keys(&["q"]);
    screen.wait("quit: stopping gracefully");
    screen.ended_with(0);
    screen.is_as_before();
}

on_each_engine! {
    fn attach_has_the_keys_of_up_and_leaves_the_app_running(on) {
        tmux_or_skip!();
        let project = on.project("tests/fixtures/apps/env-dump");
        let screen = Screen::of(&project, "attach");
        screen.dynosim("up -d --wait && echo started");
        screen.wait("✔ detached pid ");
        screen.wait("started");
        screen.clear();
        screen.dynosim("attach");
        screen.wait("keys: o open · r restart · b rebuild · f focus a dyno · / filter · s scale · m maintenance");
        screen.keys(&["b"]);
        screen.wait("note: nothing has changed; no release is made");
        screen.keys(&["s"]);
        screen.wait_last("scale (web=1):");
        screen.keys(&["web=2", "Enter"]);
        screen.wait("note: now running web=2");
        screen.wait("heroku[web.2]: State changed from starting to up");
        screen.keys(&["r", "web.2", "Enter"]);
        screen.wait("note: restarting web.2");
        screen.keys(&["m"]);
        screen.wait("app[api]: Enabled maintenance mode");
        screen.keys(&["m"]);
        screen.wait("app[api]: Disabled maintenance mode");
        screen.keys(&["s", "nope=1", "Enter"]);
        screen.wait("Couldn't find that process type");
        screen.keys(&["f", "router", "Enter"]);
        screen.wait("note: only router");
        get(&project);
        screen.wait("heroku[router]: at=info");
        screen.keys(&["d"]);
        screen.wait("detached; the app goes on");
        screen.ended_with(0);
        screen.is_as_before();
        assert_eq!(get(&project), "HTTP/1.1 200 OK");
        project.run(&["down"]).expect_code(0);
    }
}

#[test]
fn ps_exec_is_a_shell_with_a_terminal_that_knows_its_size() {
    engine_or_skip!();
    tmux_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/env-dump");
    let up = project.up(&[]);
    up.ready();
    let screen = Screen::of(&project, "exec");
    screen.dynosim("ps:exec web.1");
    screen.wait_taken();
    screen.keys(&["echo $DYNO $TERM; stty size; tty", "Enter"]);
    let shown = screen.wait("web.1 ");
    assert!(
        shown[0].ends_with("web.1 screen") || shown[0].contains("web.1 xterm") || shown[0].contains("web.1 tmux"),
        "{shown:?}"
    );
    screen.wait("40 100");
    screen.tmux(&["resize-window", "-x", "90", "-y", "30"]);
    screen.keys(&["until stty size | grep 30.90; do sleep 0.1; done", "Enter"]);
    screen.wait("30 90");
    screen.keys(&["exit 5", "Enter"]);
    screen.ended_with(5);
    screen.is_as_before();
    assert!(!docker(&["ps", "-q"]).is_empty());
    up.stop();
}
