use throughline_audit::{
    Entry, Extra, Field, Identity, Numbering, Record, RecordType, SessionClose, SessionOpen,
    Template,
};
use throughline_core::{Change, Outcome, Phase, PhaseRecord, Position, SessionId, TransactionId};
use uuid::Uuid;

use super::choices::Choices;
use crate::RecordText;

/// Whatever the values of a record hold, its text is one record that a strict reader takes, and that
/// tells the values again.
pub fn audit_record(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let identity = Identity::new(choices.bytes(), choices.bytes());
    let record_type = choices.of(&[
        RecordType::SystemConfig,
        RecordType::User,
        RecordType::TrustedApp,
    ]);
    let maker = Maker {
        template: Template::new(record_type, &identity),
        numbering: Numbering {
            sequence: u64::from_be_bytes(choices.array()),
            dropped: u64::from_be_bytes(choices.array()),
        },
    };
    let text = match choices.upto(3) {
        0 => maker.opened(&mut choices),
        1 => maker.closed(&mut choices),
        _ => maker.phase(&mut choices),
    };
    text.assert_told("acct", identity.account());
    text.assert_told("exe", identity.executable());
    assert_eq!(text.text("seq"), maker.numbering.sequence.to_string());
    assert_eq!(text.text("drop"), maker.numbering.dropped.to_string());
}

struct Maker {
    template: Template,
    numbering: Numbering,
}

impl Maker {
    fn opened(&self, choices: &mut Choices<'_>) -> RecordText {
        let session = session(choices);
        let process = String::from_utf8_lossy(choices.bytes());
        let process = process.as_ref();
        let text = self.text(&Entry::SessionOpen(SessionOpen { session, process }));
        assert_eq!(text.text("session"), session.to_string());
        text.assert_told("process", process.as_bytes());
        text
    }

    fn closed(&self, choices: &mut Choices<'_>) -> RecordText {
        let close = SessionClose {
            session: session(choices),
            recorded: u64::from_be_bytes(choices.array()),
            written: u64::from_be_bytes(choices.array()),
            lost: u64::from(choices.byte()),
        };
        let text = self.text(&Entry::SessionClose(close));
        assert_eq!(text.text("session"), close.session.to_string());
        assert_eq!(text.text("recorded"), close.recorded.to_string());
        assert_eq!(text.text("written"), close.written.to_string());
        assert_eq!(text.text("lost"), close.lost.to_string());
        text
    }

    fn phase(&self, choices: &mut Choices<'_>) -> RecordText {
        let position = choices.flag().then(|| Position {
            session: session(choices),
            recorded: u32::from_be_bytes(choices.array()),
        });
        let transaction = TransactionId::from_uuid(Uuid::from_bytes(choices.array()));
        let (step, success) = (u32::from_be_bytes(choices.array()), choices.flag());
        let phase = phase(choices);
        let name = String::from_utf8_lossy(choices.bytes());
        let change = Change {
            transaction,
            name: &name,
            position,
        };
        let record = PhaseRecord {
            change,
            step,
            phase,
            success,
        };
        let extras = extras(choices);
        let text = self.text(&Entry::Phase(record, &extras));
        assert_eq!(text.text("txn"), transaction.to_string());
        assert_eq!(text.text("step"), step.to_string());
        assert_eq!(text.text("phase"), phase.as_str());
        let at = position.map(|position| position.recorded.to_string());
        assert_eq!(text.get("at"), at.as_deref().map(str::as_bytes));
        text.assert_told("name", name.as_bytes());
        for extra in &extras {
            text.assert_told(extra.field.as_str(), extra.value);
        }
        text
    }

    /// Makes the record and holds it against what all records promise.
    fn text(&self, entry: &Entry<'_>) -> RecordText {
        let record = self.template.record(entry, self.numbering);
        assert!(record.body().len() <= Record::BODY_MAX);
        let text = RecordText::parse(record.body());
        assert_eq!(text.is_truncated(), record.is_truncated());
        assert_eq!(text.text("op"), entry.operation());
        assert_eq!(text.text("res") == "success", entry.is_success());
        text
    }
}

fn session(choices: &mut Choices<'_>) -> SessionId {
    SessionId::from_uuid(Uuid::from_bytes(choices.array()))
}

fn phase(choices: &mut Choices<'_>) -> Phase {
    let outcome = choices.of(&Outcome::ALL);
    choices.of(&[
        Phase::Started,
        Phase::Capture,
        Phase::Apply,
        Phase::Validate,
        Phase::Outcome(outcome),
    ])
}

/// Some of the fields, each once at most, so that it can be asked for by its name.
fn extras<'a>(choices: &mut Choices<'a>) -> Vec<Extra<'a>> {
    let chosen = choices.byte();
    let chosen = (0..)
        .zip(Field::ALL)
        .filter(|(bit, _)| chosen >> bit & 1 == 1);
    chosen
        .map(|(_, field)| Extra {
            field,
            value: choices.bytes(),
        })
        .collect()
}
