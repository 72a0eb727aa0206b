//! The messages as postcard has them: the order of the fields is the format.

use heapless::Vec;
use serde::{Deserialize, Serialize};
use throughline_core::{
    Cause, Change, End, Loss, Outcome, Phase, PhaseRecord, Position, Report, Sequence, SessionId,
    TransactionId,
};
use uuid::Uuid;

/// What a frame carries between its version and its checksum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Envelope<'a> {
    pub(crate) session: [u8; 16],
    #[serde(borrow)]
    pub(crate) body: Body<'a>,
}

/// The numbers of the messages are the order of the variants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Body<'a> {
    Begin {
        process: &'a str,
        written: u64,
    },
    /// The records follow, to the end of the frame.
    Events {
        process: &'a str,
        number: u32,
        /// Nanoseconds since the epoch.
        time: u64,
    },
    Report {
        losses: Vec<WireLoss, { Report::LOSSES_MAX }>,
        end: Option<WireEnd>,
    },
    Phase(#[serde(borrow)] WirePhase<'a>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireLoss {
    first: u32,
    /// How many numbers it reaches beyond the first.
    beyond: u32,
    /// How many of the numbers from first to last are not lost.
    kept: u32,
    cause: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireEnd {
    written: u32,
    lost: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WirePhase<'a> {
    transaction: [u8; 16],
    name: &'a str,
    recorded: Option<u32>,
    step: u32,
    phase: u8,
    success: bool,
}

impl WireLoss {
    pub(crate) fn of(loss: &Loss) -> Self {
        let beyond = loss.last.value().saturating_sub(loss.first.value());
        Self {
            first: loss.first.value(),
            beyond,
            kept: beyond.saturating_add(1).saturating_sub(loss.count),
            cause: cause_number(loss.cause),
        }
    }

    /// The loss, or `None` if there can be none such.
    pub(crate) fn to_loss(&self) -> Option<Loss> {
        let count = self.beyond.checked_add(1)?.checked_sub(self.kept)?;
        if count == 0 {
            return None;
        }
        Some(Loss {
            first: Sequence::new(self.first)?,
            last: Sequence::new(self.first.checked_add(self.beyond)?)?,
            count,
            cause: CAUSES
                .into_iter()
                .find(|cause| cause_number(*cause) == self.cause)?,
        })
    }
}

impl WireEnd {
    pub(crate) const fn of(end: End) -> Self {
        Self {
            written: end.written,
            lost: end.lost,
        }
    }

    pub(crate) fn to_end(self) -> Option<End> {
        let recorded = self.written.checked_add(self.lost)?;
        let possible = recorded
            .checked_sub(1)
            .is_none_or(|last| Sequence::new(last).is_some());
        possible.then_some(End {
            recorded,
            written: self.written,
            lost: self.lost,
        })
    }
}

impl<'a> WirePhase<'a> {
    /// The longest it gets (bytes): transaction, name with its length, position, step, phase, success.
    pub(crate) const MAX: usize = 16 + 2 + PHASE_NAME_MAX + 1 + 5 + 5 + 1 + 1;

    pub(crate) fn of(record: &PhaseRecord<'a>) -> Self {
        let change = &record.change;
        Self {
            transaction: *change.transaction.as_uuid().as_bytes(),
            name: front(change.name, PHASE_NAME_MAX),
            recorded: change.position.map(|position| position.recorded),
            step: record.step,
            phase: phase_number(record.phase),
            success: record.success,
        }
    }

    /// The record, of a transaction that began in `session`; `None` if there is no such phase.
    pub(crate) fn to_record(&self, session: SessionId) -> Option<PhaseRecord<'a>> {
        let position = |recorded| Position { session, recorded };
        Some(PhaseRecord {
            change: Change {
                transaction: TransactionId::from_uuid(Uuid::from_bytes(self.transaction)),
                name: self.name,
                position: self.recorded.map(position),
            },
            step: self.step,
            phase: phases().find(|phase| phase_number(*phase) == self.phase)?,
            success: self.success,
        })
    }
}

/// The front of a text, at most `max` bytes and no part of a character.
fn front(text: &str, max: usize) -> &str {
    let mut end = 0;
    for (at, character) in text.char_indices() {
        let next = at.saturating_add(character.len_utf8());
        if next > max {
            break;
        }
        end = next;
    }
    text.get(..end).unwrap_or_default()
}

const fn cause_number(cause: Cause) -> u8 {
    match cause {
        Cause::StoreFull => 1,
        Cause::Deadline => 2,
        Cause::SpoolFull => 3,
        Cause::Link => 4,
        // A cause that this version has no number for.
        _ => 0,
    }
}

const fn phase_number(phase: Phase) -> u8 {
    match phase {
        Phase::Started => 0,
        Phase::Capture => 1,
        Phase::Apply => 2,
        Phase::Validate => 3,
        Phase::Outcome(Outcome::Committed) => 4,
        Phase::Outcome(Outcome::RolledBack) => 5,
        Phase::Outcome(Outcome::PartiallyApplied) => 6,
        Phase::Outcome(Outcome::RollbackFailed) => 7,
        Phase::Outcome(Outcome::Recovered) => 8,
        Phase::Outcome(Outcome::Staged) => 9,
        Phase::Outcome(Outcome::Errored) => 10,
    }
}

fn phases() -> impl Iterator<Item = Phase> {
    let steps = [
        Phase::Started,
        Phase::Capture,
        Phase::Apply,
        Phase::Validate,
    ];
    let outcomes = Outcome::ALL.into_iter().map(Phase::Outcome);
    steps.into_iter().chain(outcomes)
}

const CAUSES: [Cause; 4] = [
    Cause::StoreFull,
    Cause::Deadline,
    Cause::SpoolFull,
    Cause::Link,
];

/// What is sent of a transaction's name, at most (bytes).
const PHASE_NAME_MAX: usize = 128;
