//! What is sent to the proxies: `wrk` for as much as they take, an open loop at a constant rate for latency, big
//! bodies, and connections that do nothing.

use crate::{PATIENCE, Result};
use memchr::memmem;
use rustix::event::epoll;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;
use tokio::time::Instant;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// Bytes moved at a time.
const PIECE: usize = 256 * 1024;

/// What `wrk` counted.
pub(crate) struct Counted {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Answers in all.
    pub(crate) answers: u64,
    /// Answers other than 2xx and 3xx, and errors of sockets.
    pub(crate) bad: u64,
}

/// As many requests as can be, over 64 connections.
pub(crate) fn wrk(address: SocketAddr, seconds: u64, headers: &[&str]) -> Result<Counted> {
    let mut command = Command::new("wrk");
    command.args(["-t2", "-c64", &format!("-d{seconds}s")]);
    for header in headers {
        command.args(["-H", header]);
    }
    let output = command.arg(format!("http://{address}/")).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number_behind = |words: &str| -> Option<f64> {
        text.split_once(words)?.1.split_whitespace().next()?.trim_end_matches(',').parse().ok()
    };
    let rate = number_behind("Requests/sec:").ok_or_else(|| format!("wrk said: {text}"))?;
    let answers = text.lines().find_map(|line| line.split_once(" requests in ")?.0.trim().parse().ok());
    // "Socket errors: connect 0, read 0, write 0, timeout 0"
    let sockets = text.lines().find_map(|line| line.trim().strip_prefix("Socket errors:"));
    let sockets = sockets.map_or(0, |line| line.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok()).sum());
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let bad = number_behind("Non-2xx or 3xx responses:").unwrap_or(0.0) as u64;
    Ok(Counted { rate, answers: answers.ok_or("wrk counts nothing")?, bad: bad + sockets })
}

/// What an open loop measured.
pub(crate) struct Latencies {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Answers other than 200.
    pub(crate) bad: u64,
}

/// A connection of the open loop: one request at a time, the others that are due wait behind it.
struct Lane {
    socket: TcpStream,
    have: Vec<u8>,
    /// When the requests that are not answered were due; the first of them is under way.
    due: VecDeque<Instant>,
}

/// `rate` requests a second for `seconds`, spread evenly over time and in turn over 64 connections, whether or not
/// earlier ones were answered. A latency counts from the instant the request was due, however late it could be sent:
/// a stall shows in every request that it held up, those included that were never sent during it.
pub(crate) fn steady(address: SocketAddr, rate: u32, seconds: u32) -> Result<Latencies> {
    const TIMER: u64 = u64::MAX;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut lanes = Vec::new();
    for index in 0..64 {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        epoll::add(&poll, &socket, epoll::EventData::new_u64(index), epoll::EventFlags::IN)?;
        lanes.push(Lane { socket, have: Vec::with_capacity(4096), due: VecDeque::new() });
    }
    // Unlike the timeouts of sleep and epoll, a timerfd has no slack.
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    let every = Timespec { tv_sec: 0, tv_nsec: i64::from(1_000_000_000 / rate) };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: every, it_value: every })?;
    epoll::add(&poll, &timer, epoll::EventData::new_u64(TIMER), epoll::EventFlags::IN)?;
    let mut timer = File::from(timer);

    let total = rate * seconds;
    let gap = Duration::from_secs(1) / rate;
    let began = Instant::now();
    let (mut sent, mut bad) = (0, 0);
    let mut latencies = Vec::with_capacity(total as usize);
    let mut events = Vec::with_capacity(128);
    while latencies.len() < total as usize {
        if began.elapsed() > PATIENCE + Duration::from_secs(u64::from(seconds)) {
            return Err(format!("{} of {total} answers came", latencies.len()).into());
        }
        events.clear();
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let data = event.data;
            if data.u64() == TIMER {
                // It goes on only once it is read.
                let _ = timer.read(&mut [0; 8])?;
                continue;
            }
            let lane = &mut lanes[usize::try_from(data.u64())?];
            if let Some((due, ok)) = lane.answer()? {
                latencies.push(due.elapsed());
                bad += u64::from(!ok);
                if !lane.due.is_empty() {
                    lane.socket.write_all(GET)?;
                }
            }
        }
        while sent < total && began.elapsed() >= gap * sent {
            let lane = &mut lanes[sent as usize % 64];
            lane.due.push_back(began + gap * sent);
            if lane.due.len() == 1 {
                lane.socket.write_all(GET)?;
            }
            sent += 1;
        }
    }
    // The first tenth warms up connections and pools.
    let mut latencies = latencies.split_off(latencies.len() / 10);
    latencies.sort_unstable();
    Ok(Latencies { p50: latencies[latencies.len() / 2], p99: latencies[latencies.len() * 99 / 100], bad })
}

impl Lane {
    /// Reads; if that completes an answer, when its request was due and whether it is a 200.
    fn answer(&mut self) -> Result<Option<(Instant, bool)>> {
        let mut bytes = [0; 8192];
        match self.socket.read(&mut bytes) {
            Ok(0) => return Err("a connection of the open loop was closed".into()),
            Ok(n) => self.have.extend_from_slice(&bytes[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let Some(end) = answer_end(&self.have) else { return Ok(None) };
        if self.have.len() < end {
            return Ok(None);
        }
        let ok = self.have.starts_with(b"HTTP/1.1 200");
        self.have.drain(..end);
        Ok(self.due.pop_front().map(|due| (due, ok)))
    }
}

/// Where an answer ends, by its length.
fn answer_end(bytes: &[u8]) -> Option<usize> {
    let head = memmem::find(bytes, b"\r\n\r\n")? + 4;
    let lower = bytes[..head].to_ascii_lowercase();
    let length = memmem::find(&lower, b"content-length:").map(|at| &lower[at + 15..]);
    let length = length.and_then(|rest| std::str::from_utf8(rest).ok()?.lines().next()?.trim().parse::<usize>().ok());
    Some(head + length.unwrap_or(0))
}

/// How long so many bytes take to come.
pub(crate) fn download(address: SocketAddr, bytes: usize) -> Result<Duration> {
    let mut socket = TcpStream::connect(address)?;
    let began = Instant::now();
    socket.write_all(format!("GET /bytes/{bytes} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let mut piece = vec![0; PIECE];
    let mut have = Vec::new();
    let mut got = loop {
        let n = socket.read(&mut piece)?;
        have.extend_from_slice(&piece[..n]);
        if let Some(at) = memmem::find(&have, b"\r\n\r\n") {
            break have.len() - at - 4;
        }
        if n == 0 {
            return Err("no answer to a download".into());
        }
    };
    if !have.starts_with(b"HTTP/1.1 200") {
        return Err("a download was refused".into());
    }
    while got < bytes {
        match socket.read(&mut piece)? {
            0 => return Err(format!("{got} of {bytes} bytes came").into()),
            n => got += n,
        }
    }
    Ok(began.elapsed())
}

/// How long so many bytes take to be sent and answered.
pub(crate) fn upload(address: SocketAddr, bytes: usize) -> Result<Duration> {
    let mut socket = TcpStream::connect(address)?;
    let began = Instant::now();
    socket.write_all(format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}\r\n\r\n").as_bytes())?;
    let piece = vec![b'x'; PIECE];
    let mut left = bytes;
    while left > 0 {
        let n = left.min(PIECE);
        socket.write_all(&piece[..n])?;
        left -= n;
    }
    expect(&mut socket, "HTTP/1.1 200")?;
    Ok(began.elapsed())
}

/// Connections that were each answered once and do nothing since.
pub(crate) fn idle(address: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    hold(address, count, |socket| {
        socket.write_all(GET)?;
        expect(socket, "HTTP/1.1 200")
    })
}

/// WebSockets that each carried a frame both ways and do nothing since. The upstream is a raw double, which does not
/// look at frames.
pub(crate) fn websockets(address: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    let ask = "GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
               Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let frame = b"\x89\x85abcd\x09\x07\x0f\x08\x0e";
    hold(address, count, |socket| {
        socket.write_all(ask.as_bytes())?;
        expect(socket, "HTTP/1.1 101")?;
        socket.write_all(frame)?;
        let mut back = [0; 11];
        socket.read_exact(&mut back)?;
        if back == *frame { Ok(()) } else { Err("a frame came back changed".into()) }
    })
}

fn hold(
    address: SocketAddr,
    count: usize,
    mut open: impl FnMut(&mut TcpStream) -> Result<()>,
) -> Result<Vec<TcpStream>> {
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        open(&mut socket)?;
        held.push(socket);
    }
    Ok(held)
}

/// Reads a whole answer, which must begin so.
fn expect(socket: &mut TcpStream, begin: &str) -> Result<()> {
    let mut have = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        let n = socket.read(&mut bytes)?;
        have.extend_from_slice(&bytes[..n]);
        let whole = answer_end(&have).is_some_and(|end| have.len() >= end);
        if whole && have.starts_with(begin.as_bytes()) {
            return Ok(());
        }
        if whole || n == 0 {
            return Err(format!("expected {begin}, got {}", String::from_utf8_lossy(&have)).into());
        }
    }
}
