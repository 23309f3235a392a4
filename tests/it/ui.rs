//! `dynosim ui` in a real terminal, on a real app: what is on the screen is kept as text in `tests/fixtures/ui`.

use crate::harness::{Project, engine_lock, exchange};
use crate::support::engine_or_skip;
use crate::terminal::{Screen, tmux_or_skip};
use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// What is on the screen now, as it stands.
fn shown(screen: &Screen) -> String {
    let text = screen.tmux(&["capture-pane", "-p"]);
    format!("{}\n", text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
}

/// Waits until the screen has all of these on one line.
#[track_caller]
fn wait(screen: &Screen, words: &[&str]) -> String {
    let began = Instant::now();
    loop {
        let now = shown(screen);
        if now.lines().any(|line| words.iter().all(|word| line.contains(word))) {
            return now;
        }
        assert!(began.elapsed() < PATIENCE, "no line with {words:?} on\n{now}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What differs from run to run, left out: times, ages, ports, ids, figures; and the widths that depend on them.
fn normal(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, instead) in [
        (r"\d\d:\d\d:\d\d", "TIME"),
        (r"localhost:\d+", "localhost:PORT"),
        (r"request_id=\S*", "request_id=ID"),
        (r"\([0-9a-f]{8,12}", "(IMAGE"),
        (r"\d+(\.\d)?M/", "NM/"),
        (r"\d+\.\d( req/s|  )", "N.N$1"),
        (r"\d+[smh] ", "AGE "),
        (r"[─━]{3,}", "──"),
        (r" {2,}", "  "),
        (r"(?m) +$", ""),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, instead).into_owned();
    }
    text
}

/// What lies in a frame over the screen, without what is beside it.
fn boxed(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        if let (Some(from), Some(to)) = (line.find(['┌', '│', '└']), line.rfind(['┐', '│', '┘'])) {
            lines.push(&line[from..to]);
        }
    }
    format!("{}\n", lines.join("\n"))
}

/// Waits until the screen, as `part` reads it, is what is kept; with `DYNOSIM_CAPTURES=write` keeps it once it has `words`.
#[track_caller]
fn expect(screen: &Screen, words: &[&str], part: fn(&str) -> String, name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ui").join(format!("{name}.txt"));
    let mut seen = normal(&part(&wait(screen, words)));
    if std::env::var_os("DYNOSIM_CAPTURES").is_some_and(|what| what == "write") {
        std::fs::write(&file, &seen).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    // What is on the screen may be drawn by half.
    let began = Instant::now();
    while seen != kept {
        assert!(began.elapsed() < PATIENCE, "{name}: expected\n{kept}\nseen\n{seen}");
        std::thread::sleep(Duration::from_millis(50));
        seen = normal(&part(&shown(screen)));
    }
}

fn status(project: &Project) -> String {
    let port = project.locked_port();
    let request = format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    exchange(port, request.as_bytes()).lines().next().unwrap_or_default().to_owned()
}

/// A web server that says nothing.
fn quiet_app() -> Project {
    let project = Project::empty("shop");
    project.write(
        "Dockerfile",
        "FROM busybox\nRUN mkdir /www && echo hello > /www/index.html\nCMD httpd -f -p $PORT -h /www\n",
    );
    project
}

/// The process that the shell of the terminal waits for.
fn foreground(screen: &Screen) -> Pid {
    let shell = screen.tmux(&["display-message", "-p", "#{pane_pid}"]);
    let children = Command::new("ps").args(["-o", "pid=", "--ppid", shell.trim()]).output().unwrap();
    let child = String::from_utf8_lossy(&children.stdout).trim().parse().unwrap();
    Pid::from_raw(child).unwrap()
}

#[test]
fn the_screen_shows_the_app_and_its_keys_steer_it() {
    engine_or_skip!();
    tmux_or_skip!();
    let _engine = engine_lock();
    let project = quiet_app();
    project.run(&["up", "-d", "--wait"]).expect_code(0);
    let screen = Screen::sized(&project, "ui", 120, 24);
    screen.dynosim("ui");
    wait(&screen, &["▸ web.1", "up", "M/512M"]);
    screen.keys(&["&", "State changed|at=info", "Enter"]);
    wait(&screen, &["&State changed|at=info"]);
    assert_eq!(status(&project), "HTTP/1.1 200 OK");
    wait(&screen, &["▸ web.1", " 200"]);
    expect(&screen, &["heroku[router]: at=info"], str::to_owned, "running");
    // One more, and back.
    screen.keys(&["+"]);
    wait(&screen, &["now running web=2", "(u undoes it)"]);
    wait(&screen, &["web.2", "up"]);
    screen.keys(&["u"]);
    wait(&screen, &["now running web=1"]);
    wait(&screen, &["Dynos 1"]);
    // What hurts is asked for.
    screen.keys(&["r"]);
    wait(&screen, &["restart web.1? (y/N)"]);
    screen.keys(&["n"]);
    wait(&screen, &["nothing was done"]);
    screen.keys(&["r", "y"]);
    wait(&screen, &["restarting web.1"]);
    wait(&screen, &["heroku[web.1]: State changed from up to starting"]);
    screen.keys(&["m", "y"]);
    wait(&screen, &["shop", "MAINTENANCE"]);
    assert_eq!(status(&project), "HTTP/1.1 503 Service Unavailable");
    screen.keys(&[":", "maintenance off", "Enter"]);
    wait(&screen, &["maintenance mode is off"]);
    screen.keys(&["B"]);
    wait(&screen, &["nothing has changed; no release is made"]);
    screen.keys(&["?"]);
    expect(&screen, &["Keys"], boxed, "help");
    screen.keys(&["Escape"]);
    project.run(&["down"]).expect_code(0);
    wait(&screen, &["shop is not running"]);
    wait(&screen, &["start it with `dynosim up`"]);
    project.run(&["up", "-d", "--wait"]).expect_code(0);
    wait(&screen, &["▸ web.1", "up"]);
    screen.keys(&["q"]);
    screen.ended_with(0);
    screen.is_as_before();
    project.run(&["down"]).expect_code(0);
    assert_eq!(project.left_behind(), Vec::<String>::new());
}

#[test]
fn the_terminal_is_as_it_was_after_every_way_out() {
    tmux_or_skip!();
    let project = quiet_app();
    let screen = Screen::sized(&project, "ui-out", 80, 24);
    screen.keys(&["echo what was there before", "Enter"]);
    screen.wait("what was there before");
    screen.dynosim("ui");
    expect(&screen, &["shop is not running"], str::to_owned, "nothing-runs");
    // A small terminal, and a usual one again.
    screen.tmux(&["resize-window", "-x", "40", "-y", "10"]);
    expect(&screen, &["with `dynosim up"], str::to_owned, "nothing-runs-small");
    screen.tmux(&["resize-window", "-x", "80", "-y", "24"]);
    expect(&screen, &["shop is not running"], str::to_owned, "nothing-runs");
    // Ctrl-Z leaves the screen, fg comes back to it.
    screen.keys(&["C-z"]);
    screen.wait("Stopped");
    screen.is_as_before();
    screen.keys(&["fg", "Enter"]);
    expect(&screen, &["shop is not running"], str::to_owned, "nothing-runs");
    screen.keys(&["C-c"]);
    screen.ended_with(0);
    screen.is_as_before();
    screen.wait("what was there before");
    for (signal, code) in [(Signal::TERM, 130), (Signal::HUP, 130), (Signal::QUIT, 131)] {
        screen.keys(&["clear", "Enter"]);
        screen.dynosim("ui");
        wait(&screen, &["shop is not running"]);
        kill_process(foreground(&screen), signal).unwrap();
        screen.ended_with(code);
        screen.is_as_before();
    }
}

#[test]
fn without_a_terminal_it_refuses_and_says_what_to_use() {
    let project = quiet_app();
    let refused = project.run(&["ui"]);
    refused.expect_code(2).expect_err("must be a terminal").expect_err("`dynosim logs -t`");
    assert_eq!(refused.out, "", "nothing is drawn");
}
