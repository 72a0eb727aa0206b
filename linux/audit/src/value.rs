/// A byte that may stand in double quotes in a record.
///
/// The audit library's own rule is looser. Each of the five further exceptions confuses at least
/// one reader of the log: `"` and `'` end a value, `=` and `,` begin or end a field, `\` escapes.
pub(crate) const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && !matches!(byte, b'"' | b'\'' | b'=' | b',' | b'\\')
}

/// How a value is written: as it is, or as digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// No bytes: `?`.
    Empty,
    /// `"..."`.
    Quoted,
    /// Upper-case hexadecimal digits, two a byte, without quotes.
    Hex,
}

/// As much of a value as there is room for, and the form in which it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fitted<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) form: Form,
    /// Whether bytes were left out.
    pub(crate) cut: bool,
}

impl<'a> Fitted<'a> {
    /// Fits `value` into `room` characters of a record; `None` if not one byte of it fits.
    pub(crate) fn new(value: &'a [u8], room: usize) -> Option<Self> {
        if value.is_empty() {
            return (room > 0).then_some(Self {
                bytes: value,
                form: Form::Empty,
                cut: false,
            });
        }
        let quoted = value.iter().copied().all(is_plain);
        let (form, most) = if quoted {
            (Form::Quoted, room.saturating_sub(2))
        } else {
            (Form::Hex, room / 2)
        };
        let bytes = cut(value, most);
        (!bytes.is_empty()).then_some(Self {
            bytes,
            form,
            cut: bytes.len() < value.len(),
        })
    }

    /// How many characters it takes up.
    pub(crate) const fn len(&self) -> usize {
        match self.form {
            Form::Empty => 1,
            Form::Quoted => self.bytes.len() + 2,
            Form::Hex => self.bytes.len() * 2,
        }
    }

    /// Writes it to `out`, which is [`len`](Self::len) bytes long.
    pub(crate) fn write(&self, out: &mut [u8]) {
        match self.form {
            Form::Empty => out.fill(b'?'),
            Form::Quoted => {
                out.fill(b'"');
                out[1..=self.bytes.len()].copy_from_slice(self.bytes);
            }
            Form::Hex => {
                for (pair, byte) in out.chunks_exact_mut(2).zip(self.bytes) {
                    pair[0] = DIGITS[usize::from(byte >> 4)];
                    pair[1] = DIGITS[usize::from(byte & 0xf)];
                }
            }
        }
    }
}

/// The first `most` bytes of a value, or up to three fewer so as not to split a UTF-8 character.
pub(crate) fn cut(value: &[u8], most: usize) -> &[u8] {
    if value.len() <= most {
        return value;
    }
    let is_inside = |at: &usize| value[*at] & 0xc0 == 0x80;
    let back = (most.saturating_sub(3)..=most)
        .rev()
        .find(|at| !is_inside(at));
    &value[..back.unwrap_or(most)]
}

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &[u8], room: usize) -> Option<(String, bool)> {
        let fitted = Fitted::new(value, room)?;
        let mut out = vec![0; fitted.len()];
        fitted.write(&mut out);
        Some((String::from_utf8(out).unwrap(), fitted.cut))
    }

    fn whole(text: &str) -> Option<(String, bool)> {
        Some((text.to_owned(), false))
    }

    #[test]
    fn a_value_is_quoted_only_if_no_reader_can_stumble_over_it() {
        assert_eq!(written(b"/etc/motd", 99), whole("\"/etc/motd\""));
        assert_eq!(written(b"a b", 99), whole("612062"));
        assert_eq!(written(b"", 99), whole("?"));
        for byte in 0..=u8::MAX {
            let (text, _) = written(&[byte], 99).unwrap();
            let plain = byte.is_ascii_graphic() && !b"\"'=,\\".contains(&byte);
            let expected = if plain {
                format!("\"{}\"", char::from(byte))
            } else {
                format!("{byte:02X}")
            };
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_value_is_cut_to_its_room_and_not_within_a_character() {
        assert_eq!(written(b"abcdef", 5), Some(("\"abc\"".to_owned(), true)));
        assert_eq!(written(b"a bcdef", 5), Some(("6120".to_owned(), true)));
        // Room for five bytes, of which the last would be half a character.
        assert_eq!(
            written("ääää".as_bytes(), 10),
            Some(("C3A4C3A4".to_owned(), true))
        );
        assert_eq!(written(b"abc", 2), None);
        assert_eq!(written(b"\n", 1), None);
    }

    #[test]
    fn a_run_of_continuation_bytes_is_cut_all_the_same() {
        assert_eq!(cut(&[0x80; 9], 5).len(), 5);
    }
}
