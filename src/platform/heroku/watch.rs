//! A release that was asked for, to its end: its output as it comes, and what became of it (R9, cli-api §5.3).

use super::{Fault, Hosted};
use crate::heroku::shapes::Release;
use crate::heroku::{HerokuError, Output};
use crate::model::limits::RELEASE_TIMEOUT;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// Between two looks at a release whose output is being read: that tells of the end by itself, nearly always.
const WHILE_STREAMING: Duration = Duration::from_secs(5);
/// Between two looks at one that has no output to read.
const WITHOUT_STREAM: Duration = Duration::from_secs(1);
/// For what is still on its way when the release is over.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// More than a release command can run: Heroku ends it itself, and may take a moment.
const LONGEST: Duration = Duration::from_secs(RELEASE_TIMEOUT.as_secs() + 300);

/// What happens, for whoever shows it.
#[derive(Debug)]
pub enum Progress<'a> {
    /// Heroku has made the release.
    Made(&'a Release),
    /// Its release command runs.
    Running,
    /// What that prints, as it comes.
    Output(&'a [u8]),
}

/// Waits until a release is no longer pending. Fails when its release command does.
pub async fn watch(
    hosted: &Hosted,
    made: Release,
    show: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Release, Fault> {
    show(Progress::Made(&made));
    let mut release = made;
    let mut output = None;
    if let Some(url) = release.output_stream_url.as_deref() {
        show(Progress::Running);
        output = Some(Output::follow(hosted.api(), url, true)?);
    }
    let end = Instant::now() + LONGEST;
    let mut look = Instant::now() + WITHOUT_STREAM;
    while release.status == "pending" {
        if Instant::now() > end {
            return Err(Fault::StillPending { app: hosted.name().into(), version: release.version });
        }
        tokio::select! {
            piece = next(&mut output) => if let Some(piece) = piece {
                show(Progress::Output(&piece?));
            } else {
                output = None;
                look = Instant::now();
            },
            () = sleep_until(look) => {
                release = hosted.release(&release.version.to_string()).await?;
                look = Instant::now() + if output.is_some() { WHILE_STREAMING } else { WITHOUT_STREAM };
            }
        }
    }
    if let Some(output) = &mut output {
        let rest = async {
            while let Some(Ok(piece)) = output.next().await {
                show(Progress::Output(&piece));
            }
        };
        let _ = timeout(LAST_WORDS, rest).await;
    }
    match release.status.as_str() {
        "succeeded" => Ok(release),
        status => {
            Err(Fault::ReleaseFailed { app: hosted.name().into(), version: release.version, status: status.to_owned() })
        }
    }
}

/// The next piece; without an output, none ever comes.
async fn next(output: &mut Option<Output>) -> Option<Result<bytes::Bytes, HerokuError>> {
    match output {
        Some(output) => output.next().await,
        None => std::future::pending().await,
    }
}
