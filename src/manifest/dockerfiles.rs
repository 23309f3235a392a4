//! Which Dockerfiles make which images when no heroku.yml says so: the rules of `container:push` (R1.1).

use crate::diagnostic::Diagnostic;
use crate::model::process_type::ProcessType;
use ignore::{DirEntry, WalkBuilder};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that hold other people's code.
const DEPENDENCIES: &[&str] = &[
    "node_modules",
    "bower_components",
    "vendor",
    "target",
    "venv",
    "virtualenv",
    "site-packages",
    "__pycache__",
    "deps",
    "Pods",
];

/// A Dockerfile and the process type that its name says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The process type: `web` for a plain `Dockerfile`, else the suffix.
    pub(super) process_type: ProcessType,
    /// Path from the root.
    pub(super) path: PathBuf,
}

/// Dockerfiles of the root, and with `recursive` those of its folders as `container:push -R` finds them, shallow first.
/// Passed over are ignored, hidden and dependency folders.
pub(super) fn discover(root: &Path, recursive: bool) -> io::Result<(Vec<Found>, Vec<Diagnostic>)> {
    let mut paths = in_root(root)?;
    if recursive {
        paths.extend(below(root, None));
    }
    Ok(classify(paths))
}

/// Every Dockerfile that can be seen, for messages: at most twelve, shallow first.
pub(super) fn list(root: &Path) -> Vec<String> {
    let mut paths = in_root(root).unwrap_or_default();
    paths.extend(below(root, Some(5)));
    sort(&mut paths);
    paths.iter().map(|p| p.display().to_string()).take(12).collect()
}

fn in_root(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        if is_dockerfile(Path::new(&entry.file_name())) && entry.path().is_file() {
            paths.push(PathBuf::from(entry.file_name()));
        }
    }
    Ok(paths)
}

fn below(root: &Path, depth: Option<usize>) -> Vec<PathBuf> {
    let walk = WalkBuilder::new(root)
        .ignore(false)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .max_depth(depth)
        .filter_entry(|entry| !is_dependency(entry))
        .build();
    walk.filter_map(Result::ok)
        .filter(|entry| entry.depth() > 1 && is_dockerfile(entry.path()) && entry.path().is_file())
        .filter_map(|entry| entry.path().strip_prefix(root).ok().map(Path::to_path_buf))
        .collect()
}

fn is_dependency(entry: &DirEntry) -> bool {
    let by_name = entry.file_name().to_str().is_some_and(|name| DEPENDENCIES.contains(&name));
    let is_dir = entry.file_type().is_some_and(|t| t.is_dir());
    entry.depth() > 0 && is_dir && (by_name || entry.path().join("pyvenv.cfg").exists())
}

/// `Dockerfile` and `Dockerfile.<suffix>`, but not BuildKit's `Dockerfile.dockerignore`.
fn is_dockerfile(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else { return false };
    let suffix = name.strip_prefix("Dockerfile");
    suffix.is_some_and(|s| s.is_empty() || (s.len() > 1 && s.starts_with('.') && !s.ends_with(".dockerignore")))
}

fn sort(paths: &mut Vec<PathBuf>) {
    paths.sort_by_cached_key(|p| (p.components().count(), p.clone()));
    paths.dedup();
}

/// Pure part: paths to process types.
fn classify(mut paths: Vec<PathBuf>) -> (Vec<Found>, Vec<Diagnostic>) {
    sort(&mut paths);
    let mut found: Vec<Found> = Vec::new();
    let mut findings = Vec::new();
    let mut others: BTreeMap<ProcessType, Vec<PathBuf>> = BTreeMap::new();
    for path in paths {
        let Some(process_type) = process_type(&path, &mut findings) else { continue };
        if found.iter().any(|f| f.process_type == process_type) {
            others.entry(process_type).or_default().push(path);
        } else {
            found.push(Found { process_type, path });
        }
    }
    for (process_type, more) in others {
        let first = found.iter().find(|f| f.process_type == process_type).into_iter().map(|f| &f.path);
        let names: Vec<String> = first.chain(&more).map(|p| p.display().to_string()).collect();
        findings.push(
            Diagnostic::error(format!("{} are all Dockerfiles of the process type `{process_type}`", names.join(", ")))
                .help("rename all but one, or say in heroku.yml which one builds it, under `build.docker`"),
        );
    }
    (found, findings)
}

fn process_type(path: &Path, findings: &mut Vec<Diagnostic>) -> Option<ProcessType> {
    let name = path.file_name()?.to_str()?;
    let Some(suffix) = name.strip_prefix("Dockerfile.") else {
        // `container:push -R` does not look at a plain Dockerfile of a folder.
        return (path.components().count() == 1).then(ProcessType::web);
    };
    let matches_recursive = suffix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let process_type = ProcessType::new(suffix).ok();
    if !matches_recursive || process_type.is_none() {
        let shown = path.display();
        let fate = if process_type.is_some() { "used here all the same" } else { "passed over" };
        findings.push(
            Diagnostic::warning(format!("`container:push -R` does not find {shown}: {fate}"))
                .help("after `Dockerfile.` it takes letters, digits and `_`; or name the file in heroku.yml"),
        );
    }
    process_type
}

#[cfg(test)]
mod tests {
    use super::{classify, discover, list};
    use std::fs;
    use std::path::PathBuf;

    fn project(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, if file.ends_with(".gitignore") { "build/\n" } else { "FROM scratch\n" }).unwrap();
        }
        dir
    }

    fn found(dir: &tempfile::TempDir, recursive: bool) -> Vec<String> {
        let (found, findings) = discover(dir.path(), recursive).unwrap();
        assert!(findings.is_empty(), "{findings:?}");
        found.iter().map(|f| format!("{}={}", f.process_type, f.path.display())).collect()
    }

    #[test]
    fn r1_1_the_root_s_dockerfiles_name_their_process_types() {
        let dir =
            project(&["Dockerfile", "Dockerfile.worker", "Dockerfile.dockerignore", "Dockerfiles", "sub/Dockerfile.x"]);
        assert_eq!(found(&dir, false), ["web=Dockerfile", "worker=Dockerfile.worker"]);
    }

    #[test]
    fn r1_1_recursive_adds_folders_but_not_ignored_hidden_or_dependency_ones() {
        let dir = project(&[
            ".gitignore",
            "build/Dockerfile.a",
            ".hidden/Dockerfile.b",
            "node_modules/x/Dockerfile.c",
            "vendor/Dockerfile.d",
            "py/pyvenv.cfg",
            "py/Dockerfile.e",
            "deep/er/Dockerfile.worker",
            "api/Dockerfile",
            "api/Dockerfile.web",
        ]);
        assert_eq!(found(&dir, true), ["web=api/Dockerfile.web", "worker=deep/er/Dockerfile.worker"]);
        assert_eq!(list(dir.path()), ["api/Dockerfile", "api/Dockerfile.web", "deep/er/Dockerfile.worker"]);
    }

    #[test]
    fn r1_1_two_dockerfiles_of_one_type_are_an_error_that_names_both() {
        let (_, findings) = classify(vec![PathBuf::from("b/Dockerfile.web"), PathBuf::from("Dockerfile")]);
        assert!(findings[0].title.starts_with("Dockerfile, b/Dockerfile.web are"), "{findings:?}");
    }

    #[test]
    fn r1_1_suffixes_that_heroku_does_not_match_are_warned_of() {
        let (found, findings) = classify(vec![PathBuf::from("Dockerfile.my-worker"), PathBuf::from("Dockerfile.v1.2")]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].process_type.as_str(), "my-worker");
        assert!(findings[0].title.ends_with("used here all the same") && findings[1].title.ends_with("passed over"));
    }
}
