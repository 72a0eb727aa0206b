use std::time::Duration;

use super::choices::Choices;
use crate::{Operation, World};

/// A trail, its flusher and a link with faults go through any series of operations, and the books
/// balance at the end, against the naive model.
pub fn trail_ops(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let seed = u64::from(choices.byte());
    // Sessions of a few events, so that they are rotated, or of as many as there can be.
    let session_len = match choices.byte() {
        0..=199 => u32::MAX,
        short => u32::from(short - 199),
    };
    let drain = Duration::from_millis(u64::from(choices.byte()) * 40);
    let mut world = World::new(seed, session_len);
    for _ in 0..OPERATIONS_MAX {
        if choices.is_empty() {
            break;
        }
        world.perform(Operation::from_bytes(choices.array()));
    }
    world.finish(drain);
}

/// Enough to fill the store twice; more add time and no situations. `.ci/fuzz` makes its inputs as long
/// as these take.
const OPERATIONS_MAX: usize = 96;
