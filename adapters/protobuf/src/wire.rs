//! The protobuf wire format (protobuf.dev/programming-guides/encoding): varints, tags, lengths.

use throughline_core::Text;

use crate::DecodeError;

/// The wire type of varints.
pub(crate) const VARINT: u32 = 0;
/// The wire type of length-delimited fields.
pub(crate) const LEN: u32 = 2;

const I64: u32 = 1;
const START_GROUP: u32 = 3;
const END_GROUP: u32 = 4;
const I32: u32 = 5;

/// Groups may be nested so deep (count); the public decoders stop at about as much.
const GROUPS_MAX: u32 = 100;

/// The length of `value` as a varint (bytes, 1..=10).
pub(crate) fn varint_len(value: u64) -> usize {
    // 9/64 is close enough to 1/7 for up to 64 bits; | 1 because zero takes a byte.
    let bits = 63_u32.wrapping_sub((value | 1).leading_zeros());
    let len = bits.wrapping_mul(9).wrapping_add(73) >> 6;
    usize::try_from(len).unwrap_or_default()
}

/// Up to eight bytes that are written together: tags and numbers, which are short and many.
///
/// A number's bytes are found once, and tell its length as well. Lengths wrap, and cannot: eight
/// bytes are the most that a run is ever made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    bytes: u64,
    /// In bits, which is what shifting asks for.
    bits: u32,
}

impl Run {
    pub(crate) const EMPTY: Self = Self { bytes: 0, bits: 0 };

    #[cfg_attr(target_pointer_width = "64", inline)]
    pub(crate) const fn of_byte(byte: u8) -> Self {
        Self {
            bytes: u64::from_le_bytes([byte, 0, 0, 0, 0, 0, 0, 0]),
            bits: 8,
        }
    }

    /// The low `len` of these eight bytes (bytes, 0..=8).
    #[cfg(target_pointer_width = "64")]
    #[inline]
    pub(crate) fn of_bytes(bytes: u64, len: usize) -> Self {
        Self {
            bytes,
            bits: u32::try_from(len).unwrap_or_default().wrapping_mul(8),
        }
    }

    /// A varint of up to eight bytes, which is what holds 56 bits.
    #[cfg_attr(target_pointer_width = "64", inline)]
    pub(crate) const fn of_varint(value: u64) -> Self {
        if value < 0x80 {
            return Self {
                bytes: value,
                bits: 8,
            };
        }
        if value < 0x4000 {
            return Self {
                bytes: (value & 0x7f) | 0x80 | ((value & 0x3f80) << 1),
                bits: 16,
            };
        }
        // Seven bits go to each byte: four and four bytes, then two and two, then one and one.
        let spread = (value & 0x0fff_ffff) | ((value & 0x00ff_ffff_f000_0000) << 4);
        let spread = (spread & 0x0000_3fff_0000_3fff) | ((spread & 0x0fff_c000_0fff_c000) << 2);
        let spread = (spread & 0x007f_007f_007f_007f) | ((spread & 0x3f80_3f80_3f80_3f80) << 1);
        // Every byte but the last says that another follows.
        let last = 56_u32.wrapping_sub(spread.leading_zeros() & !0b111);
        Self {
            bytes: spread | (MORE & !u64::MAX.wrapping_shl(last)),
            bits: last.wrapping_add(8),
        }
    }

    /// `self` and then `next`.
    #[cfg_attr(target_pointer_width = "64", inline)]
    pub(crate) const fn then(self, next: Self) -> Self {
        Self {
            bytes: self.bytes | next.bytes.wrapping_shl(self.bits),
            bits: self.bits.wrapping_add(next.bits),
        }
    }

    /// A tag of a field below 16 and a varint.
    #[cfg_attr(target_pointer_width = "64", inline)]
    pub(crate) const fn field(tag: u8, value: u64) -> Self {
        Self::of_byte(tag).then(Self::of_varint(value))
    }

    /// A varint field that is absent if it is zero, as proto3 has it.
    #[cfg_attr(target_pointer_width = "64", inline)]
    pub(crate) const fn uint(tag: u8, value: u64) -> Self {
        match value {
            0 => Self::EMPTY,
            value => Self::field(tag, value),
        }
    }

    /// How many bytes it takes (bytes, 0..=8).
    #[cfg_attr(target_pointer_width = "64", inline)]
    pub(crate) fn len(self) -> usize {
        usize::try_from(self.bits >> 3).unwrap_or_default()
    }
}

/// Writes fields one behind the other. A write that does not fit says `None`; what was written
/// before it stays.
pub(crate) struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    #[inline]
    pub(crate) const fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0 }
    }

    /// Behind `at` bytes that are written already.
    #[cfg(target_pointer_width = "64")]
    #[inline]
    pub(crate) const fn behind(out: &'a mut [u8], at: usize) -> Self {
        Self { out, at }
    }

    /// What has been written (bytes).
    pub(crate) const fn len(&self) -> usize {
        self.at
    }

    /// Writes a run. Where there is room for eight bytes, eight are written and the next write goes
    /// over those that are not part of the run.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn run(&mut self, run: Run) -> Option<()> {
        let rest = self.out.get_mut(self.at..)?;
        match rest.first_chunk_mut() {
            Some(room) => *room = run.bytes.to_le_bytes(),
            None => put_short(rest, run)?,
        }
        self.at = self.at.wrapping_add(run.len());
        Some(())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at.checked_add(bytes.len())?;
        self.out.get_mut(self.at..end)?.copy_from_slice(bytes);
        self.at = end;
        Some(())
    }

    /// Bytes that are usually three to seven: the copies that a call would make, without the call.
    #[cfg(target_pointer_width = "64")]
    #[inline(always)]
    pub(crate) fn word(&mut self, bytes: &[u8]) -> Option<()> {
        self.copied(bytes, |out| match bytes.len() {
            3 => overlapping::<2>(bytes, out),
            4..=7 => overlapping::<4>(bytes, out),
            _ => None,
        })
    }

    /// Bytes that are usually 16 to 64.
    #[cfg(target_pointer_width = "64")]
    #[inline(always)]
    pub(crate) fn words(&mut self, bytes: &[u8]) -> Option<()> {
        self.copied(bytes, |out| match bytes.len() {
            32..=64 => overlapping::<32>(bytes, out),
            16..=31 => overlapping::<16>(bytes, out),
            _ => None,
        })
    }

    #[cfg(target_pointer_width = "64")]
    #[inline(always)]
    fn copied(&mut self, bytes: &[u8], copy: impl Fn(&mut [u8]) -> Option<()>) -> Option<()> {
        let end = self.at.wrapping_add(bytes.len());
        let out = self.out.get_mut(self.at..end)?;
        if copy(out).is_none() {
            out.copy_from_slice(bytes);
        }
        self.at = end;
        Some(())
    }

    pub(crate) fn varint(&mut self, value: u64) -> Option<()> {
        if value >> 56 == 0 {
            return self.run(Run::of_varint(value));
        }
        self.run(Run {
            bytes: Run::of_varint(value & LOW_56).bytes | MORE,
            bits: 64,
        })?;
        self.run(Run::of_varint(value >> 56))
    }

    /// A tag of a field below 16, and the length of what follows.
    pub(crate) fn len_prefixed(&mut self, tag: u8, len: usize) -> Option<()> {
        self.run(Run::field(tag, wide(len)))
    }

    /// A varint field, absent if it is zero, as proto3 has it.
    pub(crate) fn uint(&mut self, tag: u8, value: u64) -> Option<()> {
        if value == 0 {
            return Some(());
        }
        self.run(Run::of_byte(tag))?;
        self.varint(value)
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn text(&mut self, text: &Text<'_>) -> Option<()> {
        let written = text.write(self.out.get_mut(self.at..)?)?;
        self.at = self.at.wrapping_add(written);
        Some(())
    }
}

/// Copies the first and the last `N` of `N..=2N` bytes.
#[cfg(target_pointer_width = "64")]
#[inline(always)]
fn overlapping<const N: usize>(bytes: &[u8], out: &mut [u8]) -> Option<()> {
    *out.first_chunk_mut::<N>()? = *bytes.first_chunk()?;
    *out.last_chunk_mut::<N>()? = *bytes.last_chunk()?;
    Some(())
}

/// Writes a run where there is less room than eight bytes.
#[cold]
fn put_short(out: &mut [u8], run: Run) -> Option<()> {
    let bytes = run.bytes.to_le_bytes();
    let front = out.get_mut(..run.len())?;
    front.copy_from_slice(bytes.get(..run.len())?);
    Some(())
}

/// Reads fields one behind the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field<'a> {
    Varint(u32, u64),
    Len(u32, &'a [u8]),
    /// A field of another wire type, which none of ours has.
    Other(u32),
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next field, or `None` at the end.
    pub(crate) fn field(&mut self) -> Result<Option<Field<'a>>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.tag()?;
        let field = match wire_type {
            VARINT => Field::Varint(number, self.varint()?),
            LEN => Field::Len(number, self.len_delimited()?),
            _ => {
                self.skip(number, wire_type)?;
                Field::Other(number)
            }
        };
        Ok(Some(field))
    }

    fn tag(&mut self) -> Result<(u32, u32), DecodeError> {
        let tag = u32::try_from(self.varint()?).map_err(|_| DecodeError::FieldNumber)?;
        match tag >> 3 {
            0 => Err(DecodeError::FieldNumber),
            number => Ok((number, tag & 0b111)),
        }
    }

    #[cfg_attr(target_pointer_width = "64", inline)]
    fn varint(&mut self) -> Result<u64, DecodeError> {
        match self.rest.split_first() {
            // Tags and lengths nearly always.
            Some((byte @ ..0x80, rest)) => {
                self.rest = rest;
                Ok((*byte).into())
            }
            _ => self.long_varint(),
        }
    }

    /// A varint of up to ten bytes; overlong forms are legal.
    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        let mut value: u64 = 0;
        for shift in (0..70).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(DecodeError::Truncated)?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError::Varint);
            }
            value |= bits.checked_shl(shift).unwrap_or_default();
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Varint)
    }

    fn len_delimited(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = usize::try_from(self.varint()?).map_err(|_| DecodeError::Truncated)?;
        self.bytes(len)
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (front, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(front)
    }

    /// Skips a fixed-size field or a group with all that is in it.
    fn skip(&mut self, number: u32, wire_type: u32) -> Result<(), DecodeError> {
        match wire_type {
            I64 => self.bytes(8).map(drop),
            I32 => self.bytes(4).map(drop),
            START_GROUP => self.skip_group(number, GROUPS_MAX),
            _ => Err(DecodeError::WireType),
        }
    }

    fn skip_group(&mut self, group: u32, depth: u32) -> Result<(), DecodeError> {
        let depth = depth.checked_sub(1).ok_or(DecodeError::WireType)?;
        loop {
            let (number, wire_type) = self.tag()?;
            match wire_type {
                VARINT => drop(self.varint()?),
                LEN => drop(self.len_delimited()?),
                START_GROUP => self.skip_group(number, depth)?,
                END_GROUP if number == group => return Ok(()),
                other => self.skip(number, other)?,
            }
        }
    }
}

/// A length as a varint's value.
pub(crate) fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// The bit of each byte that says that another follows.
const MORE: u64 = 0x8080_8080_8080_8080;

const LOW_56: u64 = 0x00ff_ffff_ffff_ffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varints_length_is_what_it_takes() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1_u64 << shift) - 1, u64::MAX >> shift] {
                let mut out = [0; 10];
                let mut writer = Writer::new(&mut out);
                writer.varint(value).unwrap();
                let taken = writer.len();

                assert_eq!(varint_len(value), taken, "{value}");
                assert_eq!(Reader::new(&out[..taken]).varint(), Ok(value));
            }
        }
    }

    #[test]
    fn overlong_varints_are_read_and_endless_ones_are_not() {
        assert_eq!(Reader::new(&[0x81, 0x80, 0x00]).varint(), Ok(1));
        assert_eq!(Reader::new(&[0xff; 10]).varint(), Err(DecodeError::Varint));
        assert_eq!(
            Reader::new(&[0xff; 9]).varint(),
            Err(DecodeError::Truncated)
        );
    }

    #[test]
    fn groups_are_skipped_whole_and_not_for_ever() {
        // 5: group { 1: 7, 6: group {} }, then 1: 1
        let bytes = [0x2b, 0x08, 7, 0x33, 0x34, 0x2c, 0x08, 1];
        let mut reader = Reader::new(&bytes);
        assert!(matches!(reader.field(), Ok(Some(Field::Other(5)))));
        assert!(matches!(reader.field(), Ok(Some(Field::Varint(1, 1)))));
        assert!(matches!(reader.field(), Ok(None)));

        assert!(Reader::new(&[0x2b, 0x34]).field().is_err());
        assert!(Reader::new(&[0x2b; 5000]).field().is_err());
    }
}
