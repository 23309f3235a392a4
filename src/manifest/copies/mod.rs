//! Where the files of a build context go in the image, as the Dockerfile says: which a step of the build uses, and which
//! are only put into the image at the end. Read with caution: what is not understood is a build's business.

mod paths;
#[cfg(test)]
mod tests;

use crate::dockerfile::{self, Dockerfile, Instruction, Word};
use crate::model::image::ImageFacts;
pub(super) use paths::clean;
use paths::may_match;

/// What becomes of a file of the context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// No instruction takes it: the image does not depend on it.
    Unused,
    /// It is copied into the image after everything that could use it.
    Lands(Vec<Landing>),
    /// Only a build can tell; the reason is the end of a sentence that begins with the path.
    Build(String),
}

/// What a path of the context is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
}

/// Tells what is at a path of the context now.
type Context<'a> = dyn Fn(&str) -> Option<Subject> + 'a;

/// Where a file lands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landing {
    /// Absolute path in the image.
    pub target: String,
    /// User and group.
    pub owner: (u32, u32),
}

/// A Dockerfile, as far as it says what is copied.
#[derive(Clone, Debug, Default)]
pub struct Copies {
    /// Those of every stage that counts; each stage's begin with its `FROM`.
    steps: Vec<Instruction>,
    /// Where the last stage begins.
    last: usize,
    /// Why nothing can be told.
    blind: Option<String>,
}

/// Paths that the platform looks at in an image, or lays something over.
const SYSTEM: &[&str] = &["/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/tmp", "/usr/bin"];
const MORE_SYSTEM: &[&str] = &["/usr/lib", "/usr/sbin", "/var/tmp", "/run"];

impl Copies {
    /// Reads a Dockerfile, up to the stage `target` if one is named.
    pub fn read(text: &str, target: Option<&str>) -> Self {
        Self::understand(text, target).unwrap_or_else(|reason| Self { blind: Some(reason), ..Self::default() })
    }

    fn understand(text: &str, target: Option<&str>) -> Result<Self, String> {
        let mut steps = instructions(text)?;
        let stages = cut_at(&mut steps, target)?;
        let last = *stages.last().ok_or("the Dockerfile has no FROM")?;
        for step in &steps {
            legible(step)?;
        }
        let takes = |step: &Instruction| ["COPY", "ADD"].contains(&step.keyword.as_str()) && !is_foreign(step);
        if !steps.iter().any(takes) {
            return Err("the Dockerfile copies nothing, its base image may".into());
        }
        Ok(Self { steps, last, blind: None })
    }

    /// What becomes of a path of the context. `image` is what was built of this Dockerfile.
    pub fn way(&self, path: &str, context: &Context<'_>, image: &ImageFacts) -> Way {
        if let Some(reason) = &self.blind {
            return Way::Build(format!("may be used anywhere: {reason}"));
        }
        let subject = context(path).unwrap_or(Subject::File);
        let mut landings: Vec<Landing> = Vec::new();
        for (at, step) in self.steps.iter().enumerate() {
            if !["COPY", "ADD"].contains(&step.keyword.as_str()) || is_foreign(step) {
                continue;
            }
            let landing = match taken(step, path, subject) {
                Taken::Not => continue,
                Taken::Unclear(reason) => Err(reason),
                Taken::As(rest, destination) => self.landing(at, (&rest, &destination), path, context, image),
            };
            match landing {
                Ok(landing) => {
                    landings.retain(|other| other.target != landing.target);
                    landings.push(landing);
                }
                Err(reason) => return Way::Build(reason),
            }
        }
        if landings.is_empty() { Way::Unused } else { Way::Lands(landings) }
    }

    /// The folders of the image into which the end of the Dockerfile copies.
    pub fn destinations(&self, image: &ImageFacts) -> Vec<String> {
        let copies = self.steps.iter().enumerate().skip(self.last);
        let copies = copies.filter(|(at, step)| step.keyword == "COPY" && self.later_run(*at).is_none());
        let found = copies.filter_map(|(at, step)| {
            let destination = words(step)?.pop()?;
            let folder = destination.ends_with(['/', '.']);
            let path = self.absolute(at, &destination, image).ok()?;
            if folder { Some(path) } else { path.rsplit_once('/').map(|(parent, _)| parent.to_owned()) }
        });
        found.filter(|path| !path.is_empty()).collect()
    }

    fn later_run(&self, at: usize) -> Option<&Instruction> {
        self.steps[at..].iter().find(|step| step.keyword == "RUN")
    }

    fn landing(
        &self,
        at: usize,
        (rest, destination): (&str, &str),
        path: &str,
        context: &Context<'_>,
        image: &ImageFacts,
    ) -> Result<Landing, String> {
        let step = &self.steps[at];
        if at < self.last {
            let stage = self.steps[..at].iter().rev().find(|step| step.keyword == "FROM").and_then(stage_name);
            let stage = stage.map_or_else(|| "an earlier stage".into(), |name| format!("the stage {name}"));
            return Err(format!("is used by {stage} (Dockerfile:{})", step.line));
        }
        if let Some(run) = self.later_run(at) {
            return Err(format!("is used by `{}`", run.shown()));
        }
        let owner = owner(step, image)?;
        let base = self.absolute(at, destination, image)?;
        let target = if rest.is_empty() { base } else { format!("{}/{rest}", base.trim_end_matches('/')) };
        let below = |folder: &str| target == folder || target.strip_prefix(folder).is_some_and(|r| r.starts_with('/'));
        if let Some(system) = SYSTEM.iter().chain(MORE_SYSTEM).find(|folder| below(folder)) {
            return Err(format!("goes into {system}"));
        }
        for (later, step) in self.steps.iter().enumerate().skip(at + 1) {
            let copies = ["COPY", "ADD"].contains(&step.keyword.as_str());
            if copies && self.may_hide(later, &target, path, context, image) {
                return Err(format!("may be copied over (Dockerfile:{})", step.line));
            }
        }
        Ok(Landing { target, owner })
    }

    /// Whether an instruction may put something else where a path of the context has landed.
    fn may_hide(&self, at: usize, target: &str, path: &str, context: &Context<'_>, image: &ImageFacts) -> bool {
        let step = &self.steps[at];
        let Some(mut words) = words(step) else { return true };
        let written = words.pop().unwrap_or_default();
        let Ok(destination) = self.absolute(at, &written, image) else { return true };
        let destination = destination.trim_end_matches('/');
        let below = target.strip_prefix(destination).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let Some(below) = below else { return destination.starts_with(&format!("{target}/")) };
        let below = below.trim_start_matches('/');
        if is_foreign(step) {
            return true;
        }
        words.iter().any(|source| {
            let Some(source) = clean(source).filter(|source| !source.contains(['$', '\\', '*', '?', '['])) else {
                return true;
            };
            let hidden_by = if source.is_empty() { below.to_owned() } else { format!("{source}/{below}") };
            match context(&source) {
                _ if source.is_empty() => hidden_by != path && context(&hidden_by).is_some(),
                Some(Subject::Folder) => hidden_by != path && context(&hidden_by).is_some(),
                Some(_) => source != path && (below.is_empty() || source.rsplit('/').next() == Some(below)),
                None => true,
            }
        })
    }

    /// A path of the image as written at an instruction, absolute and clean.
    fn absolute(&self, at: usize, written: &str, image: &ImageFacts) -> Result<String, String> {
        let line = self.steps[at].line;
        let unclear = || format!("goes to a place that only a build knows (Dockerfile:{line})");
        if written.contains(['$', '\\']) {
            return Err(unclear());
        }
        if let Some(path) = written.strip_prefix('/') {
            return Ok(format!("/{}", clean(path).ok_or_else(unclear)?));
        }
        let relative = clean(written).ok_or_else(unclear)?;
        let folder = self.workdir(at, image).ok_or_else(unclear)?;
        let folder = folder.trim_end_matches('/');
        Ok(if relative.is_empty() { folder.to_owned() } else { format!("{folder}/{relative}") })
    }

    /// The folder that counts at an instruction of the last stage.
    fn workdir(&self, at: usize, image: &ImageFacts) -> Option<String> {
        let is_workdir = |step: &&Instruction| step.keyword == "WORKDIR";
        let before = self.steps[self.last..at].iter().rev().find(is_workdir);
        let Some(before) = before else {
            // No other in the stage: the base's, which is the image's.
            let none = !self.steps[self.last..].iter().any(|step| is_workdir(&step));
            return none.then(|| image.workdir.clone());
        };
        let path = before.rest();
        let path = path.strip_prefix('/').filter(|path| !path.contains(['$', '\\', '"', '\'']))?;
        Some(format!("/{}", clean(path)?))
    }
}

/// What is read otherwise than everybody expects, or not by Docker, is not guessed at.
pub(super) fn instructions(text: &str) -> Result<Vec<Instruction>, String> {
    let file = dockerfile::read(text);
    readable(&file)?;
    Ok(file.instructions)
}

fn readable(file: &Dockerfile) -> Result<(), String> {
    for directive in &file.directives {
        let value = &directive.value;
        match directive.name.as_str() {
            "escape" if value != "\\" => return Err("the Dockerfile has an escape character of its own".into()),
            "syntax" if !value.trim_start_matches("docker.io/").starts_with("docker/dockerfile:1") => {
                return Err(format!("the Dockerfile is read by {value}"));
            }
            _ => {}
        }
    }
    let heredoc =
        file.instructions.iter().find(|step| step.body().contains("<<") && COPYING.contains(&step.keyword.as_str()));
    heredoc.map_or(Ok(()), |step| Err(format!("line {} of the Dockerfile has a here-document", step.line)))
}

/// Instructions that may have a here-document.
const COPYING: [&str; 3] = ["RUN", "COPY", "ADD"];

/// The words of `COPY` and `ADD`: sources and, last, the destination.
pub(super) fn words(step: &Instruction) -> Option<Vec<String>> {
    Some(step.paths()?.into_iter().map(|Word { text, .. }| text).collect())
}

/// Where the stages begin, after everything behind the stage `target` was cut off.
pub(super) fn cut_at(steps: &mut Vec<Instruction>, target: Option<&str>) -> Result<Vec<usize>, String> {
    let mut stages: Vec<usize> = (0..steps.len()).filter(|at| steps[*at].keyword == "FROM").collect();
    if let Some(target) = target {
        let place = stages
            .iter()
            .position(|at| stage_name(&steps[*at]).is_some_and(|name| name.eq_ignore_ascii_case(target)))
            .or_else(|| target.parse().ok().filter(|number| *number < stages.len()))
            .ok_or_else(|| format!("the Dockerfile has no stage {target}"))?;
        if let Some(next) = stages.get(place + 1) {
            steps.truncate(*next);
        }
        stages.truncate(place + 1);
    }
    Ok(stages)
}

pub(super) fn stage_name(from: &Instruction) -> Option<String> {
    let rest = from.rest();
    let words: Vec<&str> = rest.split_whitespace().collect();
    let at = words.iter().position(|word| word.eq_ignore_ascii_case("as"))?;
    words.get(at + 1).map(|name| (*name).to_owned())
}

/// Instructions through which a context can reach the image unseen.
fn legible(step: &Instruction) -> Result<(), String> {
    let line = step.line;
    match step.keyword.as_str() {
        "ONBUILD" => Err(format!("line {line} of the Dockerfile is an ONBUILD")),
        "VOLUME" => Err(format!("line {line} of the Dockerfile is a VOLUME")),
        "RUN" => {
            let mounts = step.flags.iter().filter(|flag| flag.name == "mount");
            let harmless = |value: &str| {
                let kind = value.split(',').find_map(|part| part.strip_prefix("type="));
                kind.is_some_and(|kind| ["cache", "secret", "ssh", "tmpfs"].contains(&kind)) && !value.contains('$')
            };
            let from = |value: &str| value.split(',').any(|part| part.starts_with("from="));
            let blind = mounts.map(|flag| &flag.value).any(|value| !harmless(value) || from(value));
            if blind { Err(format!("line {line} of the Dockerfile mounts something")) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// Not from the context: another stage or image, or the net.
pub(super) fn is_foreign(step: &Instruction) -> bool {
    let remote = |word: &String| word.contains("://") || word.starts_with("git@");
    step.flag("from").is_some()
        || step.keyword == "ADD" && words(step).is_some_and(|words| words[..words.len() - 1].iter().all(remote))
}

/// Whether an instruction takes a path.
enum Taken {
    Not,
    /// As this path below the destination (empty: as the destination itself).
    As(String, String),
    Unclear(String),
}

fn taken(step: &Instruction, path: &str, subject: Subject) -> Taken {
    let line = step.line;
    let Some(mut words) = words(step) else {
        return Taken::Unclear(format!("may be copied by an instruction that is not understood (Dockerfile:{line})"));
    };
    let destination = words.pop().unwrap_or_default();
    let several = words.len() > 1;
    let mut result = Taken::Not;
    for source in &words {
        let found = match source_takes(step, source, path, subject) {
            Taken::As(rest, _) if rest.is_empty() => {
                let name = path.rsplit('/').next().unwrap_or(path);
                as_file(line, source, name, &destination, several)
            }
            Taken::As(rest, _) => Taken::As(rest, destination.clone()),
            other => other,
        };
        match found {
            Taken::Not => {}
            Taken::Unclear(reason) => return Taken::Unclear(reason),
            found @ Taken::As(..) => result = found,
        }
    }
    let odd = step.flags.iter().find(|flag| flag.name != "chown" && flag.name != "from");
    match (result, odd) {
        (Taken::As(..), Some(flag)) => {
            Taken::Unclear(format!("is copied with --{}, which a build must do (Dockerfile:{line})", flag.name))
        }
        (result, _) => result,
    }
}

/// A file that is named itself: into a folder, or under another name.
fn as_file(line: usize, source: &str, name: &str, destination: &str, several: bool) -> Taken {
    if several || destination.ends_with('/') || destination == "." || destination.ends_with("/.") {
        return Taken::As(name.to_owned(), destination.to_owned());
    }
    if destination.rsplit('/').next() == Some(name) && source.rsplit('/').next() == Some(name) {
        return Taken::As(String::new(), destination.to_owned());
    }
    Taken::Unclear(format!("gets another name, or goes into a folder, in the image (Dockerfile:{line})"))
}

fn source_takes(step: &Instruction, source: &str, path: &str, subject: Subject) -> Taken {
    let line = step.line;
    if source.contains("://") || source.starts_with("git@") {
        return Taken::Not;
    }
    if source.contains(['$', '\\']) {
        return Taken::Unclear(format!("may be copied by a name with a variable (Dockerfile:{line})"));
    }
    if source.contains(['*', '?', '[']) {
        let reason = format!("is copied by the pattern {source} (Dockerfile:{line})");
        return if may_match(source, path) { Taken::Unclear(reason) } else { Taken::Not };
    }
    let Some(source) = clean(source) else {
        return Taken::Unclear(format!("may be copied by a path with `..` (Dockerfile:{line})"));
    };
    if source.is_empty() {
        return Taken::As(path.to_owned(), String::new());
    }
    if path == source {
        return match (subject, step.keyword.as_str()) {
            (Subject::Folder | Subject::Link, _) => Taken::Unclear(format!("is itself copied (Dockerfile:{line})")),
            (Subject::File, "ADD") => Taken::Unclear(format!("may be unpacked by ADD (Dockerfile:{line})")),
            (Subject::File, _) => Taken::As(String::new(), String::new()),
        };
    }
    match path.strip_prefix(&source).and_then(|rest| rest.strip_prefix('/')) {
        Some(rest) => Taken::As(rest.to_owned(), String::new()),
        None => Taken::Not,
    }
}

/// `--chown`, by the image's own users (root without it).
fn owner(step: &Instruction, image: &ImageFacts) -> Result<(u32, u32), String> {
    let Some(written) = step.flag("chown").map(|flag| flag.value.as_str()) else { return Ok((0, 0)) };
    let unclear = || format!("belongs to {written}, whom only a build knows (Dockerfile:{})", step.line);
    let entry = |table: &str, name: &str| {
        let line = table.lines().find(|line| line.split(':').next() == Some(name))?.to_owned();
        let number = |field| line.split(':').nth(field).and_then(|text: &str| text.parse::<u32>().ok());
        Some((number(2)?, number(3)))
    };
    let (user, group) = written.split_once(':').map_or((written, None), |(user, group)| (user, Some(group)));
    let (uid, own) = if let Ok(uid) = user.parse() {
        (uid, uid)
    } else {
        let (uid, gid) = entry(&image.files.passwd, user).ok_or_else(unclear)?;
        (uid, gid.ok_or_else(unclear)?)
    };
    let gid = match group {
        // Builders disagree about a user's group unless its number is the user's.
        None if uid == own => own,
        None => return Err(unclear()),
        Some(group) => match group.parse() {
            Ok(gid) => gid,
            Err(_) => entry(&image.files.group, group).ok_or_else(unclear)?.0,
        },
    };
    Ok((uid, gid))
}
