//! Templates of `dynosim init` that come up as they are written: lockfiles are made by the tools themselves, and where a base
//! image is not to be had without an image registry, Debian's packages are in its place.

use crate::harness::{Project, docker, engine_lock};
use crate::support::engine_or_skip;
use std::fs;

const DEBIAN: &str = "FROM debian:bookworm-slim";
const INSTALL: &str = "RUN apt-get update && apt-get install -y --no-install-recommends";
const PYTHON: &str = "python:3.11-slim";
const NODE: &str = "node:20-slim";
const NGINX: (&str, &str, &str) = ("FROM nginx:1-alpine", DEBIAN, "nginx-light gettext-base");

/// A project before `init`.
struct Before<'a> {
    files: &'a [(&'a str, &'a str)],
    /// Writes the lockfile, in a container of this image.
    lock: Option<(&'a str, &'a str)>,
    /// Lines of the Dockerfile that are replaced: by what, and with which of Debian's packages installed.
    stands_in: &'a [(&'a str, &'a str, &'a str)],
    /// More of the same, without packages.
    changed: &'a [(&'a str, &'a str)],
}

const BEFORE: Before<'_> = Before { files: &[], lock: None, stands_in: &[], changed: &[] };

/// Has `init` write what is missing, and looks at the app in a dyno.
fn comes_up(before: &Before<'_>, body: &str) {
    engine_or_skip!();
    let _engine = engine_lock();
    let project = Project::empty("shop");
    for (path, text) in before.files {
        fs::create_dir_all(project.dir.join(path).parent().unwrap()).unwrap();
        project.write(path, text);
    }
    if let Some((image, script)) = before.lock {
        let folder = format!("{}:/app", project.dir.display());
        docker(&["run", "--rm", "-v", &folder, "-w", "/app", "-e", "HOME=/tmp", image, "sh", "-ec", script]);
    }
    project.run(&["init", "--yes"]).expect_code(0);
    let mut text = fs::read_to_string(project.dir.join("Dockerfile")).unwrap();
    for (line, instead, packages) in before.stands_in {
        assert!(text.contains(line), "no {line} in\n{text}");
        let stage = line.find(" AS ").map_or("", |at| &line[at..]);
        text = text.replacen(line, &format!("{instead}{stage}\n{INSTALL} {packages}"), 1);
    }
    for (line, instead) in before.changed {
        assert!(text.contains(line), "no {line} in\n{text}");
        text = text.replacen(line, instead, 1);
    }
    project.write("Dockerfile", &text);
    let up = project.up(&[]);
    up.ready();
    let answer = up.get("/");
    assert!(answer.0 == 200 && answer.1.contains(body), "{answer:?}");
    for path in ["/.hidden", "/nginx.conf.template"] {
        assert!(!before.stands_in.contains(&NGINX) || up.get(path).0 == 404, "{path}");
    }
    let refused: Vec<String> =
        up.log().into_iter().filter(|line| line.contains("Read-only") || line.contains("denied")).collect();
    assert_eq!(refused, Vec::<String>::new(), "it writes nowhere that a dyno may not");
    up.stop();
}

/// What a tool says in a container of its image: where it fetches packages from.
fn told(image: &str, command: &[&str]) -> String {
    docker(&[&["run", "--rm", image], command].concat()).trim().trim_end_matches('/').to_owned()
}

const FLASK: (&str, &str) = (
    "app.py",
    "from flask import Flask\n\napp = Flask(__name__)\n\n\n@app.get(\"/\")\ndef hello():\n    return \"hello from flask\"\n",
);

#[test]
fn python_with_uv_comes_up_as_init_writes_it() {
    let project = "[project]\nname = \"shop\"\nversion = \"0.1.0\"\nrequires-python = \">=3.11\"\n\
                   dependencies = [\"flask>=3\", \"gunicorn\"]\n";
    let files = &[FLASK, ("pyproject.toml", project), (".python-version", "3.11\n")];
    let lock = Some((PYTHON, "pip install -q uv && uv lock"));
    comes_up(&Before { files, lock, ..BEFORE }, "hello from flask");
    comes_up(&Before { files, ..BEFORE }, "hello from flask");
}

#[test]
fn python_with_poetry_comes_up_as_init_writes_it() {
    engine_or_skip!();
    let index = told(PYTHON, &["python", "-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"]);
    // The index is read as pip reads it, not by PyPI's own API, which not every network lets through.
    let project = format!(
        "[tool.poetry]\npackage-mode = false\n\n[tool.poetry.dependencies]\npython = \"~3.11\"\nflask = \"*\"\n\n\
         [[tool.poetry.source]]\nname = \"index\"\nurl = \"{index}/\"\npriority = \"primary\"\n"
    );
    let files = &[FLASK, ("pyproject.toml", &project), (".python-version", "3.11\n")];
    // Poetry brings roots of its own; a network may have a certificate that only the system knows.
    let lock =
        Some((PYTHON, "pip install -q poetry && REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt poetry lock"));
    let from = "FROM python:3.11-slim AS packages\n";
    let roots = &format!("{from}ENV REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt\n");
    comes_up(&Before { files, lock, changed: &[(from, roots)], ..BEFORE }, "hello from flask");
}

#[test]
fn python_with_pipenv_comes_up_as_init_writes_it() {
    let pipfile = "[packages]\nflask = \"*\"\n\n[requires]\npython_version = \"3.11\"\n";
    let files = &[FLASK, ("Pipfile", pipfile)];
    let lock = Some((PYTHON, "pip install -q pipenv && pipenv lock"));
    comes_up(&Before { files, lock, ..BEFORE }, "hello from flask");
}

const EXPRESS: (&str, &str) = (
    "server.js",
    "require(\"express\")().get(\"/\", (_, answer) => answer.send(\"hello from express\")).listen(process.env.PORT);\n",
);
const PACKAGE: &str = r#"{"name": "shop", "private": true, "scripts": {"start": "node server.js"},
  "engines": {"node": "20.x"}, "dependencies": {"express": "^5"}}"#;

#[test]
fn node_with_pnpm_comes_up_as_init_writes_it() {
    let files = &[EXPRESS, ("package.json", PACKAGE)];
    let lock = Some((NODE, "npm install -g pnpm@9 && pnpm install --lockfile-only"));
    comes_up(&Before { files, lock, ..BEFORE }, "hello from express");
}

#[test]
fn node_with_the_first_yarn_comes_up_as_init_writes_it() {
    let files = &[EXPRESS, ("package.json", PACKAGE)];
    let lock = Some((NODE, "npm install -g --force yarn@1 && yarn install && rm -r node_modules"));
    // The official image has it.
    let from = "FROM node:20-slim AS packages\n";
    let yarn = &format!("{from}RUN npm install -g --force yarn@1\n");
    comes_up(&Before { files, lock, changed: &[(from, yarn)], ..BEFORE }, "hello from express");
}

#[test]
fn node_with_yarn_comes_up_as_init_writes_it() {
    engine_or_skip!();
    let registry = told(NODE, &["npm", "config", "get", "registry"]);
    let package = PACKAGE.replacen('{', "{\"packageManager\": \"yarn@4.9.2\", ", 1);
    let files = &[EXPRESS, ("package.json", &package)];
    let script = format!(
        "npm install -g corepack && corepack enable && export COREPACK_NPM_REGISTRY={registry} && \
         yarn config set nodeLinker node-modules && yarn config set npmRegistryServer {registry} && \
         yarn install --mode=update-lockfile && rm -rf .yarn .pnp.cjs"
    );
    let lock = Some((NODE, script.as_str()));
    // Yarn itself from where its packages are, not from a server of its own, which not every network lets through.
    let from = "FROM node:20-slim AS packages\n";
    let registry = &format!("{from}ENV COREPACK_NPM_REGISTRY={registry}\n");
    comes_up(&Before { files, lock, changed: &[(from, registry)], ..BEFORE }, "hello from express");
}

#[test]
fn a_front_end_that_vite_builds_comes_up_as_init_writes_it_on_debian_s_nginx() {
    let package = r#"{"name": "shop", "private": true, "type": "module", "scripts": {"build": "vite build", "dev": "vite"},
      "engines": {"node": "20.x"}, "devDependencies": {"vite": "^6"}}"#;
    let index = "<!doctype html><title>hello from vite</title><script type=\"module\" src=\"/main.js\"></script>\n";
    let files =
        &[("package.json", package), ("index.html", index), ("main.js", "console.log(1)\n"), (".hidden", "secret\n")];
    comes_up(&Before { files, stands_in: &[NGINX], ..BEFORE }, "hello from vite");
}

#[test]
fn a_static_site_comes_up_as_init_writes_it_on_debian_s_nginx() {
    let files = &[("index.html", "<h1>Hello</h1>\n"), (".hidden", "secret\n")];
    comes_up(&Before { files, stands_in: &[NGINX], ..BEFORE }, "<h1>Hello</h1>");
}

#[test]
fn the_go_template_comes_up_on_debian_s_go() {
    let main = "package main\n\nimport (\n\t\"fmt\"\n\t\"net/http\"\n\t\"os\"\n)\n\nfunc main() {\n\thttp.HandleFunc(\"/\", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, \"hello from go\") })\n\tfmt.Println(http.ListenAndServe(\":\"+os.Getenv(\"PORT\"), nil))\n}\n";
    let files = &[("go.mod", "module example.com/shop\n\ngo 1.19\n"), ("main.go", main)];
    let stands_in = &[
        ("FROM golang:1.19-alpine AS build", DEBIAN, "golang-go ca-certificates"),
        ("FROM alpine:3", DEBIAN, "ca-certificates"),
    ];
    comes_up(&Before { files, stands_in, ..BEFORE }, "hello from go");
}

#[test]
fn the_rust_template_comes_up_on_debian_s_rust() {
    let main = "use std::io::{Read, Write};\n\nfn main() {\n    let address = (\"0.0.0.0\", std::env::var(\"PORT\").unwrap().parse().unwrap());\n    \
                for stream in std::net::TcpListener::bind(address).unwrap().incoming() {\n        let mut stream = stream.unwrap();\n        \
                let _ = stream.read(&mut [0; 4096]);\n        \
                let _ = stream.write_all(b\"HTTP/1.1 200 OK\\r\\nContent-Length: 15\\r\\nConnection: close\\r\\n\\r\\nhello from rust\");\n    }\n}\n";
    let files = &[
        ("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
        ("Cargo.lock", "version = 3\n\n[[package]]\nname = \"shop\"\nversion = \"0.1.0\"\n"),
        ("src/main.rs", main),
    ];
    let stands_in = &[("FROM rust:1-slim-bookworm AS build", DEBIAN, "cargo ca-certificates")];
    comes_up(&Before { files, stands_in, ..BEFORE }, "hello from rust");
}

/// What the official image of PHP has, of Debian's packages.
const APACHE: &str = "apache2 libapache2-mod-php && printf '#!/bin/sh\\n. /etc/apache2/envvars\\nmkdir -p $APACHE_RUN_DIR\\nexec apache2 -D FOREGROUND\\n' > /usr/local/bin/apache2-foreground && chmod 755 /usr/local/bin/apache2-foreground && sed -ri 's/^export ([A-Z_]+)=(.*)$/: ${\\1:=\\2}; export \\1/' /etc/apache2/envvars && ln -sf /proc/self/fd/2 /var/log/apache2/error.log && ln -sf /proc/self/fd/1 /var/log/apache2/access.log && ln -sf /proc/self/fd/1 /var/log/apache2/other_vhosts_access.log";

#[test]
fn the_php_template_comes_up_on_debian_s_apache() {
    let files = &[
        ("public/index.php", "<?php echo 'hello from php';\n"),
        ("Procfile", "web: vendor/bin/heroku-php-apache2 public/\n"),
        ("index.php", "<?php\n"),
    ];
    comes_up(
        &Before { files, stands_in: &[("FROM php:8.4-apache AS base", DEBIAN, APACHE)], ..BEFORE },
        "hello from php",
    );
}

#[test]
fn the_php_template_with_composer_comes_up_on_debian_s_apache() {
    let composer = r#"{"name": "ann/shop", "description": "x", "license": "MIT", "require": {"php": ">=8.2"},
      "autoload": {"psr-4": {"Shop\\": "src/"}}, "repositories": [{"packagist.org": false}]}"#;
    let files = &[
        ("composer.json", composer),
        ("public/index.php", "<?php require __DIR__ . '/../vendor/autoload.php'; echo (new Shop\\Greeter)->hello();\n"),
        (
            "src/Greeter.php",
            "<?php namespace Shop; class Greeter { function hello() { return 'hello from composer'; } }\n",
        ),
    ];
    let base = "FROM php:8.2-apache AS base";
    let before = Before {
        files,
        stands_in: &[(base, DEBIAN, APACHE)],
        // Debian's own stands where the image's would be copied from.
        changed: &[
            ("install -y --no-install-recommends git unzip", "install -y --no-install-recommends git unzip composer"),
            ("COPY --from=composer:2 /usr/bin/composer /usr/local/bin/composer\n", ""),
        ],
        ..BEFORE
    };
    comes_up(&before, "hello from composer");
}
