//! A gate in front of a registry: it writes down what is asked, lets it pass, or does what it was told to do instead.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What happens to a request in place of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    /// This status, with this body.
    Status(u16, &'static str),
    /// 401 with a token service at the gate itself, until the token comes.
    WantToken,
    /// Half of the body is read, then the connection ends.
    Cut,
    /// Nothing ever comes back.
    Hold,
    /// The true answer, but for the digest in its header.
    OtherDigest,
}

struct Rule {
    /// The beginning of the request line.
    at: &'static str,
    trouble: Trouble,
    /// So many pass before.
    after: usize,
    /// So many are met.
    times: usize,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    asked: Vec<String>,
    held: usize,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    port: u16,
    to: u16,
}

/// It listens until the test process ends.
pub(crate) struct Gate(Arc<Shared>);

impl Gate {
    /// In front of a registry's port.
    pub(crate) fn to(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), port, to });
        let gate = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let gate = gate.clone();
                std::thread::spawn(move || gate.serve(&stream));
            }
        });
        Self(shared)
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.0.port)
    }

    /// After so many requests that begin so, the next so many meet trouble.
    pub(crate) fn trouble(&self, at: &'static str, after: usize, times: usize, trouble: Trouble) {
        self.0.state.lock().unwrap().rules.push(Rule { at, trouble, after, times });
    }

    /// All is well again.
    pub(crate) fn heal(&self) {
        self.0.state.lock().unwrap().rules.clear();
    }

    /// Request lines since the last call, without the protocol.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.state.lock().unwrap().asked)
    }

    /// Waits until a request is held.
    pub(crate) fn wait_held(&self) {
        let state = self.0.state.lock().unwrap();
        let (state, _) =
            self.0.changed.wait_timeout_while(state, Duration::from_secs(120), |state| state.held == 0).unwrap();
        assert!(state.held > 0, "nothing was held; asked: {:?}", state.asked);
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        loop {
            let start = head.len();
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
            if &head[start..] == "\r\n" {
                break;
            }
        }
        let length = header(&head, "content-length").and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
        let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
        let trouble = self.meet(&line, &head);
        let mut answer = |text: &str| {
            let _ = (&*stream).write_all(text.as_bytes());
            let _ = std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink());
        };
        if line.starts_with("GET /token") {
            let body = r#"{"token":"t0ken"}"#;
            return answer(&format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            ));
        }
        match trouble {
            Some(Trouble::Status(status, body)) => answer(&format!(
                "HTTP/1.1 {status} Trouble\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )),
            Some(Trouble::WantToken) => {
                let realm = format!("http://127.0.0.1:{}/token", self.port);
                answer(&format!(
                    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"{realm}\",service=\"reg\"\r\n\
                     Content-Length: 0\r\nConnection: close\r\n\r\n"
                ));
            }
            Some(Trouble::Cut) => drop(std::io::copy(&mut reader.take(length / 2), &mut std::io::sink())),
            Some(Trouble::Hold) => {
                self.state.lock().unwrap().held += 1;
                self.changed.notify_all();
                // Until the other end goes.
                let _ = std::io::copy(&mut reader, &mut std::io::sink());
            }
            Some(Trouble::OtherDigest) | None => {
                let other = matches!(trouble, Some(Trouble::OtherDigest));
                let _ = self.pass(stream, reader, &head, length, other);
            }
        }
    }

    /// What is to happen to a request.
    fn meet(&self, line: &str, head: &str) -> Option<Trouble> {
        let mut state = self.state.lock().unwrap();
        state.asked.push(line.to_owned());
        let rule = state.rules.iter_mut().find(|rule| line.starts_with(rule.at) && rule.times > 0)?;
        if rule.after > 0 {
            rule.after -= 1;
            return None;
        }
        if matches!(rule.trouble, Trouble::WantToken) && header(head, "authorization") == Some("Bearer t0ken") {
            return None;
        }
        rule.times -= 1;
        Some(rule.trouble)
    }

    fn pass(
        &self,
        stream: &TcpStream,
        reader: BufReader<&TcpStream>,
        head: &str,
        length: u64,
        other: bool,
    ) -> std::io::Result<()> {
        let mut up = TcpStream::connect(("127.0.0.1", self.to))?;
        let (line, rest) = head.split_once("\r\n").unwrap();
        let token = |header: &&str| !header.to_ascii_lowercase().starts_with("authorization: bearer");
        let rest: Vec<&str> = rest.lines().filter(token).collect();
        up.write_all(format!("{line}\r\nConnection: close\r\n{}\r\n", rest.join("\r\n")).as_bytes())?;
        if rest.last() != Some(&"") {
            up.write_all(b"\r\n")?;
        }
        std::io::copy(&mut reader.take(length), &mut up)?;
        let mut answer = Vec::new();
        up.read_to_end(&mut answer)?;
        if other {
            let text = String::from_utf8_lossy(&answer)
                .replace("Docker-Content-Digest: sha256:", "Docker-Content-Digest: sha256:0000");
            answer = text.into_bytes();
        }
        (&*stream).write_all(&answer)
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
