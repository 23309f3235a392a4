//! The options of `up` that shape the router, on the real command; what each does in full is for the router's own tests.

use crate::harness::{Project, Up, engine_lock, exchange, on_each_engine};
use crate::support::engine_or_skip;
use std::io::{Read, Write};

/// GETs a path with these header lines; the whole answer.
fn get(up: &Up<'_>, path: &str, head: &str) -> String {
    exchange(up.port(), format!("GET {path} HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n").as_bytes())
}

#[track_caller]
fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

#[test]
fn the_router_answers_on_both_addresses_of_localhost() {
    engine_or_skip!();
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/env-dump");
    let up = project.up(&["-p", "0"]);
    let port = up.ready();
    let mut stream = std::net::TcpStream::connect(("::1", port)).unwrap();
    let request = format!("GET /six HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(status(&answer), "200");
    assert!(up.wait_out("path=\"/six\"").contains("fwd=\"::1\""));
    up.stop();
    // Whoever has the port on one address has it.
    let other = std::net::TcpListener::bind("[::1]:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    project.run(&["up", "-p", &port]).expect_code(1).expect_err(&format!("port {port} is taken"));
}

on_each_engine! {
    fn domains_lead_to_the_app_and_a_cookie_leads_back_to_the_dyno(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let affinity = "--feature=http-session-affinity";
        let up = project.up(&["-p", "0", "web=2", "--domain", "www.shop.com", "--domain", "*.wild.test", affinity]);
        up.ready();
        for (host, expected) in [
            ("www.shop.com", "200"),
            ("WWW.SHOP.COM.:80", "200"),
            ("a.b.wild.test", "200"),
            ("env-dump.localhost", "200"),
            ("shop.com", "404"),
            ("wild.test", "404"),
            ("www.else.com", "404"),
        ] {
            assert_eq!(status(&get(&up, "/headers", &format!("Host: {host}"))), expected, "{host}");
        }
        let first = get(&up, "/headers", "Host: www.shop.com");
        let cookie = first.lines().find_map(|line| line.strip_prefix("Set-Cookie: ")).unwrap_or_else(|| panic!("{first}"));
        assert!(cookie.starts_with("heroku-session-affinity=") && cookie.contains("Domain=www.shop.com"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap();
        for n in 0..12 {
            let answer = get(&up, &format!("/headers?same{n}"), &format!("Host: www.shop.com\r\nCookie: {cookie}"));
            assert!(!answer.contains("Set-Cookie"), "{answer}");
            up.wait_out(&format!("same{n}\""));
        }
        let dyno = |line: &String| line.split(" dyno=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        let dynos: std::collections::BTreeSet<String> =
            up.log().iter().filter(|line| line.contains("/headers?same")).map(dyno).collect();
        assert_eq!(dynos.len(), 1, "{dynos:?}");
        up.stop();
    }
}

on_each_engine! {
    fn maintenance_is_h80_with_the_page_of_the_config_var_while_dynos_run(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        project
            .write(".env", "MAINTENANCE_PAGE_URL=https://pages.example/soon\nERROR_PAGE_URL=https://pages.example/sorry\n");
        let up = project.up(&["-p", "0", "--maintenance"]);
        up.ready();
        let (code, page) = up.get("/");
        assert_eq!(code, 503);
        assert!(page.contains("src=\"https://pages.example/soon\""), "{page}");
        let line = up.wait_out("code=H80");
        assert!(line.contains("at=info code=H80 desc=\"Maintenance mode\""), "{line}");
        up.stop();
        let up = project.up(&["-p", "0", "web=0"]);
        up.ready();
        let (code, page) = up.get("/");
        assert_eq!(code, 503);
        assert!(page.contains("src=\"https://pages.example/sorry\""), "{page}");
        up.stop();
    }
}

on_each_engine! {
    fn the_legacy_router_writes_its_own_line_and_headers(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let up = project.up(&["-p", "0", "--router", "legacy", "--router-option", "forwarded-port=443"]);
        up.ready();
        let (code, dump) = up.get("/headers");
        assert_eq!(code, 200);
        assert!(dump.contains("1.1 vegur") && dump.contains("[\"X-Forwarded-Port\", \"443\"]"), "{dump}");
        let line = up.wait_out("path=\"/headers\"");
        assert!(line.ends_with(" protocol=http"), "{line}");
        up.stop();
    }
}

#[test]
fn a_wrong_value_says_what_is_right() {
    let project = Project::empty("x");
    project.write("Dockerfile", "FROM busybox\nCMD [\"true\"]\n");
    for (words, part) in [
        (&["--feature", "session-affinity"][..], "http-session-affinity, http-disable-keepalive-to-dyno"),
        (&["--router-option", "nel=off"], "takes no value"),
        (&["--router", "3"], "2.0"),
        (&["--domain", "http://x.example"], "without scheme"),
        (&["--https=x"], "--https"),
        (&["--https", "5443"], "--https=5443"),
        (&["-p", "8080", "--https=8080"], "cannot both have port 8080"),
    ] {
        project.run(&[&["up"], words].concat()).expect_code(2).expect_err(part);
    }
    let completion = project.run(&["completion", "bash"]);
    for word in ["--https", "--domain", "--router-option", "--maintenance", "trust"] {
        completion.expect_out(word);
    }
}
