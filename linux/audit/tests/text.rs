//! Whatever a value holds, the text of its record is whole and tells it again.

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    proptest,
};
use throughline_audit::{
    Entry, Extra, Field, Identity, Numbering, Record, RecordType, SessionClose, SessionOpen,
    Template,
};
use throughline_core::{Change, Outcome, Phase, PhaseRecord, Position, SessionId, TransactionId};
use throughline_testkit::RecordText;
use uuid::Uuid;

/// Bytes of all kinds, those that mean something to a reader of the log more often.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let phrases = prop_oneof![
        Just(&b"' res=success"[..]),
        Just(&b"\x1dUID=\"evil\" AUID=\"evil\""[..]),
        Just(&b"\ntype=USER msg=audit(1.2:3): "[..]),
        Just(&b" uid=1000 auid=1000 "[..]),
        Just(&b"\\x0a\", acct=\"x"[..]),
        Just(&b"\0"[..]),
        Just(&b"/etc/motd"[..]),
        Just(&b"41424344"[..]),
        Just(&b"?"[..]),
    ];
    let piece = prop_oneof![
        vec(any::<u8>(), 0..40),
        phrases.prop_map(<[u8]>::to_vec),
        vec(0x21..0x7f_u8, 0..200),
    ];
    vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn name() -> impl Strategy<Value = String> {
    hostile().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn phase() -> impl Strategy<Value = Phase> {
    prop_oneof![
        Just(Phase::Started),
        Just(Phase::Capture),
        Just(Phase::Apply),
        Just(Phase::Validate),
        (0..Outcome::ALL.len()).prop_map(|at| Phase::Outcome(Outcome::ALL[at])),
    ]
}

fn extras() -> impl Strategy<Value = Vec<(Field, Vec<u8>)>> {
    let field = (0..Field::ALL.len()).prop_map(|at| Field::ALL[at]);
    // One of a name at most, so that each can be asked for by it.
    vec((field, hostile()), 0..6).prop_map(|mut extras| {
        extras.sort_by_key(|(field, _)| field.as_str());
        extras.dedup_by_key(|(field, _)| *field);
        extras
    })
}

proptest! {
    #[test]
    fn a_phase_record_tells_what_it_was_given(
        name in name(),
        phase in phase(),
        success in any::<bool>(),
        ids in any::<(u128, u128, u32, u32)>(),
        has_position in any::<bool>(),
        numbers in any::<(u64, u64)>(),
        extras in extras(),
        account in hostile(),
        executable in hostile(),
    ) {
        let session = SessionId::from_uuid(Uuid::from_u128(ids.1));
        let position = Position { session, recorded: ids.2 };
        let transaction = TransactionId::from_uuid(Uuid::from_u128(ids.0));
        let change = Change { transaction, name: &name, position: has_position.then_some(position) };
        let record = PhaseRecord { change, step: ids.3, phase, success };
        let given: Vec<_> =
            extras.iter().map(|(field, value)| Extra { field: *field, value }).collect();
        let entry = Entry::Phase(record, &given);
        let identity = Identity::new(account.clone(), executable.clone());
        let template = Template::new(RecordType::default(), &identity);
        let numbering = Numbering { sequence: numbers.0, dropped: numbers.1 };
        let record = template.record(&entry, numbering);

        assert!(record.body().len() <= Record::BODY_MAX);
        let parsed = RecordText::parse(record.body());
        assert_eq!(parsed.is_truncated(), record.is_truncated());
        assert_eq!(parsed.text("op"), entry.operation());
        assert_eq!(parsed.text("res"), if success { "success" } else { "failed" });
        assert_eq!(parsed.text("txn"), transaction.to_string());
        assert_eq!(parsed.get("session").is_some(), has_position);
        if has_position {
            assert_eq!(parsed.text("session"), session.to_string());
            assert_eq!(parsed.text("at"), ids.2.to_string());
        }
        assert_eq!(parsed.text("step"), ids.3.to_string());
        assert_eq!(parsed.text("phase"), phase.as_str());
        assert_eq!(parsed.text("seq"), numbers.0.to_string());
        assert_eq!(parsed.text("drop"), numbers.1.to_string());
        parsed.assert_told("name", name.as_bytes());
        parsed.assert_told("acct", &account);
        parsed.assert_told("exe", &executable);
        for (field, value) in &extras {
            parsed.assert_told(field.as_str(), value);
        }
    }

    #[test]
    fn a_session_record_tells_what_it_was_given(
        process in name(),
        session in any::<u128>(),
        counts in any::<(u64, u64, u64)>(),
    ) {
        let session = SessionId::from_uuid(Uuid::from_u128(session));
        let template = Template::new(RecordType::default(), &Identity::default());
        let open = Entry::SessionOpen(SessionOpen { session, process: &process });
        let parsed = RecordText::parse(template.record(&open, Numbering::default()).body());
        assert_eq!(parsed.text("op"), "session-open");
        assert_eq!(parsed.text("session"), session.to_string());
        parsed.assert_told("process", process.as_bytes());

        let (recorded, written, lost) = counts;
        let close = Entry::SessionClose(SessionClose { session, recorded, written, lost });
        let parsed = RecordText::parse(template.record(&close, Numbering::default()).body());
        assert_eq!(parsed.text("recorded"), recorded.to_string());
        assert_eq!(parsed.text("written"), written.to_string());
        assert_eq!(parsed.text("lost"), lost.to_string());
        assert_eq!(parsed.text("res"), if lost == 0 { "success" } else { "failed" });
    }
}
