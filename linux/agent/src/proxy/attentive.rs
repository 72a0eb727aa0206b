use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// An upstream's stream that listens to the end to a side which has stopped listening.
///
/// An upstream may refuse an upload by its head, and hang up. hyper gives up at the first write that fails, with the
/// answer there to be read. So a write that fails is taken for one that was not heard: it and all after it pass, and the
/// failure is told when there is nothing left to read.
#[derive(Debug)]
pub(super) struct Attentive<S> {
    stream: S,
    /// Why nobody hears what is written.
    unheard: Option<io::Error>,
}

impl<S> Attentive<S> {
    pub(super) const fn new(stream: S) -> Self {
        let unheard = None;
        Self { stream, unheard }
    }

    /// What a write of `length` bytes comes to.
    fn pass(&mut self, written: Poll<io::Result<usize>>, length: usize) -> Poll<io::Result<usize>> {
        match ready!(written) {
            Err(error) => {
                self.unheard = Some(error);
                Poll::Ready(Ok(length))
            }
            written => Poll::Ready(written),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Attentive<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > start || buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(self.unheard.take().map_or(Ok(()), Err))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Attentive<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.unheard.is_some() {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.pass(written, buf.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unheard.is_some() {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx).map_ok(|()| 0);
        self.pass(flushed, 0).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unheard.is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum();
        if self.unheard.is_some() {
            return Poll::Ready(Ok(length));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.pass(written, length)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// A stream whose other side has said something, and hung up without having listened.
    async fn hung_up(said: &[u8]) -> TcpStream {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (mut other, _) = listener.accept().await.unwrap();
        stream.write_all(b"unread").await.unwrap();
        other.readable().await.unwrap();
        other.write_all(said).await.unwrap();
        drop(other);
        stream
    }

    #[tokio::test]
    async fn what_was_said_before_the_end_is_heard_and_the_end_is_an_error() {
        let mut stream = Attentive::new(hung_up(b"no").await);
        for _ in 0..3 {
            stream.write_all(b"more").await.unwrap();
            stream.flush().await.unwrap();
        }
        let mut heard = Vec::new();
        let end = stream.read_to_end(&mut heard).await;
        assert_eq!(heard, b"no");
        assert!(end.is_err(), "the end of what is cut off is no end");
    }

    #[tokio::test]
    async fn a_stream_that_nothing_is_written_to_ends_as_it_does() {
        let (mut near, far) = tokio::io::duplex(8);
        let mut stream = Attentive::new(far);
        near.write_all(b"whole").await.unwrap();
        drop(near);
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"whole");
    }
}
