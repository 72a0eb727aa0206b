//! A batch of ten, encoded and sealed.

use std::{hint::black_box, ops::Range};

use throughline_core::{Encoder, Event, Origin, Sequence};

use crate::events::{self, ACTS, TIME};

/// Encodes ten events to `block` and makes a frame of them; returns where that lies.
///
/// # Panics
///
/// If the block is too short.
#[inline]
pub fn encode_ten<E: Encoder>(encoder: &E, block: &mut [u8]) -> Range<usize> {
    let mut end = E::HEAD;
    for (act, number) in black_box(&ACTS).iter().zip(1000..) {
        let request = act.request();
        let event = Event {
            sequence: Sequence::new(number).unwrap_or(Sequence::MAX),
            time: TIME,
            request: &request,
        };
        let room = block.get_mut(end..).unwrap_or_default();
        end += encoder.encode(&event, room).expect("room");
    }
    let origin = Origin {
        session: events::session_id(),
        process: events::process(),
    };
    encoder.seal(origin, block, E::HEAD..end).expect("room")
}
