//! What a release runs: for each process type its image and its command, checked before anything is started.

use super::builds::BuiltSlug;
use super::error::PlatformError;
use super::native;
use super::report::Reporter;
use crate::model::app::{App, CommandText};
use crate::model::image::ImageFacts;
use crate::model::launch::{Launch, LaunchError, LaunchOptions};
use crate::model::limits;
use crate::model::process_type::ProcessType;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One process type, ready to be started.
#[derive(Clone, Debug)]
pub struct Runnable {
    /// The image it runs on.
    pub image: Arc<ImageFacts>,
    /// Its final command.
    pub launch: Arc<Launch>,
}

/// Everything a release runs.
#[derive(Clone, Debug, Default)]
pub struct Slate {
    /// Process types whose image was built.
    pub types: BTreeMap<ProcessType, Runnable>,
    /// The release command.
    pub release: Option<Runnable>,
    /// How its commands were formed.
    pub launch: LaunchOptions,
}

impl Slate {
    /// Puts images and commands together. A type in `wanted` that cannot be launched is refused in Heroku's words.
    pub fn of(
        app: &App,
        built: &BuiltSlug,
        wanted: &[&ProcessType],
        options: LaunchOptions,
    ) -> Result<Self, PlatformError> {
        Self::of_facts(app, &built.facts, wanted, options)
    }

    /// The same, of images that are there.
    pub fn of_facts(
        app: &App,
        facts: &BTreeMap<ProcessType, Arc<ImageFacts>>,
        wanted: &[&ProcessType],
        options: LaunchOptions,
    ) -> Result<Self, PlatformError> {
        let mut slate = Self { launch: options, ..Self::default() };
        for (process_type, spec) in &app.processes {
            let Some(image) = facts.get(&spec.image) else { continue };
            let made = runnable(process_type, image, spec.command.as_ref(), options);
            match on_engine(app, &spec.image, process_type, spec.command.is_some(), made) {
                Ok(runnable) => {
                    slate.types.insert(process_type.clone(), runnable);
                }
                Err(error) if wanted.contains(&process_type) => return Err(error),
                Err(_) => {}
            }
        }
        if let Some(release) = &app.release
            && let Some(image) = facts.get(&release.image)
        {
            let process_type = ProcessType::release();
            let made = runnable(&process_type, image, release.command.as_ref(), options);
            slate.release = Some(on_engine(app, &release.image, &process_type, release.command.is_some(), made)?);
        }
        Ok(slate)
    }

    /// Says, once for each type, what will surprise: of the command and of the image.
    pub fn say_notes(&self, report: &Reporter) {
        let release = self.release.iter().map(|runnable| (ProcessType::release(), runnable));
        let types = self.types.iter().map(|(name, runnable)| (name.clone(), runnable));
        for (name, runnable) in types.chain(release) {
            for note in &runnable.launch.notes {
                report.note(format!("{name}: {note}"));
            }
            for note in image_notes(&runnable.image) {
                report.note(format!("{name}: {note}"));
            }
        }
    }
}

/// Where there are no images, a command must be one of this machine.
fn on_engine(
    app: &App,
    image: &ProcessType,
    process_type: &ProcessType,
    named: bool,
    made: Result<Runnable, PlatformError>,
) -> Result<Runnable, PlatformError> {
    match made {
        Ok(runnable) => match native::no_program(app, image, process_type, &runnable.launch) {
            Some(refusal) => Err(refusal),
            None => Ok(runnable),
        },
        // Without a command of its own, what is missing is the image's CMD.
        Err(error) if !named => Err(native::no_command(app, image, process_type).unwrap_or(error)),
        Err(error) => Err(error),
    }
}

/// Image and command of one type.
pub fn runnable(
    process_type: &ProcessType,
    image: &Arc<ImageFacts>,
    command: Option<&CommandText>,
    options: LaunchOptions,
) -> Result<Runnable, PlatformError> {
    let launch = Launch::of(process_type, image, command, &options).map_err(|error| refused(process_type, &error))?;
    Ok(Runnable { image: Arc::clone(image), launch: Arc::new(launch) })
}

fn refused(process_type: &ProcessType, error: &LaunchError) -> PlatformError {
    let help = match error {
        LaunchError::NoCommand(_) => format!(
            "Heroku refuses to release it: add a CMD to its Dockerfile (an ENTRYPOINT alone is not enough, R1.3), or a \
             command for {process_type} to heroku.yml"
        ),
        LaunchError::Quoting { .. } => "close the quote, or escape it with a backslash".into(),
    };
    PlatformError::Refused { process_type: process_type.clone(), reason: error.to_string(), help }
}

/// What an image asks for and Heroku does not give (R1.2, R1.3).
pub fn image_notes(image: &ImageFacts) -> Vec<String> {
    let mut notes = Vec::new();
    if !image.volumes.is_empty() {
        notes.push(format!("VOLUME {} has no effect: Heroku does not support it (R1.3)", image.volumes.join(" ")));
    }
    if image.healthcheck {
        notes.push("HEALTHCHECK has no effect: Heroku does not run it (R1.3)".into());
    }
    if let Some(signal) = image.stop_signal.as_deref().filter(|signal| *signal != "SIGTERM" && *signal != "15") {
        notes.push(format!("STOPSIGNAL {signal} has no effect: every dyno gets SIGTERM (R1.3)"));
    }
    if image.architecture != "amd64" && !image.architecture.is_empty() {
        notes.push(format!("the image is for {}; Heroku runs amd64 (R1.2)", image.architecture));
    }
    if image.layers > limits::IMAGE_LAYERS {
        notes.push(format!(
            "the image has {} layers; with more than {} it may fail to start on Heroku (R1.2)",
            image.layers,
            limits::IMAGE_LAYERS
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::image_notes;
    use crate::engine::fake::usual_image;

    #[test]
    fn r1_2_other_architectures_and_too_many_layers_are_said() {
        let mut image = usual_image("a");
        assert!(image_notes(&image).is_empty());
        image.architecture = "arm64".into();
        image.layers = 41;
        let notes = image_notes(&image);
        assert!(notes[0].contains("arm64") && notes[0].contains("amd64"), "{notes:?}");
        assert!(notes[1].contains("41 layers"), "{notes:?}");
    }

    #[test]
    fn r1_3_instructions_without_effect_are_said_and_sigterm_is_not() {
        let mut image = usual_image("a");
        image.volumes = vec!["/data".into()];
        image.healthcheck = true;
        image.stop_signal = Some("SIGQUIT".into());
        let notes = image_notes(&image).join("\n");
        for word in ["VOLUME /data", "HEALTHCHECK", "STOPSIGNAL SIGQUIT"] {
            assert!(notes.contains(word), "{notes}");
        }
        image.stop_signal = Some("SIGTERM".into());
        assert!(!image_notes(&image).join("").contains("STOPSIGNAL"));
    }
}
