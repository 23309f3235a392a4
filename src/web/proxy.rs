//! The proxy between this machine and the world, as the environment names it: `HTTPS_PROXY`, else `ALL_PROXY`, and
//! `NO_PROXY` for hosts that are reached without; small letters count too. A connection through it is a `CONNECT` tunnel, so
//! the proxy sees the host's name and nothing of what is said.
//!
//! This machine itself is never reached through a proxy.

use super::{NoWay, innermost, is_loopback};
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

/// A name as curl has it, and the same in small letters, as other programs do.
const NAMES: [(&str, &str); 3] = [("HTTPS_PROXY", "https_proxy"), ("ALL_PROXY", "all_proxy"), ("NO_PROXY", "no_proxy")];

/// Which hosts are reached through which proxy.
#[derive(Clone, Debug)]
pub struct Proxies(Arc<Matcher>);

impl Proxies {
    /// What the environment says. Fails when it names a proxy that is none, or one that CONNECT cannot be said to.
    pub fn find(environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, NoWay> {
        let read = |(name, small): (&'static str, &'static str)| {
            let set =
                |name: &'static str| environment(name).filter(|value| !value.trim().is_empty()).map(|v| (name, v));
            set(name).or_else(|| set(small))
        };
        let [https, all, none] = NAMES.map(read);
        let (https, all) = (https.map(usable).transpose()?, all.map(usable).transpose()?);
        let value = |set: Option<String>| set.unwrap_or_default();
        let no = value(none.map(|(_, value)| value));
        Ok(Self(Arc::new(Matcher::builder().https(value(https)).all(value(all)).no(no).build())))
    }

    /// Everything is reached straight.
    pub fn none() -> Self {
        Self(Arc::new(Matcher::builder().build()))
    }

    fn on_the_way_to(&self, server: &Uri) -> Option<Intercept> {
        if server.host().is_none_or(is_loopback) { None } else { self.0.intercept(server) }
    }
}

/// The value of a variable, if it is a proxy that CONNECT can be said to.
fn usable((name, value): (&'static str, String)) -> Result<String, NoWay> {
    let value = value.trim().to_owned();
    let matcher = Matcher::builder().https(value.as_str()).build();
    let found = matcher.intercept(&Uri::from_static("https://api.heroku.com"));
    let scheme = found.as_ref().and_then(|found| found.uri().scheme_str());
    if matches!(scheme, Some("http" | "https")) { Ok(value) } else { Err(NoWay::BadProxy(name)) }
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Opens connections: straight, or through a proxy. TLS with the server is not its business.
#[derive(Clone)]
pub struct Way {
    direct: HttpsConnector<HttpConnector>,
    proxies: Proxies,
    connecting: Duration,
}

impl Way {
    pub(super) fn new(direct: HttpsConnector<HttpConnector>, proxies: Proxies, connecting: Duration) -> Self {
        Self { direct, proxies, connecting }
    }
}

/// What a proxy did not do, in one sentence: the way to the server says nothing more.
#[derive(Debug, thiserror::Error)]
#[error("the proxy {proxy} {what}")]
struct ProxyError {
    /// Host and port, without a password.
    proxy: String,
    what: String,
}

impl Service<Uri> for Way {
    type Response = Stream;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.direct.poll_ready(context)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        match self.proxies.on_the_way_to(&server) {
            Some(proxy) => Box::pin(tunnel(self.direct.clone(), proxy, server, self.connecting)),
            None => match without_tls(&server) {
                Ok(server) => Box::pin(self.direct.call(server)),
                Err(error) => Box::pin(std::future::ready(Err(error.into()))),
            },
        }
    }
}

/// The same server, with its port written out: who asked speaks TLS over what is opened, if it is to be spoken.
fn without_tls(server: &Uri) -> http::Result<Uri> {
    let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("http") { 80 } else { 443 });
    let host = server.host().unwrap_or_default();
    Uri::builder().scheme("http").authority(format!("{host}:{port}")).path_and_query("/").build()
}

async fn tunnel(
    direct: HttpsConnector<HttpConnector>,
    proxy: Intercept,
    server: Uri,
    connecting: Duration,
) -> Result<Stream, Box<dyn Error + Send + Sync>> {
    let mut tunnel = Tunnel::new(proxy.uri().clone(), direct);
    if let Some(authorization) = proxy.basic_auth() {
        tunnel = tunnel.with_auth(authorization.clone());
    }
    let host = server.host().unwrap_or_default().to_owned();
    let what = match timeout(connecting, tunnel.call(server)).await {
        Ok(Ok(stream)) => return Ok(stream),
        // The library's own words: its error has no public name.
        Ok(Err(error)) if error.to_string().contains("authorization required") => {
            "wants a user name and a password, as in http://NAME:PASSWORD@HOST:PORT, or others than it was given".into()
        }
        Ok(Err(error)) if error.source().is_some() => format!("cannot be reached: {}", innermost(&error)),
        Ok(Err(_)) => format!("does not let us through to {host}"),
        Err(_) => format!("did not answer within {} s", connecting.as_secs_f64()),
    };
    let proxy = proxy.uri().authority().map(ToString::to_string).unwrap_or_default();
    Err(ProxyError { proxy, what }.into())
}

#[cfg(test)]
mod tests {
    use super::{NoWay, Proxies};
    use http::Uri;

    fn with(variables: &[(&str, &str)]) -> Result<Proxies, NoWay> {
        Proxies::find(&|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    fn way(variables: &[(&str, &str)], server: &str) -> Option<String> {
        let proxies = with(variables).unwrap();
        let server: Uri = server.parse().unwrap();
        proxies.on_the_way_to(&server).map(|proxy| proxy.uri().to_string())
    }

    #[test]
    fn the_environment_names_the_proxy_and_the_hosts_that_need_none() {
        let server = "https://registry.heroku.com/v2/";
        assert_eq!(way(&[], server), None);
        let proxy = [("HTTPS_PROXY", "http://proxy.example.com:3128")];
        assert_eq!(way(&proxy, server).unwrap(), "http://proxy.example.com:3128/");
        for (name, value) in
            [("https_proxy", "proxy:1"), ("ALL_PROXY", "http://proxy:1"), ("all_proxy", "http://proxy:1/")]
        {
            assert_eq!(way(&[(name, value)], server).unwrap(), "http://proxy:1/", "{name}");
        }
        assert_eq!(way(&[("HTTP_PROXY", "http://proxy:1")], server), None, "that is for plain HTTP");
        assert_eq!(way(&[("HTTPS_PROXY", " ")], server), None);
        let both = |no: &'static str| [proxy[0], ("NO_PROXY", no)];
        for no in ["heroku.com", ".heroku.com", "x, registry.heroku.com", "*"] {
            assert_eq!(way(&both(no), server), None, "{no}");
        }
        assert!(way(&both("api.heroku.com,notheroku.com"), server).is_some());
    }

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        for server in ["http://localhost:5000/", "https://127.0.0.1:5000/", "http://[::1]:5000/"] {
            assert_eq!(way(&[("ALL_PROXY", "http://proxy:1")], server), None, "{server}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_and_its_password_not_shown() {
        for value in ["socks5://ann:hunter2@proxy:1080", "ftp://proxy", "http://", "a b"] {
            let error = with(&[("https_proxy", value)]).unwrap_err();
            assert_eq!(error.to_string(), "https_proxy names no HTTP proxy", "{value}");
        }
        let kept = with(&[("HTTPS_PROXY", "http://ann:hunter2@proxy:1")]).unwrap();
        let found = kept.on_the_way_to(&Uri::from_static("https://api.heroku.com")).unwrap();
        assert!(found.basic_auth().is_some() && !format!("{} {kept:?}", found.uri()).contains("hunter2"));
    }
}
