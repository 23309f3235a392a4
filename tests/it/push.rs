//! `tag`, `container:push`, `container:pull`, `container:login`: the real engine, Debian's registry, and a gate between
//! them that fails as it is told.

use crate::harness::{Finished, Project, docker, engine_lock};
use crate::registry::{Gate, Registry, SECRET, Trouble, is_installed, registry_or_skip, vouch};
use crate::support::{engine_answers, engine_or_skip};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::sync::MutexGuard;

const WEB: &str = "FROM busybox\nRUN echo one > /it\nCMD [\"sleep\", \"100\"]\n";

/// A project whose image is built and tested.
fn tested(name: &str, dockerfile: &str) -> Project {
    let project = Project::empty(name);
    project.write("Dockerfile", dockerfile);
    project.run(&["build"]).expect_code(0);
    vouch(&project);
    project
}

/// The image that was built last.
fn built(project: &Project, process_type: &str) -> String {
    let text = std::fs::read(project.state().join("builds.json")).unwrap();
    let builds: serde_json::Value = serde_json::from_slice(&text).unwrap();
    builds[process_type]["image"].as_str().unwrap().to_owned()
}

fn push(project: &Project, host: &str, more: &[&str]) -> Finished {
    project.run(&[&["container:push", "-a", "shop", "--registry", host], more].concat())
}

/// What most of these tests stand on; borrow from it, since what is dropped ends.
struct Ground {
    registry: Registry,
    gate: Gate,
    _turn: MutexGuard<'static, ()>,
}

/// `None` where there is no engine, or no registry.
fn ground() -> Option<Ground> {
    if !(engine_answers() && is_installed()) {
        return None;
    }
    let turn = engine_lock();
    let registry = Registry::start();
    let gate = Gate::to(registry.port);
    Some(Ground { registry, gate, _turn: turn })
}

/// Requests that send or change something.
fn changing(asked: &[String]) -> Vec<&String> {
    asked.iter().filter(|line| !line.starts_with("GET") && !line.starts_with("HEAD")).collect()
}

#[test]
fn r1_2_what_was_tested_lands_as_schema_2_under_its_version_and_latest() {
    let Some(ground) = ground() else { return };
    let Ground { registry, gate, .. } = &ground;
    let project = tested("shop", WEB);
    let image = built(&project, "web");
    let tag = project.run(&["tag", "v1.0.0", "-a", "shop", "--registry", &gate.host()]);
    tag.expect_code(0).expect_out(&image);
    let name = format!("{}/shop/web:v1.0.0", gate.host());
    assert_eq!(docker(&["image", "inspect", "-f", "{{.Id}}", &name]).trim(), image);
    let pushed = push(&project, &gate.host(), &[]);
    pushed.expect_code(0).expect_out(&image).expect_err("v1.0.0,latest");
    for tag in ["v1.0.0", "latest"] {
        let manifest = registry.manifest("shop/web", tag).unwrap();
        assert_eq!(manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
        assert_eq!(manifest["config"]["digest"], image);
    }
    // The engine's own client takes it for what it is.
    docker(&["rmi", &name]);
    docker(&["pull", &name]);
    assert_eq!(docker(&["image", "inspect", "-f", "{{.Id}}", &name]).trim(), image);

    // Once more: nothing is sent, nothing is set, nothing is exported, nothing is written down again.
    gate.asked();
    let ledger = || std::fs::read_to_string(project.state().join("ledger.jsonl")).unwrap();
    let before = ledger();
    push(&project, &gate.host(), &[]).expect_code(0).expect_err("nothing to send");
    let asked = gate.asked();
    assert!(changing(&asked).is_empty(), "{asked:?}");
    assert_eq!(asked.len(), 2, "one look at each tag: {asked:?}");
    assert_eq!(ledger(), before);

    // Built anew: another image, which no test vouches for.
    project.write("Dockerfile", &WEB.replace("one", "two"));
    project.run(&["build"]).expect_code(0);
    let other = built(&project, "web");
    gate.asked();
    let refused = push(&project, &gate.host(), &[]);
    refused.expect_code(8).expect_err(&other).expect_err("untested").expect_err("dynosim test");
    assert_eq!(gate.asked(), Vec::<String>::new(), "the registry was not even asked");
    assert_eq!(registry.config("shop/web", "latest").unwrap(), image);

    // Tested, it goes out as the next version; the version before comes back by its name.
    vouch(&project);
    let moved = project.run(&["tag", "v1.0.0", "-a", "shop", "--registry", &gate.host()]);
    moved.expect_code(8).expect_err(&image).expect_err(&other).expect_err("versions are not moved");
    push(&project, &gate.host(), &["--tag", "v1.0.1"]).expect_code(0);
    assert_eq!(registry.config("shop/web", "latest").unwrap(), other);
    let back = push(&project, &gate.host(), &["--version", "v1.0.0"]);
    back.expect_code(0).expect_err("nothing to send");
    assert_eq!(registry.config("shop/web", "latest").unwrap(), image);
    assert_eq!(registry.config("shop/web", "v1.0.1").unwrap(), other, "the newer version stays");
    docker(&["rmi", &name, &name.replace("v1.0.0", "latest")]);
}

#[test]
fn images_that_must_not_go_are_refused_before_the_registry_is_asked() {
    engine_or_skip!();
    let _turn = engine_lock();
    // Nobody listens there: who asks it fails in another way.
    let nobody = "127.0.0.1:9";
    let project = Project::empty("shop");
    project.write("Dockerfile", WEB);
    push(&project, nobody, &["--allow-untested"]).expect_code(8).expect_err("never built").expect_err("dynosim build");
    project.run(&["build"]).expect_code(0);
    push(&project, nobody, &[]).expect_code(8).expect_err("untested");
    project.run(&["tag", "v1", "-a", "shop", "--registry", nobody]).expect_code(8).expect_err("untested");
    push(&project, nobody, &["worker"]).expect_code(2).expect_err("worker").expect_err("web");
    push(&project, nobody, &["--version", "v9"]).expect_code(8).expect_err("v9").expect_err("dynosim tested");
    push(&project, nobody, &["--arg", "A=1"]).expect_code(2).expect_err("builds nothing").expect_err("dynosim build");
    push(&project, nobody, &["--tag", "v 1"]).expect_code(2).expect_err("cannot be a tag");
    // A version of that name could never be pushed a second time.
    push(&project, nobody, &["--tag", "latest"]).expect_code(2).expect_err("every push sets latest");
    project.run(&["tag", "latest", "-a", "shop"]).expect_code(2).expect_err("every push sets latest");
    let login = project.run(&["container:login", "--registry", nobody]);
    login.expect_code(2).expect_err("no password to sign in to 127.0.0.1:9").expect_err("--password-stdin");
    assert!(!login.err.contains("HEROKU_API_KEY"), "that is for Heroku's registry: {}", login.err);
    project.run(&["container:login"]).expect_code(2).expect_err("no key").expect_err("HEROKU_API_KEY");
    push(&project, "http://registry.example.com", &[]).expect_code(2).expect_err("plain HTTP");
    vouch(&project);
    project.write("Dockerfile", "FROM busybox\nRUN echo edited\nCMD [\"true\"]\n");
    let warned = push(&project, nobody, &[]);
    warned.expect_code(8).expect_err("sources of web are not").expect_err("does not answer");

    project
        .write("Dockerfile", "FROM scratch\nCOPY Dockerfile /it\n")
        .write("heroku.yml", "build:\n  docker:\n    web: Dockerfile\nrun:\n  web: /it\n");
    project.run(&["build"]).expect_code(0);
    vouch(&project);
    let dumb = push(&project, nobody, &[]);
    dumb.expect_code(8).expect_err("No command specified for process type web").expect_err("do not go with an image");

    let arm = Project::empty("arm");
    arm.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /it\nCMD [\"/it\"]\n");
    arm.run(&["build", "--platform", "linux/arm64"]).expect_code(0);
    vouch(&arm);
    push(&arm, nobody, &[]).expect_code(8).expect_err("linux/arm64").expect_err("--platform linux/amd64");
}

#[test]
fn what_an_image_does_not_carry_is_told_and_what_the_command_line_gave_is_no_change() {
    let Some(ground) = ground() else { return };
    let Ground { registry, .. } = &ground;
    let project = Project::empty("shop");
    let dockerfile = "FROM busybox\nARG COLOUR\nRUN echo $COLOUR > /it\nCMD [\"sleep\", \"100\"]\n";
    let yml = "build:\n  docker:\n    web: Dockerfile\nrun:\n  web: sleep 100\n";
    project.write("Dockerfile", dockerfile).write("heroku.yml", yml);
    project.run(&["build", "--arg", "COLOUR=secret-red"]).expect_code(0);
    vouch(&project);
    let quiet = push(&project, &registry.host(), &[]);
    assert!(!quiet.expect_code(0).err.contains("warning"), "the same command, the same sources: {}", quiet.err);
    let known = std::fs::read_to_string(project.state().join("builds.json")).unwrap();
    assert!(known.contains("COLOUR") && !known.contains("secret-red"), "{known}");

    project.write(
        "heroku.yml",
        &format!("{yml}  clock:\n    command:\n      - sleep 9\n    image: web\n")
            .replace("web: sleep 100", "web: sleep 50"),
    );
    let told = push(&project, &registry.host(), &[]);
    told.expect_code(0).expect_err("Heroku will start web with its image's CMD, `sleep 100`, and not with `sleep 50`");
    told.expect_err("clock is not pushed").expect_err("Dockerfile.clock");
    project.write("Dockerfile", &dockerfile.replace("/it", "/that"));
    push(&project, &registry.host(), &[]).expect_code(0).expect_err("the sources of web are not those");
}

#[test]
fn a_version_that_is_another_image_there_is_not_moved_unless_by_force() {
    engine_or_skip!();
    registry_or_skip!();
    let _turn = engine_lock();
    let registry = Registry::start();
    let (one, two) = (tested("shop", WEB), tested("shop", &WEB.replace("one", "two")));
    push(&one, &registry.host(), &["--tag", "v1.0.0"]).expect_code(0);
    let refused = push(&two, &registry.host(), &["--tag", "v1.0.0"]);
    let (had, wanted) = (built(&one, "web"), built(&two, "web"));
    refused.expect_code(8).expect_err(&had).expect_err(&wanted).expect_err("--force");
    assert_eq!(registry.config("shop/web", "v1.0.0").unwrap(), had);
    assert_eq!(registry.config("shop/web", "latest").unwrap(), had, "latest is not touched either");
    push(&two, &registry.host(), &["--tag", "v1.0.0", "--force"]).expect_code(0);
    assert_eq!(registry.config("shop/web", "v1.0.0").unwrap(), wanted);
}

#[test]
fn a_sign_in_is_checked_kept_for_its_owner_and_never_shown() {
    engine_or_skip!();
    registry_or_skip!();
    let _turn = engine_lock();
    let registry = Registry::with_password();
    let project = tested("shop", WEB);
    let mut all = String::new();
    let mut note = |finished: &Finished| all.extend([finished.out.as_str(), finished.err.as_str()]);
    let refused = push(&project, &registry.host(), &[]);
    refused.expect_code(8).expect_err("nobody is signed in").expect_err("container:login");

    let login = |secret: &str| {
        let mut command = project.command(&["container:login", "--registry", &registry.host(), "--password-stdin"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
        Finished::of(&child.wait_with_output().unwrap())
    };
    let wrong = login("another-secret\n");
    wrong.expect_code(8).expect_err("refuses the sign-in");
    note(&wrong);
    let home = project.dir.parent().unwrap();
    let config = home.join(".docker/config.json");
    assert!(!config.exists(), "a login that was refused is not kept");
    let right = login(&format!("{SECRET}\n"));
    right.expect_code(0).expect_err("Login Succeeded").expect_err("config.json");
    note(&right);
    assert_eq!(std::fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
    let pushed = push(&project, &registry.host(), &[]);
    pushed.expect_code(0);
    note(&pushed);
    let pulled = project.run(&["container:pull", "web", "-a", "shop", "--registry", &registry.host()]);
    pulled.expect_code(0).expect_out(&built(&project, "web"));
    note(&pulled);
    let nothing = project.run(&["container:pull", "clock", "-a", "shop", "--registry", &registry.host()]);
    nothing.expect_code(8).expect_err("the registry has no 127.0.0.1:").expect_err("/shop/clock:latest");
    docker(&["rmi", &format!("{}/shop/web:latest", registry.host())]);
    project.run(&["container:logout", "--registry", &registry.host()]).expect_code(0).expect_err("Removed");
    push(&project, &registry.host(), &["--tag", "v2"]).expect_code(8);

    // Heroku's key is for Heroku's registry, here one on this machine, and for no other.
    let with_key = |host: &str, args: &[&str]| {
        let mut command = project.command(args);
        command.env("HEROKU_API_KEY", SECRET).env("HEROKU_HOST", format!("http://{host}"));
        Finished::of(&command.stdin(Stdio::null()).output().unwrap())
    };
    let pushed = with_key(&registry.host(), &["container:push", "-a", "shop", "--tag", "v2"]);
    pushed.expect_code(0).expect_err("container:release web -a shop");
    note(&pushed);
    let elsewhere = with_key("127.0.0.1:9", &["container:push", "-a", "shop", "--registry", &registry.host()]);
    elsewhere.expect_code(8).expect_err("nobody is signed in");
    assert!(!all.contains(SECRET) && !all.contains("another-secret"), "{all}");
}

#[test]
fn a_credential_helper_gets_the_secret_by_its_standard_input_alone() {
    registry_or_skip!();
    let registry = Registry::with_password();
    let project = Project::empty("helped");
    let home = project.dir.parent().unwrap().to_owned();
    let (bin, kept) = (home.join("bin"), home.join("kept"));
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::create_dir_all(home.join(".docker")).unwrap();
    std::fs::write(home.join(".docker/config.json"), r#"{"credsStore": "safe", "HttpHeaders": {"A": "b"}}"#).unwrap();
    let helper = bin.join("docker-credential-safe");
    let text = format!(
        "#!/bin/sh\necho \"$@\" >> {0}.args\ncase $1 in\nstore) cat > {0};;\nget) cat {0};;\nerase) rm {0};;\nesac\n",
        kept.display()
    );
    std::fs::write(&helper, text).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = |args: &[&str], input: &str| {
        let mut command = project.command(args);
        command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let host = registry.host();
    run(&["container:login", "--registry", &host, "-u", "_", "--password-stdin"], SECRET);
    let config = std::fs::read_to_string(home.join(".docker/config.json")).unwrap();
    assert!(config.contains(&host) && config.contains("HttpHeaders") && !config.contains(SECRET), "{config}");
    assert!(std::fs::read_to_string(&kept).unwrap().contains(SECRET));
    run(&["container:logout", "--registry", &host], "");
    assert!(!kept.exists());
    let words = std::fs::read_to_string(home.join("kept.args")).unwrap();
    assert!(!words.contains(SECRET) && words.starts_with("store\n"), "{words}");
}

#[test]
fn a_push_that_was_killed_goes_on_where_the_registry_has_it() {
    let Some(ground) = ground() else { return };
    let Ground { registry, gate, .. } = &ground;
    // More than two pieces, of what cannot be compressed.
    let project = tested("big", "FROM busybox\nRUN dd if=/dev/urandom of=/big bs=1M count=40\nCMD [\"true\"]\n");
    gate.trouble("PATCH", 3, 9, Trouble::Hold);
    let mut command = project.command(&["container:push", "-a", "shop", "--registry", &gate.host()]);
    let mut child: Child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    gate.wait_held();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(registry.manifest("shop/web", "latest"), None, "no tag before all is there");
    gate.heal();
    gate.asked();
    let resumed = push(&project, &gate.host(), &[]);
    resumed.expect_code(0);
    assert_eq!(registry.config("shop/web", "latest").unwrap(), built(&project, "web"));
    assert!(!resumed.err.contains("exporting"), "what was compressed is still here: {}", resumed.err);
    let asked = gate.asked();
    let pieces = asked.iter().filter(|line| line.starts_with("PATCH")).count();
    // Busybox's layer and the config are one piece each, the large layer is three.
    assert!(pieces <= 2, "what the registry had of the large layer was sent again: {asked:?}");
    assert!(asked.iter().any(|line| line.starts_with("GET") && line.contains("/uploads/")), "{asked:?}");
    let folder = project.state().join("push");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "nothing is kept of what has arrived");
}

#[test]
fn a_push_that_is_interrupted_leaves_no_half_made_file() {
    let Some(ground) = ground() else { return };
    let Ground { registry, .. } = &ground;
    let project = tested("big", "FROM busybox\nRUN dd if=/dev/urandom of=/big bs=1M count=60\nCMD [\"true\"]\n");
    let pushing = project.start(&["container:push", "-a", "shop", "--registry", &registry.host()]);
    pushing.wait_err("push web: exporting");
    pushing.interrupt();
    pushing.finish().expect_code(130).expect_err("interrupted; to push again goes on where it stopped");
    let made = std::fs::read_dir(project.state().join("push")).unwrap();
    let half: Vec<_> =
        made.map(|file| file.unwrap().file_name()).filter(|name| name.as_encoded_bytes()[0] == b'.').collect();
    assert_eq!(half, [""; 0]);
    assert_eq!(registry.manifest("shop/web", "latest"), None);
}

#[test]
fn what_fails_for_a_moment_is_tried_again_and_what_fails_for_good_is_told() {
    let Some(ground) = ground() else { return };
    let Ground { registry, gate, .. } = &ground;
    let project = tested("shop", WEB);
    gate.trouble("GET", 0, 1, Trouble::Status(503, ""));
    gate.trouble("HEAD", 1, 1, Trouble::Cut);
    gate.trouble("POST", 0, 1, Trouble::Status(500, "oops"));
    gate.trouble("PATCH", 0, 2, Trouble::Cut);
    gate.trouble("PUT /v2/shop/web/manifests", 0, 1, Trouble::Status(502, ""));
    push(&project, &gate.host(), &["--tag", "v1"]).expect_code(0);
    assert_eq!(registry.config("shop/web", "v1").unwrap(), built(&project, "web"));

    let worse = |at: &'static str, trouble: Trouble, says: &[&str]| {
        let (registry, project) = (Registry::start(), tested("shop", &WEB.replace("one", at)));
        let gate = Gate::to(registry.port);
        gate.trouble(at, 0, 99, trouble);
        let failed = push(&project, &gate.host(), &["--tag", "v1"]);
        failed.expect_code(8);
        for text in says {
            failed.expect_err(text);
        }
        assert_eq!(registry.manifest("shop/web", "latest"), None, "{at}");
    };
    worse(
        "PATCH",
        Trouble::Cut,
        &["does not answer", "0 of 3 blobs", "nothing was released", "goes on where it stopped"],
    );
    let unsupported = r#"{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}"#;
    worse("PUT /v2/shop/web/manifests", Trouble::Status(405, unsupported), &["does not support", "no tag was set"]);
    worse("PUT /v2/shop/web/manifests/v1", Trouble::OtherDigest, &["sha256:0000"]);
    worse(
        "GET",
        Trouble::Status(403, r#"{"errors":[{"code":"DENIED","message":"no"}]}"#),
        &["does not allow", "DENIED: no"],
    );
}

#[test]
fn a_registry_that_answers_with_another_digest_is_not_believed() {
    let Some(ground) = ground() else { return };
    let Ground { gate, .. } = &ground;
    let project = tested("shop", WEB);
    // The looks before the push are true; the one afterwards is not.
    gate.trouble("GET /v2/shop/web/manifests/latest", 1, 99, Trouble::OtherDigest);
    push(&project, &gate.host(), &[]).expect_code(8).expect_err("sha256:0000").expect_err("nothing was released");
}

#[test]
fn a_token_is_fetched_where_the_registry_says_and_sent_to_the_registry() {
    let Some(ground) = ground() else { return };
    let Ground { registry, gate, .. } = &ground;
    gate.trouble("", 0, 999, Trouble::WantToken);
    let project = tested("shop", WEB);
    push(&project, &gate.host(), &[]).expect_code(0);
    let asked = gate.asked();
    let token = asked.iter().find(|line| line.starts_with("GET /token")).unwrap();
    assert!(token.contains("scope=repository%3Ashop%2Fweb%3Apull%2Cpush") && token.contains("service=reg"), "{token}");
    assert_eq!(registry.config("shop/web", "latest").unwrap(), built(&project, "web"));
}

#[test]
fn two_pushes_at_once_take_turns_and_types_share_their_layers() {
    let Some(ground) = ground() else { return };
    let Ground { registry, gate, .. } = &ground;
    let project = Project::empty("shop");
    project.write("Dockerfile.web", WEB).write("Dockerfile.worker", &format!("{WEB}LABEL a=b\n"));
    project.run(&["build"]).expect_code(0);
    vouch(&project);
    // The first to come is kept busy until the other has come too.
    gate.trouble("GET", 0, 3, Trouble::Status(503, ""));
    let start = || {
        let mut command = project.command(&["container:push", "-a", "shop", "--registry", &gate.host()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let (one, other) = (start(), start());
    let (one, other) = (one.wait_with_output().unwrap(), other.wait_with_output().unwrap());
    let said = format!("{}{}", String::from_utf8_lossy(&one.stderr), String::from_utf8_lossy(&other.stderr));
    assert!(one.status.success() && other.status.success(), "{said}");
    assert!(said.contains("another push of this app is under way") && said.contains("nothing to send"), "{said}");
    for name in ["web", "worker"] {
        assert_eq!(registry.config(&format!("shop/{name}"), "latest").unwrap(), built(&project, name));
    }
    // The worker's layers are the web image's: not one of them was sent twice.
    let sent = gate.asked().iter().filter(|line| line.starts_with("PATCH /v2/shop/worker")).count();
    assert_eq!(sent, 1, "its config alone");
}
