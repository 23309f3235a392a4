//! Where the API is: Heroku, unless the environment says otherwise.

use crate::web::is_loopback;
use http::Uri;
use http::uri::Scheme;
use std::fmt;

/// Heroku's own.
const USUAL: &str = "https://api.heroku.com";
/// `HEROKU_HOST` may be one of these or below (cli-api §2.1); a key goes to no other.
const OWN_DOMAINS: [&str; 4] = ["heroku.com", "herokai.com", "herokuspace.com", "herokudev.com"];

/// The API's base URL: a scheme, a host and perhaps a port, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    base: String,
    host: String,
}

/// A variable that names no API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {reason}")]
pub struct BadEndpoint {
    /// `HEROKU_API_URL` or `HEROKU_HOST`.
    pub variable: &'static str,
    /// What is wrong with its value.
    pub reason: &'static str,
}

impl Endpoint {
    /// `HEROKU_API_URL`, a URL; else `HEROKU_HOST` as the Heroku CLI reads it, a URL or a domain; else Heroku's own.
    pub fn find(environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, BadEndpoint> {
        if let Some(url) = environment("HEROKU_API_URL") {
            return Self::parse(&url).map_err(|reason| BadEndpoint { variable: "HEROKU_API_URL", reason });
        }
        let Some(host) = environment("HEROKU_HOST") else {
            return Ok(Self { base: USUAL.into(), host: "api.heroku.com".into() });
        };
        Self::of_host(&host).map_err(|reason| BadEndpoint { variable: "HEROKU_HOST", reason })
    }

    fn of_host(host: &str) -> Result<Self, &'static str> {
        let url = if host.starts_with("http") { host.to_owned() } else { format!("https://api.{host}") };
        let found = Self::parse(&url)?;
        let name = found.name();
        let own = OWN_DOMAINS.iter().any(|own| name == *own || name.ends_with(&format!(".{own}")));
        if own || is_loopback(name) {
            Ok(found)
        } else {
            Err("is none of Heroku's domains; name another API in full with HEROKU_API_URL")
        }
    }

    fn parse(url: &str) -> Result<Self, &'static str> {
        let uri: Uri = url.trim_end_matches('/').parse().map_err(|_| "is not a URL, as https://api.heroku.com")?;
        let authority = uri.authority().ok_or("has no host; write a URL, as https://api.heroku.com")?;
        if authority.as_str().contains('@') {
            return Err("has a user name or a key in it; a key is read from HEROKU_API_KEY");
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err("has a path; write scheme and host alone, as https://api.heroku.com");
        }
        match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => {}
            Some(scheme) if *scheme == Scheme::HTTP && is_loopback(authority.host()) => {}
            Some(scheme) if *scheme == Scheme::HTTP => {
                return Err("is plain HTTP, which only this machine is spoken to in");
            }
            _ => return Err("begins with neither https:// nor http://"),
        }
        let scheme = uri.scheme_str().unwrap_or("https");
        Ok(Self { base: format!("{scheme}://{authority}"), host: authority.to_string() })
    }

    /// Host and port, as a `machine` of netrc (cli-api §2.5) and in errors: `api.heroku.com`, `127.0.0.1:5000`.
    pub fn host(&self) -> &str {
        &self.host
    }

    fn name(&self) -> &str {
        self.host.rsplit_once(':').map_or(self.host.as_str(), |(name, _)| name)
    }

    /// The URL of a path of the API.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    fn with(variables: &[(&str, &str)]) -> Result<String, String> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Endpoint::find(&find).map(|endpoint| endpoint.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_api_is_heroku_s_unless_the_environment_names_another() {
        assert_eq!(with(&[]).unwrap(), "https://api.heroku.com");
        for (host, base) in [
            ("heroku.com", "https://api.heroku.com"),
            ("staging.herokudev.com", "https://api.staging.herokudev.com"),
            ("http://localhost:5000", "http://localhost:5000"),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5000"),
        ] {
            assert_eq!(with(&[("HEROKU_HOST", host)]).unwrap(), base);
        }
        let both = [("HEROKU_HOST", "heroku.com"), ("HEROKU_API_URL", "http://[::1]:7000")];
        assert_eq!(with(&both).unwrap(), "http://[::1]:7000");
    }

    #[test]
    fn a_key_goes_neither_to_strangers_nor_over_plain_http() {
        assert!(with(&[("HEROKU_HOST", "heroku.com.evil.example")]).unwrap_err().contains("none of Heroku's domains"));
        assert!(with(&[("HEROKU_HOST", "evilheroku.com")]).is_err());
        assert!(with(&[("HEROKU_HOST", "https://localhost.evil.example")]).is_err());
        for (url, says) in [
            ("http://api.example.com", "plain HTTP"),
            ("https://key@api.example.com", "a key in it"),
            ("ftp://api.example.com", "neither https"),
            ("https://api.example.com/v3", "has a path"),
            ("api.example.com", "neither https"),
            ("", "is not a URL"),
        ] {
            let error = with(&[("HEROKU_API_URL", url)]).unwrap_err();
            assert!(error.starts_with("HEROKU_API_URL ") && error.contains(says), "{url}: {error}");
        }
    }
}
