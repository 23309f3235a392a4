//! Every template, rendered for small projects and looked at as Heroku would: also those whose base images no test can fetch.

use super::{Ci, Options, Plan, Remote, plan};
use crate::dockerfile::{self, Instruction};
use crate::manifest::{Language, survey};
use std::fs;
use std::path::Path;

const MOST_LAYERS: usize = crate::model::limits::IMAGE_LAYERS;

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn planned(folder: &Path, language: Option<Language>, ci: Ci) -> Plan {
    let survey = survey(folder, language).unwrap_or_else(|f| panic!("{}", f[0].render(false)));
    let options = Options { ci: Some(ci), app: Some("shop".into()) };
    plan(&survey, &Remote::default(), &options).unwrap_or_else(|f| panic!("{}", f[0].render(false)))
}

fn text(plan: &Plan, name: &str) -> String {
    let found = plan.files.iter().find(|file| file.path == Path::new(name));
    found.unwrap_or_else(|| panic!("no {name}")).text.clone()
}

/// What Heroku's rules ask of a Dockerfile (R1.2 to R1.5), and what any builder asks.
fn lint(text: &str, folder: &Path) {
    let file = dockerfile::read(text);
    assert!(file.faults.is_empty(), "{:?}\n{text}", file.faults);
    let steps = file.instructions;
    let last = steps.iter().rposition(|step| step.keyword == "FROM").expect("a FROM");
    let of_last = |keyword: &str| steps[last..].iter().filter(|s| s.keyword == keyword).collect::<Vec<&Instruction>>();
    let user = of_last("USER");
    assert_eq!(user.len(), 1, "{text}");
    assert!(!["root", "0", ""].contains(&user[0].rest().split(':').next().unwrap()), "{text}");
    let cmd = of_last("CMD");
    let words: Vec<String> = serde_json::from_str(&cmd[0].rest()).unwrap_or_else(|e| panic!("{e}: {}", cmd[0].rest()));
    if words[0] == "sh" {
        assert!(words[2].contains("exec "), "the shell makes room: {words:?}");
    }
    for word in ["VOLUME", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "ONBUILD"] {
        assert!(of_last(word).is_empty(), "{word} has no effect on Heroku (R1.3)");
    }
    let layers = of_last("RUN").len() + of_last("COPY").len();
    assert!(layers < MOST_LAYERS / 2, "{layers} layers");
    let known = ["FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"];
    let mut stages: Vec<String> = Vec::new();
    for step in &steps {
        assert!(known.contains(&step.keyword.as_str()), "{} in line {}", step.keyword, step.line);
        assert!(step.flag("mount").is_none() && !step.rest().contains("  "), "{}: {}", step.line, step.rest());
        match step.keyword.as_str() {
            "FROM" => stages.extend(step.rest().split(" AS ").nth(1).map(str::to_owned)),
            "COPY" => {
                let words = step.paths().unwrap_or_else(|| panic!("{}", step.rest()));
                let words: Vec<String> = words.into_iter().map(|word| word.text).collect();
                if let Some(from) = step.flag("from").map(|flag| flag.value.clone()) {
                    assert!(stages.contains(&from) || from.contains(':'), "no stage {from}\n{text}");
                } else {
                    for source in words[..words.len() - 1].iter().filter(|word| *word != "nginx.conf.template") {
                        assert!(folder.join(source).exists(), "{source} is not there\n{text}");
                    }
                }
            }
            _ => {}
        }
    }
}

const FLASK: &str = "from flask import Flask\napp = Flask(__name__)\n";
const NODE: &str =
    r#"{"scripts": {"start": "node server.js"}, "dependencies": {"express": "5"}, "engines": {"node": "22.x"}}"#;
const LOCK: &str =
    "GEM\n  specs:\n    puma (6.4.3)\n\nPLATFORMS\n  ruby\n  x86_64-linux\n\nRUBY VERSION\n   ruby 3.3.5p100\n";

/// A project's files, what its Dockerfile must hold, and the words of its CMD.
type Case = (&'static [(&'static str, &'static str)], &'static [&'static str], &'static str);

const CASES: &[Case] = &[
    (
        &[("package.json", NODE), ("package-lock.json", "{}")],
        &["FROM node:22-slim", "npm ci --no-audit --no-fund --omit=dev"],
        r#"["node", "server.js"]"#,
    ),
    (
        &[("package.json", NODE), ("yarn.lock", "# yarn lockfile v1\n")],
        &["yarn install --frozen-lockfile --production"],
        r#"["node", "server.js"]"#,
    ),
    (
        &[("package.json", NODE), ("yarn.lock", "__metadata:\n  version: 8\n"), (".yarnrc.yml", "")],
        &["corepack enable", "YARN_NODE_LINKER=node-modules", "yarn workspaces focus --all --production"],
        r#"["node", "server.js"]"#,
    ),
    (
        &[("package.json", NODE), ("pnpm-lock.yaml", "lockfileVersion: '6.0'\n")],
        &["pnpm@8", "pnpm install --frozen-lockfile --prod"],
        r#"["node", "server.js"]"#,
    ),
    (
        &[
            (
                "package.json",
                r#"{"scripts": {"build": "next build", "start": "next start"}, "dependencies": {"next": "15"}}"#,
            ),
            ("package-lock.json", "{}"),
        ],
        &["npm run build", "npm prune --omit=dev", "ln -s /tmp .next/cache", "COPY --from=build /app ./"],
        r#"["next", "start"]"#,
    ),
    (
        &[(
            "package.json",
            r#"{"scripts": {"prestart": "node a", "start": "node b", "postinstall": "node c"}, "dependencies": {"x": "1"}}"#,
        )],
        &["npm_config_cache=/tmp/npm", "COPY . .\nRUN npm install --no-audit --no-fund\n"],
        r#"["npm", "start"]"#,
    ),
    (
        &[("package.json", r#"{"scripts": {"start": "NODE_ENV=production node x.js --port $PORT"}}"#)],
        &[],
        r#"["sh", "-c", "exec env NODE_ENV=production node x.js --port $PORT"]"#,
    ),
    (
        &[
            (
                "package.json",
                r#"{"scripts": {"build": "vite build", "dev": "vite"}, "devDependencies": {"vite": "6"}}"#,
            ),
            ("package-lock.json", "{}"),
            ("index.html", ""),
        ],
        &["FROM nginx:1-alpine", "COPY --from=build /app/dist /site"],
        "nginx -e stderr",
    ),
    (
        &[("requirements.txt", "flask\ngunicorn\npsycopg2\n"), ("app.py", FLASK), ("runtime.txt", "python-3.12.4\n")],
        &["FROM python:3.12-slim", "-r requirements.txt", "libpq-dev", "libpq5"],
        "exec gunicorn --bind 0.0.0.0:$PORT app:app",
    ),
    (
        &[
            ("requirements.txt", "-r requirements/base.txt\n"),
            ("requirements/base.txt", "fastapi\n"),
            ("shop/__init__.py", ""),
            ("shop/main.py", "import fastapi\n\napi = fastapi.FastAPI(title='x')\n"),
        ],
        &["-r requirements.txt uvicorn", "COPY requirements/base.txt ./requirements/base.txt"],
        "exec uvicorn shop.main:api --host 0.0.0.0 --port $PORT",
    ),
    (
        &[
            (
                "pyproject.toml",
                "[project]\nname = \"x\"\nrequires-python = \">=3.11\"\ndependencies = [\"flask>=3\", \"gunicorn\"]\n",
            ),
            ("uv.lock", ""),
            ("wsgi.py", FLASK),
        ],
        &["FROM python:3.11-slim", "uv sync --frozen --no-dev"],
        "gunicorn --bind 0.0.0.0:$PORT wsgi:app",
    ),
    (
        &[
            ("pyproject.toml", "[tool.poetry.dependencies]\npython = \"^3.12\"\nflask = \"*\"\ngunicorn = \"*\"\n"),
            ("poetry.lock", ""),
            ("main.py", FLASK),
        ],
        &["poetry install --only main --no-root"],
        "main:app",
    ),
    (
        &[
            ("Pipfile", "[packages]\nflask = \"*\"\n[requires]\npython_version = \"3.12\"\n"),
            ("Pipfile.lock", "{}"),
            ("app.py", FLASK),
        ],
        &["FROM python:3.12-slim", "pipenv requirements", "/venv/bin/pip install --no-cache-dir gunicorn"],
        "app:app",
    ),
    (
        &[("pyproject.toml", "[project]\nname = \"x\"\ndependencies = [\"flask\", \"gunicorn\"]\n"), ("app.py", FLASK)],
        &["uv pip install --no-cache -r pyproject.toml"],
        "app:app",
    ),
    (
        &[
            ("manage.py", "import os\nos.environ.setdefault(\"DJANGO_SETTINGS_MODULE\", \"shop.settings\")\n"),
            ("requirements.txt", "Django==5.2\ngunicorn\n"),
            ("shop/settings.py", "STATIC_ROOT = 'x'\n"),
            ("shop/wsgi.py", ""),
        ],
        &["manage.py collectstatic --noinput"],
        "shop.wsgi:application",
    ),
    (
        &[("requirements.txt", "flask\ngunicorn\n"), ("web.py", "def create_app():\n    pass\n")],
        &[],
        "exec gunicorn --bind 0.0.0.0:$PORT 'web:create_app()'",
    ),
    (
        &[
            ("Gemfile", "source 'https://rubygems.org'\ngem 'rails'\ngem 'puma'\ngem \"pg\"\ngem 'propshaft'\n"),
            ("Gemfile.lock", LOCK),
            ("config/application.rb", ""),
            ("config/puma.rb", ""),
        ],
        &["FROM ruby:3.3.5-slim", "libpq-dev", "libpq5", "assets:precompile", "PIDFILE=/tmp/server.pid"],
        r#"["bundle", "exec", "puma", "-C", "config/puma.rb"]"#,
    ),
    (
        &[
            ("Gemfile", "gem 'sinatra'\ngem 'puma'\n"),
            ("Gemfile.lock", LOCK),
            ("config.ru", ""),
            (".ruby-version", "3.4\n"),
        ],
        &["FROM ruby:3.4-slim", "COPY Gemfile Gemfile.lock .ruby-version ./"],
        "--bind tcp://0.0.0.0:$PORT",
    ),
    (
        &[
            ("go.mod", "module example.com/a/shop/v2\n\ngo 1.24.1\n"),
            ("go.sum", ""),
            ("main.go", "package main\n"),
            ("templates/x.html", ""),
        ],
        &["FROM golang:1.24-alpine", "COPY go.mod go.sum ./", "-o /programs/ .\n", "COPY templates ./templates"],
        r#"["shop"]"#,
    ),
    (
        &[("go.mod", "module x\n"), ("cmd/web/main.go", "package main\n"), ("cmd/job/main.go", "package main\n")],
        &["./cmd/job ./cmd/web"],
        r#"["web"]"#,
    ),
    (
        &[
            ("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\n"),
            ("Cargo.lock", "name = \"openssl-sys\"\n"),
            ("src/main.rs", ""),
            ("src/bin/job.rs", ""),
        ],
        &[],
        "",
    ),
    (
        &[
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n"),
            ("crates/a/Cargo.toml", "[package]\nname = \"a\"\n"),
            ("crates/a/src/main.rs", ""),
            ("crates/b/Cargo.toml", "[package]\nname = \"b\"\n"),
            ("Cargo.lock", "name = \"openssl-sys\"\n"),
        ],
        &["cargo build --release --locked --bin a", "libssl-dev", "libssl3"],
        r#"["a"]"#,
    ),
    (
        &[(
            "pom.xml",
            "<project><artifactId>shop</artifactId><properties><java.version>17</java.version></properties>\n<parent><artifactId>spring-boot-starter-parent</artifactId></parent></project>",
        )],
        &["FROM maven:3-eclipse-temurin-17", "FROM eclipse-temurin:17-jre", "-Xmx300m"],
        "exec java -Dserver.port=$PORT -jar app.jar",
    ),
    (
        &[
            ("build.gradle", "plugins {\n  id 'application'\n}\n"),
            ("settings.gradle", "rootProject.name = 'shop'\n"),
            ("gradlew", ""),
            ("gradle/wrapper/gradle-wrapper.jar", ""),
        ],
        &["FROM eclipse-temurin:21-jdk", "sh ./gradlew --no-daemon installDist && mv build/install/shop /app"],
        r#"["bin/shop"]"#,
    ),
    (
        &[(
            "build.gradle.kts",
            "plugins {\n  id(\"org.springframework.boot\") version \"3.4.0\"\n}\njava { toolchain { languageVersion = JavaLanguageVersion.of(25) } }\n",
        )],
        &["FROM gradle:jdk25", "bootJar"],
        "-jar app.jar",
    ),
    (
        &[
            (
                "composer.json",
                "{\"require\": {\"php\": \"^8.2\", \"ext-pdo_pgsql\": \"*\", \"laravel/framework\": \"^12\"}}",
            ),
            ("composer.lock", "{}"),
            ("public/index.php", ""),
        ],
        &[
            "FROM php:8.2-apache",
            "docker-php-ext-install pdo_pgsql",
            "libpq-dev",
            "|/app/public|",
            "LOG_CHANNEL=stderr",
        ],
        r#"["apache2-foreground"]"#,
    ),
    (&[("index.html", "")], &["FROM nginx:1-alpine", "COPY . /site", "ENTRYPOINT []"], "exec nginx"),
    (&[("public/index.html", "")], &["COPY public /site"], "exec nginx"),
];

#[test]
fn r1_every_language_s_dockerfile_keeps_heroku_s_rules() {
    for (files, holds, cmd) in CASES {
        let folder = project(files);
        let Ok(survey) = survey(folder.path(), None) else {
            assert!(cmd.is_empty(), "{files:?}");
            continue;
        };
        assert!(!cmd.is_empty(), "{files:?} leaves the command open");
        assert!(
            !survey.facts.is_empty() && survey.facts.iter().all(|fact| !fact.origin.is_empty()),
            "{:?}",
            survey.facts
        );
        let text = text(&planned(folder.path(), None, Ci::None), "Dockerfile");
        lint(&text, folder.path());
        for part in holds.iter().chain([cmd]) {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
    }
}

#[test]
fn several_programs_are_told_apart_by_the_procfile() {
    let files = CASES.iter().find(|(_, _, cmd)| cmd.is_empty()).unwrap().0;
    let folder = project(files);
    let refused = survey(folder.path(), None).unwrap_err();
    assert!(refused[0].help.as_ref().unwrap().contains("default-run"), "{refused:?}");
    fs::write(folder.path().join("Procfile"), "web: shop\nclock: job --every 5m\n").unwrap();
    let plan = planned(folder.path(), None, Ci::None);
    assert!(text(&plan, "Dockerfile").ends_with("CMD [\"shop\"]\n"));
    assert!(text(&plan, "Dockerfile.clock").ends_with("CMD [\"job\", \"--every\", \"5m\"]\n"));
    let yml = text(&plan, "heroku.yml");
    assert!(yml.contains("    web: Dockerfile\n    clock: Dockerfile.clock\n"), "{yml}");
}

#[test]
fn what_is_written_is_what_dynosim_reads() {
    for (files, _, cmd) in CASES.iter().filter(|(_, _, cmd)| !cmd.is_empty()) {
        let folder = project(files);
        fs::write(folder.path().join("Procfile"), "worker: echo \"a: b\" # x\nrelease: echo 'it''s'\n").unwrap();
        for ci in [Ci::GitHub, Ci::GitLab] {
            for file in planned(folder.path(), None, ci).missing() {
                super::write(folder.path(), file).unwrap();
            }
        }
        let options = crate::manifest::LoadOptions { root: folder.path().to_owned(), ..Default::default() };
        let loaded = crate::manifest::load(&options).unwrap_or_else(|f| panic!("{}", f[0].render(false)));
        assert!(
            loaded.findings.iter().all(|f| f.severity == crate::diagnostic::Severity::Note),
            "{:?}",
            loaded.findings
        );
        let types: Vec<&str> = loaded.app.builds.keys().map(crate::model::process_type::ProcessType::as_str).collect();
        assert_eq!(types, ["release", "web", "worker"], "{cmd}");
        assert!(loaded.require_config().is_ok());
    }
}

#[test]
fn r1_5_no_secret_and_nothing_of_the_developer_s_machine_goes_into_an_image() {
    for (files, _, cmd) in CASES.iter().filter(|(_, _, cmd)| !cmd.is_empty()) {
        let folder = project(files);
        fs::write(folder.path().join(".env"), "TOKEN=s3cret\n").unwrap();
        let plan = planned(folder.path(), None, Ci::GitHub);
        let ignored = text(&plan, ".dockerignore");
        for name in [".env", ".env.*", ".git", "Dockerfile*"] {
            assert!(ignored.lines().any(|line| line == name), "{cmd}: no {name} in\n{ignored}");
        }
        assert!(plan.files.iter().all(|file| !file.text.contains("s3cret")), "{cmd}");
    }
}

#[test]
fn env_example_names_what_the_sources_read_and_sets_nothing() {
    let source = "require('http').listen(process.env.PORT)\nconst key = process.env.STRIPE_KEY\n";
    let app = r#"{"name": "shop", "env": {"MODE": {"description": "How\nit runs", "value": "fast"}, "STRIPE_KEY": {"required": true}}}"#;
    let folder =
        project(&[("package.json", NODE), ("package-lock.json", "{}"), ("server.js", source), ("app.json", app)]);
    let text = text(&planned(folder.path(), None, Ci::None), ".env.example");
    for part in ["# How it runs (app.json:1)\n# MODE=fast\n", "# read in app.json:", "# STRIPE_KEY=\n"] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    assert!(!text.contains("# PORT") && text.lines().all(|line| line.is_empty() || line.starts_with('#')), "{text}");
}

#[test]
fn a_language_can_be_chosen_where_there_are_signs_of_two() {
    let folder = project(&[
        ("package.json", NODE),
        ("package-lock.json", "{}"),
        ("requirements.txt", "flask\ngunicorn\n"),
        ("app.py", FLASK),
    ]);
    let python = survey(folder.path(), None).unwrap();
    assert_eq!(python.stack.unwrap().word(), "python");
    assert!(python.findings.iter().any(|note| note.help.as_ref().is_some_and(|help| help.contains("--language node"))));
    assert_eq!(survey(folder.path(), Some(Language::Node)).unwrap().stack.unwrap().word(), "node");
    fs::write(folder.path().join("Procfile"), "web: node server.js\n").unwrap();
    assert_eq!(survey(folder.path(), None).unwrap().stack.unwrap().word(), "node", "the Procfile decides");
}
