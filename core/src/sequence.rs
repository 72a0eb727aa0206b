use core::fmt;

/// The number of an act within its session: 0, 1, 2, ... up to [`Sequence::MAX`] inclusive.
///
/// The public gateway reads it as a non-negative `int32`, so 31 bits are all there is. A session ends
/// before the number would pass the maximum and the next act opens a new session at
/// [`Sequence::ZERO`]; there is no wrapping arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(u32);

impl Sequence {
    /// The number of a session's first act.
    pub const ZERO: Self = Self(0);

    /// The greatest number that the wire and the gateway can carry, 2^31 - 1 (inclusive).
    pub const MAX: Self = Self(0x7fff_ffff);

    /// The sequence number `value`, or `None` above [`Sequence::MAX`].
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        if value <= Self::MAX.0 {
            Some(Self(value))
        } else {
            None
        }
    }

    /// The sequence number `value`, or `None` above `self`.
    pub(crate) const fn at_most(self, value: u32) -> Option<Self> {
        if value <= self.0 {
            Some(Self(value))
        } else {
            None
        }
    }

    /// The value, in 0..=2^31-1.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }

    /// The number after this one, or `None` after [`Sequence::MAX`].
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        Self::new(self.0.saturating_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Sequence> for u32 {
    fn from(sequence: Sequence) -> Self {
        sequence.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_has_no_successor() {
        assert_eq!(Sequence::ZERO.next(), Sequence::new(1));
        assert_eq!(Sequence::MAX.next(), None);
        assert_eq!(Sequence::new(0x8000_0000), None);
        assert_eq!(Sequence::new(u32::MAX), None);
        assert_eq!(Sequence::MAX.value(), i32::MAX.unsigned_abs());
    }
}
