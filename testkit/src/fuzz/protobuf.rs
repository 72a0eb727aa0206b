use prost::Message as _;
use throughline_protobuf::{Header, Log, Logs, Message, Status, Tag};

use crate::agent_socket as oracle;

/// Frames of any bytes are read or refused, and so is any payload; what is read was sent.
pub fn protobuf_decode(bytes: &[u8]) {
    let mut rest = bytes;
    while let Some((header, after)) = rest.split_first_chunk() {
        let Ok(header) = Header::parse(*header) else {
            break;
        };
        assert!(header.len <= Header::PAYLOAD_MAX);
        let (payload, after) = after.split_at(header.len.min(after.len()));
        decode(header.tag, payload);
        rest = after;
    }
    decode(Tag::V1, bytes);
    decode(Tag::V2, bytes);
}

/// Both this project's decoder and prost take any bytes for the same message, or both refuse them.
pub fn protobuf_differential(bytes: &[u8]) {
    let ours = Message::decode(Tag::V2, bytes);
    let theirs = oracle::BoundaryMessage::decode(bytes);
    match (ours, theirs) {
        (Ok(Message::Logs(logs)), Ok(message)) => {
            assert_eq!(message.msg, Some(oracle::Msg::Logs(request(&logs))));
        }
        (Ok(Message::Status(status)), Ok(message)) => {
            let Some(oracle::Msg::Status(theirs)) = message.msg else {
                panic!("a status, and prost reads {message:?}");
            };
            assert_status(&status, &theirs);
        }
        (Ok(_), Ok(message)) => assert_eq!(message.msg, None),
        (Err(_), Err(_)) => {}
        (ours, theirs) => panic!("ours {ours:?}, prost {theirs:?}"),
    }

    let ours = Message::decode(Tag::V1, bytes);
    let theirs = oracle::ReportBoundaryLogsRequest::decode(bytes);
    match (ours, theirs) {
        (Ok(Message::Logs(logs)), Ok(theirs)) => assert_eq!(request(&logs), theirs),
        (Err(_), Err(_)) => {}
        (ours, theirs) => panic!("ours {ours:?}, prost {theirs:?}"),
    }
}

fn decode(tag: Tag, payload: &[u8]) {
    match Message::decode(tag, payload) {
        Ok(Message::Logs(logs)) => {
            let texts = logs
                .iter()
                .flat_map(|log| [log.method, log.url, log.matched_rule]);
            let all = texts.chain([logs.session_id, logs.confined_process_name]);
            assert!(all.map(str::len).sum::<usize>() <= payload.len());
        }
        Ok(Message::Status(status)) => assert!(status.losses().count() <= payload.len()),
        Ok(_) | Err(_) => {}
    }
}

fn request(logs: &Logs<'_>) -> oracle::ReportBoundaryLogsRequest {
    oracle::ReportBoundaryLogsRequest {
        logs: logs.iter().map(log).collect(),
        session_id: logs.session_id.to_owned(),
        confined_process_name: logs.confined_process_name.to_owned(),
    }
}

fn log(log: Log<'_>) -> oracle::BoundaryLog {
    oracle::BoundaryLog {
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
    }
}

fn assert_status(ours: &Status<'_>, theirs: &oracle::BoundaryStatus) {
    assert_eq!(ours.dropped_channel_full, theirs.dropped_channel_full);
    assert_eq!(ours.dropped_batch_full, theirs.dropped_batch_full);
    assert_eq!(ours.session_id, theirs.session_id);
    let ends = ours.end.map(|end| oracle::End {
        recorded: end.recorded,
        written: end.written,
        lost: end.lost,
    });
    assert_eq!(ends, theirs.end);
    assert_eq!(ours.losses().count(), theirs.losses.len());
    for (ours, theirs) in ours.losses().zip(&theirs.losses) {
        let (range, count) = ((ours.first, ours.last), ours.count);
        assert_eq!((range, count), ((theirs.first, theirs.last), theirs.count));
        match ours.cause {
            Some(cause) => assert_eq!(cause.as_str(), CAUSES[index(theirs.cause)]),
            None => assert!(!(1..=3).contains(&theirs.cause), "{theirs:?}"),
        }
    }
}

fn index(number: i32) -> usize {
    usize::try_from(number).expect("a cause has a number")
}

/// The words of a trail for the numbers of the wire.
const CAUSES: [&str; 5] = ["", "store_full", "deadline", "spool_full", "link"];
