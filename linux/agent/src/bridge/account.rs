use throughline_core::{Cause, End, Loss, Sequence};

/// What is known of one session of a device: which of its numbers came, and which never will.
///
/// A device says of each of its numbers what became of it, in order: before it sends a batch, it has
/// reported the losses that lie before the batch. So numbers before a batch that neither came nor
/// were reported were on the line and got lost there.
#[derive(Debug)]
pub(crate) struct Account {
    /// One past the greatest number that is accounted for; `None` before the first is.
    next: Option<u32>,
    /// The numbers below that did not come, in order: first and last (inclusive).
    gaps: Vec<(u32, u32)>,
    /// Reported losses of which only the count is exact, until all that lies between is known.
    pending: Vec<Loss>,
    /// Whether all of the session's events were to come over this line.
    is_whole: bool,
    counts: Counts,
}

/// What became of a session's events (counts).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Came, and were new.
    pub(crate) received: u64,
    /// Came again.
    pub(crate) repeated: u64,
    /// Will never come.
    pub(crate) lost: u64,
    /// Were sent by the device and will never come; they are among the lost.
    pub(crate) lost_on_the_line: u64,
}

impl Counts {
    pub(crate) const fn add(&mut self, other: Self) {
        self.received += other.received;
        self.repeated += other.repeated;
        self.lost += other.lost;
        self.lost_on_the_line += other.lost_on_the_line;
    }
}

impl Account {
    /// The account of a session whose events all come over this line, from number 0 on.
    pub(crate) const fn from_the_start() -> Self {
        Self::new(Some(0))
    }

    /// The account of a session that had begun before anybody listened here.
    pub(crate) const fn from_now_on() -> Self {
        Self::new(None)
    }

    const fn new(next: Option<u32>) -> Self {
        Self {
            next,
            gaps: Vec::new(),
            pending: Vec::new(),
            is_whole: next.is_some(),
            counts: Counts {
                received: 0,
                repeated: 0,
                lost: 0,
                lost_on_the_line: 0,
            },
        }
    }

    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    /// A batch that begins with `first` has come; returns what is known to be lost before it.
    pub(crate) fn begin_batch(&mut self, first: Sequence) -> Vec<Loss> {
        self.reach(first.value());
        let mut losses = Vec::new();
        self.settle(first.value(), &mut losses);
        losses
    }

    /// An event has come; returns whether it is new.
    pub(crate) fn take(&mut self, number: Sequence) -> bool {
        let number = number.value();
        let next = self.next.unwrap_or(number);
        let is_new = if number >= next {
            self.reach(number);
            self.next = Some(number.saturating_add(1));
            true
        } else {
            // Written again on a new link; new all the same if it was not heard the first time.
            !self.cut(number, number).is_empty()
        };
        let count = if is_new {
            &mut self.counts.received
        } else {
            &mut self.counts.repeated
        };
        *count += 1;
        is_new
    }

    /// The device has reported a loss; returns what is known to be lost by that.
    pub(crate) fn report(&mut self, loss: &Loss) -> Vec<Loss> {
        let mut losses = Vec::new();
        if loss.is_dense() {
            self.next.get_or_insert(loss.first.value());
            self.reach(loss.last.value().saturating_add(1));
            for (first, last) in self.cut(loss.first.value(), loss.last.value()) {
                self.lose((first, last), width((first, last)), loss.cause, &mut losses);
            }
            return losses;
        }
        self.pending.push(*loss);
        if self.pending.len() > PENDING_MAX {
            self.make_room();
        }
        losses
    }

    /// The session has ended; returns what else is lost of it, and its end as it is here.
    pub(crate) fn end(&mut self, end: &End) -> (Vec<Loss>, End) {
        let mut losses = Vec::new();
        self.reach(end.recorded);
        self.settle_known(&mut losses);
        let recorded = u64::from(end.recorded);
        let lost = if self.is_whole {
            self.counts.lost
        } else {
            // What was before is the device's to know.
            u64::from(end.lost) + self.counts.lost_on_the_line
        };
        let lost = u32::try_from(lost.min(recorded)).unwrap_or(end.recorded);
        let end = End {
            recorded: end.recorded,
            written: end.recorded.saturating_sub(lost),
            lost,
        };
        (losses, end)
    }

    /// Nothing more will be heard of the session; returns what is known to be lost of it.
    pub(crate) fn abandon(&mut self) -> Vec<Loss> {
        let mut losses = Vec::new();
        self.settle_known(&mut losses);
        for loss in std::mem::take(&mut self.pending) {
            let span = (loss.first.value(), loss.last.value());
            self.lose(span, loss.count, loss.cause, &mut losses);
        }
        losses
    }

    /// Accounts for all numbers below `next`: those that are not known of are a gap.
    fn reach(&mut self, next: u32) {
        let from = *self.next.get_or_insert(next);
        if from < next {
            self.gaps.push((from, next.saturating_sub(1)));
            self.next = Some(next);
        }
    }

    /// Settles what lies below `below`: reported losses first, and what is missing besides.
    fn settle(&mut self, below: u32, losses: &mut Vec<Loss>) {
        let (known, open): (Vec<_>, _) = self
            .pending
            .iter()
            .partition(|loss| loss.last.value() < below);
        self.pending = open;
        for loss in known {
            self.resolve(&loss, losses);
        }
        // What lies within a loss that is still open may be part of it.
        let open = self.pending.iter().map(|loss| loss.first.value()).min();
        let below = open.map_or(below, |first| first.min(below));
        if let Some(last) = below.checked_sub(1) {
            for gap in self.cut(0, last) {
                self.lose(gap, width(gap), Cause::Link, losses);
            }
        }
        if self.gaps.len() > GAPS_MAX {
            self.settle_known(losses);
        }
    }

    /// Settles all numbers up to the greatest that is known, as if their losses had no others.
    fn settle_known(&mut self, losses: &mut Vec<Loss>) {
        for loss in std::mem::take(&mut self.pending) {
            self.resolve(&loss, losses);
        }
        for gap in std::mem::take(&mut self.gaps) {
            self.lose(gap, width(gap), Cause::Link, losses);
        }
    }

    /// Of the numbers that are missing between a loss's first and last, as many as it counts were
    /// lost by the device, and the others on the line. Which ones nobody knows.
    fn resolve(&mut self, loss: &Loss, losses: &mut Vec<Loss>) {
        let missing = self.cut(loss.first.value(), loss.last.value());
        let total: u32 = missing.iter().map(|gap| width(*gap)).sum();
        let by_the_device = total.min(loss.count);
        if let (Some((first, _)), Some((_, last))) = (missing.first(), missing.last()) {
            let span = (*first, *last);
            self.lose(span, by_the_device, loss.cause, losses);
            self.lose(span, total - by_the_device, Cause::Link, losses);
        }
        let next = self.next.and_then(Sequence::new);
        if let Some(next) = next.filter(|next| *next <= loss.last && by_the_device < loss.count) {
            // The rest of them is still to come.
            self.pending.push(Loss {
                first: next.max(loss.first),
                count: loss.count - by_the_device,
                ..*loss
            });
        }
    }

    /// Makes one of the oldest two losses whose numbers are not known.
    fn make_room(&mut self) {
        let oldest = self.pending.remove(0);
        if let Some(loss) = self.pending.first_mut() {
            loss.first = loss.first.min(oldest.first);
            loss.last = loss.last.max(oldest.last);
            loss.count = loss.count.saturating_add(oldest.count);
        }
    }

    fn lose(&mut self, span: (u32, u32), count: u32, cause: Cause, losses: &mut Vec<Loss>) {
        let (Some(first), Some(last)) = (Sequence::new(span.0), Sequence::new(span.1)) else {
            return;
        };
        if count == 0 {
            return;
        }
        self.counts.lost += u64::from(count);
        if cause == Cause::Link {
            self.counts.lost_on_the_line += u64::from(count);
        }
        losses.push(Loss {
            first,
            last,
            count,
            cause,
        });
    }

    /// Takes the numbers from `first` to `last` (inclusive) out of the gaps, and returns them.
    fn cut(&mut self, first: u32, last: u32) -> Vec<(u32, u32)> {
        let mut taken = Vec::new();
        let mut kept = Vec::with_capacity(self.gaps.len() + 1);
        for (from, to) in self.gaps.drain(..) {
            let (cut_from, cut_to) = (from.max(first), to.min(last));
            if cut_from > cut_to {
                kept.push((from, to));
                continue;
            }
            taken.push((cut_from, cut_to));
            if from < cut_from {
                kept.push((from, cut_from - 1));
            }
            if cut_to < to {
                kept.push((cut_to + 1, to));
            }
        }
        self.gaps = kept;
        taken
    }
}

fn width((first, last): (u32, u32)) -> u32 {
    last.saturating_sub(first).saturating_add(1)
}

/// Losses whose numbers are not known yet (count): a device has at most 16 to report.
const PENDING_MAX: usize = 16;

/// Gaps within such losses (count); with more, the losses are taken as they are.
const GAPS_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: u32) -> Sequence {
        Sequence::new(value).unwrap()
    }

    fn loss(first: u32, last: u32, count: u32, cause: Cause) -> Loss {
        Loss {
            first: number(first),
            last: number(last),
            count,
            cause,
        }
    }

    /// A batch of these numbers comes; returns what is lost before it.
    fn batch(account: &mut Account, numbers: impl IntoIterator<Item = u32>) -> Vec<Loss> {
        let mut numbers = numbers.into_iter().peekable();
        let losses = account.begin_batch(number(*numbers.peek().unwrap()));
        for value in numbers {
            assert!(account.take(number(value)), "{value} is new");
        }
        losses
    }

    fn end(recorded: u32, lost: u32) -> End {
        End {
            recorded,
            written: recorded - lost,
            lost,
        }
    }

    #[test]
    fn a_frame_that_is_missing_is_a_loss_on_the_line() {
        let mut account = Account::from_the_start();
        assert_eq!(batch(&mut account, 0..10), []);
        let lost = batch(&mut account, 20..30);
        assert_eq!(lost, [loss(10, 19, 10, Cause::Link)]);
        let (losses, end) = account.end(&end(30, 0));
        assert_eq!(losses, []);
        assert_eq!((end.recorded, end.written, end.lost), (30, 20, 10));
    }

    #[test]
    fn what_the_device_reports_is_not_blamed_on_the_line() {
        let mut account = Account::from_the_start();
        batch(&mut account, 0..10);
        let reported = loss(10, 19, 10, Cause::StoreFull);
        assert_eq!(account.report(&reported), [reported]);
        assert_eq!(batch(&mut account, 20..30), []);
        assert_eq!(account.end(&end(30, 10)).1, end(30, 10));
    }

    #[test]
    fn a_loss_within_a_batch_may_be_reported_after_it() {
        let mut account = Account::from_the_start();
        assert_eq!(batch(&mut account, [0, 1, 4, 5]), []);
        let reported = loss(2, 3, 2, Cause::StoreFull);
        assert_eq!(account.report(&reported), [reported]);
        assert_eq!(batch(&mut account, 6..9), []);
    }

    #[test]
    fn a_report_that_is_missing_is_a_loss_on_the_line() {
        let mut account = Account::from_the_start();
        batch(&mut account, [0, 1, 4, 5]);
        assert_eq!(batch(&mut account, 6..9), [loss(2, 3, 2, Cause::Link)]);
        let (losses, ended) = account.end(&end(9, 2));
        assert_eq!((losses.as_slice(), ended.lost), (&[][..], 2));
    }

    #[test]
    fn what_came_twice_is_told() {
        let mut account = Account::from_the_start();
        batch(&mut account, 0..4);
        assert_eq!(account.begin_batch(number(2)), []);
        assert!(!account.take(number(2)) && !account.take(number(3)) && account.take(number(4)));
        let reported = loss(5, 6, 2, Cause::StoreFull);
        assert_eq!(account.report(&reported), [reported]);
        assert_eq!(account.report(&reported), [], "and a report as well");
        assert_eq!(account.counts().repeated, 2);
    }

    #[test]
    fn of_a_loss_without_numbers_the_count_is_exact() {
        let mut account = Account::from_the_start();
        batch(&mut account, [0, 2, 4]);
        // Of 1..=9 five are lost; 6 and 8 are still to come.
        assert_eq!(account.report(&loss(1, 9, 5, Cause::StoreFull)), []);
        assert_eq!(batch(&mut account, [6, 8, 10]), []);
        let lost = batch(&mut account, [11]);
        assert_eq!(lost, [loss(1, 9, 5, Cause::StoreFull)]);
        assert_eq!(account.end(&end(12, 5)).1, end(12, 5));
    }

    #[test]
    fn of_a_loss_without_numbers_the_line_is_blamed_for_the_rest() {
        let mut account = Account::from_the_start();
        batch(&mut account, [0, 2]);
        account.report(&loss(1, 9, 4, Cause::StoreFull));
        // 4, 6 and 8 were sent and did not come.
        let lost = batch(&mut account, [10]);
        let blamed = [loss(1, 9, 4, Cause::StoreFull), loss(1, 9, 4, Cause::Link)];
        assert_eq!(lost, blamed);
    }

    #[test]
    fn a_session_that_was_joined_late_has_no_gap_before_it() {
        let mut account = Account::from_now_on();
        assert_eq!(batch(&mut account, 50..60), []);
        assert_eq!(batch(&mut account, 65..70), [loss(60, 64, 5, Cause::Link)]);
        let (_, ended) = account.end(&end(70, 3));
        assert_eq!(ended, end(70, 8));
    }

    #[test]
    fn what_is_missing_at_the_end_is_lost() {
        let mut account = Account::from_the_start();
        let (losses, ended) = account.end(&end(5, 0));
        assert_eq!(losses, [loss(0, 4, 5, Cause::Link)]);
        assert_eq!(ended, end(5, 5));
        assert_eq!(Account::from_the_start().end(&end(0, 0)).1, end(0, 0));
    }

    #[test]
    fn memory_is_bounded_whatever_is_reported() {
        let mut account = Account::from_the_start();
        for first in 0..100 {
            account.report(&loss(first, 0x7fff_fffe, 50, Cause::StoreFull));
            assert!(account.pending.len() <= PENDING_MAX);
        }
        let mut told = 0;
        for value in (1..100_001).step_by(2) {
            let losses = batch(&mut account, [value]);
            told += losses.iter().map(|loss| loss.count).sum::<u32>();
            assert!(account.gaps.len() <= GAPS_MAX + 1);
        }
        let (losses, ended) = account.end(&end(100_000, 5000));
        told += losses.iter().map(|loss| loss.count).sum::<u32>();
        assert_eq!((told, ended.written, ended.lost), (50_000, 50_000, 50_000));
    }
}
