//! Paths of Dockerfiles in heroku.yml: inside the project, there, and files.

use super::dockerfiles;
use super::heroku_yml::ImageEntry;
use super::node::Reader;
use std::path::{Component, Path, PathBuf};

/// The absolute path of an image's Dockerfile, or an error at its line.
pub(super) fn dockerfile(reader: &mut Reader, root: &Path, image: &ImageEntry) -> Option<PathBuf> {
    let written = &image.dockerfile.value;
    let span = &image.dockerfile.span;
    let Some(relative) = inside(written) else {
        let title = format!("`{written}` is not a path inside the project");
        let help = "write the path from the folder of heroku.yml, without `..` leading out of it";
        reader.error(span, title, "expected the path of a Dockerfile", help);
        return None;
    };
    let path = root.join(&relative);
    if path.is_file() {
        return Some(path);
    }
    let (title, label) = if path.is_dir() {
        (format!("`{written}` is a folder"), "expected the path of a Dockerfile")
    } else {
        (format!("there is no file `{}`", relative.display()), "not found in the project")
    };
    let help = if path.join("Dockerfile").is_file() {
        format!("write `{}`", relative.join("Dockerfile").display())
    } else {
        match dockerfiles::list(root).as_slice() {
            [] => "the project has no Dockerfile yet: write one there".to_owned(),
            found => format!("Dockerfiles found: {}", found.join(", ")),
        }
    };
    reader.error(span, title, label, help);
    None
}

/// `path` without `.` and `..`; `None` when it is absolute or leads out.
fn inside(path: &str) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in Path::new(path.trim()).components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !clean.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(clean)
}

#[cfg(test)]
mod tests {
    use super::inside;
    use std::path::Path;

    #[test]
    fn paths_are_cleaned_and_kept_inside() {
        assert_eq!(inside("./a/../b/Dockerfile").as_deref(), Some(Path::new("b/Dockerfile")));
        assert_eq!(inside("../Dockerfile"), None);
        assert_eq!(inside("/etc/Dockerfile"), None);
    }
}
