//! What does it cost to record a batch, make a frame of it and send that?
#![allow(missing_docs, reason = "the macros make public items")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use throughline_benches::{
    events::act,
    socket::{OpenLink, RawPair},
    trails,
};

fn send(c: &mut Criterion) {
    for batch in [10_usize, 100] {
        let mut group = c.benchmark_group(format!("record + seal + send, batches of {batch}"));
        group.throughput(Throughput::Elements(batch as u64));
        let trail = trails::on_host();
        let mut link = OpenLink::new(&trail);
        let mut len = 0;
        group.bench_function("ours", |b| {
            b.iter_custom(|n| {
                let mut took = Duration::ZERO;
                for _ in 0..n {
                    let start = Instant::now();
                    for number in 0..batch {
                        black_box(trail.record(&act(number).request()));
                    }
                    link.turn(&trail);
                    took += start.elapsed();
                    len = link.read();
                }
                took
            });
        });
        let mut raw = RawPair::new();
        let frame = vec![7; len.max(batch * 113)];
        group.bench_function("floor, raw send", |b| {
            b.iter_custom(|n| {
                let mut took = Duration::ZERO;
                for _ in 0..n {
                    let start = Instant::now();
                    raw.send(&frame);
                    took += start.elapsed();
                    raw.read();
                }
                took
            });
        });
        group.finish();
    }
}

criterion_group!(benches, send);
criterion_main!(benches);
