use throughline_core::{Applied, Broken, Captured, Outcome, Started, Transaction, Validated};

use super::{
    reason::Reason,
    step::{Ran, Runner, Step},
    witness::Witness,
};
use crate::cli::TxnArgs;

/// A transaction whose outcome is settled, and not yet recorded.
pub(super) struct Settled<'a> {
    last: Last<'a>,
    outcome: Outcome,
    reason: Option<Reason>,
    script: Option<&'a str>,
}

type Open<'a, State> = Transaction<'a, &'a Witness, State>;

/// The state that it came to.
enum Last<'a> {
    Started(Open<'a, Started>),
    Validated(Open<'a, Validated>),
    Broken(Open<'a, Broken>),
}

/// What was done.
pub(super) struct Performance<'a> {
    pub(super) settled: Settled<'a>,
    pub(super) ran: Vec<Ran>,
}

impl<'a> Settled<'a> {
    pub(super) const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Why it is not what was wanted.
    pub(super) const fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }

    /// The command that led to the outcome, where it was one of its own.
    pub(super) const fn script(&self) -> Option<&'a str> {
        self.script
    }

    /// Records `outcome`: its own, or errored if what was settled did not last.
    pub(super) fn record(self, outcome: Outcome) {
        match (self.last, outcome) {
            (Last::Started(transaction), _) => transaction.capture_failed(),
            (Last::Validated(transaction), Outcome::Committed) => transaction.committed(),
            (Last::Broken(transaction), Outcome::RolledBack) => transaction.rolled_back(),
            (Last::Broken(transaction), Outcome::RollbackFailed) => transaction.rollback_failed(),
            (Last::Broken(transaction), Outcome::PartiallyApplied) => {
                transaction.partially_applied();
            }
            // What ends without an outcome is recorded as errored.
            (Last::Validated(transaction), _) => drop(transaction),
            (Last::Broken(transaction), _) => drop(transaction),
        }
    }
}

/// Takes the transaction from its start to where only its outcome is left to record.
pub(super) async fn perform<'a>(
    transaction: Open<'a, Started>,
    args: &'a TxnArgs,
    runner: &mut Runner,
    witness: &'a Witness,
) -> Performance<'a> {
    let mut way = Way {
        args,
        runner,
        witness,
        ran: Vec::new(),
    };
    let settled = way.capture(transaction).await;
    Performance {
        settled,
        ran: way.ran,
    }
}

struct Way<'a, 'r> {
    args: &'a TxnArgs,
    runner: &'r mut Runner,
    witness: &'a Witness,
    ran: Vec<Ran>,
}

impl<'a> Way<'a, '_> {
    async fn capture(&mut self, transaction: Open<'a, Started>) -> Settled<'a> {
        let script = self.args.capture.as_deref();
        if let Some(reason) = self.trouble(Step::Capture, script).await {
            return Settled {
                last: Last::Started(transaction),
                outcome: Outcome::Errored,
                reason: Some(reason),
                script,
            };
        }
        self.apply(transaction.captured()).await
    }

    async fn apply(&mut self, transaction: Open<'a, Captured>) -> Settled<'a> {
        let script = Some(self.args.apply.as_str());
        match self.trouble(Step::Apply, script).await {
            None => self.validate(transaction.applied()).await,
            // It was done, and then was not to be.
            Some(reason) if self.is_last_done() => {
                self.undo(transaction.applied().abandoned(), reason).await
            }
            Some(reason) => self.undo(transaction.apply_failed(), reason).await,
        }
    }

    async fn validate(&mut self, transaction: Open<'a, Applied>) -> Settled<'a> {
        let script = self.args.validate.as_deref();
        match self.trouble(Step::Validate, script).await {
            None => Settled {
                last: Last::Validated(transaction.validated()),
                outcome: Outcome::Committed,
                reason: None,
                script: None,
            },
            Some(reason) if self.is_last_done() => self.undo(transaction.abandoned(), reason).await,
            Some(reason) => self.undo(transaction.validate_failed(), reason).await,
        }
    }

    async fn undo(&mut self, broken: Open<'a, Broken>, reason: Reason) -> Settled<'a> {
        let script = self.args.rollback.as_deref();
        let last = Last::Broken(broken);
        let Some(script) = script else {
            return Settled {
                last,
                outcome: Outcome::PartiallyApplied,
                reason: Some(reason.with(", and there is no rollback")),
                script: None,
            };
        };
        tracing::warn!("{}: rolling back", reason.text);
        let ran = self.runner.run(Step::Rollback, Some(script)).await;
        let (outcome, reason) = if ran.is_done() {
            (Outcome::RolledBack, reason)
        } else {
            (Outcome::RollbackFailed, reason.and(&Reason::failed(&ran)))
        };
        self.ran.push(ran);
        Settled {
            last,
            outcome,
            reason: Some(reason),
            script: Some(script),
        }
    }

    /// Runs a step, and notes for its record what it was; tells why the next is not to follow.
    async fn trouble(&mut self, step: Step, script: Option<&'a str>) -> Option<Reason> {
        let ran = self.runner.run(step, script).await;
        self.runner.look_for_signals().await;
        let reason = match (self.runner.interrupted(), ran.is_done()) {
            (Some(signal), _) => Some(Reason::interrupted(step, signal)),
            (None, true) => None,
            (None, false) => Some(Reason::failed(&ran)),
        };
        let failure = reason.as_ref().filter(|_| !ran.is_done());
        self.witness.note(failure, None, script);
        self.ran.push(ran);
        reason
    }

    fn is_last_done(&self) -> bool {
        self.ran.last().is_some_and(Ran::is_done)
    }
}
