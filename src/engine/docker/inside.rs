//! Commands in a dyno that another process may have started: its container is found by its labels.
//!
//! The engine gives such a command the container's user, environment, folder, capabilities and cgroup unless told
//! otherwise, which is just what a command in a dyno shall have.

use super::Shared;
use super::error::{self, failed, told};
use super::labels;
use super::streams::{DETACH_KEYS, pass_input};
use crate::engine::inside::{MOST_PROGRAMS, SHELLS, folders};
use crate::engine::{Console, EngineError, Guest, Inside, Output, OutputSink};
use async_trait::async_trait;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{ResizeExecOptions, StartExecOptions, StartExecResults};
use bollard::models::{ContainerSummary, ExecConfig};
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder, ListContainersOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

/// Go's bit for a folder in a file mode.
const GO_FOLDER: u32 = 1 << 31;
/// No more of a folder is read to list its programs: that of an image without a shell is small.
const MOST_READ: usize = 48 << 20;
/// From the end of its output until the engine knows how a command ended.
const EXIT_PACE: Duration = Duration::from_millis(20);
const EXIT_LOOKS: usize = 100;

/// The names of the app's running dynos.
pub(super) async fn dynos(shared: &Shared, identity: &str) -> Result<Vec<String>, EngineError> {
    let names = running(shared, identity).await?.into_iter().filter_map(|one| one.labels?.remove(labels::DYNO));
    Ok(names.collect::<BTreeSet<_>>().into_iter().collect())
}

/// A way into one of them.
pub(super) async fn enter(
    shared: &Arc<Shared>,
    identity: &str,
    dyno: &str,
) -> Result<Option<Box<dyn Inside>>, EngineError> {
    let named = |one: &ContainerSummary| {
        one.labels.as_ref().and_then(|labels| labels.get(labels::DYNO)).is_some_and(|name| name == dyno)
    };
    let all = running(shared, identity).await?;
    let newest = all.into_iter().filter(named).max_by_key(|one| one.created);
    let Some(container) = newest.and_then(|one| one.id) else { return Ok(None) };
    let facts = match shared.docker.inspect_container(&container, None).await {
        Ok(facts) => facts,
        Err(error) if error::is_missing(&error) => return Ok(None),
        Err(error) => return Err(told(&format!("looking into {dyno}"), &error)),
    };
    let config = facts.config.unwrap_or_default();
    let path = config.env.iter().flatten().find_map(|var| var.strip_prefix("PATH="));
    let inside = DockerInside {
        shared: Arc::clone(shared),
        container,
        dyno: dyno.to_owned(),
        path: folders(path),
        folder: config.working_dir.filter(|folder| !folder.is_empty()).unwrap_or_else(|| "/".into()),
        own: config.cmd.and_then(|cmd| cmd.into_iter().next()),
    };
    Ok(Some(Box::new(inside)))
}

async fn running(shared: &Shared, identity: &str) -> Result<Vec<ContainerSummary>, EngineError> {
    let mut filters = labels::filter(identity);
    filters.insert("status".to_owned(), vec!["running".to_owned()]);
    let options = ListContainersOptionsBuilder::new().filters(&filters).build();
    shared.docker.list_containers(Some(options)).await.map_err(|error| told("listing the running dynos", &error))
}

struct DockerInside {
    shared: Arc<Shared>,
    container: String,
    dyno: String,
    path: Vec<String>,
    folder: String,
    /// The program of the dyno itself.
    own: Option<String>,
}

impl DockerInside {
    /// Whether there is a file, or a link that may lead to one.
    async fn is_file(&self, path: &str) -> Result<bool, EngineError> {
        let options = ContainerArchiveInfoOptionsBuilder::new().path(path).build();
        match self.shared.docker.get_container_archive_info(&self.container, Some(options)).await {
            Ok(found) => Ok(found.file_mode & GO_FOLDER == 0),
            // A path that leads through a file is refused with another status than one that is not there.
            Err(error) if error::status(&error).is_some() => Ok(false),
            Err(error) => Err(told(&format!("looking into {}", self.dyno), &error)),
        }
    }

    /// Programs right in a folder; none when it is not there.
    async fn programs_of(&self, folder: &str) -> Result<Vec<String>, EngineError> {
        // The dot makes the engine follow a link to the folder.
        let options = DownloadFromContainerOptionsBuilder::new().path(&format!("{folder}/.")).build();
        let mut stream = self.shared.docker.download_from_container(&self.container, Some(options));
        let mut bytes = Vec::new();
        loop {
            match stream.try_next().await {
                Ok(Some(more)) if bytes.len() < MOST_READ => bytes.extend_from_slice(&more),
                Ok(_) => return Ok(programs_in(&bytes)),
                Err(error) if error::status(&error).is_some() => return Ok(Vec::new()),
                Err(error) => return Err(told(&format!("looking into {}", self.dyno), &error)),
            }
        }
    }
}

/// Names of executable files in an archive of a folder, which may be cut off.
fn programs_in(bytes: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(bytes);
    let Ok(entries) = archive.entries() else { return Vec::new() };
    let mut names = Vec::new();
    for entry in entries.map_while(Result::ok) {
        let header = entry.header();
        let (kind, mode) = (header.entry_type(), header.mode().unwrap_or(0));
        let program = (kind.is_file() && mode & 0o111 != 0) || kind.is_symlink() || kind.is_hard_link();
        let Ok(path) = entry.path() else { continue };
        let name = path.strip_prefix(".").unwrap_or(&path);
        if program && name.components().count() == 1 {
            names.push(name.display().to_string());
        }
    }
    names
}

#[async_trait]
impl Inside for DockerInside {
    async fn shell(&self) -> Result<Option<String>, EngineError> {
        for shell in SHELLS {
            if self.is_file(shell).await? {
                return Ok(Some((*shell).to_owned()));
            }
        }
        Ok(None)
    }

    async fn has(&self, program: &str) -> Result<bool, EngineError> {
        if program.starts_with('/') {
            return self.is_file(program).await;
        }
        if program.contains('/') {
            return self.is_file(&format!("{}/{program}", self.folder.trim_end_matches('/'))).await;
        }
        for folder in &self.path {
            if self.is_file(&format!("{folder}/{program}")).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn programs(&self) -> Result<Vec<String>, EngineError> {
        let mut all: Vec<String> = self.own.iter().cloned().collect();
        for folder in &self.path {
            for name in self.programs_of(folder).await? {
                if !all.contains(&name) && all.len() < MOST_PROGRAMS {
                    all.push(name);
                }
            }
        }
        Ok(all)
    }

    async fn exec(
        &self,
        argv: &[String],
        env: &[(String, String)],
        console: Console,
        output: OutputSink,
    ) -> Result<Box<dyn Guest>, EngineError> {
        let terminal = matches!(console, Console::Terminal(..));
        let doing = format!("running {} in {}", argv.first().map_or("a command", String::as_str), self.dyno);
        let config = ExecConfig {
            attach_stdin: Some(console != Console::Log),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(terminal),
            detach_keys: Some(DETACH_KEYS.to_owned()),
            env: Some(env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            cmd: Some(argv.to_vec()),
            ..ExecConfig::default()
        };
        let docker = &self.shared.docker;
        let made = docker.create_exec(&self.container, config).await.map_err(|error| told(&doing, &error))?;
        let options = StartExecOptions { detach: false, tty: terminal, output_capacity: None };
        let started = self.shared.patient.start_exec(&made.id, Some(options)).await;
        let StartExecResults::Attached { output: frames, input } = started.map_err(|error| told(&doing, &error))?
        else {
            return Err(failed(&doing, &"the engine gave no way to its output"));
        };
        let (typed, given) = mpsc::channel(16);
        tokio::spawn(pass_input(input, given));
        let (told_end, drained) = watch::channel(false);
        tokio::spawn(async move {
            carry(frames, &output).await;
            told_end.send_replace(true);
        });
        let guest = DockerGuest { shared: Arc::clone(&self.shared), id: made.id, doing, typed, drained };
        if let Console::Terminal(columns, rows) = console {
            guest.resize(columns, rows).await;
        }
        Ok(Box::new(guest))
    }
}

/// Hands output over until there is no more.
async fn carry(mut frames: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>, output: &OutputSink) {
    while let Some(Ok(frame)) = frames.next().await {
        let (stderr, bytes) = match frame {
            LogOutput::StdErr { message } => (true, message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => (false, message),
            LogOutput::StdIn { .. } => continue,
        };
        // A reader that has gone does not stop the command from printing.
        let _ = output.send(Output { stderr, bytes }).await;
    }
}

struct DockerGuest {
    shared: Arc<Shared>,
    id: String,
    doing: String,
    typed: mpsc::Sender<Bytes>,
    drained: watch::Receiver<bool>,
}

#[async_trait]
impl Guest for DockerGuest {
    async fn input(&self, bytes: Bytes) {
        let _ = self.typed.send(bytes).await;
    }

    async fn resize(&self, columns: u16, rows: u16) {
        // A size that cannot be set costs a misdrawn screen, no more.
        let size = ResizeExecOptions { height: rows, width: columns };
        let _ = self.shared.docker.resize_exec(&self.id, size).await;
    }

    async fn ended(&self) -> Result<i32, EngineError> {
        // An error means that the carrier is gone, and so is the output.
        let _ = self.drained.clone().wait_for(|drained| *drained).await;
        for _ in 0..EXIT_LOOKS {
            match self.shared.docker.inspect_exec(&self.id).await {
                Ok(facts) => {
                    if let Some(code) = facts.exit_code.filter(|_| facts.running != Some(true)) {
                        return Ok(i32::try_from(code).unwrap_or(1));
                    }
                }
                // The engine forgets it with the container: the dyno has ended, and took it along.
                Err(error) if error::is_missing(&error) => return Ok(137),
                Err(error) => return Err(told(&self.doing, &error)),
            }
            sleep(EXIT_PACE).await;
        }
        Ok(137)
    }
}

#[cfg(test)]
mod tests {
    use super::programs_in;

    #[test]
    fn programs_are_the_executable_files_right_in_a_folder() {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, mode, kind) in [
            ("./serve", 0o755, tar::EntryType::Regular),
            ("./notes.txt", 0o644, tar::EntryType::Regular),
            ("./sh", 0o777, tar::EntryType::Symlink),
            ("./deep/tool", 0o755, tar::EntryType::Regular),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_size(0);
            archive.append_data(&mut header, name, std::io::empty()).unwrap();
        }
        let bytes = archive.into_inner().unwrap();
        assert_eq!(programs_in(&bytes), ["serve", "sh"]);
        assert_eq!(programs_in(&bytes[..700]), ["serve"], "a listing that was cut off is still good for its part");
    }
}
