//! The two scans that a strict reader of heads needs.
//!
//! Lines are short, so it is the start of a scan that costs, not its length. Names go by a table,
//! whose branches a processor foresees; values by blocks, which the compiler tests with vector
//! instructions. A search for line breaks with `memchr` was no faster, and checks less.

/// Whether `byte` may stand in a token such as a method or a field name (RFC 9110 section 5.6.2).
#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    TOKENS.get(usize::from(byte)) == Some(&true)
}

/// The place of the first byte at or after `from` that is no token byte; the end if all are.
#[inline]
pub(crate) fn token_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(group) = bytes.get(at..).and_then(<[u8]>::first_chunk::<GROUP>) {
        if let Some(place) = group.iter().position(|byte| !is_token(*byte)) {
            return at.wrapping_add(place);
        }
        at = at.wrapping_add(GROUP);
    }
    end_of_rest(bytes, at, |byte| !is_token(byte))
}

/// The place of the first byte at or after `from` that may not stand in a field value: a control
/// byte other than the tab (RFC 9110 section 5.5); the end if there is none.
// One copy: it is called from two places, and small devices pay for each.
#[inline(never)]
pub(crate) fn text_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        at = control_at(bytes, at);
        if bytes.get(at) != Some(&b'\t') {
            return at;
        }
        at = at.wrapping_add(1);
    }
}

/// The place of the first space or control byte at or after `from`; the end if there is none.
#[inline]
pub(crate) fn word_end(bytes: &[u8], from: usize) -> usize {
    end_of_rest(bytes, from, |byte| byte <= b' ' || byte == 0x7f)
}

/// The length of the name behind the line break at `stop`, if both are there and telling it is cheap.
/// It is not, here.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(crate) const fn usual_name(_: &[u8], _: usize) -> Option<usize> {
    None
}

/// Where the method ends.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(crate) fn method_end(head: &[u8]) -> usize {
    token_end(head, 0)
}

/// Finds where texts may end. It has nothing to remember here.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Debug)]
pub(crate) struct Ends;

#[cfg(not(target_arch = "x86_64"))]
impl Ends {
    pub(crate) const fn new(_: usize) -> Self {
        Self
    }

    #[expect(clippy::unused_self)]
    pub(crate) fn stop(&mut self, bytes: &[u8], from: usize) -> usize {
        text_end(bytes, from)
    }
}

/// The place of the first control byte at or after `from`; the end if there is none.
#[inline]
fn control_at(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        if has_control(block) {
            return at.wrapping_add(first_control(block));
        }
        at = at.wrapping_add(BLOCK);
    }
    end_of_rest(bytes, at, |byte| byte.is_ascii_control())
}

/// The place of the first byte at or after `from` that `stops`; the end if there is none.
// A place in a slice fits in an `isize`, so no addition in this module can wrap.
#[inline]
fn end_of_rest(bytes: &[u8], from: usize, stops: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let place = rest.iter().position(|byte| stops(*byte));
    from.wrapping_add(place.unwrap_or(rest.len()))
}

/// Folds without an early exit, which is what lets the compiler test a whole block at once.
#[inline]
fn has_control(block: &[u8; BLOCK]) -> bool {
    block
        .iter()
        .fold(false, |found, byte| found | byte.is_ascii_control())
}

/// The place of the first control byte of a block that has one.
#[inline]
fn first_control(block: &[u8; BLOCK]) -> usize {
    let half = |lanes: Option<&[u8; LANES]>| lanes.map_or(0, |lanes| controls(*lanes));
    // A branch and no selection: foreseen, it lets the next line's scan begin early.
    let marks = half(block.first_chunk());
    if marks != 0 {
        return first_lane(marks);
    }
    LANES.wrapping_add(first_lane(half(block.last_chunk())))
}

/// The lowest marked lane.
#[inline]
fn first_lane(marks: u64) -> usize {
    usize::try_from(marks.trailing_zeros() / u8::BITS).unwrap_or_default()
}

/// Sets the top bit of each of the eight lanes that holds a control byte: below 0x20, or 0x7f.
#[inline]
const fn controls(lanes: [u8; LANES]) -> u64 {
    const TOPS: u64 = splat(0x80);
    let lanes = u64::from_le_bytes(lanes);
    // The top bit of a lane says whether its low seven bits are at least so much. No lane carries
    // into the next, being at most 0x7f + 0x60.
    let low = lanes & !TOPS;
    let at_least_20 = low.wrapping_add(splat(0x60));
    let at_least_7f = low.wrapping_add(splat(0x01));
    (!at_least_20 | at_least_7f) & !lanes & TOPS
}

/// `byte` in each of eight lanes.
const fn splat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; LANES])
}

/// Bytes of a name that are looked up in a run.
const GROUP: usize = 8;

/// Bytes of a value that are tested at once.
const BLOCK: usize = 2 * LANES;

/// Bytes in a word.
const LANES: usize = 8;

/// Which bytes may stand in a token.
static TOKENS: [bool; 256] = {
    let mut tokens = [false; 256];
    let bytes = b"!#$%&'*+-.^_`|~0123456789\
        ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest: &[u8] = bytes;
    while let [byte, tail @ ..] = rest {
        // Evaluated by the compiler, where an index out of range would not compile.
        #[allow(clippy::indexing_slicing, clippy::as_conversions)]
        {
            tokens[*byte as usize] = true;
        }
        rest = tail;
    }
    tokens
};

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    #[test]
    fn each_byte_is_judged_alike_in_a_block_and_in_a_rest() {
        for byte in 0..=u8::MAX {
            for length in [1, 7, 8, 9, 16, 17, 40] {
                for place in 0..length {
                    let mut bytes = vec![b'a'; length];
                    bytes[place] = byte;
                    let symbol = b"!#$%&'*+-.^_`|~".contains(&byte);
                    let token = symbol || byte.is_ascii_alphanumeric();
                    let end = if token { length } else { place };
                    assert_eq!(
                        token_end(&bytes, 0),
                        end,
                        "{byte:#x} at {place} of {length}"
                    );
                    let text = byte == b'\t' || !byte.is_ascii_control();
                    let end = if text { length } else { place };
                    assert_eq!(text_end(&bytes, 0), end, "{byte:#x} at {place} of {length}");
                }
            }
        }
    }

    #[test]
    fn the_first_of_several_is_found_from_any_start() {
        let bytes = b"abc\tdef\rgh\nij klmnopqrstuvw: xyz\r\n\xff\x80\x7f";
        for from in 0..=bytes.len() {
            let rest = &bytes[from..];
            let text = |byte: &u8| *byte != b'\t' && byte.is_ascii_control();
            let end = rest.iter().position(text).unwrap_or(rest.len());
            assert_eq!(text_end(bytes, from), from + end);
            let end = rest.iter().position(|byte| !is_token(*byte));
            assert_eq!(token_end(bytes, from), from + end.unwrap_or(rest.len()));
        }
    }
}
