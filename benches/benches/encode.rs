//! What does encoding a batch of ten cost, beside the copies of its texts and generated code?
#![allow(missing_docs, reason = "the macros make public items")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use throughline_benches::{batches::encode_ten, events::ACTS, floors::Copies, peers};
use throughline_postcard::LinkFormat;
use throughline_protobuf::AgentSocket;

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode a batch of 10");
    group.throughput(Throughput::Elements(10));
    let mut block = vec![0; 4096];
    group.bench_function("ours", |b| {
        b.iter(|| encode_ten(&AgentSocket::default(), black_box(&mut block)));
    });
    group.bench_function("ours, postcard", |b| {
        b.iter(|| encode_ten(&LinkFormat, black_box(&mut block)));
    });
    let mut copies = Copies::new();
    group.bench_function("floor, copies of 3 texts", |b| {
        b.iter(|| {
            copies.rewind();
            black_box(&ACTS).iter().for_each(|act| copies.copy(act));
        });
    });
    let frame = block.clone();
    group.bench_function("floor, memcpy of the frame", |b| {
        b.iter(|| block[..1130].copy_from_slice(black_box(&frame[..1130])));
    });
    group.bench_function("peer micropb", |b| {
        b.iter(|| peers::micropb::encode(black_box(&ACTS), &mut block));
    });
    let mut vector = Vec::with_capacity(4096);
    group.bench_function("peer prost", |b| {
        b.iter(|| peers::prost::encode(black_box(&ACTS), &mut vector));
    });
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
