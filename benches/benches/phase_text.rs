//! What does the text of a phase record cost, beside a copy of it and formatting it?
#![allow(missing_docs, reason = "the macros make public items")]

use std::{fmt::Write, hint::black_box};

use criterion::{Criterion, criterion_group, criterion_main};
use throughline_audit::{Entry, Identity, Numbering, RecordType, Template};
use throughline_benches::phases::phase;

fn text(c: &mut Criterion) {
    let mut group = c.benchmark_group("text of a phase");
    let template = Template::new(
        RecordType::default(),
        &Identity::new("root", "/usr/bin/agent"),
    );
    let record = || template.record(&Entry::Phase(black_box(phase()), &[]), Numbering::default());
    group.bench_function("ours", |b| b.iter(record));
    let body = record().body().to_owned();
    let mut out = vec![0; body.len()];
    group.bench_function("floor, memcpy", |b| {
        b.iter(|| out.copy_from_slice(black_box(body.as_bytes())));
    });
    let mut text = String::with_capacity(1024);
    group.bench_function("peer core::fmt", |b| {
        b.iter(|| {
            text.clear();
            let phase = black_box(phase());
            write!(
                text,
                "op=txn-{} txn=\"{}\" name=\"{}\" step=\"{}\" phase=\"{}\" seq=\"{}\" drop=\"{}\" \
                 acct=\"root\" exe=\"/usr/bin/agent\" hostname=? addr=? terminal=? res=success",
                phase.phase,
                phase.change.transaction,
                phase.change.name,
                phase.step,
                phase.phase,
                0,
                0
            )
        });
    });
    group.finish();
}

criterion_group!(benches, text);
criterion_main!(benches);
