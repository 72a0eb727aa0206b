use std::{
    io,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    Counters, Dropped, Entry, Numbering, Record, Refused, Template, gate::Tally, ring::Ring,
    waker::Waker,
};

/// What an emitter's callers and its worker have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    ring: Ring,
    pub(crate) waker: Waker,
    ledger: Mutex<Ledger>,
    progress: Condvar,
}

/// The worker's side of the books.
#[derive(Debug, Default)]
struct Ledger {
    /// Entries taken out of the ring.
    taken: u64,
    /// What the kernel's side says.
    tally: Tally,
    hand_off_full: u64,
    /// Dropped because there was no helper.
    helper_gone: u64,
    unknown: u64,
    deadline: u64,
    truncated: u64,
    closed: bool,
    worker_ended: bool,
    waiting: u32,
}

/// What the worker finds when it asks for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The record is filled in.
    Record,
    /// There is nothing to do.
    Nothing,
    /// The emitter was closed, and the worker is to end.
    Closed,
}

impl Shared {
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        Ok(Self {
            ring: Ring::new(capacity),
            waker: Waker::new()?,
            ledger: Mutex::default(),
            progress: Condvar::new(),
        })
    }

    /// Takes an entry from a caller.
    pub(crate) fn push(&self, entry: &Entry<'_>) {
        if self.ring.push(entry) {
            self.waker.wake_if_parked();
        }
    }

    /// Makes the next entry into `record`.
    pub(crate) fn take(
        &self,
        template: &Template,
        record: &mut Record,
        turned_away: &mut u64,
    ) -> Taken {
        let mut ledger = self.ledger();
        if ledger.closed {
            return Taken::Closed;
        }
        let dropped = ledger.dropped() + self.ring.turned_away_full();
        let popped = self.ring.pop(|item, turn| {
            // Items were pushed in order, but may have noted this out of order.
            *turned_away = item.turned_away().max(*turned_away);
            let sequence = turn + *turned_away;
            let numbering = Numbering { sequence, dropped };
            item.load(|entry, truncated| template.fill(record, entry, numbering, truncated));
        });
        if popped.is_none() {
            return Taken::Nothing;
        }
        ledger.taken += 1;
        ledger.truncated += u64::from(record.is_truncated());
        Taken::Record
    }

    /// Whether the worker should not go to sleep.
    pub(crate) fn has_work(&self) -> bool {
        !self.ring.is_empty() || self.ledger().closed
    }

    /// Whether the emitter was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.ledger().closed
    }

    /// Whether records are on their way.
    #[cfg(test)]
    pub(crate) fn is_in_flight(&self) -> bool {
        self.ledger().in_flight() > 0
    }

    /// Takes over what the kernel's side has counted since the emitter was started.
    pub(crate) fn report(&self, tally: Tally) {
        self.settle(|ledger| ledger.tally = tally);
    }

    /// A record was taken out and could not be handed over.
    pub(crate) fn drop_hand_off_full(&self) {
        self.settle(|ledger| ledger.hand_off_full += 1);
    }

    /// A record was taken out and there was no helper.
    pub(crate) fn drop_helper_gone(&self) {
        self.settle(|ledger| ledger.helper_gone += 1);
    }

    /// The helper is gone, and with it the knowledge of what was on its way, but for `kept`
    /// records that were not handed over.
    pub(crate) fn lose_in_flight(&self, kept: u64) {
        self.settle(|ledger| ledger.unknown += ledger.in_flight().saturating_sub(kept));
    }

    /// The worker has ended, or will not touch the books again.
    pub(crate) fn end_worker(&self) {
        self.ledger().worker_ended = true;
        self.progress.notify_all();
    }

    /// Waits until all that was pushed before is settled; returns what is pending then.
    pub(crate) fn flush(&self, timeout: Duration) -> u64 {
        let target = self.ring.pushed();
        self.waker.wake();
        self.wait(timeout, |ledger| {
            ledger.settled() >= target || ledger.closed
        });
        self.counters().pending
    }

    /// Ends everything: what still waits is dropped, what is on its way is unknown.
    pub(crate) fn close(&self) {
        let pushed = self.ring.close();
        let mut ledger = self.ledger();
        if ledger.closed {
            return;
        }
        ledger.closed = true;
        ledger.deadline = pushed.saturating_sub(ledger.taken);
        ledger.unknown += ledger.in_flight();
        drop(ledger);
        self.waker.wake();
        self.progress.notify_all();
    }

    /// Waits until the worker has ended; `false` if it has not.
    pub(crate) fn wait_for_worker(&self, timeout: Duration) -> bool {
        self.wait(timeout, |ledger| ledger.worker_ended)
    }

    pub(crate) fn counters(&self) -> Counters {
        let ledger = self.ledger();
        // Read after the ledger is locked, so that nothing is settled that is not yet pushed.
        let queue_full = self.ring.turned_away_full();
        let closed = self.ring.turned_away_closed();
        let pushed = self.ring.pushed();
        Counters {
            pushed: pushed + queue_full + closed,
            accepted: ledger.tally.accepted,
            refused: Refused {
                not_permitted: ledger.tally.not_permitted,
                connection_refused: ledger.tally.connection_refused,
                other: ledger.tally.other,
            },
            dropped: Dropped {
                queue_full,
                hand_off_full: ledger.hand_off_full,
                resting: ledger.tally.resting,
                off: ledger.tally.off + ledger.helper_gone,
                deadline: ledger.deadline,
                closed,
            },
            unknown: ledger.unknown,
            pending: pushed.saturating_sub(ledger.settled()),
            truncated: ledger.truncated,
            max_send: Duration::from_nanos(ledger.tally.max_send_ns),
        }
    }

    fn settle(&self, change: impl FnOnce(&mut Ledger)) {
        let mut ledger = self.ledger();
        if ledger.closed {
            // Closing has counted as unknown what this would tell of.
            return;
        }
        change(&mut ledger);
        if ledger.waiting > 0 {
            self.progress.notify_all();
        }
    }

    fn wait(&self, timeout: Duration, is_done: impl Fn(&Ledger) -> bool) -> bool {
        let start = Instant::now();
        let mut ledger = self.ledger();
        ledger.waiting += 1;
        while !is_done(&ledger) {
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                break;
            }
            let waited = self.progress.wait_timeout(ledger, left);
            ledger = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        ledger.waiting -= 1;
        is_done(&ledger)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    const fn dropped(&self) -> u64 {
        self.tally.resting + self.tally.off + self.hand_off_full + self.helper_gone
    }

    const fn settled(&self) -> u64 {
        self.tally.settled() + self.hand_off_full + self.helper_gone + self.unknown + self.deadline
    }

    /// Taken out of the ring and not settled.
    const fn in_flight(&self) -> u64 {
        let settled_after_taking = self.settled() - self.deadline;
        self.taken.saturating_sub(settled_after_taking)
    }
}
