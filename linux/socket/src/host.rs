use std::{io, sync::Arc};

use rustix::{
    rand::{GetRandomFlags, getrandom},
    time::{ClockId, Timespec, clock_gettime},
};
use throughline_core::{Clock, Entropy, Instant, Platform, Timestamp};

use crate::Waker;

/// A Linux machine as a trail's platform: its clocks, its randomness, and one waker a lane.
#[derive(Clone, Debug)]
pub struct Host {
    wakers: Arc<[Waker]>,
}

impl Host {
    /// The platform of a trail with `lanes` lanes.
    ///
    /// # Errors
    ///
    /// If a waker cannot be made, see [`Waker::new`].
    pub fn new(lanes: usize) -> io::Result<Self> {
        let wakers: io::Result<Vec<_>> = (0..lanes).map(|_| Waker::new()).collect();
        Ok(Self {
            wakers: wakers?.into(),
        })
    }

    /// The waker of a lane, for the thread that serves it.
    #[must_use]
    pub fn waker(&self, lane: usize) -> Option<&Waker> {
        self.wakers.get(lane)
    }
}

impl Clock for Host {
    #[inline]
    fn wall(&self) -> Timestamp {
        let time = clock_gettime(ClockId::Realtime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Timestamp::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
    }

    #[inline]
    fn monotonic(&self) -> Instant {
        now()
    }
}

impl Entropy for Host {
    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let mut filled = 0;
        // getrandom(2): a request of up to 256 bytes is answered whole once the pool is ready, so
        // only a signal before that can cut it short.
        while let Some(rest @ [_, ..]) = bytes.get_mut(filled..) {
            filled += getrandom(rest, GetRandomFlags::empty()).unwrap_or(0);
        }
        bytes
    }
}

impl Platform for Host {
    fn wake(&self, lane: usize) {
        if let Some(waker) = self.waker(lane) {
            waker.wake();
        }
    }
}

/// The monotonic time that this crate's timers run by.
pub(crate) fn now() -> Instant {
    Instant::from_nanos(nanos(clock_gettime(ClockId::Monotonic)))
}

fn nanos(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}
