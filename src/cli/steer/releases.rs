//! `releases`, `releases:info`, `releases:output`, `rollback`

use super::{Done, SteerError, Steering, below, failed, show};
use crate::api::shapes::{ConfigVars, Release};
use crate::api::{Client, offline_release};
use crate::cli::args::steer::{Info, Releases as Args};
use crate::logs::{Filter, Follower, ParsedLine, Start};
use crate::model::exit_code::ExitCode as Code;
use crate::model::log::Source;
use crate::model::release;
use crate::platform::PlatformError;
use crate::platform::store::Releases;
use serde_json::json;

impl Steering<'_> {
    /// What was written down of the releases: the same, whether the app runs or not.
    fn kept(&self) -> Result<Releases, SteerError> {
        Ok(Releases::open(&self.state).map_err(PlatformError::io("read the releases"))?)
    }

    pub(super) async fn releases(&self, args: &Args) -> Done {
        let number = usize::from(args.number);
        let (name, releases) = if let Some((mut client, app)) = self.running().await? {
            let range = format!("version ..; max={number}, order=desc");
            (app.name, client.range::<Release>(&below("releases"), &range).await?)
        } else {
            let (name, kept) = (self.name(), self.kept()?);
            let current = kept.current().map(|release| release.version);
            let view = |release: &release::Release| offline_release(&name, &self.identity, release, current);
            let mut all: Vec<Release> = kept.iter().map(view).collect();
            all.reverse();
            all.truncate(number);
            (name, all)
        };
        if self.json() {
            return self.out_json(&releases);
        }
        self.out_all(&show::releases(&name, &releases, self.session.clock.now()));
        Ok(Code::Ok)
    }

    /// A release, the newest when none is named, with its config vars.
    async fn release(&self, asked: Option<u64>) -> Result<(Release, ConfigVars), SteerError> {
        if let Some((mut client, app)) = self.running().await? {
            let release = one_release(&mut client, asked).await?;
            let release = release.ok_or_else(|| failed(format!("{} has no releases.", app.name)))?;
            let config = client.get(&below(&format!("releases/{}/config-vars", release.version))).await?;
            return Ok((release, config));
        }
        let kept = self.kept()?;
        let found = kept.iter().filter(|release| asked.is_none_or(|version| release.version.0 == version)).last();
        let found = found.ok_or_else(|| match asked {
            Some(version) => failed(format!("Couldn't find that release: v{version}")),
            None => failed(format!("{} has no releases.", self.name())),
        })?;
        let current = kept.current().map(|release| release.version);
        Ok((offline_release(&self.name(), &self.identity, found, current), found.config.clone()))
    }

    pub(super) async fn release_info(&self, args: &Info) -> Done {
        let (release, config) = self.release(args.release).await?;
        if self.json() {
            return self.out_json(&release);
        }
        self.out_all(&show::release(&release, &config, args.shell));
        Ok(Code::Ok)
    }

    pub(super) async fn release_output(&self, asked: Option<u64>) -> Done {
        let (release, _) = self.release(asked).await?;
        let kept = self.kept()?;
        let found = kept.iter().find(|kept| kept.version.0 == release.version);
        let Some(dyno) = found.and_then(|release| release.release_dyno.clone()) else {
            self.warn(&show::no_output(release.version));
            return Ok(Code::Ok);
        };
        match self.running().await? {
            Some((client, _)) => self.follow_output(client, release.version).await,
            None => self.print_output(dyno).await,
        }
    }

    /// What the release command has printed, and prints until it ends.
    async fn follow_output(&self, client: Client, version: u64) -> Done {
        let mut lines = client.lines(&format!("/streams/releases/{version}")).await?;
        while let Some(line) = lines.next().await {
            self.out(String::from_utf8_lossy(&line).trim_start_matches('\0'));
        }
        Ok(Code::Ok)
    }

    /// What the release dyno of an app that does not run has printed, from the log.
    async fn print_output(&self, dyno: String) -> Done {
        let filter = Filter { processes: vec![dyno], source: Some(Source::App), ..Filter::default() };
        let follower = Follower::outside(&self.state.file("journal"), Start::Oldest, filter, Box::new(|| false));
        let mut follower = follower.map_err(PlatformError::io("read the log"))?;
        while let Some(lines) = follower.next_lines().await.map_err(PlatformError::io("read the log"))? {
            for line in lines.split(|byte| *byte == b'\n').filter_map(ParsedLine::parse) {
                self.out(&String::from_utf8_lossy(line.text));
            }
        }
        Ok(Code::Ok)
    }

    pub(super) async fn rollback(&self, asked: Option<u64>) -> Done {
        let (mut client, app) = self.app().await?;
        let target = target(&mut client, &app.name, asked).await?;
        let doing = format!("Rolling back {} to v{}", app.name, target.version);
        let made: Release = self
            .progress(&doing, async {
                let made: Release = client.post(&below("releases"), &json!({"release": target.id})).await?;
                let outcome = format!("done, v{}", made.version);
                Ok((made, outcome))
            })
            .await?;
        for words in show::after_rollback(&made, None) {
            self.warn(&words);
        }
        if made.output_stream_url.is_some() {
            self.session.printer.err("Running release command...");
            self.release_output(Some(made.version)).await?;
            let release: Release = client.get(&below(&format!("releases/{}", made.version))).await?;
            if release.status == "failed" {
                return Err(SteerError::Said(
                    Code::Release,
                    format!("the release command of v{} failed", made.version),
                ));
            }
        }
        if self.json() { self.out_json(&made) } else { Ok(Code::Ok) }
    }
}

/// The release of that number, or the newest.
async fn one_release(client: &mut Client, asked: Option<u64>) -> Result<Option<Release>, SteerError> {
    if let Some(version) = asked {
        return Ok(Some(client.get(&below(&format!("releases/{version}"))).await?));
    }
    let newest: Vec<Release> = client.range(&below("releases"), "version ..; max=1, order=desc").await?;
    Ok(newest.into_iter().next())
}

/// What to go back to: the release before the current one, unless one is named.
async fn target(client: &mut Client, app: &str, asked: Option<u64>) -> Result<Release, SteerError> {
    if let Some(version) = asked {
        return Ok(client.get(&below(&format!("releases/{version}"))).await?);
    }
    let all: Vec<Release> = client.range(&below("releases"), "version ..; order=desc").await?;
    show::rollback_target(app, &all).map_err(failed)
}
