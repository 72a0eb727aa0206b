//! Measuring cases beside each other, so that noise hits all of them alike.
//!
//! A round lets each case run a few slices in turn and keeps the fastest of each: what else runs on the
//! machine only ever adds time. A ratio is taken within a round, and the median over the rounds is
//! what is told.

use std::time::{Duration, Instant};

/// One thing to measure: runs a slice and returns its cost (nanoseconds for each operation).
pub type Case<'a> = &'a mut dyn FnMut() -> f64;

/// What came out: for each round, the cost of each case.
#[derive(Clone, Debug)]
pub struct Rounds(Vec<Vec<f64>>);

impl Rounds {
    /// Runs the cases in `count` rounds of `slices` slices each, after one slice to warm up.
    pub fn run(count: usize, slices: usize, cases: &mut [Case<'_>]) -> Self {
        for case in &mut *cases {
            case();
        }
        let rounds = (0..count).map(|_| {
            let mut best = vec![f64::INFINITY; cases.len()];
            for _ in 0..slices {
                for (best, case) in best.iter_mut().zip(&mut *cases) {
                    *best = best.min(case());
                }
            }
            best
        });
        Self(rounds.collect())
    }

    /// The median cost of a case (nanoseconds).
    #[must_use]
    pub fn cost(&self, case: usize) -> f64 {
        median(self.0.iter().map(|round| round[case]))
    }

    /// The median, over the rounds, of what `case` cost in units of what `of` cost.
    #[must_use]
    pub fn ratio(&self, case: usize, of: usize) -> f64 {
        median(self.0.iter().map(|round| round[case] / round[of]))
    }
}

/// What `work` cost for each of `operations` (nanoseconds).
#[inline]
pub fn cost(operations: u32, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    nanos(start.elapsed()) / f64::from(operations)
}

/// A duration in nanoseconds.
#[must_use]
pub fn nanos(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// The median; NaN of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(&mut values.into_iter().collect::<Vec<_>>(), 0.5)
}

/// The value that a share of `q` of all are at most; NaN of nothing.
#[must_use]
pub fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let at = (last as f64 * q).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_within_its_round() {
        // The machine is ten times slower in every second round.
        let mut pace = [1.0, 10.0].into_iter().cycle();
        let mut speed = 1.0;
        let rounds = Rounds::run(
            9,
            1,
            &mut [
                &mut || {
                    speed = pace.next().unwrap_or(1.0);
                    2.0 * speed
                },
                &mut || 1.0,
            ],
        );
        assert!(rounds.cost(0) > 1.0);
        let rounds = Rounds(vec![vec![2.0, 1.0], vec![20.0, 10.0], vec![6.0, 2.0]]);
        assert!((rounds.ratio(0, 1) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn quantiles_are_values_that_were_there() {
        let mut values: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(quantile(&mut values, 0.5), 50.0);
        assert_eq!(quantile(&mut values, 0.99), 99.0);
        assert!(quantile(&mut [], 0.5).is_nan());
    }
}
