//! Ruby: the Gemfile and its lockfile, Rails, Rack.

use super::folder::{Folder, command, lines, quoted, version};
use super::{Found, Stack};
use crate::diagnostic::{Diagnostic, SourceFile};
use serde::Serialize;
use std::sync::Arc;

const DEFAULT: &str = "3.4";

/// What a Dockerfile must know of a Ruby app.
#[derive(Clone, Debug, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a question of the template")]
pub struct Ruby {
    /// `3.3`, or with a patch level where the app names one.
    pub version: String,
    /// Whether there is a .ruby-version, which Gemfiles may read.
    pub version_file: bool,
    /// Whether it is a Rails app.
    pub rails: bool,
    /// Assets are made while the image is built.
    pub assets: bool,
    /// bootsnap's cache is made while the image is built.
    pub bootsnap: bool,
    /// Debian packages that gems are compiled with.
    pub build_packages: Vec<&'static str>,
    /// Debian packages that they need when they run.
    pub packages: Vec<&'static str>,
}

/// Gems that need libraries of the system: to be compiled, and to run.
const LIBRARIES: &[(&str, &str, &str)] = &[
    ("pg", "libpq-dev", "libpq5"),
    ("mysql2", "default-libmysqlclient-dev", "libmariadb3"),
    ("sqlite3", "libsqlite3-dev", "libsqlite3-0"),
    ("image_processing", "libvips-dev", "libvips42"),
    ("ruby-vips", "libvips-dev", "libvips42"),
    ("rmagick", "libmagickwand-dev", "libmagickwand-6.q16-6"),
];

pub(super) fn read(folder: &mut Folder) -> Found {
    let gemfile = folder.read("Gemfile");
    let lock = folder.read("Gemfile.lock");
    let version = ruby_version(folder, gemfile.as_ref(), lock.as_ref());
    let origin = |gem: &str| {
        let file = gemfile.as_ref()?;
        let line = lines(file).find(|(_, line)| line.starts_with("gem ") && quoted(line) == Some(gem));
        line.map(|(number, _)| format!("Gemfile:{number}"))
    };
    let locked = |gem: &str| {
        let entry = format!("    {gem} (");
        lock.as_ref().is_some_and(|lock| lock.text.lines().any(|line| line.starts_with(&entry)))
    };
    let has = |gem: &str| origin(gem).is_some() || locked(gem);
    if let Some(gemfile) = &gemfile {
        check_lock(folder, gemfile, lock.as_ref());
    }
    let rails = folder.has("config/application.rb") && (has("rails") || has("railties"));
    if rails {
        folder.fact("Rails", origin("rails").unwrap_or_else(|| "config/application.rb".to_owned()));
    } else if let Some((name, found)) =
        ["sinatra", "hanami", "roda", "grape"].iter().find_map(|g| Some((g, origin(g)?)))
    {
        folder.fact(*name, found);
    }
    let web = if folder.has("config/puma.rb") && has("puma") {
        Some(command("bundle exec puma -C config/puma.rb", "config/puma.rb"))
    } else if has("puma") && (rails || folder.has("config.ru")) {
        let found = origin("puma").unwrap_or_else(|| "Gemfile.lock".to_owned());
        Some(command("bundle exec puma --bind tcp://0.0.0.0:$PORT", found))
    } else if rails {
        Some(command("bundle exec rails server --binding 0.0.0.0 --port $PORT", "config/application.rb"))
    } else if folder.has("config.ru") {
        Some(command("bundle exec rackup --host 0.0.0.0 --port $PORT", "config.ru"))
    } else {
        None
    };
    let mut ruby = Ruby {
        version,
        version_file: folder.has(".ruby-version"),
        rails,
        assets: rails && ["sprockets-rails", "propshaft", "vite_rails"].iter().any(|gem| has(gem)),
        bootsnap: rails && has("bootsnap"),
        build_packages: vec!["build-essential", "git", "libyaml-dev", "pkg-config"],
        packages: Vec::new(),
    };
    for (_, build, run) in LIBRARIES.iter().filter(|(gem, ..)| has(gem)) {
        if !ruby.packages.contains(run) {
            ruby.build_packages.push(build);
            ruby.packages.push(run);
        }
    }
    let no_web = "write config.ru, or a Procfile such as `web: bundle exec ruby app.rb -o 0.0.0.0 -p $PORT`".to_owned();
    Found { stack: Stack::Ruby(ruby), web, no_web, test: None }
}

fn ruby_version(folder: &mut Folder, gemfile: Option<&Arc<SourceFile>>, lock: Option<&Arc<SourceFile>>) -> String {
    let mut wanted = None;
    if let Some(file) = folder.read(".ruby-version") {
        wanted = version(&file.text, 3).map(|found| (found, ".ruby-version".to_owned()));
    }
    let in_gemfile = gemfile.and_then(|file| {
        let (number, line) = lines(file).find(|(_, line)| line.starts_with("ruby \"") || line.starts_with("ruby '"))?;
        Some((version(quoted(line)?, 3)?, format!("Gemfile:{number}")))
    });
    let in_lock = lock.and_then(|file| {
        let (number, line) = lines(file).find(|(_, line)| line.starts_with("ruby ") && line.contains('p'))?;
        Some((version(line, 3)?, format!("Gemfile.lock:{number}")))
    });
    let found = wanted.or(in_gemfile).or(in_lock);
    let (version, origin) =
        found.unwrap_or_else(|| (DEFAULT.to_owned(), "no file says a version; .ruby-version would".into()));
    folder.fact(format!("Ruby {version}"), origin);
    version
}

/// Bundler refuses to install on Linux what was locked for another system alone.
fn check_lock(folder: &mut Folder, gemfile: &Arc<SourceFile>, lock: Option<&Arc<SourceFile>>) {
    let Some(lock) = lock else {
        let finding =
            Diagnostic::error("there is a Gemfile and no Gemfile.lock").at_line(gemfile, 1, "nothing pins these gems");
        folder.findings.push(finding.help("`bundle lock --add-platform x86_64-linux` writes it: commit it"));
        return;
    };
    let Some((heading, _)) = lines(lock).find(|(_, line)| *line == "PLATFORMS") else { return };
    let platforms: Vec<&str> =
        lines(lock).skip(heading).map(|(_, line)| line).take_while(|line| !line.is_empty()).collect();
    if !platforms.iter().any(|platform| *platform == "ruby" || platform.starts_with("x86_64-linux")) {
        let title = format!("Gemfile.lock was made for {} alone; dynos are x86_64-linux (R1.2)", platforms.join(", "));
        let finding = Diagnostic::error(title).at_line(lock, heading + 1, "expected x86_64-linux among them");
        folder.findings.push(finding.help("run `bundle lock --add-platform x86_64-linux`"));
    }
}
