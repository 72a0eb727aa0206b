use throughline_core::PhaseRecord;
use uuid::Uuid;

use crate::{
    Entry, Extra, Identity, Record, RecordType, SessionClose, SessionOpen,
    value::{Fitted, cut},
};

/// The emitter's own count, by which a reader of the log sees what is missing from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbering {
    /// Entries that the emitter had been given before this one (count): the field `seq`.
    pub sequence: u64,
    /// Entries that it had dropped by then (count): the field `drop`.
    pub dropped: u64,
}

/// Makes the records of one process: what is the same in all of them, written once.
#[derive(Clone, Debug)]
pub struct Template {
    record_type: RecordType,
    cut: bool,
    success: Vec<u8>,
    failed: Vec<u8>,
}

impl Template {
    /// A template for records of this type, by this identity.
    #[must_use]
    pub fn new(record_type: RecordType, identity: &Identity) -> Self {
        let account = Fitted::new(identity.account(), ACCOUNT_MAX);
        let executable = Fitted::new(identity.executable(), EXECUTABLE_MAX);
        let mut tail = Vec::new();
        for (name, value) in [(&b" acct="[..], &account), (&b" exe="[..], &executable)] {
            tail.extend_from_slice(name);
            let start = tail.len();
            tail.resize(start + value.as_ref().map_or(1, Fitted::len), b'?');
            if let Some(value) = value {
                value.write(&mut tail[start..]);
            }
        }
        tail.extend_from_slice(b" hostname=? addr=? terminal=? res=");
        Self {
            record_type,
            cut: [account, executable]
                .iter()
                .any(|value| value.is_none_or(|value| value.cut)),
            success: [&tail[..], b"success"].concat(),
            failed: [&tail[..], b"failed"].concat(),
        }
    }

    /// Makes the record of `entry`.
    #[must_use]
    pub fn record(&self, entry: &Entry<'_>, numbering: Numbering) -> Record {
        let mut record = Record::empty();
        self.fill(&mut record, entry, numbering, false);
        record
    }

    /// Makes the record of `entry` in the place of `record`; `truncated` if parts of the entry are
    /// missing already.
    pub(crate) fn fill(
        &self,
        record: &mut Record,
        entry: &Entry<'_>,
        numbering: Numbering,
        truncated: bool,
    ) {
        let tail = if entry.is_success() {
            &self.success
        } else {
            &self.failed
        };
        record.record_type = self.record_type;
        record.truncated = truncated || self.cut;
        record.end = Record::HEADER;
        let limit = Record::DATAGRAM_MAX - 1 - TRUNCATED.len() - tail.len();
        let mut writer = Writer { record, limit };
        writer.raw(b"op=");
        writer.raw(entry.operation().as_bytes());
        match entry {
            Entry::Phase(phase, extras) => writer.phase(phase, numbering, extras),
            Entry::SessionOpen(open) => writer.session_open(open, numbering),
            Entry::SessionClose(close) => writer.session_close(close, numbering),
        }
        writer.finish(tail);
    }
}

/// Appends fields to a record, and leaves room for its tail.
struct Writer<'a> {
    record: &'a mut Record,
    /// Where own fields end at the latest.
    limit: usize,
}

impl Writer<'_> {
    fn phase(&mut self, record: &PhaseRecord<'_>, numbering: Numbering, extras: &[Extra<'_>]) {
        self.identifier("txn", record.change.transaction.as_uuid());
        if let Some(position) = record.change.position {
            self.identifier("session", position.session.as_uuid());
            self.number("at", u64::from(position.recorded));
        }
        self.name("name", record.change.name);
        self.number("step", u64::from(record.step));
        self.constant("phase", record.phase.as_str());
        self.numbering(numbering);
        for extra in extras {
            self.value(extra.field.as_str(), extra.value, usize::MAX);
        }
    }

    fn session_open(&mut self, open: &SessionOpen<'_>, numbering: Numbering) {
        self.identifier("session", open.session.as_uuid());
        self.name("process", open.process);
        self.numbering(numbering);
    }

    fn session_close(&mut self, close: &SessionClose, numbering: Numbering) {
        self.identifier("session", close.session.as_uuid());
        self.number("recorded", close.recorded);
        self.number("written", close.written);
        self.number("lost", close.lost);
        self.numbering(numbering);
    }

    fn numbering(&mut self, numbering: Numbering) {
        self.number("seq", numbering.sequence);
        self.number("drop", numbering.dropped);
    }

    fn name(&mut self, field: &str, name: &str) {
        let kept = cut(name.as_bytes(), Entry::NAME_MAX);
        self.record.truncated |= kept.len() < name.len();
        self.value(field, kept, NAME_ROOM);
    }

    /// Appends a value of any bytes, cut to `room` characters and to what is left.
    fn value(&mut self, field: &str, value: &[u8], room: usize) {
        let left = self.limit.saturating_sub(self.record.end);
        let room = left.saturating_sub(field.len() + 2).min(room);
        let Some(fitted) = Fitted::new(value, room) else {
            self.record.truncated = true;
            return;
        };
        self.record.truncated |= fitted.cut;
        self.field(field);
        let start = self.record.end;
        self.record.end += fitted.len();
        fitted.write(&mut self.record.bytes[start..self.record.end]);
    }

    fn identifier(&mut self, field: &str, uuid: &Uuid) {
        let mut text = Uuid::encode_buffer();
        self.constant(field, uuid.hyphenated().encode_lower(&mut text));
    }

    /// Appends a number, in quotes: some readers take a bare even number of digits for hexadecimal.
    fn number(&mut self, field: &str, number: u64) {
        self.constant(field, itoa::Buffer::new().format(number));
    }

    /// Appends a word that is known to need no escaping.
    fn constant(&mut self, field: &str, word: &str) {
        self.field(field);
        self.raw(b"\"");
        self.raw(word.as_bytes());
        self.raw(b"\"");
    }

    fn field(&mut self, name: &str) {
        self.raw(b" ");
        self.raw(name.as_bytes());
        self.raw(b"=");
    }

    fn finish(&mut self, tail: &[u8]) {
        if self.record.truncated {
            self.raw(TRUNCATED);
        }
        self.raw(tail);
    }

    fn raw(&mut self, bytes: &[u8]) {
        let start = self.record.end;
        self.record.end += bytes.len();
        self.record.bytes[start..self.record.end].copy_from_slice(bytes);
    }
}

const TRUNCATED: &[u8] = b" trunc=\"1\"";

// The fields that are never cut take at most 225 characters, so that with these the text always
// fits; the test with the greatest of everything holds them to it.
const ACCOUNT_MAX: usize = 66;
const EXECUTABLE_MAX: usize = 162;
const NAME_ROOM: usize = 2 * Entry::NAME_MAX + 2;

#[cfg(test)]
mod tests {
    use throughline_core::{Change, Outcome, Phase, Position, SessionId, TransactionId};

    use super::*;
    use crate::Field;

    const TXN: Uuid = Uuid::from_u128(0x7d9c_1e0a_1111_4222_8333_abcd_efab_cdef);
    const SESSION: Uuid = Uuid::from_u128(0x0c4e_0000_1111_4222_8333_abcd_efab_cdef);

    fn template() -> Template {
        Template::new(
            RecordType::default(),
            &Identity::new("root", "/usr/bin/throughline"),
        )
    }

    fn applied(name: &str) -> PhaseRecord<'_> {
        PhaseRecord {
            change: Change {
                transaction: TransactionId::from_uuid(TXN),
                name,
                position: Some(Position {
                    session: SessionId::from_uuid(SESSION),
                    recorded: 17,
                }),
            },
            step: 2,
            phase: Phase::Apply,
            success: false,
        }
    }

    #[test]
    fn a_phase_record_reads_from_the_operation_to_the_result() {
        let extras = [
            Extra {
                field: Field::Path,
                value: b"/etc/motd",
            },
            Extra {
                field: Field::Reason,
                value: b"no room",
            },
        ];
        let entry = Entry::Phase(applied("motd"), &extras);
        let numbering = Numbering {
            sequence: 12,
            dropped: 3,
        };
        assert_eq!(
            template().record(&entry, numbering).body(),
            "op=txn-apply txn=\"7d9c1e0a-1111-4222-8333-abcdefabcdef\" \
             session=\"0c4e0000-1111-4222-8333-abcdefabcdef\" at=\"17\" name=\"motd\" step=\"2\" \
             phase=\"apply\" seq=\"12\" drop=\"3\" path=\"/etc/motd\" reason=6E6F20726F6F6D \
             acct=\"root\" exe=\"/usr/bin/throughline\" hostname=? addr=? terminal=? res=failed"
        );
    }

    #[test]
    fn session_records_tell_what_became_of_the_trail() {
        let session = SessionId::from_uuid(SESSION);
        let open = Entry::SessionOpen(SessionOpen {
            session,
            process: "curl",
        });
        let body = template().record(&open, Numbering::default());
        assert!(body.body().starts_with(
            "op=session-open session=\"0c4e0000-1111-4222-8333-abcdefabcdef\" process=\"curl\" \
             seq=\"0\" drop=\"0\" acct="
        ));
        let close = |lost| {
            let close = SessionClose {
                session,
                recorded: 9,
                written: 9 - lost,
                lost,
            };
            template().record(&Entry::SessionClose(close), Numbering::default())
        };
        assert!(close(0).body().ends_with(" res=success"));
        assert!(close(2).body().ends_with(" res=failed"));
        assert!(
            close(2)
                .body()
                .contains(" recorded=\"9\" written=\"7\" lost=\"2\" seq=")
        );
    }

    #[test]
    fn an_identity_that_is_not_known_leaves_question_marks() {
        let template = Template::new(RecordType::User, &Identity::default());
        let record = template.record(&Entry::Phase(applied("a"), &[]), Numbering::default());
        assert_eq!(record.record_type().number(), 1005);
        assert!(record.body().contains(" acct=? exe=? hostname=? "));
        assert!(!record.is_truncated());
    }

    #[test]
    fn the_greatest_of_everything_fits_with_the_name_whole() {
        let name = "\n".repeat(Entry::NAME_MAX);
        let mut record = applied(&name);
        record.step = u32::MAX;
        record.phase = Phase::Outcome(Outcome::RollbackFailed);
        if let Some(position) = &mut record.change.position {
            position.recorded = u32::MAX;
        }
        let long = vec![b'\n'; 4096];
        let template = Template::new(
            RecordType::default(),
            &Identity::new(long.clone(), long.clone()),
        );
        let extras = [Extra {
            field: Field::Path,
            value: &long,
        }; 9];
        let numbering = Numbering {
            sequence: u64::MAX,
            dropped: u64::MAX,
        };
        let record = template.record(&Entry::Phase(record, &extras), numbering);
        assert!(record.body().len() <= Record::BODY_MAX);
        assert!(record.body().contains(&format!(
            " name={} step=\"4294967295\" ",
            "0A".repeat(Entry::NAME_MAX)
        )));
        assert!(record.body().contains(" drop=\"18446744073709551615\" "));
        assert!(record.body().contains(" trunc=\"1\" acct=0A0A"));
        assert!(record.body().ends_with(" terminal=? res=failed"));
    }

    #[test]
    fn a_long_value_takes_what_room_is_left_and_is_marked() {
        let value = [b'x'; 2000];
        let extras = [Extra {
            field: Field::Reason,
            value: &value,
        }];
        let record = template().record(
            &Entry::Phase(applied("motd"), &extras),
            Numbering::default(),
        );
        assert_eq!(record.body().len(), Record::BODY_MAX);
        assert!(record.is_truncated());
        assert!(record.body().contains("xxx\" trunc=\"1\" acct=\"root\""));
    }
}
