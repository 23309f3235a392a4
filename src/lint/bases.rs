//! What is known of base images that many Dockerfiles begin with. What is not known is not guessed.

/// An image name taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BaseName {
    /// `python`, `bitnami/node`; of Docker's official images without `library/`.
    pub(super) name: String,
    /// `3.11-slim`; `latest` without one.
    pub(super) tag: String,
}

/// What a container of an image runs when its Dockerfile says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Default {
    /// A shell or a prompt of a language: it ends at once where nobody types.
    Prompt(&'static str),
    /// A server that listens on a port of its own.
    Server(&'static str),
    /// Nothing.
    Nothing,
}

/// What the `ENTRYPOINT` of an image does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// There is none.
    None,
    /// It runs what it is given.
    PassesOn,
    /// It is a program that takes what it is given as arguments.
    Program,
}

/// What is known of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) default: Default,
    pub(super) entry: Entry,
    pub(super) shell: bool,
    /// Whether `curl` is in it.
    pub(super) curl: bool,
    /// Whether `bash` is in it.
    pub(super) bash: bool,
}

impl BaseName {
    /// Of `docker.io/library/python:3.11-slim@sha256:…`.
    pub(super) fn of(image: &str) -> Self {
        let image = image.split('@').next().unwrap_or(image);
        let slash = image.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match image[slash..].find(':') {
            Some(at) => (&image[..slash + at], &image[slash + at + 1..]),
            None => (image, "latest"),
        };
        let name = ["docker.io/", "index.docker.io/", "public.ecr.aws/docker/"]
            .iter()
            .find_map(|host| name.strip_prefix(host))
            .unwrap_or(name);
        Self { name: name.strip_prefix("library/").unwrap_or(name).to_owned(), tag: tag.to_owned() }
    }

    /// What is known of it.
    pub(super) fn known(&self) -> Option<Known> {
        let alpine = self.tag.contains("alpine");
        let small = alpine || self.tag.contains("slim");
        let prompt = |program, entry| Known {
            default: Default::Prompt(program),
            entry,
            shell: true,
            curl: !small,
            bash: !alpine,
        };
        let bare = |program| Known { curl: false, ..prompt(program, Entry::None) };
        let none = Known { default: Default::Nothing, entry: Entry::None, shell: false, curl: false, bash: false };
        let known = match self.name.as_str() {
            "scratch" => none,
            "debian" | "ubuntu" | "fedora" | "rockylinux" | "almalinux" | "amazonlinux" => bare("bash"),
            "alpine" | "busybox" => Known { bash: false, ..bare("sh") },
            "python" => prompt("python3", Entry::None),
            "pypy" => prompt("pypy3", Entry::None),
            "ruby" => prompt("irb", Entry::None),
            "golang" | "rust" | "buildpack-deps" | "swift" | "heroku/heroku" => prompt("bash", Entry::None),
            "elixir" => prompt("iex", Entry::None),
            "erlang" => prompt("erl", Entry::None),
            "node" => prompt("node", Entry::PassesOn),
            "php" if self.tag.contains("apache") => {
                Known { default: Default::Server("Apache"), curl: true, ..prompt("", Entry::PassesOn) }
            }
            "php" if self.tag.contains("fpm") => return None,
            "php" => Known { curl: true, ..prompt("php -a", Entry::PassesOn) },
            "nginx" if !self.tag.contains("perl") => {
                Known { default: Default::Server("nginx"), curl: true, ..prompt("", Entry::PassesOn) }
            }
            "httpd" => Known { default: Default::Server("Apache"), curl: false, ..prompt("", Entry::None) },
            name if name.starts_with("gcr.io/distroless/") && !self.tag.contains("debug") => {
                let program =
                    ["nodejs", "java", "python"].iter().any(|one| name.contains(one)) && !name.contains("base");
                Known { entry: if program { Entry::Program } else { Entry::None }, ..none }
            }
            _ => return None,
        };
        Some(known)
    }
}

#[cfg(test)]
mod tests {
    use super::{BaseName, Default, Entry};

    #[test]
    fn names_are_taken_apart_and_only_what_is_known_is_said() {
        let name = BaseName::of("docker.io/library/python:3.11-slim@sha256:ab");
        assert_eq!((name.name.as_str(), name.tag.as_str()), ("python", "3.11-slim"));
        assert!(!name.known().unwrap().curl && BaseName::of("python:3").known().unwrap().curl);
        assert_eq!(BaseName::of("registry:5000/me/app").tag, "latest");
        assert_eq!(BaseName::of("ghost:5").known(), None);
        assert_eq!(BaseName::of("php:8-apache").known().unwrap().default, Default::Server("Apache"));
        assert_eq!(BaseName::of("gcr.io/distroless/nodejs22-debian12").known().unwrap().entry, Entry::Program);
        assert!(!BaseName::of("gcr.io/distroless/static").known().unwrap().shell);
    }
}
