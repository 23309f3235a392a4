//! Turns what a builder streams into build events, and remembers what a failure needs to say.

use super::dockerfile;
use crate::engine::{BuildEvent, BuildFailure, BuildSink, BuildStep};
use bollard::moby::buildkit::v1::{StatusResponse, Vertex, VertexStatus};
use bollard::models::{BuildInfo, BuildInfoAux};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

/// So many last lines of a failing step are shown.
const LAST_LINES: usize = 30;

/// What is known of a build while it runs.
pub(super) struct Progress<'a> {
    sink: &'a BuildSink,
    steps: HashMap<String, BuildStep>,
    output: HashMap<String, Tail>,
    /// The step of the classic builder that runs now: its number.
    classic: Option<(usize, String)>,
    /// The image, once the builder named it.
    pub(super) image: Option<String>,
}

/// The last lines of a step.
#[derive(Default)]
struct Tail {
    lines: VecDeque<String>,
    open: String,
}

impl<'a> Progress<'a> {
    pub(super) fn new(sink: &'a BuildSink) -> Self {
        Self { sink, steps: HashMap::new(), output: HashMap::new(), classic: None, image: None }
    }

    /// Takes one message of the stream.
    pub(super) fn take(&mut self, message: BuildInfo) {
        match message.aux {
            Some(BuildInfoAux::BuildKit(status)) => return self.take_status(status),
            Some(BuildInfoAux::Default(image)) => self.image = image.id.or(self.image.take()),
            None => {}
        }
        if let Some(text) = message.stream {
            self.take_text(&text);
        }
        if let (Some(layer), Some(detail)) = (message.id, message.progress_detail) {
            let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0);
            if let total @ 1.. = number(detail.total) {
                self.tell(BuildEvent::Pull(layer, number(detail.current), total));
            }
        }
    }

    fn take_status(&mut self, status: StatusResponse) {
        for vertex in status.vertexes {
            self.take_vertex(vertex);
        }
        for pull in status.statuses {
            self.take_pull(&pull);
        }
        for log in status.logs {
            self.take_output(&log.vertex, Bytes::from(log.msg));
        }
    }

    fn take_vertex(&mut self, vertex: Vertex) {
        let step = BuildStep {
            id: vertex.digest,
            name: vertex.name,
            cached: vertex.cached,
            started: vertex.started.is_some(),
            finished: vertex.completed.is_some(),
            error: Some(vertex.error).filter(|error| !error.is_empty()),
        };
        if self.steps.get(&step.id) != Some(&step) {
            self.steps.insert(step.id.clone(), step.clone());
            self.tell(BuildEvent::Step(step));
        }
    }

    fn take_pull(&self, pull: &VertexStatus) {
        let (Ok(current), Ok(total @ 1..)) = (u64::try_from(pull.current), u64::try_from(pull.total)) else { return };
        if pull.id.starts_with("sha256:") || pull.name.contains("download") {
            self.tell(BuildEvent::Pull(pull.id.clone(), current, total));
        }
    }

    fn take_output(&mut self, step: &str, bytes: Bytes) {
        self.output.entry(step.to_owned()).or_default().push(&bytes);
        self.tell(BuildEvent::Output { step: step.to_owned(), bytes });
    }

    /// The classic builder tells everything as text: `Step 2/5 : RUN …`, ` ---> Using cache`, output between.
    fn take_text(&mut self, text: &str) {
        if let Some((number, total, instruction)) = classic_step(text) {
            self.finish_classic(None);
            let id = number.to_string();
            self.classic = Some((number, id.clone()));
            self.change(id, |step| {
                step.name = format!("[{number}/{total}] {instruction}");
                step.started = true;
            });
            return;
        }
        let Some((_, id)) = self.classic.clone() else { return };
        match text.trim() {
            "---> Using cache" => self.change(id, |step| step.cached = true),
            line if line.starts_with("---> ")
                || line.starts_with("Removing intermediate container")
                || line.is_empty() => {}
            line if line.starts_with("Successfully built") || line.starts_with("Successfully tagged") => {
                self.finish_classic(None);
            }
            _ => self.take_output(&id, Bytes::copy_from_slice(text.as_bytes())),
        }
    }

    fn finish_classic(&mut self, error: Option<&str>) {
        if let Some((_, id)) = self.classic.take() {
            self.change(id, |step| {
                step.finished = true;
                step.error = error.map(str::to_owned);
            });
        }
    }

    fn change(&mut self, id: String, change: impl FnOnce(&mut BuildStep)) {
        let step = self.steps.entry(id.clone()).or_insert_with(|| BuildStep { id, ..BuildStep::default() });
        change(step);
        let step = step.clone();
        self.tell(BuildEvent::Step(step));
    }

    /// What the user needs to know of a build that failed with `reason`.
    pub(super) fn failure(mut self, label: &str, reason: &str, dockerfile: &str) -> BuildFailure {
        let mut line = dockerfile::line_in_message(reason);
        let mut failed = self.steps.values().find(|step| step.error.is_some()).cloned();
        if let (None, Some((number, id))) = (&failed, self.classic.clone()) {
            line = line.or(dockerfile::line_of_instruction(dockerfile, number));
            self.finish_classic(Some(reason));
            failed = self.steps.get(&id).cloned();
        }
        let step = failed.as_ref().map(|step| step.name.clone()).unwrap_or_default();
        let line = line.or_else(|| dockerfile::line_of_step(dockerfile, &step).filter(|_| !step.is_empty()));
        let output = failed.and_then(|step| self.output.remove(&step.id)).map(Tail::into_lines).unwrap_or_default();
        BuildFailure {
            message: format!("building {label} failed: {}", short_reason(reason)),
            step,
            output,
            line,
            help: help(reason).map(str::to_owned),
        }
    }

    /// A face that looks away does not stop a build.
    fn tell(&self, event: BuildEvent) {
        let _ = self.sink.send(event);
    }
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.open.push_str(&String::from_utf8_lossy(bytes));
        while let Some(end) = self.open.find('\n') {
            let line: String = self.open.drain(..=end).collect();
            self.keep(line.trim_end());
        }
    }

    fn keep(&mut self, line: &str) {
        if self.lines.len() == LAST_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    fn into_lines(mut self) -> Vec<String> {
        let open = std::mem::take(&mut self.open);
        if !open.is_empty() {
            self.keep(open.trim_end());
        }
        self.lines.into()
    }
}

fn classic_step(text: &str) -> Option<(usize, usize, &str)> {
    let (numbers, instruction) = text.strip_prefix("Step ")?.split_once(" : ")?;
    let (number, total) = numbers.split_once('/')?;
    Some((number.parse().ok()?, total.parse().ok()?, instruction.trim_end()))
}

/// Without the builder's own frame around it.
fn short_reason(reason: &str) -> &str {
    let frames = [
        "failed to create LLB definition: ",
        "failed to solve with frontend dockerfile.v0: ",
        "failed to solve: ",
        "rpc error: code = Unknown desc = ",
    ];
    let mut reason = reason.trim();
    loop {
        let Some(rest) = frames.iter().find_map(|frame| reason.strip_prefix(frame)) else { return reason };
        reason = rest;
    }
}

fn help(reason: &str) -> Option<&'static str> {
    const HELP: &[(&[&str], &str)] = &[
        (
            &[
                "pull access denied",
                "repository does not exist",
                "manifest unknown",
                "not found: manifest",
                ": not found",
            ],
            "check the image's name after FROM; a private one needs `docker login` first",
        ),
        (&["unauthorized", "denied: "], "the registry wants credentials: `docker login` with its name"),
        (
            &["no such host", "i/o timeout", "connection refused", "network is unreachable", "tls handshake timeout"],
            "the engine does not reach the registry: check network, proxy and VPN",
        ),
        (&["exec format error"], "the base image is for another processor: pull it for the platform that is built"),
        (&["no match for platform"], "the base image does not exist for the platform that is built"),
    ];
    let lower = reason.to_ascii_lowercase();
    HELP.iter().find(|(parts, _)| parts.iter().any(|part| lower.contains(part))).map(|(_, help)| *help)
}

#[cfg(test)]
mod tests {
    use super::Progress;
    use crate::engine::{BuildEvent, BuildStep};
    use bollard::models::BuildInfo;
    use tokio::sync::mpsc;

    fn text(progress: &mut Progress<'_>, lines: &[&str]) {
        for line in lines {
            progress.take(BuildInfo { stream: Some((*line).to_owned()), ..BuildInfo::default() });
        }
    }

    #[test]
    fn a_failing_classic_step_shows_its_output_and_line() {
        let (sink, mut events) = mpsc::unbounded_channel();
        let mut progress = Progress::new(&sink);
        let lines =
            ["Step 1/2 : FROM x\n", " ---> 123\n", "Step 2/2 : RUN make\n", " ---> Running in 1\n", "make: no rule\n"];
        text(&mut progress, &lines);
        let failure =
            progress.failure("web", "The command '/bin/sh -c make' returned a non-zero code: 2", "FROM x\nRUN make\n");
        assert_eq!(failure.step, "[2/2] RUN make");
        assert_eq!(failure.line, Some(2));
        assert_eq!(failure.output, ["make: no rule"]);
        let mut names = Vec::new();
        while let Ok(event) = events.try_recv() {
            if let BuildEvent::Step(BuildStep { name, finished: true, .. }) = event {
                names.push(name);
            }
        }
        assert_eq!(names, ["[1/2] FROM x", "[2/2] RUN make"]);
    }

    #[test]
    fn a_missing_base_image_says_how_to_mend_it() {
        let (sink, _events) = mpsc::unbounded_channel();
        let reason = "failed to solve with frontend dockerfile.v0: pull access denied for acme/base";
        let failure = Progress::new(&sink).failure("web", reason, "FROM acme/base\n");
        assert_eq!(failure.message, "building web failed: pull access denied for acme/base");
        assert!(failure.help.unwrap().contains("docker login"));
    }
}
