//! What is sent to a build: the context folder without what `.dockerignore` leaves out, as an archive, or as a
//! fingerprint that tells whether anything changed. Docker's rules, but nothing of its API.

mod survey;

pub use survey::{Kind, Stamp, Survey, survey};

use crate::dockerfile::ignore::{Ignore, Inherited};
use crate::engine::BuildPlan;

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The name under which a Dockerfile from outside the context is sent.
const FOREIGN_DOCKERFILE: &str = ".dynosim.dockerfile";

/// What is not looked at in a folder that runs as it is and has no `.dockerignore`: what package managers put there, of
/// which there is much and which nobody edits.
const DEPENDENCIES: &str = ".git\n**/node_modules\n**/.venv\n**/venv\n**/__pycache__\nvendor/bundle\ntarget\n";

/// A build's input, read once: what is where, not the contents.
pub struct Context {
    root: PathBuf,
    dockerfile: PathBuf,
    ignore: Ignore,
}

/// Looks at a context while it is walked.
trait Visitor {
    /// A folder is about to be read; also one that is left out but may hold something that is not.
    fn enter(&mut self, _folder: &Path) {}
    /// Something is in the context.
    fn see(&mut self, entry: Entry<'_>) -> io::Result<()>;
}

impl<F: FnMut(Entry<'_>) -> io::Result<()>> Visitor for F {
    fn see(&mut self, entry: Entry<'_>) -> io::Result<()> {
        self(entry)
    }
}

/// A file, folder or symbolic link of the context.
struct Entry<'a> {
    /// Relative, with `/`.
    name: &'a str,
    path: &'a Path,
    facts: &'a Metadata,
}

impl Context {
    /// Reads the `.dockerignore` that counts: with BuildKit `<Dockerfile>.dockerignore` comes before the common one.
    pub fn open(plan: &BuildPlan, buildkit: bool) -> io::Result<Self> {
        let own = PathBuf::from(format!("{}.dockerignore", plan.dockerfile.display()));
        let common = plan.context.join(".dockerignore");
        let file = if buildkit && own.is_file() { own } else { common };
        let text = match fs::read(&file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound && plan.native.is_some() => DEPENDENCIES.to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(about(&file, &error)),
        };
        let ignore = Ignore::parse(&text)
            .map_err(|bad| io::Error::new(io::ErrorKind::InvalidData, format!("{}, {bad}", file.display())))?;
        Ok(Self { root: plan.context.clone(), dockerfile: plan.dockerfile.clone(), ignore })
    }

    /// The Dockerfile's name inside the archive.
    pub fn dockerfile_name(&self) -> String {
        match self.dockerfile.strip_prefix(&self.root) {
            Ok(inside) => inside.to_string_lossy().into_owned(),
            Err(_) => FOREIGN_DOCKERFILE.to_owned(),
        }
    }

    /// Writes the context as a tar archive: sorted, owned by root, modes and times kept, links as links.
    pub fn write_to(&self, out: impl Write) -> io::Result<()> {
        let mut archive = tar::Builder::new(out);
        archive.mode(tar::HeaderMode::Complete);
        self.walk(&mut |entry: Entry<'_>| append(&mut archive, &entry))?;
        if self.dockerfile.strip_prefix(&self.root).is_err() {
            let facts = self.dockerfile.metadata().map_err(|error| about(&self.dockerfile, &error))?;
            append(&mut archive, &Entry { name: FOREIGN_DOCKERFILE, path: &self.dockerfile, facts: &facts })?;
        }
        archive.into_inner()?.flush()
    }

    fn walk(&self, visit: &mut dyn Visitor) -> io::Result<()> {
        self.walk_folder("", &self.root, &Inherited::default(), &mut Vec::new(), visit)
    }

    /// `unsent` are ignored folders on the way here: they are visited before the first thing below that is not.
    fn walk_folder(
        &self,
        prefix: &str,
        folder: &Path,
        above: &Inherited,
        unsent: &mut Vec<(String, PathBuf, Metadata)>,
        visit: &mut dyn Visitor,
    ) -> io::Result<()> {
        visit.enter(folder);
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = entries.map_err(|error| about(folder, &error))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let facts = match entry.metadata() {
                // Gone since its folder was read: what an editor saves by is often there for a moment only.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                facts => facts.map_err(|error| about(&path, &error))?,
            };
            let (ignored, inherited) = self.ignore.check(&name, above);
            let needed = name == ".dockerignore" || path == self.dockerfile;
            let on_the_way = facts.is_dir() && self.dockerfile.starts_with(&path);
            if facts.is_dir() && ignored {
                if on_the_way || self.ignore.may_reappear_below(&name) {
                    let depth = unsent.len();
                    unsent.push((name.clone(), path.clone(), facts));
                    self.walk_folder(&format!("{name}/"), &path, &inherited, unsent, visit)?;
                    unsent.truncate(depth);
                }
                continue;
            }
            if ignored && !needed {
                continue;
            }
            for (name, path, facts) in unsent.drain(..) {
                visit.see(Entry { name: &name, path: &path, facts: &facts })?;
            }
            visit.see(Entry { name: &name, path: &path, facts: &facts })?;
            if facts.is_dir() {
                self.walk_folder(&format!("{name}/"), &path, &inherited, unsent, visit)?;
            }
        }
        Ok(())
    }
}

/// A hash over everything a build's result can depend on, without reading the context's files: the Dockerfile's bytes,
/// and name, mode, size, time, inode and link target of every file that would be sent. Equal means: nothing to build.
pub fn fingerprint(plan: &BuildPlan) -> io::Result<String> {
    let mut hash = Sha256::new();
    field(&mut hash, &recipe(plan)?);
    field(&mut hash, plan.target.as_deref().unwrap_or_default().as_bytes());
    field(&mut hash, plan.platform.as_bytes());
    for (name, value) in &plan.args {
        field(&mut hash, name.as_bytes());
        field(&mut hash, value.as_bytes());
    }
    if let Some(native) = &plan.native {
        field(&mut hash, &serde_json::to_vec(native)?);
    }
    Context::open(plan, true)?.walk(&mut |entry: Entry<'_>| {
        let facts = entry.facts;
        field(&mut hash, entry.name.as_bytes());
        if facts.is_dir() {
            // A folder's own time changes with files that are not sent.
            field(&mut hash, &facts.mode().to_le_bytes());
            return Ok(());
        }
        let numbers = [
            u64::from(facts.mode()),
            facts.len(),
            facts.ino(),
            facts.mtime().cast_unsigned(),
            facts.mtime_nsec().cast_unsigned(),
        ];
        field(&mut hash, &numbers.map(u64::to_le_bytes).concat());
        if facts.is_symlink() {
            let target = fs::read_link(entry.path).map_err(|error| about(entry.path, &error))?;
            field(&mut hash, target.as_os_str().as_encoded_bytes());
        }
        Ok(())
    })?;
    let digest = hash.finalize();
    Ok(digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

/// The bytes of the Dockerfile, or what is there instead: an app that runs as it is needs no file to say how.
fn recipe(plan: &BuildPlan) -> io::Result<Vec<u8>> {
    match fs::read(&plan.dockerfile) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && plan.native.is_some() => Ok(Vec::new()),
        read => read.map_err(|error| about(&plan.dockerfile, &error)),
    }
}

/// Each field with its length, so that no two inputs look alike.
fn field(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

fn append(archive: &mut tar::Builder<impl Write>, entry: &Entry<'_>) -> io::Result<()> {
    let facts = entry.facts;
    let mut header = tar::Header::new_gnu();
    header.set_mode(facts.mode() & 0o7777);
    header.set_mtime(facts.mtime().max(0).cast_unsigned());
    header.set_uid(0);
    header.set_gid(0);
    if facts.is_dir() {
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        return archive.append_data(&mut header, format!("{}/", entry.name), io::empty());
    }
    if facts.is_symlink() {
        let target = fs::read_link(entry.path).map_err(|error| about(entry.path, &error))?;
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        return archive.append_link(&mut header, entry.name, target);
    }
    if !facts.is_file() {
        return Ok(()); // Sockets, pipes and devices are no part of an image.
    }
    let file = match File::open(entry.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(|error| about(entry.path, &error))?,
    };
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(facts.len());
    archive.append_data(&mut header, entry.name, Exactly { file, left: facts.len() })
}

/// As many bytes as the header promised, also when the file changes meanwhile.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let mut read = self.file.read(&mut buffer[..most])?;
        if read == 0 && most > 0 {
            buffer[..most].fill(0);
            read = most;
        }
        self.left -= read as u64;
        Ok(read)
    }
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{Context, fingerprint};
    use crate::engine::BuildPlan;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    pub(super) fn plan(root: &Path) -> BuildPlan {
        BuildPlan {
            label: "web".into(),
            repository: "dynosim/test/web".into(),
            dockerfile: root.join("Dockerfile"),
            context: root.to_owned(),
            target: None,
            args: std::collections::BTreeMap::new(),
            platform: "linux/amd64".into(),
            no_cache: false,
            native: None,
        }
    }

    pub(super) fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn names(plan: &BuildPlan) -> Vec<String> {
        let mut bytes = Vec::new();
        Context::open(plan, true).unwrap().write_to(&mut bytes).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string()).collect()
    }

    #[test]
    fn the_archive_is_sorted_owned_by_root_and_keeps_modes_and_links() {
        let folder = project(&[("Dockerfile", "FROM x"), ("b/run.sh", "#!/bin/sh"), ("a.txt", "hello")]);
        fs::set_permissions(folder.path().join("b/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("../a.txt", folder.path().join("b/link")).unwrap();
        let plan = plan(folder.path());
        assert_eq!(names(&plan), ["Dockerfile", "a.txt", "b/", "b/link", "b/run.sh"]);
        let mut bytes = Vec::new();
        Context::open(&plan, true).unwrap().write_to(&mut bytes).unwrap();
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let entry = entry.unwrap();
            assert_eq!((entry.header().uid().unwrap(), entry.header().gid().unwrap()), (0, 0));
            match entry.path().unwrap().to_str().unwrap() {
                "b/run.sh" => assert_eq!(entry.header().mode().unwrap(), 0o755),
                "b/link" => assert_eq!(entry.link_name().unwrap().unwrap().to_str(), Some("../a.txt")),
                _ => {}
            }
        }
    }

    #[test]
    fn dockerfile_and_dockerignore_are_always_sent() {
        let ignore = "*\n!src/keep";
        let folder = project(&[
            ("Dockerfile", "FROM x"),
            (".dockerignore", ignore),
            ("src/keep", ""),
            ("src/drop", ""),
            ("x", ""),
        ]);
        assert_eq!(names(&plan(folder.path())), [".dockerignore", "Dockerfile", "src/", "src/keep"]);
    }

    #[test]
    fn an_ignore_file_of_the_dockerfile_s_own_comes_first_with_buildkit_only() {
        let folder = project(&[
            ("Dockerfile", "FROM x"),
            (".dockerignore", "a"),
            ("Dockerfile.dockerignore", "b"),
            ("a", ""),
            ("b", ""),
        ]);
        assert!(names(&plan(folder.path())).contains(&"a".to_owned()));
        assert!(!names(&plan(folder.path())).contains(&"b".to_owned()));
        let mut bytes = Vec::new();
        Context::open(&plan(folder.path()), false).unwrap().write_to(&mut bytes).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        assert!(archive.entries().unwrap().all(|e| e.unwrap().path().unwrap().to_str() != Some("a")));
    }

    #[test]
    fn a_dockerfile_outside_the_context_is_sent_too() {
        let folder = project(&[("docker/Dockerfile", "FROM x"), ("app/main.py", "")]);
        let mut plan = plan(folder.path());
        plan.dockerfile = folder.path().join("docker/Dockerfile");
        plan.context = folder.path().join("app");
        assert_eq!(names(&plan), ["main.py", ".dynosim.dockerfile"]);
        assert_eq!(Context::open(&plan, true).unwrap().dockerfile_name(), ".dynosim.dockerfile");
    }

    #[test]
    fn the_fingerprint_changes_with_what_is_sent_and_only_with_that() {
        let folder = project(&[("Dockerfile", "FROM x"), (".dockerignore", "log"), ("a", "1"), ("log/x", "1")]);
        let mut plan = plan(folder.path());
        let first = fingerprint(&plan).unwrap();
        assert_eq!(first, fingerprint(&plan).unwrap());
        fs::write(folder.path().join("log/y"), "2").unwrap();
        assert_eq!(first, fingerprint(&plan).unwrap(), "an ignored file");
        fs::write(folder.path().join("a"), "22").unwrap();
        let second = fingerprint(&plan).unwrap();
        assert_ne!(first, second, "a file of the context");
        plan.args.insert("K".into(), "v".into());
        assert_ne!(second, fingerprint(&plan).unwrap(), "a build arg");
    }

    #[test]
    fn ten_thousand_files_are_fingerprinted_without_a_visible_wait() {
        let folder = project(&[("Dockerfile", "FROM x"), (".dockerignore", "**/*.log\n!keep.log\ntmp\n*.md")]);
        for n in 0..100 {
            let part = folder.path().join(format!("part{n}"));
            fs::create_dir(&part).unwrap();
            for m in 0..100 {
                fs::write(part.join(format!("file{m}.txt")), "").unwrap();
            }
        }
        let began = tokio::time::Instant::now();
        fingerprint(&plan(folder.path())).unwrap();
        let took = began.elapsed();
        assert!(took.as_millis() < 1500, "{took:?} in an unoptimised build");
    }
}
