//! From a record to the socket: batches, and one frame.

use std::{
    hint::black_box,
    io::{Read, Write},
    time::Duration,
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use throughline_benches::{
    events::act,
    floors::LeastRecord,
    rounds::{Rounds, cost},
    socket::{OpenLink, RawPair},
    trails::{self, BenchTrail},
};
use throughline_core::{Clock, Flusher, Settings, turn};
use throughline_protobuf::ACKNOWLEDGEMENT;
use throughline_socket::{Host, SocketLink};

use crate::report::{Row, time};

pub(crate) fn rows() -> Vec<Row> {
    vec![batches(10, 200.0), batches(100, 80.0)]
}

fn batches(batch: u32, limit: f64) -> Row {
    let trail = trails::on_host();
    let mut link = OpenLink::new(&trail);
    let mut floor = LeastRecord::new(Host::new(1).expect("a waker"));
    let mut raw = RawPair::new();
    let frame = vec![7; frame_len(&trail, &mut link, batch)];
    let rounds = Rounds::run(
        40,
        50,
        &mut [
            &mut || {
                let cost = cost(batch, || {
                    record(&trail, batch);
                    link.turn(&trail);
                });
                link.read();
                cost
            },
            &mut || {
                let cost = cost(batch, || {
                    for number in 0..batch as usize {
                        black_box(floor.record(black_box(act(number))));
                    }
                    raw.send(&frame);
                });
                raw.read();
                cost
            },
        ],
    );
    let ours = rounds.cost(0);
    Row::new(format!("record + seal + send, batches of {batch}"))
        .ours(time(ours))
        .floor("least record + raw send", time(rounds.cost(1)))
        .ratio(rounds.ratio(0, 1))
        .at_most(ours, limit, " ns an event")
}

/// One frame of ten events: what it takes beside a raw send, and in how many system calls.
pub(crate) fn frame_rows() -> Vec<Row> {
    let trail = trails::on_host();
    let mut link = OpenLink::new(&trail);
    let mut raw = RawPair::new();
    let frame = vec![7; frame_len(&trail, &mut link, 10)];
    let rounds = Rounds::run(
        60,
        50,
        &mut [
            &mut || {
                record(&trail, 10);
                let cost = cost(1, || link.turn(&trail));
                link.read();
                cost
            },
            &mut || {
                let cost = cost(1, || raw.send(&frame));
                raw.read();
                cost
            },
        ],
    );
    let ratio = rounds.ratio(0, 1);
    let cost = Row::new(format!("one frame of {} bytes", frame.len()))
        .ours(time(rounds.cost(0)))
        .floor("raw send", time(rounds.cost(1)))
        .ratio(ratio)
        .at_most(ratio, 1.15, " x floor");
    let (frames, sends) = count_sends(1000);
    #[expect(clippy::cast_precision_loss, reason = "a thousand")]
    let sends_each = sends as f64 / frames as f64;
    let calls = Row::new("  sends a frame")
        .ours(format!("{sends} / {frames}"))
        .ratio(sends_each)
        .at_most(sends_each, 1.0, "")
        .note(
            "counted by the kernel: over a SOCK_SEQPACKET pair each send(2) arrives as one message",
        );
    vec![cost, calls]
}

fn record(trail: &BenchTrail, batch: u32) {
    for number in 0..batch as usize {
        black_box(trail.record(&black_box(act(number)).request()));
    }
}

fn frame_len(trail: &BenchTrail, link: &mut OpenLink, batch: u32) -> usize {
    link.read();
    record(trail, batch);
    link.turn(trail);
    link.read()
}

/// Sends frames over a socket that keeps messages apart; returns how many frames and messages there were.
fn count_sends(frames: u64) -> (u64, u64) {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).expect("a pair");
    let mut peer = Messages(std::fs::File::from(theirs));
    let trail = trails::on_host();
    let mut link = SocketLink::to_peer(ours);
    let settings = Settings {
        max_age: Duration::ZERO,
        ..Settings::DEFAULT
    };
    let mut flusher = Flusher::new(settings, 7);
    let mut messages = 0;
    while flusher.counters().frames < frames {
        // One after another: the first turn asks for answers, each other one sends a frame.
        if flusher.counters().opened > 0 && !flusher.awaits_confirmation() {
            record(&trail, 10);
        }
        let now = trail.platform().monotonic();
        let _ = turn(&mut flusher, &trail.lane(0), &mut link, now);
        messages += peer.answer();
    }
    // The message that asks for answers is none of a frame's.
    (flusher.counters().frames, messages - 1)
}

struct Messages(std::fs::File);

impl Messages {
    /// Reads and answers what is there; returns how many messages that was.
    fn answer(&mut self) -> u64 {
        let mut buffer = [0; 65_536];
        let mut count = 0;
        while let Ok(1..) = self.0.read(&mut buffer) {
            count += 1;
            self.0.write_all(&ACKNOWLEDGEMENT).expect("an answer");
        }
        count
    }
}
