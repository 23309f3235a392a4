//! How a dyno is reached: TCP in production, an in-memory pipe in tests (paused time does not wait for real sockets).

use crate::model::endpoint::Endpoint;
use async_trait::async_trait;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A connection to a dyno.
pub trait DynoStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> DynoStream for T {}

/// Opens connections to dynos. The time limit is the router's affair.
#[async_trait]
pub trait Dial: Send + Sync + 'static {
    /// Connects, or says why not.
    async fn dial(&self, endpoint: &Endpoint) -> io::Result<Box<dyn DynoStream>>;
}

/// Dials over TCP, without Nagle's delay.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpDial;

#[async_trait]
impl Dial for TcpDial {
    async fn dial(&self, endpoint: &Endpoint) -> io::Result<Box<dyn DynoStream>> {
        let stream = TcpStream::connect(endpoint.0).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}
