//! Whole small projects through [`load`](super::load).

use super::{EnvFileOption, LoadOptions, Loaded, load};
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::config_vars::Origin;
use crate::model::formation::describe;
use crate::model::process_type::ProcessType;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// A folder with files; `(name, text)`.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    /// A heroku.yml and empty Dockerfiles.
    fn yml(yml: &str, dockerfiles: &[&str]) -> Self {
        let folder = Self::new(&[("heroku.yml", yml)]);
        for name in dockerfiles {
            folder.write(name, "FROM scratch\n");
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn options(&self) -> LoadOptions {
        LoadOptions { root: self.0.path().to_path_buf(), ..LoadOptions::default() }
    }

    fn load(&self) -> Loaded {
        load(&self.options()).unwrap_or_else(|findings| panic!("{}", shown(&findings)))
    }

    fn refused(&self) -> String {
        shown(&errors(load(&self.options()).expect_err("this project must be refused")))
    }
}

fn errors(findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    findings.into_iter().filter(|f| f.severity == Severity::Error).collect()
}

fn shown(findings: &[Diagnostic]) -> String {
    findings.iter().map(|f| f.render(false)).collect()
}

/// `web<-web: command` for each process type.
fn processes(loaded: &Loaded) -> Vec<String> {
    let command = |c: &Option<crate::model::app::CommandText>| c.as_ref().map_or("CMD".into(), |c| c.text.clone());
    loaded.app.processes.iter().map(|(t, spec)| format!("{t}<-{}: {}", spec.image, command(&spec.command))).collect()
}

/// `worker: command` of the release phase.
fn release(loaded: &Loaded) -> Option<String> {
    let release = loaded.app.release.as_ref()?;
    Some(format!("{}: {}", release.image, release.command.as_ref().map_or("CMD", |c| &c.text)))
}

fn titles(loaded: &Loaded, severity: Severity) -> Vec<&str> {
    loaded.findings.iter().filter(|f| f.severity == severity).map(|f| f.title.as_str()).collect()
}

#[test]
fn r2_a_full_manifest_becomes_images_processes_and_a_release_phase() {
    let folder = Folder::yml(
        "build:\n  docker:\n    web: ./Dockerfile\n    worker: jobs/Dockerfile\n  config:\n    ENV: prod\n    PORT: 50501\n\
         release:\n  command:\n    - ./migrate.sh\n  image: worker\n\
         run:\n  web: puma -p $PORT\n  mailer:\n    command: [rake mail]\n    image: worker\n",
        &["Dockerfile", "jobs/Dockerfile"],
    );
    let mut options = folder.options();
    options.build_args = BTreeMap::from([("ENV".to_owned(), "local".to_owned())]);
    let loaded = load(&options).unwrap();
    assert_eq!(processes(&loaded), ["mailer<-worker: rake mail", "web<-web: puma -p $PORT", "worker<-worker: CMD"]);
    assert_eq!(release(&loaded).as_deref(), Some("worker: ./migrate.sh"));
    assert_eq!(describe(&loaded.app.formation), "mailer@1:Basic web@1:Basic worker@1:Basic");
    let root = folder.0.path().canonicalize().unwrap();
    let build = &loaded.app.builds[&ProcessType::new("worker").unwrap()];
    assert_eq!(build.dockerfile, root.join("jobs/Dockerfile"));
    assert_eq!(build.context, root.join("jobs"), "the context is the Dockerfile's folder");
    assert_eq!(build.args["ENV"], "local");
    assert_eq!(build.args["PORT"], "50501");
    assert!(loaded.app.config.is_empty() && loaded.app.from_heroku_yml);
    assert_eq!(loaded.sources, [root.join("heroku.yml")]);
    assert_eq!(loaded.findings, []);
}

#[test]
fn r2_the_shapes_of_manifests_in_the_wild_load() {
    for (yml, dockerfiles, expected) in [
        (
            "build:\n  docker:\n    web: ./a/Dockerfile\n    api: Dockerfile\n",
            vec!["Dockerfile", "a/Dockerfile"],
            vec!["api<-api: CMD", "web<-web: CMD"],
        ),
        (
            "build:\n  docker:\n    web: Dockerfile\n  config:\n    PORT: 5000\nrun:\n  web: python x.py",
            vec!["Dockerfile"],
            vec!["web<-web: python x.py"],
        ),
        (
            "build:\n  docker:\n    p: f/Dockerfile.p   # => p:latest\n    c: f/Dockerfile.c\n\nrun:\n  p: p    # CMD\n  c: c",
            vec!["f/Dockerfile.p", "f/Dockerfile.c"],
            vec!["c<-c: c", "p<-p: p"],
        ),
        ("build:\n  docker:\n    account: s/Dockerfile", vec!["s/Dockerfile"], vec!["account<-account: CMD"]),
        (
            "build:\n  docker:\n    flask_app: ./f/Dockerfile.f\n",
            vec!["f/Dockerfile.f"],
            vec!["flask_app<-flask_app: CMD"],
        ),
        (
            "build:\n  docker:\n      worker: Dockerfile\n\n      # deep\n# margin\n\n",
            vec!["Dockerfile"],
            vec!["worker<-worker: CMD"],
        ),
        ("build:\n    docker:\n        web: c/Dockerfile\n\n", vec!["c/Dockerfile"], vec!["web<-web: CMD"]),
        (
            "build:\n  docker:\n      worker: Dockerfile\nrun:\n   worker: python3 -m m",
            vec!["Dockerfile"],
            vec!["worker<-worker: python3 -m m"],
        ),
        (
            "build:\n  docker:\n    web: Dockerfile\nrun:\n  web: gunicorn -b 0.0.0.0:$PORT s:app\n",
            vec!["Dockerfile"],
            vec!["web<-web: gunicorn -b 0.0.0.0:$PORT s:app"],
        ),
    ] {
        let loaded = Folder::yml(yml, &dockerfiles).load();
        assert_eq!(processes(&loaded), expected, "{yml}");
        assert_eq!(loaded.findings, [], "{yml}");
        assert!(loaded.app.formation.values().all(|s| s.quantity == 1));
    }
}

#[test]
fn r13_4_a_run_type_without_image_uses_the_web_image_and_says_so() {
    let folder = Folder::yml("build:\n  docker:\n    web: Dockerfile\nrun:\n  web: a\n  worker: b\n", &["Dockerfile"]);
    let loaded = folder.load();
    assert_eq!(processes(&loaded), ["web<-web: a", "worker<-web: b"]);
    assert_eq!(loaded.findings[0].line(), Some(6));
    assert!(titles(&loaded, Severity::Note)[0].contains("`run.worker` has no image of its own"));
}

#[test]
fn a_run_type_without_any_image_to_fall_back_on_is_refused() {
    let refused = Folder::yml("build:\n  docker:\n    api: Dockerfile\nrun:\n  worker: b\n", &["Dockerfile"]).refused();
    assert!(refused.contains("heroku.yml:5") && refused.contains("one of `api`"), "{refused}");
}

#[test]
fn r13_5_a_release_without_image_runs_on_release_else_on_web_with_a_warning() {
    let yml = "build:\n  docker:\n    web: Dockerfile\nrelease:\n  command:\n    - rake a b\n    - rake c\n";
    let loaded = Folder::yml(yml, &["Dockerfile"]).load();
    assert_eq!(release(&loaded).as_deref(), Some("web: rake a b && rake c"));
    assert_eq!(titles(&loaded, Severity::Warning).len(), 2);

    let yml = yml.replace("release:\n", "    release: Dockerfile\nrelease:\n");
    let loaded = Folder::yml(&yml, &["Dockerfile"]).load();
    assert_eq!(release(&loaded).as_deref(), Some("release: rake a b && rake c"));
    assert_eq!(processes(&loaded), ["web<-web: CMD"], "release is no process type");
}

#[test]
fn r2_a_release_image_alone_runs_its_cmd() {
    let yml = "build:\n  docker:\n    web: Dockerfile\n    release: Dockerfile\n";
    assert_eq!(release(&Folder::yml(yml, &["Dockerfile"]).load()).as_deref(), Some("release: CMD"));
    let folder = Folder::new(&[("Dockerfile", ""), ("Dockerfile.release", "")]);
    assert_eq!(release(&folder.load()).as_deref(), Some("release: CMD"));
    assert_eq!(describe(&folder.load().app.formation), "web@1:Basic");
}

#[test]
fn r2_the_release_words_of_the_tutorial_are_one_command() {
    let yml = "build:\n  docker:\n    web: Dockerfile.web\nrelease:\n  image: web\n  command:\n    - node\n    - migrate.js\n";
    assert_eq!(release(&Folder::yml(yml, &["Dockerfile.web"]).load()).as_deref(), Some("web: node migrate.js"));
}

#[test]
fn run_or_release_without_build_names_both_ways_out() {
    for yml in ["run:\n  web: bash start.sh\n", "release:\n  command:\n     rake assets:precompile "] {
        let refused = Folder::yml(yml, &["docker/Dockerfile"]).refused();
        for part in ["heroku.yml:1", "write a Dockerfile beside", "web: Dockerfile", "docker/Dockerfile"] {
            assert!(refused.contains(part), "{part} in {refused}");
        }
        let loaded = Folder::yml(yml, &["Dockerfile"]).load();
        assert_eq!(loaded.app.builds.len(), 1);
        assert!(titles(&loaded, Severity::Warning)[0].contains("Heroku would refuse it"));
    }
}

#[test]
fn buildpack_manifests_and_misplaced_sections_are_refused_once() {
    for (yml, line) in [
        ("build:\n  languages:\n    - go\n\nrun:\n  web: admin\n", 2),
        ("build:\n  docker:\n    web: Dockerfile\n  run:\n    web: x\n", 4),
    ] {
        let folder = Folder::yml(yml, &[]);
        let errors = errors(load(&folder.options()).unwrap_err());
        assert_eq!(errors.iter().map(|e| e.line().unwrap()).collect::<Vec<_>>(), [line], "{}", shown(&errors));
    }
}

#[test]
fn dockerfiles_that_do_not_exist_are_errors_at_their_lines_with_those_that_do() {
    let yml = "build:\n  docker:\n    web: Dockerfile\n    a: web\n    b: ../Dockerfile\n    c: /Dockerfile\n";
    let refused = Folder::yml(yml, &["web/Dockerfile", "x/Dockerfile.jobs"]).refused();
    for part in [
        "heroku.yml:3",
        "there is no file `Dockerfile`",
        "Dockerfiles found: web/Dockerfile, x/Dockerfile.jobs",
        "heroku.yml:4",
        "write `web/Dockerfile`",
        "heroku.yml:5",
        "heroku.yml:6",
    ] {
        assert!(refused.contains(part), "{part} in {refused}");
    }
}

#[test]
fn images_that_are_not_built_cannot_be_named() {
    let yml = "build:\n  docker:\n    web: Dockerfile\nrelease:\n  image: wbe\n  command: [x]\nrun:\n  a:\n    image: wbe\n    command: x\n";
    let refused = Folder::yml(yml, &["Dockerfile"]).refused();
    assert!(
        refused.contains("heroku.yml:5")
            && refused.contains("heroku.yml:9")
            && refused.contains("the images are `web`")
    );
}

#[test]
fn r5_6_and_r1_1_without_a_manifest_the_dockerfiles_are_the_process_types() {
    let folder = Folder::new(&[("Dockerfile", ""), ("Dockerfile.worker", ""), ("Dockerfile.dev", "")]);
    let loaded = folder.load();
    assert_eq!(processes(&loaded), ["dev<-dev: CMD", "web<-web: CMD", "worker<-worker: CMD"]);
    assert_eq!(describe(&loaded.app.formation), "dev@0:Basic web@1:Basic worker@1:Basic");
    assert_eq!(titles(&loaded, Severity::Note), ["`dev` starts at 0: only the name of Dockerfile.dev speaks of it"]);
    assert!(!loaded.app.from_heroku_yml);
}

#[test]
fn an_empty_folder_says_what_to_write() {
    let refused = Folder::new(&[("sub/Dockerfile.web", "")]).refused();
    assert!(
        refused.contains("no heroku.yml, no Dockerfile and no Procfile") && refused.contains("sub/Dockerfile.web"),
        "{refused}"
    );
    assert!(Folder::new(&[("Procfile", "# nothing yet\n")]).refused().contains("a Procfile with a command"));
    let missing = load(&LoadOptions { root: PathBuf::from("/nowhere/at/all"), ..LoadOptions::default() });
    assert!(missing.unwrap_err()[0].title.contains("/nowhere/at/all"));
}

#[test]
fn recursive_finds_dockerfiles_in_folders() {
    let folder = Folder::new(&[("a/Dockerfile.web", ""), ("b/Dockerfile.worker", "")]);
    let mut options = folder.options();
    options.recursive = true;
    options.context_path = Some(folder.0.path().to_path_buf());
    let loaded = load(&options).unwrap();
    assert_eq!(processes(&loaded), ["web<-web: CMD", "worker<-worker: CMD"]);
    assert!(loaded.app.builds.values().all(|b| b.context == folder.0.path()), "--context-path goes before the folder");
}

#[test]
fn r3_a_procfile_is_laid_over_the_images_and_heroku_s_view_is_said_once() {
    let folder = Folder::new(&[
        ("Dockerfile", ""),
        ("Procfile", "web: gunicorn app\nclock: python -c 'x: y'\nrelease: rake db:migrate\n"),
    ]);
    let loaded = folder.load();
    assert_eq!(processes(&loaded), ["clock<-web: python -c 'x: y'", "web<-web: gunicorn app"]);
    assert_eq!(loaded.app.processes[&ProcessType::web()].command.as_ref().unwrap().origin, "Procfile:1");
    assert_eq!(describe(&loaded.app.formation), "clock@1:Basic web@1:Basic");
    assert!(release(&loaded).is_none(), "R1.6: a release line in a Procfile is ignored");
    let said = shown(&loaded.findings);
    assert_eq!(said.matches("ignores a Procfile").count(), 1);
    for line in ["web: Dockerfile", "run:", "web: gunicorn app", "clock: 'python -c ''x: y'''", "- rake db:migrate"] {
        assert!(said.contains(line), "{line} in {said}");
    }
}

#[test]
fn r3_a_procfile_beside_a_run_section_is_not_read() {
    let folder = Folder::yml("build:\n  docker:\n    web: Dockerfile\nrun:\n  web: a\n", &["Dockerfile"]);
    folder.write("Procfile", "web: b\nworker: c\n");
    let loaded = folder.load();
    assert_eq!(processes(&loaded), ["web<-web: a"]);
    assert_eq!(titles(&loaded, Severity::Note).len(), 1);
    folder.write("heroku.yml", "build:\n  docker:\n    web: Dockerfile\n");
    assert_eq!(processes(&folder.load()), ["web<-web: b", "worker<-web: c"]);
}

#[test]
fn r3_a_procfile_type_without_any_image_is_passed_over_with_a_warning() {
    let folder = Folder::new(&[("Dockerfile.worker", ""), ("Procfile", "web: a\nworker: b\n")]);
    let loaded = folder.load();
    assert_eq!(processes(&loaded), ["worker<-worker: b"]);
    assert!(titles(&loaded, Severity::Warning).iter().any(|t| t.contains("`web` of the Procfile is passed over")));
}

#[test]
fn r4_app_json_gives_quantities_and_sizes() {
    let folder = Folder::new(&[
        ("Dockerfile", ""),
        ("Dockerfile.worker", ""),
        ("Dockerfile.dev", ""),
        (
            "app.json",
            r#"{"formation": {"web": {"quantity": 2, "size": "standard-2x"}, "dev": {"quantity": 1},
            "worker": {"size": "2X"}, "release": {"quantity": 1}, "clock": {"quantity": 1}},
            "environments": {"test": {"formation": {"web": {"quantity": 0}}, "scripts": {"test": "rake"}}}}"#,
        ),
    ]);
    let loaded = folder.load();
    assert_eq!(describe(&loaded.app.formation), "dev@1:Basic web@2:Standard-2X worker@1:Standard-2X");
    let warnings = titles(&loaded, Severity::Warning);
    assert!(
        warnings[0].contains("`release` cannot be scaled") && warnings[1].contains("names `clock`"),
        "{warnings:?}"
    );
    let test = loaded.app.test_environment.unwrap();
    assert_eq!(describe(&test.formation.unwrap()), "dev@0:Basic web@0:Basic worker@1:Basic");
    assert_eq!(test.test.as_deref(), Some("rake"));
}

#[test]
fn r8_env_files_are_layered_and_none_of_the_host_s_variables_leaks_in() {
    let folder = Folder::new(&[("Dockerfile", ""), (".env", "A=1\nB=1\nHOST_HOME=$HOME\n"), ("more/x.env", "B=2\n")]);
    let mut options = folder.options();
    let path = folder.0.path().join("more/x.env");
    options.env_files = vec![EnvFileOption { path: path.clone(), name: "../x.env".into() }];
    let loaded = load(&options).unwrap();
    let vars: Vec<String> = loaded.app.config.iter().map(|(k, v)| format!("{k}={} {}", v.value, v.origin)).collect();
    assert_eq!(vars, ["A=1 .env:1", "B=2 ../x.env:1", "HOST_HOME=$HOME .env:3"]);
    assert!(loaded.sources.contains(&path));

    options.env_files[0].path = folder.0.path().join("nope.env");
    let refused = shown(&load(&options).unwrap_err());
    assert!(refused.contains("there is no file ../x.env"), "{refused}");
}

#[test]
fn r8_interpolation_sees_earlier_files_and_never_the_host() {
    let folder = Folder::new(&[("Dockerfile", ""), (".env", "DB=db\n"), ("b.env", "URL=http://${DB}/x\n")]);
    let mut options = folder.options();
    options.interpolate = true;
    options.env_files = vec![EnvFileOption { path: folder.0.path().join("b.env"), name: "b.env".into() }];
    assert_eq!(load(&options).unwrap().app.config.get("URL").unwrap().value, "http://db/x");
    folder.write(".env", "URL=$PATH\n");
    assert!(shown(&load(&options).unwrap_err()).contains("$PATH, which nothing above sets"));
}

#[test]
fn r4_missing_config_stops_only_those_who_start_dynos() {
    let app = r#"{"env": {"KEY": {"description": "Stripe's key"}, "SECRET": {"generator": "secret"}},
                  "environments": {"test": {"env": {"OTHER": {"generator": "secret"}}}}}"#;
    let folder = Folder::new(&[("Dockerfile", ""), ("app.json", app)]);
    let mut loaded = folder.load();
    let said = shown(&loaded.require_config().unwrap_err());
    assert!(said.contains("KEY is required") && said.contains("Stripe's key") && said.contains("app.json:1"), "{said}");
    assert_eq!(loaded.wanted_secrets.iter().map(String::as_str).collect::<Vec<_>>(), ["OTHER", "SECRET"]);
    loaded.supply_secret("SECRET", "s");
    loaded.supply_secret("OTHER", "o");
    loaded.supply_secret("UNKNOWN", "u");
    assert_eq!(loaded.app.config.get("SECRET").unwrap().origin, Origin::Generated);
    assert_eq!(loaded.app.config.len(), 1);
    assert_eq!(loaded.app.test_environment.unwrap().config.get("OTHER").unwrap().value, "o");
    assert!(loaded.wanted_secrets.is_empty());

    folder.write(".env", "KEY=sk\n");
    let mut options = folder.options();
    options.generated = BTreeMap::from([("SECRET".to_owned(), "kept".to_owned())]);
    let loaded = load(&options).unwrap();
    assert!(loaded.require_config().is_ok());
    assert_eq!(loaded.app.config.get("SECRET").unwrap().value, "kept");
}

#[test]
fn r10_add_ons_of_both_files_are_listed_with_what_is_missing() {
    let yml = "setup:\n  addons:\n    - plan: heroku-postgresql\n      as: DATABASE\nbuild:\n  docker:\n    web: Dockerfile\n";
    let folder = Folder::yml(yml, &["Dockerfile"]);
    folder.write("app.json", r#"{"addons": ["heroku-redis"]}"#);
    folder.write(".env", "REDIS_URL=redis://host.docker.internal\n");
    let loaded = folder.load();
    assert_eq!(loaded.app.addons.len(), 2);
    assert_eq!(
        titles(&loaded, Severity::Warning),
        ["add-on heroku-postgresql is not provided here: DATABASE_URL is not set"]
    );
    assert!(titles(&loaded, Severity::Note)[0].starts_with("add-on heroku-redis is not provided here"));
}

#[test]
fn files_that_cannot_be_text_are_refused_by_name() {
    let folder = Folder::new(&[("Dockerfile", "")]);
    fs::write(folder.0.path().join(".env"), b"A=1\nB=\xff\xfe\n").unwrap();
    fs::create_dir(folder.0.path().join("Procfile")).unwrap();
    folder.write("app.json", &" ".repeat(1024 * 1024 + 1));
    let refused = folder.refused();
    for part in [".env is not UTF-8 text: see line 2", "Procfile cannot be read", "app.json is larger than"] {
        assert!(refused.contains(part), "{part} in {refused}");
    }
}

#[test]
fn names_that_are_nearly_right_are_warned_of() {
    let folder = Folder::new(&[("Dockerfile", ""), ("heroku.yaml", "run: {}\n")]);
    assert_eq!(titles(&folder.load(), Severity::Warning), ["heroku.yaml is not read"]);
}

#[test]
fn faults_of_all_files_come_at_once() {
    let folder =
        Folder::new(&[("heroku.yml", "bild: x\n"), ("Procfile", "nonsense\n"), ("app.json", "{"), (".env", "X\n")]);
    let refused = folder.refused();
    for place in ["heroku.yml:1", "Procfile:1", "app.json:1", ".env:1"] {
        assert!(refused.contains(place), "{place} in {refused}");
    }
}
