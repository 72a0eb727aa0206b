//! What does emitting a phase cost its caller?
#![allow(missing_docs, reason = "the macros make public items")]

use std::{
    hint::black_box,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use throughline_audit::Options;
use throughline_benches::phases::phase;
use throughline_core::PhaseEmitter;

/// In bursts that the queue has room for, with time for the sender between them.
fn bursts(calls: u64, mut call: impl FnMut()) -> Duration {
    let mut took = Duration::ZERO;
    for burst in 0..calls.div_ceil(200) {
        let start = Instant::now();
        (0..200.min(calls - burst * 200)).for_each(|_| call());
        took += start.elapsed();
        thread::sleep(Duration::from_millis(2));
    }
    took
}

fn emit(c: &mut Criterion) {
    let mut group = c.benchmark_group("emit a phase, caller");
    let emitter = Options::new().start_thread().expect("a thread");
    let record = phase();
    group.bench_function("ours", |b| {
        b.iter_custom(|n| bursts(n, || emitter.emit(&record)));
    });
    let (sender, receiver) = mpsc::sync_channel(1024);
    thread::spawn(move || {
        for record in receiver {
            black_box(record);
        }
    });
    group.bench_function("peer std sync_channel", |b| {
        b.iter_custom(|n| {
            bursts(n, || {
                black_box(sender.try_send(record).is_ok());
            })
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(300));
    targets = emit
}
criterion_main!(benches);
