//! Dynos on the real engine: who they are, what they may do, how they live and end.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a helper that fails fails its test")]

use crate::engine;
use crate::support::{Bench, Dyno, PATIENCE};
use bytes::Bytes;
use dynosim::engine::{Console, Engine, Filesystem, Finding, InstanceEvent, Listener, ProcessFacts, Signal};
use dynosim::model::dyno::{DynoKind, DynoSize};
use dynosim::model::endpoint::Endpoint;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const PORT: u16 = 43_127;

/// Answers HTTP at this address, for ever.
fn server(address: &str) -> String {
    format!("cd /etc; httpd -f -p {address}:{PORT}")
}

async fn bound(dyno: &mut Dyno) -> Endpoint {
    dyno.event("bound", |event| match event {
        InstanceEvent::Bound(endpoint) => Some(endpoint.clone()),
        _ => None,
    })
    .await
}

async fn finding(dyno: &mut Dyno, wanted: impl Fn(&Finding) -> bool) -> Finding {
    dyno.event("finding", |event| match event {
        InstanceEvent::Finding(finding) if wanted(finding) => Some(finding.clone()),
        _ => None,
    })
    .await
}

async fn listeners(dyno: &mut Dyno, wanted: impl Fn(&[Listener]) -> bool) -> Vec<Listener> {
    dyno.event("listeners", |event| match event {
        InstanceEvent::Listening(list) if wanted(list) => Some(list.clone()),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn r1_5_the_dyno_runs_as_u_uid_of_group_dyno_and_programs_can_look_it_up() {
    let bench = engine!();
    let image = bench.busybox("USER root").await;
    let script = "id; grep u23456 /etc/passwd; grep -c . /etc/passwd; id -gn; grep CapEff /proc/self/status; \
                  grep NoNewPrivs /proc/self/status; cat /proc/1/fd/0 2>&1; httpd -f -p 80 2>&1";
    let (printed, _) = bench.run(bench.sh(&image, script)).await;
    for part in ["uid=23456(u23456) gid=1000(dyno)", "u23456:x:23456:1000::/:/bin/sh", "\ndyno\n", "0000000000000000"] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
    assert!(printed.contains("NoNewPrivs:\t1") && printed.matches("ermission denied").count() == 2, "{printed}");
    bench.close().await;
}

#[tokio::test]
async fn r1_5_the_app_is_not_process_1_and_orphans_are_reaped() {
    let bench = engine!();
    let image = bench.busybox("").await;
    let script = "echo pid $$; (sh -c 'sleep 0.1 & exec true' &); sleep 0.5; ps -o stat,args | grep -c '^Z'";
    let (printed, ended) = bench.run(bench.sh(&image, script)).await;
    assert!(!printed.contains("pid 1\n") && printed.ends_with("\n0\n"), "{printed}");
    assert_eq!(ended.exit.status, 1, "grep found no zombie");
    bench.close().await;
}

#[tokio::test]
async fn stdout_and_stderr_arrive_in_the_order_they_were_written() {
    let bench = engine!();
    let image = bench.busybox("").await;
    let script = "i=0; while [ $i -lt 3000 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done";
    let (printed, _) = bench.run(bench.sh(&image, script)).await;
    let expected = (0..3000).map(|i| format!("o{i}\ne{i}\n")).collect::<Vec<_>>().concat();
    assert!(printed == expected, "{} of {} bytes, or out of order", printed.len(), expected.len());
    bench.close().await;
}

#[tokio::test]
async fn a_flood_of_output_loses_nothing_before_the_exit() {
    let bench = engine!();
    let image = bench.busybox("").await;
    let (printed, ended) = bench.run(bench.sh(&image, "yes 0123456789abcdef | head -n 500000; exit 9")).await;
    assert_eq!((printed.len(), ended.exit.status), (500_000 * 17, 9));
    bench.close().await;
}

#[tokio::test]
async fn r5_2_a_port_counts_as_bound_only_when_something_listens_beyond_loopback() {
    let bench = engine!();
    let image = bench.busybox("EXPOSE 80").await;
    let mut spec = bench.sh(&image, &format!("sleep 0.5; {}", server("0.0.0.0")));
    spec.port = Some(PORT);
    let mut dyno = bench.launch(spec).await;
    let list = listeners(&mut dyno, |list| !list.is_empty()).await;
    assert_eq!((list[0].port, list[0].process.as_ref().map(|(_, name)| name.as_str())), (PORT, Some("httpd")));
    let endpoint = bound(&mut dyno).await;
    let mut stream = TcpStream::connect(endpoint.0).await.unwrap();
    stream.write_all(b"GET /passwd HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.") && answer.contains("u23456"), "{answer}");
    bench.close().await;
}

#[tokio::test]
async fn r5_2_a_loopback_bind_is_told_with_its_process_and_is_not_bound() {
    let bench = engine!();
    let image = bench.busybox("").await;
    let mut spec = bench.sh(&image, &server("127.0.0.1"));
    spec.port = Some(PORT);
    let mut dyno = bench.launch(spec).await;
    let list = listeners(&mut dyno, |list| !list.is_empty()).await;
    assert!(list[0].address.is_loopback() && list[0].process.is_some(), "{list:?}");
    let more = timeout(Duration::from_millis(800), bound(&mut dyno)).await;
    assert!(more.is_err(), "bound: {more:?}");
    bench.close().await;
}

#[tokio::test]
async fn r5_3_sigterm_reaches_every_process_and_a_straggler_keeps_the_dyno() {
    let bench = engine!();
    let image = bench.busybox("").await;
    let child = "trap 'echo child' TERM; echo ready; while :; do sleep 0.1; done";
    let script = format!("trap 'echo parent; exit 7' TERM; sh -c \"{child}\" & while :; do sleep 0.1; done");
    let mut dyno = bench.launch(bench.sh(&image, &script)).await;
    dyno.prints("ready").await;
    dyno.instance.signal(Signal::Term);
    dyno.prints("child").await;
    dyno.prints("parent").await;
    let shells = |all: &[ProcessFacts]| all.iter().filter(|one| one.name == "sh").count();
    assert_eq!(shells(&dyno.until_processes(|all| shells(all) < 2).await), 1);
    dyno.instance.signal(Signal::Kill);
    assert_eq!(dyno.ended().await.exit.status, 137);
    bench.close().await;
}

#[tokio::test]
async fn r5_3_the_status_is_the_app_s_own_or_128_and_the_signal() {
    let bench = engine!();
    let image = bench.busybox("").await;
    assert_eq!(bench.run(bench.sh(&image, "exit 3")).await.1.exit.status, 3);
    assert_eq!(bench.run(bench.sh(&image, "kill -9 $$")).await.1.exit.status, 137);
    let mut dyno = bench.launch(bench.sh(&image, "echo ready; exec sleep 60")).await;
    dyno.prints("ready").await;
    dyno.instance.signal(Signal::Term);
    assert_eq!(dyno.ended().await.exit.status, 143);
    bench.close().await;
}

#[tokio::test]
async fn the_dyno_ends_with_its_main_process_and_takes_the_others_along() {
    let bench = engine!();
    let image = bench.busybox("").await;
    let began = tokio::time::Instant::now();
    let (_, ended) = bench.run(bench.sh(&image, "(trap '' TERM; sleep 50) & exit 0")).await;
    assert_eq!(ended.exit.status, 0);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    bench.close().await;
}

#[tokio::test]
async fn a_read_only_dyno_may_write_to_tmp_only_and_its_volumes_are_neutral() {
    let bench = engine!();
    let lines =
        "RUN mkdir -p /data /up && echo kept > /data/f && echo kept > /up/f && chmod 777 /data /up\nVOLUME /data";
    let image = bench.busybox(lines).await;
    let mut spec = bench.sh(
        &image,
        "for d in / /home /data /up /new /tmp /var/tmp /dev/shm; do (echo x > $d/x) 2>/dev/null && echo yes $d || echo no $d; done; \
         cat /data/f /up/f; stat -c '%a %n' /tmp /var/tmp; cp /bin/busybox /tmp/echo && /tmp/echo runs; \
         grep ' /tmp ' /proc/mounts | cut -d' ' -f3",
    );
    spec.filesystem = Filesystem::ReadOnly { writable: vec!["/up".into(), "/new".into()] };
    let (printed, _) = bench.run(spec).await;
    let expected = "no /\nno /home\nno /data\nyes /up\nyes /new\nyes /tmp\nyes /var/tmp\nyes /dev/shm\nkept\nkept\n1777 /tmp\n1777 /var/tmp\nruns\n";
    assert!(printed.starts_with(expected) && !printed.ends_with("tmpfs\n"), "{printed}");
    bench.close().await;
}

#[tokio::test]
async fn r1_5_an_ephemeral_dyno_writes_as_unix_permits_and_lists_what_is_lost() {
    let bench = engine!();
    let image = bench.busybox("RUN mkdir /open && chmod 777 /open && mkdir /closed").await;
    let script =
        "echo 12345 > /open/a; mkdir /open/d; echo 1 > /open/d/b; echo t > /tmp/t; echo x > /closed/x; rm /open/d/b";
    let mut spec = bench.sh(&image, script);
    spec.filesystem = Filesystem::Ephemeral;
    let (printed, ended) = bench.run(spec.clone()).await;
    assert!(printed.contains("ermission denied"), "{printed}");
    let lost: Vec<_> = ended.lost_writes.iter().map(|one| (one.path.as_str(), one.size)).collect();
    assert_eq!(lost, [("/open/a", Some(6)), ("/tmp/t", Some(2))]);
    spec.argv = vec!["ls".into(), "/open".into()];
    assert_eq!(bench.run(spec).await.0, "", "nothing is left for the next start");
    bench.close().await;
}

#[tokio::test]
async fn images_from_scratch_without_shell_or_tmp_run_too() {
    let bench = engine!();
    let image = bench
        .image(&[("Dockerfile", "FROM busybox AS b\nFROM scratch\nCOPY --from=b /bin/busybox /app/busybox\n")])
        .await;
    assert_eq!((image.files.has_app_dir, image.files.has_shell, image.files.tmp_mode), (true, false, None));
    let mut spec = bench.spec(&image, &["/app/busybox", "stat", "-c", "%a %n", "/tmp", "/var/tmp"]);
    assert_eq!(bench.run(spec.clone()).await.0, "1777 /tmp\n1777 /var/tmp\n");
    spec.filesystem = Filesystem::Ephemeral;
    assert_eq!(bench.run(spec.clone()).await.0, "1777 /tmp\n1777 /var/tmp\n");
    let mut dyno = bench.launch(bench.sh(&image, "echo hi")).await;
    finding(&mut dyno, |finding| *finding == Finding::NoShell).await;
    assert_eq!(dyno.ended().await.exit.status, 127);
    bench.close().await;
}

#[tokio::test]
async fn programs_that_cannot_be_executed_are_told_with_the_reason() {
    let bench = engine!();
    let lines = "RUN printf '#!/bin/sh\\r\\necho hi\\r\\n' > /crlf && chmod +x /crlf && printf '#!/bin/sh\\n' > /plain \
                 && printf '#!/nowhere/python\\n' > /py && chmod +x /py";
    let image = bench.busybox(lines).await;
    let mut dyno = bench.launch(bench.spec(&image, &["/crlf"])).await;
    let crlf = Finding::CrlfScript { path: "/crlf".into(), shebang: "#!/bin/sh".into() };
    finding(&mut dyno, |finding| *finding == crlf).await;
    assert_eq!(dyno.ended().await.exit.status, 127);

    let mut dyno = bench.launch(bench.sh(&image, "cd /; ./crlf --flag")).await;
    finding(&mut dyno, |finding| matches!(finding, Finding::CrlfScript { .. })).await;

    let mut dyno = bench.launch(bench.sh(&image, "exec /plain")).await;
    finding(&mut dyno, |finding| *finding == Finding::NotExecutable { path: "/plain".into() }).await;
    assert_eq!(dyno.ended().await.exit.status, 126);

    let mut dyno = bench.launch(bench.spec(&image, &["/py"])).await;
    let told = finding(&mut dyno, |finding| matches!(finding, Finding::ExecFailed { .. })).await;
    assert!(format!("{told:?}").contains("/nowhere/python"), "{told:?}");

    let mut dyno = bench.launch(bench.spec(&image, &["gunicorn"])).await;
    let told = finding(&mut dyno, |finding| matches!(finding, Finding::ExecFailed { .. })).await;
    assert!(format!("{told:?}").contains("PATH"), "{told:?}");
    assert_eq!(dyno.ended().await.exit.status, 127);
    bench.close().await;
}

#[tokio::test]
async fn a_working_folder_the_dyno_may_not_enter_is_the_app_s_fault() {
    let bench = engine!();
    let image = bench.busybox("WORKDIR /secret\nRUN chmod 700 /secret").await;
    let mut dyno = bench.launch(bench.sh(&image, "pwd")).await;
    let pick = |event: &InstanceEvent| match event {
        InstanceEvent::Finding(Finding::ExecFailed { program, .. }) => Some(program.clone()),
        InstanceEvent::Exited(_) => Some(String::new()),
        _ => None,
    };
    let program = dyno.event("start or refusal", pick).await;
    assert!(program.is_empty() || program == "/secret", "{program}");
    bench.close().await;
}

#[tokio::test]
async fn r5_7_processes_read_the_quota_and_the_kernel_kills_at_the_r15_limit() {
    let bench = engine!();
    let image = bench.busybox("").await;
    let read = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; ulimit -n";
    assert_eq!(bench.run(bench.sh(&image, read)).await.0, "536870912\n10000\n");

    let mut spec = bench.sh(&image, "(tail -c 200m /dev/zero | tail -n 1 >/dev/null) ; echo survived; sleep 5");
    spec.size = DynoSize { quota: 32 << 20, kill_at: 48 << 20, ..DynoSize::BASIC };
    let (printed, ended) = bench.run(spec).await;
    assert!(ended.exit.out_of_memory && ended.exit.status == 137, "{ended:?} {printed}");
    bench.close().await;
}

#[tokio::test]
async fn r7_memory_and_processes_of_a_running_dyno_can_be_asked_for() {
    let bench = engine!();
    let image = bench.busybox("").await;
    let mut dyno = bench.launch(bench.sh(&image, "echo ready; sleep 77 & wait")).await;
    dyno.prints("ready").await;
    sleep(Duration::from_millis(100)).await;
    let usage = dyno.instance.usage().await.unwrap();
    assert!(usage.rss > 0 && usage.rss < 64 << 20, "{usage:?}");
    let list = dyno.instance.processes().await;
    assert!(list.iter().any(|one| one.command == "sleep 77" && one.rss > 0), "{list:?}");
    assert!(list.iter().all(|one| one.pid != 1), "{list:?}");
    bench.close().await;
}

#[tokio::test]
async fn a_piped_one_off_gets_its_input_and_keeps_its_streams_apart() {
    let bench = engine!();
    let image = bench.busybox("").await;
    let mut spec = bench.sh(&image, "cat; echo oops >&2; exit 5");
    (spec.console, spec.kind) = (Console::Pipe, DynoKind::OneOff);
    let mut dyno = bench.launch(spec).await;
    dyno.types("one\ntwo\n").await;
    dyno.instance.input(Bytes::new()).await;
    let ended = dyno.ended().await;
    assert_eq!((dyno.text().as_str(), ended.exit.status), ("one\ntwo\n", 5));
    assert_eq!(dyno.errors, b"oops\n");
    bench.close().await;
}

#[tokio::test]
async fn a_terminal_one_off_has_a_real_terminal_of_the_right_size() {
    let bench = engine!();
    let image = bench.busybox("").await;
    let mut spec = bench.spec(&image, &["/bin/sh", "-i"]);
    (spec.console, spec.kind) = (Console::Terminal(99, 33), DynoKind::OneOff);
    let mut dyno = bench.launch(spec).await;
    dyno.types("stty size; tty\n").await;
    dyno.prints("33 99").await;
    dyno.prints("/dev/pts/0").await;
    dyno.instance.resize(120, 40).await;
    dyno.types("stty size\n").await;
    dyno.prints("40 120").await;
    dyno.types("sleep 60\n").await;
    dyno.until_processes(|all| all.iter().any(|one| one.command.contains("sleep 60"))).await;
    dyno.types("\x03").await;
    dyno.types("echo still-$((1+1)); exit 4\n").await;
    dyno.prints("still-2").await;
    assert_eq!(dyno.ended().await.exit.status, 4);
    bench.close().await;
}

#[tokio::test]
async fn every_key_reaches_a_terminal_one_off_at_once() {
    let bench = engine!();
    let image = bench.busybox("").await;
    let mut spec = bench.sh(&image, "stty raw -echo; echo ready; dd bs=1 count=1 2>/dev/null | od -An -b");
    (spec.console, spec.kind) = (Console::Terminal(80, 24), DynoKind::OneOff);
    let mut dyno = bench.launch(spec).await;
    dyno.prints("ready").await;
    dyno.types("\x10").await;
    dyno.prints("020").await;
    bench.close().await;
}

#[tokio::test]
async fn a_dropped_instance_is_killed_and_leaves_nothing() {
    let bench = engine!();
    let image = bench.busybox("VOLUME /data").await;
    let mut dyno = bench.launch(bench.sh(&image, "trap '' TERM HUP; echo ready; while :; do sleep 1; done")).await;
    dyno.prints("ready").await;
    drop(dyno);
    sleep(Duration::from_millis(50)).await;
    let began = tokio::time::Instant::now();
    let swept = bench.engine.sweep(&bench.run.identity, &[]).await.unwrap();
    assert!(swept.containers <= 1 && began.elapsed() < Duration::from_secs(20), "{swept:?}");
    assert!(bench.engine.sweep(&bench.run.identity, &[]).await.unwrap().is_nothing());
    bench.close().await;
}

#[tokio::test]
async fn a_sweep_removes_what_an_earlier_run_left_and_spares_live_runs() {
    let bench = engine!();
    let image = bench.busybox("VOLUME /data").await;
    let mut old = bench.sh(&image, "sleep 100");
    old.run.run = "r0".into();
    let old_dyno = bench.launch(old).await;
    let mut live_dyno = bench.launch(bench.sh(&image, "echo ready; sleep 100")).await;
    live_dyno.prints("ready").await;
    let swept = bench.engine.sweep(&bench.run.identity, &["r1".to_owned()]).await.unwrap();
    assert_eq!((swept.containers, swept.networks), (1, 0));
    assert!(!live_dyno.instance.processes().await.is_empty());
    drop((old_dyno, live_dyno));
    bench.close().await;
}

#[tokio::test]
async fn dynos_cannot_reach_one_another_but_the_host_is_named() {
    let bench = engine!();
    let image = bench.busybox("").await;
    let mut spec = bench.sh(&image, &server("0.0.0.0"));
    spec.port = Some(PORT);
    let mut first = bench.launch(spec).await;
    let Endpoint(address) = bound(&mut first).await;
    let script = format!(
        "nc -w 2 {} {PORT} </dev/null >/dev/null 2>&1 && echo reached; grep -c host.docker.internal /etc/hosts",
        address.ip()
    );
    let (printed, _) = bench.run(bench.sh(&image, &script)).await;
    assert_eq!(printed.lines().last(), Some("1"), "{printed}");
    assert!(!printed.contains("reached"), "{printed}");
    bench.close().await;
}

#[tokio::test]
async fn ten_dynos_start_in_parallel() {
    let bench = engine!();
    let image = bench.busybox("RUN mkdir -p /var/tmp && chmod 1777 /var/tmp").await;
    bench.engine.open_run(&bench.run).await.unwrap();
    let began = tokio::time::Instant::now();
    let launches = (0..10).map(|_| async {
        let mut spec = bench.sh(&image, &server("0.0.0.0"));
        spec.port = Some(PORT);
        let mut dyno = bench.launch(spec).await;
        bound(&mut dyno).await;
        dyno
    });
    let dynos = futures_util::future::join_all(launches).await;
    let took = began.elapsed();
    eprintln!("ten dynos bound after {took:?}");
    assert!(took < PATIENCE / 2, "{took:?}");
    drop(dynos);
    bench.close().await;
}

#[tokio::test]
async fn an_engine_that_goes_away_is_told_and_the_truth_follows() {
    let bench = engine!();
    let image = bench.busybox("").await;
    let (socket, proxy) = proxy();
    let files = tempfile::tempdir().unwrap();
    let url = format!("unix://{}", socket.path().join("d.sock").display());
    let engine = dynosim::engine::docker::find(Some(&url), &|_| None, files.path()).await.unwrap();
    engine.open_run(&bench.run).await.unwrap();
    let (events_tx, events) = tokio::sync::mpsc::channel(64);
    let (output_tx, output) = tokio::sync::mpsc::channel(64);
    let instance = engine.launch(bench.sh(&image, "echo ready; sleep 100"), events_tx, output_tx).await.unwrap();
    let mut dyno = Dyno { instance, events, output, printed: Vec::new(), errors: Vec::new() };
    dyno.prints("ready").await;
    proxy.abort();
    dyno.event("loss", |event| matches!(event, InstanceEvent::Lost(_)).then_some(())).await;
    let proxy = serve(socket.path());
    let ended = dyno.ended().await;
    assert_eq!(ended.exit.status, 143, "the dyno ended when its platform was gone");
    engine.sweep(&bench.run.identity, &[]).await.unwrap();
    proxy.abort();
    bench.close().await;
}

/// An engine in a virtual machine, as on a Mac: no files shared, no init of ours, the port published on loopback.
async fn elsewhere() -> Option<Bench> {
    let bench = crate::support::engine_with(&[("DYNOSIM_ENGINE_ELSEWHERE", "1")]).await?;
    let facts = bench.engine.facts();
    assert!(!facts.local && facts.init_missing.is_some() && !facts.approximations.is_empty(), "{facts:?}");
    Some(bench)
}

#[tokio::test]
async fn elsewhere_a_port_of_the_forwarder_does_not_count_until_the_app_listens() {
    let Some(bench) = elsewhere().await else { return };
    let image = bench.busybox("").await;
    let mut spec = bench.sh(&image, &format!("sleep 1; echo up; {}", server("0.0.0.0")));
    spec.port = Some(PORT);
    let mut dyno = bench.launch(spec).await;
    let Endpoint(address) = bound(&mut dyno).await;
    assert!(dyno.text().contains("up") && address.ip().is_loopback(), "{address} {}", dyno.text());
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /passwd HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1."), "{answer}");
    bench.close().await;
}

#[tokio::test]
async fn elsewhere_signals_reach_every_process_through_the_image_s_shell() {
    let Some(bench) = elsewhere().await else { return };
    let image = bench.busybox("").await;
    let child = "trap 'echo child' TERM; echo ready; while :; do sleep 0.1; done";
    let script = format!("trap 'sleep 0.5; echo parent; exit 7' TERM; sh -c \"{child}\" & while :; do sleep 0.1; done");
    let mut dyno = bench.launch(bench.sh(&image, &script)).await;
    dyno.prints("ready").await;
    assert!(dyno.instance.processes().await.iter().any(|one| one.name == "sh"));
    dyno.instance.signal(Signal::Term);
    dyno.prints("child").await;
    assert_eq!(dyno.ended().await.exit.status, 7);
    let (printed, ended) = bench.run(bench.sh(&image, "echo out; echo err >&2; exit 3")).await;
    assert!(printed.contains("out\n") && printed.contains("err\n") && ended.exit.status == 3, "{printed}");
    bench.close().await;
}

#[tokio::test]
async fn elsewhere_a_piped_one_off_gets_its_input_to_the_end() {
    let Some(bench) = elsewhere().await else { return };
    let image = bench.busybox("").await;
    let mut spec = bench.sh(&image, "cat; echo oops >&2; exit 5");
    (spec.console, spec.kind) = (Console::Pipe, DynoKind::OneOff);
    let mut dyno = bench.launch(spec).await;
    dyno.types("one\ntwo\n").await;
    dyno.instance.input(Bytes::new()).await;
    let ended = dyno.ended().await;
    assert_eq!((dyno.text().as_str(), ended.exit.status), ("one\ntwo\n", 5));
    assert_eq!(dyno.errors, b"oops\n");
    bench.close().await;
}

#[tokio::test]
async fn elsewhere_a_program_that_is_missing_is_the_app_s_fault_and_not_the_engine_s() {
    let Some(bench) = elsewhere().await else { return };
    let image = bench.busybox("").await;
    let mut dyno = bench.launch(bench.spec(&image, &["gunicorn", "app"])).await;
    let told = finding(&mut dyno, |finding| matches!(finding, Finding::ExecFailed { .. })).await;
    assert!(format!("{told:?}").contains("gunicorn"), "{told:?}");
    assert_eq!(dyno.ended().await.exit.status, 127);
    bench.close().await;
}

#[tokio::test]
async fn a_dyno_that_survives_the_loss_of_its_engine_is_found_again() {
    let Some(bench) = elsewhere().await else { return };
    let image = bench.busybox("").await;
    let (socket, proxy) = proxy();
    let files = tempfile::tempdir().unwrap();
    let url = format!("unix://{}", socket.path().join("d.sock").display());
    let env = |name: &str| (name == "DYNOSIM_ENGINE_ELSEWHERE").then(|| "1".to_owned());
    let engine = dynosim::engine::docker::find(Some(&url), &env, files.path()).await.unwrap();
    engine.open_run(&bench.run).await.unwrap();
    let (events_tx, events) = tokio::sync::mpsc::channel(64);
    let (output_tx, output) = tokio::sync::mpsc::channel(64);
    let spec = bench.sh(&image, "echo ready; sleep 6; echo still here; exit 4");
    let instance = engine.launch(spec, events_tx, output_tx).await.unwrap();
    let mut dyno = Dyno { instance, events, output, printed: Vec::new(), errors: Vec::new() };
    dyno.prints("ready").await;
    proxy.abort();
    dyno.event("loss", |event| matches!(event, InstanceEvent::Lost(_)).then_some(())).await;
    let proxy = serve(socket.path());
    dyno.event("return", |event| matches!(event, InstanceEvent::Found).then_some(())).await;
    assert_eq!(dyno.ended().await.exit.status, 4);
    assert!(dyno.text().contains("still here"), "{}", dyno.text());
    drop((dyno, engine));
    proxy.abort();
    bench.close().await;
}

fn proxy() -> (tempfile::TempDir, tokio::task::JoinHandle<()>) {
    let folder = tempfile::tempdir().unwrap();
    let task = serve(folder.path());
    (folder, task)
}

/// Passes connections on to the real socket until aborted; then all of them break.
fn serve(folder: &std::path::Path) -> tokio::task::JoinHandle<()> {
    let path = folder.join("d.sock");
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            connections.spawn(async move {
                let mut far = tokio::net::UnixStream::connect("/var/run/docker.sock").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                let _ = near.shutdown().await;
            });
        }
    })
}
