use core::marker::PhantomData;

use crate::{Change, Outcome, Phase, PhaseEmitter, PhaseRecord};

/// A change on its way from its start to its outcome.
///
/// The state is a type, and each method takes the transaction and gives it back in its next state,
/// so that an order of phases that makes no sense does not compile:
///
/// | state | what happened | next state, or outcome |
/// |---|---|---|
/// | [`Started`] | `captured`, `capture_failed` | [`Captured`], errored |
/// | [`Captured`] | `applied`, `apply_failed`, `staged` | [`Applied`], [`Broken`], staged |
/// | [`Applied`] | `validated`, `validate_failed`, `abandoned` | [`Validated`], [`Broken`], [`Broken`] |
/// | [`Validated`] | `committed`, `staged` | committed, staged |
/// | [`Broken`] | `rolled_back`, `rollback_failed`, `partially_applied` | as the name says |
/// | [`Recovering`] | `recovered`, `rollback_failed` | as the name says |
///
/// Each step emits one [`PhaseRecord`]. The outcome belongs to whoever can vouch for it: call
/// [`committed`](Transaction::committed) once the change is durable, not before.
///
/// A transaction that is dropped without an outcome, by an early return or while a panic unwinds,
/// emits [`Outcome::Errored`].
///
/// ```
/// use throughline_core::{Change, NoEmitter, Transaction, TransactionId};
/// # let uuid = uuid::Uuid::nil();
/// let change = Change { transaction: TransactionId::from_uuid(uuid), name: "motd", position: None };
/// let transaction = Transaction::start(NoEmitter, change);
/// // ... read what is there ...
/// let transaction = transaction.captured();
/// // ... write what should be there ...
/// let transaction = transaction.applied();
/// // ... look whether it works ...
/// transaction.validated().committed();
/// ```
#[must_use = "a transaction that is dropped without an outcome is recorded as errored"]
#[derive(Debug)]
pub struct Transaction<'a, E: PhaseEmitter, State> {
    open: Open<'a, E>,
    state: PhantomData<State>,
}

/// Begun; nothing is captured yet.
#[derive(Debug)]
pub enum Started {}

/// What was there is captured; nothing is changed yet.
#[derive(Debug)]
pub enum Captured {}

/// The change is made and not yet checked.
#[derive(Debug)]
pub enum Applied {}

/// The change is made and checked, and not yet kept.
#[derive(Debug)]
pub enum Validated {}

/// The change or its check failed; what was captured is to be put back.
#[derive(Debug)]
pub enum Broken {}

/// A transaction of an earlier run that was found without an outcome.
#[derive(Debug)]
pub enum Recovering {}

impl<'a, E: PhaseEmitter> Transaction<'a, E, Started> {
    /// Begins a transaction and emits [`Phase::Started`].
    pub fn start(emitter: E, change: Change<'a>) -> Self {
        let mut open = Open::new(emitter, change);
        open.emit(Phase::Started, true);
        Self::holding(open)
    }

    /// What is there was captured, or there was nothing to capture.
    pub fn captured(self) -> Transaction<'a, E, Captured> {
        self.step(Phase::Capture, true)
    }

    /// What is there could not be captured, so nothing may be changed: the outcome is
    /// [`Outcome::Errored`].
    pub fn capture_failed(self) {
        self.end(Outcome::Errored);
    }
}

impl<'a, E: PhaseEmitter> Transaction<'a, E, Captured> {
    /// The change was made.
    pub fn applied(self) -> Transaction<'a, E, Applied> {
        self.step(Phase::Apply, true)
    }

    /// The change could not be made, or not whole.
    pub fn apply_failed(self) -> Transaction<'a, E, Broken> {
        self.step(Phase::Apply, false)
    }

    /// The change is prepared and takes effect later, on purpose: [`Outcome::Staged`].
    pub fn staged(self) {
        self.end(Outcome::Staged);
    }
}

impl<'a, E: PhaseEmitter> Transaction<'a, E, Applied> {
    /// The change was checked and holds.
    pub fn validated(self) -> Transaction<'a, E, Validated> {
        self.step(Phase::Validate, true)
    }

    /// The change was checked and does not hold.
    pub fn validate_failed(self) -> Transaction<'a, E, Broken> {
        self.step(Phase::Validate, false)
    }

    /// The change was given up before it was checked; nothing is emitted for the check.
    pub fn abandoned(self) -> Transaction<'a, E, Broken> {
        Transaction::holding(self.open)
    }
}

impl<E: PhaseEmitter> Transaction<'_, E, Validated> {
    /// The change is kept, and that is durable: [`Outcome::Committed`].
    pub fn committed(self) {
        self.end(Outcome::Committed);
    }

    /// The change is kept and takes effect later, on purpose: [`Outcome::Staged`].
    pub fn staged(self) {
        self.end(Outcome::Staged);
    }
}

impl<E: PhaseEmitter> Transaction<'_, E, Broken> {
    /// All is as it was: [`Outcome::RolledBack`].
    pub fn rolled_back(self) {
        self.end(Outcome::RolledBack);
    }

    /// It could not be undone: [`Outcome::RollbackFailed`].
    pub fn rollback_failed(self) {
        self.end(Outcome::RollbackFailed);
    }

    /// Nothing was undone, there being no way to: [`Outcome::PartiallyApplied`].
    pub fn partially_applied(self) {
        self.end(Outcome::PartiallyApplied);
    }
}

impl<'a, E: PhaseEmitter> Transaction<'a, E, Recovering> {
    /// Takes up a transaction of an earlier run, after `step` records of it. Emits nothing yet.
    pub const fn recover(emitter: E, change: Change<'a>, step: u32) -> Self {
        let mut open = Open::new(emitter, change);
        open.step = step;
        Self::holding(open)
    }

    /// It was put in order: [`Outcome::Recovered`].
    pub fn recovered(self) {
        self.end(Outcome::Recovered);
    }

    /// It could not be put in order: [`Outcome::RollbackFailed`].
    pub fn rollback_failed(self) {
        self.end(Outcome::RollbackFailed);
    }
}

impl<'a, E: PhaseEmitter, State> Transaction<'a, E, State> {
    /// What is being changed.
    #[must_use]
    pub const fn change(&self) -> &Change<'a> {
        &self.open.change
    }

    /// How many records were emitted so far (count, saturating).
    #[must_use]
    pub const fn step_count(&self) -> u32 {
        self.open.step
    }

    const fn holding(open: Open<'a, E>) -> Self {
        Self {
            open,
            state: PhantomData,
        }
    }

    fn step<Next>(mut self, phase: Phase, success: bool) -> Transaction<'a, E, Next> {
        self.open.emit(phase, success);
        Transaction::holding(self.open)
    }

    fn end(mut self, outcome: Outcome) {
        self.open.end(outcome);
    }
}

/// The part that moves from state to state, and knows whether an outcome is still owed.
#[derive(Debug)]
struct Open<'a, E: PhaseEmitter> {
    emitter: E,
    change: Change<'a>,
    step: u32,
    ended: bool,
}

impl<'a, E: PhaseEmitter> Open<'a, E> {
    const fn new(emitter: E, change: Change<'a>) -> Self {
        Self {
            emitter,
            change,
            step: 0,
            ended: false,
        }
    }

    fn emit(&mut self, phase: Phase, success: bool) {
        self.emitter.emit(&PhaseRecord {
            change: self.change,
            step: self.step,
            phase,
            success,
        });
        self.step = self.step.saturating_add(1);
    }

    fn end(&mut self, outcome: Outcome) {
        self.ended = true;
        self.emit(Phase::Outcome(outcome), outcome.is_success());
    }
}

impl<E: PhaseEmitter> Drop for Open<'_, E> {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Outcome::Errored);
        }
    }
}

/// Orders of phases that make no sense, none of which compiles.
///
/// ```compile_fail,E0599
/// # use throughline_core::*;
/// fn validated_without_being_applied(t: Transaction<NoEmitter, Captured>) {
///     t.validated();
/// }
/// ```
///
/// ```compile_fail,E0599
/// # use throughline_core::*;
/// fn validated_though_applying_failed(t: Transaction<NoEmitter, Captured>) {
///     t.apply_failed().validated();
/// }
/// ```
///
/// ```compile_fail,E0599
/// # use throughline_core::*;
/// fn committed_without_being_validated(t: Transaction<NoEmitter, Applied>) {
///     t.committed();
/// }
/// ```
///
/// ```compile_fail,E0599
/// # use throughline_core::*;
/// fn applied_before_anything_was_captured(t: Transaction<NoEmitter, Started>) {
///     t.applied();
/// }
/// ```
///
/// ```compile_fail,E0382
/// # use throughline_core::*;
/// fn ended_twice(t: Transaction<NoEmitter, Broken>) {
///     t.rolled_back();
///     t.rollback_failed();
/// }
/// ```
///
/// ```compile_fail,E0277
/// # use throughline_core::*;
/// struct Failing;
/// impl PhaseEmitter for Failing {
///     fn emit(&self, _: &PhaseRecord<'_>) {
///         Err("an emitter has no way to fail")?;
///     }
/// }
/// ```
#[cfg(doctest)]
mod wrong_orders {}

#[cfg(test)]
mod tests {
    use core::cell::RefCell;
    use std::{string::String, vec::Vec};

    use super::*;
    use crate::TransactionId;

    #[derive(Default)]
    struct Kept(RefCell<Vec<(u32, &'static str, bool)>>);

    impl PhaseEmitter for Kept {
        fn emit(&self, record: &PhaseRecord<'_>) {
            let line = (record.step, record.phase.as_str(), record.success);
            self.0.borrow_mut().push(line);
        }
    }

    impl Kept {
        fn words(&self) -> String {
            let words: Vec<_> = self.0.borrow().iter().map(|line| line.1).collect();
            words.join(" ")
        }
    }

    const CHANGE: Change<'static> = Change {
        transaction: TransactionId::from_uuid(uuid::Uuid::nil()),
        name: "test",
        position: None,
    };

    #[test]
    fn a_change_that_holds_is_committed() {
        let kept = Kept::default();
        let captured = Transaction::start(&kept, CHANGE).captured();
        captured.applied().validated().committed();
        assert_eq!(
            kept.0.into_inner(),
            [
                (0, "started", true),
                (1, "capture", true),
                (2, "apply", true),
                (3, "validate", true),
                (4, "committed", true),
            ]
        );
    }

    #[test]
    fn a_change_that_cannot_be_made_is_never_validated() {
        let kept = Kept::default();
        let broken = Transaction::start(&kept, CHANGE).captured().apply_failed();
        broken.rolled_back();
        assert_eq!(
            kept.0.into_inner(),
            [
                (0, "started", true),
                (1, "capture", true),
                (2, "apply", false),
                (3, "rolled_back", false),
            ]
        );
    }

    #[test]
    fn a_failed_capture_ends_at_once() {
        let kept = Kept::default();
        Transaction::start(&kept, CHANGE).capture_failed();
        assert_eq!(kept.words(), "started errored");
    }

    #[test]
    fn an_early_return_is_an_error() {
        let kept = Kept::default();
        drop(Transaction::start(&kept, CHANGE).captured().applied());
        assert_eq!(kept.words(), "started capture apply errored");
    }

    #[test]
    fn a_panic_is_an_error() {
        let kept = Kept::default();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _applied = Transaction::start(&kept, CHANGE).captured().applied();
            std::panic::resume_unwind(std::boxed::Box::new(()));
        }));
        assert!(result.is_err());
        assert_eq!(kept.words(), "started capture apply errored");
    }

    #[test]
    fn a_recovered_transaction_goes_on_counting() {
        let kept = Kept::default();
        Transaction::recover(&kept, CHANGE, 3).recovered();
        assert_eq!(kept.0.into_inner(), [(3, "recovered", true)]);
    }

    #[test]
    fn three_outcomes_are_successes() {
        let successes: Vec<_> = Outcome::ALL
            .into_iter()
            .filter(|outcome| outcome.is_success())
            .map(Outcome::as_str)
            .collect();
        assert_eq!(successes, ["committed", "recovered", "staged"]);
    }
}
