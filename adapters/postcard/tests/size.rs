//! How long a trail is on the line, beside what it is on the agent socket.

mod support;

use support::{Owned, seal};
use throughline_core::Encoder;
use throughline_postcard::LinkFormat;
use throughline_protobuf::AgentSocket;

/// What a device does: it polls one service, reports to another, and something asks for what it may
/// not have.
fn typical() -> Vec<Owned> {
    let rules = [
        "method=GET domain=config.example.com path=/v2/devices/*",
        "method=POST domain=telemetry.example.com path=/ingest/*",
    ];
    let event = |number: u32| {
        let (method, url, rule) = match number % 10 {
            0 | 5 => (
                "GET",
                format!("https://config.example.com/v2/devices/4711/desired?rev={number}"),
                Some(rules[0]),
            ),
            7 => (
                "GET",
                "http://169.254.169.254/latest/meta-data/".to_owned(),
                None,
            ),
            _ => (
                "POST",
                format!(
                    "https://telemetry.example.com/ingest/4711/temperature?t={}",
                    number * 37
                ),
                Some(rules[1]),
            ),
        };
        Owned {
            number,
            // A clock of microseconds, an event every 80 ms or so.
            nanos: 1_790_000_000_000_000_000
                + u64::from(number) * 80_123_000
                + u64::from(number % 7) * 1_009_000,
            method: method.to_owned(),
            url,
            rule: rule.map(str::to_owned),
        }
    };
    (0..500).map(event).collect()
}

/// Bytes and frames that the events take in blocks of `block` bytes.
fn on_the_line<E: Encoder>(encoder: &E, events: &[Owned], block: usize) -> (usize, usize) {
    let (mut left, mut bytes, mut frames) = (events, 0, 0);
    while !left.is_empty() {
        let (frame, count) = seal(encoder, left, block);
        bytes += frame.len();
        frames += 1;
        left = &left[count..];
    }
    (bytes, frames)
}

#[test]
fn a_typical_event_takes_less_than_half_of_what_it_takes_on_the_socket() {
    let events = typical();
    println!("bytes an event, envelope and all, 500 events");
    for block in [512, 1024, 2048] {
        let (link, link_frames) = on_the_line(&LinkFormat, &events, block);
        let (socket, socket_frames) = on_the_line(&AgentSocket::default(), &events, block);
        let each = |bytes: usize| bytes as f64 / events.len() as f64;
        println!(
            "blocks of {block:4}: link {:5.1} in {link_frames} frames, protobuf {:5.1} in {socket_frames}, ratio {:.2}",
            each(link),
            each(socket),
            link as f64 / socket as f64
        );
        // A block of 512 bytes holds two events: there is little before them to refer to.
        if block > 512 {
            assert!(link * 2 <= socket, "{link} of {socket}");
        }
    }
}

#[test]
fn an_event_that_is_alone_in_its_frame_is_not_longer_than_on_the_socket() {
    for event in typical().iter().take(10) {
        let alone = std::slice::from_ref(event);
        let (link, socket) = (
            on_the_line(&LinkFormat, alone, 1024).0,
            on_the_line(&AgentSocket::default(), alone, 1024).0,
        );
        assert!(link < socket, "{link} of {socket}: {event:?}");
    }
}
