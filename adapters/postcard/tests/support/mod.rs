//! What the tests of the format share.
#![allow(dead_code, reason = "each test file uses its own part")]

use throughline_core::{
    Encoder, Event, HttpRequest, MatchedRule, Origin, ProcessName, Report, Sequence, SessionId,
    Timestamp,
};
use throughline_postcard::{Decoder, Fed, Message, Packet};

pub(crate) const SESSION: SessionId = SessionId::from_uuid(uuid::Uuid::from_u128(
    0x0123_4567_89ab_4cde_8f01_2345_6789_abcd,
));

/// An event with its texts owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) number: u32,
    pub(crate) nanos: u64,
    pub(crate) method: String,
    pub(crate) url: String,
    /// `None` if it was denied.
    pub(crate) rule: Option<String>,
}

impl Owned {
    pub(crate) fn with<R>(&self, use_event: impl FnOnce(&Event<'_>) -> R) -> R {
        let (method, url) = (self.method.as_str(), self.url.as_str());
        let request = match self.rule.as_deref().and_then(MatchedRule::new) {
            Some(rule) => HttpRequest::allowed(method, url, rule),
            None => HttpRequest::denied(method, url, "a reason that stays on the device"),
        };
        use_event(&Event {
            sequence: Sequence::new(self.number).unwrap(),
            time: Timestamp::from_nanos(self.nanos),
            request: &request,
        })
    }

    fn of(event: &Event<'_>) -> Self {
        let rule = match event.request.decision() {
            throughline_core::Decision::Allowed(rule) => Some(rule.text().to_string()),
            throughline_core::Decision::Denied(_) => None,
        };
        Self {
            number: event.sequence.value(),
            nanos: event.time.nanos(),
            method: event.request.method().to_string(),
            url: event.request.url().to_string(),
            rule,
        }
    }
}

pub(crate) fn process() -> ProcessName {
    ProcessName::of_command("sensor-hub")
}

/// Encodes as many of the events as a block of `len` bytes holds, and seals them.
pub(crate) fn seal(encoder: &impl EncoderOf, events: &[Owned], len: usize) -> (Vec<u8>, usize) {
    encoder.seal_all(events, len)
}

/// An encoder with its constants within reach of a function argument.
pub(crate) trait EncoderOf {
    fn seal_all(&self, events: &[Owned], len: usize) -> (Vec<u8>, usize);
}

impl<E: Encoder> EncoderOf for E {
    fn seal_all(&self, events: &[Owned], len: usize) -> (Vec<u8>, usize) {
        let mut block = vec![0xee; len];
        let limit = len.min(E::FRAME_MAX) - E::TAIL;
        let (mut end, mut count) = (E::HEAD, 0);
        for event in events {
            match event.with(|event| self.encode(event, &mut block[end..limit])) {
                Ok(len) => end += len,
                Err(_) => break,
            }
            count += 1;
        }
        let process = process();
        let origin = Origin {
            session: SESSION,
            process: &process,
        };
        let frame = self
            .seal(origin, &mut block, E::HEAD..end)
            .expect("there is room");
        assert!(frame.len() <= E::FRAME_MAX);
        (block[frame].to_vec(), count)
    }
}

/// What a line carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Begin(SessionId, String, u64),
    Events(SessionId, String, Vec<Owned>),
    Report(Report),
    Phase(String),
    Bad,
}

/// Feeds the pieces of a line to a decoder.
pub(crate) fn hear<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Heard> {
    let mut decoder: Decoder = Decoder::new();
    let mut heard = Vec::new();
    for mut piece in pieces {
        loop {
            match decoder.feed(piece) {
                Fed::Consumed => break,
                Fed::Packet(packet, rest) => {
                    heard.push(own(packet));
                    piece = rest;
                }
                Fed::Bad(_, rest) => {
                    heard.push(Heard::Bad);
                    piece = rest;
                }
            }
        }
    }
    let bad = heard.iter().filter(|heard| **heard == Heard::Bad).count();
    let counters = decoder.counters();
    assert_eq!(counters.bad_frames, bad as u64);
    assert_eq!(counters.frames, (heard.len() - bad) as u64);
    heard
}

fn own(packet: Packet<'_>) -> Heard {
    match packet.message {
        Message::Begin { process, written } => {
            Heard::Begin(packet.session, process.to_owned(), written)
        }
        Message::Events(mut events) => {
            let process = events.process().to_owned();
            let first = events.first();
            let mut owned = Vec::new();
            events.for_each(|event| owned.push(Owned::of(event)));
            assert_eq!(owned.first().map(|event| event.number), Some(first.value()));
            Heard::Events(packet.session, process, owned)
        }
        Message::Report(report) => Heard::Report(report),
        Message::Phase(record) => Heard::Phase(format!("{record:?}")),
        other => panic!("nothing else is sent: {other:?}"),
    }
}
