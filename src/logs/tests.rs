//! The log as its users meet it: from published lines to printed ones.

use super::journal::disk::fake::SmallDisk;
use super::{
    Filter, Follower, Guest, JournalState, Logs, LogsOptions, ParsedLine, Printed, Renderer, Start, Style, print,
};
use crate::clock::Clock;
use crate::model::dyno::DynoName;
use crate::model::log::Message;
use crate::model::process_type::ProcessType;
use std::path::Path;
use std::time::Duration;
use time::macros::datetime;
use tokio::io::AsyncReadExt;

fn clock() -> Clock {
    Clock::anchored(datetime!(2026-11-21 03:08:15.123456 UTC), 1)
}

fn dyno(kind: &str) -> DynoName {
    DynoName::new(ProcessType::new(kind).unwrap(), 1)
}

fn open(dir: &Path) -> Logs {
    Logs::open(dir, clock(), LogsOptions::default()).unwrap()
}

/// What the journal holds, as another process sees it.
async fn printed(dir: &Path) -> String {
    String::from_utf8(
        rest(&mut Follower::outside(dir, Start::Oldest, Filter::default(), Box::new(|| false)).unwrap()).await,
    )
    .unwrap()
}

async fn rest(follower: &mut Follower) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(lines) = follower.next_lines().await.unwrap() {
        all.extend_from_slice(lines);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn r6_r7_lines_of_all_sources_are_printed_as_heroku_prints_them_in_one_order() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    let mut follower = logs.follow(Start::Now, Filter::default()).unwrap();
    logs.publish(&Message::api("Release v3 created by user user@example.com"));
    logs.publish(&Message::heroku(&dyno("web"), "Starting process with command `/bin/sh -c bin/web`"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut lines = logs.lines_of(&dyno("web"));
    lines.push(b"listening\non ").await;
    lines.finish();
    logs.publish(&Message::heroku(&dyno("web"), "Process exited with status 1"));
    logs.publish(&Message::explain(&dyno("web"), "web.1 exited by itself"));
    logs.close().await.unwrap();
    let mut out = Vec::new();
    print(&mut follower, &mut Renderer::new(Style::Plain), &mut out).await.unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "2026-11-21T03:08:15.123456+00:00 app[api]: Release v3 created by user user@example.com\n\
         2026-11-21T03:08:15.123456+00:00 heroku[web.1]: Starting process with command `/bin/sh -c bin/web`\n\
         2026-11-21T03:08:17.123456+00:00 app[web.1]: listening\n\
         2026-11-21T03:08:17.123456+00:00 app[web.1]: on \n\
         2026-11-21T03:08:17.123456+00:00 heroku[web.1]: Process exited with status 1\n\
         web.1 exited by itself\n"
    );
}

#[tokio::test(start_paused = true)]
async fn each_line_is_given_out_as_it_comes_and_close_ends_the_follower() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    let mut follower = logs.follow(Start::Now, Filter::default()).unwrap();
    for text in ["one", "two"] {
        logs.publish(&Message::api(text));
        let lines = follower.next_lines().await.unwrap().unwrap();
        assert!(lines.ends_with(format!("app[api]: {text}\n").as_bytes()));
    }
    let late = tokio::spawn(async move { rest(&mut follower).await });
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!late.is_finished());
    logs.publish(&Message::api("last"));
    logs.close().await.unwrap();
    logs.publish(&Message::api("too late"));
    assert!(late.await.unwrap().ends_with(b"app[api]: last\n"));
    assert!(printed(dir.path()).await.ends_with("app[api]: last\n"));
}

#[tokio::test(start_paused = true)]
async fn flush_means_that_another_process_sees_it() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    let mut lines = logs.lines_of(&dyno("web"));
    for i in 0..50 {
        lines.push(format!("{i}\n").as_bytes()).await;
        logs.flush().await.unwrap();
        assert!(printed(dir.path()).await.ends_with(&format!(" app[web.1]: {i}\n")));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_published_is_written_though_nobody_closes_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    let mut follower = logs.follow(Start::Now, Filter::default()).unwrap();
    logs.publish(&Message::api("last words"));
    drop(logs);
    assert!(rest(&mut follower).await.ends_with(b"last words\n"));
}

#[tokio::test(start_paused = true)]
async fn a_second_run_goes_on_in_the_same_journal_and_a_follower_from_now_sees_only_that_run() {
    let dir = tempfile::tempdir().unwrap();
    for run in ["first", "second"] {
        let logs = open(dir.path());
        let mut follower = logs.follow(Start::Now, Filter::default()).unwrap();
        logs.publish(&Message::api(run));
        logs.close().await.unwrap();
        assert_eq!(rest(&mut follower).await.split(|b| *b == b'\n').count(), 2);
    }
    assert_eq!(printed(dir.path()).await.lines().count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_lines_of_each_dyno_stay_in_order_and_whole_when_many_write_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let options =
        LogsOptions { segment_bytes: 100_000, total_bytes: 100_000_000, buffer_bytes: 20_000, ..Default::default() };
    let logs = Logs::open(dir.path(), Clock::system(), options).unwrap();
    let mut follower = logs.follow(Start::Now, Filter::default()).unwrap();
    let writers: Vec<_> = (0..8)
        .map(|w| {
            let mut lines = logs.lines_of(&dyno(&format!("worker{w}")));
            tokio::spawn(async move {
                let text = (0..4_000).map(|i| format!("{i} of {w}\n")).collect::<Vec<_>>().concat();
                for chunk in text.as_bytes().chunks(997) {
                    lines.push(chunk).await;
                }
            })
        })
        .collect();
    let reading = tokio::spawn(async move { rest(&mut follower).await });
    for writer in writers {
        writer.await.unwrap();
    }
    logs.close().await.unwrap();
    let all = reading.await.unwrap();
    let lines: Vec<ParsedLine> = all.split_inclusive(|b| *b == b'\n').map(|l| ParsedLine::parse(l).unwrap()).collect();
    assert_eq!(lines.len(), 32_000);
    assert!(lines.is_sorted_by_key(|line| line.time), "stamps never run backwards");
    for w in 0..8 {
        let process = format!("worker{w}.1");
        let of_one: Vec<&[u8]> = lines.iter().filter(|l| l.process == process).map(|l| l.text).collect();
        assert!(of_one.iter().enumerate().all(|(i, text)| *text == format!("{i} of {w}").as_bytes()));
        assert_eq!(of_one.len(), 4_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_delays_nobody_and_misses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    let mut follower = logs.follow(Start::Now, Filter::default()).unwrap();
    let (mut terminal, mut screen) = tokio::io::duplex(1);
    let printing =
        tokio::spawn(async move { print(&mut follower, &mut Renderer::new(Style::Plain), &mut terminal).await });
    let mut lines = logs.lines_of(&dyno("web"));
    let text = (0..2_000).map(|i| format!("line {i}\n")).collect::<Vec<_>>().concat();
    lines.push(text.as_bytes()).await;
    logs.close().await.unwrap();
    assert!(!printing.is_finished());
    let mut shown = Vec::new();
    let mut bytes = [0; 4_096];
    loop {
        match screen.read(&mut bytes).await.unwrap() {
            0 => break,
            n => shown.extend_from_slice(&bytes[..n]),
        }
    }
    assert_eq!(String::from_utf8(shown).unwrap(), printed(dir.path()).await);
    assert_eq!(printing.await.unwrap().unwrap(), Printed::All);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_goes_away_ends_the_printing_quietly() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    logs.publish(&Message::api("x"));
    logs.flush().await.unwrap();
    let mut follower = logs.follow(Start::Oldest, Filter::default()).unwrap();
    let (mut pipe, head) = tokio::io::duplex(10);
    drop(head);
    let ended = print(&mut follower, &mut Renderer::new(Style::Plain), &mut pipe).await.unwrap();
    assert_eq!(ended, Printed::ReaderGone);
}

#[tokio::test(start_paused = true)]
async fn lines_that_a_second_process_adds_are_shown_too() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    let mut follower = logs.follow(Start::Now, Filter::default()).unwrap();
    logs.publish(&Message::api("owner"));
    assert!(follower.next_lines().await.unwrap().unwrap().ends_with(b"owner\n"));
    Guest::new(dir.path(), clock()).publish(&Message::heroku(&dyno("run"), "Starting\nand so on")).unwrap();
    let lines = follower.next_lines().await.unwrap().unwrap().to_vec();
    assert!(lines.ends_with(b" heroku[run.1]: and so on\n"));
    logs.publish(&Message::api("owner again"));
    assert!(follower.next_lines().await.unwrap().unwrap().ends_with(b"owner again\n"));
}

#[tokio::test(start_paused = true)]
async fn a_follower_may_be_asked_in_a_select_without_losing_lines() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    let mut follower = logs.follow(Start::Now, Filter::default()).unwrap();
    let mut seen = Vec::new();
    for i in 0..200 {
        logs.publish(&Message::api(i.to_string()));
        tokio::select! {
            biased;
            lines = follower.next_lines() => seen.extend_from_slice(lines.unwrap().unwrap()),
            () = tokio::task::yield_now() => {}
        }
    }
    logs.close().await.unwrap();
    seen.extend(rest(&mut follower).await);
    assert_eq!(String::from_utf8(seen).unwrap(), printed(dir.path()).await);
}

#[tokio::test(start_paused = true)]
async fn another_terminal_follows_until_the_run_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path());
    logs.publish(&Message::api("before"));
    logs.flush().await.unwrap();
    let (ended, running) = tokio::sync::watch::channel(true);
    let more = Box::new(move || *running.borrow());
    let mut follower = Follower::outside(dir.path(), Start::Last(1), Filter::default(), more).unwrap();
    assert!(follower.next_lines().await.unwrap().unwrap().ends_with(b"before\n"));
    let following = tokio::spawn(async move { rest(&mut follower).await });
    tokio::time::sleep(Duration::from_secs(5)).await;
    logs.publish(&Message::api("during"));
    logs.close().await.unwrap();
    ended.send(false).unwrap();
    assert!(following.await.unwrap().ends_with(b"during\n"));
}

fn on_small_disk(dir: &Path, disk: &SmallDisk) -> Logs {
    let options = LogsOptions { kept_bytes: 500, ..LogsOptions::default() };
    Logs::open_on(Box::new(disk.clone()), dir, clock(), options).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_said_once_and_what_was_kept_is_written_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SmallDisk::with(70);
    let logs = on_small_disk(dir.path(), &disk);
    let mut state = logs.state();
    logs.publish(&Message::api("fits"));
    logs.flush().await.unwrap();
    logs.publish(&Message::api("does not fit"));
    let error = logs.flush().await.unwrap_err().to_string();
    assert!(error.contains("is full"), "{error}");
    assert!(state.has_changed().unwrap());
    assert_eq!(*state.borrow_and_update(), JournalState::DiskFull);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!state.has_changed().unwrap(), "said once");
    assert!(printed(dir.path()).await.ends_with("app[api]: fits\n"), "whole lines only");
    disk.set_free(10_000);
    logs.publish(&Message::api("next"));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(*state.borrow_and_update(), JournalState::Writing);
    let texts: Vec<String> = printed(dir.path()).await.lines().map(|l| l[33..].to_owned()).collect();
    assert_eq!(texts, ["app[api]: fits", "app[api]: does not fit", "app[api]: next"]);
}

#[tokio::test(start_paused = true)]
async fn on_a_full_disk_the_newest_lines_are_kept_and_the_rest_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SmallDisk::with(0);
    let logs = on_small_disk(dir.path(), &disk);
    let mut follower = logs.follow(Start::Now, Filter::default()).unwrap();
    let mut lines = logs.lines_of(&dyno("web"));
    for i in 0..1_000 {
        lines.push(format!("{i:03}\n").as_bytes()).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    disk.set_free(100_000);
    logs.close().await.unwrap();
    let text = String::from_utf8(rest(&mut follower).await).unwrap();
    let shown: Vec<&str> = text.lines().collect();
    assert_eq!(
        shown[0],
        "2026-11-21T03:08:16.113456+00:00 app[log-shuttle]: Error L12: 990 messages dropped since \
         2026-11-21T03:08:15.123456+00:00."
    );
    assert_eq!(shown[1], "2026-11-21T03:08:16.113456+00:00 app[web.1]: 990");
    assert_eq!(shown.len(), 11);
    assert!(text.ends_with(" app[web.1]: 999\n"));
}

#[tokio::test(start_paused = true)]
async fn closing_on_a_full_disk_ends_and_says_what_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let logs = on_small_disk(dir.path(), &SmallDisk::with(60));
    for text in ["fits", "lost", "lost too"] {
        logs.publish(&Message::api(text));
    }
    let error = logs.close().await.unwrap_err().to_string();
    assert!(error.ends_with("the last 2 lines are lost"), "{error}");
    assert!(printed(dir.path()).await.ends_with("app[api]: fits\n"));
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_made_is_an_error_at_once() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    assert!(Logs::open(&dir.path().join("file/journal"), clock(), LogsOptions::default()).is_err());
}
