use core::{cell::Cell, time::Duration};

use embassy_sync::{
    blocking_mutex::{Mutex, raw::RawMutex},
    signal::Signal,
};
use throughline_core::{Clock, Entropy, Instant, Platform, Timestamp};

use crate::time::now;

/// A device as a trail's platform: embassy's time, the product's randomness, and a wake-up for each
/// lane's driver.
///
/// It is made in a constant, so that the trail that it serves can be a `static`. `M` is a mutex
/// that may be used wherever events are recorded: `CriticalSectionRawMutex` if interrupts do.
pub struct Device<M: RawMutex, const LANES: usize = 1> {
    random: fn() -> [u8; 16],
    /// What the monotonic clock has to be put forward by to tell the time of day (ns).
    wall_ahead: Mutex<M, Cell<u64>>,
    lanes: [LaneSignals<M>; LANES],
}

/// What a lane's driver waits for.
pub(crate) struct LaneSignals<M: RawMutex> {
    pub(crate) wake: Signal<M, ()>,
    pub(crate) finish: Signal<M, Duration>,
}

impl<M: RawMutex, const LANES: usize> Device<M, LANES> {
    /// A device whose random number generator is `random`, see [`Entropy`] for what it has to give.
    ///
    /// Until [`set_wall`](Self::set_wall) is called, the time of day counts from 1970.
    #[must_use]
    pub const fn new(random: fn() -> [u8; 16]) -> Self {
        Self {
            random,
            wall_ahead: Mutex::new(Cell::new(0)),
            lanes: [const { LaneSignals::new() }; LANES],
        }
    }

    /// Sets the time of day, once the device has learnt it.
    pub fn set_wall(&self, time: Timestamp) {
        let ahead = time.nanos().saturating_sub(now().nanos());
        self.wall_ahead.lock(|cell| cell.set(ahead));
    }

    /// Has the driver of `lane` write out what there is, for `drain` at most, and end.
    ///
    /// What is recorded on that lane afterwards is lost, and counted so. Does nothing if there is no
    /// such lane.
    pub fn finish(&self, lane: usize, drain: Duration) {
        if let Some(lane) = self.lanes.get(lane) {
            lane.finish.signal(drain);
        }
    }

    pub(crate) fn lane(&self, lane: usize) -> Option<&LaneSignals<M>> {
        self.lanes.get(lane)
    }
}

impl<M: RawMutex, const LANES: usize> core::fmt::Debug for Device<M, LANES> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Device").finish_non_exhaustive()
    }
}

impl<M: RawMutex, const LANES: usize> Clock for Device<M, LANES> {
    fn wall(&self) -> Timestamp {
        let ahead = self.wall_ahead.lock(Cell::get);
        Timestamp::from_nanos(now().nanos().saturating_add(ahead))
    }

    fn monotonic(&self) -> Instant {
        now()
    }
}

impl<M: RawMutex, const LANES: usize> Entropy for Device<M, LANES> {
    fn random(&self) -> [u8; 16] {
        (self.random)()
    }
}

impl<M: RawMutex, const LANES: usize> Platform for Device<M, LANES> {
    fn wake(&self, lane: usize) {
        if let Some(lane) = self.lanes.get(lane) {
            lane.wake.signal(());
        }
    }
}

impl<M: RawMutex> LaneSignals<M> {
    const fn new() -> Self {
        Self {
            wake: Signal::new(),
            finish: Signal::new(),
        }
    }
}
