//! One request, stage by stage: find its app, admit it, find a dyno, send, await the head, relay the body. Whatever
//! ends it early is a [`Failure`], and every exchange leaves one log line.

use super::body::{ClientBody, Cut, ResponseBody, collect};
use super::checkout::{Lease, checkout};
use super::client::Client;
use super::failure::Failure;
use super::head::Framing;
use super::headers::{self, Inbound};
use super::link::Continue;
use super::pages::Page;
use super::record::Record;
use super::registry::{InFlight, Live};
use super::table::Route;
use super::upgrade::Tunnel;
use super::{Shared, affinity};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, request, response};
use hyper::upgrade::OnUpgrade;
use std::future::poll_fn;
use std::sync::Arc;
use tokio::time::Instant;

/// A request in the works. Dropped before its end, it logs why: the client went away, or the router was stopped.
pub(super) struct Exchange {
    client: Arc<dyn Client>,
    /// Gone once it was handed over to be logged.
    record: Option<Box<Record>>,
    /// Counts towards H11.
    in_flight: Option<InFlight>,
    /// The table the request was found in, and its app there.
    live: Arc<Live>,
    app: usize,
    /// Milliseconds since the Unix epoch.
    received: i128,
    began: Instant,
    framing: Framing,
    closes: bool,
    continues: Continue,
}

/// A request, as a client's side brings it.
pub(super) struct Arrival {
    pub(super) parts: request::Parts,
    pub(super) body: ClientBody,
    pub(super) framing: Framing,
    /// The client speaks HTTP/1.0 and did not ask to stay connected, or has had its share of requests.
    pub(super) closes: bool,
    /// `Connection` asks for an upgrade.
    pub(super) upgrade: Option<OnUpgrade>,
    /// What becomes of the dyno's `100 Continue`.
    pub(super) continues: Continue,
}

/// Answers one request of a client.
pub(super) async fn run(client: Arc<dyn Client>, arrival: Arrival) -> Result<Response<ResponseBody>, Cut> {
    let Arrival { parts, body, framing, closes, upgrade, continues } = arrival;
    let shared = client.shared();
    let live = shared.registry().current();
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let Some(index) = live.table.find(host) else {
        client.finish(None);
        let unread = closes || framing != Framing::None;
        return Ok(Page::NoSuchApp.response(&*client, 404, None, unread));
    };
    let in_flight = admit(shared, &live, index, &parts.headers, upgrade.is_some());
    let mut exchange = Exchange {
        record: Some(Box::new(Record::begin(&parts, client.origin(), shared))),
        in_flight: None,
        live,
        app: index,
        received: shared.clock().unix_millis(),
        began: Instant::now(),
        framing,
        closes,
        continues,
        client,
    };
    match in_flight {
        Ok(in_flight) => exchange.in_flight = Some(in_flight),
        Err(failure) => return exchange.fail(failure),
    }
    exchange.serve(parts, body, upgrade).await
}

/// Whether a request may go on to a dyno: the checks of §4 that need no dyno, in their order.
fn admit(shared: &Shared, live: &Live, app: usize, headers: &HeaderMap, upgrade: bool) -> Result<InFlight, Failure> {
    let (route, app) = (&live.table.apps[app], &live.apps[app]);
    if shared.is_full() {
        Err(Failure::ConnectionLimit)
    } else if headers::expects_too_much(headers) {
        Err(Failure::Expectation)
    } else if upgrade && !headers.contains_key(UPGRADE) {
        Err(Failure::BadHeader)
    } else if route.maintenance {
        Err(Failure::Maintenance)
    } else if route.blank {
        Err(Failure::Blank)
    } else {
        app.enter(shared.config.in_flight_per_dyno).ok_or(Failure::Backlog)
    }
}

/// A request that got no response.
struct Attempt {
    failure: Failure,
    /// It was sent over a pooled connection, which the dyno may have been closing at that moment.
    stale: bool,
}

impl Exchange {
    fn route(&self) -> &Route {
        &self.live.table.apps[self.app]
    }

    /// Has a dyno answer the request, and passes the answer on.
    async fn serve(
        mut self,
        parts: request::Parts,
        body: ClientBody,
        upgrade: Option<OnUpgrade>,
    ) -> Result<Response<ResponseBody>, Cut> {
        let client = Arc::clone(&self.client);
        let shared = client.shared();
        let session = affinity::session(shared, &self.route().app, &parts.headers);
        let session = session.as_deref();
        let head_only = parts.method == Method::HEAD;
        let host = parts.headers.get(HOST).cloned();
        let replay = shared.config.replay_stale && self.framing == Framing::None;
        let spare = replay.then(|| parts.clone());
        let mut answer = self.attempt(session, parts, body, upgrade.is_some()).await;
        let stale = matches!(&answer, Err(Attempt { failure: Failure::Unanswered, stale: true }));
        if let (true, Some(parts)) = (stale, spare) {
            answer = self.attempt(session, parts, ClientBody::None, upgrade.is_some()).await;
        }
        match answer {
            Ok((lease, mut parts)) => {
                affinity::remember(shared, &self.route().app, session, &lease, host.as_ref(), &mut parts.headers);
                self.relay(lease, parts, head_only, upgrade).await
            }
            Err(attempt) => self.fail(attempt.failure),
        }
    }

    /// Finds a dyno, sends it the request and waits for the head of its response.
    async fn attempt(
        &mut self,
        session: Option<&str>,
        parts: request::Parts,
        body: ClientBody,
        upgrade: bool,
    ) -> Result<(Lease, response::Parts), Attempt> {
        let lease = checkout(self.client.shared(), &self.live, &self.route().app, session).await.map_err(|none| {
            if let (Some(slot), Some(record)) = (&none.tried, &mut self.record) {
                record.dyno = Some((Arc::clone(&slot.name), self.began.elapsed()));
            }
            Attempt { failure: none.failure, stale: false }
        })?;
        let stale = lease.link.reused;
        self.send(lease, parts, body, upgrade).await.map_err(|failure| Attempt { failure, stale })
    }

    /// Sends the request to the dyno and waits for the head of its response.
    async fn send(
        &mut self,
        mut lease: Lease,
        mut parts: request::Parts,
        body: ClientBody,
        upgrade: bool,
    ) -> Result<(Lease, response::Parts), Failure> {
        let now = Instant::now();
        let connect = now.duration_since(self.began);
        if let Some(record) = &mut self.record {
            record.dyno = Some((Arc::clone(&lease.slot().name), connect));
            record.dispatched = Some(now);
            let inbound = Inbound {
                method: &parts.method,
                origin: self.client.origin(),
                framing: self.framing,
                upgrade,
                continues: self.continues,
                request_id: &record.request_id,
                forwarded_for: &record.forwarded_for,
                connect,
                received: self.received,
            };
            headers::to_dyno(&mut parts.headers, &inbound, self.client.shared());
        }
        let head_only = parts.method == Method::HEAD;
        lease.link.begin(parts, body, self.framing, self.continues);
        let (link, client) = (&mut lease.link, &self.client);
        let head = poll_fn(|cx| {
            let head = link.poll_head(cx, head_only);
            if link.take_continue() {
                client.go_on();
            }
            head
        });
        match head.await {
            Ok(head) => Ok((lease, head)),
            Err(failure) => Err(self.blame(failure)),
        }
    }

    /// Passes the response on.
    async fn relay(
        mut self,
        mut lease: Lease,
        mut parts: response::Parts,
        head_only: bool,
        upgrade: Option<OnUpgrade>,
    ) -> Result<Response<ResponseBody>, Cut> {
        lease.link.spent |= lease.link.is_uncontinued();
        let switching = parts.status == StatusCode::SWITCHING_PROTOCOLS;
        if switching && upgrade.is_none() {
            return self.fail(Failure::BadResponse);
        }
        let bodiless = head_only || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let mut whole = None;
        if !bodiless && !switching {
            match self.read_short(&parts.headers, &mut lease).await {
                Ok(short) => whole = short,
                Err(failure) => return self.fail(failure),
            }
        }
        self.finish_head(&mut parts, bodiless, &lease);
        match upgrade {
            Some(upgrade) if switching => {
                // Upgraded connections do not count towards H11 (§12).
                self.in_flight = None;
                if let Some(record) = &mut self.record {
                    record.detach();
                }
                let client = Arc::clone(&self.client);
                client.leave_tunnel(Tunnel::new(upgrade, lease.link, self));
                Ok(Response::from_parts(parts, ResponseBody::empty()))
            }
            _ if bodiless || whole.is_some() => {
                let whole = whole.unwrap_or_default();
                self.count(whole.len());
                self.complete(lease);
                Ok(Response::from_parts(parts, ResponseBody::Page(whole)))
            }
            _ => Ok(Response::from_parts(parts, ResponseBody::dyno(lease, self))),
        }
    }

    /// What the router makes of a response head.
    fn finish_head(&mut self, parts: &mut response::Parts, bodiless: bool, lease: &Lease) {
        headers::to_client(&mut parts.headers, bodiless, self.client.origin(), self.client.shared());
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            headers::take_framing(&mut parts.headers);
            parts.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        } else if self.closes || !lease.link.is_request_sent() || lease.link.is_uncontinued() {
            // Of a request that was answered early the rest is not read, so nothing can follow it. A client that was
            // not told to go on may send its body or not.
            parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.client.head(&mut parts.headers, bodiless);
        parts.version = Version::HTTP_11;
        self.client.handed_over();
        if let Some(record) = &mut self.record {
            record.status = parts.status.as_u16();
        }
    }

    /// The whole body of a response that has come already, or that the legacy router reads before it sends any of it: a
    /// short one, so that a dyno that dies within it still gives a clean error page (§8).
    async fn read_short(&self, headers: &HeaderMap, lease: &mut Lease) -> Result<Option<Bytes>, Failure> {
        const SHORT: usize = 65_536;
        if let Some(whole) = lease.link.take_whole() {
            return Ok(Some(whole));
        }
        if !self.client.shared().config.is_legacy() || headers.contains_key(TRANSFER_ENCODING) {
            return Ok(None);
        }
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.trim().parse().ok());
        match length {
            Some(length) if length <= SHORT => {
                collect(&mut lease.link, length).await.map(Some).map_err(|failure| self.blame(failure))
            }
            _ => Ok(None),
        }
    }

    /// Whether some of the answer would be lost if it were cut now.
    pub(super) fn is_unwritten(&self) -> bool {
        self.client.is_unwritten()
    }

    /// Bytes of body that go out.
    pub(super) fn count(&mut self, bytes: usize) {
        self.client.handed_over();
        if let Some(record) = &mut self.record {
            record.body_bytes += bytes as u64;
        }
    }

    /// Trailers that end the response; what comes back is still to be sent as a frame of the body.
    pub(super) fn trailers(&self, trailers: HeaderMap) -> Option<HeaderMap> {
        self.client.trailers(trailers)
    }

    /// Whose fault a failure on the dyno's side is. A broken request shows there too, so the client comes first.
    pub(super) fn blame(&self, failure: Failure) -> Failure {
        self.client.fault().unwrap_or(failure)
    }

    /// The response was handed over whole; the connection to the dyno may serve again.
    pub(super) fn complete(mut self, lease: Lease) {
        if self.client.shared().pools() {
            lease.passage.slot.give_back(lease.link);
        }
        self.in_flight = None;
        self.client.finish(self.record.take());
    }

    /// Ends the exchange with the router's own answer, or with none.
    fn fail(mut self, failure: Failure) -> Result<Response<ResponseBody>, Cut> {
        let verdict = failure.verdict();
        let Some(kind) = verdict.page else {
            self.cut(failure);
            return Err(Cut);
        };
        let unread = self.closes || self.framing != Framing::None || verdict.cause.is_some();
        let response = kind.of_failure(&*self.client, self.route(), &verdict, self.record.as_deref(), unread);
        if let Some(mut record) = self.record.take() {
            record.failure = Some(failure);
            record.status = verdict.status;
            record.own_page = true;
            if record.method != Method::HEAD {
                record.body_bytes = http_body::Body::size_hint(response.body()).lower();
            }
            self.client.finish(Some(record));
        }
        Ok(response)
    }

    /// Ends the exchange in the middle of its response, or without any.
    pub(super) fn cut(mut self, failure: Failure) {
        self.log_cut(Some(failure));
    }

    /// Ends an upgraded exchange: what became of it, and how many bytes went to the client.
    pub(super) fn end_tunnel(mut self, failure: Option<Failure>, bytes: u64) {
        self.count(usize::try_from(bytes).unwrap_or(usize::MAX));
        self.log_cut(failure);
    }

    fn log_cut(&mut self, failure: Option<Failure>) {
        if let Some(mut record) = self.record.take() {
            record.failure = failure;
            self.client.cut(record);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.record.is_some() {
            let failure = self.client.interruption();
            self.log_cut(Some(failure));
        }
    }
}
