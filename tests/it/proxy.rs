//! Heroku and registries behind a company's proxy.

use crate::harness::{Finished, Project};
use crate::stand_in::{App, KEY, StandIn};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

/// `ann:hunter2`, as a proxy wants it.
const AUTHORIZATION: &str = "Proxy-Authorization: Basic YW5uOmh1bnRlcjI=";

/// A proxy that leads every tunnel to one port of this machine, for those who name themselves. It runs until the test
/// process ends.
struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heard = heard.clone();
                std::thread::spawn(move || tunnel(stream, target, &heard));
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn tunnel(mut stream: TcpStream, target: u16, heard: &Mutex<Vec<String>>) {
    // What comes after the head waits for the answer to it.
    let head: Vec<String> =
        BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let Some(line) = head.first() else { return };
    heard.lock().unwrap().push(line.clone());
    if !head.iter().any(|line| line == AUTHORIZATION) {
        let _ = stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    let server = TcpStream::connect(("127.0.0.1", target)).unwrap();
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
    let (mut up, mut down) = ((stream.try_clone().unwrap(), server.try_clone().unwrap()), (server, stream));
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut up.0, &mut up.1);
        let _ = up.1.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut down.0, &mut down.1);
    let _ = down.1.shutdown(std::net::Shutdown::Both);
}

#[test]
fn heroku_and_registries_are_reached_through_the_proxy_of_the_environment() {
    let heroku = StandIn::start_tls(vec![App::new("shop")]);
    let (proxy, project) = (Proxy::to(heroku.port), Project::empty("shop"));
    let roots = project.dir.join("roots.pem");
    std::fs::write(&roots, heroku.certificate.as_ref().unwrap()).unwrap();
    // Names that no resolver knows: whoever gets there came through the proxy.
    let run = |words: &str, variables: &[(&str, &str)]| {
        let mut command = project.command(&words.split(' ').collect::<Vec<_>>());
        command.env("HEROKU_API_URL", "https://api.example.test").env("HEROKU_API_KEY", KEY);
        command.env("SSL_CERT_FILE", &roots).envs(variables.iter().copied());
        Finished::of(&command.stdin(Stdio::null()).output().unwrap())
    };
    let url = format!("http://ann:hunter2@127.0.0.1:{}", proxy.port);
    let through = run("releases -a shop", &[("HTTPS_PROXY", &url)]);
    through.expect_code(0).expect_out("=== shop Releases - Current: v2");
    assert_eq!(proxy.asked(), ["CONNECT api.example.test:443 HTTP/1.1"]);

    let login = run("container:login", &[("https_proxy", &url)]);
    login.expect_code(8).expect_err("registry.example.test");
    assert_eq!(proxy.asked(), ["CONNECT registry.example.test:443 HTTP/1.1"], "{}", login.err);

    let without = run("releases -a shop", &[("HTTPS_PROXY", &url), ("NO_PROXY", "example.test")]);
    without.expect_code(1).expect_err("api.example.test cannot be reached");
    assert_eq!(proxy.asked(), [""; 0]);

    let stranger = run("releases -a shop", &[("HTTPS_PROXY", &url.replace("hunter2", "hunter3"))]);
    stranger.expect_code(1).expect_err("wants a user name and a password").expect_err("look at HTTPS_PROXY");
    assert!(!stranger.err.contains("hunter"), "{}", stranger.err);
    let nobody = run("releases -a shop", &[("ALL_PROXY", "http://ann:hunter2@127.0.0.1:9")]);
    nobody.expect_code(1).expect_err("the proxy 127.0.0.1:9 cannot be reached").expect_err("refused");
    assert!(!nobody.err.contains("hunter"), "{}", nobody.err);
    let socks = run("releases -a shop", &[("ALL_PROXY", "socks5://ann:hunter2@127.0.0.1:9")]);
    socks.expect_code(1).expect_err("error: ALL_PROXY names no HTTP proxy").expect_err("http://HOST:PORT");
}
