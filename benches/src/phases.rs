//! A phase of a transaction to emit.

use throughline_core::{Change, Phase, PhaseRecord, TransactionId};

use crate::events::session_id;

/// The phase that is emitted.
#[must_use]
pub const fn phase() -> PhaseRecord<'static> {
    PhaseRecord {
        change: Change {
            transaction: TransactionId::from_uuid(*session_id().as_uuid()),
            name: "sshd-hardening",
            position: None,
        },
        step: 2,
        phase: Phase::Apply,
        success: true,
    }
}
