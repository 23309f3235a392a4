//! A push as it is drawn: one bar for each image on a terminal, plain lines in a pipe.

use super::news::seconds;
use crate::dyno::explain::bytes;
use crate::platform::push::Landed;
use crate::platform::report::PushStep;
use crate::registry::Tag;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What has been drawn of the images on their way.
#[derive(Default)]
pub(super) struct Pushes {
    drawn: BTreeMap<String, Drawn>,
}

struct Drawn {
    bar: ProgressBar,
    stage: &'static str,
    /// Tenths of what is to be sent that were told, in a pipe.
    tenths: u64,
}

impl Pushes {
    /// Draws a step; in a pipe, returns the line that is to be said.
    pub(super) fn step(&mut self, label: &str, step: PushStep, bars: &MultiProgress, live: bool) -> Option<String> {
        let drawn = self.drawn.entry(label.to_owned()).or_insert_with(|| {
            let bar = if live { bars.add(ProgressBar::no_length()) } else { ProgressBar::hidden() };
            bar.set_prefix(label.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            Drawn { bar, stage: "", tenths: 0 }
        });
        let (stage, place, length) = match step {
            PushStep::Exporting { bytes, size } => ("exporting", bytes, size.max(bytes)),
            PushStep::Compressing => ("compressing", 0, 0),
            PushStep::Sending { sent, size } => ("sending", sent, size),
        };
        let new = drawn.stage != stage;
        if new {
            drawn.stage = stage;
            drawn.bar.set_style(style(stage));
        }
        drawn.bar.set_length(length);
        drawn.bar.set_position(place);
        if live {
            return None;
        }
        let tenths = (place * 10).checked_div(length).unwrap_or(0);
        let line = match step {
            PushStep::Sending { .. } if new || tenths > drawn.tenths => {
                format!("push {label}: sent {} of {}", bytes(place), bytes(length))
            }
            _ if new => format!("push {label}: {stage}"),
            _ => return None,
        };
        if stage == "sending" {
            drawn.tenths = tenths;
        }
        Some(line)
    }

    /// The image is there.
    pub(super) fn end(&mut self, label: &str, bars: &MultiProgress) {
        if let Some(drawn) = self.drawn.remove(label) {
            drawn.bar.finish_and_clear();
            bars.remove(&drawn.bar);
        }
    }

    /// Nothing more will come.
    pub(super) fn clear(&mut self, bars: &MultiProgress) {
        for label in self.drawn.keys().cloned().collect::<Vec<_>>() {
            self.end(&label, bars);
        }
    }
}

fn style(stage: &str) -> ProgressStyle {
    let template = match stage {
        "compressing" => "{spinner} push     {prefix}  compressing {elapsed}".to_owned(),
        stage => format!(
            "{{spinner}} push     {{prefix}}  {stage} [{{bar:24}}] {{bytes}} of {{total_bytes}}, {{binary_bytes_per_sec}}"
        ),
    };
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

/// What a registry has now, in one line.
pub(super) fn landed(landed: &Landed) -> String {
    let tags: Vec<&str> = landed.tags.iter().map(Tag::as_str).collect();
    let sent = if landed.sent == 0 { "nothing to send".to_owned() } else { format!("{} sent", bytes(landed.sent)) };
    let digest = &landed.config.hex()[..12];
    format!(
        "{}  {}:{}  {sent} in {}; the registry answers with {digest}",
        landed.process_type,
        landed.repository,
        tags.join(","),
        seconds(landed.took)
    )
}

/// The same for programs.
pub(super) fn as_json(landed: &Landed) -> Value {
    json!({
        "event": "pushed",
        "type": landed.process_type.as_str(),
        "repository": landed.repository,
        "tags": landed.tags.iter().map(Tag::as_str).collect::<Vec<_>>(),
        "config": landed.config.as_str(),
        "manifest": landed.manifest.as_str(),
        "sent": landed.sent,
        "seconds": landed.took.as_secs_f64(),
    })
}
