//! The processes that are measured: dynosim's router, nginx, haproxy, and nothing at all in between.

use crate::{PATIENCE, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

/// Who stands between the load and the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nobody.
    Direct,
    Dynosim,
    /// dynosim, whose log is also printed to a file, as by `up > file`.
    DynosimPrinting,
    Nginx,
    Haproxy,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Dynosim => "dynosim",
            Self::DynosimPrinting => "dynosim, log printed too",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }

    /// Whether it can be started here.
    pub(crate) fn is_here(self) -> bool {
        let program = match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            _ => return true,
        };
        Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    }
}

/// A running process of this program in another role, killed when dropped.
pub(crate) struct Role {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Role {
    pub(crate) fn start(args: &[&str]) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?).args(args).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let port: u16 = line.trim().parse().map_err(|_| format!("the role {args:?} did not start"))?;
        Ok(Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One of them, running; stopped when dropped.
pub(crate) struct Proxy {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    process: Process,
    dir: TempDir,
}

enum Process {
    None,
    Role(Role),
    Other(Child),
}

impl Proxy {
    pub(crate) fn start(kind: Kind, upstream: SocketAddr) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let (process, address) = match kind {
            Kind::Direct => (Process::None, upstream),
            Kind::Dynosim | Kind::DynosimPrinting => {
                let role = if kind == Kind::Dynosim { "--router" } else { "--printing-router" };
                let role = Role::start(&[role, &upstream.to_string(), &dir.path().to_string_lossy()])?;
                let address = role.address;
                (Process::Role(role), address)
            }
            Kind::Nginx | Kind::Haproxy => {
                let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
                let address = SocketAddr::from(([127, 0, 0, 1], port));
                let child = if kind == Kind::Nginx { nginx } else { haproxy }(dir.path(), address, upstream)?;
                (Process::Other(child), address)
            }
        };
        let proxy = Self { kind, address, process, dir };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if began.elapsed() > PATIENCE {
                return Err(format!("{} does not listen", kind.name()).into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(proxy)
    }

    /// Its process and the children of that, which are nginx's workers.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let first = match &self.process {
            Process::None => return Vec::new(),
            Process::Role(role) => role.pid(),
            Process::Other(child) => child.id(),
        };
        let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap_or_default();
        std::iter::once(first).chain(children.split_whitespace().filter_map(|pid| pid.parse().ok())).collect()
    }

    /// Processor time of all of its processes so far.
    pub(crate) fn cpu(&self) -> Duration {
        self.pids().into_iter().map(|pid| cpu(pid, 0)).sum()
    }

    /// Bytes in memory. dynosim's whole resident set; of the others, pages that processes share count once.
    pub(crate) fn memory(&self) -> Result<u64> {
        let mut sum = 0;
        for pid in self.pids() {
            let (file, name) = match self.process {
                Process::Role(_) => ("status", "VmRSS:"),
                _ => ("smaps_rollup", "Pss:"),
            };
            let text = std::fs::read_to_string(format!("/proc/{pid}/{file}"))?;
            let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("no memory is told")?;
            sum += line.split_whitespace().next().ok_or("no memory is told")?.parse::<u64>()? * 1024;
        }
        Ok(sum)
    }

    /// An error if dynosim's log says that it had to drop lines.
    pub(crate) fn check_log(&self) -> Result<()> {
        let Ok(entries) = std::fs::read_dir(self.dir.path().join("journal")) else { return Ok(()) };
        for entry in entries {
            let path = entry?.path();
            if path.is_file() && memchr::memmem::find(&std::fs::read(&path)?, b"Error L12").is_some() {
                return Err("the router's log lost lines".into());
            }
        }
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Process::Other(child) = &mut self.process {
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
            let _ = child.wait();
        }
    }
}

/// Processor time of a process so far: what it used itself, and what the children used that it has waited for.
pub(crate) fn cpu_with_children(pid: u32) -> Duration {
    cpu(pid, 2)
}

/// User and system time, and `more` of the fields behind them.
fn cpu(pid: u32, more: usize) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().skip(11).take(2 + more);
    ticks(fields)
}

/// A sum of the kernel's clock ticks, a hundredth of a second each on every Linux that matters.
pub(crate) fn ticks<'a>(fields: impl Iterator<Item = &'a str>) -> Duration {
    Duration::from_millis(10 * fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>())
}

fn nginx(dir: &Path, listen: SocketAddr, upstream: SocketAddr) -> Result<Child> {
    let log = dir.join("access.log");
    let (error, pid, temp) = (dir.join("error.log"), dir.join("pid"), dir.join("temp"));
    let config = format!(
        "daemon off;
user root;
worker_processes 2;
worker_rlimit_nofile {files};
pid {pid};
error_log {error} error;
events {{ worker_connections 20000; }}
http {{
    access_log {log} combined buffer=64k flush=1s;
    client_body_temp_path {temp};
    proxy_temp_path {temp};
    fastcgi_temp_path {temp};
    uwsgi_temp_path {temp};
    scgi_temp_path {temp};
    keepalive_requests 1000000000;
    client_max_body_size 0;
    tcp_nodelay on;
    map $http_upgrade $upstream_connection {{ default upgrade; '' ''; }}
    upstream app {{
        server {upstream};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {listen} reuseport backlog=4096;
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $upstream_connection;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Port $server_port;
            proxy_set_header X-Request-Id $request_id;
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
        }}
    }}
}}
",
        files = crate::descriptors(),
        pid = pid.display(),
        error = error.display(),
        log = log.display(),
        temp = temp.display(),
    );
    let file = dir.join("nginx.conf");
    std::fs::write(&file, config)?;
    let child = Command::new("nginx").arg("-e").arg(&error).arg("-c").arg(&file).spawn()?;
    Ok(child)
}

fn haproxy(dir: &Path, listen: SocketAddr, upstream: SocketAddr) -> Result<Child> {
    // Two descriptors for each connection, the pipes that it splices with, and some of its own.
    let maxconn = (crate::descriptors() - 300) / 2;
    let config = format!(
        "global
    nbthread 2
    maxconn {maxconn}
    maxpipes 64
    log stdout format raw local0 info
defaults
    mode http
    log global
    option httplog
    option splice-auto
    option forwardfor
    http-reuse always
    timeout connect 5s
    timeout client 90s
    timeout server 90s
    timeout http-keep-alive 90s
    timeout tunnel 1h
frontend all
    bind {listen} backlog 4096
    unique-id-format %{{+X}}o%ci%cp%fi%fp%Ts%rt%pid
    unique-id-header X-Request-Id
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Port %[dst_port]
    default_backend app
backend app
    server one {upstream} maxconn {maxconn} pool-max-conn -1 pool-purge-delay 90s
"
    );
    let file = dir.join("haproxy.cfg");
    std::fs::write(&file, config)?;
    let log = File::create(dir.join("access.log"))?;
    let child = Command::new("haproxy").args(["-db", "-f"]).arg(&file).stdout(log).spawn()?;
    Ok(child)
}
