use core::fmt;

/// Text for the wire, made from bytes that may not be text.
///
/// Wires want UTF-8; what a confined program puts into a URL may be anything. Bytes that are no
/// UTF-8 are percent-encoded (RFC 3986 section 2.1), which in a URL keeps their meaning: nothing
/// that was sent is lost, and no byte can make an event unwritable. Text that is too long can be
/// [`cut`](Text::cut), and then says so and how long it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    bytes: &'a [u8],
    /// The length of the text (bytes): that of `bytes` if they are written as they are, and more if
    /// some have to be repaired or the mark of a cut follows.
    len: usize,
    /// The length of the whole before it was cut (bytes), or 0 if it was not.
    whole: usize,
}

impl<'a> Text<'a> {
    /// The text of `bytes`, repaired where they are not UTF-8.
    #[inline]
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        match core::str::from_utf8(bytes) {
            Ok(text) => Self::from(text),
            Err(_) => Self::repaired(bytes),
        }
    }

    /// The length that [`write`](Text::write) takes (bytes).
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The bytes, if the text is these and nothing else: nothing was repaired or cut.
    ///
    /// For encoders that write the usual text in a way of their own.
    #[inline]
    #[must_use]
    pub const fn plain(&self) -> Option<&'a [u8]> {
        if self.len == self.bytes.len() {
            Some(self.bytes)
        } else {
            None
        }
    }

    /// Whether there is no text.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the text was cut.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.whole > 0
    }

    /// The text in at most `room` bytes, the mark of the cut included.
    ///
    /// The mark is `#truncated=` and the length of the whole (bytes, before any repair). It reads
    /// as a URL's fragment, which no request carries (RFC 9110 section 7.1), so it cannot be
    /// mistaken for part of one. With less room than the mark needs, the mark alone is left.
    #[must_use]
    pub fn cut(self, room: usize) -> Self {
        if self.len <= room {
            return self;
        }
        let whole = self.whole.max(self.bytes.len());
        let mark = mark_len(whole);
        let (kept, len) = self.fitting(room.saturating_sub(mark));
        Self {
            bytes: self.bytes.get(..kept).unwrap_or_default(),
            len: len.saturating_add(mark),
            whole,
        }
    }

    /// Writes the text to the front of `out` and returns its length (bytes), or `None` if `out`
    /// is shorter than [`len`](Text::len); `out` may then hold a part of it.
    // Always, since a call needs the text in memory, and its copy there waits for the moves that
    // have just made it. A small processor has no such moves, and little room for code.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        if self.len != self.bytes.len() {
            return self.write_pieces(out);
        }
        match (self.bytes, &mut *out) {
            // `GET` and `POST`: to call what copies would take longer than the copy.
            (&[a, b, c], [x, y, z, ..]) => (*x, *y, *z) = (a, b, c),
            (&[a, b, c, d], [w, x, y, z, ..]) => (*w, *x, *y, *z) = (a, b, c, d),
            _ => out.get_mut(..self.len)?.copy_from_slice(self.bytes),
        }
        Some(self.len)
    }

    #[cold]
    fn write_pieces(&self, out: &mut [u8]) -> Option<usize> {
        let mut at: usize = 0;
        self.each_piece(|piece| {
            let end = at.checked_add(piece.len())?;
            out.get_mut(at..end)?.copy_from_slice(piece);
            at = end;
            Some(())
        })?;
        Some(at)
    }

    #[cold]
    fn repaired(bytes: &'a [u8]) -> Self {
        let whole = Self {
            bytes,
            len: 0,
            whole: 0,
        };
        let (_, len) = whole.fitting(usize::MAX);
        Self { len, ..whole }
    }

    /// How many source bytes fit into `room` bytes of text, and how long their text is.
    fn fitting(&self, room: usize) -> (usize, usize) {
        let (mut source, mut used) = (0_usize, 0_usize);
        for chunk in self.bytes.utf8_chunks() {
            let valid = chunk.valid();
            let left = room.saturating_sub(used);
            if valid.len() > left {
                let front = floor_char(valid, left);
                return (source.saturating_add(front), used.saturating_add(front));
            }
            source = source.saturating_add(valid.len());
            used = used.saturating_add(valid.len());
            for _ in chunk.invalid() {
                if room.saturating_sub(used) < ESCAPE_LEN {
                    return (source, used);
                }
                source = source.saturating_add(1);
                used = used.saturating_add(ESCAPE_LEN);
            }
        }
        (source, used)
    }

    fn each_piece(&self, mut take: impl FnMut(&[u8]) -> Option<()>) -> Option<()> {
        for chunk in self.bytes.utf8_chunks() {
            take(chunk.valid().as_bytes())?;
            for byte in chunk.invalid() {
                take(&escape(*byte))?;
            }
        }
        if self.is_cut() {
            take(MARK)?;
            let mut digits = [0; MAX_DIGITS];
            take(decimal(self.whole, &mut digits))?;
        }
        Some(())
    }
}

impl<'a> From<&'a str> for Text<'a> {
    #[inline]
    fn from(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            len: text.len(),
            whole: 0,
        }
    }
}

impl<'a> From<&'a [u8]> for Text<'a> {
    #[inline]
    fn from(bytes: &'a [u8]) -> Self {
        Self::new(bytes)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.each_piece(|piece| f.write_str(core::str::from_utf8(piece).ok()?).ok())
            .ok_or(fmt::Error)
    }
}

/// The greatest position up to `at` that splits no character.
fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at;
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    at
}

fn escape(byte: u8) -> [u8; ESCAPE_LEN] {
    let digit = |nibble: u8| match nibble {
        0..=9 => b'0'.saturating_add(nibble),
        _ => b'A'.saturating_add(nibble.saturating_sub(10)),
    };
    [b'%', digit(byte >> 4), digit(byte & 0x0f)]
}

fn decimal(value: usize, digits: &mut [u8; MAX_DIGITS]) -> &[u8] {
    let mut rest = value;
    let mut first = MAX_DIGITS;
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        // A remainder of 10 fits a byte.
        *digit = b'0'.saturating_add(u8::try_from(rest % 10).unwrap_or_default());
        rest /= 10;
        first = index;
        if rest == 0 {
            break;
        }
    }
    digits.get(first..).unwrap_or_default()
}

fn mark_len(whole: usize) -> usize {
    let mut digits = [0; MAX_DIGITS];
    MARK.len().saturating_add(decimal(whole, &mut digits).len())
}

const MARK: &[u8] = b"#truncated=";
const ESCAPE_LEN: usize = 3;
const MAX_DIGITS: usize = 20;

#[cfg(test)]
mod tests {
    use std::{format, string::ToString, vec, vec::Vec};

    use super::*;

    fn written(text: Text<'_>) -> Vec<u8> {
        let mut out = vec![0; text.len()];
        assert_eq!(text.write(&mut out), Some(out.len()));
        assert_eq!(text.to_string().as_bytes(), out);
        out
    }

    #[test]
    fn text_is_written_as_it_is() {
        assert_eq!(written(Text::new("/süß".as_bytes())), "/süß".as_bytes());
        assert_eq!(written(Text::from("")), b"");
    }

    #[test]
    fn bytes_that_are_no_text_are_percent_encoded() {
        assert_eq!(written(Text::new(b"/a\xff\xc3(b")), b"/a%FF%C3(b");
        assert_eq!(written(Text::new(b"\xf0\x9f\x92")), b"%F0%9F%92");
    }

    #[test]
    fn a_cut_says_how_long_the_whole_was() {
        let long = "x".repeat(100);
        let cut = Text::from(long.as_str()).cut(30);
        assert!(cut.is_cut());
        assert_eq!(
            written(cut),
            format!("{}#truncated=100", "x".repeat(16)).as_bytes()
        );
        let again = cut.cut(20);
        assert_eq!(
            written(again),
            format!("{}#truncated=100", "x".repeat(6)).as_bytes()
        );
    }

    #[test]
    fn a_cut_fits_the_room_and_splits_nothing() {
        let bytes = b"\xffaa\xc3\xa4\xe2\x82\xac\xfe\xf0\x9f\x92\x96zz".repeat(4);
        let text = Text::new(&bytes);
        for room in 14..text.len() {
            let cut = written(text.cut(room));
            assert!(cut.len() <= room, "{room}");
            assert!(cut.len() + 6 > room, "{room}: wasted {}", room - cut.len());
            assert!(cut.ends_with(b"#truncated=60"), "{room}");
            assert!(core::str::from_utf8(&cut).is_ok(), "{room}");
        }
        assert_eq!(text.cut(text.len()), text);
    }

    #[test]
    fn no_room_leaves_the_mark_and_too_little_room_is_refused() {
        let text = Text::from("abc").cut(0);
        assert_eq!(written(text), b"#truncated=3");
        assert_eq!(Text::from("abc").write(&mut [0; 2]), None);
        assert_eq!(text.write(&mut [0; 11]), None);
    }
}
