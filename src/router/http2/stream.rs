//! One stream: a request, its exchange, and the answer on its way out.

use super::head;
use super::sending::{End, Sending};
use super::upload::Upload;
use crate::router::Shared;
use crate::router::body::{ClientBody, ResponseBody};
use crate::router::client::{Client, Origin};
use crate::router::exchange::{self, Arrival};
use crate::router::failure::Failure;
use crate::router::head::{Framing, Refusal};
use crate::router::headers;
use crate::router::link::Continue;
use crate::router::record::Record;
use crate::router::upgrade::Tunnel;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, SERVER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use tokio::time::Duration;

/// The client's side of one stream.
pub(super) struct StreamWire {
    shared: Arc<Shared>,
    origin: Origin,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fault: Option<Failure>,
    /// Waits for the last byte of the answer.
    leaving: Option<Box<Record>>,
}

impl StreamWire {
    fn new(shared: Arc<Shared>, origin: Origin) -> Arc<Self> {
        Arc::new(Self { shared, origin, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a client may neither send nor take a byte (§7).
    pub(super) fn idle(&self) -> Duration {
        self.shared.config.timeouts.idle
    }

    pub(super) fn set_fault(&self, failure: Failure) {
        self.lock().fault = Some(failure);
    }

    /// The answer's last byte was handed over.
    fn sent(&self) {
        let record = self.lock().leaving.take();
        if let Some(record) = record {
            self.shared.log(&record);
        }
    }
}

impl Client for StreamWire {
    fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn origin(&self) -> Origin {
        self.origin
    }

    fn fault(&self) -> Option<Failure> {
        self.lock().fault
    }

    fn finish(&self, record: Option<Box<Record>>) {
        self.lock().leaving = record;
    }

    fn cut(&self, record: Box<Record>) {
        self.shared.log(&record);
    }

    /// Frames tell where a body ends, and nothing is said of connections; a date is hyper's affair elsewhere.
    fn head(&self, headers: &mut HeaderMap, _bodiless: bool) {
        headers.remove(CONNECTION);
        headers.remove(TRANSFER_ENCODING);
        if !headers.contains_key(DATE)
            && let Ok(date) = HeaderValue::from_str(&self.shared.date())
        {
            headers.insert(DATE, date);
        }
    }

    fn trailers(&self, mut trailers: HeaderMap) -> Option<HeaderMap> {
        headers::keep_trailers(&mut trailers);
        Some(trailers)
    }

    /// There is nothing to upgrade to: a request that asks for it is malformed here, and never arrives.
    fn leave_tunnel(&self, _tunnel: Tunnel) {}
}

impl Drop for StreamWire {
    /// An answer that was never written to its end.
    fn drop(&mut self) {
        let failure = self.interruption();
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut record) = state.leaving.take() {
            record.failure = Some(failure);
            self.shared.log(&record);
        }
    }
}

/// Answers the request of one stream. Dropped before its end, the exchange logs why.
pub(super) async fn serve(
    shared: Arc<Shared>,
    origin: Origin,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let (mut parts, body) = request.into_parts();
    let framing = match head::check(&mut parts, body.is_end_stream()) {
        Ok(framing) => framing,
        Err(refusal) => return refuse(&shared, refusal, &mut respond),
    };
    let head_only = parts.method == Method::HEAD;
    let wire = StreamWire::new(shared, origin);
    let body = match framing {
        Framing::None => ClientBody::None,
        framing => ClientBody::Http2(Upload::new(body, Arc::clone(&wire), framing)),
    };
    let client: Arc<dyn Client> = Arc::clone(&wire) as _;
    let arrival = Arrival { parts, body, framing, closes: false, upgrade: None, continues: Continue::Dropped };
    let mut exchange = pin!(exchange::run(client, arrival));
    let answer = poll_fn(|cx| match respond.poll_reset(cx) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => exchange.as_mut().poll(cx).map(Some),
    });
    match answer.await {
        // The client is gone, which the exchange says as it is dropped.
        None => {}
        Some(Err(_)) => respond.send_reset(reason(&wire)),
        Some(Ok(response)) => send(&wire, response, head_only, &mut respond).await,
    }
}

async fn send(wire: &StreamWire, response: Response<ResponseBody>, head_only: bool, respond: &mut SendResponse<Bytes>) {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        parts.headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    let bodiless = head_only || body.is_end_stream();
    let Ok(stream) = respond.send_response(Response::from_parts(parts, ()), bodiless) else { return };
    if bodiless {
        drop(body);
        return wire.sent();
    }
    let mut sending = Sending::new(body, stream, wire.idle());
    match poll_fn(|cx| sending.poll(cx)).await {
        End::Sent => wire.sent(),
        End::Broken => sending.reset(reason(wire)),
        End::Gone => {}
        End::Stalled => {
            wire.set_fault(Failure::ClientIdle);
            sending.reset(reason(wire));
        }
    }
}

/// Why a stream is cut: the client did something wrong, or something went wrong behind the router.
fn reason(wire: &StreamWire) -> Reason {
    if wire.fault().is_some() { Reason::CANCEL } else { Reason::INTERNAL_ERROR }
}

/// The answer to a head that is refused before any app is known: no body, and no log line.
fn refuse(shared: &Shared, refusal: Refusal, respond: &mut SendResponse<Bytes>) {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(refusal.0).unwrap_or(StatusCode::BAD_REQUEST);
    response.headers_mut().insert(SERVER, HeaderValue::from_static(shared.server()));
    // An error means that the stream is over already.
    let _ = respond.send_response(response, true);
}
