use core::{fmt, time::Duration};

use crate::{
    Backoff, Block, Cause, Instant, Report,
    counter::add,
    source::{Fate, Parcel, Source},
};

/// How patient a [`Flusher`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long an event waits at most before its batch leaves though it is not full.
    pub max_age: Duration,
    /// How long opening the link may take.
    pub open_timeout: Duration,
    /// How long one frame may take, from its first byte until its receiver has kept it.
    pub write_timeout: Duration,
    /// The first wait after a failure; the following ones double.
    pub backoff_base: Duration,
    /// The longest wait after a failure.
    pub backoff_cap: Duration,
}

impl Settings {
    /// Batches leave within a second; a receiver has five to take a frame.
    pub const DEFAULT: Self = Self {
        max_age: Duration::from_secs(1),
        open_timeout: Duration::from_secs(5),
        write_timeout: Duration::from_secs(5),
        backoff_base: Duration::from_millis(50),
        backoff_cap: Duration::from_secs(30),
    };
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The state machine that decides when to open the link, write, back off and end.
///
/// It does no I/O and reads no clock. A driver tells it what happened (`handle_*`) and asks it what
/// to do (`poll_*`), in this order, again and again; [`turn`](crate::turn) is that loop's body for
/// links that do not block:
///
/// 1. [`handle_timeout`](Self::handle_timeout) with the time;
/// 2. [`poll_link`](Self::poll_link): open or close the link, and say how that went with
///    [`handle_opened`](Self::handle_opened) or [`handle_closed`](Self::handle_closed);
/// 3. [`poll_transmit`](Self::poll_transmit) until it has nothing: write the bytes, and say how many
///    were taken with [`handle_written`](Self::handle_written); if it has nothing because it
///    [`awaits_confirmation`](Self::awaits_confirmation), call
///    [`handle_confirmed`](Self::handle_confirmed) once the receiver has kept the frame, or at once
///    if receivers do not say;
/// 4. unless it [`is_finished`](Self::is_finished), wait until [`poll_timeout`](Self::poll_timeout),
///    until the link can be written to if it could not, or until the recorder wakes the driver.
///
/// Each call does a bounded amount of work: at most one parcel is taken from the source and one
/// given back. To call early is harmless; to call late makes events wait longer.
///
/// One frame is under way at a time, and is held until it is written whole. If the link closes
/// before that, the whole frame is written again on the next one, which is counted as
/// [`frames_resent`](Counters::frames_resent). So a receiver may get a frame twice if it kept it and
/// could not say so; it never misses one that was counted as written.
#[derive(Debug)]
pub struct Flusher<B> {
    settings: Settings,
    backoff: Backoff,
    link: Link,
    outgoing: Option<Outgoing<B>>,
    scratch: [u8; Report::FRAME_MAX],
    /// When the batch that is being filled leaves though it is not full.
    ripe_at: Instant,
    finish: Finish,
    counters: Counters,
}

/// What the driver should do to its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkStep {
    /// Open it, or go on opening it; then call `handle_opened` or `handle_closed`, or neither if
    /// that takes longer.
    Open,
    /// Close it. Nothing needs to be called.
    Close,
}

/// Why a link could not be opened or written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It may well work soon: nobody listens yet, the receiver went away, it is slow.
    Transient,
    /// It will not work until somebody mends it: no permission, not a socket, a bad address. It is
    /// tried again all the same, at the longest wait, since somebody may.
    Permanent,
}

/// What a flusher has done (counts, saturating).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames written whole.
    pub frames: u64,
    /// Bytes that the link took, those of unfinished frames included.
    pub bytes: u64,
    /// Frames begun anew on a new link after an unfinished write on an old one.
    pub frames_resent: u64,
    /// Times that the link was opened.
    pub opened: u64,
    /// Times that opening or writing failed transiently.
    pub transient_failures: u64,
    /// Times that opening or writing failed permanently.
    pub permanent_failures: u64,
    /// Times that opening took too long.
    pub open_timeouts: u64,
    /// Times that a frame took too long.
    pub write_timeouts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down {
        retry_at: Instant,
    },
    Opening {
        deadline: Instant,
    },
    Up,
    /// It has to be closed before anything else; then it is down.
    Condemned {
        retry_at: Instant,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finish {
    No,
    /// Everything left has to be out by the deadline.
    By(Instant),
    Overdue,
    GivenUp,
    Drained,
}

#[derive(Debug)]
struct Outgoing<B> {
    parcel: Parcel<B>,
    written: usize,
    is_confirmed: bool,
    /// Set when the first byte is offered on the present link.
    deadline: Option<Instant>,
}

impl<B: Block> Flusher<B> {
    /// A flusher that wants its link opened at once. `seed` is for the jitter of the backoff.
    #[must_use]
    pub fn new(settings: Settings, seed: u32) -> Self {
        Self {
            backoff: Backoff::new(settings.backoff_base, settings.backoff_cap, seed),
            settings,
            link: Link::Down {
                retry_at: Instant::ORIGIN,
            },
            outgoing: None,
            scratch: [0; Report::FRAME_MAX],
            ripe_at: Instant::ORIGIN,
            finish: Finish::No,
            counters: Counters {
                frames: 0,
                bytes: 0,
                frames_resent: 0,
                opened: 0,
                transient_failures: 0,
                permanent_failures: 0,
                open_timeouts: 0,
                write_timeouts: 0,
            },
        }
    }

    /// What to do to the link now, if anything.
    #[must_use]
    pub fn poll_link(&mut self, now: Instant) -> Option<LinkStep> {
        match self.link {
            Link::Condemned { retry_at } => {
                self.link = Link::Down { retry_at };
                Some(LinkStep::Close)
            }
            Link::Down { .. } if self.is_finished() || self.finish == Finish::Overdue => None,
            Link::Down { retry_at } if now < retry_at => None,
            Link::Down { .. } => {
                let deadline = now.after(self.settings.open_timeout);
                self.link = Link::Opening { deadline };
                Some(LinkStep::Open)
            }
            Link::Opening { .. } => Some(LinkStep::Open),
            Link::Up => None,
        }
    }

    /// The bytes to write now: the rest of the frame that is under way, or the next frame.
    ///
    /// Takes at most one parcel from `source` and gives at most one back, whether the link is up
    /// or not.
    #[must_use]
    pub fn poll_transmit<S: Source<Block = B>>(
        &mut self,
        now: Instant,
        source: &S,
    ) -> Option<&[u8]> {
        self.settle_confirmed(source);
        if self.finish == Finish::Overdue {
            self.give_up(source);
        }
        if self.link != Link::Up {
            return None;
        }
        if self.outgoing.is_none() {
            self.outgoing = self.next_outgoing(now, source);
        }
        if self.outgoing.is_none() {
            self.conclude();
        }
        let deadline = now.after(self.settings.write_timeout);
        let outgoing = self.outgoing.as_mut()?;
        outgoing.deadline.get_or_insert(deadline);
        if outgoing.is_written(&self.scratch) {
            return None;
        }
        outgoing.parcel.frame(&self.scratch).get(outgoing.written..)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        let link = match self.link {
            Link::Down { retry_at } => retry_at,
            Link::Opening { deadline } => deadline,
            Link::Condemned { .. } => Instant::ORIGIN,
            Link::Up => match &self.outgoing {
                Some(outgoing) => outgoing.deadline.unwrap_or(self.ripe_at),
                None => self.ripe_at,
            },
        };
        match self.finish {
            Finish::No => link,
            Finish::By(deadline) => link.min(deadline),
            Finish::Overdue | Finish::GivenUp | Finish::Drained => Instant::ORIGIN,
        }
    }

    /// The time is `now`: whatever took too long is ended.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Finish::By(deadline) = self.finish
            && now >= deadline
        {
            self.finish = Finish::Overdue;
        }
        match self.link {
            // Nothing can be written through it any more.
            Link::Opening { .. } if self.finish == Finish::Overdue => self.condemn(now),
            Link::Opening { deadline } if now >= deadline => {
                add(&mut self.counters.open_timeouts, 1);
                self.condemn(now);
            }
            Link::Up if self.write_is_overdue(now) => {
                add(&mut self.counters.write_timeouts, 1);
                self.condemn(now);
            }
            _ => {}
        }
    }

    /// The link was opened.
    pub fn handle_opened(&mut self, now: Instant) {
        add(&mut self.counters.opened, 1);
        self.link = Link::Up;
        self.ripe_at = now;
    }

    /// The link could not be opened, or broke, and is closed.
    pub fn handle_closed(&mut self, now: Instant, failure: Failure) {
        let delay = match failure {
            Failure::Transient => {
                add(&mut self.counters.transient_failures, 1);
                self.backoff.next_delay_ns()
            }
            Failure::Permanent => {
                add(&mut self.counters.permanent_failures, 1);
                self.hurry_up();
                self.backoff.longest_delay_ns()
            }
        };
        self.rewind();
        self.link = Link::Down {
            retry_at: now.after_nanos(delay),
        };
    }

    /// The link took `len` of the bytes that [`poll_transmit`](Self::poll_transmit) gave.
    pub fn handle_written(&mut self, len: usize) {
        let Some(outgoing) = &mut self.outgoing else {
            return;
        };
        outgoing.written = outgoing.written.saturating_add(len);
        let taken = u32::try_from(len).unwrap_or(u32::MAX);
        add(&mut self.counters.bytes, taken);
    }

    /// Whether a frame was written whole and its receiver has yet to say that it was kept.
    #[must_use]
    pub fn awaits_confirmation(&self) -> bool {
        let outgoing = self.outgoing.as_ref();
        outgoing
            .is_some_and(|outgoing| !outgoing.is_confirmed && outgoing.is_written(&self.scratch))
    }

    /// The receiver has kept the frame that was written whole, or will not say.
    pub fn handle_confirmed(&mut self) {
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.is_confirmed = outgoing.is_written(&self.scratch);
        }
    }

    /// Writes out what there is and ends, at `deadline` at the latest.
    ///
    /// Whatever is left then is lost, and counted so, under the session's own numbers. Backing off
    /// is cut short: the link is tried once more at once. If it fails permanently, the end has come.
    pub fn finish(&mut self, now: Instant, deadline: Instant) {
        if self.finish != Finish::No {
            return;
        }
        self.finish = Finish::By(deadline);
        self.ripe_at = now;
        self.retry(now);
    }

    /// Whether everything is written or given up; the flusher does nothing any more.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.finish, Finish::Drained | Finish::GivenUp)
    }

    /// Something has changed: a link that is down is tried at once, whatever its backoff.
    pub fn retry(&mut self, now: Instant) {
        if let Link::Down { retry_at } = &mut self.link {
            *retry_at = (*retry_at).min(now);
        }
    }

    /// Whether it is finished, and everything was written to the end of the last session.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.finish == Finish::Drained
    }

    /// What was done so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Gives the parcel back whose frame was kept.
    fn settle_confirmed<S: Source<Block = B>>(&mut self, source: &S) {
        if let Some(outgoing) = self.outgoing.take_if(|outgoing| outgoing.is_confirmed) {
            add(&mut self.counters.frames, 1);
            self.backoff.reset();
            source.settle(outgoing.parcel, Fate::Written);
        }
    }

    fn next_outgoing<S: Source<Block = B>>(
        &mut self,
        now: Instant,
        source: &S,
    ) -> Option<Outgoing<B>> {
        let finishing = self.finish != Finish::No;
        let ripe = finishing || now >= self.ripe_at;
        let mut parcel = source.take(ripe, &mut self.scratch);
        if parcel.is_none() && finishing {
            source.close();
            parcel = source.take(true, &mut self.scratch);
        }
        if ripe {
            self.ripe_at = now.after(self.settings.max_age);
        }
        Some(Outgoing {
            parcel: parcel?,
            written: 0,
            is_confirmed: false,
            deadline: None,
        })
    }

    /// There is nothing left to write: if this is the end, it has come.
    fn conclude(&mut self) {
        if matches!(self.finish, Finish::By(_)) {
            self.finish = Finish::Drained;
            self.link = Link::Condemned {
                retry_at: Instant::ORIGIN,
            };
        }
    }

    /// The time to drain is over: everything left is lost.
    fn give_up<S: Source<Block = B>>(&mut self, source: &S) {
        if let Some(outgoing) = self.outgoing.take() {
            source.settle(outgoing.parcel, Fate::Lost(Cause::Deadline));
        }
        source.close();
        source.abandon(Cause::Deadline);
        self.finish = Finish::GivenUp;
        self.link = Link::Condemned {
            retry_at: Instant::ORIGIN,
        };
    }

    fn write_is_overdue(&self, now: Instant) -> bool {
        let deadline = self
            .outgoing
            .as_ref()
            .and_then(|outgoing| outgoing.deadline);
        deadline.is_some_and(|deadline| now >= deadline)
    }

    /// What will not work until somebody mends it is not waited for at the end.
    fn hurry_up(&mut self) {
        if matches!(self.finish, Finish::By(_)) {
            self.finish = Finish::Overdue;
        }
    }

    /// Has the link closed, and waits before it is opened again.
    fn condemn(&mut self, now: Instant) {
        self.rewind();
        self.link = Link::Condemned {
            retry_at: now.after_nanos(self.backoff.next_delay_ns()),
        };
    }

    /// The frame under way has to be written from its start.
    fn rewind(&mut self) {
        if let Some(outgoing) = &mut self.outgoing {
            // What was kept was kept, whatever became of the link.
            if outgoing.is_confirmed {
                return;
            }
            outgoing.deadline = None;
            if outgoing.written > 0 {
                add(&mut self.counters.frames_resent, 1);
            }
            outgoing.written = 0;
        }
    }
}

impl<B: Block> Outgoing<B> {
    fn is_written(&self, scratch: &[u8; Report::FRAME_MAX]) -> bool {
        self.written >= self.parcel.frame(scratch).len()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Transient => "failed, may work soon",
            Self::Permanent => "failed, has to be mended",
        })
    }
}

impl core::error::Error for Failure {}
