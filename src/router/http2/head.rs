//! The check of a request head that came over HTTP/2: the limits of §8 and the rules of §14, beyond what the h2 crate
//! refuses itself (headers that belong to a connection, `TE` other than `trailers`, bytes no header may have).

use crate::router::head::{BAD_REQUEST, COUNT, Framing, METHOD, NAME, REQUEST_LINE, Refusal, VALUE, decimal, is_host};
use http::header::{CONTENT_LENGTH, COOKIE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

/// Makes the head one that could have come over HTTP/1.1, with one `Host` and one `Cookie`, and says how its body is
/// delimited towards the dyno. `bodiless`: the stream ended with the head.
pub(in crate::router) fn check(parts: &mut Parts, bodiless: bool) -> Result<Framing, Refusal> {
    if parts.method == Method::CONNECT {
        return Err(Refusal(405));
    }
    let target = parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    // As the request line would be: `GET /path HTTP/1.1`.
    if parts.method.as_str().len() + target.len() + " HTTP/1.1".len() + 1 > REQUEST_LINE {
        return Err(Refusal(414));
    }
    let origin_form = target.starts_with('/') || target == "*" && parts.method == Method::OPTIONS;
    if parts.method.as_str().len() > METHOD || !origin_form {
        return Err(BAD_REQUEST);
    }
    set_host(parts)?;
    join_cookies(&mut parts.headers)?;
    let fits = |(name, value): (&http::HeaderName, &HeaderValue)| name.as_str().len() <= NAME && value.len() <= VALUE;
    if parts.headers.len() > COUNT || !parts.headers.iter().all(fits) {
        return Err(BAD_REQUEST);
    }
    framing(&parts.headers, bodiless)
}

/// The authority is the host. If there is a `Host` too, they have to agree.
fn set_host(parts: &mut Parts) -> Result<(), Refusal> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = match (parts.uri.authority(), hosts.next(), hosts.next()) {
        (Some(authority), None, _) => HeaderValue::from_str(authority.as_str()).map_err(|_| BAD_REQUEST)?,
        (None, Some(host), None) => host.clone(),
        (Some(authority), Some(host), None) if host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
            host.clone()
        }
        _ => return Err(BAD_REQUEST),
    };
    if !is_host(host.as_bytes()) {
        return Err(BAD_REQUEST);
    }
    parts.headers.insert(HOST, host);
    Ok(())
}

/// A cookie header may come in crumbs (RFC 9113 §8.2.3); the dyno, and the limit, see one.
fn join_cookies(headers: &mut HeaderMap) -> Result<(), Refusal> {
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1 {
        let whole = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])).map_err(|_| BAD_REQUEST)?;
        headers.insert(COOKIE, whole);
    }
    Ok(())
}

fn framing(headers: &HeaderMap, bodiless: bool) -> Result<Framing, Refusal> {
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let this = decimal(value.as_bytes()).ok_or(BAD_REQUEST)?;
        if length.is_some_and(|before| before != this) {
            return Err(BAD_REQUEST);
        }
        length = Some(this);
    }
    match (bodiless, length) {
        (true, None | Some(0)) | (false, Some(0)) => Ok(Framing::None),
        (true, Some(_)) => Err(BAD_REQUEST),
        (false, Some(length)) => Ok(Framing::Length(length)),
        (false, None) => Ok(Framing::Chunked),
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::router::head::{Framing, Refusal};
    use http::Request;
    use http::request::{Builder, Parts};

    fn get(uri: &str) -> Builder {
        Request::get(uri)
    }

    fn checked(builder: Builder) -> (Parts, Result<Framing, Refusal>) {
        let (mut parts, ()) = builder.body(()).unwrap().into_parts();
        let verdict = check(&mut parts, true);
        (parts, verdict)
    }

    #[test]
    fn the_authority_is_the_host_and_has_to_agree_with_one() {
        let (parts, verdict) = checked(get("https://shop.localhost:5443/x"));
        assert_eq!((verdict, &parts.headers["host"]), (Ok(Framing::None), &"shop.localhost:5443".parse().unwrap()));
        let (parts, _) = checked(get("https://a/x").header("host", "A"));
        assert_eq!(parts.headers.get_all("host").iter().count(), 1);
        for wrong in [
            get("https://a/x").header("host", "b"),
            get("https://a/x").header("host", "a").header("host", "a"),
            get("/x"),
            get("/x").header("host", ""),
            get("/x").header("host", "a b"),
            get("https://user@a/x"),
        ] {
            assert_eq!(checked(wrong).1, Err(Refusal(400)));
        }
    }

    #[test]
    fn cookie_crumbs_are_joined_before_the_limit_is_applied() {
        let (parts, _) = checked(get("https://a/").header("cookie", "a=1").header("cookie", "b=2"));
        assert_eq!(parts.headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
        let half = "x".repeat(4095);
        let crumbs = |last: &str| get("https://a/").header("cookie", &half).header("cookie", half.clone() + last);
        assert_eq!(checked(crumbs("")).1, Ok(Framing::None), "4095 + 2 + 4095 is 8192");
        assert_eq!(checked(crumbs("x")).1, Err(Refusal(400)));
    }

    #[test]
    fn a9_a10_a11_a12_the_limits_are_those_of_http_1() {
        let path = |n: usize| get(&format!("https://a/{}", "x".repeat(n - 14)));
        assert_eq!(checked(path(8192)).1, Ok(Framing::None));
        assert_eq!(checked(path(8193)).1, Err(Refusal(414)));
        assert_eq!(checked(get("https://a/").header("n".repeat(1001), "v")).1, Err(Refusal(400)));
        assert_eq!(checked(get("https://a/").header("n", "v".repeat(8193))).1, Err(Refusal(400)));
        let many = |n: usize| (0..n - 1).fold(get("https://a/"), |request, _| request.header("a", "b"));
        assert_eq!(checked(many(1000)).1, Ok(Framing::None));
        assert_eq!(checked(many(1001)).1, Err(Refusal(400)));
        assert_eq!(checked(Request::builder().method("A".repeat(128).as_str()).uri("https://a/")).1, Err(Refusal(400)));
    }

    #[test]
    fn a17_a22_connect_is_405_and_the_asterisk_is_for_options() {
        assert_eq!(checked(Request::connect("a:443")).1, Err(Refusal(405)));
        assert_eq!(checked(Request::options("*").header("host", "a")).1, Ok(Framing::None));
        assert_eq!(checked(Request::get("*").header("host", "a")).1, Err(Refusal(400)));
    }

    #[test]
    fn b1_b2_b4_a_length_is_one_number_and_no_body_means_none() {
        for wrong in ["5,5", "+5", "abc", ""] {
            assert_eq!(checked(get("https://a/").header("content-length", wrong)).1, Err(Refusal(400)), "{wrong}");
        }
        assert_eq!(checked(get("https://a/").header("content-length", "5")).1, Err(Refusal(400)));
    }
}
