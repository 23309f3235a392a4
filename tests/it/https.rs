//! `up --https` and `trust`: what a client that trusts the local authority gets, and what one that does not.

use crate::harness::{Finished, Project, Up, engine_lock, on_each_engine};
use crate::support::engine_or_skip;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// The authority's certificate as `trust --print` prints it, in a file.
fn certificate(project: &Project) -> PathBuf {
    let printed = project.run(&["trust", "--print"]);
    printed.expect_code(0).expect_out("-----BEGIN CERTIFICATE-----");
    project.write("printed.pem", &printed.out);
    project.dir.join("printed.pem")
}

/// What curl says to a URL whose port is the running app's for HTTPS.
fn curl(up: &Up<'_>, more: &[&str], url: &str) -> Finished {
    let url = url.replace("PORT", &up.https_port().to_string());
    let mut command = Command::new("curl");
    command.args(["-sS", "--http1.1", "--noproxy", "*", "--max-time", "20"]).args(more).arg(&url);
    let output = command.env_remove("CURL_CA_BUNDLE").env_remove("SSL_CERT_FILE").output().unwrap();
    Finished {
        status: output.status,
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A header as the app got it.
fn header(dump: &str, name: &str) -> String {
    let dump: serde_json::Value = serde_json::from_str(dump).unwrap_or_else(|error| panic!("{error}: {dump}"));
    let pairs = dump["headers"].as_array().unwrap();
    let found = pairs.iter().find(|pair| pair[0].as_str().is_some_and(|one| one.eq_ignore_ascii_case(name)));
    found.map(|pair| pair[1].as_str().unwrap().to_owned()).unwrap_or_default()
}

on_each_engine! {
    fn g11_over_https_the_line_says_tls_and_the_app_sees_the_scheme_and_port_of_the_client(on) {
        let project = on.project("tests/fixtures/apps/env-dump");
        let up = project.up(&["-p", "0", "--https=0", "--domain", "www.shop.com", "--domain", "*.wild.test"]);
        up.ready();
        up.wait_err("see `dynosim trust`");
        let ca = certificate(&project);
        let ca = ca.to_str().unwrap();
        let port = up.https_port();

        let dump = curl(&up, &["--cacert", ca], "https://localhost:PORT/headers?secure");
        dump.expect_code(0);
        assert_eq!(header(&dump.out, "x-forwarded-proto"), "https");
        assert_eq!(header(&dump.out, "x-forwarded-port"), port.to_string());
        let line = up.wait_out("path=\"/headers?secure\"");
        assert!(line.ends_with("protocol=http1.1 tls=true tls_version=tls1.3"), "{line}");
        curl(&up, &["--cacert", ca, "--tls-max", "1.2"], "https://localhost:PORT/headers?older").expect_code(0);
        assert!(up.wait_out("path=\"/headers?older\"").ends_with("tls=true tls_version=tls1.2"));
        let (status, dump) = up.get("/headers?plain");
        assert_eq!((status, header(&dump, "x-forwarded-proto").as_str()), (200, "http"));
        let line = up.wait_out("path=\"/headers?plain\"");
        assert!(line.ends_with("protocol=http1.1 tls=false"), "{line}");

        for name in ["127.0.0.1", "[::1]", "env-dump.localhost", "tenant.localhost", "www.shop.com", "a.b.wild.test"] {
            if name == "[::1]" && std::net::TcpListener::bind("[::1]:0").is_err() {
                continue;
            }
            let to = format!("{name}:{port}:127.0.0.1");
            let resolve = if name.contains(|c: char| c.is_ascii_lowercase()) { &["--resolve", &to][..] } else { &[] };
            let asked = [&["--cacert", ca, "-o", "/dev/null", "-w", "%{http_code}"], resolve].concat();
            let answer = curl(&up, &asked, &format!("https://{name}:PORT/headers"));
            answer.expect_code(0);
            assert_eq!(answer.out, "200", "{name}");
        }
        // 60: the certificate is not trusted, or not for this name.
        curl(&up, &[], "https://localhost:PORT/").expect_code(60);
        let elsewhere = format!("www.else.com:{port}:127.0.0.1");
        curl(&up, &["--cacert", ca, "--resolve", &elsewhere], "https://www.else.com:PORT/").expect_code(60);
        up.stop();
    }
}

#[test]
fn the_urls_of_both_schemes_are_news() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/env-dump");
    let up = project.up(&["--json", "--https=0", "-p", "0"]);
    for event in ["listening", "ready"] {
        let line = up.wait_out(&format!("\"event\":\"{event}\""));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(value["url"].as_str().unwrap().starts_with("http://localhost:"), "{line}");
        assert!(value["https_url"].as_str().unwrap().starts_with("https://localhost:"), "{line}");
    }
    up.interrupt();
    up.finish().expect_code(130);
}

#[test]
fn a_domain_that_came_after_the_authority_gets_the_command_that_widens_it() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/env-dump");
    project.run(&["trust"]).expect_code(0).expect_out("not yet").expect_out("localhost, test, example");
    let up = project.up(&["-p", "0", "--https=0", "--domain", "*.late.com"]);
    let note = up.wait_err("there is no certificate for *.late.com");
    assert!(note.contains("dynosim trust --renew --domain '*.late.com'"), "{note}");
    up.ready();
    up.stop();
    project.run(&["trust", "--renew"]).expect_code(2).expect_err("--yes");
    let renewed = project.run(&["trust", "--renew", "--yes", "--domain", "*.late.com"]);
    renewed.expect_code(0).expect_out("localhost, test, example, late.com");
    // What the old one was made for is kept.
    project.run(&["trust", "--renew", "--yes", "--domain", "x.org"]).expect_code(0).expect_out("late.com, x.org");
}

#[test]
fn an_authority_that_cannot_be_used_stops_up_with_its_file_and_the_way_out() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::of("tests/fixtures/apps/env-dump");
    let shown = project.run(&["trust", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown["sha256"].as_str().unwrap().len(), 95);
    let path = PathBuf::from(shown["certificate"].as_str().unwrap());
    assert!(path.ends_with(".config/dynosim/authority/ca.pem"), "{}", path.display());
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(path.parent().unwrap()), mode(&path.with_file_name("ca-key.pem"))), (0o700, 0o600));
    std::fs::write(&path, "hello").unwrap();
    let ended = project.run(&["up", "--https"]);
    ended.expect_code(1).expect_err(path.to_str().unwrap()).expect_err("dynosim trust --renew");
    assert_eq!(project.left_behind(), Vec::<String>::new());
    project.run(&["trust"]).expect_code(1).expect_err("is not a certificate");
    // Without --https nobody needs it.
    let up = project.up(&["-p", "0"]);
    up.ready();
    up.stop();
}

#[test]
fn trust_asks_before_it_runs_anything_and_shows_what() {
    let project = Project::empty("x");
    let refused = project.run(&["trust", "--install"]);
    // With no store that is known there is nothing to run; else it shows the commands, and asks or names root's.
    assert_ne!(refused.status.code(), Some(0), "{refused:?}");
    refused.expect_err("ca.pem");
    project.run(&["trust", "--install", "--print"]).expect_code(2);
    project.run(&["trust", "--domain", "x.org"]).expect_code(2).expect_err("--renew");
    project.run(&["trust", "--print", "--json"]).expect_code(2);
    let output = project.command(&["trust"]).env("DYNOSIM_CONFIG_DIR", project.dir.join("own")).output().unwrap();
    assert!(output.status.success() && project.dir.join("own/authority/ca.pem").is_file());
    let output = project.command(&["trust"]).env_remove("HOME").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("HOME"), "{output:?}");
}
