//! The engine without dynosim: containers by its API, hand-written, so that nothing of a library is measured.

use super::{PATIENCE, Result};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// The peer: a container of the same image and command, and nothing around it.
pub(crate) struct Container(String);

impl Container {
    pub(crate) fn start(image: &str, command: &str) -> Result<Self> {
        let body = json!({
            "Image": image, "Cmd": ["/bin/sh", "-c", command], "Entrypoint": [], "Env": ["PORT=5000"],
            "StopSignal": "SIGKILL",
        });
        let made = api("POST", "/containers/create", Some(&body))?;
        let container = Self(made["Id"].as_str().ok_or("no id")?.to_owned());
        api("POST", &format!("/containers/{}/start", container.0), None)?;
        Ok(container)
    }

    pub(crate) fn address(&self) -> Result<SocketAddr> {
        let facts = api("GET", &format!("/containers/{}/json", self.0), None)?;
        let ip = facts["NetworkSettings"]["IPAddress"].as_str().ok_or("no address")?;
        Ok(SocketAddr::new(ip.parse()?, 5000))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = api("DELETE", &format!("/containers/{}?force=true&v=true", self.0), None);
    }
}

pub(crate) fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").into()
}

/// One request to the engine. HTTP/1.0, so that the answer ends with the connection and comes in one piece.
pub(crate) fn api(method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = UnixStream::connect(socket())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(
        stream,
        "{method} /v1.41{path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    if !head.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
        return Err(format!("{method} {path}: {answer}").into());
    }
    Ok(serde_json::from_str(body).unwrap_or(Value::Null))
}
