//! Which dynos stand behind which host. The platform publishes a whole new [`Table`] on every change; the router
//! reads the newest one for each request and knows nothing else of dynos.

use super::traffic::Traffic;
use crate::model::dyno::{DynoName, DynoState};
use crate::model::endpoint::Endpoint;
use std::net::IpAddr;

/// Every app the router serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Usually one.
    pub apps: Vec<Route>,
}

/// One app as the router sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The app's name; `<app>.localhost` always leads to it.
    pub app: String,
    /// Further hosts that lead to it.
    pub hosts: Vec<HostRule>,
    /// Maintenance mode: every request is H80.
    pub maintenance: bool,
    /// No release yet: every request is H81.
    pub blank: bool,
    /// The web dynos, and only those: none means H14.
    pub dynos: Vec<Backend>,
    /// Config var `ERROR_PAGE_URL`, shown in the error page's frame.
    pub error_page_url: Option<String>,
    /// Config var `MAINTENANCE_PAGE_URL`, shown in the maintenance page's frame.
    pub maintenance_page_url: Option<String>,
}

/// One web dyno.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// `web.1`
    pub name: DynoName,
    /// A new number at each start, so that no request reaches a socket of the dyno's past life.
    pub generation: u64,
    /// Only `Up` gets requests; `Starting` makes them wait; all `Crashed` is H10.
    pub state: DynoState,
    /// Where it can be dialled, once it is up.
    pub endpoint: Option<Endpoint>,
    /// Counts the requests that are there.
    pub traffic: Traffic,
}

/// A domain of an app (§13). Case, port and a trailing dot do not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRule {
    /// `www.example.com`
    Exact(String),
    /// The part behind the star of `*.example.com`: `example.com`.
    Wildcard(String),
}

impl HostRule {
    /// Reads a domain as `heroku domains:add` takes it.
    pub fn parse(domain: &str) -> Self {
        let domain = plain(domain);
        match domain.strip_prefix("*.") {
            Some(rest) => Self::Wildcard(rest.to_owned()),
            None => Self::Exact(domain),
        }
    }
}

impl Table {
    /// The app that a `Host` header leads to: an exact name before a wildcard; with one app in all, also
    /// `localhost`, any name under it, and any address (§13).
    pub fn find(&self, host: &str) -> Option<usize> {
        if let [only] = self.apps.as_slice()
            && only.hosts.is_empty()
            && is_local(host_name(host))
        {
            return Some(0);
        }
        let host = plain(host);
        let exact = |route: &Route| {
            host.strip_suffix(".localhost").is_some_and(|name| name.eq_ignore_ascii_case(&route.app))
                || route.hosts.iter().any(|rule| matches!(rule, HostRule::Exact(name) if *name == host))
        };
        let wild = |route: &Route| {
            route.hosts.iter().any(|rule| match rule {
                HostRule::Wildcard(rest) => host.strip_suffix(rest.as_str()).is_some_and(|head| head.ends_with('.')),
                HostRule::Exact(_) => false,
            })
        };
        let local = || (self.apps.len() == 1 && is_local(&host)).then_some(0);
        self.apps.iter().position(exact).or_else(|| self.apps.iter().position(wild)).or_else(local)
    }
}

/// A host as it is compared: lower case, without port and trailing dot.
fn plain(host: &str) -> String {
    host_name(host).trim_end_matches('.').to_ascii_lowercase()
}

/// A `Host` header without its port.
fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_local(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || name.len() > 10 && name.as_bytes()[name.len() - 10..].eq_ignore_ascii_case(b".localhost")
}

#[cfg(test)]
mod tests {
    use super::{HostRule, Route, Table};

    fn app(name: &str, hosts: &[&str]) -> Route {
        Route { app: name.into(), hosts: hosts.iter().map(|h| HostRule::parse(h)).collect(), ..Route::default() }
    }

    #[test]
    fn one_app_answers_for_localhost_addresses_and_names_under_localhost() {
        for hosts in [&[][..], &["www.example.com"]] {
            let table = Table { apps: vec![app("shop", hosts)] };
            for host in ["localhost", "LOCALHOST:5006", "127.0.0.1:5006", "[::1]:5006", "x.localhost", "shop.localhost"]
            {
                assert_eq!(table.find(host), Some(0), "{host}");
            }
            for host in ["other.example.com", "notlocalhost", "localhost.example.com"] {
                assert_eq!(table.find(host), None, "{host}");
            }
        }
    }

    #[test]
    fn an_exact_domain_beats_a_wildcard_and_case_port_and_final_dot_do_not_matter() {
        let table = Table { apps: vec![app("a", &["*.example.com"]), app("b", &["www.example.com"])] };
        assert_eq!(table.find("WWW.example.com.:80"), Some(1));
        assert_eq!(table.find("x.example.com"), Some(0));
        assert_eq!(table.find("x.y.example.com"), Some(0));
        assert_eq!(table.find("example.com"), None);
        assert_eq!(table.find("notexample.com"), None);
        assert_eq!(table.find("b.localhost"), Some(1));
        assert_eq!(table.find("localhost"), None);
    }
}
