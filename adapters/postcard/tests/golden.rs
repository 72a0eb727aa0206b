//! The bytes of version 1. Devices in the field send them: do not change these tests; a format that
//! differs is another version and gets a file of its own.

mod support;

use support::{Heard, Owned, SESSION, hear, process, seal};
use throughline_core::{
    Cause, Change, Encoder, End, Loss, Origin, Phase, PhaseRecord, Position, Report, Sequence,
    TransactionId,
};
use throughline_postcard::LinkFormat;

#[test]
fn begin() {
    let mut out = [0; LinkFormat::BEGIN_MAX];
    let process = process();
    let len = LinkFormat.begin(origin(&process), 300, &mut out).unwrap();
    assert_eq!(hex(&out[..len]), BEGIN);
    let expected = Heard::Begin(SESSION, process.to_string(), 300);
    assert_eq!(hear([bytes(BEGIN).as_slice()]), [expected]);
}

#[test]
fn events() {
    let event = |number, nanos: u64, url: &str, rule: Option<&str>| Owned {
        number,
        nanos: 1_790_000_000_000_000_000_u64 + nanos,
        method: "GET".to_owned(),
        url: url.to_owned(),
        rule: rule.map(str::to_owned),
    };
    let events = [
        event(
            41,
            0,
            "https://api.example.com/items/1",
            Some("domain=api.example.com"),
        ),
        event(
            42,
            5_000,
            "https://api.example.com/items/27",
            Some("domain=api.example.com"),
        ),
        event(45, 6_001, "https://api.example.com/secret", None),
        event(46, 6_001, "ftp://x", None),
    ];
    assert_eq!(hex(&seal(&LinkFormat, &events, 1024).0), EVENTS);
    let expected = Heard::Events(SESSION, process().to_string(), events.to_vec());
    assert_eq!(hear([bytes(EVENTS).as_slice()]), [expected]);
}

#[test]
fn report() {
    let loss = |first, last, count, cause| Loss {
        first: Sequence::new(first).unwrap(),
        last: Sequence::new(last).unwrap(),
        count,
        cause,
    };
    let losses = [
        loss(300, 399, 100, Cause::StoreFull),
        loss(500, 600, 7, Cause::Deadline),
    ];
    let report = Report {
        session: SESSION,
        losses: losses.into_iter().collect(),
        end: Some(End {
            recorded: 700,
            written: 593,
            lost: 107,
        }),
    };
    let mut out = [0; Report::FRAME_MAX];
    let process = process();
    let len = LinkFormat
        .report(origin(&process), &report, &mut out)
        .unwrap();
    assert_eq!(hex(&out[..len]), REPORT);
    assert_eq!(hear([bytes(REPORT).as_slice()]), [Heard::Report(report)]);
}

#[test]
fn phase() {
    let position = Position {
        session: SESSION,
        recorded: 42,
    };
    let record = PhaseRecord {
        change: Change {
            transaction: TransactionId::from_uuid(uuid::Uuid::from_u128(0xabc)),
            name: "calibrate",
            position: Some(position),
        },
        step: 3,
        phase: Phase::Validate,
        success: true,
    };
    let mut out = [0; LinkFormat::PHASE_MAX];
    let len = LinkFormat.phase(SESSION, &record, &mut out).unwrap();
    assert_eq!(hex(&out[..len]), PHASE);
    let expected = Heard::Phase(format!("{record:?}"));
    assert_eq!(hear([bytes(PHASE).as_slice()]), [expected]);
}

fn origin(process: &throughline_core::ProcessName) -> Origin<'_> {
    Origin {
        session: SESSION,
        process,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

const BEGIN: &str = "0012010123456789ab4cde8f0123456789abcd120a73656e736f722d687562ac0283d7fbbe00";
const EVENTS: &str = concat!(
    "29010123456789ab4cde8f0123456789abcd010a73656e736f722d687562298080cc9fc2f0d6eb18",
    "0150031f1647455468747470733a2f2f6170692e6578616d706c652e636f6d2f6974656d732f3164",
    "6f6d61696e3d6170692e6578616d706c652e636f6d3d053d1e0232370ee907020718067365637265",
    "74011103074745546674703a2f2f783c1a504b00",
);
const REPORT: &str =
    "17010123456789ab4cde8f0123456789abcd0202ac02630f01f403645e0201d1046b47524cf200";
const PHASE: &str = concat!(
    "13010123456789ab4cde8f0123456789abcd0301010101010101010101010101160abc0963616c69",
    "6272617465012a03030137c238b800",
);
