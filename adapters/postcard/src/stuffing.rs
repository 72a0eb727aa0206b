//! Consistent overhead byte stuffing (Cheshire and Baker, 1999), in place.
//!
//! The bytes are moved towards the front as their codes go in between, so they need as much room in
//! front of them as all codes take, and none behind.

use core::ops::Range;

/// What separates frames, and is found nowhere in them.
pub(crate) const DELIMITER: u8 = 0;

/// The most codes that `len` bytes take (bytes): one, and one more for every 254 bytes.
pub(crate) const fn codes_max(len: usize) -> usize {
    (len / RUN_MAX).saturating_add(1)
}

/// Stuffs `bytes[body]` and puts the delimiter behind it; returns where the frame lies.
///
/// `None` if there are not [`codes_max`] bytes in front and one behind.
pub(crate) fn stuff(bytes: &mut [u8], body: Range<usize>) -> Option<Range<usize>> {
    let len = body.end.checked_sub(body.start)?;
    let start = body.start.checked_sub(codes_max(len))?;
    let mut code_at = start;
    let mut end = start.checked_add(1)?;
    let mut code: u8 = 1;
    for from in body.clone() {
        // The reading is never behind the writing: that is what the room in front is for.
        let byte = *bytes.get(from)?;
        if byte != DELIMITER {
            *bytes.get_mut(end)? = byte;
            end = end.checked_add(1)?;
            code = code.checked_add(1)?;
        }
        let is_last = from.checked_add(1)? == body.end;
        if byte == DELIMITER || (code == u8::MAX && !is_last) {
            *bytes.get_mut(code_at)? = code;
            code_at = end;
            end = end.checked_add(1)?;
            code = 1;
        }
    }
    *bytes.get_mut(code_at)? = code;
    *bytes.get_mut(end)? = DELIMITER;
    Some(start..end.checked_add(1)?)
}

/// Bytes without a zero that one code stands for, at most.
const RUN_MAX: usize = 254;

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
    use std::vec::Vec;

    use super::*;

    fn stuffed(body: &[u8]) -> Vec<u8> {
        let room = codes_max(body.len());
        let mut bytes = std::vec![0xaa; room];
        bytes.extend_from_slice(body);
        bytes.push(0xaa);
        let frame = stuff(&mut bytes, room..room + body.len()).unwrap();
        bytes[frame].to_vec()
    }

    fn bodies() -> impl Strategy<Value = Vec<u8>> {
        let mostly_no_zero = prop_oneof![9 => 1..=u8::MAX, 1 => Just(0)];
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..1200),
            prop::collection::vec(mostly_no_zero, 0..1200),
            (0_usize..1200).prop_map(|len| std::vec![7; len]),
        ]
    }

    proptest! {
        #[test]
        fn another_implementation_reads_what_is_written(body in bodies()) {
            let frame = stuffed(&body);
            assert_eq!(frame.iter().position(|byte| *byte == DELIMITER), Some(frame.len() - 1));
            let mut read = std::vec![0; body.len() + 1];
            let report = cobs::decode(&frame, &mut read).unwrap();
            assert_eq!(&read[..report.frame_size()], body);
        }
    }

    #[test]
    fn full_runs_take_no_more_codes_than_there_is_room_for() {
        for len in [0, 1, 253, 254, 255, 508, 509, 2000] {
            let body = std::vec![1; len];
            assert!(stuffed(&body).len() <= codes_max(len) + len + 1, "{len}");
        }
    }

    #[test]
    fn without_room_there_is_no_frame() {
        assert_eq!(stuff(&mut [1, 2, 3], 0..2), None);
        assert_eq!(stuff(&mut [0, 2, 3], 1..3), None);
    }
}
