use super::{DynoStatus, Effect, Epoch, Event, Explanation, FORCE_PATIENCE, Machine, StopKind, quota_use, running};
use crate::engine::{Ended, Listener, LostWrite, Signal, Usage};
use crate::model::dyno::{DynoKind, DynoSize, DynoState, Exit};
use crate::model::endpoint::Endpoint;
use crate::model::timeouts::Timeouts;
use proptest::prelude::*;
use std::time::Duration;
use tokio::time::Instant;

/// A machine with a clock of its own: `wait` lets time pass and delivers the deadlines that come due.
struct Bench {
    machine: Machine,
    is_web: bool,
    now: Instant,
    armed: Vec<(Instant, Epoch)>,
    all: Vec<Effect>,
    said: Vec<String>,
}

impl Bench {
    fn of(kind: DynoKind, process_type: &str, timeouts: Timeouts) -> Self {
        let now = Instant::now();
        let machine = Machine::new(kind, DynoSize::BASIC, timeouts, now);
        Self { machine, is_web: process_type == "web", now, armed: Vec::new(), all: Vec::new(), said: Vec::new() }
    }

    fn web() -> Self {
        Self::of(DynoKind::Formation, "web", Timeouts::heroku())
    }

    fn worker() -> Self {
        Self::of(DynoKind::Formation, "worker", Timeouts::heroku())
    }

    fn on(&mut self, event: Event) -> Vec<Effect> {
        let effects = self.machine.on(event, self.now);
        for effect in &effects {
            match effect {
                Effect::Arm(epoch, at) => self.armed.push((*at, *epoch)),
                Effect::Say(line) => self.said.push(line.clone()),
                _ => {}
            }
        }
        self.all.extend(effects.clone());
        effects
    }

    fn boot(&mut self) -> &mut Self {
        self.on(Event::Start);
        let port = self.is_web.then_some(43_127);
        self.on(Event::Launched("serve".into(), port));
        self
    }

    fn up(&mut self) -> &mut Self {
        self.boot();
        if self.is_web {
            self.on(Event::Bound(endpoint()));
        }
        assert_eq!(self.status().state, DynoState::Up);
        self.said.clear();
        self
    }

    fn exit(&mut self, status: i32) -> Vec<Effect> {
        self.on(Event::Exited(ended(status)))
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((index, (at, epoch))) =
            self.armed.iter().copied().enumerate().filter(|(_, (at, _))| *at <= end).min_by_key(|(_, (at, _))| *at)
        {
            self.armed.remove(index);
            self.now = self.now.max(at);
            self.on(Event::Deadline(epoch));
        }
        self.now = end;
    }

    fn status(&self) -> DynoStatus {
        self.machine.status()
    }

    fn launches(&self) -> usize {
        self.all.iter().filter(|effect| **effect == Effect::Launch).count()
    }

    fn explained(&self) -> Vec<&Explanation> {
        self.all.iter().filter_map(|e| if let Effect::Explain(x) = e { Some(x) } else { None }).collect()
    }
}

fn endpoint() -> Endpoint {
    Endpoint("10.0.0.2:43127".parse().unwrap())
}

fn ended(status: i32) -> Ended {
    Ended { exit: Exit { status, out_of_memory: false }, lost_writes: Vec::new() }
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn r5_2_web_is_up_when_port_is_bound() {
    let mut dyno = Bench::web();
    dyno.boot();
    assert_eq!(dyno.status().state, DynoState::Starting);
    assert_eq!(dyno.status().endpoint, None);
    dyno.on(Event::Bound(endpoint()));
    assert_eq!(dyno.said, ["Starting process with command `serve`", "State changed from starting to up"]);
    assert_eq!(dyno.status().endpoint, Some(endpoint()));
}

#[test]
fn r5_2_other_types_are_up_as_soon_as_they_run() {
    let mut dyno = Bench::worker();
    dyno.boot();
    assert_eq!(dyno.said, ["Starting process with command `serve`", "State changed from starting to up"]);
}

#[test]
fn r6_1_r10_web_that_does_not_bind_within_60_s_is_killed_and_restarted_once_at_once() {
    let mut dyno = Bench::web();
    dyno.boot();
    dyno.wait(Duration::from_millis(59_999));
    assert_eq!(dyno.said.len(), 1);
    dyno.wait(Duration::from_millis(1));
    assert!(dyno.all.contains(&Effect::Signal(Signal::Kill)));
    dyno.exit(137);
    assert_eq!(
        dyno.said[1..],
        [
            "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 60 seconds of launch",
            "Stopping process with SIGKILL",
            "Process exited with status 137",
            "State changed from starting to crashed",
            "State changed from crashed to starting",
        ]
    );
    assert_eq!(dyno.launches(), 2);
    assert_eq!(dyno.explained(), [&Explanation::NoListener { port: 43_127 }]);
}

#[test]
fn a_signal_that_nobody_here_sent_is_explained_and_one_of_the_platform_is_not() {
    let mut dyno = Bench::web();
    dyno.up();
    dyno.exit(139);
    assert_eq!(dyno.explained(), [&Explanation::Signalled(139)]);
    let mut killed = Bench::web();
    killed.boot();
    killed.wait(s(60));
    killed.exit(137);
    assert_eq!(killed.explained(), [&Explanation::NoListener { port: 43_127 }], "R10 has said it");
    let mut status = Bench::worker();
    status.up();
    status.exit(1);
    assert!(status.explained().is_empty());
}

#[test]
fn a_listener_on_the_wrong_port_is_explained_within_two_seconds_and_once() {
    let mut dyno = Bench::web();
    dyno.boot();
    let wrong = vec![Listener { address: "127.0.0.1".parse().unwrap(), port: 3000, process: Some((7, "node".into())) }];
    dyno.on(Event::Listening(wrong.clone()));
    dyno.wait(Duration::from_millis(1500));
    let expected = Explanation::WrongListener { listeners: wrong, port: 43_127 };
    assert_eq!(dyno.explained(), [&expected]);
    dyno.wait(s(60));
    assert_eq!(dyno.explained(), [&expected], "the boot timeout does not say it again");
}

#[test]
fn other_listeners_are_no_fault_once_port_is_bound() {
    let mut dyno = Bench::web();
    dyno.boot();
    dyno.on(Event::Listening(vec![Listener { address: "0.0.0.0".parse().unwrap(), port: 9229, process: None }]));
    dyno.on(Event::Bound(endpoint()));
    dyno.wait(s(70));
    assert!(dyno.explained().is_empty());
    assert_eq!(dyno.status().state, DynoState::Up);
}

#[test]
fn r5_3_r12_processes_that_ignore_sigterm_are_killed_after_30_s() {
    let mut dyno = Bench::worker();
    dyno.up().on(Event::Stop(StopKind::Down));
    assert!(dyno.all.contains(&Effect::Signal(Signal::Term)));
    dyno.wait(s(30));
    dyno.exit(0);
    assert_eq!(
        dyno.said,
        [
            "State changed from up to down",
            "Stopping all processes with SIGTERM",
            "Error R12 (Exit timeout) -> At least one process failed to exit within 30 seconds of SIGTERM",
            "Stopping remaining processes with SIGKILL",
            "Process exited with status 137",
        ]
    );
    assert!(dyno.status().ended);
    assert_eq!(dyno.status().state, DynoState::Down);
}

#[test]
fn r6_2_scaling_down_prints_heroku_s_lines() {
    let mut dyno = Bench::web();
    dyno.up().on(Event::Stop(StopKind::Down));
    assert!(dyno.status().stopping, "a stopping dyno gets no new requests");
    assert_eq!(dyno.status().endpoint, None);
    dyno.exit(143);
    assert_eq!(
        dyno.said,
        ["State changed from up to down", "Stopping all processes with SIGTERM", "Process exited with status 143"]
    );
}

#[test]
fn r6_2_a_restart_prints_heroku_s_lines() {
    let mut dyno = Bench::web();
    dyno.up().on(Event::Stop(StopKind::Replaced));
    dyno.exit(143);
    assert_eq!(
        dyno.said,
        [
            "Restarting",
            "State changed from up to starting",
            "Stopping all processes with SIGTERM",
            "Process exited with status 143",
        ]
    );
}

#[test]
fn r5_4_exit_status_0_of_a_formation_dyno_is_a_crash() {
    let mut dyno = Bench::worker();
    dyno.up().exit(0);
    assert_eq!(
        dyno.said,
        ["Process exited with status 0", "State changed from up to crashed", "State changed from crashed to starting",]
    );
    assert_eq!(dyno.explained(), [&Explanation::ExitedZero]);
}

#[test]
fn r5_5_the_first_crash_restarts_at_once_the_second_waits_20_minutes_the_third_40() {
    let mut dyno = Bench::worker();
    dyno.boot().exit(1);
    assert_eq!(dyno.launches(), 2);
    for (launches, minutes) in [(2, 20), (3, 40), (4, 60), (5, 180), (6, 320), (7, 320)] {
        dyno.on(Event::Launched("serve".into(), None));
        dyno.exit(1);
        assert_eq!(dyno.status().state, DynoState::Crashed);
        dyno.wait(s(minutes * 60 - 1));
        assert_eq!(dyno.launches(), launches, "still cooling off");
        dyno.wait(s(1));
        assert_eq!(dyno.launches(), launches + 1);
        assert_eq!(dyno.said.last().unwrap(), "State changed from crashed to starting");
    }
}

#[test]
fn r13_13_a_dyno_that_was_up_for_ten_minutes_starts_counting_anew() {
    let mut dyno = Bench::worker();
    dyno.boot().exit(1);
    dyno.on(Event::Launched("serve".into(), None));
    assert_eq!(dyno.status().crashes, 1);
    dyno.wait(s(600));
    assert_eq!(dyno.status().crashes, 0);
    dyno.exit(1);
    assert_eq!(dyno.launches(), 3, "restarted at once, as after a first crash");
}

#[test]
fn r5_7_r14_over_quota_is_reported_every_20_s_and_the_dyno_runs_on() {
    let mut dyno = Bench::worker();
    dyno.up();
    let usage = Usage { rss: 526 << 20, ..Usage::default() };
    for _ in 0..2 {
        let before = dyno.all.len();
        dyno.wait(s(20));
        assert!(dyno.all[before..].contains(&Effect::Sample));
        dyno.on(Event::Sample(usage));
    }
    assert_eq!(
        dyno.said,
        [
            "Process running mem=526M(102.7%)",
            "Error R14 (Memory quota exceeded)",
            "Process running mem=526M(102.7%)",
            "Error R14 (Memory quota exceeded)",
        ]
    );
    assert_eq!(dyno.status().state, DynoState::Up);
    assert_eq!(dyno.explained().len(), 1, "the cause is named once");
}

#[test]
fn r5_7_r15_at_twice_the_quota_the_dyno_is_killed() {
    let mut dyno = Bench::worker();
    dyno.up().on(Event::Sample(Usage { rss: 1000 << 20, swap: 38 << 20, ..Usage::default() }));
    assert!(dyno.all.contains(&Effect::Signal(Signal::Kill)));
    dyno.exit(137);
    assert_eq!(
        dyno.said[..5],
        [
            "Process running mem=1038M(202.7%)",
            "Error R15 (Memory quota vastly exceeded)",
            "Stopping process with SIGKILL",
            "Process exited with status 137",
            "State changed from up to crashed",
        ]
    );
}

#[test]
fn r5_7_a_kill_by_the_kernel_at_the_limit_is_r15_too() {
    let mut dyno = Bench::worker();
    dyno.up().on(Event::Exited(Ended { exit: Exit { status: 137, out_of_memory: true }, lost_writes: vec![] }));
    assert_eq!(
        dyno.said[..4],
        [
            "Process running mem=1024M(200.0%)",
            "Error R15 (Memory quota vastly exceeded)",
            "Stopping process with SIGKILL",
            "Process exited with status 137",
        ]
    );
}

#[test]
fn page_cache_alone_is_not_over_quota() {
    let usage = Usage { rss: 100 << 20, cache: 900 << 20, ..Usage::default() };
    assert_eq!(quota_use(usage, 512 << 20), 512 << 20);
    let mut dyno = Bench::worker();
    dyno.up().on(Event::Sample(usage));
    assert!(dyno.said.is_empty());
}

#[test]
fn r6_1_memory_is_printed_truncated_with_one_decimal_of_percent() {
    assert_eq!(running(537_919_488, 512 << 20), "Process running mem=513M(100.2%)");
}

#[test]
fn r5_1_one_off_dynos_complete_and_are_never_restarted() {
    for status in [0, 1, 137] {
        let mut dyno = Bench::of(DynoKind::OneOff, "run", Timeouts::heroku());
        dyno.boot().exit(status);
        assert_eq!(
            dyno.said[2..],
            [format!("Process exited with status {status}"), "State changed from up to complete".into()]
        );
        assert!(dyno.status().ended);
        assert_eq!(dyno.launches(), 1);
    }
}

#[test]
fn a_forced_stop_while_launching_kills_the_dyno_as_soon_as_it_runs() {
    let mut dyno = Bench::worker();
    dyno.on(Event::Start);
    dyno.on(Event::Stop(StopKind::Down));
    dyno.on(Event::Kill);
    dyno.on(Event::Launched("serve".into(), None));
    assert!(dyno.all.contains(&Effect::Signal(Signal::Kill)), "{:?}", dyno.all);
    dyno.exit(137);
    assert!(dyno.status().ended);
}

#[test]
fn a_forced_stop_ends_even_when_the_engine_never_answers() {
    for launched in [false, true] {
        let mut dyno = Bench::worker();
        dyno.on(Event::Start);
        if launched {
            dyno.on(Event::Launched("serve".into(), None));
        }
        dyno.on(Event::Stop(StopKind::Down));
        dyno.wait(s(40));
        assert!(!dyno.status().ended, "a graceful stop waits for the engine");
        dyno.on(Event::Kill);
        dyno.wait(FORCE_PATIENCE);
        assert!(dyno.status().ended, "launched: {launched}");
        assert!(dyno.all.contains(&Effect::Explain(Explanation::Unconfirmed(FORCE_PATIENCE))));
    }
}

#[test]
fn a_stop_while_launching_stops_the_dyno_once_it_runs() {
    let mut dyno = Bench::web();
    dyno.on(Event::Start);
    dyno.on(Event::Stop(StopKind::Down));
    assert!(!dyno.status().ended, "the launch is under way and must be undone");
    dyno.on(Event::Launched("serve".into(), Some(43_127)));
    assert!(dyno.all.contains(&Effect::Signal(Signal::Term)));
    dyno.exit(143);
    assert!(dyno.status().ended);
}

#[test]
fn a_stop_while_crashed_ends_at_once() {
    let mut dyno = Bench::worker();
    dyno.boot().exit(1);
    dyno.on(Event::Launched("serve".into(), None));
    dyno.exit(1);
    dyno.on(Event::Stop(StopKind::Down));
    assert!(dyno.status().ended);
    dyno.wait(s(100_000));
    assert_eq!(dyno.launches(), 2);
}

#[test]
fn a_second_interrupt_kills_at_once() {
    let mut dyno = Bench::worker();
    dyno.up().on(Event::Stop(StopKind::Down));
    let effects = dyno.on(Event::Kill);
    assert!(effects.contains(&Effect::Signal(Signal::Kill)));
    assert!(dyno.on(Event::Kill).is_empty());
}

#[test]
fn writes_that_vanish_are_listed_when_the_dyno_ends() {
    let mut dyno = Bench::worker();
    let writes = vec![LostWrite { path: "/app/upload".into(), size: Some(3) }];
    let scratch = LostWrite { path: "/tmp/scratch".into(), size: Some(8) };
    let all = [writes.clone(), vec![scratch]].concat();
    dyno.up().on(Event::Exited(Ended { exit: Exit::default(), lost_writes: all }));
    assert!(dyno.explained().contains(&&Explanation::LostWrites(writes)));
}

#[derive(Clone, Debug)]
enum Step {
    Launched,
    LaunchFailed,
    Bound,
    Listening,
    Exited(i32),
    Wait(u64),
    Sample(u64),
    Stop(bool),
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Launched),
        1 => Just(Step::LaunchFailed),
        3 => Just(Step::Bound),
        1 => Just(Step::Listening),
        3 => (0..200i32).prop_map(Step::Exited),
        3 => (0..4000u64).prop_map(Step::Wait),
        1 => (0..2000u64).prop_map(Step::Sample),
        1 => any::<bool>().prop_map(Step::Stop),
        1 => Just(Step::Kill),
    ]
}

proptest! {
    /// An endpoint shows only while up; between two launches lies exactly one end; a stop always comes to an end.
    #[test]
    fn whatever_happens_the_machine_keeps_its_promises(steps in prop::collection::vec(step(), 0..60), web: bool) {
        let mut dyno = if web { Bench::web() } else { Bench::worker() };
        dyno.on(Event::Start);
        let (mut launching, mut running) = (true, false);
        for step in steps {
            let before = dyno.launches();
            match step {
                Step::Launched if launching => {
                    (launching, running) = (false, true);
                    dyno.on(Event::Launched("x".into(), web.then_some(1)));
                }
                Step::LaunchFailed if launching => {
                    launching = false;
                    dyno.on(Event::LaunchFailed("no".into()));
                }
                Step::Bound if running && web => { dyno.on(Event::Bound(endpoint())); }
                Step::Listening if running => { dyno.on(Event::Listening(vec![])); }
                Step::Exited(status) if running => {
                    running = false;
                    dyno.exit(status);
                }
                Step::Wait(seconds) => dyno.wait(s(seconds)),
                Step::Sample(mb) if running => {
                    dyno.on(Event::Sample(Usage { rss: mb << 20, ..Usage::default() }));
                }
                Step::Stop(down) => {
                    dyno.on(Event::Stop(if down { StopKind::Down } else { StopKind::Replaced }));
                }
                Step::Kill => { dyno.on(Event::Kill); }
                _ => {}
            }
            if dyno.launches() > before {
                prop_assert_eq!(dyno.launches(), before + 1);
                prop_assert!(!running && !launching, "launched while the one before still runs");
                launching = true;
            }
            let status = dyno.status();
            if status.endpoint.is_some() {
                prop_assert_eq!(status.state, DynoState::Up);
                prop_assert!(!status.stopping);
            }
        }
        dyno.on(Event::Stop(StopKind::Down));
        if launching {
            dyno.on(Event::Launched("x".into(), web.then_some(1)));
            running = true;
        }
        if running {
            let mark = dyno.all.len();
            dyno.wait(s(31));
            let told_to_die = dyno.all.iter().any(|e| matches!(e, Effect::Signal(_)));
            prop_assert!(told_to_die, "{:?}", &dyno.all[mark..]);
            dyno.exit(137);
        }
        prop_assert!(dyno.status().ended);
    }
}
