//! Trails to record to, and what stands in for a flusher where the flusher is not what is measured.

use std::sync::Arc;

use throughline_core::{
    Clock, Encoder, Entropy, Fate, Instant, Platform, Report, Source, Timestamp, Trail,
};
use throughline_protobuf::AgentSocket;
use throughline_socket::{Host, HostMutex};

use crate::events::{self, TIME};

/// Blocks that a trail is lent (count), and their size (bytes): what the agent has by default.
pub const BLOCKS: usize = 64;
/// See [`BLOCKS`].
pub const BLOCK: usize = 32_772;

/// A trail as the agent has it, with one receiver.
pub type BenchTrail<P = Host, E = AgentSocket> = Trail<HostMutex, P, E, Box<[u8]>, BLOCKS>;

/// A trail on this machine with all of its blocks.
///
/// # Panics
///
/// If no waker can be made.
#[must_use]
pub fn on_host() -> Arc<BenchTrail> {
    let host = Host::new(1).expect("a waker");
    Arc::new(with(host, AgentSocket::default()))
}

/// A trail with another platform or wire format.
///
/// # Panics
///
/// If a block is of no use to the format.
pub fn with<P: Platform, E: Encoder>(platform: P, encoder: E) -> BenchTrail<P, E> {
    let trail = Trail::new(platform, encoder)
        .with_session(events::session())
        .with_process(events::process().clone());
    for _ in 0..BLOCKS {
        assert!(trail.lane(0).lend(vec![0; BLOCK].into()).is_ok());
    }
    trail
}

/// Takes all there is and calls it written; returns how many frames that were (count).
pub fn drain<P: Platform, E: Encoder>(trail: &BenchTrail<P, E>) -> usize {
    let lane = trail.lane(0);
    let mut scratch = [0; Report::FRAME_MAX];
    let mut frames = 0;
    while let Some(parcel) = lane.take(true, &mut scratch) {
        lane.settle(parcel, Fate::Written);
        frames += 1;
    }
    frames
}

/// A machine whose time of day stands still: recording without the price of a clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Still;

impl Clock for Still {
    #[inline]
    fn wall(&self) -> Timestamp {
        TIME
    }

    fn monotonic(&self) -> Instant {
        Instant::ORIGIN
    }
}

impl Entropy for Still {
    fn random(&self) -> [u8; 16] {
        *events::session_id().as_uuid().as_bytes()
    }
}

impl Platform for Still {
    fn wake(&self, _: usize) {}
}
