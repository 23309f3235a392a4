//! Debian's `docker-registry`, of this test alone: on a port and in a folder of its own.

use crate::support::not_installed;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// It runs until it is dropped.
pub(crate) struct DockerRegistry {
    process: Child,
    _folder: tempfile::TempDir,
    pub(crate) port: u16,
}

impl DockerRegistry {
    /// `None`, with a word on why the test proves nothing here, where it is not installed.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.yml");
        let data = folder.path().join("data");
        let text = format!(
            "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n\
             http:\n  addr: 127.0.0.1:0\n",
            data.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let Ok(mut process) = command.spawn() else {
            not_installed(test, "docker-registry");
            return None;
        };
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("listening on 127.0.0.1:")?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        });
        // It must not stop because nobody reads its log.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { process, _folder: folder, port: port.expect("docker-registry says where it listens") })
    }

    /// `127.0.0.1:41234`
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
