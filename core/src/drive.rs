use core::task::Poll;

use crate::{Failure, Flusher, Instant, LinkStep, Source};

/// A link to a receiver that never blocks, such as a non-blocking socket.
pub trait Transport {
    /// Opens the link, or goes on opening it.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it cannot be opened now; the link is closed then.
    fn open(&mut self) -> Poll<Result<(), Failure>>;

    /// Writes the front of `frame`, as much as can be at once, and returns how many bytes that was.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the link broke; it is closed then.
    fn send(&mut self, frame: &[u8]) -> Poll<Result<usize, Failure>>;

    /// Whether the receiver has kept the frame that was written whole last.
    ///
    /// Most receivers never say, and then a finished write is all there is to know.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the link broke before the receiver said so; it is closed then.
    fn confirm(&mut self) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    /// Closes the link.
    fn close(&mut self);
}

/// What the driver does after a [`turn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "to wait when there is more to do makes events late"]
pub enum Next {
    /// Take the next turn at once.
    Turn,
    /// Wait for the link to go on, or for [`Flusher::poll_timeout`].
    AwaitLink,
    /// Wait for a recorder's wake, or for [`Flusher::poll_timeout`].
    AwaitWake,
}

/// One pass of the drive loop: carries out what the flusher wants done at `now`.
///
/// Writes at most [`PIECES_A_TURN`] times, so that a receiver which takes everything cannot keep
/// the driver from its other duties. The whole loop is in the crate's docs.
pub fn turn<S, T>(flusher: &mut Flusher<S::Block>, source: &S, link: &mut T, now: Instant) -> Next
where
    S: Source,
    T: Transport,
{
    flusher.handle_timeout(now);
    match flusher.poll_link(now) {
        Some(LinkStep::Close) => link.close(),
        Some(LinkStep::Open) => match link.open() {
            Poll::Ready(Ok(())) => flusher.handle_opened(now),
            Poll::Ready(Err(failure)) => flusher.handle_closed(now, failure),
            Poll::Pending => return Next::AwaitLink,
        },
        None => {}
    }
    for _ in 0..PIECES_A_TURN {
        let done = if flusher.awaits_confirmation() {
            link.confirm().map_ok(|()| flusher.handle_confirmed())
        } else if let Some(frame) = flusher.poll_transmit(now, source) {
            link.send(frame).map_ok(|len| flusher.handle_written(len))
        } else {
            return Next::AwaitWake;
        };
        match done {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(failure)) => flusher.handle_closed(now, failure),
            Poll::Pending => return Next::AwaitLink,
        }
    }
    Next::Turn
}

/// How often [`turn`] writes at most (count).
pub const PIECES_A_TURN: usize = 64;
