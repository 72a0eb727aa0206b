//! A bounded queue of events between the recorder and a flusher that encodes: what a trail is not.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use embassy_sync::channel::Channel;
use throughline_core::{Clock, Timestamp};
use throughline_socket::HostMutex;

use crate::events::Act;

/// An event on its way through a queue, with its texts inline (256 bytes).
#[derive(Clone, Copy, Debug)]
pub struct Inline {
    number: u64,
    time: Timestamp,
    lens: [u8; 3],
    texts: [u8; 216],
}

impl Inline {
    fn of(number: u64, time: Timestamp, act: &Act) -> Self {
        let mut event = Self {
            number,
            time,
            lens: [0; 3],
            texts: [0; 216],
        };
        let mut at = 0;
        for (len, text) in event.lens.iter_mut().zip([act.method, act.url, act.rule]) {
            let end = at + text.len();
            event.texts[at..end].copy_from_slice(text.as_bytes());
            *len = u8::try_from(text.len()).unwrap_or(u8::MAX);
            at = end;
        }
        event
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// When it was recorded.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }
}

/// A queue as a recorder sees it.
pub trait Queue {
    /// Puts an event in; `false` if there is no room.
    fn push(&self, event: Inline) -> bool;

    /// Takes the oldest out.
    fn pop(&self) -> Option<Inline>;
}

/// embassy-sync's channel under the same lock as a trail.
pub type Embassy = Channel<HostMutex, Inline, CAPACITY>;

impl Queue for Embassy {
    fn push(&self, event: Inline) -> bool {
        self.try_send(event).is_ok()
    }

    fn pop(&self) -> Option<Inline> {
        self.try_receive().ok()
    }
}

impl Queue for ArrayQueue<Inline> {
    fn push(&self, event: Inline) -> bool {
        Self::push(self, event).is_ok()
    }

    fn pop(&self) -> Option<Inline> {
        Self::pop(self)
    }
}

/// Events that a queue holds (count).
pub const CAPACITY: usize = 128;

/// A recorder with a queue behind it: number, time, copies, push. Encoding is still to come.
#[derive(Debug)]
pub struct QueueRecorder<Q, C> {
    number: AtomicU64,
    clock: C,
    /// The queue.
    pub queue: Q,
}

impl<Q: Queue, C: Clock> QueueRecorder<Q, C> {
    /// With this queue and this clock.
    pub const fn new(queue: Q, clock: C) -> Self {
        Self {
            number: AtomicU64::new(0),
            clock,
            queue,
        }
    }

    /// Records one act; `false` if there was no room.
    #[inline]
    pub fn record(&self, act: &Act) -> bool {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let event = Inline::of(number, self.clock.wall(), act);
        self.queue.push(event)
    }

    /// Empties the queue.
    pub fn drain(&self) {
        while self.queue.pop().is_some() {}
    }
}
