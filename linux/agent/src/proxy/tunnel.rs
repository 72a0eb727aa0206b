//! Bytes both ways, once a connection speaks no HTTP to the proxy any more.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use http::uri::Authority;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes},
    net::TcpStream,
    time::sleep,
};

/// What a client's connection becomes after its last HTTP answer.
pub(super) enum After {
    /// A tunnel whose requests are read.
    Tunnel {
        client: OnUpgrade,
        /// What its `CONNECT` named.
        target: Authority,
    },
    /// Bytes that nobody reads.
    Unread(Unread),
}

/// Two sides that speak to each other alone.
pub(super) enum Unread {
    /// A `CONNECT` to a pinned host.
    Connect {
        client: OnUpgrade,
        upstream: TcpStream,
    },
    /// Both sides agreed on another protocol.
    Switched {
        client: OnUpgrade,
        upstream: OnUpgrade,
    },
}

impl Unread {
    /// Carries bytes both ways until both sides have ended, one has failed, or `idle` has passed without a byte.
    pub(super) async fn run(self, idle: Duration) -> io::Result<()> {
        match self {
            Self::Connect { client, upstream } => {
                let client = client.await.map_err(io::Error::other)?;
                carry(TokioIo::new(client), upstream, idle).await
            }
            Self::Switched { client, upstream } => {
                let client = client.await.map_err(io::Error::other)?;
                let upstream = upstream.await.map_err(io::Error::other)?;
                carry(TokioIo::new(client), TokioIo::new(upstream), idle).await
            }
        }
    }
}

async fn carry<C, U>(client: C, mut upstream: U, idle: Duration) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let (mut client, moved) = Watched::new(client);
    tokio::select! {
        copied = copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER) => {
            copied.map(|_| ())
        }
        () = stillness(&moved, idle) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Ends when nothing has moved for one to two times `idle`.
async fn stillness(moved: &AtomicBool, idle: Duration) {
    while moved.swap(false, Ordering::Relaxed) {
        sleep(idle).await;
    }
}

/// A stream that notes when bytes move.
struct Watched<S> {
    stream: S,
    moved: Arc<AtomicBool>,
}

impl<S> Watched<S> {
    fn new(stream: S) -> (Self, Arc<AtomicBool>) {
        let moved = Arc::new(AtomicBool::new(true));
        let watch = Arc::clone(&moved);
        (Self { stream, moved }, watch)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        self.moved.store(true, Ordering::Relaxed);
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        self.moved.store(true, Ordering::Relaxed);
        Poll::Ready(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The room for bytes under way, in each direction (bytes).
const BUFFER: usize = 16 * 1024;
