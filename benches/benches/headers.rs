//! What does it cost to strip and inject, on a raw head and on a map?
#![allow(missing_docs, reason = "the macros make public items")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderName, HeaderValue};
use throughline_benches::{
    events::{SESSION_TEXT, session_id},
    heads::{self, HEAD},
};
use throughline_core::{Sequence, Stamp};
use throughline_headers::{HeadInjector, MapInjector, Names};

fn stamp() -> Stamp {
    Stamp::new(
        session_id(),
        Sequence::new(black_box(1234)).unwrap_or(Sequence::MAX),
    )
}

fn raw(c: &mut Criterion) {
    let mut group = c.benchmark_group("inject, raw head of 484 bytes");
    let injector = HeadInjector::new(&Names::DEFAULT, session_id());
    let mut out = [0; 1024];
    group.bench_function("ours", |b| {
        b.iter(|| injector.rewrite(black_box(HEAD), &mut out, Some(stamp())));
    });
    let forged = [
        b"GET / HTTP/1.1\r\nX_Coder_Agent_Firewall_Session_Id: a\r\n",
        &HEAD[46..],
    ]
    .concat();
    group.bench_function("ours, one field forged", |b| {
        b.iter(|| injector.rewrite(black_box(&forged), &mut out, Some(stamp())));
    });
    group.bench_function("floor, copy and inject", |b| {
        b.iter(|| heads::copy_and_inject(black_box(&mut out), black_box(1234)));
    });
    group.finish();
}

fn typed(c: &mut Criterion) {
    let mut group = c.benchmark_group("inject, HeaderMap of 10");
    let injector = MapInjector::new(&Names::DEFAULT, session_id());
    group.bench_function("ours", |b| {
        let rewrite = |mut map| {
            let _ = injector.rewrite(&mut map, Some(stamp()));
            map
        };
        b.iter_batched(heads::map, rewrite, BatchSize::SmallInput);
    });
    let session = HeaderValue::from_static(SESSION_TEXT);
    let first = HeaderName::from_static("x-coder-agent-firewall-session-id");
    let second = HeaderName::from_static("x-coder-agent-firewall-sequence-number");
    group.bench_function("floor, two inserts", |b| {
        let insert = |mut map: http::HeaderMap| {
            map.insert(&first, session.clone());
            map.insert(&second, HeaderValue::from(black_box(1234_u32)));
            map
        };
        b.iter_batched(heads::map, insert, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, raw, typed);
criterion_main!(benches);
