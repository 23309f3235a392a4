//! How long something takes, and how that is told.

use crate::{PATIENCE, Result, TICK};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;
use tokio::time::Instant;

/// Asks until there is an answer that is 200.
pub(crate) fn first_200(address: SocketAddr, began: Instant) -> Result<Duration> {
    while began.elapsed() < PATIENCE {
        if ask(address).is_ok_and(|answer| answer.split(' ').nth(1) == Some("200")) {
            return Ok(began.elapsed());
        }
        sleep(TICK);
    }
    Err(format!("no 200 from {address} in {} s", PATIENCE.as_secs()).into())
}

fn ask(address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The middle one.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// `  12.3 ms`.
pub(crate) fn millis(time: Duration) -> String {
    format!("{:>7.1} ms", time.as_secs_f64() * 1000.0)
}

/// How many times the other.
pub(crate) fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}
