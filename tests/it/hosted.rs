//! Commands about apps at Heroku, against the stand-in.

use crate::harness::{Finished, Project};
use crate::registry::{Gate, Registry, Trouble as Refusal, registry_or_skip, vouch_for};
use crate::stand_in::{App, KEY, Phase, StandIn, Trouble};
use crate::support::not_installed;
use bytes::Bytes;
use dynosim::model::image::ImageId;
use dynosim::model::process_type::ProcessType;
use dynosim::platform::tested::TestedImage;
use dynosim::registry::{Blob, Client, Digest, Host, Manifest, Patience, Repository, Sessions, Source, Tag};
use dynosim::web::Proxies;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Arc;

const WEB: &str = "sha256:a7af7a3b3d6e00000000000000000000000000000000000000000000000000a1";

/// Runs dynosim against the stand-in, with the key in the environment.
fn ask(heroku: &StandIn, project: &Project, args: &[&str]) -> Finished {
    let mut command = project.command(args);
    command.env("HEROKU_API_URL", heroku.url()).env("HEROKU_API_KEY", KEY);
    Finished::of(&command.stdin(Stdio::null()).output().unwrap())
}

fn run(heroku: &StandIn, project: &Project, words: &str) -> Finished {
    ask(heroku, project, &words.split(' ').collect::<Vec<_>>())
}

/// An app that runs an image, after one that it may go back to and one that failed.
fn shop() -> App {
    let mut app = App::new("shop").pushed("web", WEB);
    app.images = [("web".to_owned(), "sha256:0c1d2e3f4a5b".to_owned())].into();
    app.add("Deployed web (0c1d2e3f4a5b)", "succeeded");
    app.images = [("web".to_owned(), WEB.to_owned())].into();
    app.add("Deployed web (a7af7a3b3d6e)", "succeeded");
    app.add("Deployed web (ffffffffffff)", "failed");
    app
}

#[test]
fn releases_at_heroku_are_listed_and_shown_like_those_here() {
    let (heroku, project) = (StandIn::start(vec![shop()]), Project::empty("shop"));
    heroku.world().page = 2;
    let list = run(&heroku, &project, "releases -a shop");
    list.expect_code(0);
    assert_eq!(
        list.out,
        "=== shop Releases - Current: v4\n\n\
         v5 Deployed web (ffffffffffff) release command failed ann@example.com 2019/11/21 03:08:15 +0000\n\
         v4 Deployed web (a7af7a3b3d6e)                        ann@example.com 2019/11/21 03:08:15 +0000\n\
         v3 Deployed web (0c1d2e3f4a5b)                        ann@example.com 2019/11/21 03:08:15 +0000\n\
         v2 Enable Logplex                                     ann@example.com 2019/11/21 03:08:15 +0000\n\
         v1 Initial release                                    ann@example.com 2019/11/21 03:08:15 +0000\n"
    );
    assert_eq!(heroku.asked(), ["GET /apps/shop/releases"; 3], "a list comes page by page");
    assert_eq!(run(&heroku, &project, "releases -a shop -n 3").out.matches("Deployed").count(), 3);
    let info = run(&heroku, &project, "releases:info v4 -a shop");
    info.expect_code(0).expect_out("=== Release v4").expect_out("Eligible for Rollback?: Yes");
    info.expect_out("=== v4 Config vars").expect_out("MODE: production");
    let json: serde_json::Value =
        serde_json::from_str(&run(&heroku, &project, "releases:info --json -a shop").out).unwrap();
    assert_eq!((&json["version"], &json["status"]), (&5.into(), &"failed".into()));
    let none = run(&heroku, &project, "releases:output v4 -a shop");
    none.expect_code(0).expect_err("warning: Release v4 has no release output available.");
    assert!(!project.dir.parent().unwrap().join("state").exists(), "an app at Heroku leaves nothing here");
}

#[test]
fn r9_a_rollback_at_heroku_shows_its_release_phase_and_returns_4_when_it_fails() {
    let prints: &[&[u8]] = &[b"migrating", b"...\nmigrated 3 of 3\n"];
    let (heroku, project) = (StandIn::start(vec![shop()]), Project::empty("shop"));
    let plain = run(&heroku, &project, "rollback -a shop");
    plain.expect_code(0);
    assert_eq!(
        plain.err,
        "Rolling back shop to v3... done, v6\n\
         warning: Rollback affects code and config vars; it doesn't add or remove addons.\n\
         warning: To undo, run: dynosim rollback v5 -a shop\n"
    );
    heroku.world().app("shop").phase = Some(Phase::printing(prints, "succeeded"));
    let good = run(&heroku, &project, "rollback v4 -a shop");
    assert_eq!(good.expect_code(0).out, "migrating...\nmigrated 3 of 3\n");
    good.expect_err("Running release command...");
    assert_eq!(run(&heroku, &project, "releases:output v7 -a shop").expect_code(0).out, good.out);
    heroku.world().app("shop").phase = Some(Phase::printing(prints, "failed"));
    let bad = run(&heroku, &project, "rollback v3 -a shop");
    assert_eq!(bad.expect_code(4).out, "migrating...\nmigrated 3 of 3\n");
    bad.expect_err("error: the release command of v8 failed; shop goes on with what ran before");
    bad.expect_err("dynosim releases:output v8 -a shop");
    let refused = run(&heroku, &project, "rollback v5 -a shop");
    refused
        .expect_code(1)
        .expect_err("error: Cannot roll back to a release that failed. (422 invalid_params, request 9c1f0002");
    assert!(heroku.world().streamed.iter().all(|asked| asked.authorization.is_none()), "the key goes to the API alone");
}

#[test]
fn a_stream_that_comes_late_is_silent_and_breaks_is_read_whole() {
    let text: &[&[u8]] = &[b"one\ntwo\n", b"three\n", b"four\n"];
    let mut phase = Phase::printing(text, "succeeded");
    (phase.too_early, phase.breaks_after) = (2, Some(6));
    phase.prints[2].0 = std::time::Duration::from_millis(1500);
    let (heroku, project) = (StandIn::start(vec![shop().with_phase(phase)]), Project::empty("shop"));
    let done = run(&heroku, &project, "rollback v3 -a shop");
    assert_eq!(done.expect_code(0).out, "one\ntwo\nthree\nfour\n");
    let ranges: Vec<_> = heroku.world().streamed.iter().map(|asked| asked.range.clone()).collect();
    assert_eq!(ranges, [None, None, None, Some("bytes=6-".into())]);
}

#[test]
fn refusals_are_in_heroku_s_words_with_what_to_do() {
    let mut foreign = App::new("foreign");
    foreign.open = false;
    let (heroku, project) = (StandIn::start(vec![shop(), foreign]), Project::empty("shop"));
    let says = |words: &str, code: i32, text: &str, help: &str| {
        run(&heroku, &project, words).expect_code(code).expect_err(&format!("error: {text}")).expect_err(help);
    };
    says("releases -a shpo", 1, "Couldn't find that app. (404 not_found, request 9c1f0002", "the spelling of -a");
    says(
        "releases -a foreign",
        1,
        "You do not have access to the app foreign. (403 forbidden",
        "the key in HEROKU_API_KEY",
    );
    says("releases:info v99 -a shop", 1, "Couldn't find that release. (404", "");
    says("releases -a ../account", 1, "Couldn't find that app. (404", "");
    heroku.fails(&[("GET", Trouble::Refuse(403, "two_factor", "A second authentication factor is required.", &[]))]);
    says("releases -a shop", 1, "A second authentication factor is required. (403 two_factor", "authorizations:create");
    heroku.fails(&[("GET", Trouble::Html(200))]);
    says("releases -a shop", 1, "127.0.0.1:", "cannot be read");
    heroku.fails(&[("POST", Trouble::Refuse(409, "conflict", "Another release is in progress.", &[]))]);
    says("rollback -a shop", 1, "Another release is in progress. (409 conflict", "try again when it is done");
}

#[test]
fn no_key_a_wrong_key_and_a_strange_api_are_told_apart_and_no_key_is_shown() {
    let (heroku, project) = (StandIn::start(vec![shop()]), Project::empty("shop"));
    let with = |variables: &[(&str, &str)]| {
        let mut command = project.command(&["releases", "-a", "shop"]);
        let output = command.env("HEROKU_API_URL", heroku.url()).envs(variables.iter().copied()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, text) = with(&[]);
    assert!(
        code == 1 && text.contains("there is no API key for 127.0.0.1:") && text.contains("heroku auth:token"),
        "{text}"
    );
    let (code, text) = with(&[("HEROKU_API_KEY", "wrong-key-0815")]);
    assert!(code == 1 && text.contains("Invalid credentials provided. (401 unauthorized"), "{text}");
    assert!(text.contains("the key in HEROKU_API_KEY is not taken") && !text.contains("0815"), "{text}");
    let netrc = format!("machine 127.0.0.1:{}\n  login ann\n  password {KEY}\n", heroku.port);
    std::fs::write(project.dir.parent().unwrap().join(".netrc"), netrc).unwrap();
    assert_eq!(with(&[]).0, 0);
    let (code, text) = with(&[("HEROKU_API_URL", "http://api.example.com"), ("HEROKU_API_KEY", KEY)]);
    assert!(code == 2 && text.contains("HEROKU_API_URL is plain HTTP"), "{text}");
    let (code, text) = with(&[("HEROKU_API_URL", "http://127.0.0.1:9"), ("HEROKU_API_KEY", KEY)]);
    assert!(code == 1 && text.contains("127.0.0.1:9 cannot be reached:") && text.contains("refused"), "{text}");
}

#[test]
fn what_only_reads_is_asked_again_and_what_changes_something_is_not() {
    let (heroku, project) = (StandIn::start(vec![shop()]), Project::empty("shop"));
    let broken = Trouble::Refuse(503, "service_unavailable", "Try again.", &[]);
    heroku.fails(&[("GET", broken.clone()), ("GET", Trouble::HangUp), ("GET", Trouble::Html(502))]);
    let list = run(&heroku, &project, "releases -a shop");
    list.expect_code(0)
        .expect_err("answers 503; trying again in 0.5 s")
        .expect_err("does not answer; trying again in 1.0 s");
    heroku.fails(&[("POST", broken)]);
    run(&heroku, &project, "rollback v3 -a shop")
        .expect_code(1)
        .expect_err("Try again. (503")
        .expect_err("the fault is Heroku's");
    heroku.fails(&[("POST", Trouble::HangUp)]);
    let lost = run(&heroku, &project, "rollback v3 -a shop");
    lost.expect_code(1)
        .expect_err("did not answer POST /apps/shop/releases")
        .expect_err("whether it was done is not known");
    assert_eq!(heroku.world().changes().len(), 2, "neither was sent twice");
    let limit = |after| Trouble::Refuse(429, "rate_limit", "Your account reached the API rate limit.", after);
    heroku.fails(&[("POST", limit(&[("retry-after", "0")]))]);
    run(&heroku, &project, "rollback v3 -a shop").expect_code(0).expect_err("answers 429; trying again in 0.0 s");
    heroku.fails(&[("GET", limit(&[("retry-after", "600")]))]);
    run(&heroku, &project, "releases -a shop")
        .expect_code(1)
        .expect_err("reached the API rate limit. (429")
        .expect_err("75 more requests");
}

#[test]
fn removing_a_process_type_takes_its_image_from_the_app() {
    let (heroku, project) = (StandIn::start(vec![shop()]), Project::empty("shop"));
    let removed = run(&heroku, &project, "container:rm web -a shop");
    assert_eq!(removed.expect_code(0).err, "Removing container web for shop... done\n");
    assert_eq!(
        heroku.world().changes(),
        [("PATCH /apps/shop/formation/web".to_owned(), json!({"docker_image": null}))]
    );
    run(&heroku, &project, "container:rm web -a shop").expect_code(1).expect_err("Couldn't find that process type.");
    heroku.world().app("shop").stack = "heroku-24";
    let slug = run(&heroku, &project, "container:rm web -a shop");
    slug.expect_code(1).expect_err("This command is for Docker apps only; shop is on the stack heroku-24.");
    slug.expect_err("heroku stack:set container -a shop");
    run(&heroku, &project, "container:rm -a shop").expect_code(2);
    run(&heroku, &project, "container:rm web").expect_code(2).expect_err("--app");
}

/// An image in a registry that no engine made: its parts are what this text says.
struct Image {
    manifest: Manifest,
    parts: Vec<(Blob, Bytes)>,
}

impl Image {
    fn of(text: &str) -> Self {
        let part = |text: String| {
            let bytes = Bytes::from(text);
            (Blob { digest: Digest::of(&bytes), size: bytes.len() as u64 }, bytes)
        };
        let parts = vec![part(format!("layer of {text}")), part(format!("{{\"config\": \"{text}\"}}"))];
        Self { manifest: Manifest { layers: vec![parts[0].0.clone()], config: parts[1].0.clone() }, parts }
    }

    fn digest(&self) -> String {
        self.manifest.config.digest.as_str().to_owned()
    }

    fn id(&self) -> ImageId {
        ImageId(self.digest())
    }

    /// Puts it into `REPOSITORY:latest`.
    fn push(&self, registry: &Registry, repository: &str) {
        let client = client(registry, repository);
        block_on(async {
            for (blob, bytes) in &self.parts {
                let source = Source::Bytes(bytes.clone());
                client.upload(blob, &source, &Forgetful, Arc::new(|_| {})).await.unwrap();
            }
            client.tag(&Tag::latest(), &self.manifest.bytes()).await.unwrap();
        });
    }
}

struct Forgetful;

impl Sessions for Forgetful {
    fn recall(&self, _: &Blob) -> Option<String> {
        None
    }
    fn keep(&self, _: &Blob, _: &str) {}
    fn forget(&self, _: &Blob) {}
}

fn client(registry: &Registry, repository: &str) -> Client {
    let repository = Repository::new(Host::parse(&registry.host()).unwrap(), repository).unwrap();
    Client::new(repository, None, Patience::default(), &Proxies::none()).unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// What a repository has as latest: manifest and config digest.
fn latest(registry: &Registry, repository: &str) -> Option<(String, String)> {
    let found = block_on(client(registry, repository).manifest("latest")).unwrap()?;
    Some((found.digest.as_str().to_owned(), found.config()?.as_str().to_owned()))
}

/// A test passed with these images.
fn vouch(project: &Project, images: &[(&str, &Image)]) {
    // Any command makes the state folder.
    project.run(&["releases"]);
    let one = |(name, image): &(&str, &Image)| {
        let tested = TestedImage { config: image.id(), manifest: None, inputs: "i".into() };
        (ProcessType::new(*name).unwrap(), tested)
    };
    vouch_for(project, images.iter().map(one));
}

#[test]
fn r1_1_what_was_tested_and_pushed_is_released_by_its_config_digest_in_one_release() {
    registry_or_skip!();
    let registry = Registry::start();
    let (web, worker) = (Image::of("web"), Image::of("worker"));
    let app = App::new("shop").pushed("web", &web.digest()).pushed("worker", &worker.digest());
    let heroku = StandIn::start(vec![app.with_phase(Phase::printing(&[b"migrating\n", b"done\n"], "succeeded"))]);
    let project = Project::empty("shop");
    let host = registry.host();
    let ship = |words: &str| run(&heroku, &project, &format!("container:release {words} -a shop --registry {host}"));

    ship("web")
        .expect_code(1)
        .expect_err("error: nothing was pushed for web of shop")
        .expect_err("dynosim container:push web -a shop");
    web.push(&registry, "shop/web");
    worker.push(&registry, "shop/worker");
    let untested = ship("web worker");
    untested
        .expect_code(8)
        .expect_err(&format!("error: the web image that shop would get is untested: {}", web.digest()));
    untested.expect_err("dynosim test").expect_err("--allow-untested");
    vouch(&project, &[("web", &web)]);
    ship("web worker").expect_code(8).expect_err("error: the worker image that shop would get is untested");
    assert_eq!(heroku.world().changes(), [], "what is refused changes nothing");

    vouch(&project, &[("web", &web), ("worker", &worker)]);
    let done = ship("web worker web");
    assert_eq!(done.expect_code(0).out, "migrating\ndone\n");
    assert_eq!(done.err, "Releasing images web,worker to shop... done, v3\nRunning release command...\n");
    let updates = json!({"updates": [{"type": "web", "docker_image": web.digest()},
                                     {"type": "worker", "docker_image": worker.digest()}]});
    assert_eq!(heroku.world().changes(), [("PATCH /apps/shop/formation".to_owned(), updates)]);
    let same = ship("web");
    assert_eq!(
        same.expect_code(0).err,
        "Releasing images web to shop... done; nothing new: these images are what it runs\n"
    );

    let newer = Image::of("newer");
    newer.push(&registry, "shop/web");
    heroku.world().app("shop").pushed.insert("web".into(), newer.digest());
    heroku.world().app("shop").phase = Some(Phase::printing(&[b"no table\n"], "failed"));
    let failed = ship("web --allow-untested");
    failed.expect_code(4).expect_err("warning: web ").expect_err("is untested; taken because of --allow-untested");
    assert_eq!(failed.out, "no table\n");
    failed.expect_err("error: the release command of v4 failed; shop goes on with what ran before");
    heroku.world().app("shop").phase = None;
    heroku.world().app("shop").pushed.insert("web".into(), "sha256:else".into());
    web.push(&registry, "shop/web");
    let refused = ship("web");
    refused
        .expect_code(1)
        .expect_err("Releasing images web to shop... !")
        .expect_err("was pushed for process type web. (422 invalid_params");
}

#[test]
fn what_one_app_runs_is_promoted_to_another_digest_for_digest() {
    registry_or_skip!();
    let registry = Registry::start();
    let (web, phase, newer) = (Image::of("web"), Image::of("release"), Image::of("newer"));
    web.push(&registry, "staging/web");
    phase.push(&registry, "staging/release");
    let mut staging = App::new("staging");
    staging.images = [("web".to_owned(), web.digest()), ("release".to_owned(), phase.digest())].into();
    staging.add(&format!("Deployed release ({}), web ({})", phase.id().short(), web.id().short()), "succeeded");
    staging.add("Set MODE config vars", "succeeded");
    let shop = App::new("shop").pushed("web", &web.digest()).pushed("release", &phase.digest());
    let heroku = StandIn::start(vec![staging, shop.with_phase(Phase::printing(&[b"migrated\n"], "succeeded"))]);
    let project = Project::empty("shop");
    let host = registry.host();
    let promote = |words: &str| run(&heroku, &project, &format!("container:promote {words} --registry {host}"));

    promote("--from staging --to shop").expect_code(8).expect_err("is untested");
    assert_eq!(latest(&registry, "shop/web"), None, "what is refused changes nothing");
    vouch(&project, &[("web", &web), ("release", &phase)]);
    let done = promote("--from staging --to shop");
    assert_eq!(done.expect_code(0).out, "migrated\n");
    assert_eq!(
        done.err,
        "Copying images release,web from staging to shop... done\nReleasing images release,web to shop... done, v3\n\
         Running release command...\n"
    );
    for name in ["web", "release"] {
        let (ours, theirs) =
            (latest(&registry, &format!("staging/{name}")), latest(&registry, &format!("shop/{name}")));
        assert_eq!(ours, theirs, "the same manifest, and so the same image");
    }
    assert_eq!(heroku.world().app("shop").images["web"], web.digest());

    newer.push(&registry, "staging/web");
    let other = promote("web --from staging --to shop --allow-untested");
    other.expect_code(8).expect_err(&format!(
        "error: staging runs web {}, and its registry's latest is {}",
        web.id().short(),
        newer.id().short()
    ));
    other.expect_err("dynosim container:release web -a staging");
    promote("--from shop --to shop").expect_code(2).expect_err("shop cannot be promoted to itself");
    promote("--from staging --to nowhere").expect_code(1).expect_err("Couldn't find that app.");
    promote("clock --from staging --to shop").expect_code(1).expect_err("nothing was pushed for clock of staging");
}

#[test]
fn a_promotion_that_is_cut_off_between_two_types_moves_no_tag() {
    registry_or_skip!();
    let registry = Registry::start();
    let gate = Gate::to(registry.port);
    let (web, phase) = (Image::of("web"), Image::of("release"));
    web.push(&registry, "staging/web");
    phase.push(&registry, "staging/release");
    let mut staging = App::new("staging");
    staging.images = [("web".to_owned(), web.digest()), ("release".to_owned(), phase.digest())].into();
    staging.add(&format!("Deployed release ({}), web ({})", phase.id().short(), web.id().short()), "succeeded");
    let heroku = StandIn::start(vec![staging, App::new("shop")]);
    let project = Project::empty("shop");
    vouch(&project, &[("web", &web), ("release", &phase)]);
    let host = gate.host();
    let promote = || run(&heroku, &project, &format!("container:promote --from staging --to shop --registry {host}"));

    // The image of `release` comes first, and gets there.
    let denied = r#"{"errors":[{"code":"DENIED","message":"not web"}]}"#;
    gate.trouble("POST /v2/shop/web/blobs", 0, 99, Refusal::Status(403, denied));
    promote().expect_code(8).expect_err("DENIED: not web");
    assert_eq!((latest(&registry, "shop/release"), latest(&registry, "shop/web")), (None, None));

    // All blobs are there, and the second tag is refused: what was set is said.
    gate.heal();
    gate.trouble("PUT /v2/shop/web/manifests", 0, 99, Refusal::Status(403, denied));
    let torn = promote();
    torn.expect_code(8).expect_err(&format!("these tags set: {host}/shop/release:latest; nothing was released"));
    // A registry that says nothing more: who leaves is told that nothing was released.
    gate.heal();
    gate.trouble("PUT /v2/shop/web/manifests", 0, 99, Refusal::Hold);
    let words = format!("container:promote --from staging --to shop --registry {host}");
    let mut command = project.command(&words.split(' ').collect::<Vec<_>>());
    command.env("HEROKU_API_URL", heroku.url()).env("HEROKU_API_KEY", KEY).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    gate.wait_held();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    Finished::of(&child.wait_with_output().unwrap()).expect_code(130).expect_err("interrupted; nothing was released");
    assert!(!heroku.asked().iter().any(|line| line.starts_with("PATCH")), "nothing was released");
}

#[test]
fn ctrl_c_leaves_a_release_to_heroku() {
    let mut phase = Phase::printing(&[b"thinking\n", b"done\n"], "succeeded");
    phase.prints[1].0 = std::time::Duration::from_secs(600);
    let (heroku, project) = (StandIn::start(vec![shop().with_phase(phase)]), Project::empty("shop"));
    let mut command = project.command(&["rollback", "v3", "-a", "shop"]);
    command.env("HEROKU_API_URL", heroku.url()).env("HEROKU_API_KEY", KEY);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "thinking\n", "shown as it comes");
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{err}");
    assert!(err.contains("goes on at Heroku: see `dynosim releases:output v6 -a shop`"), "{err}");
}

#[test]
fn the_api_must_show_a_certificate_that_this_machine_trusts() {
    let (heroku, project) = (StandIn::start_tls(vec![shop()]), Project::empty("shop"));
    let with = |variables: &[(&str, &str)]| {
        let mut command = project.command(&["releases", "-a", "shop"]);
        let command = command.env("HEROKU_API_URL", heroku.url()).env("HEROKU_API_KEY", KEY);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, text) = with(&[]);
    assert!(code == 1 && text.contains("cannot be reached:") && text.contains("certificate"), "{text}");
    assert!(text.contains("SSL_CERT_FILE") && !text.contains("trying again"), "{text}");
    assert_eq!(heroku.asked(), [""; 0], "and no key went there");
    let roots = project.dir.join("roots.pem");
    std::fs::write(&roots, heroku.certificate.as_ref().unwrap()).unwrap();
    let (code, text) = with(&[("SSL_CERT_FILE", roots.to_str().unwrap())]);
    assert!(code == 0 && text.contains("Current: v4"), "{text}");
}

#[test]
fn r1_2_what_heroku_does_not_take_is_not_released_and_a_registry_that_is_down_is_named() {
    registry_or_skip!();
    let registry = Registry::start();
    let (heroku, project) = (StandIn::start(vec![App::new("shop")]), Project::empty("shop"));
    let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let url = format!("http://{}/v2/shop/web/manifests/latest", registry.host());
    let put = std::process::Command::new("curl")
        .args(["-sS", "-X", "PUT", "-H", "Content-Type: application/vnd.oci.image.index.v1+json", "-d", index, &url])
        .output();
    let Ok(put) = put else { return not_installed("r1_2_what_heroku_does_not_take_is_not_released", "curl") };
    assert_eq!(String::from_utf8_lossy(&put.stdout), "", "taken by the registry");
    let ship = format!("container:release web -a shop --registry {}", registry.host());
    let refused = run(&heroku, &project, &ship);
    refused
        .expect_code(8)
        .expect_err("shop/web:latest is application/vnd.oci.image.index.v1+json, which Heroku does not take");
    refused.expect_err("dynosim container:push");
    drop(registry);
    run(&heroku, &project, &ship).expect_code(8).expect_err("does not answer while").expect_err("nothing was released");
    assert_eq!(heroku.world().changes(), []);
}

#[test]
fn a_registry_that_does_not_take_blobs_over_gets_them_by_way_of_this_machine() {
    registry_or_skip!();
    let registry = Registry::start();
    let image = Image::of("web");
    image.push(&registry, "staging/web");
    let (staging, folder) = (client(&registry, "staging/web"), tempfile::tempdir().unwrap());
    let file = folder.path().join("blob");
    let (blob, bytes) = &image.parts[0];
    block_on(staging.download(blob, &file)).unwrap();
    assert_eq!(&std::fs::read(&file).unwrap(), bytes);
    let longer = Blob { size: blob.size + 1, ..blob.clone() };
    assert!(block_on(staging.download(&longer, &file)).is_err(), "what is not what it should be is no download");
}

/// Runs Heroku's own CLI against the stand-in; `None` where it is not installed.
fn heroku_cli(heroku: &StandIn, home: &std::path::Path, words: &str) -> Option<Finished> {
    let program = std::env::var_os("DYNOSIM_HEROKU_CLI").unwrap_or_else(|| "heroku".into());
    let mut command = std::process::Command::new(program);
    command.args(words.split(' ')).env_clear().env("PATH", std::env::var_os("PATH")?).env("HOME", home);
    command.env("HEROKU_HOST", heroku.url()).env("HTTP_PROXY", heroku.url()).env("NO_PROXY", "");
    command.env("HEROKU_API_KEY", KEY).env("HEROKU_PARTICLEBOARD_URL", heroku.url());
    for off in ["DISABLE_TELEMETRY", "HEROKU_SKIP_NEW_VERSION_CHECK"] {
        command.env(off, "true");
    }
    command.env("HEROKU_DISABLE_AUTOUPDATE", "1").env("HEROKU_NOTIFICATIONS", "0").env("NO_COLOR", "1");
    let output = command.stdin(std::process::Stdio::null()).output().ok()?;
    Some(Finished::of(&output))
}

/// Words alone: each program makes columns, rules and the lines of a warning its own way.
fn words(text: &str) -> Vec<String> {
    let text =
        text.replace("Warning:", "warning:").replace("heroku rollback", "dynosim rollback").replace(" -a shop", "");
    // The CLI says this on stdout, dynosim with all else that is no result on stderr; and it prints the stream's NULs.
    let text = text.replace("Running release command...", "").replace('\0', "");
    let word =
        |word: &&str| !matches!(*word, "›" | "v" | "description" | "user" | "created_at") && !word.starts_with('─');
    text.split_whitespace().filter(word).map(str::to_owned).collect()
}

#[test]
fn the_heroku_cli_and_dynosim_say_the_same_of_the_same_app() {
    let (theirs, ours) = (StandIn::start(vec![shop()]), StandIn::start(vec![shop()]));
    let (project, home) = (Project::empty("shop"), tempfile::tempdir().unwrap());
    // The CLI's `rollback` looks for the output once, and does not come back.
    let printing = |text, ends| Phase { too_early: 0, ..Phase::printing(text, ends) };
    for (line, phase) in [
        ("releases -a shop", None),
        ("releases:info v4 -a shop", None),
        ("rollback -a shop", None),
        ("rollback v4 -a shop", Some(printing(&[b"migrating\n", b"done\n"], "succeeded"))),
        ("releases:output -a shop", None),
        ("releases -a shop", None),
        ("releases -a shpo", None),
        ("rollback v3 -a shop", Some(printing(&[b"migrating\n"], "failed"))),
        ("container:rm web -a shop", None),
    ] {
        for heroku in [&theirs, &ours] {
            heroku.world().app("shop").phase.clone_from(&phase);
        }
        let Some(cli) = heroku_cli(&theirs, home.path(), line) else {
            not_installed("the_heroku_cli_and_dynosim_say_the_same_of_the_same_app", "the Heroku CLI");
            return;
        };
        let own = run(&ours, &project, line);
        let fails = own.status.code() != Some(0);
        // Of a release that fails, the CLI's `rollback` says nothing and ends well; errors are in the words of each.
        assert!(fails || words(&cli.out) == words(&own.out), "{line}\n{}\n{}", cli.out, own.out);
        if line.starts_with("rollback") && phase.is_none() {
            assert_eq!(words(&cli.err), words(&own.err));
        }
        if line.contains("shpo") {
            assert!(cli.err.contains("Couldn't find that app.") && cli.err.contains("not_found"), "{}", cli.err);
            own.expect_err("Couldn't find that app. (404 not_found");
        }
    }
    // A release: the CLI asks the registry through the proxy that it is given (cli-api §2.3).
    for heroku in [&theirs, &ours] {
        // The CLI looks whether the release is pending, and shows no output of one that is over by then.
        let mut phase = printing(&[b"migrating\n"], "failed");
        phase.prints[0].0 = std::time::Duration::from_secs(4);
        heroku.world().app("shop").phase = Some(phase);
    }
    let cli = heroku_cli(&theirs, home.path(), "container:release web -a shop").unwrap();
    let own = run(&ours, &project, "container:release web -a shop --allow-untested");
    assert_eq!((cli.status.code(), own.status.code()), (Some(1), Some(4)), "{}\n{}", cli.err, own.err);
    assert_eq!(words(&cli.out), words(&own.out), "{}", cli.err);
    assert!(cli.err.contains("Releasing images web to shop... done"), "{}", cli.err);
    own.expect_err("Releasing images web to shop... done, v10");
    let (theirs, ours) = (theirs.world().changes(), ours.world().changes());
    assert_eq!(theirs, ours, "and ask Heroku for the same changes");
}
