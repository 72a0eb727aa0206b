use throughline_core::{Decision, Encoder, Event, Origin, ProcessName, Report, SessionId};
use throughline_postcard::{Decoder, Fed, LinkFormat, Message, Packet};

/// Feeds a link decoder with whatever `data` is, and then with a frame around it whose checksum is
/// right, so that what lies behind the checksum is reached as well.
///
/// Panics if the decoder does not consume what it is fed, tells another story when it is fed in
/// pieces, counts wrong, does not find its place again, or reads what is not read the same way
/// after it is sent again.
pub fn link_decoder_fuzz(data: &[u8]) {
    let whole = story(&[data]);
    let (front, back) = data.split_at(data.len() / 3);
    assert_eq!(story(&[front, back]), whole, "the pieces do not matter");
    let bytes: Vec<_> = data.chunks(1).collect();
    assert_eq!(story(&bytes), whole, "nor do the bytes");

    let known = framed(KNOWN);
    let told = story(&[data, &[0], &known]);
    let last = told.last().expect("a frame was fed");
    assert!(
        last.starts_with("begin"),
        "it finds its place again: {told:?}"
    );

    let enclosed = story(&[&framed(data)]);
    assert!(enclosed.len() <= 1, "a frame is one frame: {enclosed:?}");
}

/// What a decoder makes of these pieces, one line a frame.
fn story(pieces: &[&[u8]]) -> Vec<String> {
    let mut decoder: Box<Decoder> = Box::default();
    let mut told = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let before = rest.len();
            match decoder.feed(rest) {
                Fed::Consumed => break,
                Fed::Packet(packet, behind) => {
                    told.push(tell(packet));
                    rest = behind;
                }
                Fed::Bad(bad, behind) => {
                    told.push(bad.to_string());
                    rest = behind;
                }
            }
            assert!(rest.len() < before, "what is consumed is consumed");
        }
    }
    let counters = decoder.counters();
    assert_eq!(counters.frames + counters.bad_frames, told.len() as u64);
    told
}

fn tell(packet: Packet<'_>) -> String {
    let session = packet.session;
    match packet.message {
        Message::Begin { process, written } => format!("begin {session} {process} {written}"),
        Message::Events(mut events) => {
            let process = ProcessName::of_command(events.process());
            let mut told = format!("events {session} {}", events.process());
            events.for_each(|event| {
                told.push_str(&tell_event(event));
                send_again(event, session, &process);
            });
            told
        }
        Message::Report(report) => {
            for loss in &report.losses {
                assert!(loss.first <= loss.last && loss.count > 0, "{loss:?}");
                let span = loss.last.value() - loss.first.value();
                assert!(loss.count - 1 <= span, "{loss:?}");
            }
            if let Some(end) = &report.end {
                assert_eq!(
                    u64::from(end.recorded),
                    u64::from(end.written) + u64::from(end.lost)
                );
            }
            report_again(&report);
            format!("{report:?}")
        }
        other => format!("{other:?}"),
    }
}

fn tell_event(event: &Event<'_>) -> String {
    let request = event.request;
    assert!(
        request.url().len() <= LinkFormat::FRAME_MAX,
        "a URL is bounded"
    );
    let (method, url) = (request.method(), request.url());
    let rule = match request.decision() {
        Decision::Allowed(rule) => rule.text().to_string(),
        Decision::Denied(_) => "-".to_owned(),
    };
    format!(
        "\n{} {} {method} {url} {rule}",
        event.sequence,
        event.time.nanos()
    )
}

/// What was read is read again after it is sent again, if it fits a block.
fn send_again(event: &Event<'_>, session: SessionId, process: &ProcessName) {
    let mut block = vec![0; LinkFormat::FRAME_MAX];
    let limit = block.len() - LinkFormat::TAIL;
    let Ok(len) = LinkFormat.encode(event, &mut block[LinkFormat::HEAD..limit]) else {
        return;
    };
    let events = LinkFormat::HEAD..LinkFormat::HEAD + len;
    let origin = Origin { session, process };
    let frame = LinkFormat
        .seal(origin, &mut block, events)
        .expect("there is room");
    let mut decoder: Box<Decoder> = Box::default();
    let Fed::Packet(packet, []) = decoder.feed(&block[frame]) else {
        panic!("a frame that was just made is read");
    };
    let Message::Events(mut events) = packet.message else {
        panic!("events are events");
    };
    let mut told = Vec::new();
    events.for_each(|event| told.push(tell_event(event)));
    assert_eq!(told, [tell_event(event)]);
}

fn report_again(report: &Report) {
    let process = ProcessName::NONE;
    let origin = Origin {
        session: report.session,
        process: &process,
    };
    let mut out = [0; Report::FRAME_MAX];
    let len = LinkFormat
        .report(origin, report, &mut out)
        .expect("any report fits");
    let mut decoder: Box<Decoder> = Box::default();
    let Fed::Packet(packet, []) = decoder.feed(&out[..len]) else {
        panic!("a frame that was just made is read");
    };
    assert!(matches!(packet.message, Message::Report(again) if again == *report));
}

/// A frame of this body, its checksum and its stuffing as they should be.
fn framed(body: &[u8]) -> Vec<u8> {
    let checksum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(body);
    let body = [body, &checksum.to_le_bytes()].concat();
    let mut frame = vec![0; cobs::max_encoding_length(body.len())];
    let len = cobs::encode(&body, &mut frame);
    frame.truncate(len);
    frame.push(0);
    frame
}

/// A greeting: version, session, kind, an empty name, nothing written.
const KNOWN: &[u8] = &[
    1, 0, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 14, 15, 0, 0, 0,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The bodies of real frames, for mutations of them to begin with.
    fn seeds() -> Vec<Vec<u8>> {
        let session = SessionId::from_uuid(uuid::Uuid::from_u128(5));
        let process = ProcessName::of_command("hub");
        let origin = Origin {
            session,
            process: &process,
        };
        let mut block = vec![0; 1024];
        let mut end = LinkFormat::HEAD;
        for number in 0..4 {
            let url = format!("https://a.example/{number}");
            let rule = throughline_core::MatchedRule::new("domain=a.example").unwrap();
            let request = throughline_core::HttpRequest::allowed("GET", url.as_str(), rule);
            let event = Event {
                sequence: throughline_core::Sequence::new(number).unwrap(),
                time: throughline_core::Timestamp::from_nanos(u64::from(number) * 1_000_000),
                request: &request,
            };
            end += LinkFormat.encode(&event, &mut block[end..]).unwrap();
        }
        let frame = LinkFormat
            .seal(origin, &mut block, LinkFormat::HEAD..end)
            .unwrap();
        let mut body = vec![0; 1024];
        let len = cobs::decode(&block[frame], &mut body).unwrap().frame_size();
        body.truncate(len - 4);
        vec![body, KNOWN.to_vec()]
    }

    #[test]
    fn lines_of_noise_and_of_damaged_frames_are_read() {
        let seeds = seeds();
        let mut random = 7_u64;
        let mut next = move || {
            random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            usize::try_from((mixed ^ (mixed >> 27)) >> 33).unwrap()
        };
        let rounds = std::env::var("LINK_FUZZ_ROUNDS").map_or(20_000, |text| text.parse().unwrap());
        for round in 0..rounds {
            let mut data = seeds[round % seeds.len()].clone();
            for _ in 0..next() % 5 {
                let at = next() % data.len();
                match next() % 4 {
                    0 => data[at] ^= 1 << (next() % 8),
                    1 => data[at] = u8::try_from(next() % 256).unwrap(),
                    2 => data.truncate(at + 1),
                    _ => data.insert(at, u8::try_from(next() % 256).unwrap()),
                }
            }
            link_decoder_fuzz(&data);
        }
    }
}
