//! Images that differ only by files copied into the app's own folders. What one of them holds in the system's places
//! (`/etc/passwd`, `/bin/sh`, `/tmp`) the other holds as well, so it need not be looked for again: a look takes a
//! container, and somebody waits for the build. Pure.

use crate::model::image::ImageFiles;

/// Folders that hold what is looked for in an image, or programs that it leads to.
const SYSTEM: [&str; 15] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/tmp",
    "/usr/bin",
    "/usr/lib",
    "/usr/sbin",
    "/var/tmp",
];
/// Instructions that make no layer.
const NO_LAYER: [&str; 13] = [
    "ARG",
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
];

/// An image, as far as that is decided by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    layers: Vec<String>,
    /// How many of its upper layers only bring files into the app's own folders.
    copied: usize,
}

impl Looked {
    /// From its layers, the lowest first, and its history, the newest entry first.
    pub(super) fn new<'a>(layers: Vec<String>, history: impl Iterator<Item = &'a str> + Clone) -> Self {
        let copied = copied(history).min(layers.len());
        Self { layers, copied }
    }

    /// Whether what this one has in the system's places is what `other` has there.
    pub(super) fn is_kin_of(&self, other: &Self) -> bool {
        let common = self.layers.iter().zip(&other.layers).take_while(|(one, other)| one == other).count();
        common > 0 && [self, other].iter().all(|image| image.layers.len() - common <= image.copied)
    }
}

/// What was found in images, the newest last.
#[derive(Debug, Default)]
pub(super) struct Kinship(Vec<(Looked, ImageFiles)>);

impl Kinship {
    /// Images that are remembered.
    const MOST: usize = 32;

    pub(super) fn files_of(&self, image: &Looked) -> Option<ImageFiles> {
        self.0.iter().rev().find(|(known, _)| known.is_kin_of(image)).map(|(_, files)| files.clone())
    }

    pub(super) fn add(&mut self, image: Looked, files: ImageFiles) {
        self.0.retain(|(known, _)| *known != image);
        if self.0.len() == Self::MOST {
            self.0.remove(0);
        }
        self.0.push((image, files));
    }
}

/// An entry of an image's history without what builders put around the instruction.
fn unmarked(entry: &str) -> &str {
    let entry = entry.strip_prefix("/bin/sh -c #(nop)").unwrap_or(entry).trim_start();
    entry.strip_suffix("# buildkit").unwrap_or(entry).trim_end()
}

/// How many layers the newest entries made that only bring files below the folder that the `WORKDIR` before them made.
fn copied<'a>(history: impl Iterator<Item = &'a str> + Clone) -> usize {
    let instruction = |entry: &'a str| unmarked(entry).split_once(' ');
    let mut folder = history.clone().filter_map(instruction).filter(|(word, _)| *word == "WORKDIR");
    let Some(folder) = folder.next().map(|(_, folder)| folder.trim()).filter(|folder| is_own(folder)) else {
        return 0;
    };
    let mut layers = 0;
    for (word, rest) in history.map_while(instruction) {
        match word {
            "COPY" | "ADD" if is_below(rest, folder) => layers += 1,
            word if NO_LAYER.contains(&word) => {}
            _ => break,
        }
    }
    layers
}

/// Whether a folder is the app's own: no place of the system, and none that has one in it.
fn is_own(folder: &str) -> bool {
    let below = |one: &str, other: &str| {
        one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || other.ends_with('/'))
    };
    let is_plain =
        folder.starts_with('/') && folder.split('/').all(|part| !matches!(part, "." | "..")) && folder != "/";
    is_plain && !SYSTEM.iter().any(|system| below(folder, system) || below(system, folder))
}

/// Whether the target of `COPY a b target` is in the folder. What is not plain is not taken to be.
fn is_below(arguments: &str, folder: &str) -> bool {
    let Some(target) = arguments.split_ascii_whitespace().last() else { return false };
    let is_plain = target.split('/').all(|part| part != "..") && !target.contains(['"', '\'', '[', ']', '$', '\\']);
    let inside = |rest: &str| rest.is_empty() || rest.starts_with('/');
    is_plain && (!target.starts_with('/') || target.strip_prefix(folder).is_some_and(inside))
}

#[cfg(test)]
mod tests {
    use super::{Kinship, Looked, copied};
    use crate::model::image::ImageFiles;

    const BASE: [&str; 3] =
        ["RUN /bin/sh -c pip install -r requirements.txt # buildkit", "WORKDIR /app", "CMD [\"python3\"]"];

    fn top(entries: &[&str]) -> usize {
        copied(entries.iter().chain(&BASE).copied())
    }

    #[test]
    fn layers_count_that_bring_files_into_the_app_s_folder_alone() {
        assert_eq!(top(&["CMD [\"x\"]", "COPY . . # buildkit", "ENV A=b", "COPY a.txt /app/b/ # buildkit"]), 2);
        assert_eq!(top(&["/bin/sh -c #(nop)  CMD [\"x\"]", "/bin/sh -c #(nop) COPY dir:5f37 in . "]), 1);
        for stops in [
            "RUN /bin/sh -c true # buildkit",
            "/bin/sh -c touch /etc/x",
            "COPY passwd /etc/ # buildkit",
            "COPY . / # buildkit",
            "COPY . /application # buildkit",
            "COPY . ../etc # buildkit",
            "COPY [\"a\", \"b c\"] # buildkit",
            "COPY . $TARGET # buildkit",
            "WORKDIR /etc",
            "WORKDIR /",
            "",
        ] {
            assert_eq!(top(&["LABEL a=b", stops, "COPY . . # buildkit"]), 0, "{stops}");
        }
        for folder in ["/", "/etc/x", "/usr", "/tmp", "/var", "app", "/app/../etc"] {
            let workdir = format!("WORKDIR {folder}");
            assert_eq!(copied(["COPY . . # buildkit", &workdir].into_iter()), 0, "{folder}");
        }
        assert_eq!(copied(["COPY . . # buildkit", "WORKDIR /usr/src/app"].into_iter()), 1);
    }

    fn image(layers: &[&str], history: &[&str]) -> Looked {
        Looked::new(layers.iter().map(|layer| (*layer).to_owned()).collect(), history.iter().chain(&BASE).copied())
    }

    #[test]
    fn images_are_kin_when_such_layers_alone_differ() {
        let files = ImageFiles { passwd: "root:x:0:0::/root:/bin/sh".into(), ..ImageFiles::default() };
        let mut kinship = Kinship::default();
        kinship.add(image(&["base", "pip", "app 1"], &["COPY . . # buildkit"]), files.clone());
        for (layers, history, kin) in [
            (&["base", "pip", "app 2"][..], &["COPY . . # buildkit"][..], true),
            (&["base", "pip"], &[], true),
            (&["base", "pip", "app 2", "more"], &["COPY b . # buildkit", "COPY . . # buildkit"], true),
            (&["base", "pip 2", "app 1"], &["COPY . . # buildkit"], false),
            (&["base", "pip", "run"], &["RUN adduser x # buildkit"], false),
            (&["base"], &[], false),
            (&[], &[], false),
        ] {
            let found = kinship.files_of(&image(layers, history));
            assert_eq!(found, kin.then(|| files.clone()), "{layers:?}");
        }
    }
}
