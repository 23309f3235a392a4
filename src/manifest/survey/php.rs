//! PHP: composer.json, the folder a web server serves, Laravel and Symfony.

use super::folder::{Folder, command, keys, place, text, version};
use super::{Found, Stack};
use crate::manifest::procfile::Process;
use serde::Serialize;

const DEFAULT: &str = "8.4";

/// What a Dockerfile must know of a PHP app.
#[derive(Clone, Debug, Serialize)]
pub struct Php {
    /// `8.3`.
    pub version: String,
    /// The folder that is served; empty for all of it.
    pub root: String,
    /// Whether composer installs anything.
    pub composer: bool,
    /// Whether there is a composer.lock.
    pub locked: bool,
    /// Extensions to be compiled, beside those of the image.
    pub extensions: Vec<String>,
    /// Debian packages for that.
    pub build_packages: Vec<&'static str>,
    /// Whether it is Laravel.
    pub laravel: bool,
}

/// Extensions that `docker-php-ext-install` makes, and the Debian package that each needs.
const EXTENSIONS: &[(&str, &str)] = &[
    ("pdo_pgsql", "libpq-dev"),
    ("pgsql", "libpq-dev"),
    ("pdo_mysql", ""),
    ("mysqli", ""),
    ("intl", "libicu-dev"),
    ("gd", "libpng-dev"),
    ("zip", "libzip-dev"),
    ("bcmath", ""),
    ("exif", ""),
    ("gmp", "libgmp-dev"),
    ("soap", "libxml2-dev"),
    ("pcntl", ""),
    ("sockets", ""),
];

/// Whether a command is that of Heroku's PHP buildpack, which no image has.
pub(super) fn is_buildpack_s(command: &str) -> bool {
    command.split_whitespace().next().is_some_and(|program| {
        let name = program.rsplit('/').next().unwrap_or(program);
        name == "heroku-php-apache2" || name == "heroku-php-nginx"
    })
}

pub(super) fn read(folder: &mut Folder, procfile: &[Process]) -> Found {
    let mut php = Php {
        version: DEFAULT.to_owned(),
        root: String::new(),
        composer: false,
        locked: folder.has("composer.lock"),
        extensions: Vec::new(),
        build_packages: Vec::new(),
        laravel: false,
    };
    let mut said = "no file says a version; `require.php` of composer.json would".to_owned();
    if let Some((file, tree)) = folder.json("composer.json") {
        php.composer = true;
        if let Some((wanted, origin)) = text(&file, &tree, &["require", "php"])
            && let Some(found) = version(wanted, 2)
        {
            php.version = if found.contains('.') { found } else { format!("{found}.4") };
            said = format!("{origin} require.php `{wanted}`");
        }
        for package in keys(&tree, &["require"]) {
            let origin = place(&file, package.key_span.start);
            match package.key.as_str() {
                "laravel/framework" => {
                    php.laravel = true;
                    folder.fact("Laravel", origin);
                }
                "symfony/framework-bundle" => folder.fact("Symfony", origin),
                "slim/slim" => folder.fact("Slim", origin),
                other => extension(&mut php, other),
            }
        }
    }
    folder.fact(format!("PHP {}", php.version), said);
    let web = procfile.iter().find(|process| process.process_type.value.is_web());
    let by_procfile = web.filter(|process| is_buildpack_s(&process.command.text)).map(|process| &process.command);
    let (root, origin) = if let Some(command) = by_procfile {
        // The buildpack's servers take the folder as their last word.
        let last = command.text.split_whitespace().skip(1).last().filter(|word| !word.starts_with('-'));
        (last.unwrap_or_default().trim_end_matches('/').to_owned(), command.origin.clone())
    } else {
        let index = folder.first(&["public/index.php", "web/index.php", "index.php"]).unwrap_or("index.php");
        (index.rsplit_once('/').map_or("", |(root, _)| root).to_owned(), index.to_owned())
    };
    folder.fact(format!("Apache serves {}", if root.is_empty() { "the whole folder" } else { &root }), origin.clone());
    php.root = root;
    let has_front = folder.has(format!("{}/index.php", php.root).trim_start_matches('/'));
    Found {
        web: has_front.then(|| command("apache2-foreground", origin)),
        stack: Stack::Php(php),
        no_web: "there is no index.php at the top, in public/ or in web/: write one".to_owned(),
        test: None,
    }
}

fn extension(php: &mut Php, package: &str) {
    let Some(name) = package.strip_prefix("ext-") else { return };
    let Some((known, library)) = EXTENSIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else { return };
    php.extensions.push((*known).to_owned());
    if !library.is_empty() && !php.build_packages.contains(library) {
        php.build_packages.push(library);
    }
}
