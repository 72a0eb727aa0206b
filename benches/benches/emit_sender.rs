//! What does sending a phase to the kernel cost, beside a raw send and libaudit?
#![allow(missing_docs, reason = "the macros make public items")]

use std::{
    ffi::CString,
    thread,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use throughline_audit::{AuditSocket, Entry, Identity, Numbering, RecordType, Template};
use throughline_benches::{
    peers::{libaudit::Libaudit, raw_audit::RawAudit},
    phases::phase,
};
use throughline_testkit::KernelAudit;

/// With time for the kernel to take each away: what fills its queue makes its sender wait.
fn paced(sends: u64, mut send: impl FnMut() -> bool) -> Duration {
    let mut took = Duration::ZERO;
    for _ in 0..sends {
        thread::sleep(Duration::from_micros(500));
        let start = Instant::now();
        assert!(send(), "the kernel took it before");
        took += start.elapsed();
    }
    took
}

fn emit(c: &mut Criterion) {
    let template = Template::new(RecordType::default(), &Identity::of_this_process());
    let mut record = template.record(&Entry::Phase(phase(), &[]), Numbering::default());
    let _audit = match KernelAudit::enable() {
        Ok(audit) => audit,
        Err(why) => return println!("skipped: {why}"),
    };
    let mut socket = match AuditSocket::open() {
        Ok(socket) => socket,
        Err(why) => return println!("skipped: {why}"),
    };
    if let Err(why) = socket.send(&mut record) {
        return println!("skipped: the kernel refuses records: {why:?}");
    }
    let mut group = c.benchmark_group("emit a phase, sender");
    let raw = RawAudit::new(&record);
    let body = CString::new(record.body()).expect("text");
    group.bench_function("ours", |b| {
        b.iter_custom(|n| paced(n, || socket.send(&mut record).is_ok()));
    });
    group.bench_function("floor, raw sendto", |b| {
        b.iter_custom(|n| paced(n, || raw.send()));
    });
    match Libaudit::open() {
        Ok(libaudit) => {
            let kind = RecordType::default().number();
            group.bench_function("peer libaudit", |b| {
                b.iter_custom(|n| paced(n, || libaudit.log(kind, &body, true)));
            });
        }
        Err(why) => println!("skipped: {why}"),
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = emit
}
criterion_main!(benches);
