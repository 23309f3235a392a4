//! The pages Heroku shows in place of an app's answer, to the byte (§3). Nothing is ever fetched: the frame in them
//! is the browser's affair.

use super::body::ResponseBody;
use super::client::Client;
use super::config::Generation;
use super::failure::Verdict;
use super::record::Record;
use super::table::Route;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, SERVER, VIA};
use http::{HeaderValue, Response, StatusCode};

const ROUTER2: &str = include_str!("../../templates/error-pages/router2.html");
const LEGACY: &str = include_str!("../../templates/error-pages/legacy.html");
const INLINE: &str = include_str!("../../templates/error-pages/inline.html");

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// "Application Error".
    Error,
    /// "Offline for Maintenance".
    Maintenance,
    /// "No such app".
    NoSuchApp,
    /// No body at all.
    Empty,
}

impl Page {
    /// The page's bytes; `url` is the app's own page for the frame (`ERROR_PAGE_URL`, `MAINTENANCE_PAGE_URL`).
    pub(super) fn render(self, generation: Generation, url: Option<&str>) -> String {
        let (title, file) = match self {
            Self::Error => ("Application Error", "application-error.html"),
            Self::Maintenance => ("Offline for Maintenance", "maintenance-mode.html"),
            Self::NoSuchApp => ("No such app", "no-such-app.html"),
            Self::Empty => return String::new(),
        };
        let (template, scheme) = match generation {
            Generation::Router2 => (ROUTER2, "https:"),
            Generation::Legacy => (LEGACY, ""),
        };
        let frame = url.map_or_else(|| format!("{scheme}//www.herokucdn.com/error-pages/{file}"), escape);
        template.replace("{title}", title).replace("{frame}", &frame)
    }

    /// The page as an answer, which may ask for the connection to be closed (§3).
    pub(super) fn response(
        self,
        client: &dyn Client,
        status: u16,
        url: Option<&str>,
        close: bool,
    ) -> Response<ResponseBody> {
        let body = self.render(client.shared().config.generation, url);
        self.with_body(client, status, body, close)
    }

    /// The page of a request that failed: Heroku's, with the app's own URL in its frame, or by option one that says what
    /// failed.
    pub(super) fn of_failure(
        self,
        client: &dyn Client,
        route: &Route,
        verdict: &Verdict,
        record: Option<&Record>,
        close: bool,
    ) -> Response<ResponseBody> {
        if let Some(record) = record.filter(|_| client.shared().config.inline_pages) {
            return self.with_body(client, verdict.status, self.inline(verdict, record), close);
        }
        let url = if self == Self::Maintenance { &route.maintenance_page_url } else { &route.error_page_url };
        self.response(client, verdict.status, url.as_deref(), close)
    }

    fn inline(self, verdict: &Verdict, record: &Record) -> String {
        if self == Self::Empty {
            return String::new();
        }
        let dyno = record.dyno.as_ref().map_or("none was chosen", |(name, _)| name);
        INLINE
            .replace("{code}", verdict.code.code())
            .replace("{title}", verdict.desc)
            .replace("{status}", &verdict.status.to_string())
            .replace("{dyno}", &escape(dyno))
            .replace("{request_id}", &escape(&String::from_utf8_lossy(record.request_id.as_bytes())))
    }

    fn with_body(self, client: &dyn Client, status: u16, body: String, close: bool) -> Response<ResponseBody> {
        let shared = client.shared();
        let body = Bytes::from(body);
        let mut response = Response::new(ResponseBody::Page(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let headers = response.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static(shared.server()));
        if self != Self::Empty {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
        if !shared.config.is_legacy() {
            headers.insert(VIA, HeaderValue::from_static(shared.via(client.origin())));
        }
        if close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        client.head(headers, false);
        response
    }
}

fn escape(url: &str) -> String {
    url.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::Page;
    use crate::router::config::Generation::{Legacy, Router2};

    #[test]
    fn error_pages_have_heroku_s_sizes() {
        assert_eq!(Page::Error.render(Router2, None).len(), 567, "{}", Page::Error.render(Router2, None));
        assert_eq!(Page::Error.render(Legacy, None).len(), 506, "{}", Page::Error.render(Legacy, None));
        assert_eq!(Page::NoSuchApp.render(Legacy, None).len(), 494);
    }

    #[test]
    fn f22_error_page_url_stands_in_the_frame_and_cannot_break_out_of_it() {
        let page = Page::Error.render(Router2, Some("https://x.example/?a=1&b=\"><script>"));
        assert!(page.contains("<iframe src=\"https://x.example/?a=1&amp;b=&quot;&gt;&lt;script&gt;\"></iframe>"));
    }
}
