//! The platform's news on the terminal: live bars while images build, one line for each thing that is done.

use super::background::{self, Background};
use super::check;
use super::printer::Printer;
use super::pushing::{self, Pushes};
use crate::dyno::explain::{bytes, count};
use crate::engine::{BuildEvent, BuildStep, Swept};
use crate::platform::engines::{NATIVE, Natively};
use crate::platform::report::{News, PushStep};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;

/// Draws news until there is no more. A background lets its caller go when the app is started.
pub(super) async fn show(printer: Printer, mut news: mpsc::UnboundedReceiver<News>, background: Option<Background>) {
    let mut board = Board::new(printer);
    while let Some(one) = news.recv().await {
        if matches!(one, News::End) {
            break;
        }
        let ends = background.as_ref().and_then(|background| Some((background, background.ends_at(&one)?)));
        board.show(one);
        if let Some((background, code)) = ends {
            board.detached();
            // A caller that is gone is let go already.
            let _ = background.leave(code);
            board = Board::new(background::printer(printer.json));
        }
    }
    board.clear();
}

/// What has been drawn.
struct Board {
    printer: Printer,
    bars: MultiProgress,
    builds: BTreeMap<String, Drawn>,
    pushes: Pushes,
    /// Whose news it is, where there are several jobs.
    job: Option<u32>,
}

struct Drawn {
    bar: ProgressBar,
    steps: BTreeMap<String, BuildStep>,
    partial: Vec<u8>,
}

impl Board {
    fn new(printer: Printer) -> Self {
        let (bars, builds, pushes) = (MultiProgress::new(), BTreeMap::new(), Pushes::default());
        Self { printer, bars, builds, pushes, job: None }
    }

    fn show(&mut self, news: News) {
        if let News::Settled(shown) = &news {
            return shown.notify_one();
        }
        if self.printer.json {
            if let Some(value) = as_json(&news) {
                self.printer.out(&value.to_string());
            }
            return;
        }
        match news {
            News::Finding(finding) => self.line(finding.render(self.printer.err_colour).trim_end()),
            News::Checked(noticed) => {
                let sign = self.printer.paint(if noticed.error { 1 } else { 3 }, "!");
                self.line(&format!("{sign} {:<8} {}", "check", noticed.line));
            }
            News::Note(text) => self.line(&format!("{} {text}", self.printer.paint(3, "note:"))),
            News::Warning(text) => self.line(&format!("{} {text}", self.printer.paint(3, "warning:"))),
            News::Pushing { label, step } => self.pushing(&label, step),
            News::Pushed(landed) => {
                self.pushes.end(&landed.process_type.to_string(), &self.bars);
                self.done("push", &pushing::landed(&landed));
            }
            News::Hint(text) => self.line(&self.printer.dim(&text)),
            News::Swept(swept) => {
                let note = self.printer.paint(3, "note:");
                self.line(&format!("{note} removed what a killed run left behind: {}", what(swept)));
            }
            News::Native(natively) => self.natively(&natively),
            News::BuildStarted { label } => self.begin(&label),
            News::BuildProgress { label, event } => self.progress(&label, &event),
            News::BuildDone { label, image, size, took, steps } => {
                self.end(&label);
                let how = match steps {
                    None => "nothing changed".to_owned(),
                    Some((steps, cached)) => format!("{}, {cached}/{steps} steps cached", seconds(took)),
                };
                self.done("build", &format!("{label}  {how}, {}, {}", bytes(size), image.short()));
            }
            News::Release { version, description, phase } => {
                let phase = phase.map(|took| format!("  release phase {}", seconds(took))).unwrap_or_default();
                self.done("release", &format!("{version}  {description}{phase}"));
            }
            News::Failed(error) => {
                self.clear();
                self.bars.suspend(|| super::fail::report(self.printer, &error));
                self.line(&self.printer.dim("what ran before goes on; the next change is tried again"));
            }
            News::Watching { folders, polling } => {
                let how = if polling { ", looked at every 2 s" } else { "" };
                let folders = count(folders, "folder");
                self.done("watch", &format!("{folders}{how}; edits are applied as they are saved"));
            }
            News::Listening(urls) => self.done("router", &urls.to_string()),
            News::Ready { urls, formation, took } => {
                let types: Vec<String> = formation.iter().map(|(name, n)| format!("{name}={n}")).collect();
                let place = urls.map(|urls| format!("  {urls}")).unwrap_or_default();
                self.done("up", &format!("{}  in {}{place}", types.join(" "), seconds(took)));
            }
            News::NotUp(why) => {
                let help = " help:";
                self.line(&format!("{} {why}", self.printer.paint(1, "error:")));
                self.line(&format!("{} `dynosim logs` shows what it said", self.printer.paint(6, help)));
            }
            News::Stopping(why) => {
                // Over the `^C` that the terminal shows.
                let start = if self.printer.live { "\r" } else { "" };
                self.line(
                    &self.printer.dim(&format!("{start}{why}: stopping gracefully; press Ctrl-C again to force")),
                );
            }
            News::OfJob(number, news) => {
                self.job = Some(number);
                self.show(*news);
                self.job = None;
            }
            News::Stopped | News::Settled(_) | News::End => self.clear(),
        }
    }

    /// Which engine it is, what is not as on Heroku, and how to get the other.
    fn natively(&self, Natively { why, approximate }: &Natively) {
        self.done("engine", &format!("native: this machine's own programs under dyno rules, {}", why.words()));
        let note = self.printer.paint(3, "note:");
        self.line(&format!("{note} there is no image: libraries and versions are this machine's; {}", why.other()));
        for text in approximate {
            self.line(&format!("{note} approximate: {text}"));
        }
    }

    fn done(&self, what: &str, text: &str) {
        self.line(&format!("{} {what:<8} {text}", self.printer.paint(2, "✔")));
    }

    /// The app goes on without its caller.
    fn detached(&self) {
        let pid = std::process::id();
        if self.printer.json {
            self.printer.out(&json!({"event": "detached", "pid": pid}).to_string());
        } else {
            self.done("detached", &format!("pid {pid}; `dynosim attach` shows its log, `dynosim down` stops it"));
        }
    }

    fn line(&self, text: &str) {
        let number = self.job.map(|number| format!("[{number}] ")).unwrap_or_default();
        self.bars.suspend(|| self.printer.err(&format!("{number}{text}")));
    }

    fn begin(&mut self, label: &str) {
        let bar = if self.printer.live {
            let bar = self.bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} build    {prefix}  {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(label.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        } else {
            self.line(&format!("build {label}"));
            ProgressBar::hidden()
        };
        self.builds.insert(label.to_owned(), Drawn { bar, steps: BTreeMap::new(), partial: Vec::new() });
    }

    fn progress(&mut self, label: &str, event: &BuildEvent) {
        let Some(drawn) = self.builds.get_mut(label) else { return };
        let mut plain = Vec::new();
        match event {
            BuildEvent::Step(step) => {
                let before = drawn.steps.insert(step.id.clone(), step.clone());
                let ended = step.finished && !before.is_some_and(|before| before.finished);
                if step.started && !step.finished {
                    drawn.bar.set_message(step.name.clone());
                }
                if ended {
                    let how = if step.cached { " (cached)" } else { "" };
                    plain.push(format!("build {label}: {}{how}", step.name));
                }
            }
            BuildEvent::Output { bytes, .. } => {
                drawn.partial.extend_from_slice(bytes);
                while let Some(end) = drawn.partial.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = drawn.partial.drain(..=end).collect();
                    let line = String::from_utf8_lossy(&line);
                    drawn.bar.set_message(line.trim().to_owned());
                    plain.push(format!("build {label}:   {}", line.trim_end()));
                }
            }
            BuildEvent::Context(sent) => drawn.bar.set_message(format!("sending the context, {}", bytes(*sent))),
            BuildEvent::Pull(what, sofar, all) => {
                drawn.bar.set_message(format!("fetching {what}, {} of {}", bytes(*sofar), bytes(*all)));
            }
        }
        if !self.printer.live {
            for line in &plain {
                self.line(line);
            }
        }
    }

    fn pushing(&mut self, label: &str, step: PushStep) {
        if let Some(line) = self.pushes.step(label, step, &self.bars, self.printer.live) {
            self.line(&line);
        }
    }

    fn end(&mut self, label: &str) {
        if let Some(drawn) = self.builds.remove(label) {
            drawn.bar.finish_and_clear();
            self.bars.remove(&drawn.bar);
        }
    }

    fn clear(&mut self) {
        self.pushes.clear(&self.bars);
        for label in self.builds.keys().cloned().collect::<Vec<_>>() {
            self.end(&label);
        }
    }
}

/// `2 containers, 1 network`.
fn what(swept: Swept) -> String {
    let kinds = [
        (swept.dynos, "dyno"),
        (swept.containers, "container"),
        (swept.volumes, "volume"),
        (swept.networks, "network"),
    ];
    let some = kinds.into_iter().filter(|(number, _)| *number > 0);
    some.map(|(number, kind)| count(number, kind)).collect::<Vec<_>>().join(", ")
}

/// `850 ms`, `4.1 s`.
pub(super) fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

fn as_json(news: &News) -> Option<Value> {
    Some(match news {
        News::Finding(finding) => json!({
            "event": "finding",
            "severity": format!("{:?}", finding.severity).to_lowercase(),
            "title": finding.title,
            "file": finding.place.as_ref().map(|(file, _)| &file.name),
            "line": finding.line(),
            "help": finding.help,
        }),
        News::Checked(noticed) => check::event(noticed)?,
        News::Note(text) => json!({"event": "note", "text": text}),
        News::Warning(text) => json!({"event": "warning", "text": text}),
        News::Pushed(landed) => pushing::as_json(landed),
        News::Swept(swept) => json!({
            "event": "swept",
            "dynos": swept.dynos,
            "containers": swept.containers,
            "volumes": swept.volumes,
            "networks": swept.networks,
        }),
        News::Native(natively) => json!({
            "event": "engine",
            "engine": NATIVE,
            "why": natively.why.words(),
            "approximate": natively.approximate,
        }),
        News::BuildStarted { label } => json!({"event": "build-started", "types": label}),
        News::BuildProgress { label, event } => return step_json(label, event),
        News::BuildDone { label, image, size, took, steps } => json!({
            "event": "build",
            "types": label,
            "image": image.0,
            "size": size,
            "seconds": took.as_secs_f64(),
            "built": steps.is_some(),
            "steps": steps.map(|(all, _)| all),
            "cached": steps.map(|(_, cached)| cached),
        }),
        News::Release { version, description, phase } => json!({
            "event": "release",
            "version": version.0,
            "description": description,
            "seconds": phase.map(|took| took.as_secs_f64()),
        }),
        News::NotUp(why) => json!({"event": "not-up", "why": why.to_string()}),
        News::Watching { folders, polling } => json!({"event": "watching", "folders": folders, "polling": polling}),
        News::Failed(error) => {
            json!({"event": "change-failed", "error": error.to_string(), "exit_code": error.exit_code() as u8})
        }
        News::Listening(urls) => json!({"event": "listening", "url": urls.http, "https_url": urls.https}),
        News::Ready { urls, formation, took } => {
            let formation: BTreeMap<String, u32> =
                formation.iter().map(|(name, quantity)| (name.to_string(), *quantity)).collect();
            let (url, https_url) = urls.as_ref().map(|urls| (&urls.http, &urls.https)).unzip();
            json!({
                "event": "ready",
                "url": url,
                "https_url": https_url,
                "formation": formation,
                "seconds": took.as_secs_f64(),
            })
        }
        News::Stopping(why) => json!({"event": "stopping", "why": why}),
        News::Stopped => json!({"event": "stopped"}),
        News::OfJob(number, news) => {
            let mut value = as_json(news)?;
            value["job"] = json!(number);
            value
        }
        News::Hint(_) | News::Pushing { .. } | News::Settled(_) | News::End => return None,
    })
}

fn step_json(label: &str, event: &BuildEvent) -> Option<Value> {
    match event {
        BuildEvent::Step(step) if step.finished => Some(json!({
            "event": "build-step",
            "types": label,
            "name": step.name,
            "cached": step.cached,
            "error": step.error,
        })),
        BuildEvent::Output { bytes, .. } => Some(json!({
            "event": "build-output",
            "types": label,
            "text": String::from_utf8_lossy(bytes),
        })),
        BuildEvent::Step(_) | BuildEvent::Context(_) | BuildEvent::Pull(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::what;
    use crate::engine::Swept;

    #[test]
    fn only_what_was_removed_is_named() {
        assert_eq!(what(Swept { containers: 2, networks: 1, ..Swept::default() }), "2 containers, 1 network");
        assert_eq!(what(Swept { dynos: 1, ..Swept::default() }), "1 dyno");
    }
}
