//! From a path in an image to the file of the build context that was copied there.

use super::folder::{Content, clean};
use super::scene::{Image, absolute};
use crate::dockerfile::{Instruction, expand};
use crate::model::glob;
use std::collections::BTreeSet;

/// Where programs are looked for.
const PATH: &[&str] = &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// How many stages a file is followed through.
const DEPTH: usize = 5;
/// How many instructions are asked for one file.
const MOST: usize = 2000;

/// The file at a path of the image, read, and the `COPY` of the last stage that put it there. A name without a slash is
/// looked for as a shell does, and then in the working folder, where an interpreter is given it.
pub(super) fn locate(image: &Image, path: &str) -> Option<(Content, usize)> {
    if path.is_empty() || path.starts_with('-') || path.contains(['$', '*', '`', '=']) {
        return None;
    }
    if !path.contains('/')
        && let Some(found) = PATH.iter().find_map(|folder| in_image(image, &format!("{folder}/{path}")))
    {
        return Some(found);
    }
    in_image(image, &absolute(path, image.workdir.as_deref())?)
}

fn in_image(image: &Image, path: &str) -> Option<(Content, usize)> {
    let steps: Vec<usize> = image.steps().map(|(at, _)| at).collect();
    let mut search = Search { image, tried: BTreeSet::new() };
    steps.iter().rev().find_map(|at| {
        let found = search.source(*at, path, DEPTH)?;
        Some((image.folder.read(&found)?, *at))
    })
}

/// A search for one file.
struct Search<'i> {
    image: &'i Image,
    /// Instructions of other stages that do not have it, with the path that was asked for: each is asked once.
    tried: BTreeSet<(usize, String)>,
}

impl Search<'_> {
    /// The path in the context that an instruction puts at `path`, if it does and something is there.
    fn source(&mut self, at: usize, path: &str, depth: usize) -> Option<String> {
        let image = self.image;
        let one = &image.docker.instructions[at];
        if !["COPY", "ADD"].contains(&one.keyword.as_str()) {
            return None;
        }
        let (sources, destination) = copied(image, at)?;
        let several = sources.len() > 1;
        let folder_named = several || destination.1;
        for source in sources {
            for found in candidates(&source, &destination.0, folder_named, path) {
                match one.flag("from") {
                    None => {
                        let Some(found) = clean(&found) else { continue };
                        if image.folder.root.join(&found).is_file() {
                            return Some(found);
                        }
                    }
                    Some(from) if depth > 0 => {
                        let stage = image.docker.target(&image.stages, Some(&from.value))?;
                        let found = self.of_stage(stage, &absolute(&found, Some("/"))?, depth - 1);
                        if found.is_some() {
                            return found;
                        }
                    }
                    Some(_) => return None,
                }
            }
        }
        None
    }

    fn of_stage(&mut self, stage: usize, path: &str, depth: usize) -> Option<String> {
        let (chain, _) = self.image.docker.chain(&self.image.stages, stage);
        let ranges = chain.iter().rev().map(|stage| self.image.stages[*stage].range.clone());
        let steps: Vec<usize> = ranges.flat_map(Iterator::rev).collect();
        steps.into_iter().find_map(|at| {
            let new = self.tried.len() < MOST && self.tried.insert((at, path.to_owned()));
            new.then(|| self.source(at, path, depth)).flatten()
        })
    }
}

/// Sources as written, variables replaced, and the destination, absolute, with whether it surely is a folder.
pub(super) fn copied(image: &Image, at: usize) -> Option<(Vec<String>, (String, bool))> {
    let one = &image.docker.instructions[at];
    let expanded = |text: &str| expand(text, &image.vars, image.docker.escape).ok();
    let mut words = one.paths()?.into_iter().map(|word| expanded(&word.text)).collect::<Option<Vec<String>>>()?;
    let destination = words.pop()?;
    let workdir = image.workdirs.get(&at).cloned().or_else(|| workdir_at(image, at));
    let folder = destination.ends_with(['/', '.']);
    Some((words, (absolute(&destination, workdir.as_deref())?, folder)))
}

/// The folder that counts at an instruction of a stage that is not in the image.
pub(super) fn workdir_at(image: &Image, at: usize) -> Option<String> {
    let stage = image.stages.iter().position(|stage| stage.range.contains(&at))?;
    let (chain, _) = image.docker.chain(&image.stages, stage);
    let mut folder = Some("/".to_owned());
    let steps = chain.iter().flat_map(|stage| image.stages[*stage].range.clone()).take_while(|one| *one < at);
    for one in steps.map(|at| &image.docker.instructions[at]).filter(|one: &&Instruction| one.keyword == "WORKDIR") {
        let path = expand(&one.rest(), &image.vars, image.docker.escape).ok();
        folder = path.and_then(|path| absolute(&path, folder.as_deref()));
    }
    folder
}

/// Where in the sources the file at `path` can come from.
fn candidates(source: &str, destination: &str, folder_named: bool, path: &str) -> Vec<String> {
    let trimmed = source.trim_end_matches('/');
    let name = trimmed.rsplit('/').next().unwrap_or(trimmed);
    let mut found = Vec::new();
    if path == destination && !folder_named {
        found.push(source.to_owned());
    }
    let inside = if destination == "/" {
        path.strip_prefix('/')
    } else {
        path.strip_prefix(destination).and_then(|rest| rest.strip_prefix('/'))
    };
    let Some(rest) = inside.filter(|rest| !rest.is_empty()) else { return found };
    if name.contains(['*', '?']) {
        let folder = trimmed.rsplit_once('/').map_or("", |(folder, _)| folder);
        if !rest.contains('/') && glob::matches(name, rest) {
            found.push(format!("{folder}/{rest}"));
        }
        return found;
    }
    if rest == name {
        found.push(source.to_owned());
    }
    found.push(format!("{trimmed}/{rest}"));
    found
}
