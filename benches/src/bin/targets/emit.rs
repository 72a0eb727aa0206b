//! Phase records: what the caller pays, and what the sender.

use std::{
    ffi::CString,
    thread,
    time::{Duration, Instant},
};

use throughline_audit::{AuditSocket, Entry, Identity, Numbering, Options, RecordType, Template};
use throughline_benches::{
    peers::{libaudit::Libaudit, raw_audit::RawAudit},
    phases::phase,
    rounds::{median, nanos, quantile},
};
use throughline_core::PhaseEmitter;
use throughline_testkit::KernelAudit;

use crate::report::{Row, time};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = vec![caller()];
    rows.extend(sender());
    rows
}

/// In bursts that the queue has room for, with the sender's thread at work between and during them.
fn caller() -> Row {
    let emitter = Options::new().start_thread().expect("a thread");
    let record = phase();
    let mut costs = Vec::new();
    for _ in 0..200 {
        for _ in 0..100 {
            let start = Instant::now();
            emitter.emit(&record);
            costs.push(nanos(start.elapsed()));
        }
        thread::sleep(Duration::from_millis(2));
    }
    let counters = emitter.close(Duration::from_secs(2));
    let p50 = quantile(&mut costs, 0.5);
    Row::new("emit a phase, caller: p50")
        .ours(time(p50))
        .at_most(p50, 150.0, " ns")
        .note(format!(
            "p99 {}, p99.9 {}; {} pushed, {} dropped for a full queue; two readings of the clock are in it",
            time(quantile(&mut costs, 0.99)),
            time(quantile(&mut costs, 0.999)),
            counters.pushed,
            counters.dropped.queue_full,
        ))
}

/// One record of each kind after the other, with time for the kernel to take it away: what fills the
/// kernel's queue makes its sender wait.
fn sender() -> Vec<Row> {
    const NAME: &str = "emit a phase, sender";
    let _audit = match KernelAudit::enable() {
        Ok(audit) => audit,
        Err(why) => return vec![Row::skipped(NAME, why)],
    };
    let mut socket = match AuditSocket::open() {
        Ok(socket) => socket,
        Err(why) => return vec![Row::skipped(NAME, why)],
    };
    let template = Template::new(RecordType::default(), &Identity::of_this_process());
    let mut record = template.record(&Entry::Phase(phase(), &[]), Numbering::default());
    if let Err(why) = socket.send(&mut record) {
        return vec![Row::skipped(
            NAME,
            format!("the kernel refuses records: {why:?}"),
        )];
    }
    let raw = RawAudit::new(&record);
    let libaudit = Libaudit::open();
    let message = CString::new(record.body()).expect("text");
    let mut rounds = Vec::new();
    for _ in 0..30 {
        let mut costs = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..20 {
            costs[0].push(paced(|| socket.send(&mut record).is_ok()));
            costs[1].push(paced(|| raw.send()));
            if let Ok(libaudit) = &libaudit {
                costs[2].push(paced(|| {
                    libaudit.log(RecordType::default().number(), &message, true)
                }));
            }
        }
        rounds.push(costs.map(median));
    }
    sender_rows(NAME, &rounds, libaudit.err())
}

fn sender_rows(name: &str, rounds: &[[f64; 3]], missing: Option<String>) -> Vec<Row> {
    let cost = |case: usize| time(median(rounds.iter().map(|round| round[case])));
    let ratio = |of: usize| median(rounds.iter().map(|round| round[0] / round[of]));
    let raw = Row::new(name)
        .ours(cost(0))
        .floor("raw sendto", cost(1))
        .ratio(ratio(1))
        .at_most(ratio(1), 1.1, " x floor");
    let peer = match missing {
        Some(why) => Row::skipped("  beside libaudit", why),
        None => Row::new("")
            .peer("libaudit", cost(2))
            .ratio(ratio(2))
            .at_most(ratio(2), 0.7, " x peer"),
    };
    vec![raw, peer]
}

fn paced(send: impl FnOnce() -> bool) -> f64 {
    thread::sleep(Duration::from_millis(1));
    let start = Instant::now();
    assert!(send(), "the kernel took it before");
    nanos(start.elapsed())
}
