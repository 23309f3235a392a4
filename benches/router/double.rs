//! What stands behind every proxy: the least HTTP server that will do, in a process of its own, on one thread.
//!
//! Any GET gets 1 KiB, `/bytes/N` gets N bytes, the body of a POST is read and dropped, and an upgrade is answered 101,
//! after which every byte is sent back.

use crate::Result;
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The body of a plain answer.
const BODY: usize = 1024;
/// Bytes moved at a time.
const PIECE: usize = 256 * 1024;

/// Serves for ever, after its port was told on standard output.
pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        loop {
            let (socket, _) = listener.accept().await?;
            // A proxy that hangs up is no concern of the double's.
            tokio::spawn(async move {
                let _ = serve(socket).await;
            });
        }
    })
}

async fn serve(mut socket: TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let plain = answer("");
    let mut have = Vec::with_capacity(2048);
    loop {
        let end = loop {
            if let Some(at) = memmem::find(&have, b"\r\n\r\n") {
                break at + 4;
            }
            if socket.read_buf(&mut have).await? == 0 {
                return Ok(());
            }
        };
        let head = have[..end].to_ascii_lowercase();
        let length = number_after(&head, b"\r\ncontent-length:").unwrap_or(0);
        let mut unread = length.saturating_sub(have.len() - end);
        have.drain(..have.len().min(end + length));
        if unread > 0 {
            let mut piece = vec![0; PIECE];
            while unread > 0 {
                let room = unread.min(PIECE);
                match socket.read(&mut piece[..room]).await? {
                    0 => return Ok(()),
                    n => unread -= n,
                }
            }
        }
        if memmem::find(&head, b"\r\nupgrade:").is_some() {
            return echo(socket, &have).await;
        }
        if let Some(length) = number_after(&head, b"get /bytes/") {
            download(&mut socket, length).await?;
        } else if memmem::find(&head, b"\r\nconnection: close").is_some() {
            return socket.write_all(&answer("Connection: close\r\n")).await;
        } else {
            socket.write_all(&plain).await?;
        }
    }
}

/// A plain answer, with this header line.
fn answer(line: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{line}Content-Length: {BODY}\r\n\r\n");
    [head.as_bytes(), &[b'x'; BODY]].concat()
}

fn number_after(head: &[u8], name: &[u8]) -> Option<usize> {
    let at = memmem::find(head, name)? + name.len();
    let rest = head[at..].trim_ascii_start();
    let end = rest.iter().position(|b| !b.is_ascii_digit())?;
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

async fn download(socket: &mut TcpStream, length: usize) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    socket.write_all(head.as_bytes()).await?;
    let piece = vec![b'x'; PIECE];
    let mut left = length;
    while left > 0 {
        let n = left.min(PIECE);
        socket.write_all(&piece[..n]).await?;
        left -= n;
    }
    Ok(())
}

async fn echo(mut socket: TcpStream, ahead: &[u8]) -> std::io::Result<()> {
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(ahead).await?;
    let mut bytes = [0; 256];
    loop {
        match socket.read(&mut bytes).await? {
            0 => return Ok(()),
            n => socket.write_all(&bytes[..n]).await?,
        }
    }
}
