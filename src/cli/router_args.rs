//! The options of `up` that shape the router. Features have Heroku's own names; what Heroku has no name for is a
//! `--router-option`.

use crate::model::domain::Domain;
use crate::model::timeouts::Timeouts;
use crate::platform::front::{FrontOptions, Https};
use crate::platform::port::{DEFAULT, DEFAULT_HTTPS, PortChoice};
use crate::router::{Generation, RouterConfig};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How the app is reached.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Router")]
pub(super) struct RouterArgs {
    /// The router's port; without this 5006 or the next free one
    #[arg(short = 'p', long, value_name = "PORT")]
    pub(super) port: Option<u16>,
    /// HTTPS too, on PORT, or 5443 or the next free one; see `dynosim trust`
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true)]
    #[allow(clippy::option_option, reason = "not given, given alone, given with a port")]
    pub(super) https: Option<Option<u16>>,
    /// A domain of the app: www.example.com or *.example.com; may be given again
    #[arg(long = "domain", value_name = "NAME")]
    pub(super) domains: Vec<Domain>,
    /// Which of Heroku's routers
    #[arg(long = "router", value_enum, value_name = "ROUTER", default_value_t = Which::Router2)]
    pub(super) which: Which,
    /// A feature of Heroku's router: http-session-affinity, …; may be given again
    ///
    /// http-session-affinity: a cookie leads each client back to its dyno. http-disable-keepalive-to-dyno: a new
    /// connection to the dyno for each request. http-end-to-end-continue: the app itself answers
    /// `Expect: 100-continue`.
    #[arg(long = "feature", value_name = "FEATURE", value_delimiter = ',', value_parser = feature)]
    pub(super) features: Vec<Switch>,
    /// Start in maintenance mode: every request is answered with H80
    #[arg(long)]
    pub(super) maintenance: bool,
    /// What Heroku fixes: replay-stale, connection-limit=N, …; may be given again
    ///
    /// replay-stale: send a request without a body again when a kept dyno connection turns out closed (Heroku: H13).
    /// nel: the Network Error Logging headers. h34: all dynos quarantined is H34, not H99. half-close: keep answering
    /// a client that has closed its sending side (Heroku: H27). forwarded-port=N: X-Forwarded-Port, such as 443.
    /// connection-limit=N: client connections in all, above which H22.
    #[arg(long = "router-option", value_name = "OPTION", value_delimiter = ',', value_parser = router_option)]
    pub(super) options: Vec<Switch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Which {
    /// Router 2.0, the default of new apps
    #[value(name = "2.0")]
    Router2,
    /// The router before it
    Legacy,
}

/// One thing to set in the router's config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    SessionAffinity,
    DisableKeepAlive,
    EndToEndContinue,
    ReplayStale,
    Nel,
    H34,
    HalfClose,
    ForwardedPort(u16),
    ConnectionLimit(usize),
}

const FEATURES: [(&str, Switch); 3] = [
    ("http-session-affinity", Switch::SessionAffinity),
    ("http-disable-keepalive-to-dyno", Switch::DisableKeepAlive),
    ("http-end-to-end-continue", Switch::EndToEndContinue),
];

const OPTIONS: [(&str, Switch); 4] = [
    ("replay-stale", Switch::ReplayStale),
    ("nel", Switch::Nel),
    ("h34", Switch::H34),
    ("half-close", Switch::HalfClose),
];

fn feature(text: &str) -> Result<Switch, String> {
    named(&FEATURES, text).ok_or_else(|| format!("features are {}", names(&FEATURES)))
}

fn router_option(text: &str) -> Result<Switch, String> {
    let number = |value: &str, least: usize, most: usize| {
        let range = if most == usize::MAX { format!("{least} or more") } else { format!("{least} to {most}") };
        let number = value.parse::<usize>().ok().filter(|n| (least..=most).contains(n));
        number.ok_or_else(|| format!("`{value}` is not a number, {range}"))
    };
    match text.split_once('=') {
        Some(("forwarded-port", port)) => {
            let port = u16::try_from(number(port, 1, usize::from(u16::MAX))?).unwrap_or_default();
            Ok(Switch::ForwardedPort(port))
        }
        Some(("connection-limit", limit)) => Ok(Switch::ConnectionLimit(number(limit, 1, usize::MAX)?)),
        Some((name, _)) if named(&OPTIONS, name).is_some() => Err(format!("`{name}` takes no value: write it alone")),
        None if text == "forwarded-port" || text == "connection-limit" => {
            Err(format!("`{text}` takes a number: {text}=443"))
        }
        _ => named(&OPTIONS, text)
            .ok_or_else(|| format!("options are {}, forwarded-port=N and connection-limit=N", names(&OPTIONS))),
    }
}

fn named(all: &[(&str, Switch)], text: &str) -> Option<Switch> {
    all.iter().find(|(name, _)| *name == text).map(|(_, switch)| *switch)
}

fn names(all: &[(&str, Switch)]) -> String {
    all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl Switch {
    fn set(self, router: &mut RouterConfig) {
        match self {
            Self::SessionAffinity => router.session_affinity = true,
            Self::DisableKeepAlive => router.keep_alive_to_dynos = false,
            Self::EndToEndContinue => router.end_to_end_continue = true,
            Self::ReplayStale => router.replay_stale = true,
            Self::Nel => router.network_error_logging = true,
            Self::H34 => router.quarantine_is_h34 = true,
            Self::HalfClose => router.half_close = true,
            Self::ForwardedPort(port) => router.forwarded_port = Some(port),
            Self::ConnectionLimit(limit) => router.connection_limit = Some(limit),
        }
    }
}

impl RouterArgs {
    /// As the platform takes them; `config` is the user's config folder. The error is a sentence.
    pub(super) fn options(
        &self,
        timeouts: &Timeouts,
        config: impl FnOnce() -> Result<PathBuf, String>,
    ) -> Result<FrontOptions, String> {
        let choice = |port: Option<u16>, default: PortChoice| port.map_or(default, PortChoice::Exactly);
        if let (Some(http), Some(Some(https))) = (self.port, self.https)
            && http == https
            && http != 0
        {
            return Err(format!("HTTP and HTTPS cannot both have port {http}: choose another for --https"));
        }
        if self.domains.len() > Domain::LIMIT {
            return Err(format!("an app has at most {} domains, and here are {}", Domain::LIMIT, self.domains.len()));
        }
        let https = match self.https {
            Some(port) => Some(Https { port: choice(port, DEFAULT_HTTPS), config: config()? }),
            None => None,
        };
        let mut router = RouterConfig::new(timeouts.clone());
        router.generation = match self.which {
            Which::Router2 => Generation::Router2,
            Which::Legacy => Generation::Legacy,
        };
        for switch in self.features.iter().chain(&self.options) {
            switch.set(&mut router);
        }
        Ok(FrontOptions {
            port: choice(self.port, DEFAULT),
            https,
            router,
            domains: self.domains.clone(),
            maintenance: self.maintenance,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::RouterArgs;
    use crate::model::timeouts::Timeouts;
    use crate::platform::front::FrontOptions;
    use crate::platform::port::PortChoice;
    use crate::router::Generation;
    use clap::{Args, Command, FromArgMatches};

    fn read(words: &[&str]) -> Result<FrontOptions, String> {
        let command = RouterArgs::augment_args(Command::new("up"));
        let matches = command.try_get_matches_from([&["up"], words].concat()).map_err(|error| error.to_string())?;
        let args = RouterArgs::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        args.options(&Timeouts::heroku(), || Ok("/config".into()))
    }

    #[test]
    fn without_options_the_router_is_heroku_s_default() {
        let front = read(&[]).unwrap();
        assert_eq!(front.port, PortChoice::From(5006));
        assert!(front.https.is_none() && front.domains.is_empty() && !front.maintenance);
        assert_eq!(front.router.generation, Generation::Router2);
        assert!(
            front.router.keep_alive_to_dynos && !front.router.session_affinity && !front.router.end_to_end_continue
        );
    }

    #[test]
    fn https_stands_alone_or_with_a_port() {
        assert_eq!(read(&["--https"]).unwrap().https.unwrap().port, PortChoice::From(5443));
        assert_eq!(read(&["--https=8443"]).unwrap().https.unwrap().port, PortChoice::Exactly(8443));
        assert!(read(&["-p", "8080", "--https=8080"]).unwrap_err().contains("8080"));
        assert!(read(&["--https=no"]).is_err());
    }

    #[test]
    fn every_feature_and_option_reaches_the_router() {
        let front = read(&[
            "--feature",
            "http-session-affinity,http-disable-keepalive-to-dyno",
            "--feature=http-end-to-end-continue",
            "--router-option=replay-stale,nel,h34,half-close",
            "--router-option=forwarded-port=443,connection-limit=10",
            "--router=legacy",
            "--maintenance",
            "--domain=www.example.com",
            "--domain=*.example.org",
        ])
        .unwrap();
        let router = front.router;
        assert!(router.session_affinity && !router.keep_alive_to_dynos && router.end_to_end_continue);
        assert!(router.replay_stale && router.network_error_logging && router.quarantine_is_h34 && router.half_close);
        assert_eq!((router.forwarded_port, router.connection_limit), (Some(443), Some(10)));
        assert_eq!(router.generation, Generation::Legacy);
        assert!(front.maintenance);
        let domains: Vec<&str> = front.domains.iter().map(crate::model::domain::Domain::as_str).collect();
        assert_eq!(domains, ["www.example.com", "*.example.org"]);
    }

    #[test]
    fn what_is_not_known_names_what_is() {
        for (words, part) in [
            (["--feature", "session-affinity"], "http-session-affinity, http-disable-keepalive-to-dyno"),
            (["--router-option", "fast"], "replay-stale, nel, h34, half-close, forwarded-port=N"),
            (["--router-option", "nel=1"], "`nel` takes no value"),
            (["--router-option", "connection-limit"], "takes a number"),
            (["--router-option", "connection-limit=0"], "1 or more"),
            (["--router-option", "forwarded-port=70000"], "1 to 65535"),
            (["--router", "3.0"], "legacy"),
            (["--domain", "https://x.example"], "without scheme"),
            (["--domain", "*.com"], "*.example.com"),
        ] {
            let error = read(&words).unwrap_err();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }

    #[test]
    fn an_app_has_a_thousand_domains_at_most() {
        let words: Vec<String> = (0..1001).map(|n| format!("--domain=x{n}.example.com")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert!(read(&words[..1000]).is_ok());
        assert!(read(&words).unwrap_err().contains("at most 1000"));
    }
}
