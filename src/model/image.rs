//! What an image says about itself, as far as the rules of R1.3–R1.5 need it.

/// An image of some engine: its config digest (`sha256:…`), which is what Heroku releases (R1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct ImageId(pub String);

impl ImageId {
    /// The first twelve hex digits, as in `Deployed web (eacd9b960537)`.
    pub fn short(&self) -> &str {
        let hex = self.0.strip_prefix("sha256:").unwrap_or(&self.0);
        hex.get(..12).unwrap_or(hex)
    }
}

/// The image's own configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImageFacts {
    /// Config digest.
    pub id: String,
    /// `ENTRYPOINT`; empty when not set.
    pub entrypoint: Vec<String>,
    /// `CMD`; shell form arrives as `["/bin/sh", "-c", "…"]`.
    pub cmd: Vec<String>,
    /// `ENV`, in order.
    pub env: Vec<(String, String)>,
    /// `WORKDIR`; `/` when not set.
    pub workdir: String,
    /// `USER`, which Heroku ignores.
    pub user: String,
    /// `VOLUME` paths, which Heroku does not support.
    pub volumes: Vec<String>,
    /// `EXPOSE`, which Heroku does not respect.
    pub exposed: Vec<String>,
    /// Whether a `HEALTHCHECK` is set, which Heroku does not run.
    pub healthcheck: bool,
    /// `STOPSIGNAL`, which Heroku does not respect.
    pub stop_signal: Option<String>,
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `linux`, …
    pub os: String,
    /// Number of layers; over 40 may fail to start (R1.2).
    pub layers: usize,
    /// Size in bytes.
    pub size: u64,
    /// What was looked up in the image's own files.
    pub files: ImageFiles,
}

/// Facts from the image's file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImageFiles {
    /// `/app` is a folder (R13#11: then it is HOME when the image sets none).
    pub has_app_dir: bool,
    /// `/bin/sh` exists.
    pub has_shell: bool,
    /// Mode bits of `/tmp`, when it exists.
    pub tmp_mode: Option<u32>,
    /// Mode bits of `/var/tmp`, when it exists.
    pub var_tmp_mode: Option<u32>,
    /// `/etc/passwd` of the image.
    pub passwd: String,
    /// `/etc/group` of the image.
    pub group: String,
}

impl ImageFacts {
    /// The value of an `ENV`.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }
}
