//! An upgraded connection: bytes both ways until a side closes or both have been silent for the idle time (§11).

use super::client_io::ClientIo;
use super::dial::DynoStream;
use super::exchange::Exchange;
use super::failure::Failure;
use super::link::Link;
use bytes::{Buf, BytesMut};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::{Duration, Instant, sleep_until};

/// Room for one read of an idle direction, in bytes: thousands of idle tunnels should cost little.
const READ_IDLE: usize = 1024;
/// Room for one read of a busy one.
const READ_BUSY: usize = 64 * 1024;

/// Both ends of an upgrade, before hyper has let go of them.
pub(super) struct Tunnel {
    client: OnUpgrade,
    dyno: Box<Link>,
    exchange: Exchange,
}

/// When a byte last moved, either way.
struct Activity {
    began: Instant,
    last: AtomicU64,
}

impl Activity {
    fn now(&self) {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }

    /// Ready once nothing has moved for `idle`.
    async fn ceased(&self, idle: Duration) {
        loop {
            let end = self.began + Duration::from_millis(self.last.load(Ordering::Relaxed)) + idle;
            if Instant::now() >= end {
                return;
            }
            sleep_until(end).await;
        }
    }
}

impl Tunnel {
    pub(super) fn new(client: OnUpgrade, dyno: Box<Link>, exchange: Exchange) -> Self {
        Self { client, dyno, exchange }
    }

    /// Carries bytes until the end. Dropped before it, the exchange logs why.
    pub(super) async fn run<S>(self, idle: Duration)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { client, dyno, exchange } = self;
        let Some((client, mut from_client)) = take_client::<S>(client).await else { return };
        let (dyno, mut from_dyno) = take_dyno(dyno).await;
        let activity = Activity { began: Instant::now(), last: AtomicU64::new(0) };
        let to_client = AtomicU64::new(0);
        let to_dyno = AtomicU64::new(0);
        let (mut client_read, mut client_write) = split(client);
        let (mut dyno_read, mut dyno_write): (ReadHalf<Box<dyn DynoStream>>, WriteHalf<_>) = split(dyno);
        let failure = tokio::select! {
            _ = carry(&mut client_read, &mut from_client, &mut dyno_write, &activity, &to_dyno) => None,
            _ = carry(&mut dyno_read, &mut from_dyno, &mut client_write, &activity, &to_client) => None,
            () = activity.ceased(idle) => Some(Failure::Idle),
        };
        exchange.end_tunnel(failure, to_client.into_inner());
        let _ = tokio::join!(client_write.shutdown(), dyno_write.shutdown());
    }
}

/// The client's socket and what was read of it already.
async fn take_client<S>(upgrade: OnUpgrade) -> Option<(S, BytesMut)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let parts = upgrade.await.ok()?.downcast::<TokioIo<ClientIo<S>>>().ok()?;
    let (socket, ahead) = parts.io.into_inner().into_parts();
    let mut first = BytesMut::from(&parts.read_buf[..]);
    first.extend_from_slice(&ahead);
    Some((socket, first))
}

/// The dyno's socket and what was read of it already.
async fn take_dyno(mut link: Box<Link>) -> (Box<dyn DynoStream>, BytesMut) {
    poll_fn(|cx| link.poll_sent(cx)).await;
    link.into_parts()
}

/// One direction, beginning with what is in `buffer`; ends when a side does.
async fn carry(
    from: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    to: &mut (impl AsyncWrite + Unpin),
    activity: &Activity,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut room = READ_IDLE;
    loop {
        while buffer.has_remaining() {
            let n = to.write_buf(buffer).await?;
            if n == 0 {
                return Ok(());
            }
            count.fetch_add(n as u64, Ordering::Relaxed);
            activity.now();
        }
        to.flush().await?;
        if buffer.capacity() > READ_IDLE && room == READ_IDLE {
            *buffer = BytesMut::new();
        }
        buffer.reserve(room);
        let n = from.read_buf(buffer).await?;
        if n == 0 {
            return Ok(());
        }
        room = if n >= room { READ_BUSY } else { READ_IDLE };
        activity.now();
    }
}
