//! Percent-encoding (RFC 3986 section 2.1), decoded byte by byte without a buffer.

use core::slice;

/// The bytes of a text with every whole `%XX` decoded once; a `%` without two hexadecimal digits stands for itself.
#[derive(Clone, Debug)]
pub(crate) struct Decoded<'a> {
    bytes: slice::Iter<'a, u8>,
}

impl<'a> Decoded<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { bytes: text.iter() }
    }
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.next()?;
        if byte != b'%' {
            return Some(byte);
        }
        let Some(decoded) = leading_hex_pair(self.bytes.as_slice()) else {
            return Some(b'%');
        };
        self.bytes.nth(1);
        Some(decoded)
    }
}

/// Whether two texts are the same bytes once decoded.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    // Most segments are equal as written, or differ where nothing is encoded.
    let bytes = left.iter().zip(right);
    let same = bytes.take_while(|&(left, right)| left == right && *left != b'%');
    let at = same.count();
    match (left.get(at), right.get(at)) {
        (None, None) => true,
        (Some(b'%'), _) | (_, Some(b'%')) => Decoded::new(left).eq(Decoded::new(right)),
        _ => false,
    }
}

/// Where the first `%` stands that no two hexadecimal digits follow (bytes from the start).
pub(crate) fn bad_escape(text: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'%', text).find(|&at| {
        text.get(at.saturating_add(1)..)
            .and_then(leading_hex_pair)
            .is_none()
    })
}

fn leading_hex_pair(text: &[u8]) -> Option<u8> {
    let (&[high, low], _) = text.split_first_chunk::<2>()?;
    Some(hex(high)? << 4 | hex(low)?)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::{Decoded, bad_escape, same};
    use std::vec::Vec;

    #[test]
    fn one_level_is_decoded_and_a_lone_percent_stays() {
        let decoded: Vec<u8> = Decoded::new(b"%41%2f%252e%4%zz%").collect();
        assert_eq!(decoded, b"A/%2e%4%zz%");
    }

    #[test]
    fn both_sides_are_decoded_before_they_are_compared() {
        assert!(same(b"a%2Fb", b"%61%2fb"));
        assert!(!same(b"a%2Fb", b"a%2Fbc"));
    }

    #[test]
    fn the_first_bad_escape_is_found_even_behind_good_ones() {
        assert_eq!(bad_escape(b"%41%4"), Some(3));
        assert_eq!(bad_escape(b"%4G"), Some(0));
        assert_eq!(bad_escape(b"%41%42"), None);
    }
}
