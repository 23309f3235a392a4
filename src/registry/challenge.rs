//! `WWW-Authenticate`: how a registry wants to be signed in to.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// What it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// The login itself, with every request.
    Basic,
    /// A token from this service.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

/// The challenge that can be met best: a token before the login itself.
pub(super) fn of(headers: &HeaderMap) -> Option<Challenge> {
    let all = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).filter_map(read);
    let mut found = None;
    for one in all {
        if matches!(one, Challenge::Bearer { .. }) {
            return Some(one);
        }
        found = Some(one);
    }
    found
}

fn read(text: &str) -> Option<Challenge> {
    let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let find = |wanted: &str| {
        parameters(rest).into_iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    Some(Challenge::Bearer { realm: find("realm")?, service: find("service"), scope: find("scope") })
}

/// `name="value"` or `name=value`, parted by commas; a comma may stand between quotes.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([',', ' ']).to_owned();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.push((name, value.trim().to_owned()));
        rest = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Challenge, of, read};
    use http::header::WWW_AUTHENTICATE;
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn a_token_is_asked_for_where_the_registry_says() {
        let text = r#"Bearer realm="https://auth.example.com/token",service="registry.example.com",scope="repository:shop/web:pull,push""#;
        let wanted = Challenge::Bearer {
            realm: "https://auth.example.com/token".into(),
            service: Some("registry.example.com".into()),
            scope: Some("repository:shop/web:pull,push".into()),
        };
        assert_eq!(read(text), Some(wanted.clone()));
        assert_eq!(read("basic realm=x"), Some(Challenge::Basic));
        assert_eq!(read("Bearer service=x"), None, "without a realm there is nobody to ask");
        assert_eq!(read("Negotiate"), None);
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"x\""));
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(text).unwrap());
        assert_eq!(of(&headers), Some(wanted));
        for torn in ["Bearer realm=", "Bearer realm=\"", "Bearer", "", "="] {
            let _ = read(torn);
        }
    }
}
