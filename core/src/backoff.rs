use core::time::Duration;

use crate::time::nanos;

/// How long to wait before the next attempt: exponential, with jitter, capped.
///
/// The n-th wait (from 0) is uniform in `d/2..=d` with `d = min(base * 2^n, cap)`: long enough to
/// spare the receiver, spread enough that a fleet does not return at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base_ns: u64,
    cap_ns: u64,
    attempt: u32,
    /// The state of a xorshift generator, never zero; jitter needs spread, not secrecy.
    random: u32,
}

impl Backoff {
    /// A backoff from `base` up to `cap`, with jitter from `seed`.
    #[must_use]
    pub fn new(base: Duration, cap: Duration, seed: u32) -> Self {
        Self {
            base_ns: nanos(base.as_secs(), base.subsec_nanos()),
            cap_ns: nanos(cap.as_secs(), cap.subsec_nanos()),
            attempt: 0,
            random: seed | 1 << 31,
        }
    }

    /// The wait before the next attempt, each call longer than the one before.
    #[must_use]
    pub fn next_delay(&mut self) -> Duration {
        Duration::from_nanos(self.next_delay_ns())
    }

    pub(crate) fn next_delay_ns(&mut self) -> u64 {
        let doubled = 1_u64.checked_shl(self.attempt).unwrap_or(u64::MAX);
        self.attempt = self.attempt.saturating_add(1);
        let full = self.base_ns.saturating_mul(doubled).min(self.cap_ns);
        self.jittered(full)
    }

    /// A wait at the cap, for a failure that soon trying again would not mend.
    #[must_use]
    pub fn longest_delay(&mut self) -> Duration {
        Duration::from_nanos(self.longest_delay_ns())
    }

    pub(crate) fn longest_delay_ns(&mut self) -> u64 {
        self.jittered(self.cap_ns)
    }

    /// Begins anew, after a success.
    pub const fn reset(&mut self) {
        self.attempt = 0;
    }

    fn jittered(&mut self, full_ns: u64) -> u64 {
        let half = full_ns >> 1;
        let spread = full_ns.saturating_sub(half);
        // To the nearest 256 ns, so that 64 bits are enough for waits of up to half an hour.
        let share = u64::from(self.next_random()).saturating_mul(spread >> 8) >> 24;
        half.saturating_add(share)
    }

    /// Xorshift (Marsaglia: Xorshift RNGs, 2003).
    const fn next_random(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const BASE: Duration = Duration::from_millis(50);
    const CAP: Duration = Duration::from_secs(30);

    #[test]
    fn delays_double_within_their_jitter_up_to_the_cap() {
        let mut backoff = Backoff::new(BASE, CAP, 7);
        for attempt in 0..40 {
            let full = BASE.saturating_mul(1 << attempt.min(20)).min(CAP);
            let delay = backoff.next_delay();
            assert!(delay >= full / 2 && delay <= full, "{attempt}: {delay:?}");
        }
        backoff.reset();
        assert!(backoff.next_delay() <= BASE);
        assert!(backoff.longest_delay() >= CAP / 2);
    }

    #[test]
    fn two_seeds_do_not_return_together() {
        let delays = |seed: u32| -> Vec<_> {
            let mut backoff = Backoff::new(BASE, CAP, seed);
            (0..8).map(|_| backoff.next_delay()).collect()
        };
        assert_eq!(delays(1), delays(1));
        assert!(delays(1).iter().zip(delays(2)).all(|(a, b)| *a != b));
    }
}
