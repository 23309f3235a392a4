//! Dynos on systems without Linux's sandboxes: process groups of our own user. What that cannot do is among the engine's
//! approximations.

use super::{Shared, image};
use crate::engine::{
    Console, DynoSpec, Ended, EngineError, EventSink, Finding, Inside, Instance, InstanceEvent, Listener, Output,
    OutputSink, ProcessFacts, Signal, Swept, Usage,
};
use crate::model::dyno::Exit;
use crate::model::endpoint::Endpoint;
use async_trait::async_trait;
use bytes::Bytes;
use rustix::process::{Pid, kill_process_group};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::time::sleep;

/// How often it is tried whether `$PORT` takes connections.
const PACE: Duration = Duration::from_millis(50);
const PIECE: usize = 64 << 10;

/// Starts one dyno.
pub(super) async fn launch(
    _: &Arc<Shared>,
    spec: DynoSpec,
    events: EventSink,
    output: OutputSink,
) -> Result<Box<dyn Instance>, EngineError> {
    let doing = format!("starting {}", spec.name);
    if matches!(spec.console, Console::Terminal(..)) {
        return Err(image::failed(&doing, &"the native engine gives dynos a terminal on Linux only: use --no-tty"));
    }
    if spec.strict_ports {
        return Err(image::failed(&doing, &"this system cannot deny a bind: leave --strict-ports out"));
    }
    let (mut command, merged) = command(&spec).map_err(|error| image::failed(&doing, &error))?;
    let spawned = command.spawn();
    // The dyno's end of the pipe is the dyno's alone, so that its end is seen.
    drop(command);
    let (orders, inbox) = mpsc::unbounded_channel();
    let input = match spawned {
        Ok(mut child) => {
            let input = child.stdin.take();
            tokio::spawn(run(child, merged, spec, events, output, inbox));
            input
        }
        Err(error) => {
            let status = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
            let program = spec.argv.first().cloned().unwrap_or_default();
            let finding = Finding::ExecFailed { program, reason: error.to_string() };
            tokio::spawn(async move {
                // An owner that listens no more has no use for it.
                let _ = events.send(InstanceEvent::Finding(finding)).await;
                let _ = events.send(ended(status)).await;
            });
            None
        }
    };
    Ok(Box::new(Group { orders, input: Mutex::new(input) }))
}

fn ended(status: i32) -> InstanceEvent {
    let exit = Exit { status, out_of_memory: false };
    InstanceEvent::Exited(Ended { exit, lost_writes: Vec::new() })
}

/// The command, and our end of the pipe that both streams of a formation dyno go to.
fn command(spec: &DynoSpec) -> io::Result<(Command, Option<tokio::net::unix::pipe::Receiver>)> {
    let (program, arguments) = spec.argv.split_first().ok_or_else(|| io::Error::other("there is no command"))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().current_dir(&spec.image.workdir).process_group(0).kill_on_drop(true);
    command.envs(spec.image.env.iter().chain(&spec.env).map(|(name, value)| (name, value)));
    if spec.console != Console::Log {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        return Ok((command, None));
    }
    let (ours, theirs) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(theirs.try_clone()?).stderr(theirs);
    Ok((command, Some(tokio::net::unix::pipe::Receiver::from_owned_fd(ours.into())?)))
}

async fn run(
    mut child: Child,
    merged: Option<tokio::net::unix::pipe::Receiver>,
    spec: DynoSpec,
    events: EventSink,
    output: OutputSink,
    mut orders: mpsc::UnboundedReceiver<Signal>,
) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let carried = tokio::spawn(async move {
        tokio::join!(carry(merged, false, &output), carry(stdout, false, &output), carry(stderr, true, &output));
    });
    let bound = tokio::spawn(watch(spec.port, events.clone()));
    let status = loop {
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(signal) => send(group, number(signal)),
                None => {
                    send(group, rustix::process::Signal::KILL);
                    carried.abort();
                    return bound.abort();
                }
            },
            status = child.wait() => break status,
        }
    };
    // The dyno ends with its main process; what is left of its group goes too.
    send(group, rustix::process::Signal::KILL);
    bound.abort();
    let _ = carried.await;
    let status = status.map_or(137, super::code_of);
    let _ = events.send(ended(status)).await;
}

fn number(signal: Signal) -> rustix::process::Signal {
    match signal {
        Signal::Term => rustix::process::Signal::TERM,
        Signal::Kill => rustix::process::Signal::KILL,
        Signal::Hup => rustix::process::Signal::HUP,
        Signal::Int => rustix::process::Signal::INT,
    }
}

fn send(group: Option<Pid>, signal: rustix::process::Signal) {
    if let Some(group) = group {
        // It may have ended just now.
        let _ = kill_process_group(group, signal);
    }
}

async fn carry(stream: Option<impl AsyncRead + Unpin>, stderr: bool, sink: &OutputSink) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; PIECE];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        // Without a reader the rest is of no use to anybody, but the dyno must not stop for it.
        let _ = sink.send(Output { stderr, bytes: Bytes::copy_from_slice(&buffer[..read]) }).await;
    }
}

/// Tells once that `$PORT` takes connections.
async fn watch(port: Option<u16>, events: EventSink) {
    let Some(port) = port else { return };
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    while TcpStream::connect(address).await.is_err() {
        sleep(PACE).await;
    }
    let listener = Listener { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port, process: None };
    let _ = events.send(InstanceEvent::Listening(vec![listener])).await;
    let _ = events.send(InstanceEvent::Bound(Endpoint(address))).await;
}

/// The handle that the dyno's owner holds.
struct Group {
    orders: mpsc::UnboundedSender<Signal>,
    input: Mutex<Option<ChildStdin>>,
}

#[async_trait]
impl Instance for Group {
    fn signal(&self, signal: Signal) {
        // One that has ended has nothing left to signal.
        let _ = self.orders.send(signal);
    }

    async fn usage(&self) -> Option<Usage> {
        None
    }

    async fn processes(&self) -> Vec<ProcessFacts> {
        Vec::new()
    }

    async fn input(&self, bytes: Bytes) {
        let mut input = self.input.lock().await;
        let written = match input.as_mut() {
            Some(stream) if !bytes.is_empty() => stream.write_all(&bytes).await.is_ok(),
            _ => false,
        };
        if !written {
            *input = None;
        }
    }

    async fn resize(&self, _: u16, _: u16) {}
}

/// Nothing is written down of process groups.
pub(super) fn dynos(_: &Shared, _: &str) -> Vec<String> {
    Vec::new()
}

/// There is no way into one of them.
pub(super) fn enter(_: &Arc<Shared>, _: &str, _: &str) -> Option<Box<dyn Inside>> {
    None
}

/// What an earlier run left cannot be told from other processes.
pub(super) async fn sweep(shared: &Shared, identity: &str, live: &[String]) -> Swept {
    shared.files.forget_runs(identity, live);
    Swept::default()
}
