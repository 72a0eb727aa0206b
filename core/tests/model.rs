//! Random operations on a trail, its flusher and its link, held against a naive auditor.

use std::time::Duration;

use throughline_testkit::{Operation, World};

/// A small generator of the test's own, so that a failing seed can be run again.
struct Bytes(u64);

impl Bytes {
    fn next(&mut self) -> [u8; 8] {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    }
}

fn run(seed: u64) {
    let mut bytes = Bytes(seed);
    let [operations, session_len, drain, ..] = bytes.next();
    let session_len = if session_len < 64 {
        u32::from(session_len) + 1
    } else {
        u32::MAX
    };
    let mut world = World::new(seed, session_len);
    for _ in 0..operations % 96 {
        let [kind, value, ..] = bytes.next();
        world.perform(Operation::from_bytes([kind, value]));
    }
    world.finish(Duration::from_millis(u64::from(drain) * 10));
}

#[test]
fn written_and_lost_are_issued_whatever_happens() {
    for seed in 0..SEQUENCES {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

/// Sequences of operations (count).
const SEQUENCES: u64 = 100_000;
