//! Where the folders of an image would come from.

use crate::manifest::copies::clean;
use crate::model::bare::Lands;
use std::path::Path;

/// Takes in a `COPY` of the context: its sources and, last, the destination.
pub(super) fn copy(lands: &mut Lands, context: &Path, mut words: Vec<String>, workdir: &str) {
    let Some(written) = words.pop() else { return };
    let into_folder = words.len() > 1 || written.ends_with('/') || written.ends_with('.');
    let target = joined(workdir, &written);
    for source in &words {
        let Some(inside) = clean(source).filter(|path| !path.contains(['*', '?', '['])) else { continue };
        let here = if inside.is_empty() { context.to_owned() } else { context.join(&inside) };
        if here.is_dir() {
            lands.add(target.clone(), here);
            continue;
        }
        let (Some(name), Some(parent)) = (here.file_name().and_then(|name| name.to_str()), here.parent()) else {
            continue;
        };
        let target = if into_folder { joined(&target, name) } else { target.clone() };
        // A file that keeps its name stands for its folder, until the folder itself is copied.
        match target.rsplit_once('/') {
            // A folder that this machine has too holds more than what is copied there.
            Some((folder, kept)) if kept == name && !folder.is_empty() && !Path::new(folder).is_dir() => {
                lands.suggest(folder, parent.to_owned());
            }
            _ => {}
        }
        lands.add(target, here);
    }
}

/// A path of the image as written in a folder of it: absolute, without `.` and `..`.
pub(super) fn joined(folder: &str, written: &str) -> String {
    let whole = if written.starts_with('/') { written.to_owned() } else { format!("{folder}/{written}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}
