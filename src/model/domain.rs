//! A custom domain of an app, as `heroku domains:add` takes it (§13).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// `www.example.com` or `*.example.com`: lower case, checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(String);

/// Why a text is no domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDomain {
    /// `https://www.example.com`, `www.example.com/x`, `www.example.com:80`
    #[error("write the name alone, without scheme, port and path, as www.example.com")]
    NotAName,
    /// An IP address.
    #[error("an address is no domain; the router answers on 127.0.0.1 and ::1 without being told")]
    Address,
    /// `localhost`, `com`
    #[error("a domain has at least two labels, as example.com")]
    OneLabel,
    /// `*`, `*.com`, `www.*.com`, `*x.example.com`
    #[error("a wildcard is a whole label, the first one, before a domain: *.example.com")]
    Wildcard,
    /// `bücher.example`
    #[error("write it in its ASCII form, as xn--bcher-kva.example")]
    NotAscii,
    /// A label with other letters, too long, or with a hyphen at its end.
    #[error("`{0}` is not a label of a domain: letters, digits and inner hyphens, at most 63")]
    Label(String),
    /// More than 253 bytes.
    #[error("a domain has at most 253 letters")]
    TooLong,
}

impl Domain {
    /// An app has at most this many (§13).
    pub const LIMIT: usize = 1000;

    /// The name, with `*.` in front if it is a wildcard.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a wildcard.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }

    /// The name without `*.`.
    pub fn base(&self) -> &str {
        self.0.strip_prefix("*.").unwrap_or(&self.0)
    }

    /// Whether `host` (lower case, without port) is this domain, or stands at any depth under this wildcard.
    pub fn matches(&self, host: &str) -> bool {
        match self.0.strip_prefix("*.") {
            Some(base) => host.strip_suffix(base).is_some_and(|head| head.ends_with('.')),
            None => host == self.0,
        }
    }
}

impl FromStr for Domain {
    type Err = BadDomain;

    fn from_str(text: &str) -> Result<Self, BadDomain> {
        if !text.is_ascii() {
            return Err(BadDomain::NotAscii);
        }
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok() {
            return Err(BadDomain::Address);
        }
        if text.contains(['/', ':', '@', '?', '#']) {
            return Err(BadDomain::NotAName);
        }
        let whole = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let base = whole.strip_prefix("*.").unwrap_or(&whole);
        if base.contains('*') || (base.len() < whole.len() && !base.contains('.') && base != "localhost") {
            return Err(BadDomain::Wildcard);
        }
        if whole.len() > 253 {
            return Err(BadDomain::TooLong);
        }
        if let Some(wrong) = base.split('.').find(|label| !is_label(label)) {
            return Err(BadDomain::Label(wrong.to_owned()));
        }
        if !whole.contains('.') {
            return Err(BadDomain::OneLabel);
        }
        Ok(Self(whole))
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{BadDomain, Domain};

    #[test]
    fn domains_are_read_as_heroku_takes_them() {
        for (text, read) in [
            ("www.example.com", "www.example.com"),
            ("WWW.Example.COM.", "www.example.com"),
            ("*.example.com", "*.example.com"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("shop.localhost", "shop.localhost"),
        ] {
            assert_eq!(text.parse::<Domain>().unwrap().as_str(), read);
        }
    }

    #[test]
    fn what_is_no_domain_is_refused_with_the_reason() {
        for (text, why) in [
            ("https://www.example.com", BadDomain::NotAName),
            ("www.example.com:80", BadDomain::NotAName),
            ("www.example.com/x", BadDomain::NotAName),
            ("127.0.0.1", BadDomain::Address),
            ("[::1]", BadDomain::Address),
            ("com", BadDomain::OneLabel),
            ("*", BadDomain::Wildcard),
            ("*.com", BadDomain::Wildcard),
            ("www.*.com", BadDomain::Wildcard),
            ("*x.example.com", BadDomain::Wildcard),
            ("bücher.example", BadDomain::NotAscii),
            ("a_b.example.com", BadDomain::Label("a_b".into())),
            ("-a.example.com", BadDomain::Label("-a".into())),
            ("a..example.com", BadDomain::Label(String::new())),
            ("", BadDomain::Label(String::new())),
            (&"a.".repeat(200), BadDomain::TooLong),
        ] {
            assert_eq!(text.parse::<Domain>(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_wildcard_covers_names_at_any_depth_under_it_and_not_its_base() {
        let wild: Domain = "*.example.com".parse().unwrap();
        assert!(wild.is_wildcard() && wild.matches("a.example.com") && wild.matches("a.b.example.com"));
        assert!(!wild.matches("example.com") && !wild.matches("notexample.com"));
        let exact: Domain = "www.example.com".parse().unwrap();
        assert!(exact.matches("www.example.com") && !exact.matches("x.www.example.com"));
    }
}
