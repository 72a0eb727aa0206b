//! Seeing the heads that hyper refuses before the proxy is asked.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Buf, Bytes, Incoming};
use memchr::memchr_iter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::chunks::Chunks;

/// A client's stream that hands out one message's bytes at a time and keeps the head that is being read.
///
/// No read goes past the end of a head or a body, so that when hyper refuses a head, that head and nothing else is
/// what [`Heads::refused`] holds, pipelined or not.
#[derive(Debug)]
pub(super) struct Tap<S> {
    stream: S,
    heads: Arc<Heads>,
    /// What was read past the end of a message.
    held: Bytes,
}

impl<S> Tap<S> {
    pub(super) const fn new(stream: S, heads: Arc<Heads>) -> Self {
        Self {
            stream,
            heads,
            held: Bytes::new(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.held.is_empty() {
            let room = buf.remaining().min(self.held.len());
            let taken = self.heads.take(&self.held[..room]);
            buf.put_slice(&self.held[..taken]);
            self.held.advance(taken);
            return Poll::Ready(Ok(()));
        }
        let start = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let end = start + self.heads.take(&buf.filled()[start..]);
        if end < buf.filled().len() {
            self.held = Bytes::copy_from_slice(&buf.filled()[end..]);
            buf.set_filled(end);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Where a connection stands, as its [`Tap`] and its service see it together.
#[derive(Debug, Default)]
pub(super) struct Heads(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    part: Part,
    /// The head that is being read, or that hyper has yet to accept.
    head: Vec<u8>,
}

#[derive(Debug, Default)]
enum Part {
    #[default]
    Head,
    Sized(u64),
    Chunked(Chunks),
    Opaque,
}

impl Heads {
    /// Tells that the head was accepted and that `body` follows it.
    ///
    /// Must be called before anything else is read, which holds in the call of a hyper service.
    pub(super) fn accepted(&self, body: &Incoming) {
        let mut state = self.lock();
        state.head.clear();
        state.part = match body.size_hint().exact() {
            Some(0) => Part::Head,
            Some(length) => Part::Sized(length),
            None => Part::Chunked(Chunks::default()),
        };
    }

    /// Tells that what follows is no HTTP.
    pub(super) fn opaque(&self) {
        let mut state = self.lock();
        state.head = Vec::new();
        state.part = Part::Opaque;
    }

    /// The head that was begun and not accepted, without empty lines before it (RFC 9112 section 2.2).
    pub(super) fn refused(&self) -> Option<Vec<u8>> {
        let head = std::mem::take(&mut self.lock().head);
        let start = head.iter().position(|byte| !b"\r\n".contains(byte))?;
        Some(head[start..].to_vec())
    }

    /// How many of `bytes` the reader may see now: at least one, if there are any.
    fn take(&self, bytes: &[u8]) -> usize {
        let mut state = self.lock();
        let state = &mut *state;
        let (taken, ended) = match &mut state.part {
            Part::Opaque => return bytes.len(),
            Part::Head => return take_head(&mut state.head, bytes),
            Part::Sized(left) => {
                let taken =
                    usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= taken as u64;
                (taken, *left == 0)
            }
            Part::Chunked(chunks) => chunks.take(bytes),
        };
        if ended {
            state.part = Part::Head;
        }
        taken
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Appends to `head` up to its blank line, if that is there, and returns how many bytes it took.
fn take_head(head: &mut Vec<u8>, bytes: &[u8]) -> usize {
    let mut start = 0;
    if head.is_empty() {
        // Empty lines before a head are no part of it, and must not pass for its end.
        let lead = bytes.iter().take_while(|byte| b"\r\n".contains(byte));
        start = lead.count();
    }
    let bytes = &bytes[start..];
    let ends = |end: usize| match &bytes[..end] {
        [.., b'\n', b'\r', b'\n'] | [.., b'\n', b'\n'] => true,
        // What it ends with lies partly in what was read before.
        [] | [_] | [_, _] => {
            let seen = [&head[head.len().saturating_sub(2)..], &bytes[..end]].concat();
            seen.ends_with(b"\n\r\n") || seen.ends_with(b"\n\n")
        }
        _ => false,
    };
    let mut ends_of_lines = memchr_iter(b'\n', bytes).map(|at| at + 1);
    let taken = ends_of_lines.find(|end| ends(*end)).unwrap_or(bytes.len());
    head.extend_from_slice(&bytes[..taken]);
    start + taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_blank_line_wherever_the_bytes_are_split() {
        for head in [
            &b"\r\n\nGET / HTTP/1.1\r\nA: b\r\n\r\n"[..],
            b"GET / HTTP/1.1\nA: b\n\n",
            b"GET / HTTP/1.1\r\n\n",
            b"G\n\r\n",
            b"G\n\n",
        ] {
            let stream = [head, b"\r\nGET /next"].concat();
            for size in 1..=stream.len() {
                let (mut kept, mut taken) = (Vec::new(), 0);
                for piece in stream.chunks(size) {
                    let count = take_head(&mut kept, piece);
                    taken += count;
                    if count < piece.len() || taken == head.len() {
                        break;
                    }
                }
                assert_eq!(
                    taken,
                    head.len(),
                    "pieces of {size}: {}",
                    head.escape_ascii()
                );
                let start = head.iter().position(|byte| *byte == b'G').unwrap();
                assert_eq!(kept, head[start..], "pieces of {size}");
            }
        }
    }
}
