//! The scans of a head in vectors of 16 bytes, where the processor has such and marks their bytes in one
//! instruction: every x86-64 does.
//!
//! The ends of lines are marked block by block and not line by line: where a line ends is then known
//! long before the lines in front of it are read, and the processor need not wait for one to begin
//! the next. What is rare, a tab or a byte of no ASCII character, is left to [`scan`].

use wide::{bytemuck::cast, i8x16};

use crate::scan;

/// Finds where texts may end, from the front of a head to its end.
#[derive(Debug)]
pub(crate) struct Ends {
    /// Marks the bytes of a block that are not printable ASCII and not yet passed, but for those right
    /// behind another. The lowest bit stands for the block's first byte.
    marks: u64,
    /// Where the next block begins.
    next: usize,
}

impl Ends {
    /// For texts that begin at `start` or later.
    pub(crate) const fn new(start: usize) -> Self {
        Self {
            marks: 0,
            next: start,
        }
    }

    /// The first place at or after `from` where [`scan::text_end`] may be; the end if there is none.
    ///
    /// `from` is no less than before, and the byte in front of it is printable ASCII.
    // A place in a slice fits in an `isize`, so no addition in this module can wrap.
    #[inline(always)]
    pub(crate) fn stop(&mut self, bytes: &[u8], from: usize) -> usize {
        loop {
            while self.marks == 0 {
                if self.next >= bytes.len() {
                    return bytes.len();
                }
                let stops = stops_at(bytes, self.next);
                // A line's end is two in a row, of which the first is enough.
                self.marks = stops & !(stops << 1);
                self.next = self.next.wrapping_add(BLOCK);
            }
            let place = first(self.marks);
            self.marks &= self.marks.wrapping_sub(1);
            let at = self.next.wrapping_add(place).wrapping_sub(BLOCK);
            if at >= from {
                return at;
            }
        }
    }
}

/// The length of the name behind the line break at `stop`, if both are there and the name is of the
/// usual kind: up to 16 letters and hyphens, and a colon. Most are.
#[inline(always)]
pub(crate) fn usual_name(head: &[u8], stop: usize) -> Option<usize> {
    let window = head.get(stop..)?.first_chunk::<34>()?;
    let line = window.last_chunk()?;
    // As one number of two bytes.
    (window.first_chunk()? == b"\r\n").then(|| usual_token(line, b':'))?
}

/// Where the method ends.
#[inline(always)]
pub(crate) fn method_end(head: &[u8]) -> usize {
    match head.first_chunk().and_then(|line| usual_token(line, b' ')) {
        Some(len) => len,
        None => token_end(head, 0),
    }
}

/// The length of the letters and hyphens that `line` begins with, if there are up to 16 and `end` is behind.
// The line is longer than what is looked at, so that the compiler sees that `end` is within.
#[inline(always)]
fn usual_token(line: &[u8; 32], end: u8) -> Option<usize> {
    let lanes = cast::<[u8; LANES], _>(*line.first_chunk()?);
    let usual = letter(lanes) | lanes.simd_eq(splat(b'-'));
    let len = first(!mask(usual));
    (len > 0 && line.get(len) == Some(&end)).then_some(len)
}

/// As [`scan::token_end`].
#[inline(never)]
pub(crate) fn token_end(bytes: &[u8], from: usize) -> usize {
    let class =
        |lanes: i8x16| letter(lanes) | within(lanes, b'0', b'9') | lanes.simd_eq(splat(b'-'));
    scan::token_end(bytes, end_of(bytes, from, class))
}

/// As [`scan::word_end`].
#[inline]
pub(crate) fn word_end(bytes: &[u8], from: usize) -> usize {
    let end = end_of(bytes, from, |lanes| within(lanes, b'!', b'~'));
    if bytes.get(end) == Some(&b' ') {
        return end;
    }
    scan::word_end(bytes, end)
}

/// The place of the first byte at or after `from` that is not of `class`, or of one before it.
#[inline(always)]
fn end_of(bytes: &[u8], from: usize, class: impl Fn(i8x16) -> i8x16) -> usize {
    let mut at = from;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let others = !mask(class(cast::<[u8; LANES], _>(*chunk)));
        let place = first(others);
        at = at.wrapping_add(place);
        if place < LANES {
            break;
        }
    }
    at
}

/// Marks the bytes of the block at `from` that are not printable ASCII.
#[inline(always)]
fn stops_at(bytes: &[u8], from: usize) -> u64 {
    match bytes.get(from..).and_then(<[u8]>::first_chunk) {
        Some(block) => stops(block),
        None => stops_of_rest(bytes, from),
    }
}

/// As [`stops_at`] where no whole block is left.
#[inline(never)]
fn stops_of_rest(bytes: &[u8], from: usize) -> u64 {
    let rest = bytes.get(from..).unwrap_or_default();
    if let Some(block) = bytes.last_chunk() {
        let read = BLOCK.wrapping_sub(rest.len());
        return stops(block).wrapping_shr(u32::try_from(read).unwrap_or_default());
    }
    let stop = |byte: &u8| u64::from(!(b' '..=b'~').contains(byte));
    rest.iter()
        .rev()
        .fold(0, |marks, byte| marks << 1 | stop(byte))
}

/// Marks the bytes of a block that are not printable ASCII.
#[inline(always)]
fn stops(block: &[u8; BLOCK]) -> u64 {
    let (chunks, _) = block.as_chunks();
    !chunks.iter().rev().fold(0, |marks, chunk| {
        let lanes = cast::<[u8; LANES], _>(*chunk);
        marks << LANES | mask(within(lanes, b' ', b'~'))
    })
}

/// Letters of either case.
#[inline(always)]
fn letter(lanes: i8x16) -> i8x16 {
    within(lanes | splat(0x20), b'a', b'z')
}

/// From `low` to `high`, both ASCII.
#[inline(always)]
#[expect(clippy::arithmetic_side_effects)]
fn within(lanes: i8x16, low: u8, high: u8) -> i8x16 {
    // Lanes are signed and wrap. Moved up until `high` is the greatest there is, what is above it is
    // negative, and one comparison is enough.
    let up = 0x7f_u8.wrapping_sub(high);
    let below = low.wrapping_add(up).wrapping_sub(1);
    (lanes + splat(up)).simd_gt(splat(below))
}

/// One bit for each lane, the lowest for the first.
#[inline(always)]
fn mask(lanes: i8x16) -> u64 {
    u64::from(lanes.to_bitmask())
}

#[inline(always)]
fn splat(byte: u8) -> i8x16 {
    i8x16::splat(byte.cast_signed())
}

/// The lowest mark.
#[inline(always)]
fn first(marks: u64) -> usize {
    usize::try_from(marks.trailing_zeros()).unwrap_or_default()
}

/// Bytes that are tested at once.
const LANES: usize = 16;

/// Bytes whose marks fill a word.
const BLOCK: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};
    use std::vec::Vec;

    use super::*;

    /// Bytes of all classes, the common ones in long runs.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let run = prop_oneof![
            4 => vec(select(&b"abzAZ-09"[..]), 0..40),
            2 => vec(select(&b" !/:@[`{~_.|^"[..]), 0..4),
            2 => Just(b"\r\n".to_vec()),
            1 => vec(any::<u8>(), 0..4),
        ];
        vec(run, 0..12).prop_map(|runs| runs.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn vectors_tell_what_single_bytes_do(bytes in bytes()) {
            for from in 0..=bytes.len() {
                prop_assert_eq!(token_end(&bytes, from), scan::token_end(&bytes, from));
                prop_assert_eq!(word_end(&bytes, from), scan::word_end(&bytes, from));
            }
            prop_assert_eq!(method_end(&bytes), scan::token_end(&bytes, 0));
        }

        #[test]
        fn a_usual_name_is_a_name(bytes in bytes()) {
            let head = [b"\r\n", &bytes[..], &[b' '; 34]].concat();
            if let Some(len) = usual_name(&head, 0) {
                prop_assert_eq!(scan::token_end(&head, 2), 2 + len);
                prop_assert_eq!(head[2 + len], b':');
            } else {
                let len = scan::token_end(&head, 2) - 2;
                let usual = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'-';
                let all_usual = head[2..2 + len].iter().all(usual);
                prop_assert!(!all_usual || head[2 + len] != b':' || len == 0 || len > 16);
            }
        }

        #[test]
        fn texts_end_where_single_bytes_end_them(bytes in bytes(), start in 0..70_usize) {
            let start = start.min(bytes.len());
            let mut ends = Ends::new(start);
            let mut from = start;
            while from < bytes.len() {
                let stop = ends.stop(&bytes, from);
                let end = scan::text_end(&bytes, stop);
                prop_assert_eq!(end, scan::text_end(&bytes, from));
                // The next text begins behind a byte of printable ASCII, as behind a colon.
                let printable = |byte: &u8| (b' '..=b'~').contains(byte);
                let next = bytes[end..].iter().position(printable);
                from = next.map_or(bytes.len(), |place| end + place + 1);
            }
        }
    }
}
