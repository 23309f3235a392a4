//! The commands that steer a running app, on a real app and the real engine: one `up`, many commands.

use crate::harness::{Finished, On, Project, engine_lock, on_each_engine};
use crate::support::engine_or_skip;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};

const ENV: &str = "# ours\nMODE='test' # as in CI\nKEEP=1\n";
const YML: &str = "build:\n  docker:\n    web: Dockerfile\nrun:\n  worker:\n    command:\n      - exec sleep 1000\n    \
                   image: web\nrelease:\n  image: web\n  command:\n    - echo migrating in $MODE\n";

/// A web server, a worker that sleeps, a release command.
fn files(project: &Project) {
    project.write("Dockerfile", "FROM busybox\nWORKDIR /www\nCOPY index.html .\nCMD exec httpd -f -p $PORT\n");
    project.write("index.html", "hello\n").write("heroku.yml", YML).write(".env", ENV);
}

fn shop(on: On) -> Project {
    let project = on.empty("shop");
    files(&project);
    project
}

impl Finished {
    /// The whole of stdout.
    #[track_caller]
    fn prints(&self, out: &str) -> &Self {
        self.expect_code(0);
        assert_eq!(self.out, out, "stderr:\n{}", self.err);
        self
    }

    /// The whole of stderr.
    #[track_caller]
    fn says(&self, err: &str) -> &Self {
        assert_eq!(self.err, err, "stdout:\n{}", self.out);
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        self.expect_code(0);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {}", self.out))
    }
}

/// Times differ from run to run.
fn timeless(text: &str) -> String {
    let cut = |line: &str| match line.find(" 20") {
        Some(at) if line[at..].ends_with("ago)") => line[..at].trim_end().to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(cut).collect::<Vec<_>>().join("\n")
}

fn start(project: &Project, args: &[&str]) -> Child {
    project.command(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

on_each_engine! {
    fn every_command_steers_the_running_app_and_prints_what_heroku_s_prints(on) {
        let project = shop(on);
        let up = project.up(&["web=1", "worker=0"]);
        up.ready();
        let run = |words: &str| project.run(&words.split(' ').collect::<Vec<_>>());
        scaling_and_restarting(&run);
        sizes_and_waiting(&run);
        config(&project, &run);
        releases(&project, &run);
        switches(&run, up.port());
        events(&project);
        up.wait_out("app[api]: Enabled maintenance mode by user ann@localhost");
        let log = up.log();
        assert!(
            log.contains(&"app[api]: Scaled to web@2:Basic worker@1:Basic by user ann@localhost".to_owned()),
            "{log:#?}"
        );
        assert!(log.contains(&"app[api]: Set COLOR, MODE config vars by user ann@localhost".to_owned()), "{log:#?}");
        up.stop();
        run("ps").prints("No dynos on shop\n");
        run("releases:output v3").prints("migrating in test\n");
    }
}

fn scaling_and_restarting(run: &dyn Fn(&str) -> Finished) {
    let web = "=== web (Basic): /bin/sh -c exec\\ httpd\\ -f\\ -p\\ \\$PORT (1)\n\nweb.1: up\n";
    assert_eq!(timeless(&run("ps").expect_code(0).out), web);
    run("ps scale").prints("web=1:Basic worker=0:Basic\n");
    run("ps:scale web=2 worker+1")
        .prints("")
        .says("Scaling dynos... done, now running web at 2:Basic, worker at 1:Basic\n");
    run("ps:wait -t 60").prints("").says("Waiting for every dyno of shop to be up... done\n");
    let dynos = run("ps --json").json();
    let short: Vec<Value> = dynos
        .as_array()
        .unwrap()
        .iter()
        .map(|dyno| json!([dyno["name"], dyno["type"], dyno["state"], dyno["size"]]))
        .collect();
    let expected = json!([
        ["web.1", "web", "up", "Basic"],
        ["web.2", "web", "up", "Basic"],
        ["worker.1", "worker", "up", "Basic"]
    ]);
    assert_eq!(Value::from(short), expected);
    assert!(dynos[2]["command"].as_str().unwrap().contains("sleep"), "{dynos}");
    assert_eq!(run("ps worker").expect_code(0).out.matches("worker.1: up").count(), 1);
    run("ps clock").expect_code(1).says("error: No clock dynos on shop\n");
    run("ps:scale web=3 wroker=1")
        .expect_code(1)
        .says("Scaling dynos... !\nerror: Couldn't find that process type: wroker. The app has web, worker\n");
    run("ps:scale web").expect_code(2).expect_err("write TYPE=N");
    run("ps:restart").says("Restarting all dynos on shop... done\n");
    run("ps:restart worker").says("Restarting all worker dynos on shop... done\n");
    run("ps restart -d web.1").says("Restarting dyno web.1 on shop... done\n");
    run("ps:restart w*").says("Restarting dyno w* on shop... done\n");
    run("ps:stop -p web").says("Stopping all web dynos on shop... done\n");
    run("ps:kill web.2").says("Stopping dyno web.2 on shop... done\n");
    run("ps:stop").expect_code(2).expect_err("Please specify a process type or dyno name to stop");
    run("ps:cycle worker.1").says("Cycling dyno worker.1 on shop... done\n");
    run("ps:restart web.9").expect_code(1).says(
        "Restarting dyno web.9 on shop... !\nerror: Couldn't find that dyno: web.9. There are web.1, web.2, worker.1\n",
    );
    run("ps:wait").expect_code(0);
}

fn sizes_and_waiting(run: &dyn Fn(&str) -> Finished) {
    run("ps:scale web=1:Standard-2X worker=0")
        .says("Scaling dynos... done, now running web at 1:Standard-2X, worker at 0:Basic\n");
    let table = " Type   Size        Qty\n ────── ─────────── ───\n web    Standard-2X 1\n worker Basic       0\n";
    let totals = " Type        Total\n ─────────── ─────\n Basic       0\n Standard-2X 1\n";
    run("ps:type").prints(&format!("=== Process Types\n\n{table}\n=== Dyno Totals\n\n{totals}"));
    run("ps:size web=basic").expect_code(0).says("Scaling dynos on shop... done\n").expect_out(" web    Basic 1\n");
    run("ps:type web=huge").expect_code(1).expect_err("No such size as huge. Sizes are Eco, Basic,");
    run("ps:type web worker=basic").expect_code(2).expect_err("write one size for all");
    run("ps:wait").expect_code(0);
    // The release command of a change holds its dynos back, so that a short limit is over first.
    run("ps:restart").expect_code(0);
    run("ps:wait -t 0").expect_code(124).expect_err("not every dyno is up after 0 s");
    run("ps:wait").expect_code(0);
}

fn config(project: &Project, run: &dyn Fn(&str) -> Finished) {
    run("config").prints("=== shop Config Vars\n\nKEEP: 1\nMODE: test\n");
    run("config:set COLOR=blue MODE=live")
        .prints("COLOR: blue\nMODE:  live\n")
        .says("Setting COLOR, MODE and restarting shop... done, v4\n");
    let env = || std::fs::read_to_string(project.dir.join(".env")).unwrap();
    assert_eq!(env(), "# ours\nMODE='live' # as in CI\nKEEP=1\nCOLOR=blue\n".replace("'live'", "live"));
    run("config:get COLOR NONE").prints("blue\n\n");
    run("config get COLOR --json").prints("{\n  \"key\": \"COLOR\",\n  \"value\": \"blue\"\n}\n");
    run("config:unset COLOR").prints("").says("Unsetting COLOR and restarting shop... done, v5\n");
    project.run(&["config:set", "TEXT=it's two words"]).expect_code(0);
    run("config -s").prints("KEEP=1\nMODE=live\nTEXT='it'\\''s two words'\n");
    assert_eq!(run("config --json").json(), json!({"KEEP": "1", "MODE": "live", "TEXT": "it's two words"}));
    run("config:set NONSENSE").expect_code(2).expect_err("write KEY=VALUE");
    run("config:set 1A=x").expect_code(1).expect_err("1A is no name for a config var");
    let edit = |editor: &str| {
        let output = project.command(&["config:edit"]).env("EDITOR", editor).stdin(Stdio::null()).output().unwrap();
        (
            output.status.code(),
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        )
    };
    let (code, said) = edit("sed -i -e s/live/edited/ -e /TEXT/d");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("- MODE=live\n+ MODE=edited\n- TEXT="), "{said}");
    assert!(said.contains("Updating config... done, v7\n"), "{said}");
    assert_eq!(edit("true"), (Some(0), "warning: no changes to config\n".into()));
    let (code, said) = edit("false");
    assert!(code == Some(1) && said.contains("nothing was changed"), "{said}");
    let dynosim = env!("CARGO_BIN_EXE_dynosim");
    project
        .write("edit.sh", &format!("#!/bin/sh\necho NEW=1 >> \"$1\"\n{dynosim} config:set KEEP=2 >/dev/null 2>&1\n"));
    let (code, said) = edit("sh ./edit.sh");
    assert!(code == Some(1) && said.contains("Config changed on server. Refusing to update."), "{said}");
    run("config:get NEW KEEP").prints("\n2\n");
    run("ps:wait").expect_code(0);
}

fn releases(project: &Project, run: &dyn Fn(&str) -> Finished) {
    let listed = timeless(&run("releases -n 3").expect_code(0).out);
    let expected = "=== shop Releases - Current: v8\n\nv8 Set KEEP config vars                           ann@localhost\n\
                    v7 Set MODE config vars and Remove TEXT config vars ann@localhost\n\
                    v6 Set TEXT config vars                           ann@localhost";
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed(&listed), squeezed(expected));
    let all = run("releases --json").json();
    assert_eq!(
        (&all[0]["version"], &all[0]["current"], &all[0]["status"]),
        (&json!(8), &json!(true), &json!("succeeded"))
    );
    assert_eq!(all.as_array().unwrap().len(), 6);
    let info = run("releases:info v4");
    info.expect_code(0).expect_out("=== Release v4\n\nBy:                     ann@localhost\nChange:                 Set COLOR, MODE config vars\n");
    info.expect_out("=== v4 Config vars\n\nCOLOR: blue\nKEEP:  1\nMODE:  live\n");
    run("releases:info v4 -s").expect_out("MODE=live\n");
    run("releases:info v99").expect_code(1).says("error: Couldn't find that release.\n");
    run("releases:output v3").prints("migrating in test\n");
    run("releases:output v4").prints("migrating in live\n");
    let back = run("rollback v3");
    back.prints("migrating in test\n");
    back.expect_err("Rolling back shop to v3... done, v9\n").expect_err("To undo, run: dynosim rollback v8");
    assert_eq!(std::fs::read_to_string(project.dir.join(".env")).unwrap(), ENV.replace("'test'", "test"));
    run("ps:wait").expect_code(0);
    run("releases rollback").expect_code(0).expect_err("Rolling back shop to v8... done, v10");
    run("rollback v99").expect_code(1).says("error: Couldn't find that release.\n");
    run("ps:wait").expect_code(0);
}

fn switches(run: &dyn Fn(&str) -> Finished, port: u16) {
    run("maintenance").prints("off\n");
    run("maintenance:on").prints("").says("Enabling maintenance mode for shop... done\n");
    run("maintenance").prints("on\n");
    run("maintenance off").says("Disabling maintenance mode for shop... done\n");
    run("features")
        .prints("=== App Features shop\n\n[ ] preboot  New web dynos take requests before the old ones stop.\n");
    run("features:enable preboot").expect_code(0).says("Enabling preboot for shop... done\n");
    run("features:enable preboot")
        .expect_code(1)
        .says("Enabling preboot for shop... !\nerror: preboot is already enabled.\n");
    run("features").expect_out("[+] preboot");
    run("features:disable preboot").expect_code(0);
    run("features:enable http3").expect_code(1).expect_err("Couldn't find that app feature.");
    run("open /cart?id=1").prints(&format!("http://localhost:{port}/cart?id=1\n"));
}

fn events(project: &Project) {
    let mut child = start(project, &["events", "--json"]);
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    while next()["resource"] != "release" {}
    project.run(&["maintenance:on"]).expect_code(0);
    let event = next();
    assert_eq!((&event["resource"], &event["action"]), (&json!("app"), &json!("update")), "{event}");
    assert_eq!(event["previous_data"], json!({"maintenance": false}));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn while_nothing_runs_what_is_only_read_can_be_read_and_config_goes_to_env_alone() {
    let project = shop(On::Docker);
    project.run(&["ps"]).prints("No dynos on shop\n");
    project.run(&["ps", "--json"]).prints("[]\n");
    project.run(&["releases"]).prints("shop has no releases.\n");
    project.run(&["releases", "--json"]).prints("[]\n");
    project.run(&["config"]).prints("=== shop Config Vars\n\nKEEP: 1\nMODE: test\n");
    let set = project.run(&["config:set", "A=b c"]);
    set.prints("A: b c\n")
        .expect_err("Setting A in .env... done\n")
        .expect_err("the app is not running: this is no release yet");
    assert_eq!(std::fs::read_to_string(project.dir.join(".env")).unwrap(), format!("{ENV}A='b c'\n"));
    project.run(&["config:unset", "A", "NEVER"]).expect_code(0);
    assert_eq!(std::fs::read_to_string(project.dir.join(".env")).unwrap(), ENV);
    for words in [
        &["ps:scale", "web=2"][..],
        &["ps:restart"],
        &["ps:stop", "web.1"],
        &["ps:wait"],
        &["rollback"],
        &["maintenance:on"],
        &["open"],
        &["events"],
    ] {
        let says = "error: shop is not running\n help: start it with `dynosim up`\n";
        project.run(words).expect_code(1).says(says);
    }
}

on_each_engine! {
    fn commands_of_many_processes_leave_one_state_and_a_killed_up_leaves_nothing_in_the_way(on) {
        let project = shop(on);
        let up = project.up(&["web=1", "worker=0"]);
        up.ready();
        let socket = project.state().join("api.sock");
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&socket), mode(&project.state())), (0o600, 0o700));
        let names: Vec<String> = (0..8).map(|number| format!("K{number}=1")).collect();
        let mut children: Vec<Child> = names.iter().map(|name| start(&project, &["config:set", name])).collect();
        children.extend((0..3).map(|_| start(&project, &["ps:scale", "worker+1"])));
        children.extend((0..9).map(|_| start(&project, &["ps:restart"])));
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        project.run(&["ps:wait", "-t", "120"]).expect_code(0);
        let releases = project.run(&["releases", "--json"]).json();
        let versions: Vec<u64> = releases.as_array().unwrap().iter().map(|one| one["version"].as_u64().unwrap()).collect();
        assert_eq!(versions, (3..=11).rev().collect::<Vec<u64>>());
        let dynos = project.run(&["ps", "--json"]).json();
        let states: Vec<Value> =
            dynos.as_array().unwrap().iter().map(|dyno| json!([dyno["name"], dyno["release"]["version"]])).collect();
        assert_eq!(Value::from(states), json!([["web.1", 11], ["worker.1", 11], ["worker.2", 11], ["worker.3", 11]]));
        let env = std::fs::read_to_string(project.dir.join(".env")).unwrap();
        assert!(env.starts_with(ENV) && names.iter().all(|name| env.lines().any(|line| line == name)), "{env}");
        let config = project.run(&["config", "--json"]).json();
        up.signal(Signal::KILL);
        up.finish();
        assert!(socket.exists(), "nobody could take it away");
        project.run(&["ps:restart"]).expect_code(1).expect_err("shop is not running");
        assert_eq!(project.run(&["config", "--json"]).json(), config, "what was acknowledged is not lost");
        let facts = |releases: &Value| -> Vec<Value> {
            let fact =
                |one: &Value| json!([one["version"], one["status"], one["current"], one["description"], one["images"]]);
            releases.as_array().unwrap().iter().map(fact).collect()
        };
        assert_eq!(facts(&project.run(&["releases", "--json"]).json()), facts(&releases));
        let up = project.up(&["worker=0"]);
        up.ready();
        assert_eq!(project.run(&["releases", "--json"]).json()[0]["version"], 12);
        up.stop();
        assert!(!socket.exists());
    }
}

#[test]
fn a_state_folder_with_a_long_path_can_be_steered_all_the_same() {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::deep("shop");
    files(&project);
    let up = project.up(&[]);
    up.ready();
    assert!(project.run(&["ps"]).out.contains("web.1: up"));
    let at = std::fs::read_to_string(project.state().join("api.sock.at")).unwrap();
    let folder = std::path::Path::new(&at).parent().unwrap().to_owned();
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    up.stop();
    assert!(!folder.exists() && !project.state().join("api.sock.at").exists());
}

on_each_engine! {
    fn r5_5_waiting_ends_with_5_when_a_dyno_crashes(on) {
        let project = on.empty("shop");
        project.write("Dockerfile", "FROM busybox\nCMD sleep 1; exit 3\n");
        let up = project.up(&[]);
        up.wait_out("heroku[web.1]: State changed from starting to crashed");
        project
            .run(&["ps:wait"])
            .expect_code(5)
            .says("Waiting for every dyno of shop to be up... !\nerror: crashed: web.1\n");
        up.stop();
    }
}
