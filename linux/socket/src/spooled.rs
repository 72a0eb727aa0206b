use std::{io, os::fd::BorrowedFd, task::Poll, time::Duration};

use rustix::event::PollFlags;
use throughline_core::{Backoff, Failure, Instant, Settings, Transport};

use crate::{SocketLink, Spool, SpoolCounts, host::now};

/// A link to a collector with a spool to fall back to.
///
/// While the collector cannot be reached and the store needs room, or time has passed, frames go to the
/// spool; to the flusher that is as good as a collector that keeps them. When the collector is back,
/// what is in the spool leaves first. Without a spool it is the socket's link and nothing else.
#[derive(Debug)]
pub struct SpooledLink {
    socket: SocketLink,
    spool: Option<Spool>,
    mode: Mode,
    replay: Replay,
    backoff: Backoff,
    retry_at: Instant,
    gone_since: Option<Instant>,
    is_urgent: bool,
    is_ending: bool,
    /// When the collector was connected to, or kept a frame, last.
    progress_at: Instant,
    /// Whether the frame that was sent last is in the spool.
    is_spooled: bool,
    /// Whether the spool took no more when it was last asked.
    is_spool_full: bool,
    /// When it is asked again, if so.
    spool_again_at: Instant,
    /// Whether the last connection broke: to open another at once may come to the same.
    is_fruitless: bool,
    last_error: Option<io::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Down,
    Socket,
    Spool,
}

/// How far the frame at the spool's front has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replay {
    Sent(usize),
    AwaitsAnswer,
}

impl SpooledLink {
    /// How long a collector that is connected may do nothing while the store needs room.
    pub const STALL: Duration = Duration::from_millis(10);

    /// How long a collector may be gone before its frames go to the spool.
    pub const SPOOL_AFTER: Duration = Duration::from_secs(2);

    /// How long a spool that has refused a frame is not asked again.
    const SPOOL_AGAIN: Duration = Duration::from_millis(500);

    /// A link with a spool.
    #[must_use]
    pub fn new(socket: SocketLink, spool: Option<Spool>) -> Self {
        let Settings {
            backoff_base,
            backoff_cap,
            ..
        } = Settings::DEFAULT;
        Self {
            socket,
            spool,
            mode: Mode::Down,
            replay: Replay::Sent(0),
            backoff: Backoff::new(backoff_base, backoff_cap, std::process::id()),
            retry_at: Instant::ORIGIN,
            gone_since: None,
            is_urgent: false,
            is_ending: false,
            progress_at: Instant::ORIGIN,
            is_spooled: false,
            is_spool_full: false,
            spool_again_at: Instant::ORIGIN,
            is_fruitless: false,
            last_error: None,
        }
    }

    pub(crate) const fn has_spool(&self) -> bool {
        self.spool.is_some()
    }

    pub(crate) const fn is_spool_full(&self) -> bool {
        self.is_spool_full
    }

    /// What the spool has done, if there is one.
    #[must_use]
    pub fn spool_counts(&self) -> Option<SpoolCounts> {
        self.spool.as_ref().map(Spool::counts)
    }

    /// The error that the link or the spool failed with last, if any.
    pub(crate) fn into_last_error(self) -> Option<io::Error> {
        self.last_error.or_else(|| self.socket.last_error())
    }

    /// Says whether the store needs room, so that the spool is not waited for.
    pub(crate) const fn set_urgent(&mut self, is_urgent: bool) {
        self.is_urgent = is_urgent;
    }

    /// Says that the process is about to end, so that a collector which cannot be reached is not
    /// waited for.
    pub(crate) const fn set_ending(&mut self) {
        self.is_ending = true;
    }

    /// Whether to open it at once would bring frames to the spool.
    pub(crate) fn would_spool(&self) -> bool {
        let now = now();
        let is_the_end = self.is_ending && self.spool_takes(now);
        self.mode == Mode::Down && (self.may_spool(now) || is_the_end)
    }

    /// Whether the collector is there and what is in the spool is on its way to it.
    pub(crate) fn is_replaying(&self) -> bool {
        self.mode == Mode::Socket && self.spool.as_ref().is_some_and(|spool| !spool.is_empty())
    }

    /// Gives the collector up for a while if the store needs room and it does nothing. Returns whether
    /// it did; the frame under way has to be sent again then.
    pub(crate) fn fall_back(&mut self) -> bool {
        let now = now();
        let stalls = now.since(self.progress_at) > Self::STALL;
        let has_room = self.has_spool() && !self.is_spool_full;
        if !(self.is_urgent && stalls && self.mode == Mode::Socket && has_room) {
            return false;
        }
        self.spool_for_a_while();
        true
    }

    /// Gives the collector up for the rest: what follows goes to the spool. Returns whether that is
    /// news, and there is a spool.
    pub(crate) fn divert(&mut self) -> bool {
        self.retry_at = Instant::from_nanos(u64::MAX);
        if self.spool.is_none() || self.mode == Mode::Spool {
            return false;
        }
        self.socket.close();
        self.mode = Mode::Spool;
        self.replay = Replay::Sent(0);
        true
    }

    /// Does what has to be done though the flusher has nothing to send: looks for the collector, and
    /// sends what is in the spool.
    pub(crate) fn tick(&mut self) {
        if self.mode == Mode::Spool {
            self.look_for_collector();
        }
        if self.mode == Mode::Socket && matches!(self.replay(), Poll::Ready(Err(_))) {
            self.spool_for_a_while();
        }
    }

    pub(crate) fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        self.socket.interest()
    }

    /// Something has happened to the socket while the flusher has nothing under way on it.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the collector has gone; the link is closed then.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        match self.mode {
            // The next tick looks whether it has answered, or gone.
            Mode::Spool => self.retry_at = now(),
            Mode::Socket if !self.is_replaying() => {
                return self.socket.check().map_err(|failure| self.lost(failure));
            }
            // What is being replayed, or the opening, comes upon it.
            Mode::Socket | Mode::Down => {}
        }
        Ok(())
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match (self.mode, self.gone_since) {
            (Mode::Spool, _) => Some(self.retry_at),
            (Mode::Down, Some(since)) if self.has_spool() => {
                let spool_at = since.after(Self::SPOOL_AFTER).max(self.spool_again_at);
                let opened_by = self.socket.deadline().unwrap_or(spool_at);
                Some(spool_at.min(opened_by))
            }
            (Mode::Down | Mode::Socket, _) => self.socket.deadline(),
        }
    }

    fn may_spool(&self, now: Instant) -> bool {
        let gone = self
            .gone_since
            .is_some_and(|since| now.since(since) >= Self::SPOOL_AFTER);
        self.spool_takes(now) && (self.is_urgent || gone)
    }

    /// Whether there is a spool, and not one that has just refused a frame.
    fn spool_takes(&self, now: Instant) -> bool {
        self.has_spool() && now >= self.spool_again_at
    }

    /// Tries the socket now and then while frames go to the spool.
    fn look_for_collector(&mut self) {
        if now() < self.retry_at {
            return;
        }
        match self.socket.open() {
            Poll::Ready(Ok(())) => self.connected(),
            Poll::Ready(Err(_)) => self.retry_at = now().after(self.backoff.next_delay()),
            // An answer is seen as it comes; this is for one that does not come.
            Poll::Pending => self.retry_at = now().after(SocketLink::PATIENCE),
        }
    }

    fn connected(&mut self) {
        if self.mode == Mode::Socket {
            return;
        }
        self.mode = Mode::Socket;
        self.replay = Replay::Sent(0);
        self.progress_at = now();
        self.gone_since = None;
    }

    /// The collector is of no use now: it is looked for again after a wait, longer each time until it
    /// has kept a frame.
    fn spool_for_a_while(&mut self) {
        self.socket.close();
        self.mode = Mode::Spool;
        self.replay = Replay::Sent(0);
        self.retry_at = now().after(self.backoff.next_delay());
    }

    /// The collector has kept a frame.
    fn kept(&mut self) {
        self.progress_at = now();
        self.is_spool_full = false;
        self.is_fruitless = false;
        self.backoff.reset();
    }

    /// Sends what is in the spool. Ready once nothing is left of it.
    fn replay(&mut self) -> Poll<Result<(), Failure>> {
        loop {
            match self.replay_front() {
                Poll::Ready(Ok(true)) => self.kept(),
                Poll::Ready(Ok(false)) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Sends the frame at the spool's front, and takes it out once it is kept. Ready with `false` if
    /// there is none.
    fn replay_front(&mut self) -> Poll<Result<bool, Failure>> {
        let Some(spool) = &mut self.spool else {
            return Poll::Ready(Ok(false));
        };
        let frame = match spool.front() {
            Ok(Some(frame)) => frame,
            Ok(None) => return Poll::Ready(Ok(false)),
            Err(error) => {
                self.last_error = Some(error);
                return Poll::Ready(Ok(false));
            }
        };
        while let Replay::Sent(sent) = self.replay {
            let rest = frame.get(sent..).unwrap_or_default();
            self.replay = match self.socket.send(rest) {
                _ if rest.is_empty() => Replay::AwaitsAnswer,
                Poll::Ready(Ok(len)) => Replay::Sent(sent + len),
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                Poll::Pending => return Poll::Pending,
            };
        }
        let confirmed = self.socket.confirm();
        if let Poll::Ready(Ok(())) = confirmed {
            self.replay = Replay::Sent(0);
            if let Err(error) = spool.pop_front() {
                self.last_error = Some(error);
            }
        }
        confirmed.map_ok(|()| true)
    }

    fn append_or_lose(&mut self, frame: &[u8]) -> Poll<Result<usize, Failure>> {
        let appended = self.append(frame);
        appended.map_err(|failure| self.lost(failure))
    }

    /// Puts a frame into the spool; nothing else is changed if it has no room.
    fn append(&mut self, frame: &[u8]) -> Poll<Result<usize, Failure>> {
        let Some(spool) = &mut self.spool else {
            return Poll::Ready(Err(Failure::Transient));
        };
        let appended = spool.append(frame);
        self.is_spool_full = appended.is_err();
        Poll::Ready(match appended {
            Ok(()) => {
                self.is_spooled = true;
                Ok(frame.len())
            }
            Err(error) => {
                self.last_error = Some(error);
                self.spool_again_at = now().after(Self::SPOOL_AGAIN);
                Err(Failure::Transient)
            }
        })
    }

    fn lost(&mut self, failure: Failure) -> Failure {
        // Answers that are still to come on it belong to frames that were given up.
        self.socket.close();
        self.is_fruitless = self.mode == Mode::Socket;
        self.mode = Mode::Down;
        self.replay = Replay::Sent(0);
        self.gone_since.get_or_insert_with(now);
        failure
    }
}

impl From<SocketLink> for SpooledLink {
    fn from(socket: SocketLink) -> Self {
        Self::new(socket, None)
    }
}

impl Transport for SpooledLink {
    fn open(&mut self) -> Poll<Result<(), Failure>> {
        if self.mode == Mode::Spool {
            return Poll::Ready(Ok(()));
        }
        if self.is_fruitless && self.may_spool(now()) {
            self.spool_for_a_while();
            return Poll::Ready(Ok(()));
        }
        let opened = self.socket.open();
        if let Poll::Ready(Ok(())) = opened {
            self.connected();
            return opened;
        }
        self.gone_since.get_or_insert_with(now);
        let is_the_end = self.is_ending && self.has_spool() && opened.is_ready();
        if is_the_end || self.may_spool(now()) {
            self.mode = Mode::Spool;
            self.retry_at = now().after(self.backoff.next_delay());
            return Poll::Ready(Ok(()));
        }
        opened
    }

    fn send(&mut self, frame: &[u8]) -> Poll<Result<usize, Failure>> {
        match self.mode {
            Mode::Down => Poll::Ready(Err(Failure::Transient)),
            Mode::Spool => self.append_or_lose(frame),
            Mode::Socket => match self.replay() {
                Poll::Ready(Ok(())) => {
                    self.is_spooled = false;
                    let sent = self.socket.send(frame);
                    sent.map_err(|failure| self.lost(failure))
                }
                // Nothing of this frame has left yet, so it can go the other way.
                Poll::Ready(Err(_)) => {
                    self.spool_for_a_while();
                    self.append_or_lose(frame)
                }
                // Behind what is being replayed it is in order, and the store has its room.
                Poll::Pending if self.is_urgent && self.spool_takes(now()) => {
                    match self.append(frame) {
                        Poll::Ready(Err(_)) => Poll::Pending,
                        appended => appended,
                    }
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn confirm(&mut self) -> Poll<Result<(), Failure>> {
        match self.mode {
            Mode::Down => Poll::Ready(Err(Failure::Transient)),
            Mode::Spool | Mode::Socket if self.is_spooled => Poll::Ready(Ok(())),
            Mode::Spool => Poll::Ready(Err(Failure::Transient)),
            Mode::Socket => {
                let confirmed = self.socket.confirm().map_err(|failure| self.lost(failure));
                if matches!(confirmed, Poll::Ready(Ok(()))) {
                    self.kept();
                }
                confirmed
            }
        }
    }

    fn close(&mut self) {
        // A flusher that has nothing left at the end is done with the link; the spool may not be.
        if !(self.is_ending && self.is_replaying()) {
            self.lost(Failure::Transient);
        }
    }
}
