use core::fmt;

use uuid::{Builder, Uuid};

use crate::{Entropy, Position};

/// The name of a transaction: a UUID, random (version 4) unless it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(Uuid);

impl TransactionId {
    /// Draws a new random identifier (RFC 9562 section 5.4).
    #[must_use]
    pub fn draw(entropy: &impl Entropy) -> Self {
        Self(Builder::from_random_bytes(entropy.random()).into_uuid())
    }

    /// The identifier of a transaction that was named elsewhere.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The identifier as a UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// What a change is and is called, the same in every record of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The transaction's identifier.
    pub transaction: TransactionId,
    /// What the operator calls it, such as `sshd-hardening`; any text.
    pub name: &'a str,
    /// Where in a trail it began, if there is one.
    pub position: Option<Position>,
}

/// A step of a transaction, or its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The transaction began.
    Started,
    /// What is there now was captured.
    Capture,
    /// The change was made, or could not be.
    Apply,
    /// The change was checked, after it had been made.
    Validate,
    /// The end of it.
    Outcome(Outcome),
}

impl Phase {
    /// The field's word for it, such as `rolled_back`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Capture => "capture",
            Self::Apply => "apply",
            Self::Validate => "validate",
            Self::Outcome(outcome) => outcome.as_str(),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a transaction ended.
///
/// | outcome | success | meaning |
/// |---|---|---|
/// | `committed` | yes | applied, validated and kept |
/// | `rolled_back` | no | not applied, or applied and undone: all is as it was |
/// | `partially_applied` | no | some of it is there and nothing was undone |
/// | `rollback_failed` | no | some of it is there and could not be undone |
/// | `recovered` | yes | an interrupted transaction was found and put in order |
/// | `staged` | yes | prepared, to take effect later, on purpose |
/// | `errored` | no | ended without a known outcome |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Applied, validated and kept.
    Committed,
    /// Undone, or never done: all is as it was.
    RolledBack,
    /// Some of it is there, and nothing was undone.
    PartiallyApplied,
    /// Some of it is there, and it could not be undone.
    RollbackFailed,
    /// An interrupted transaction was found and put in order.
    Recovered,
    /// Prepared, to take effect later, on purpose.
    Staged,
    /// It ended without a known outcome.
    Errored,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 7] = [
        Self::Committed,
        Self::RolledBack,
        Self::PartiallyApplied,
        Self::RollbackFailed,
        Self::Recovered,
        Self::Staged,
        Self::Errored,
    ];

    /// The field's word for it, such as `rolled_back`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::RolledBack => "rolled_back",
            Self::PartiallyApplied => "partially_applied",
            Self::RollbackFailed => "rollback_failed",
            Self::Recovered => "recovered",
            Self::Staged => "staged",
            Self::Errored => "errored",
        }
    }

    /// Whether the change ended as it was meant to. The table is in the type's docs.
    #[must_use]
    pub const fn is_success(self) -> bool {
        match self {
            Self::Committed | Self::Recovered | Self::Staged => true,
            Self::RolledBack | Self::PartiallyApplied | Self::RollbackFailed | Self::Errored => {
                false
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One phase of one transaction, as it is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseRecord<'a> {
    /// What is being changed.
    pub change: Change<'a>,
    /// Which record of the transaction this is: 0, 1, 2, ... (saturating).
    pub step: u32,
    /// The phase that ended.
    pub phase: Phase,
    /// Whether it ended well.
    pub success: bool,
}

/// Takes phase records to wherever they are kept.
///
/// An emitter has nothing to return: it cannot fail towards the change that it watches. It must
/// not block either: what it cannot take at once, it drops and counts.
pub trait PhaseEmitter {
    /// Takes one record.
    fn emit(&self, record: &PhaseRecord<'_>);
}

impl<E: PhaseEmitter + ?Sized> PhaseEmitter for &E {
    fn emit(&self, record: &PhaseRecord<'_>) {
        (**self).emit(record);
    }
}

/// The emitter that keeps nothing and costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoEmitter;

impl PhaseEmitter for NoEmitter {
    #[inline]
    fn emit(&self, _: &PhaseRecord<'_>) {}
}
