//! The app as resources: what the control says, in the API's shapes.

use super::Subject;
use super::shapes::{
    Account, App, Dyno, DynoUsage, Feature, Formation, Id, LogSession, Named, Person, Release, ReleaseRef, Waited,
    id_of,
};
use crate::model::dyno::DynoState;
use crate::model::process_type::ProcessType;
use crate::model::release::{self, ReleaseStatus, Version};
use crate::platform::control::{Measured, Place};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use tokio::time::Instant;

/// The one feature that can be switched while the app runs.
pub(super) const PREBOOT: &str = "preboot";

impl Subject {
    fn id(&self, kind: &str, key: &str) -> String {
        id_of(&[kind, &self.identity.id, key])
    }

    fn named(&self) -> Named {
        Named { id: self.identity.app_id(), name: self.app.clone() }
    }

    fn person(&self) -> Person {
        person(&self.user)
    }

    fn newest(&self) -> Option<String> {
        self.control.releases().0.pop().map(|release| release.created_at)
    }

    fn made_at(&self) -> String {
        self.newest().unwrap_or_else(|| rfc3339(self.clock.now()))
    }

    pub(super) fn account(&self) -> Account {
        let Person { email, id } = self.person();
        let name = email.split('@').next().map(str::to_owned);
        Account {
            allow_tracking: false,
            beta: false,
            email,
            id,
            name,
            two_factor_authentication: false,
            verified: true,
        }
    }

    pub(super) fn view(&self) -> App {
        let releases = self.control.releases().0;
        let now = || rfc3339(self.clock.now());
        let first = releases.first().map_or_else(now, |release| release.created_at.clone());
        let newest = releases.last().map(|release| release.created_at.clone());
        let kind = |name: &str| Named { id: id_of(&["kind", name]), name: name.to_owned() };
        App {
            acm: false,
            archived_at: None,
            build_stack: kind("container"),
            create_status: "complete".into(),
            created_at: first.clone(),
            generation: kind("cedar"),
            git_url: format!("https://git.localhost/{}.git", self.app),
            id: self.identity.app_id(),
            maintenance: self.control.maintenance(),
            name: self.app.clone(),
            owner: self.person(),
            region: kind("local"),
            released_at: newest.clone(),
            repo_size: None,
            slug_size: None,
            space: None,
            stack: kind("container"),
            team: None,
            updated_at: newest.unwrap_or(first),
            web_url: self.web_url(),
        }
    }

    /// Where the router listens, as the lock file says.
    fn web_url(&self) -> Option<String> {
        let has_web = self.control.process_types().contains(&ProcessType::web());
        let port = self.state.holder().ok().flatten()?.port.filter(|_| has_web)?;
        Some(format!("http://localhost:{port}/"))
    }

    /// The dynos of the formation, in the order of their names; then those beside it.
    pub(super) fn dynos(&self) -> Vec<Dyno> {
        let wanted = self.wanted();
        self.control.places().iter().filter(|place| wanted(place)).map(|place| self.dyno(place)).collect()
    }

    /// What they use, measured now.
    pub(super) async fn usage(&self) -> Vec<DynoUsage> {
        let measured = self.control.measure().await;
        let wanted = self.wanted();
        let one = |measured: &Measured| DynoUsage {
            name: measured.place.name.to_string(),
            memory: measured.memory,
            memory_quota: measured.place.size.quota,
        };
        measured.iter().filter(|measured| wanted(&measured.place)).map(one).collect()
    }

    /// Which places are listed: those of the formation, and one-off dynos.
    fn wanted(&self) -> impl Fn(&Place) -> bool {
        let formation = self.control.formation();
        move |place| {
            let scale = formation.get(&place.name.process_type);
            let of = &place.name.process_type;
            *of == ProcessType::run() || of.is_release() || scale.is_some_and(|s| place.name.number <= s.quantity)
        }
    }

    pub(super) fn dyno(&self, place: &Place) -> Dyno {
        let name = place.name.to_string();
        let since = rfc3339(self.clock.now() - (Instant::now() - place.status.since));
        Dyno {
            app: self.named(),
            attach_url: None,
            command: place.command.clone(),
            created_at: since.clone(),
            id: self.id("dyno", &format!("{name} {} {}", place.version, place.starts)),
            process_type: place.name.process_type.to_string(),
            name,
            release: ReleaseRef { id: self.release_id(place.version), version: place.version.0 },
            size: place.size.name.into(),
            state: place.status.state.to_string(),
            updated_at: since,
            starts: place.starts,
        }
    }

    /// Every process type and what is wanted of it.
    pub(super) fn formation(&self) -> Vec<Formation> {
        let (deployed, at) = (self.control.deployed(), self.made_at());
        let command = |process_type: &ProcessType| {
            let runnable = deployed.as_ref()?.slate.types.get(process_type)?;
            Some(runnable.launch.command.clone())
        };
        let one = |(process_type, scale): (ProcessType, crate::model::formation::Scale)| Formation {
            app: self.named(),
            command: command(&process_type).unwrap_or_default(),
            created_at: at.clone(),
            id: self.id("formation", process_type.as_str()),
            quantity: scale.quantity,
            size: scale.size.name.into(),
            process_type: process_type.to_string(),
            updated_at: at.clone(),
        };
        self.control.formation().into_iter().map(one).collect()
    }

    fn release_id(&self, version: Version) -> String {
        self.id("release", &version.0.to_string())
    }

    /// A release; `host` is what the client calls this server.
    pub(super) fn release(&self, release: &release::Release, current: Option<Version>, host: &str) -> Release {
        let mut view = offline_release(&self.app, &self.identity, release, current);
        view.output_stream_url =
            release.release_dyno.as_ref().map(|_| format!("http://{host}/streams/releases/{}", release.version.0));
        view
    }

    /// Every release, oldest first.
    pub(super) fn releases(&self, host: &str) -> Vec<Release> {
        let (all, current) = self.control.releases();
        all.iter().map(|release| self.release(release, current, host)).collect()
    }

    /// A release by number, `v` and number, id, or `current`.
    pub(super) fn find_release(&self, asked: &str) -> Option<release::Release> {
        let (all, current) = self.control.releases();
        let number = asked.strip_prefix(['v', 'V']).unwrap_or(asked).parse::<u64>().ok();
        all.into_iter().find(|release| {
            let version = release.version;
            number == Some(version.0)
                || self.release_id(version) == asked
                || (asked == "current" && current == Some(version))
        })
    }

    pub(super) fn features(&self) -> Vec<Feature> {
        let at = self.made_at();
        vec![Feature {
            created_at: at.clone(),
            description: "New web dynos take requests before the old ones stop.".into(),
            doc_url: "https://devcenter.heroku.com/articles/preboot".into(),
            enabled: self.control.preboot(),
            id: self.id("feature", PREBOOT),
            name: PREBOOT.into(),
            state: "general".into(),
            updated_at: at,
        }]
    }

    pub(super) fn log_session(&self, id: String, host: &str) -> LogSession {
        let now = rfc3339(self.clock.now());
        let logplex_url = format!("http://{host}/streams/logs/{id}");
        LogSession { created_at: now.clone(), id, logplex_url, updated_at: now }
    }

    pub(super) fn waited(&self, up: bool) -> Waited {
        let crashed = |place: &&Place| place.status.state == DynoState::Crashed;
        let crashed = self.control.places().iter().filter(crashed).map(|place| place.name.to_string()).collect();
        Waited { up, crashed }
    }
}

/// A release of an app that may not run now, as it was written down.
pub fn offline_release(
    app: &str,
    identity: &crate::platform::state::Identity,
    release: &release::Release,
    current: Option<Version>,
) -> Release {
    let images: BTreeMap<String, String> =
        release.slug.iter().map(|(name, image)| (name.to_string(), image.0.clone())).collect();
    let slug: Vec<&str> = images.iter().flat_map(|(name, image)| [name.as_str(), image.as_str()]).collect();
    Release {
        addon_plan_names: Vec::new(),
        app: Named { id: identity.app_id(), name: app.to_owned() },
        created_at: release.created_at.clone(),
        current: current == Some(release.version),
        description: release.description.clone(),
        eligible_for_rollback: release.is_eligible(),
        id: id_of(&["release", &identity.id, &release.version.0.to_string()]),
        slug: (!images.is_empty()).then(|| Id { id: id_of(&slug) }),
        images,
        output_stream_url: None,
        status: word(release.status).into(),
        updated_at: release.created_at.clone(),
        user: person(&release.user),
        version: release.version.0,
    }
}

fn person(email: &str) -> Person {
    Person { email: email.to_owned(), id: id_of(&["user", email]) }
}

fn word(status: ReleaseStatus) -> &'static str {
    match status {
        ReleaseStatus::Pending => "pending",
        ReleaseStatus::Succeeded => "succeeded",
        ReleaseStatus::Failed => "failed",
        ReleaseStatus::Expired => "expired",
    }
}

/// `2026-11-21T03:08:15Z`
pub(super) fn rfc3339(at: OffsetDateTime) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    at.to_offset(time::UtcOffset::UTC).format(format).unwrap_or_default()
}
