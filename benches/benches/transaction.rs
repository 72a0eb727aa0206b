//! What does a transaction cost whose phases nobody is told, beside the same change without one?
#![allow(missing_docs, reason = "the macros make public items")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use throughline_benches::phases::phase;
use throughline_core::{NoEmitter, Transaction};

/// A step of a change: a checksum over a file's first bytes.
fn step(file: &[u8]) -> bool {
    let sum = |sum: u32, byte: &u8| sum.rotate_left(5) ^ u32::from(*byte);
    black_box(file).iter().fold(1, sum) != 0
}

fn transaction(c: &mut Criterion) {
    let mut group = c.benchmark_group("a transaction without an emitter");
    let file = [7; 64];
    let change = phase().change;
    group.bench_function("ours", |b| {
        b.iter(|| {
            let transaction = Transaction::start(NoEmitter, black_box(change));
            if !step(&file) {
                transaction.capture_failed();
                return false;
            }
            let captured = transaction.captured();
            if !step(&file) {
                captured.apply_failed().rolled_back();
                return false;
            }
            let applied = captured.applied();
            if !step(&file) {
                applied.validate_failed().rolled_back();
                return false;
            }
            applied.validated().committed();
            true
        });
    });
    group.bench_function("floor, no transaction", |b| {
        b.iter(|| {
            black_box(change);
            step(&file) && step(&file) && step(&file)
        });
    });
    group.finish();
}

criterion_group!(benches, transaction);
criterion_main!(benches);
