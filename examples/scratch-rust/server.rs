//! A web server in one file, with nothing but the standard library.
//!
//! Linked statically it needs no operating system image around it: see the Dockerfile.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::{env, process, thread};

fn main() {
    let greeting = env::args().nth(1).unwrap_or_else(|| "Hello".into());
    let Ok(port) = env::var("PORT") else {
        eprintln!("PORT is not set: this is the web process of an app, start it with `dynosim up`");
        process::exit(1);
    };
    // 0.0.0.0, not 127.0.0.1: the router is outside of the dyno.
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).unwrap_or_else(|error| {
        eprintln!("cannot listen on 0.0.0.0:{port}: {error}");
        process::exit(1);
    });
    println!("web listens on {port}");
    for stream in listener.incoming().flatten() {
        let greeting = greeting.clone();
        thread::spawn(move || {
            // A client that went away is no reason to stop.
            let _ = answer(stream, &greeting);
        });
    }
}

/// Reads requests off one connection and answers each, until the other side has had enough.
fn answer(stream: TcpStream, greeting: &str) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(request) = lines.next().transpose()? {
        let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
        // The head ends with an empty line. Bodies are not read: a request that has one is the connection's last.
        let mut has_body = false;
        while let Some(header) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
            let header = header.to_ascii_lowercase();
            has_body |= header.starts_with("transfer-encoding:")
                || header.strip_prefix("content-length:").is_some_and(|length| length.trim() != "0");
        }
        let (status, body) = match path.as_str() {
            "/" => ("200 OK", format!("{greeting}, from {}\n", env::var("DYNO").unwrap_or_default())),
            _ => ("404 Not Found", format!("no such page: {path}\n")),
        };
        let connection = if has_body { "close" } else { "keep-alive" };
        let length = body.len();
        write!(
            writer,
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
             Connection: {connection}\r\n\r\n{body}"
        )?;
        if has_body {
            break;
        }
    }
    Ok(())
}
