use core::fmt;

use heapless::Vec;

use crate::{Sequence, SessionId};

/// Why events will never be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The trail's store had no room left.
    StoreFull,
    /// The time to drain ran out when the recording program ended.
    Deadline,
    /// The spool that takes over from the store had no room left, or could not be written.
    SpoolFull,
    /// The way from a device to the host that forwards its trail lost them.
    Link,
}

impl Cause {
    /// The word for it in a trail file, such as `store_full`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StoreFull => "store_full",
            Self::Deadline => "deadline",
            Self::SpoolFull => "spool_full",
            Self::Link => "link",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Events of one session that will never be written.
///
/// As a rule every number in `first..=last` is lost and `count` says just that. Where losses and
/// written events alternated for longer than they could be told apart, `count` of them are lost
/// and the rest were written. The count is exact either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The first number lost.
    pub first: Sequence,
    /// The last number lost (inclusive).
    pub last: Sequence,
    /// How many numbers are lost (count, at least 1).
    pub count: u32,
    /// Why.
    pub cause: Cause,
}

impl Loss {
    /// The loss of one event.
    #[must_use]
    pub const fn of(sequence: Sequence, cause: Cause) -> Self {
        Self {
            first: sequence,
            last: sequence,
            count: 1,
            cause,
        }
    }

    /// Whether every number in `first..=last` is lost.
    #[must_use]
    pub const fn is_dense(&self) -> bool {
        let span = self.last.value().saturating_sub(self.first.value());
        span.saturating_add(1) == self.count
    }

    /// Whether `other` begins where this one ends, so that the two are one range.
    fn meets(&self, other: &Self) -> bool {
        self.cause == other.cause && self.last.next() == Some(other.first)
    }

    /// Takes in `other`, and whatever was written between the two.
    fn absorb(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count = self.count.saturating_add(other.count);
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} lost within {}..={} ({})",
            self.count, self.first, self.last, self.cause
        )
    }
}

/// The end of a session: nothing of it will follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Numbers given out (count, 0..=2^31).
    pub recorded: u32,
    /// Events that left in frames that were written whole (count).
    pub written: u32,
    /// Events that never will (count); `recorded` is the sum of the two.
    pub lost: u32,
}

/// What a session has to say of itself besides its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The session.
    pub session: SessionId,
    /// Its losses since the last report, in order.
    pub losses: Vec<Loss, { Self::LOSSES_MAX }>,
    /// Its end, if this is the last that is heard of it.
    pub end: Option<End>,
}

impl Report {
    /// The greatest number of losses in one report (count, inclusive).
    pub const LOSSES_MAX: usize = 8;

    /// A frame that holds any report in any wire format of this project fits this (bytes).
    pub const FRAME_MAX: usize = 512;
}

/// The losses of a store that are yet to be reported: bounded, in order, exact in number.
///
/// Each has the generation of its session (0 for a trail's first session, 1 for the next, ...).
#[derive(Debug)]
pub(crate) struct Ledger {
    entries: Vec<Entry, { Self::CAPACITY }>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    generation: u32,
    loss: Loss,
}

impl Ledger {
    /// More than a store remembers sessions, times the causes that there are.
    pub(crate) const CAPACITY: usize = 20;

    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Writes down a loss. A loss that follows on the latest of its session and cause becomes one
    /// with it; with no room left, the oldest two that belong together are made one.
    pub(crate) fn add(&mut self, generation: u32, loss: Loss) {
        let entry = Entry { generation, loss };
        let latest = self
            .entries
            .iter_mut()
            .rfind(|latest| latest.is_like(&entry));
        if let Some(latest) = latest
            && latest.loss.meets(&loss)
        {
            latest.loss.absorb(&loss);
            return;
        }
        if self.entries.is_full() {
            self.make_room();
        }
        // There are more entries than sessions times causes, so two of them were alike.
        let _ = self.entries.push(entry);
    }

    /// Gives up the losses of a session that is not reported on any more.
    pub(crate) fn forget(&mut self, generation: u32) {
        self.entries.retain(|entry| entry.generation != generation);
    }

    /// The generation and the first number of the oldest entry.
    pub(crate) fn front(&self) -> Option<(u32, Sequence)> {
        let entry = self.entries.first()?;
        Some((entry.generation, entry.loss.first))
    }

    /// Whether there is an entry of `generation`.
    pub(crate) fn holds(&self, generation: u32) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.generation == generation)
    }

    /// Moves the oldest entries of one session out, as many as a report holds.
    pub(crate) fn take(&mut self) -> Option<(u32, Vec<Loss, { Report::LOSSES_MAX }>)> {
        let generation = self.entries.first()?.generation;
        let mut losses = Vec::new();
        self.entries.retain(|entry| {
            let taken = entry.generation == generation && losses.push(entry.loss).is_ok();
            !taken
        });
        Some((generation, losses))
    }

    /// The losses that are yet to be reported, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Loss)> {
        self.entries
            .iter()
            .map(|entry| (entry.generation, entry.loss))
    }

    /// Makes one entry of the oldest two that belong together.
    fn make_room(&mut self) {
        let alike = |(at, entry): (usize, &Entry)| {
            let after = at.saturating_add(1);
            let mut later = self.entries.iter().skip(after);
            let next = later.position(|later| later.is_like(entry))?;
            Some((at, after.saturating_add(next), entry.loss))
        };
        let Some((first, second, loss)) = self.entries.iter().enumerate().find_map(alike) else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(second) {
            entry.loss.absorb(&loss);
        }
        let mut at: usize = 0;
        self.entries.retain(|_| {
            let keep = at != first;
            at = at.saturating_add(1);
            keep
        });
    }
}

impl Entry {
    fn is_like(&self, other: &Self) -> bool {
        self.generation == other.generation && self.loss.cause == other.loss.cause
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec as StdVec;

    use super::*;

    fn number(value: u32) -> Sequence {
        Sequence::new(value).unwrap()
    }

    fn lose(ledger: &mut Ledger, value: u32, cause: Cause) {
        ledger.add(0, Loss::of(number(value), cause));
    }

    fn total(ledger: &Ledger) -> u32 {
        ledger.iter().map(|(_, loss)| loss.count).sum()
    }

    #[test]
    fn losses_in_a_row_are_one_range() {
        let mut ledger = Ledger::new();
        (5..9).for_each(|value| lose(&mut ledger, value, Cause::StoreFull));
        lose(&mut ledger, 11, Cause::StoreFull);
        let losses: StdVec<_> = ledger.iter().map(|(_, loss)| loss).collect();
        assert_eq!(losses.len(), 2);
        assert_eq!((losses[0].first, losses[0].last), (number(5), number(8)));
        assert!(losses[0].is_dense() && losses[1].is_dense());
    }

    #[test]
    fn causes_are_kept_apart() {
        let mut ledger = Ledger::new();
        lose(&mut ledger, 1, Cause::StoreFull);
        lose(&mut ledger, 2, Cause::Deadline);
        lose(&mut ledger, 2, Cause::StoreFull);
        assert_eq!(ledger.iter().count(), 2);
    }

    #[test]
    fn the_number_of_ranges_is_bounded_and_their_total_is_exact() {
        let mut ledger = Ledger::new();
        for value in 0..1000 {
            lose(&mut ledger, value * 2, Cause::StoreFull);
            assert_eq!(total(&ledger), value + 1);
            assert!(ledger.iter().count() <= Ledger::CAPACITY);
        }
        let losses: StdVec<_> = ledger.iter().map(|(_, loss)| loss).collect();
        assert!(losses.is_sorted_by_key(|loss| loss.first));
        assert_eq!(losses[0].first, number(0));
        assert_eq!(losses[Ledger::CAPACITY - 1].last, number(1998));
    }

    #[test]
    fn a_report_takes_the_losses_of_one_session() {
        let mut ledger = Ledger::new();
        for value in 0..10 {
            ledger.add(0, Loss::of(number(value * 2), Cause::StoreFull));
        }
        ledger.add(1, Loss::of(number(0), Cause::StoreFull));

        let (generation, losses) = ledger.take().unwrap();
        assert_eq!((generation, losses.len()), (0, Report::LOSSES_MAX));
        assert_eq!(losses[0].first, number(0));
        let (generation, losses) = ledger.take().unwrap();
        assert_eq!((generation, losses.len()), (0, 2));
        assert_eq!(losses[1].first, number(18));
        assert!(!ledger.holds(0) && ledger.holds(1));
        assert_eq!(ledger.front(), Some((1, number(0))));
    }
}
