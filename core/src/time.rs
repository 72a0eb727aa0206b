use core::time::Duration;

/// A point of wall-clock time: since 1970-01-01T00:00:00Z, to the nanosecond, without leap seconds.
///
/// Kept as seconds and nanoseconds, as clocks give it and wires want it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: u64,
    nanos: u32,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z, also what a device without a calendar counts from.
    pub const EPOCH: Self = Self {
        seconds: 0,
        nanos: 0,
    };

    /// The point `nanos` nanoseconds after second `seconds`. More than 999,999,999 nanoseconds are
    /// taken for as many.
    #[inline]
    #[must_use]
    pub const fn new(seconds: u64, nanos: u32) -> Self {
        let nanos = if nanos > 999_999_999 {
            999_999_999
        } else {
            nanos
        };
        Self { seconds, nanos }
    }

    /// The point `nanos` nanoseconds after the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        let duration = Duration::from_nanos(nanos);
        Self {
            seconds: duration.as_secs(),
            nanos: duration.subsec_nanos(),
        }
    }

    /// Nanoseconds since the epoch, or as many as there can be, which lasts until the year 2554.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        nanos(self.seconds, self.nanos)
    }

    /// This point, or `other` if that is later.
    #[inline]
    pub(crate) const fn or_later(self, other: Self) -> Self {
        let is_later = other.seconds > self.seconds
            || (other.seconds == self.seconds && other.nanos > self.nanos);
        if is_later { other } else { self }
    }

    /// Whole seconds since the epoch.
    #[inline]
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.seconds
    }

    /// Nanoseconds within the second, 0..1_000_000_000.
    #[inline]
    #[must_use]
    pub const fn subsec_nanos(self) -> u32 {
        self.nanos
    }
}

/// A point of monotonic time: nanoseconds since an origin of the clock's own.
///
/// Only differences mean anything. 64 bits last 584 years, so it never wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The clock's origin.
    pub const ORIGIN: Self = Self(0);

    /// The point `nanos` nanoseconds after the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The point `delay` later; stays at the end of time rather than wrap.
    #[inline(never)]
    #[must_use]
    pub const fn after(self, delay: Duration) -> Self {
        self.after_nanos(nanos(delay.as_secs(), delay.subsec_nanos()))
    }

    /// The point `delay` nanoseconds later; stays at the end of time rather than wrap.
    #[must_use]
    pub const fn after_nanos(self, delay: u64) -> Self {
        Self(self.0.saturating_add(delay))
    }

    /// How long it is from `earlier` to this point; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Where time comes from.
///
/// `monotonic` never runs back and never fails. `wall` may be set by people and may run back; a
/// [`Trail`](crate::Trail) makes up for that. Neither may call back into a trail.
pub trait Clock {
    /// The time of day.
    fn wall(&self) -> Timestamp;

    /// The time that timers run by.
    fn monotonic(&self) -> Instant;
}

impl<C: Clock + ?Sized> Clock for &C {
    fn wall(&self) -> Timestamp {
        (**self).wall()
    }

    fn monotonic(&self) -> Instant {
        (**self).monotonic()
    }
}

/// Where randomness comes from: session identifiers and the jitter of a backoff.
///
/// Two calls give independent, unpredictable values; a call never fails. A device that cannot
/// promise this gives its session identifiers by hand.
pub trait Entropy {
    /// Sixteen random bytes.
    fn random(&self) -> [u8; 16];
}

impl<E: Entropy + ?Sized> Entropy for &E {
    fn random(&self) -> [u8; 16] {
        (**self).random()
    }
}

/// Seconds and nanoseconds in nanoseconds, or as many as there can be.
pub(crate) const fn nanos(seconds: u64, subsec_nanos: u32) -> u64 {
    let [a, b, c, d] = subsec_nanos.to_le_bytes();
    let subsec = u64::from_le_bytes([a, b, c, d, 0, 0, 0, 0]);
    seconds.saturating_mul(1_000_000_000).saturating_add(subsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_saturate_at_both_ends() {
        let late = Instant::from_nanos(u64::MAX - 1);
        assert_eq!(late.after(Duration::MAX), Instant::from_nanos(u64::MAX));
        assert_eq!(Instant::ORIGIN.since(late), Duration::ZERO);
    }
}
