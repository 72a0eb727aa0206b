use std::{
    cell::Cell,
    time::{Duration, Instant as StdInstant, SystemTime, UNIX_EPOCH},
};

use throughline_core::{Clock, Entropy, Instant, Platform, Timestamp};

/// The machine that a test runs on: its clocks, and random numbers that need not be secret.
#[derive(Debug)]
pub struct Host {
    origin: StdInstant,
}

impl Host {
    /// A machine whose monotonic clock starts now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: StdInstant::now(),
        }
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for Host {
    fn wall(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp::from_nanos(nanos(since_epoch.unwrap_or_default()))
    }

    fn monotonic(&self) -> Instant {
        Instant::from_nanos(nanos(self.origin.elapsed()))
    }
}

impl Entropy for Host {
    fn random(&self) -> [u8; 16] {
        let mut seed = self.wall().nanos() ^ u64::from(std::process::id());
        random(&mut seed)
    }
}

impl Platform for Host {
    fn wake(&self, _: usize) {}
}

/// A machine of the test's own: time passes when the test says so, randomness repeats, and wakes
/// are counted.
#[derive(Debug)]
pub struct Virtual {
    wall: Cell<u64>,
    monotonic: Cell<u64>,
    seed: Cell<u64>,
    wakes: Cell<u64>,
}

impl Virtual {
    /// A machine in the year 2026 whose randomness comes from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            wall: Cell::new(1_790_000_000_000_000_000),
            monotonic: Cell::new(1_000_000_000),
            seed: Cell::new(seed),
            wakes: Cell::new(0),
        }
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.wall.set(self.wall.get() + nanos(time));
        self.monotonic.set(self.monotonic.get() + nanos(time));
    }

    /// Lets time pass until `instant`, if that is in the future.
    pub fn pass_until(&self, instant: Instant) {
        self.pass(instant.since(self.monotonic()));
    }

    /// Sets the time of day, as people do.
    pub fn set_wall(&self, time: Timestamp) {
        self.wall.set(time.nanos());
    }

    /// How often a recorder has called for a flusher (count).
    pub const fn wakes(&self) -> u64 {
        self.wakes.get()
    }
}

impl Clock for Virtual {
    fn wall(&self) -> Timestamp {
        Timestamp::from_nanos(self.wall.get())
    }

    fn monotonic(&self) -> Instant {
        Instant::from_nanos(self.monotonic.get())
    }
}

impl Entropy for Virtual {
    fn random(&self) -> [u8; 16] {
        let mut seed = self.seed.get();
        let bytes = random(&mut seed);
        self.seed.set(seed);
        bytes
    }
}

impl Platform for Virtual {
    fn wake(&self, _: usize) {
        self.wakes.set(self.wakes.get() + 1);
    }
}

/// Sixteen bytes of SplitMix64.
fn random(seed: &mut u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    for half in bytes.chunks_exact_mut(8) {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        half.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
