//! How long `check` takes: reading a project and all rules over it, for a usual repository and for one with 1,000 files, and the
//! whole command as a process. Nothing is asserted about time. Beside hadolint, where it is installed.
//!
//! `cargo bench --bench check`
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use dynosim::lint::{check, settings};
use dynosim::manifest::{LoadOptions, load};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROUNDS: usize = 200;
const PROCESSES: usize = 30;

const DOCKERFILE: &str = "# syntax=docker/dockerfile:1\nARG RUBY_VERSION=3.3.5\nFROM ruby:$RUBY_VERSION-slim AS base\nWORKDIR /rails\n\
ENV RAILS_ENV=production BUNDLE_PATH=/usr/local/bundle\nFROM base AS build\nRUN apt-get update -qq && \\\n    apt-get install -y build-essential git \
libpq-dev && \\\n    rm -rf /var/lib/apt/lists\nCOPY Gemfile Gemfile.lock ./\nRUN bundle install\nCOPY . .\nRUN SECRET_KEY_BASE_DUMMY=1 \
./bin/rails assets:precompile\nFROM base\nCOPY --from=build /usr/local/bundle /usr/local/bundle\nCOPY --from=build /rails /rails\n\
ENTRYPOINT [\"/rails/bin/docker-entrypoint\"]\nEXPOSE 3000\nCMD [\"./bin/rails\", \"server\"]\n";
const ENTRYPOINT: &str = "#!/bin/bash -e\nif [ \"${1}\" == \"./bin/rails\" ] && [ \"${2}\" == \"server\" ]; then\n  ./bin/rails db:prepare\nfi\nexec \"${@}\"\n";
const SERVER: &str = "const app = require('express')();\napp.listen(3000);\n";

fn main() -> Result<()> {
    println!("{:<44} {:>10} {:>10} {:>10}", "", "median", "90 %", "most");
    let usual = tempfile::tempdir()?;
    rails(usual.path(), 60)?;
    measure("usual: Rails, three stages, 60 files", usual.path())?;
    let large = tempfile::tempdir()?;
    // The costliest shape: a rule reads every source of the context to see whether one of them knows $PORT.
    node(large.path(), 1000)?;
    measure("large: Node, 1,000 files, every one read", large.path())?;
    hadolint(usual.path())?;
    Ok(())
}

fn rails(root: &Path, files: usize) -> Result<()> {
    fs::create_dir_all(root.join("bin"))?;
    fs::create_dir_all(root.join("app/models"))?;
    fs::write(root.join("Dockerfile"), DOCKERFILE)?;
    fs::write(root.join("bin/docker-entrypoint"), ENTRYPOINT)?;
    fs::write(
        root.join("heroku.yml"),
        "build:\n  docker:\n    web: Dockerfile\nrelease:\n  image: web\n  command:\n    - bin/rails db:migrate\n",
    )?;
    fs::write(root.join("app.json"), "{\"name\": \"shop\", \"env\": {\"MODE\": \"x\"}}")?;
    fs::write(root.join(".env"), "MODE=dev\n")?;
    fs::write(root.join(".dockerignore"), ".git\n.env*\nlog/*\ntmp/*\n")?;
    for number in 0..files {
        fs::write(root.join(format!("app/models/m{number}.rb")), "class M < ApplicationRecord\nend\n".repeat(40))?;
    }
    Ok(())
}

fn node(root: &Path, files: usize) -> Result<()> {
    fs::write(
        root.join("Dockerfile"),
        "FROM node:20-slim\nWORKDIR /app\nCOPY . .\nEXPOSE 3000\nCMD [\"node\", \"server.js\"]\n",
    )?;
    fs::write(root.join("server.js"), SERVER)?;
    for number in 0..files {
        let folder = root.join(format!("src/f{}", number % 40));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("m{number}.js")), "export const value = (x) => x * 2;\n".repeat(100))?;
    }
    Ok(())
}

fn measure(what: &str, root: &Path) -> Result<()> {
    let options = LoadOptions { root: root.to_owned(), ..LoadOptions::default() };
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let loaded = load(&options).map_err(|findings| findings[0].title.clone())?;
        let settings = settings(root).map_err(|finding| finding.title)?;
        found = check(&loaded, &[], &settings).findings.len();
        times.push(began.elapsed());
    }
    print(&format!("{what} ({found} found)"), times);
    let program = env!("CARGO_BIN_EXE_dynosim");
    let command = || {
        Command::new(program)
            .args(["check", "--format", "json"])
            .current_dir(root)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
    };
    let mut times = Vec::new();
    for _ in 0..PROCESSES {
        let began = Instant::now();
        command()?;
        times.push(began.elapsed());
    }
    print("  the whole command", times);
    Ok(())
}

fn hadolint(root: &Path) -> Result<()> {
    let run = || {
        Command::new("hadolint")
            .arg("Dockerfile")
            .current_dir(root)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
    };
    if run().is_err() {
        println!("hadolint is not installed: nothing to compare with");
        return Ok(());
    }
    let mut times = Vec::new();
    for _ in 0..PROCESSES {
        let began = Instant::now();
        run()?;
        times.push(began.elapsed());
    }
    print("  hadolint, the same Dockerfile alone", times);
    Ok(())
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    println!("{what:<44} {:>10.2?} {:>10.2?} {:>10.2?}", at(50), at(90), at(100));
}
