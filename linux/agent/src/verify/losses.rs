use std::{cmp::Reverse, collections::BinaryHeap, ops::RangeInclusive};

/// What a session reported as lost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses {
    ranges: Vec<Loss>,
    total: u64,
}

/// `count` of the numbers `first..=last` are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Loss {
    first: u32,
    last: u32,
    count: u32,
}

/// What is left when gaps are held against losses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    /// Numbers that no loss explains (count).
    pub(crate) missing: u64,
    /// Where, in order: the first [`Balance::SHOWN`] ranges.
    pub(crate) at: Vec<RangeInclusive<u32>>,
    /// Numbers reported as lost that were written, or reported twice (count).
    pub(crate) surplus: u64,
}

impl Losses {
    /// Takes in a loss of `count` of the numbers `first..=last`.
    pub(crate) fn add(&mut self, first: u32, last: u32, count: u32) {
        let loss = Loss { first, last, count };
        self.total += u64::from(count);
        match self.ranges.last_mut() {
            Some(latest) if latest.is_dense() && loss.is_dense() && latest.last + 1 == first => {
                latest.last = last;
                latest.count += count;
            }
            _ => self.ranges.push(loss),
        }
    }

    /// How many numbers are reported as lost.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// How much room it takes (ranges).
    pub(crate) fn weight(&self) -> usize {
        self.ranges.len()
    }

    /// The number after the last of any range.
    pub(crate) fn end(&self) -> u32 {
        let ends = self.ranges.iter().map(|loss| loss.last + 1);
        ends.max().unwrap_or_default()
    }

    /// Whether `number` lies in a range.
    pub(crate) fn covers(&self, number: u32) -> bool {
        let covers = |loss: &Loss| (loss.first..=loss.last).contains(&number);
        self.ranges.iter().any(covers)
    }

    /// Holds what was not written, `gaps` in order, against what is lost.
    ///
    /// Each number of a gap is put down to the loss that ends first of those that reach it and are not
    /// used up, which explains as many numbers as can be explained.
    pub(crate) fn balance(&self, gaps: impl Iterator<Item = RangeInclusive<u32>>) -> Balance {
        let mut losses = self.ranges.clone();
        losses.sort_by_key(|loss| loss.first);
        let mut sweep = Sweep {
            waiting: losses.into_iter().peekable(),
            open: BinaryHeap::new(),
            balance: Balance::default(),
        };
        gaps.for_each(|gap| sweep.gap(*gap.start(), *gap.end()));
        sweep.finish()
    }
}

impl Loss {
    const fn is_dense(&self) -> bool {
        self.last - self.first + 1 == self.count
    }
}

/// A pass over the numbers, lowest first.
struct Sweep<I: Iterator<Item = Loss>> {
    /// Losses that begin later.
    waiting: std::iter::Peekable<I>,
    /// Last number and count of losses that have begun, the one that ends first on top.
    open: BinaryHeap<Reverse<(u32, u32)>>,
    balance: Balance,
}

impl<I: Iterator<Item = Loss>> Sweep<I> {
    fn gap(&mut self, first: u32, last: u32) {
        let mut at = first;
        while at <= last {
            self.open_and_close(at);
            // Up to the next beginning nothing changes but by being used up.
            let next = self.waiting.peek().map_or(u32::MAX, |loss| loss.first);
            let reach = last.min(next - 1);
            let Some(Reverse((end, count))) = self.open.pop() else {
                self.balance.miss(at, reach);
                at = reach + 1;
                continue;
            };
            let taken = count.min(reach.min(end) - at + 1);
            if taken < count {
                self.open.push(Reverse((end, count - taken)));
            }
            at += taken;
        }
    }

    /// Opens the losses that have begun at `at`, and closes those that ended before it.
    fn open_and_close(&mut self, at: u32) {
        while let Some(loss) = self.waiting.next_if(|loss| loss.first <= at) {
            self.open.push(Reverse((loss.last, loss.count)));
        }
        while let Some(Reverse((end, count))) = self.open.peek().copied() {
            if end >= at {
                return;
            }
            self.open.pop();
            self.balance.surplus += u64::from(count);
        }
    }

    fn finish(mut self) -> Balance {
        let open = self.open.iter().map(|Reverse((_, count))| count);
        self.balance.surplus += open.map(|count| u64::from(*count)).sum::<u64>();
        self.balance.surplus += self.waiting.map(|loss| u64::from(loss.count)).sum::<u64>();
        self.balance
    }
}

impl Balance {
    /// Ranges that are kept to be shown (count).
    pub(crate) const SHOWN: usize = 5;

    fn miss(&mut self, first: u32, last: u32) {
        self.missing += u64::from(last - first) + 1;
        let is_full = self.at.len() == Self::SHOWN;
        match self.at.last_mut() {
            Some(latest) if *latest.end() + 1 == first => *latest = *latest.start()..=last,
            _ if is_full => {}
            _ => self.at.push(first..=last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(losses: &[(u32, u32, u32)], gaps: &[RangeInclusive<u32>]) -> (u64, u64) {
        let mut all = Losses::default();
        for (first, last, count) in losses {
            all.add(*first, *last, *count);
        }
        let balance = all.balance(gaps.iter().cloned());
        (balance.missing, balance.surplus)
    }

    #[test]
    fn a_gap_that_is_a_loss_is_explained() {
        assert_eq!(balance(&[(3, 5, 3)], &[3..=5]), (0, 0));
        assert_eq!(balance(&[(3, 4, 2), (5, 5, 1)], &[3..=5]), (0, 0));
        assert_eq!(balance(&[], &[3..=5]), (3, 0));
        assert_eq!(balance(&[(3, 5, 3)], &[3..=4]), (0, 1));
        assert_eq!(balance(&[(3, 5, 3)], &[2..=6]), (2, 0));
        assert_eq!(balance(&[(3, 5, 3)], &[]), (0, 3));
    }

    #[test]
    fn of_a_coarse_range_as_many_are_lost_as_it_says() {
        assert_eq!(balance(&[(3, 9, 3)], &[3..=3, 6..=6, 9..=9]), (0, 0));
        assert_eq!(balance(&[(3, 9, 3)], &[3..=3, 6..=7, 9..=9]), (1, 0));
        assert_eq!(balance(&[(3, 9, 3)], &[3..=3, 9..=9]), (0, 1));
    }

    #[test]
    fn ranges_of_two_causes_that_overlap_are_told_apart() {
        // 5 can only be of the first, 9 only of the second, 7 of either.
        let losses = [(5, 8, 2), (6, 9, 1)];
        assert_eq!(balance(&losses, &[5..=5, 7..=7, 9..=9]), (0, 0));
        assert_eq!(balance(&losses, &[5..=7]), (0, 0));
        assert_eq!(balance(&losses, &[5..=8]), (1, 0));
        assert_eq!(balance(&losses, &[9..=9]), (0, 2));
    }

    #[test]
    fn as_many_numbers_are_explained_as_any_choice_could() {
        // Every set of three losses and every set of gaps within 0..6.
        let ranges: Vec<(u32, u32)> = (0..5).flat_map(|a| (a..5).map(move |b| (a, b))).collect();
        for (index, a) in ranges.iter().enumerate() {
            for b in &ranges[index..] {
                for gaps in 0_u32..64 {
                    let losses = [(a.0, a.1, 1), (b.0, b.1, 1)];
                    let numbers: Vec<u32> = (0..6).filter(|n| gaps >> n & 1 == 1).collect();
                    let fits = |n: &u32, range: &(u32, u32)| (range.0..=range.1).contains(n);
                    let both = numbers
                        .iter()
                        .any(|x| fits(x, a) && numbers.iter().any(|y| x != y && fits(y, b)));
                    let either = numbers.iter().any(|n| fits(n, a) || fits(n, b));
                    let explained = if both { 2 } else { u64::from(either) };
                    let given: Vec<_> = numbers.iter().map(|n| *n..=*n).collect();
                    let expected = (numbers.len() as u64 - explained, 2 - explained);
                    assert_eq!(balance(&losses, &given), expected, "{losses:?} {numbers:?}");
                }
            }
        }
    }
}
