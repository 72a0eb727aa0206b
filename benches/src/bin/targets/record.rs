//! `Trail::record` beside the least it could be, and beside queues and logging libraries.

use std::hint::black_box;

use crossbeam_queue::ArrayQueue;
use throughline_benches::{
    events::act,
    floors::LeastRecord,
    peers::{
        logs::{Telemetry, Tracing},
        queues::{CAPACITY, Embassy, Queue, QueueRecorder},
    },
    rounds::{Rounds, cost},
    trails::{self, Still},
};
use throughline_socket::Host;

use crate::report::{Row, time};

/// Events between two looks of the flusher (count).
const BATCH: u32 = 100;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = with_clock();
    rows.push(without_clock());
    rows.extend(beside_logs());
    rows
}

fn with_clock() -> Vec<Row> {
    let trail = trails::on_host();
    let mut floor = LeastRecord::new(Host::new(1).expect("a waker"));
    let host = || Host::new(1).expect("a waker");
    let embassy = QueueRecorder::new(Embassy::new(), host());
    let array = QueueRecorder::new(ArrayQueue::new(CAPACITY), host());
    let rounds = Rounds::run(
        60,
        20,
        &mut [
            &mut || {
                let cost = cost(BATCH, || {
                    for number in 0..BATCH as usize {
                        black_box(trail.record(&black_box(act(number)).request()));
                    }
                });
                trails::drain(&trail);
                cost
            },
            &mut || {
                cost(BATCH, || {
                    for number in 0..BATCH as usize {
                        black_box(floor.record(black_box(act(number))));
                    }
                })
            },
            &mut || queued(&embassy),
            &mut || queued(&array),
        ],
    );
    let ratio = rounds.ratio(0, 1);
    let row = Row::new("record, one thread, with clock")
        .ours(time(rounds.cost(0)))
        .floor("atomic + clock + copies", time(rounds.cost(1)))
        .peer("embassy-sync Channel", time(rounds.cost(2)))
        .ratio(ratio)
        .at_most(ratio, 1.4, " x floor")
        .note("a queue's event is still to be encoded; ours is");
    let other = Row::new("")
        .peer("crossbeam ArrayQueue", time(rounds.cost(3)))
        .ratio(rounds.ratio(3, 0));
    vec![row, other]
}

fn queued<Q: Queue>(recorder: &QueueRecorder<Q, Host>) -> f64 {
    let cost = cost(BATCH, || {
        for number in 0..BATCH as usize {
            assert!(recorder.record(black_box(act(number))));
        }
    });
    recorder.drain();
    cost
}

fn without_clock() -> Row {
    let trail = trails::with(Still, throughline_protobuf::AgentSocket::default());
    let mut floor = LeastRecord::new(Still);
    let rounds = Rounds::run(
        60,
        20,
        &mut [
            &mut || {
                let cost = cost(BATCH, || {
                    for number in 0..BATCH as usize {
                        black_box(trail.record(&black_box(act(number)).request()));
                    }
                });
                trails::drain(&trail);
                cost
            },
            &mut || {
                cost(BATCH, || {
                    for number in 0..BATCH as usize {
                        black_box(floor.record(black_box(act(number))));
                    }
                })
            },
        ],
    );
    Row::new("  the same, time injected")
        .ours(time(rounds.cost(0)))
        .floor("atomic + copies", time(rounds.cost(1)))
        .ratio(rounds.ratio(0, 1))
}

/// Logging libraries hand over to a thread of their own, which wakes; what they cost is told beside a
/// trail's record, in fewer events, so that their queues do not fill.
fn beside_logs() -> Vec<Row> {
    let trail = trails::on_host();
    let tracing = Tracing::new();
    let telemetry = Telemetry::new();
    let rounds = Rounds::run(
        40,
        5,
        &mut [
            &mut || {
                let cost = cost(BATCH, || {
                    for number in 0..BATCH as usize {
                        black_box(trail.record(&black_box(act(number)).request()));
                    }
                });
                trails::drain(&trail);
                cost
            },
            &mut || {
                tracing.within(|| {
                    cost(BATCH, || {
                        for number in 0..BATCH as usize {
                            Tracing::record(number as u64, black_box(act(number)));
                        }
                    })
                })
            },
            &mut || {
                cost(BATCH, || {
                    for number in 0..i64::from(BATCH) {
                        telemetry.record(number, black_box(act(number.unsigned_abs() as usize)));
                    }
                })
            },
        ],
    );
    let row = |name, case: usize| {
        Row::new("")
            .peer(name, time(rounds.cost(case)))
            .ratio(rounds.ratio(case, 0))
    };
    vec![
        row("tracing + tracing-appender", 1),
        row("opentelemetry batch log processor", 2),
    ]
}
