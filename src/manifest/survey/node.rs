//! Node.js: package.json and the lockfile beside it.

use super::folder::{Folder, command, entry, keys, place, text, version};
use super::site::{SERVE, Site};
use super::{Found, Stack};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::manifest::node::Node as Tree;
use crate::model::app::CommandText;
use serde::Serialize;
use std::sync::Arc;

/// What no file says: the newest long-term release when this was written.
const DEFAULT: &str = "24";

/// What a Dockerfile must know of a Node app.
#[derive(Clone, Debug, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a question of the template")]
pub struct Node {
    /// Major version: `20`.
    pub version: String,
    /// `npm`, `yarn`, `berry` (Yarn 2 and newer) or `pnpm`.
    pub manager: &'static str,
    /// The manager's version, where something says it.
    pub manager_version: Option<String>,
    /// The lockfile.
    pub lockfile: Option<&'static str>,
    /// Files that the installation needs beside package.json.
    pub files: Vec<String>,
    /// The installation needs the sources too: scripts that run with it, workspaces, packages in folders.
    pub early: bool,
    /// Whether there is anything to install.
    pub dependencies: bool,
    /// Whether `build` of package.json makes what runs.
    pub build: bool,
    /// The app is started with a development dependency.
    pub development: bool,
    /// Next.js writes a cache while it runs.
    pub next: bool,
}

/// Frameworks by their package.
const FRAMEWORKS: &[(&str, &str)] = &[
    ("next", "Next.js"),
    ("nuxt", "Nuxt"),
    ("@remix-run/node", "Remix"),
    ("@sveltejs/kit", "SvelteKit"),
    ("astro", "Astro"),
    ("@nestjs/core", "NestJS"),
    ("express", "Express"),
    ("fastify", "Fastify"),
    ("koa", "Koa"),
    ("@hapi/hapi", "hapi"),
    ("hono", "Hono"),
    ("vite", "Vite"),
    ("react-scripts", "Create React App"),
];

const LOCKFILES: &[(&str, &str)] =
    &[("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("package-lock.json", "npm"), ("npm-shrinkwrap.json", "npm")];

pub(super) fn read(folder: &mut Folder) -> Found {
    let Some((file, tree)) = folder.json("package.json") else { return nothing() };
    let mut node = base(folder, &file, &tree);
    for (package, name) in FRAMEWORKS {
        for list in ["dependencies", "devDependencies"] {
            if let Some((_, origin)) = text(&file, &tree, &[list, package]) {
                folder.fact(*name, origin);
            }
        }
    }
    let start = start(folder, &file, &tree);
    if let Some(site) = built_site(folder, &file, &tree, start.as_ref(), &node) {
        return site;
    }
    if let Some(start) = &start {
        let first = start.text.split_whitespace().find(|word| !word.contains('=')).unwrap_or_default();
        let package = if first == "tsc" { "typescript" } else { first };
        if entry(&tree, &["devDependencies", package]).is_some() {
            node.development = true;
            let title = format!("the app starts with `{first}`, a development dependency: the image keeps all of them");
            let help = format!("move `{package}` to `dependencies`, or start what `build` makes");
            folder.findings.push(Diagnostic::warning(title).help(help));
        }
    }
    Found { test: test(&file, &tree), stack: Stack::Node(node), web: start, no_web: NO_WEB.to_owned() }
}

const NO_WEB: &str =
    "add a script to package.json: \"start\": \"node <your file>\", or a Procfile: `web: node <your file>`";

/// For a package.json that cannot be read; the finding is there already.
fn nothing() -> Found {
    let node = Node {
        version: DEFAULT.into(),
        manager: "npm",
        manager_version: None,
        lockfile: None,
        files: Vec::new(),
        early: false,
        dependencies: false,
        build: false,
        development: false,
        next: false,
    };
    Found { stack: Stack::Node(node), web: None, no_web: NO_WEB.to_owned(), test: None }
}

fn base(folder: &mut Folder, file: &Arc<SourceFile>, tree: &Tree) -> Node {
    let version = node_version(folder, file, tree);
    let (lockfile, mut manager) = match LOCKFILES.iter().find(|(name, _)| folder.has(name)) {
        Some((name, manager)) => (Some(*name), *manager),
        None => (None, "npm"),
    };
    let mut manager_version = None;
    if let Some((written, origin)) = text(file, tree, &["packageManager"]) {
        let (name, wanted) = written.split_once('@').unwrap_or((written, ""));
        let wanted = wanted.split('+').next().unwrap_or_default();
        let known = LOCKFILES.iter().map(|(_, manager)| *manager).find(|manager| *manager == name);
        if let Some(known) = known.filter(|known| lockfile.is_none() || *known == manager) {
            manager = known;
            manager_version = (!wanted.is_empty()).then(|| wanted.to_owned());
            folder.fact(format!("{name} {wanted}"), origin);
        }
    }
    let locked = lockfile.and_then(|name| folder.read(name));
    if manager == "yarn" && locked.as_ref().is_some_and(|lock| lock.text.contains("__metadata:")) {
        manager = "berry";
    }
    if manager == "pnpm" && manager_version.is_none() {
        let format =
            locked.as_ref().and_then(|lock| lock.text.lines().find_map(|l| l.strip_prefix("lockfileVersion:")));
        let old = format.and_then(|format| super::folder::version(format, 1)).is_some_and(|major| major == "6");
        manager_version = Some(if old { "8" } else { "9" }.to_owned());
    }
    let dependencies =
        ["dependencies", "devDependencies", "optionalDependencies"].iter().any(|list| !keys(tree, &[list]).is_empty());
    match lockfile {
        Some(name) => folder.fact(if manager == "berry" { "Yarn".to_owned() } else { manager.to_owned() }, name),
        None if dependencies => {
            let title = "package.json has dependencies and no lockfile: two builds of one commit can differ".to_owned();
            let place = entry(tree, &["dependencies"]).or_else(|| entry(tree, &["devDependencies"]));
            let finding = Diagnostic::warning(title).help("`npm install` writes package-lock.json: commit it");
            let finding = match place {
                Some(entry) => finding.at(file, entry.key_span.clone(), "nothing pins these"),
                None => finding,
            };
            folder.findings.push(finding);
        }
        None => {}
    }
    let files = [".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", ".pnpmfile.cjs"];
    Node {
        version,
        manager,
        manager_version,
        lockfile,
        files: files.into_iter().filter(|name| folder.has(name)).map(str::to_owned).collect(),
        early: early(tree) || folder.root.join(".yarn").is_dir() || folder.root.join("patches").is_dir(),
        dependencies,
        build: entry(tree, &["scripts", "build"]).is_some(),
        development: false,
        next: entry(tree, &["dependencies", "next"]).is_some(),
    }
}

/// Whether installing needs more than package.json and the lockfile.
fn early(tree: &Tree) -> bool {
    const HOOKS: &[&str] = &["preinstall", "install", "postinstall", "prepare", "prepublish"];
    let hooks = HOOKS.iter().any(|hook| entry(tree, &["scripts", hook]).is_some());
    let local = ["dependencies", "devDependencies"].iter().flat_map(|list| keys(tree, &[list])).any(|entry| {
        let wanted = entry.node.scalar().unwrap_or_default();
        ["file:", "link:", "workspace:", "./", "../"].iter().any(|kind| wanted.starts_with(kind))
    });
    hooks || local || entry(tree, &["workspaces"]).is_some()
}

/// The major version that the app names: the newest lower bound of a range, for that is what it was written for.
fn node_version(folder: &mut Folder, file: &Arc<SourceFile>, tree: &Tree) -> String {
    if let Some(found) = entry(tree, &["engines", "node"]) {
        let written = found.node.scalar().unwrap_or_default();
        if let Some(major) = lower_bound(written) {
            folder.fact(
                format!("Node {major}"),
                format!("{} engines.node `{written}`", place(file, found.key_span.start)),
            );
            return major;
        }
        let open =
            ["*", "x", "", "latest", "lts/*", "node"].contains(&written.trim()) || written.trim().starts_with('<');
        if !open {
            let title = format!("`engines.node` is `{written}`, which names no version of Node");
            let finding = Diagnostic::error(title).at(file, found.node.span.clone(), "expected a range such as `22.x`");
            folder.findings.push(finding.help("write the major version the app is made for: \"node\": \"22.x\""));
        }
    }
    for name in [".nvmrc", ".node-version"] {
        let Some(source) = folder.read(name) else { continue };
        if let Some(major) = version(&source.text, 1) {
            folder.fact(format!("Node {major}"), name);
            return major;
        }
    }
    folder.fact(format!("Node {DEFAULT}"), "no file says a version; `engines.node` of package.json would");
    DEFAULT.to_owned()
}

/// The newest major version among the lower bounds of a range: `>=18 <21 || ^22.1` is 22.
fn lower_bound(range: &str) -> Option<String> {
    let spaced =
        range.replace(">= ", ">=").replace("^ ", "^").replace("~ ", "~").replace("< ", "<").replace("<= ", "<=");
    let bounds = spaced.split("||").filter_map(|part| {
        let first = part.split_whitespace().next()?;
        if first.starts_with('<') { None } else { version(first, 1)?.parse::<u32>().ok() }
    });
    bounds.max().map(|major| major.to_string())
}

/// The command that starts the app, as npm would find it.
fn start(folder: &mut Folder, file: &SourceFile, tree: &Tree) -> Option<CommandText> {
    if let Some((script, origin)) = text(file, tree, &["scripts", "start"]) {
        let origin = format!("{origin} scripts.start");
        if let Some((_, before)) = text(file, tree, &["scripts", "prestart"]) {
            folder.fact("`prestart` runs with it, so npm starts the app", before);
            return Some(command("npm start", origin));
        }
        return Some(command(script.trim(), origin)).filter(|start| !start.text.is_empty());
    }
    if folder.has("server.js") {
        return Some(command("node server.js", "server.js, which `npm start` would run"));
    }
    if let Some((main, origin)) = text(file, tree, &["main"]) {
        let main = main.trim_start_matches("./");
        let found = [main.to_owned(), format!("{main}.js")].into_iter().find(|name| folder.has(name));
        if let Some(found) = found.filter(|found| serves(folder, found)) {
            let word = crate::model::launch::shellwords_escape(&found);
            return Some(command(format!("node {word}"), format!("{origin} main")));
        }
    }
    let usual = ["index.js", "app.js", "web.js", "main.js", "src/server.js", "src/index.js"];
    let found = usual.into_iter().find(|name| folder.has(name) && serves(folder, name))?;
    Some(command(format!("node {found}"), found))
}

/// Whether a source listens somewhere: a library's `main` does not.
fn serves(folder: &Folder, name: &str) -> bool {
    folder
        .source(name)
        .is_some_and(|source| source.text.contains("listen(") || source.text.contains("process.env.PORT"))
}

/// A front end that is only built here, and served by a web server.
fn built_site(
    folder: &mut Folder,
    file: &SourceFile,
    tree: &Tree,
    start: Option<&CommandText>,
    node: &Node,
) -> Option<Found> {
    let has =
        |package: &str| ["dependencies", "devDependencies"].iter().any(|list| entry(tree, &[list, package]).is_some());
    let output = if has("react-scripts") { "build" } else { "dist" };
    let tool = ["vite", "react-scripts", "parcel", "@vue/cli-service"].into_iter().find(|tool| has(tool))?;
    let server = ["express", "fastify", "koa", "@nestjs/core", "@sveltejs/kit", "astro", "nuxt", "next", "hono"];
    let development = start.is_none_or(|start| {
        let program = start.text.split_whitespace().next().unwrap_or_default();
        ["vite", "react-scripts", "parcel", "vue-cli-service"].contains(&program)
    });
    if !node.build || !development || server.iter().any(|package| has(package)) {
        return None;
    }
    let (_, origin) = text(file, tree, &["scripts", "build"])?;
    folder.fact(format!("a site that {tool} builds into {output}, for nginx"), origin);
    let site = Site { folder: output.to_owned(), build: Some(node.clone()) };
    Some(Found {
        stack: Stack::Site(site),
        web: Some(command(SERVE, "nginx.conf.template")),
        no_web: String::new(),
        test: None,
    })
}

/// A test script that needs nothing but Node itself: the image has no development dependencies.
fn test(file: &SourceFile, tree: &Tree) -> Option<CommandText> {
    let (script, origin) = text(file, tree, &["scripts", "test"])?;
    script.starts_with("node ").then(|| command(script, format!("{origin} scripts.test")))
}

#[cfg(test)]
mod tests {
    use super::lower_bound;

    #[test]
    fn a_range_of_versions_means_its_newest_lower_bound() {
        for (range, major) in [
            ("20.x", Some("20")),
            (">=20", Some("20")),
            (">= 18.17 <21", Some("18")),
            ("^18 || ^20.9 || >=22", Some("22")),
            ("v22.4.0", Some("22")),
            ("<21", None),
            ("*", None),
        ] {
            assert_eq!(lower_bound(range).as_deref(), major, "{range}");
        }
    }
}
