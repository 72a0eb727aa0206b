//! What does the flusher's loop cost when there is nothing to do, and a frame to a link that takes all?
#![allow(missing_docs, reason = "the macros make public items")]

use std::{hint::black_box, task::Poll};

use criterion::{Criterion, criterion_group, criterion_main};
use throughline_benches::{
    events::act,
    trails::{self, Still},
};
use throughline_core::{Failure, Flusher, Instant, Settings, Transport, turn};
use throughline_protobuf::AgentSocket;

struct TakesAll;

impl Transport for TakesAll {
    fn open(&mut self) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, frame: &[u8]) -> Poll<Result<usize, Failure>> {
        Poll::Ready(Ok(black_box(frame).len()))
    }

    fn close(&mut self) {}
}

fn flusher(c: &mut Criterion) {
    let mut group = c.benchmark_group("flusher");
    let trail = trails::with(Still, AgentSocket::default());
    let settings = Settings {
        max_age: std::time::Duration::ZERO,
        ..Settings::DEFAULT
    };
    let mut flusher = Flusher::new(settings, 7);
    let mut now = 0;
    group.bench_function("a turn with nothing to do", |b| {
        b.iter(|| {
            now += 1;
            turn(
                &mut flusher,
                &trail.lane(0),
                &mut TakesAll,
                Instant::from_nanos(now),
            )
        });
    });
    group.bench_function("a record and a turn that writes it", |b| {
        b.iter(|| {
            now += 1;
            trail.record(&act(0).request());
            turn(
                &mut flusher,
                &trail.lane(0),
                &mut TakesAll,
                Instant::from_nanos(now),
            )
        });
    });
    group.finish();
}

criterion_group!(benches, flusher);
criterion_main!(benches);
