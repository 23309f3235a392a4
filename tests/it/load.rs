//! Clients that ask an app for answers without a pause, and what they saw.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longer than the router holds a request.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two requests of one client, so that the engine gets its share of a small machine.
const PAUSE: Duration = Duration::from_millis(2);

/// What came of a request: status and body, or how the connection failed.
pub(crate) type Outcome = Result<(u16, String), String>;

/// Clients at work.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Outcome>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Asks the router at `port`: so many clients that keep their connection, so many that open one for each request.
    pub(crate) fn begin(port: u16, keeping: usize, opening: usize) -> Self {
        let (over, answered, seen): (Arc<AtomicBool>, Arc<AtomicUsize>, Arc<Mutex<Vec<Outcome>>>) = Default::default();
        let client = |keeps: bool| {
            let (over, answered, seen) = (Arc::clone(&over), Arc::clone(&answered), Arc::clone(&seen));
            std::thread::spawn(move || {
                let mut kept = None;
                while !over.load(Ordering::Acquire) {
                    let outcome = ask(port, keeps, &mut kept);
                    seen.lock().unwrap().push(outcome);
                    answered.fetch_add(1, Ordering::AcqRel);
                    std::thread::sleep(PAUSE);
                }
            })
        };
        let clients = (0..keeping).map(|_| client(true)).chain((0..opening).map(|_| client(false))).collect();
        Self { over, answered, seen, clients }
    }

    /// Requests that have ended so far.
    pub(crate) fn count(&self) -> usize {
        self.answered.load(Ordering::Acquire)
    }

    /// Lets every client end its request; returns what all of them saw.
    pub(crate) fn end(self) -> Vec<Outcome> {
        self.over.store(true, Ordering::Release);
        for client in self.clients {
            client.join().unwrap();
        }
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

/// One request; `kept` is the connection that it may use and leave.
fn ask(port: u16, keeps: bool, kept: &mut Option<BufReader<TcpStream>>) -> Outcome {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => BufReader::new(TcpStream::connect(("127.0.0.1", port)).map_err(|error| format!("connect: {error}"))?),
    };
    connection.get_ref().set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
    let close = if keeps { "" } else { "Connection: close\r\n" };
    let request = format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n{close}\r\n");
    connection.get_mut().write_all(request.as_bytes()).map_err(|error| format!("send: {error}"))?;
    let (status, body, closes) = answer(&mut connection).map_err(|error| format!("answer: {error}"))?;
    if keeps && !closes {
        *kept = Some(connection);
    }
    Ok((status, body))
}

/// Status, body, and whether the connection ends with it.
fn answer(connection: &mut BufReader<TcpStream>) -> std::io::Result<(u16, String, bool)> {
    let line = |connection: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        match connection.read_line(&mut line)? {
            0 => Err(std::io::Error::new(ErrorKind::UnexpectedEof, "the connection ended within the head")),
            _ => Ok(line.trim_end().to_owned()),
        }
    };
    let status = line(connection)?.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let (mut length, mut closes) = (0, false);
    loop {
        let header = line(connection)?.to_ascii_lowercase();
        match header.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap_or(0),
            Some(("connection", value)) => closes = value == "close",
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok((status, String::from_utf8_lossy(&body).into_owned(), closes))
}
