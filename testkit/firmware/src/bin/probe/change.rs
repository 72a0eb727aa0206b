//! Transactions, by every way that they can take.

use core::hint::black_box;

use throughline_core::{Change, NoEmitter, Outcome, Phase, Transaction, TransactionId};
use uuid::Uuid;

use crate::{
    record::TRAIL,
    unknown::{Unknown, show},
};

fn change(name: &str) -> Change<'_> {
    Change {
        transaction: TransactionId::draw(&Unknown),
        name,
        position: Some(TRAIL.position()),
    }
}

pub(crate) fn phases(text: &str) {
    black_box(TransactionId::from_uuid(black_box(Uuid::nil())).as_uuid());
    black_box((
        black_box(Phase::Apply).as_str(),
        black_box(Outcome::Staged).as_str(),
    ));
    black_box(black_box(Outcome::Recovered).is_success());
    show(&black_box(Phase::Apply));
    show(&black_box(Outcome::Staged));
    drop(Transaction::start(NoEmitter, change(text)));

    Transaction::start(Unknown, change(text)).capture_failed();
    let broken = match black_box(0) {
        0 => captured(text).apply_failed(),
        1 => captured(text).applied().abandoned(),
        _ => captured(text).applied().validate_failed(),
    };
    black_box(broken.step_count());
    drop(broken);
}

pub(crate) fn outcomes(text: &str) {
    captured(text).staged();
    captured(text).applied().validated().staged();
    captured(text).applied().validated().committed();
    captured(text).apply_failed().rolled_back();
    captured(text).apply_failed().rollback_failed();
    captured(text).apply_failed().partially_applied();
    Transaction::recover(Unknown, change(text), black_box(2)).recovered();
    Transaction::recover(Unknown, change(text), black_box(2)).rollback_failed();
}

fn captured(text: &str) -> Transaction<'_, Unknown, throughline_core::Captured> {
    Transaction::start(Unknown, change(text)).captured()
}
