use std::{
    io,
    os::fd::AsFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use embassy_sync::blocking_mutex::raw::RawMutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use throughline_core::{
    Block, Cause, Counters, Encoder, Entropy, Failure, Flusher, Instant, Next, Settings, Source,
    Trail, turn,
};

use crate::{Host, SpoolCounts, SpooledLink, Waker, host::now};

/// The thread that drives a lane's flusher.
///
/// It wakes by its own timer, when enough frames are ready, and when its socket can be written to again;
/// recording an event does not wake it. Dropping the handle without [`finish`](Self::finish) leaves
/// the thread running for as long as the process does.
#[derive(Debug)]
pub struct FlushThread {
    shared: Arc<Shared>,
    ended: mpsc::Receiver<Ended>,
    thread: JoinHandle<()>,
}

/// How a flush thread ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended {
    /// What its flusher did.
    pub counters: Counters,
    /// What its spool did, if it has one.
    pub spool: Option<SpoolCounts>,
    /// What the link failed with last, if it ever did.
    pub last_error: Option<io::Error>,
}

#[derive(Debug)]
struct Shared {
    host: Host,
    lane: usize,
    /// Until when the collector may take what is left, once the thread is to end.
    drain: Mutex<Option<Instant>>,
}

impl FlushThread {
    /// Starts a thread that takes from lane `lane` of `trail` and writes to `link`.
    ///
    /// # Errors
    ///
    /// If the trail's platform has no waker for the lane, or the thread cannot be started.
    pub fn spawn<M, E, B, const BLOCKS: usize, const LANES: usize>(
        trail: Arc<Trail<M, Host, E, B, BLOCKS, LANES>>,
        lane: usize,
        link: impl Into<SpooledLink>,
        settings: Settings,
    ) -> io::Result<Self>
    where
        M: RawMutex + Send + Sync + 'static,
        E: Encoder + Send + Sync + 'static,
        B: Block + Send + 'static,
    {
        let shared = Arc::new(Shared {
            host: trail.platform().clone(),
            lane,
            drain: Mutex::new(None),
        });
        shared.waker()?;
        let (sender, ended) = mpsc::sync_channel(1);
        let driver = Arc::clone(&shared);
        let link = link.into();
        let thread = thread::Builder::new()
            .name(format!("flush-{lane}"))
            .spawn(move || {
                let flusher = Flusher::new(settings, seed(&driver.host));
                let lane = trail.lane(lane);
                let ended = drive(&driver, flusher, &lane, link, |full| {
                    lane.blame(full);
                    lane.is_pressed()
                });
                // The handle may be gone, and then nobody wants to know.
                let _ = sender.send(ended);
            })?;
        Ok(Self {
            shared,
            ended,
            thread,
        })
    }

    /// Begins to write out what there is, for `drain` at most from now on.
    ///
    /// For whoever has many threads to [`finish`](Self::finish), so that all have the same time.
    pub fn begin_to_finish(&self, drain: Duration) {
        lock(&self.shared.drain).get_or_insert(now().after(drain));
        if let Ok(waker) = self.shared.waker() {
            waker.wake();
        }
    }

    /// Writes out what there is, for `drain` at most, and ends the thread.
    ///
    /// What the collector has not taken by then goes to the spool; without one it is counted as lost.
    /// `None` if the thread did not end in time, which it does unless the machine gives it no time to
    /// run, or panicked.
    #[must_use]
    pub fn finish(self, drain: Duration) -> Option<Ended> {
        self.begin_to_finish(drain);
        let ended = self.ended.recv_timeout(drain.saturating_add(GRACE)).ok()?;
        self.thread.join().ok()?;
        Some(ended)
    }
}

impl Shared {
    fn waker(&self) -> io::Result<&Waker> {
        let missing = || {
            let text = format!("the trail's platform has no waker for lane {}", self.lane);
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        self.host.waker(self.lane).ok_or_else(missing)
    }

    /// When the collector has had its time, once draining was asked for.
    fn drain_until(&self) -> Option<Instant> {
        *lock(&self.drain)
    }
}

/// The drive loop. `store` is told what a full store is due to, and tells whether it needs room.
fn drive<S: Source>(
    shared: &Shared,
    mut flusher: Flusher<S::Block>,
    source: &S,
    mut link: SpooledLink,
    store: impl Fn(Cause) -> bool,
) -> Ended {
    while let Ok(waker) = shared.waker() {
        // Armed before the turn, so that a frame which becomes ready during it is not missed.
        waker.arm();
        let draining = shared.drain_until();
        if let Some(until) = draining {
            drain(&mut flusher, &mut link, until);
        }
        let full = if link.is_spool_full() {
            Cause::SpoolFull
        } else {
            Cause::StoreFull
        };
        link.set_urgent(store(full));
        link.tick();
        if draining.is_none() && link.fall_back() {
            flusher.handle_closed(now(), Failure::Transient);
            flusher.retry(now());
        }
        if link.would_spool() {
            flusher.retry(now());
        }
        let next = turn(&mut flusher, source, &mut link, now());
        let is_replaying = link.is_replaying() && draining.is_some_and(|until| now() < until);
        if flusher.is_finished() && !is_replaying {
            break;
        }
        let mut until = if flusher.is_finished() {
            Instant::from_nanos(u64::MAX)
        } else {
            flusher.poll_timeout()
        };
        // What is left once that is over goes to the spool, by the flusher's own time.
        let drained = draining.filter(|until| now() < *until);
        for other in [link.deadline(), drained].into_iter().flatten() {
            until = until.min(other);
        }
        let events = wait(waker, &link, next, until);
        let is_only_room = (events - PollFlags::OUT).is_empty();
        if !is_only_room
            && !flusher.awaits_confirmation()
            && let Err(failure) = link.check()
        {
            flusher.handle_closed(now(), failure);
        }
    }
    Ended {
        counters: flusher.counters(),
        spool: link.spool_counts(),
        last_error: link.into_last_error(),
    }
}

/// Asks the flusher to end; once the collector has had its time, what is left goes to the spool.
fn drain<B: Block>(flusher: &mut Flusher<B>, link: &mut SpooledLink, until: Instant) {
    let now = now();
    let deadline = if link.has_spool() {
        until.after(SPOOLING)
    } else {
        until
    };
    flusher.finish(now, deadline);
    link.set_ending();
    if now >= until && link.divert() {
        flusher.handle_closed(now, Failure::Transient);
        flusher.retry(now);
    }
}

/// Waits for a wake, for the link, or until then; returns what has happened to the link.
fn wait(waker: &Waker, link: &SpooledLink, next: Next, until: Instant) -> PollFlags {
    let timeout = match next {
        Next::Turn => Duration::ZERO,
        Next::AwaitLink | Next::AwaitWake => until.since(now()),
    };
    let (socket, flags) = link
        .interest()
        .unwrap_or((waker.as_fd(), PollFlags::empty()));
    let mut fds = [
        PollFd::new(waker, PollFlags::IN),
        PollFd::from_borrowed_fd(socket, flags),
    ];
    // A signal or a lack of memory ends the wait early, which is harmless.
    let _ = poll(&mut fds, Timespec::try_from(timeout).ok().as_ref());
    let [_, link] = fds;
    link.revents()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seed(host: &Host) -> u32 {
    let [a, b, c, d, ..] = host.random();
    u32::from_ne_bytes([a, b, c, d])
}

/// How long it may take to put into the spool what the collector did not take.
const SPOOLING: Duration = Duration::from_secs(1);

/// How long after the end of draining the thread may take to say so.
const GRACE: Duration = Duration::from_secs(3);
