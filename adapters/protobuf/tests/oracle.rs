//! What this crate writes, prost reads, and the other way round.

use proptest::{collection::vec, prelude::*};
use prost::Message as _;
use throughline_core::{
    Cause, Encoder, End, Event, HttpRequest, Loss, MatchedRule, Origin, ProcessName, Report,
    Sequence, SessionId, Timestamp,
};
use throughline_protobuf::{AgentSocket, Header, Message, Tag};
use throughline_testkit::agent_socket as oracle;

const SESSION: SessionId = SessionId::from_uuid(uuid::Uuid::from_u128(0xfeed));

#[derive(Clone, Debug)]
struct Act {
    sequence: u32,
    nanos: u64,
    method: Vec<u8>,
    url: Vec<u8>,
    rule: Option<String>,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = (
        0..=Sequence::MAX.value(),
        0..u64::MAX / 2,
        vec(any::<u8>(), 0..12),
        vec(any::<u8>(), 0..200),
        proptest::option::of("[ -~]{1,40}"),
    );
    vec(act, 0..20).prop_map(|acts| {
        let act = |(sequence, nanos, method, url, rule)| Act {
            sequence,
            nanos,
            method,
            url,
            rule,
        };
        acts.into_iter().map(act).collect()
    })
}

fn request(act: &Act) -> HttpRequest<'_> {
    let (method, url) = (act.method.as_slice(), act.url.as_slice());
    match act.rule.as_deref().and_then(MatchedRule::new) {
        Some(rule) => HttpRequest::allowed(method, url, rule),
        None => HttpRequest::denied(method, url, "no rule"),
    }
}

fn frame(tag: Tag, acts: &[Act]) -> Vec<u8> {
    let encoder = AgentSocket::new(tag);
    let mut block = vec![0; AgentSocket::FRAME_MAX];
    let mut end = AgentSocket::HEAD;
    for act in acts {
        let event = Event {
            sequence: Sequence::new(act.sequence).unwrap(),
            time: Timestamp::from_nanos(act.nanos),
            request: &request(act),
        };
        end += encoder.encode(&event, &mut block[end..]).unwrap();
    }
    let process = ProcessName::of_command("/bin/agent");
    let origin = Origin {
        session: SESSION,
        process: &process,
    };
    let frame = encoder.seal(origin, &mut block, AgentSocket::HEAD..end);
    block[frame.unwrap()].to_vec()
}

fn payload(tag: Tag, frame: &[u8]) -> &[u8] {
    let (header, payload) = frame.split_first_chunk().unwrap();
    let header = Header::parse(*header).unwrap();
    assert_eq!((header.tag, header.len), (tag, payload.len()));
    payload
}

fn repaired(bytes: &[u8]) -> String {
    throughline_core::Text::new(bytes).to_string()
}

fn expected(acts: &[Act]) -> oracle::ReportBoundaryLogsRequest {
    let log = |act: &Act| oracle::BoundaryLog {
        allowed: act.rule.is_some(),
        time: Some(oracle::Timestamp {
            seconds: (act.nanos / 1_000_000_000).try_into().unwrap(),
            nanos: (act.nanos % 1_000_000_000).try_into().unwrap(),
        }),
        http_request: Some(oracle::HttpRequest {
            method: repaired(&act.method),
            url: repaired(&act.url),
            matched_rule: act.rule.clone().unwrap_or_default(),
        }),
        sequence_number: act.sequence.try_into().unwrap(),
    };
    oracle::ReportBoundaryLogsRequest {
        logs: acts.iter().map(log).collect(),
        session_id: SESSION.to_string(),
        confined_process_name: "agent".to_owned(),
    }
}

proptest! {
    #[test]
    fn prost_reads_what_we_write_and_would_write_the_same(acts in acts()) {
        let expected = expected(&acts);
        let v1 = frame(Tag::V1, &acts);
        prop_assert_eq!(payload(Tag::V1, &v1), expected.encode_to_vec());

        let v2 = frame(Tag::V2, &acts);
        let message = oracle::BoundaryMessage { msg: Some(oracle::Msg::Logs(expected)) };
        prop_assert_eq!(payload(Tag::V2, &v2), message.encode_to_vec());
        prop_assert_eq!(oracle::BoundaryMessage::decode(payload(Tag::V2, &v2)).unwrap(), message);
    }

    #[test]
    fn we_read_what_prost_writes(acts in acts(), tag in prop_oneof![Just(Tag::V1), Just(Tag::V2)]) {
        let request = expected(&acts);
        let bytes = match tag {
            Tag::V1 => request.encode_to_vec(),
            Tag::V2 => {
                oracle::BoundaryMessage { msg: Some(oracle::Msg::Logs(request.clone())) }.encode_to_vec()
            }
        };
        let Message::Logs(logs) = Message::decode(tag, &bytes).unwrap() else {
            panic!("these are logs")
        };
        prop_assert_eq!(read(&logs), request);
    }

    #[test]
    fn any_bytes_are_read_as_prost_reads_them(bytes in vec(any::<u8>(), 0..64)) {
        agrees(&bytes);
    }

    #[test]
    fn damaged_messages_are_read_as_prost_reads_them(
        acts in acts(),
        damage in vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = payload(Tag::V2, &frame(Tag::V2, &acts)).to_vec();
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        agrees(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        agrees(&bytes);
    }
}

/// Both decoders take the bytes for the same message, or both refuse them.
fn agrees(bytes: &[u8]) {
    let ours = Message::decode(Tag::V2, bytes);
    let theirs = oracle::BoundaryMessage::decode(bytes);
    match (ours, theirs) {
        (Ok(Message::Logs(logs)), Ok(message)) => {
            assert_eq!(message.msg, Some(oracle::Msg::Logs(read(&logs))));
        }
        (Ok(Message::Status(status)), Ok(message)) => {
            let Some(oracle::Msg::Status(theirs)) = message.msg else {
                panic!("a status, and prost read {message:?}")
            };
            assert_eq!(status.dropped_channel_full, theirs.dropped_channel_full);
            assert_eq!(status.session_id, theirs.session_id);
            assert_eq!(status.losses().count(), theirs.losses.len());
        }
        (Ok(_), Ok(message)) => assert_eq!(message.msg, None),
        (Err(_), Err(_)) => {}
        (ours, theirs) => panic!("ours {ours:?}, prost {theirs:?}, bytes {bytes:02x?}"),
    }
}

fn read(logs: &throughline_protobuf::Logs<'_>) -> oracle::ReportBoundaryLogsRequest {
    let log = |log: throughline_protobuf::Log<'_>| oracle::BoundaryLog {
        allowed: log.allowed,
        time: log.time.map(|time| oracle::Timestamp {
            seconds: time.seconds,
            nanos: time.nanos,
        }),
        http_request: log.is_http_request.then(|| oracle::HttpRequest {
            method: log.method.to_owned(),
            url: log.url.to_owned(),
            matched_rule: log.matched_rule.to_owned(),
        }),
        sequence_number: log.sequence_number,
    };
    oracle::ReportBoundaryLogsRequest {
        logs: logs.iter().map(log).collect(),
        session_id: logs.session_id.to_owned(),
        confined_process_name: logs.confined_process_name.to_owned(),
    }
}

#[test]
fn a_report_is_read_by_both() {
    let number = |value| Sequence::new(value).unwrap();
    let losses = [
        (0, 4, 5, Cause::StoreFull),
        (9, 20, 7, Cause::StoreFull),
        (30, 30, 1, Cause::Deadline),
        (31, 32, 2, Cause::SpoolFull),
    ];
    let report = Report {
        session: SESSION,
        losses: losses
            .into_iter()
            .map(|(first, last, count, cause)| Loss {
                first: number(first),
                last: number(last),
                count,
                cause,
            })
            .collect(),
        end: Some(End {
            recorded: 33,
            written: 18,
            lost: 15,
        }),
    };
    let origin = Origin {
        session: SESSION,
        process: &ProcessName::NONE,
    };
    let mut out = [0; Report::FRAME_MAX];
    let len = AgentSocket::default()
        .report(origin, &report, &mut out)
        .unwrap();
    let bytes = payload(Tag::V2, &out[..len]);

    let oracle::BoundaryMessage {
        msg: Some(oracle::Msg::Status(theirs)),
    } = oracle::BoundaryMessage::decode(bytes).unwrap()
    else {
        panic!("a status")
    };
    assert_eq!(theirs.dropped_channel_full, 12);
    assert_eq!(theirs.dropped_batch_full, 3);
    assert_eq!(theirs.losses[1].count, 7);
    assert_eq!(theirs.losses[3].cause, 3);

    let Message::Status(ours) = Message::decode(Tag::V2, bytes).unwrap() else {
        panic!("a status")
    };
    assert_eq!(ours.session_id, SESSION.to_string());
    assert_eq!(ours.end, report.end);
    let causes: Vec<_> = ours.losses().filter_map(|loss| loss.cause).collect();
    assert_eq!(causes, losses.map(|loss| loss.3));

    let v1 = AgentSocket::new(Tag::V1);
    assert_eq!(v1.report(origin, &report, &mut out), Some(0));
}

#[test]
fn the_greatest_report_fits_its_frame() {
    let loss = Loss {
        first: Sequence::MAX,
        last: Sequence::MAX,
        count: u32::MAX,
        cause: Cause::SpoolFull,
    };
    let report = Report {
        session: SESSION,
        losses: [loss; Report::LOSSES_MAX].into_iter().collect(),
        end: Some(End {
            recorded: u32::MAX,
            written: u32::MAX,
            lost: u32::MAX,
        }),
    };
    let origin = Origin {
        session: SESSION,
        process: &ProcessName::NONE,
    };
    let mut out = [0; Report::FRAME_MAX];
    assert!(
        AgentSocket::default()
            .report(origin, &report, &mut out)
            .is_some()
    );
}
