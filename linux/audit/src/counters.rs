use std::time::Duration;

/// What became of the entries that an emitter was given.
///
/// Each is counted once, so that at any time `pushed` is the sum of `accepted`, the refused, the
/// dropped, `unknown` and `pending`. All counts are since the emitter was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Entries that the emitter was given.
    pub pushed: u64,
    /// Records that the kernel took. It may still lose or discard them, and does not tell.
    pub accepted: u64,
    /// Records that the kernel would not take.
    pub refused: Refused,
    /// Entries that were never sent.
    pub dropped: Dropped,
    /// Records that were on their way when the helper died or the emitter was closed: they may
    /// have been accepted, or not.
    pub unknown: u64,
    /// Entries that still wait, or are on their way.
    pub pending: u64,
    /// Entries of which a value was cut or left out; counted when they are made into records.
    pub truncated: u64,
    /// The longest time that a single send has taken.
    pub max_send: Duration,
}

/// Records that the kernel would not take, by its reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// `EPERM`: [`Refusal::NotPermitted`](crate::Refusal::NotPermitted).
    pub not_permitted: u64,
    /// `ECONNREFUSED`: [`Refusal::ConnectionRefused`](crate::Refusal::ConnectionRefused).
    pub connection_refused: u64,
    /// Any other error.
    pub other: u64,
}

/// Entries that were never sent, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The emitter's queue was full.
    pub queue_full: u64,
    /// The helper did not take them over in time.
    pub hand_off_full: u64,
    /// A send had been slow, and the emitter left the kernel alone for a while.
    pub resting: u64,
    /// The kernel had refused an earlier record, or the helper was not there.
    pub off: u64,
    /// The emitter was closed while they were still waiting.
    pub deadline: u64,
    /// The emitter was closed already.
    pub closed: u64,
}

impl Counters {
    /// Whether every entry is accounted for.
    #[must_use]
    pub const fn is_balanced(&self) -> bool {
        let settled = self.accepted + self.refused.total() + self.dropped.total() + self.unknown;
        self.pushed == settled + self.pending
    }
}

impl Refused {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.not_permitted + self.connection_refused + self.other
    }
}

impl Dropped {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.queue_full + self.hand_off_full + self.resting + self.off + self.deadline + self.closed
    }
}
