use std::iter::repeat_with;

use crate::{
    Entry,
    item::{Far, Item, Near},
    line::Line,
    sync::{AtomicU64, Ordering},
};

/// A bounded queue from many threads to one, in which no thread waits for another.
///
/// A thread first claims a turn, and then has its place for itself until it publishes it, by
/// writing the number of the turn after it into the place. The popping thread gives places back by
/// its own count alone, so that it never writes to them.
///
/// ```text
///   turn:      8         9         6        7          capacity 4, head 6, tail 9
///   place:  [.......] [.......] [item 6] [item 7]      item 8 is claimed and being written
///   says:      5         6         7        8          turn 9 is free to be claimed
/// ```
#[derive(Debug)]
pub(crate) struct Ring {
    places: Box<[Place]>,
    /// What does not fit in a place, by the same index.
    far: Box<[Far]>,
    pushing: Line<Pushing>,
    /// The next turn to pop.
    head: Line<AtomicU64>,
    full: AtomicU64,
    closed: AtomicU64,
}

/// What only pushing threads write.
#[derive(Debug, Default)]
struct Pushing {
    /// The next turn to claim; its top bit says that the ring is closed.
    tail: AtomicU64,
    /// What the head was, or more: it is looked at again when there is no room by this.
    head: AtomicU64,
}

#[derive(Debug)]
#[repr(C, align(128))]
struct Place {
    /// The number after the turn that was published last.
    published: AtomicU64,
    near: Near,
}

impl Ring {
    /// A ring of at least `capacity` places; the next power of two is taken.
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(2, 1 << 20).next_power_of_two();
        let place = || Place {
            published: AtomicU64::new(0),
            near: Near::empty(),
        };
        Self {
            places: repeat_with(place).take(capacity).collect(),
            far: repeat_with(Far::empty).take(capacity).collect(),
            pushing: Line::default(),
            head: Line::default(),
            full: AtomicU64::new(0),
            closed: AtomicU64::new(0),
        }
    }

    /// Takes an entry in, or counts that it was turned away; `false` then.
    pub(crate) fn push(&self, entry: &Entry<'_>) -> bool {
        let tail = &self.pushing.0.tail;
        let mut turn = tail.load(Ordering::Relaxed);
        loop {
            if turn & CLOSED != 0 {
                self.closed.fetch_add(1, Ordering::Relaxed);
                return false;
            }
            if !self.has_room(turn) {
                self.full.fetch_add(1, Ordering::Relaxed);
                return false;
            }
            let claim =
                tail.compare_exchange_weak(turn, turn + 1, Ordering::Relaxed, Ordering::Relaxed);
            match claim {
                Ok(_) => break,
                Err(now) => turn = now,
            }
        }
        let (published, item) = self.place(turn);
        item.store(entry, self.full.load(Ordering::Relaxed));
        published.store(turn + 1, Ordering::Release);
        true
    }

    /// Reads the oldest item with `read`, together with its turn; `None` if there is none that is
    /// published. To be called by one thread only.
    pub(crate) fn pop<R>(&self, read: impl FnOnce(Item<'_>, u64) -> R) -> Option<R> {
        let turn = self.head.0.load(Ordering::Relaxed);
        let (published, item) = self.place(turn);
        if published.load(Ordering::Acquire) != turn + 1 {
            return None;
        }
        let result = read(item, turn);
        self.head.0.store(turn + 1, Ordering::Release);
        Some(result)
    }

    /// Turns away every push from now on, and returns how many there were before.
    pub(crate) fn close(&self) -> u64 {
        self.pushing.0.tail.fetch_or(CLOSED, Ordering::Relaxed) & !CLOSED
    }

    /// How many items were taken in (count).
    pub(crate) fn pushed(&self) -> u64 {
        self.pushing.0.tail.load(Ordering::Acquire) & !CLOSED
    }

    /// How many items were turned away because there was no room (count).
    pub(crate) fn turned_away_full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }

    /// How many items were turned away because the ring was closed (count).
    pub(crate) fn turned_away_closed(&self) -> u64 {
        self.closed.load(Ordering::Relaxed)
    }

    /// Whether every turn that was claimed has been popped.
    pub(crate) fn is_empty(&self) -> bool {
        self.pushed() == self.head.0.load(Ordering::Acquire)
    }

    /// Whether the place of `turn` was given back.
    fn has_room(&self, turn: u64) -> bool {
        let capacity = self.places.len() as u64;
        let known = self.pushing.0.head.load(Ordering::Acquire);
        // A thread that is slow may hold a turn from before what is known.
        if turn.saturating_sub(known) < capacity {
            return true;
        }
        let head = self.head.0.load(Ordering::Acquire);
        self.pushing.0.head.fetch_max(head, Ordering::AcqRel);
        turn.saturating_sub(head) < capacity
    }

    fn place(&self, turn: u64) -> (&AtomicU64, Item<'_>) {
        // The number of places is a power of two.
        let at = (turn as usize) & (self.places.len() - 1);
        let place = &self.places[at];
        let item = Item {
            near: &place.near,
            far: &self.far[at],
        };
        (&place.published, item)
    }
}

const CLOSED: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicBool, thread};

    use super::*;
    use crate::{Entry, SessionClose};

    fn entry(thread: u64, number: u64) -> Entry<'static> {
        Entry::SessionClose(SessionClose {
            session: throughline_core::SessionId::from_uuid(uuid::Uuid::nil()),
            recorded: thread,
            written: number,
            lost: 0,
        })
    }

    fn push(ring: &Ring, thread: u64, number: u64) -> bool {
        ring.push(&entry(thread, number))
    }

    fn pop(ring: &Ring) -> Option<(u64, u64, u64)> {
        ring.pop(|item, turn| {
            item.load(|entry, _| match entry {
                Entry::SessionClose(close) => (turn, close.recorded, close.written),
                _ => panic!("another kind"),
            })
        })
    }

    #[test]
    fn items_come_out_in_order_and_the_newest_is_turned_away() {
        let ring = Ring::new(4);
        assert!((0..4).all(|number| push(&ring, 0, number)));
        assert!(!push(&ring, 0, 4));
        assert_eq!(pop(&ring), Some((0, 0, 0)));
        assert!(push(&ring, 0, 5));
        let rest: Vec<_> = std::iter::from_fn(|| pop(&ring)).collect();
        assert_eq!(rest, [(1, 0, 1), (2, 0, 2), (3, 0, 3), (4, 0, 5)]);
        assert!(ring.is_empty());
        assert_eq!((ring.pushed(), ring.turned_away_full()), (5, 1));
    }

    #[test]
    fn a_closed_ring_takes_nothing_and_still_gives() {
        let ring = Ring::new(4);
        push(&ring, 0, 0);
        assert_eq!(ring.close(), 1);
        assert!(!push(&ring, 0, 1));
        assert_eq!(ring.turned_away_closed(), 1);
        assert_eq!(pop(&ring), Some((0, 0, 0)));
        assert_eq!(ring.pushed(), 1);
    }

    #[test]
    fn every_push_of_four_threads_comes_out_once_and_in_its_threads_order() {
        const EACH: u64 = 20_000;
        let ring = Ring::new(64);
        let ended = AtomicBool::new(false);
        let popped = thread::scope(|scope| {
            let popping = scope.spawn(|| {
                let mut popped = Vec::new();
                while !(ended.load(Ordering::Acquire) && ring.is_empty()) {
                    match pop(&ring) {
                        Some(item) => popped.push(item),
                        None => thread::yield_now(),
                    }
                }
                popped
            });
            let pushing: Vec<_> = (0..4)
                .map(|thread| {
                    let ring = &ring;
                    scope.spawn(move || (0..EACH).filter(|n| push(ring, thread, *n)).count())
                })
                .collect();
            let pushed: usize = pushing.into_iter().map(|push| push.join().unwrap()).sum();
            ended.store(true, Ordering::Release);
            let popped = popping.join().unwrap();
            assert_eq!(popped.len(), pushed);
            popped
        });
        assert!(popped.iter().map(|item| item.0).eq(0..popped.len() as u64));
        for thread in 0..4 {
            let numbers = popped.iter().filter(|item| item.1 == thread);
            assert!(numbers.map(|item| item.2).is_sorted_by(|a, b| a < b));
        }
        assert_eq!(popped.len() as u64 + ring.turned_away_full(), 4 * EACH);
    }
}

/// Every interleaving of the threads, as far as the memory model lets them see each other's writes.
#[cfg(all(test, loom))]
mod model {
    use loom::{sync::Arc, thread};

    use super::*;
    use crate::{Entry, SessionClose};

    fn entry(number: u64) -> Entry<'static> {
        Entry::SessionClose(SessionClose {
            session: throughline_core::SessionId::from_uuid(uuid::Uuid::nil()),
            recorded: number,
            written: number,
            lost: number,
        })
    }

    /// The number that was pushed; panics if the item is not all of one push.
    fn pop(ring: &Ring) -> Option<u64> {
        ring.pop(|item, _| {
            item.load(|entry, _| match entry {
                Entry::SessionClose(close) => {
                    assert_eq!((close.recorded, close.lost), (close.written, close.written));
                    close.written
                }
                _ => panic!("another kind"),
            })
        })
    }

    #[test]
    fn what_two_threads_push_comes_out_whole_and_once_though_places_are_used_again() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model.check(|| {
            let ring = Arc::new(Ring::new(2));
            let pushing: Vec<_> = [1, 2]
                .into_iter()
                .map(|first| {
                    let ring = Arc::clone(&ring);
                    thread::spawn(move || {
                        let numbers = [first, first + 2];
                        numbers
                            .iter()
                            .filter(|number| ring.push(&entry(**number)))
                            .count()
                    })
                })
                .collect();
            let mut popped: Vec<u64> = (0..2).filter_map(|_| pop(&ring)).collect();
            let pushed: usize = pushing.into_iter().map(|push| push.join().unwrap()).sum();
            popped.extend(std::iter::from_fn(|| pop(&ring)));
            assert_eq!(popped.len(), pushed);
            assert!(ring.is_empty());
            assert_eq!(ring.pushed() + ring.turned_away_full(), 4);
            let place = |number| popped.iter().position(|popped| *popped == number);
            for first in [1, 2] {
                if let (Some(before), Some(after)) = (place(first), place(first + 2)) {
                    assert!(before < after, "{popped:?}");
                }
            }
            popped.sort_unstable();
            popped.dedup();
            assert_eq!(popped.len(), pushed);
        });
    }
}
