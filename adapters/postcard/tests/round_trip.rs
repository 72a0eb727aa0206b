//! What is sent is what is read, whatever is sent and however the line cuts and damages it.

mod support;

use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest},
    prop_oneof,
    sample::{Index, select},
};
use support::{Heard, Owned, SESSION, hear, process, seal};
use throughline_core::{
    Cause, Change, Encoder, End, Loss, Origin, Outcome, Phase, PhaseRecord, Position, Report,
    Sequence, TransactionId,
};
use throughline_postcard::LinkFormat;

/// Texts that share fronts, as the URLs of a program do.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (select(&["https://api.example.com/v1/", "http://[::1]:8080/", "", "ä"][..]), 0..50_u32)
            .prop_map(|(front, number)| format!("{front}items/{number}")),
        1 => Just(String::new()),
        1 => "\\PC{0,40}",
        1 => (0..1500_usize).prop_map(|len| "x".repeat(len)),
    ]
}

fn event() -> impl Strategy<Value = (u32, u64, Owned)> {
    let step = prop_oneof![8 => Just(0_u32), 1 => 1..9_u32, 1 => 0..20_000_000_u32];
    let wait = prop_oneof![
        4 => (0..9_000_000_u64).prop_map(|micros| micros * 1000),
        4 => 0..3_000_000_000_u64,
        1 => Just(0),
        1 => any::<u64>(),
    ];
    let rule = prop_oneof![
        2 => Just(None),
        6 => select(&["domain=a", "method=GET domain=*.example.com path=/api/*"][..])
            .prop_map(|rule| Some(rule.to_owned())),
        1 => "\\PC{1,60}".prop_map(Some),
    ];
    let method = select(&["GET", "POST", "", "M-SEARCH"][..]);
    (step, wait, method, text(), rule).prop_map(|(step, wait, method, url, rule)| {
        let owned = Owned {
            number: 0,
            nanos: 0,
            method: method.to_owned(),
            url,
            rule,
        };
        (step, wait, owned)
    })
}

fn events() -> impl Strategy<Value = Vec<Owned>> {
    (0..1_000_000_u32, any::<u64>(), vec(event(), 1..60)).prop_map(|(number, nanos, events)| {
        let (mut number, mut nanos) = (number, nanos);
        let mut owned = Vec::new();
        for (step, wait, event) in events {
            number += step;
            nanos = nanos.saturating_add(wait);
            owned.push(Owned {
                number,
                nanos,
                ..event
            });
            number += 1;
        }
        owned
    })
}

fn pieces(line: &[u8], len: usize) -> impl Iterator<Item = &[u8]> {
    line.chunks(len)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn events_are_read_as_they_were_recorded(events in events(), piece in 1..64_usize) {
        let (mut line, mut expected, mut left) = (Vec::new(), Vec::new(), events.as_slice());
        while !left.is_empty() {
            let (frame, count) = seal(&LinkFormat, left, LinkFormat::FRAME_MAX);
            prop_assert!(count > 0);
            line.extend_from_slice(&frame);
            let batch = left[..count].to_vec();
            expected.push(Heard::Events(SESSION, process().to_string(), batch));
            left = &left[count..];
        }
        prop_assert_eq!(hear(pieces(&line, piece)), expected);
    }

    #[test]
    fn a_frame_is_never_longer_than_its_block(events in events(), len in 400..2048_usize) {
        if let Some(first) = events.first().filter(|event| event.url.len() < 200) {
            let (frame, count) = seal(&LinkFormat, &events, len);
            prop_assert!(count > 0, "{first:?}");
            prop_assert!(frame.len() <= len);
        }
    }

    #[test]
    fn damage_costs_the_frames_it_hits_and_no_other(
        events in events(),
        at in any::<Index>(),
        damage in prop_oneof![
            (1..=u8::MAX).prop_map(Damage::Flip),
            (1..40_usize).prop_map(Damage::Cut),
            vec(any::<u8>(), 1..200).prop_map(Damage::Insert),
        ],
    ) {
        let (mut line, mut frames) = (Vec::new(), Vec::new());
        for event in &events {
            let frame = seal(&LinkFormat, std::slice::from_ref(event), LinkFormat::FRAME_MAX).0;
            frames.push(line.len()..line.len() + frame.len());
            line.extend_from_slice(&frame);
        }
        let at = at.index(line.len());
        let hit = damage.apply(&mut line, at);
        let heard: Vec<_> = hear([line.as_slice()]).into_iter().filter(|heard| *heard != Heard::Bad).collect();
        let is_safe = |place: &std::ops::Range<usize>| place.end <= hit.start || place.start > hit.end;
        let safe: Vec<_> = events.iter().zip(&frames).filter(|(_, place)| is_safe(place)).map(|(event, _)| event).collect();
        let read: Vec<_> = heard.iter().map(|heard| match heard {
            Heard::Events(_, _, events) => &events[0],
            other => panic!("{other:?}"),
        }).collect();
        prop_assert!(read.len() <= events.len());
        for event in safe {
            prop_assert!(read.contains(&event), "{event:?} was not hit");
        }
        for event in read {
            prop_assert!(events.contains(event), "{event:?} was never sent");
        }
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(u8),
    Cut(usize),
    Insert(Vec<u8>),
}

impl Damage {
    /// Damages the line at `at`; returns what was hit, as places in the undamaged line.
    fn apply(&self, line: &mut Vec<u8>, at: usize) -> std::ops::Range<usize> {
        match self {
            Self::Flip(mask) => {
                line[at] ^= mask;
                at..at + 1
            }
            Self::Cut(len) => {
                let end = (at + len).min(line.len());
                line.drain(at..end);
                at..end
            }
            Self::Insert(bytes) => {
                line.splice(at..at, bytes.iter().copied());
                at..at + 1
            }
        }
    }
}

#[test]
fn reports_phases_and_begins_are_read_as_they_were_sent() {
    let loss = |first, last, count, cause| Loss {
        first: Sequence::new(first).unwrap(),
        last: Sequence::new(last).unwrap(),
        count,
        cause,
    };
    let causes = [
        Cause::StoreFull,
        Cause::Deadline,
        Cause::SpoolFull,
        Cause::Link,
    ];
    let losses = causes
        .iter()
        .map(|cause| loss(7, 0x7fff_ffff, 1000, *cause));
    let many = Report {
        session: SESSION,
        losses: losses.clone().chain(losses).collect(),
        end: None,
    };
    let last = Report {
        session: SESSION,
        losses: heapless::Vec::new(),
        end: Some(End {
            recorded: 1 << 31,
            written: 5,
            lost: (1 << 31) - 5,
        }),
    };
    let process = process();
    let origin = Origin {
        session: SESSION,
        process: &process,
    };
    let mut out = [0; Report::FRAME_MAX];
    let mut line = Vec::new();
    for report in [&many, &last] {
        let len = LinkFormat.report(origin, report, &mut out).unwrap();
        line.extend_from_slice(&out[..len]);
    }
    let len = LinkFormat.begin(origin, 300, &mut out).unwrap();
    line.extend_from_slice(&out[..len]);

    let outcomes = Outcome::ALL.map(Phase::Outcome);
    let steps = [
        Phase::Started,
        Phase::Capture,
        Phase::Apply,
        Phase::Validate,
    ];
    let name = "ä".repeat(100);
    let mut expected = vec![
        Heard::Report(many),
        Heard::Report(last),
        Heard::Begin(SESSION, process.to_string(), 300),
    ];
    for (step, phase) in (0..).zip(steps.into_iter().chain(outcomes)) {
        let position = Position {
            session: SESSION,
            recorded: 9,
        };
        let record = |name| PhaseRecord {
            change: Change {
                transaction: TransactionId::from_uuid(uuid::Uuid::from_u128(5)),
                name,
                position: (step % 2 == 0).then_some(position),
            },
            step,
            phase,
            success: step % 3 == 0,
        };
        let room = &mut out[..LinkFormat::PHASE_MAX];
        let len = LinkFormat.phase(SESSION, &record(&name), room).unwrap();
        line.extend_from_slice(&out[..len]);
        expected.push(Heard::Phase(format!("{:?}", record(&"ä".repeat(64)))));
    }
    assert_eq!(hear(pieces(&line, 7)), expected);
}

#[test]
fn a_line_that_was_interrupted_starts_anew() {
    let event = Owned {
        number: 1,
        nanos: 5,
        method: "GET".to_owned(),
        url: "http://a/".to_owned(),
        rule: None,
    };
    let (frame, _) = seal(&LinkFormat, &[event], 1024);
    let mut decoder: throughline_postcard::Decoder = Default::default();
    assert!(matches!(
        decoder.feed(&frame[..20]),
        throughline_postcard::Fed::Consumed
    ));
    decoder.interrupted();
    assert!(matches!(
        decoder.feed(&frame),
        throughline_postcard::Fed::Packet(_, [])
    ));
    decoder.interrupted();
    assert_eq!(
        (decoder.counters().frames, decoder.counters().bad_frames),
        (1, 1)
    );
}
