//! Between embassy-time's ticks and core's nanoseconds.

use embassy_time::TICK_HZ;
use throughline_core::Instant;

/// The monotonic time.
pub(crate) fn now() -> Instant {
    Instant::from_nanos(nanos(embassy_time::Instant::now().as_ticks()))
}

/// The first tick that is not before `instant`.
pub(crate) fn tick_at(instant: Instant) -> embassy_time::Instant {
    embassy_time::Instant::from_ticks(ticks(instant.nanos()))
}

/// Seconds first: a tick may be no whole number of nanoseconds.
fn nanos(ticks: u64) -> u64 {
    let rest = (ticks % TICK_HZ).saturating_mul(NANOS_PER_SECOND) / TICK_HZ;
    (ticks / TICK_HZ)
        .saturating_mul(NANOS_PER_SECOND)
        .saturating_add(rest)
}

fn ticks(nanos: u64) -> u64 {
    let rest = (nanos % NANOS_PER_SECOND)
        .saturating_mul(TICK_HZ)
        .div_ceil(NANOS_PER_SECOND);
    (nanos / NANOS_PER_SECOND)
        .saturating_mul(TICK_HZ)
        .saturating_add(rest)
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_never_early() {
        for at in [0, 1, 999, 1000, 1001, 5_000_000_001, u64::MAX / 2] {
            assert!(nanos(ticks(at)) >= at, "{at}");
        }
        for tick in [0, 1, 32_767, 1_000_001, u64::MAX / 2000] {
            assert_eq!(ticks(nanos(tick)), tick);
        }
    }
}
