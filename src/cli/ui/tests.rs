//! Screens as text: what a user sees after what has happened, at several sizes; and what keys ask for. With
//! `DYNOSIM_CAPTURES=write` in the environment, what is seen is kept as what is expected.

use super::render::{Paint, draw};
use super::state::{Command, Event, Link, Mode, Order, Picture, State};
use crate::api::shapes::{App, Dyno, DynoUsage, Formation, Id, Named, Person, Release, ReleaseRef};
use crate::cli::keys::decode;
use crate::cli::tty;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};
use std::collections::BTreeMap;
use std::path::Path;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-21 03:10:00 UTC);
const START: &str = "start it with `dynosim up`, or with `dynosim up -d` in the background";

fn named(name: &str) -> Named {
    Named { id: "0".into(), name: name.into() }
}

fn person() -> Person {
    Person { email: "ann@localhost".into(), id: "0".into() }
}

fn app(maintenance: bool) -> App {
    App {
        acm: false,
        archived_at: None,
        build_stack: named("container"),
        create_status: "complete".into(),
        created_at: "2026-11-21T03:00:00Z".into(),
        generation: named("cedar"),
        git_url: String::new(),
        id: "0".into(),
        maintenance,
        name: "shop".into(),
        owner: person(),
        region: named("local"),
        released_at: None,
        repo_size: None,
        slug_size: None,
        space: None,
        stack: named("container"),
        team: None,
        updated_at: "2026-11-21T03:00:00Z".into(),
        web_url: Some("http://localhost:8080/".into()),
    }
}

fn dyno(name: &str, state: &str, since: &str, starts: u64) -> Dyno {
    Dyno {
        app: named("shop"),
        attach_url: None,
        command: "serve".into(),
        created_at: since.into(),
        id: "0".into(),
        name: name.into(),
        release: ReleaseRef { id: "0".into(), version: 4 },
        size: "Basic".into(),
        state: state.into(),
        process_type: name.split('.').next().unwrap().into(),
        updated_at: since.into(),
        starts,
    }
}

fn formation(process_type: &str, quantity: u32) -> Formation {
    Formation {
        app: named("shop"),
        command: "serve".into(),
        created_at: String::new(),
        id: "0".into(),
        quantity,
        size: "Basic".into(),
        process_type: process_type.into(),
        updated_at: String::new(),
    }
}

fn release(version: u64, description: &str, status: &str, current: bool) -> Release {
    Release {
        addon_plan_names: Vec::new(),
        app: named("shop"),
        created_at: format!("2026-11-21T03:0{version}:00Z"),
        current,
        description: description.into(),
        eligible_for_rollback: status == "succeeded",
        id: "0".into(),
        images: BTreeMap::from([("web".into(), "sha256:a7af7a3b3d6e".into())]),
        output_stream_url: None,
        slug: Some(Id { id: "0".into() }),
        status: status.into(),
        updated_at: String::new(),
        user: person(),
        version,
    }
}

fn picture(maintenance: bool) -> Event {
    Event::Picture(Box::new(Picture {
        app: app(maintenance),
        dynos: vec![
            dyno("web.1", "up", "2026-11-21T03:09:12Z", 1),
            dyno("web.2", "starting", "2026-11-21T03:09:58Z", 3),
            dyno("worker.1", "crashed", "2026-11-20T03:09:58Z", 12),
        ],
        formation: vec![formation("web", 2), formation("worker", 1)],
        releases: vec![
            release(5, "Set MAIL config vars", "failed", false),
            release(4, "Deployed web (a7af7a3b3d6e)", "succeeded", true),
            release(3, "Set KEEP, MODE config vars", "succeeded", false),
        ],
    }))
}

fn lines() -> Event {
    let stamped = |second: u32, rest: &str| format!("2026-11-21T03:09:{second:02}.000001+00:00 {rest}");
    let mut lines = vec![
        stamped(12, "heroku[web.1]: State changed from starting to up"),
        stamped(13, "app[web.1]: \u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}日本語 and a\ttab"),
        stamped(14, "app[worker.1]: Traceback (most recent call last):"),
        stamped(14, "heroku[worker.1]: State changed from up to crashed"),
    ];
    let request = "heroku[router]: at=info method=GET path=\"/\" host=localhost:8080 fwd=\"127.0.0.1\" dyno=web.1 connect=0ms service=4ms status=200 bytes=25";
    lines.extend((50..60).map(|second| stamped(second, request)));
    lines.push(stamped(59, "heroku[router]: at=error code=H12 desc=\"Request timeout\" method=GET path=\"/slow\" dyno=web.2 connect=0ms service=30000ms status=503 bytes=0"));
    Event::Lines(lines)
}

fn usage() -> Event {
    let one = |name: &str, memory: Option<u64>| DynoUsage {
        name: name.into(),
        memory: memory.map(|mib| mib << 20),
        memory_quota: 512 << 20,
    };
    Event::Usage(vec![one("web.1", Some(41)), one("web.2", Some(530)), one("worker.1", None)])
}

fn empty(columns: u16, rows: u16) -> State {
    State::new("shop".into(), START.into(), (columns, rows), NOW)
}

fn running(columns: u16, rows: u16) -> State {
    let mut state = empty(columns, rows);
    for event in [Event::Connected, picture(false), usage(), lines()] {
        assert_eq!(state.on(event), None);
    }
    state
}

fn press(state: &mut State, keys: &str) -> Vec<Order> {
    decode(keys.as_bytes()).into_iter().filter_map(|key| state.on(Event::Key(key))).collect()
}

fn commands(state: &mut State, keys: &str) -> Vec<Command> {
    press(state, keys).into_iter().map(|order| order.command).collect()
}

fn terminal(state: &State, colour: bool) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(state.size.0, state.size.1)).unwrap();
    terminal.draw(|frame| draw(state, Paint { colour }, frame)).unwrap();
    terminal
}

fn screen(state: &State) -> String {
    let terminal = terminal(state, true);
    let text = terminal.backend().to_string();
    // What stands behind the quotes is about cells that wide characters cover.
    let rows = text.lines().map(|row| row[1..].rsplit_once("\" Hidden by").map_or(&row[1..], |(row, _)| row));
    let rows = rows.map(|row| row.trim_end_matches('"').trim_end());
    format!("{}\n", rows.collect::<Vec<_>>().join("\n"))
}

/// Compares with what is kept.
#[track_caller]
fn expect(state: &State, name: &str) {
    let seen = screen(state);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/ui/captures").join(format!("{name}.txt"));
    if std::env::var_os("DYNOSIM_CAPTURES").is_some_and(|what| what == "write") {
        std::fs::write(&file, &seen).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(seen == kept, "{name}: expected\n{kept}\nseen\n{seen}");
}

#[test]
fn a_wide_screen_has_dynos_releases_and_the_log_at_once() {
    expect(&running(120, 24), "wide");
}

#[test]
fn a_usual_screen_has_dynos_or_releases_above_the_log() {
    let mut state = running(80, 24);
    expect(&state, "usual");
    press(&mut state, "\t");
    expect(&state, "releases");
}

#[test]
fn a_screen_of_forty_by_ten_has_one_part_at_a_time() {
    let mut state = running(40, 10);
    expect(&state, "small-dynos");
    press(&mut state, "\t\t");
    expect(&state, "small-log");
    press(&mut state, "?");
    expect(&state, "small-help");
    press(&mut state, "qr");
    expect(&state, "small-question");
}

#[test]
fn without_an_app_it_says_so_and_how_to_start_one() {
    let mut state = empty(80, 24);
    state.on(Event::Gone(None));
    expect(&state, "nothing-runs");
    assert_eq!(commands(&mut state, "ry+mxyb"), [], "there is nobody to ask");
    assert_eq!(commands(&mut state, ":restart web\rq"), [Command::Quit]);
    assert_eq!(commands(&mut running(80, 24), "B:rebuild\r"), [Command::Rebuild, Command::Rebuild]);
    let mut state = running(80, 24);
    state.on(Event::Gone(Some("cannot talk to the running app: it is gone".into())));
    expect(&state, "stopped");
    state.on(Event::Connected);
    state.on(picture(false));
    assert!(matches!(state.link, Link::Running) && screen(&state).contains("no lines yet"));
}

#[test]
fn help_and_details_lie_over_the_screen() {
    let mut state = running(80, 24);
    press(&mut state, "?");
    expect(&state, "help");
    press(&mut state, "qjj2\r");
    expect(&state, "details");
    press(&mut state, "q");
    assert!(matches!(state.mode, Mode::Normal));
}

#[test]
fn a_chosen_dyno_s_log_stands_alone_and_searches_are_marked() {
    let mut state = running(80, 24);
    press(&mut state, "j\x1b[A\r");
    expect(&state, "focus");
    press(&mut state, "\x1b");
    press(&mut state, "/traceback\r");
    expect(&state, "search");
    let terminal = terminal(&state, false);
    let cells = terminal.backend().buffer().content();
    let marked: String =
        cells.iter().filter(|cell| cell.modifier.contains(Modifier::REVERSED)).map(Cell::symbol).collect();
    assert!(marked.trim().ends_with("Traceback"), "{marked}");
    press(&mut state, "&at=error\r");
    assert!(screen(&state).contains("&at=error (1)"), "{}", screen(&state));
    press(&mut state, "/nowhere\r");
    assert!(screen(&state).contains("no line with nowhere"));
}

#[test]
fn long_lines_are_wrapped_or_moved_sideways() {
    let mut state = running(80, 24);
    press(&mut state, "w");
    expect(&state, "wrapped");
    press(&mut state, "w\x1b[C\x1b[C");
    expect(&state, "sideways");
}

#[test]
fn what_hurts_is_asked_for_and_only_y_is_yes() {
    let mut state = running(80, 24);
    for (keys, command) in [
        ("ry", Command::Restart("web.1".into())),
        ("Ry", Command::Restart(String::new())),
        ("jxy", Command::Stop("web.2".into())),
        ("my", Command::Maintenance(true)),
        ("2jby", Command::Rollback(3)),
    ] {
        assert_eq!(commands(&mut state, &keys[..keys.len() - 1]), [], "{keys}");
        assert!(screen(&state).lines().last().unwrap().ends_with("(y/N)"), "{keys}");
        assert_eq!(commands(&mut state, "y"), std::slice::from_ref(&command), "{keys}");
        press(&mut state, &keys[..keys.len() - 1]);
        assert_eq!(commands(&mut state, "\rnx"), [], "{keys}");
        press(&mut state, "n1gg");
    }
}

#[test]
fn a_change_says_how_it_is_undone() {
    let mut state = running(80, 24);
    let orders = press(&mut state, "+");
    let before = Command::Scale("web=2:Basic worker=1:Basic".into());
    assert_eq!(orders, [Order { command: Command::Scale("web+1".into()), undo: Some(before.clone()) }]);
    let undo = orders[0].undo.clone();
    state.on(Event::Done(Ok("now running web=3 worker=1".into()), undo));
    assert!(screen(&state).ends_with("now running web=3 worker=1 (u undoes it)\n"));
    assert_eq!(commands(&mut state, "u"), [before]);
    assert_eq!(commands(&mut state, "u"), []);
    assert_eq!(commands(&mut state, "sweb=1 worker-1\r"), [Command::Scale("web=1 worker-1".into())]);
    // What was refused has nothing to undo.
    state.on(Event::Done(Err("an app can have 100 dynos at most".into()), Some(Command::Maintenance(true))));
    assert!(screen(&state).contains("100 dynos at most"));
    assert_eq!(commands(&mut state, "u"), []);
    state.on(picture(true));
    assert!(screen(&state).contains("MAINTENANCE"));
    assert_eq!(commands(&mut state, "m"), [Command::Maintenance(false)], "to serve again hurts nobody");
}

#[test]
fn a_prompt_has_the_cursor_and_wide_letters_count() {
    let mut state = running(40, 10);
    press(&mut state, "/日本");
    let mut terminal = terminal(&state, true);
    terminal.backend_mut().assert_cursor_position((5, 9));
    assert!(screen(&state).contains("/日本"));
}

#[test]
fn no_colour_is_none_and_the_chosen_row_is_seen_all_the_same() {
    let state = running(120, 24);
    let plain = terminal(&state, false);
    let cells = plain.backend().buffer().content();
    assert!(cells.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(cells.iter().any(|cell| cell.modifier.contains(Modifier::REVERSED)));
    let coloured = terminal(&state, true);
    assert!(coloured.backend().buffer().content().iter().any(|cell| cell.fg == Color::Green));
}

#[test]
fn the_chosen_dyno_stays_chosen_when_others_come_and_go() {
    let mut state = running(80, 24);
    press(&mut state, "j");
    let Event::Picture(mut next) = picture(false) else { panic!() };
    next.dynos.remove(0);
    state.on(Event::Picture(next));
    assert_eq!(state.dyno.as_deref(), Some("web.2"));
    let Event::Picture(mut next) = picture(false) else { panic!() };
    next.dynos.truncate(1);
    state.on(Event::Picture(next));
    assert_eq!(state.dyno.as_deref(), Some("web.1"), "the one in its place");
}

#[test]
fn every_key_of_the_help_and_the_hints_does_something() {
    use super::keymap::{help, hint};
    use super::state::Pane;
    for pane in [Pane::Dynos, Pane::Releases, Pane::Log] {
        for hint in hint(pane) {
            let keys = hint.split(' ').next().unwrap();
            let key = match keys {
                "Enter" => "\r".to_owned(),
                "Tab" => "\t".to_owned(),
                keys => keys.chars().next().unwrap().to_string(),
            };
            let key = decode(key.as_bytes())[0];
            assert!(super::keymap::doing(pane, key).is_some(), "{hint}");
        }
    }
    assert!(help().iter().all(|(_, does)| !does.is_empty()));
}

/// Runs alone, in the terminal of the test below.
#[tokio::test]
#[ignore = "panics, and needs a terminal"]
async fn panics_on_a_screen_of_its_own() {
    let (keys, _pressed) = tokio::sync::mpsc::channel(1);
    let _tty = tty::Terminal::take(tty::Mode::Screen, keys).unwrap();
    let shown = tty::screen().borrow().is_some();
    panic!("it was on a screen of its own: {shown}");
}

#[test]
fn a_panic_leaves_the_terminal_as_it_was_and_is_read_there() {
    let server = format!("dynosim-panic-{}", std::process::id());
    let tmux = |args: &[&str]| {
        let output = std::process::Command::new("tmux").args(["-L", &server]).args(args).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    if tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", "sh"]).is_none() {
        return;
    }
    let test = std::env::current_exe().unwrap();
    let line = format!(
        "{} --ignored --exact --nocapture cli::ui::tests::panics_on_a_screen_of_its_own; stty -a; echo after",
        test.display()
    );
    tmux(&["send-keys", &line, "Enter"]);
    let began = tokio::time::Instant::now();
    let text = loop {
        let text = tmux(&["capture-pane", "-p", "-S", "-100"]).unwrap_or_default();
        if text.lines().any(|line| line == "after") || began.elapsed().as_secs() > 60 {
            break text;
        }
        std::thread::yield_now();
    };
    let alternate = tmux(&["display-message", "-p", "#{alternate_on}#{cursor_flag}"]);
    tmux(&["kill-server"]);
    assert!(text.contains("it was on a screen of its own: true"), "{text}");
    assert!(text.contains(" icanon") && text.contains(" echo ") && !text.contains("-icanon"), "{text}");
    assert_eq!(alternate.unwrap().trim(), "01", "the usual screen, with a cursor");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_keys_and_no_size_break_it(
        keys in proptest::collection::vec(
            proptest::sample::select(vec![
                "j", "k", "g", "G", "\t", "\r", "\x1b", "/", "n", "N", "&", ":", "f", "w", "r", "y", "x", "+", "-", "s", "u",
                "b", "m", "?", "1", "2", "3", "\x04", "\x15", " ", "\x1b[A", "\x1b[C", "\x1b[5~", "\x1b[6~", "e", "日",
            ]),
            0..40,
        ),
        columns in 0u16..140,
        rows in 0u16..40,
        gone in any::<bool>(),
    ) {
        let mut state = running(80, 24);
        for key in keys {
            press(&mut state, key);
        }
        state.on(Event::Size(columns, rows));
        if gone {
            state.on(Event::Gone(None));
        }
        if columns > 0 && rows > 0 {
            let _ = screen(&state);
        }
        state.on(lines());
        press(&mut state, "kjG");
    }
}
