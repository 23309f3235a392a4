//! What the router costs, beside nginx and haproxy in the same run, in alternating rounds: the same two cores, the
//! same upstream, their access logs on as dynosim's is. Each of them, and the upstream, is a process of its own (this
//! program plays the upstream and dynosim's router when it is started with another argument), so that processor time
//! and memory are the proxy's alone. Nothing is asserted about time; that dynosim's log loses no line is.
//!
//! Needs `wrk`, and Linux for its /proc. A peer that is not installed is left out, and said to be.
//!
//! `cargo bench --bench router`, or for some of the cases
//! `cargo bench --bench router -- requests connections latency bodies idle websockets`
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]
#![allow(clippy::disallowed_methods, reason = "there is no runtime whose thread a sleep could block")]

#[path = "router/double.rs"]
mod double;
#[path = "router/load.rs"]
mod load;
#[path = "router/own.rs"]
mod own;
#[path = "router/proxy.rs"]
mod proxy;
#[path = "router/rounds.rs"]
mod rounds;

use load::{Counted, Latencies};
use proxy::{Kind, Proxy, Role};
use rounds::{Quiet, Series, millis};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const ROUNDS: usize = 5;
/// Of one measurement of requests a second.
const SECONDS: u64 = 3;
/// Of one measurement of latency.
const STEADY_SECONDS: u32 = 4;
const RATES: [u32; 2] = [1_000, 10_000];
const BIG: usize = 1024 * 1024 * 1024;
const IDLE: usize = 1_000;
const WEBSOCKETS: usize = 10_000;
/// Nothing here is silent for longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a browser sends beside `Host`, roughly.
const BROWSER: [&str; 9] = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
    "Cache-Control: max-age=0",
    "Cookie: _session=4f1c7a0de2b94c55a1f0b7d3e6a8c921; theme=dark; seen=1732158495",
    "Referer: http://localhost/products?page=2",
    "Sec-Fetch-Site: same-origin",
    "Upgrade-Insecure-Requests: 1",
];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--upstream"] => return double::run(),
        ["--router", upstream, dir] => return own::run(upstream.parse()?, Path::new(dir), false),
        ["--printing-router", upstream, dir] => return own::run(upstream.parse()?, Path::new(dir), true),
        _ => {}
    }
    raise_limits()?;
    let mut kinds = vec![Kind::Direct, Kind::Dynosim, Kind::DynosimPrinting, Kind::Nginx, Kind::Haproxy];
    kinds.retain(|kind| {
        let here = kind.is_here();
        if !here {
            println!("{} is not installed and left out", kind.name());
        }
        here
    });
    let wanted: Vec<&String> = args.iter().filter(|word| !word.starts_with('-')).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|word| *word == name);
    let upstream = Role::start(&["--upstream"])?;
    let quiet = Quiet::new(upstream.pid());
    let run = Run { kinds, upstream: upstream.address, quiet };
    if wants("requests") {
        run.requests("requests over 64 connections", &[])?;
        run.requests("the same with a browser's headers", &BROWSER)?;
    }
    if wants("connections") {
        run.requests("a new connection for each request, 64 at a time", &["Connection: close"])?;
    }
    if wants("latency") {
        for rate in RATES {
            run.latency(rate)?;
        }
    }
    if wants("bodies") {
        run.bodies()?;
    }
    if wants("idle") {
        run.memory("idle connections, each answered once", IDLE, load::idle)?;
    }
    if wants("websockets") {
        // Each takes two descriptors in the proxy, which has some of its own.
        run.memory("idle WebSockets", WEBSOCKETS.min((descriptors() - 400) / 2), load::websockets)?;
    }
    Ok(())
}

fn raise_limits() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(())
}

/// How many files a process may have open.
fn descriptors() -> usize {
    getrlimit(Resource::Nofile).current.map_or(1_000_000, |n| usize::try_from(n).unwrap_or(1_000_000))
}

struct Run {
    kinds: Vec<Kind>,
    upstream: SocketAddr,
    quiet: Quiet,
}

impl Run {
    fn start(&self) -> Result<Vec<Proxy>> {
        self.kinds.iter().map(|kind| Proxy::start(*kind, self.upstream)).collect()
    }

    /// Requests a second, and what they cost the proxy.
    fn requests(&self, what: &str, headers: &[&str]) -> Result<()> {
        let proxies = self.start()?;
        for proxy in &proxies {
            load::wrk(proxy.address, 1, headers)?;
        }
        let mut results: Vec<(Series, Series, u64)> = proxies.iter().map(|_| Default::default()).collect();
        for _ in 0..ROUNDS {
            for (proxy, (rates, costs, bad)) in proxies.iter().zip(&mut results) {
                let (counted, cpu) = self.quiet.measure(proxy, || load::wrk(proxy.address, SECONDS, headers))?;
                let Counted { rate, answers, bad: not_2xx } = counted;
                rates.add(rate);
                #[allow(clippy::cast_precision_loss, reason = "a count")]
                costs.add(cpu.as_secs_f64() * 100_000.0 / answers as f64);
                *bad += not_2xx;
            }
        }
        let peer = proxies.iter().position(|proxy| proxy.kind == Kind::Haproxy);
        let of_peer = |rates: &Series| {
            let peer = peer.map(|peer| results[peer].0.median());
            peer.map_or(String::new(), |peer| format!("   {:.2} of haproxy", rates.median() / peer))
        };
        println!("{what}; medians of {ROUNDS} rounds of {SECONDS} s, lowest and highest");
        for (proxy, (rates, costs, bad)) in proxies.iter().zip(&results) {
            println!(
                "  {:<24} {} /s{}   {} CPU-s/100,000   not 2xx: {bad}",
                proxy.kind.name(),
                rates.show(0),
                of_peer(rates),
                costs.show(2),
            );
            proxy.check_log()?;
        }
        self.quiet.say();
        Ok(())
    }

    /// What a proxy adds to the latency of the upstream, at a constant rate.
    fn latency(&self, rate: u32) -> Result<()> {
        let mut proxies = self.start()?;
        proxies.retain(|proxy| proxy.kind != Kind::DynosimPrinting);
        for proxy in &proxies {
            load::steady(proxy.address, rate, 1)?;
        }
        let mut results: Vec<([Series; 4], u64)> = proxies.iter().map(|_| Default::default()).collect();
        for _ in 0..ROUNDS {
            let mut direct = None;
            for (proxy, (series, bad)) in proxies.iter().zip(&mut results) {
                let (measured, _) = self.quiet.measure(proxy, || load::steady(proxy.address, rate, STEADY_SECONDS))?;
                let Latencies { p50, p99, bad: not_200 } = measured;
                let (p50, p99) = (millis(p50), millis(p99));
                let (direct50, direct99) = *direct.get_or_insert((p50, p99));
                for (series, value) in series.iter_mut().zip([p50, p99, p50 - direct50, p99 - direct99]) {
                    series.add(value);
                }
                *bad += not_200;
            }
        }
        println!(
            "latency at {rate} requests/s, open loop, 64 connections, in ms; medians of {ROUNDS} rounds of \
             {STEADY_SECONDS} s, lowest and highest"
        );
        for (proxy, ([p50, p99, more50, more99], bad)) in proxies.iter().zip(&results) {
            println!(
                "  {:<24} p50 {} p99 {}   above direct: p50 {} p99 {}   not 200: {bad}",
                proxy.kind.name(),
                p50.show(3),
                p99.show(3),
                more50.show(3),
                more99.show(3),
            );
        }
        self.quiet.say();
        Ok(())
    }

    /// 1 GiB down, and up.
    fn bodies(&self) -> Result<()> {
        let mut proxies = self.start()?;
        proxies.retain(|proxy| proxy.kind != Kind::DynosimPrinting);
        let mut results: Vec<[Series; 4]> = proxies.iter().map(|_| Default::default()).collect();
        for _ in 0..ROUNDS {
            for (proxy, [down, down_cost, up, up_cost]) in proxies.iter().zip(&mut results) {
                let (took, cpu) = self.quiet.measure(proxy, || load::download(proxy.address, BIG))?;
                down.add(rate(took));
                down_cost.add(cpu.as_secs_f64());
                let (took, cpu) = self.quiet.measure(proxy, || load::upload(proxy.address, BIG))?;
                up.add(rate(took));
                up_cost.add(cpu.as_secs_f64());
            }
        }
        println!("1 GiB, one at a time; medians of {ROUNDS} rounds, lowest and highest");
        for (proxy, [down, down_cost, up, up_cost]) in proxies.iter().zip(&results) {
            println!(
                "  {:<24} down {} MB/s, {} CPU-s   up {} MB/s, {} CPU-s",
                proxy.kind.name(),
                down.show(0),
                down_cost.show(2),
                up.show(0),
                up_cost.show(2),
            );
        }
        self.quiet.say();
        Ok(())
    }

    /// Memory at the start, and with so many connections that do nothing; each in a new process.
    fn memory<T>(&self, what: &str, count: usize, open: impl Fn(SocketAddr, usize) -> Result<T>) -> Result<()> {
        const ROUNDS: usize = 3;
        println!("memory with {count} {what}, in MB; medians of {ROUNDS} rounds, lowest and highest");
        for kind in &self.kinds {
            if matches!(kind, Kind::Direct | Kind::DynosimPrinting) {
                continue;
            }
            let (mut before, mut with) = (Series::default(), Series::default());
            for _ in 0..ROUNDS {
                let proxy = Proxy::start(*kind, self.upstream)?;
                before.add(megabytes(proxy.memory()?));
                let held = open(proxy.address, count)?;
                sleep(Duration::from_secs(2));
                with.add(megabytes(proxy.memory()?));
                drop(held);
            }
            #[allow(clippy::cast_precision_loss, reason = "some thousands")]
            let each = (with.median() - before.median()) * 1000.0 / count as f64;
            println!("  {:<24} {} from {}   {each:.1} kB each", kind.name(), with.show(1), before.show(1));
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "some gigabytes")]
fn rate(took: Duration) -> f64 {
    BIG as f64 / 1e6 / took.as_secs_f64()
}

#[allow(clippy::cast_precision_loss, reason = "some megabytes")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
