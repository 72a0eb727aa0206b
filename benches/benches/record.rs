//! What does recording cost: by clock, by store, by producers, beside its floor and what others use?
#![allow(missing_docs, reason = "the macros make public items")]

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use crossbeam_queue::ArrayQueue;
use rustix::time::{ClockId, clock_gettime};
use throughline_benches::{
    events::act,
    floors::LeastRecord,
    peers::{
        logs::{Telemetry, Tracing},
        queues::{CAPACITY, Embassy, Queue, QueueRecorder},
    },
    trails::{self, BenchTrail, Still},
};
use throughline_core::{Clock, Entropy, Platform, Timestamp};
use throughline_protobuf::AgentSocket;
use throughline_socket::Host;

/// Events between two looks of the flusher (count).
const BATCH: u64 = 100;

fn host() -> Host {
    Host::new(1).expect("a waker")
}

/// Times `record` alone, in batches, with `between` untimed.
fn batches(events: u64, mut record: impl FnMut(usize), mut between: impl FnMut()) -> Duration {
    let mut took = Duration::ZERO;
    for _ in 0..events.div_ceil(BATCH) {
        let start = Instant::now();
        for number in 0..BATCH as usize {
            record(number);
        }
        took += start.elapsed();
        between();
    }
    took.mul_f64(events as f64 / (events.div_ceil(BATCH) * BATCH) as f64)
}

fn clocks(c: &mut Criterion) {
    let mut group = c.benchmark_group("record");
    let trail = trails::on_host();
    group.bench_function("ours", |b| {
        b.iter_custom(|n| {
            batches(
                n,
                |i| drop_of(trail.record(&act(i).request())),
                || {
                    trails::drain(&trail);
                },
            )
        });
    });
    let mut floor = LeastRecord::new(host());
    group.bench_function("floor, realtime clock", |b| {
        b.iter_custom(|n| batches(n, |i| drop_of(floor.record(act(i))), || {}));
    });
    let coarse = trails::with(Coarse(host()), AgentSocket::default());
    group.bench_function("ours, coarse clock", |b| {
        b.iter_custom(|n| {
            batches(
                n,
                |i| drop_of(coarse.record(&act(i).request())),
                || {
                    trails::drain(&coarse);
                },
            )
        });
    });
    let still = trails::with(Still, AgentSocket::default());
    group.bench_function("ours, injected time", |b| {
        b.iter_custom(|n| {
            batches(
                n,
                |i| drop_of(still.record(&act(i).request())),
                || {
                    trails::drain(&still);
                },
            )
        });
    });
    let mut floor = LeastRecord::new(Still);
    group.bench_function("floor, injected time", |b| {
        b.iter_custom(|n| batches(n, |i| drop_of(floor.record(act(i))), || {}));
    });
    queue(&mut group, "peer embassy-sync Channel", Embassy::new());
    queue(
        &mut group,
        "peer crossbeam ArrayQueue",
        ArrayQueue::new(CAPACITY),
    );
    let tracing = Tracing::new();
    group.bench_function("peer tracing + tracing-appender", |b| {
        tracing.within(|| {
            b.iter_custom(|n| batches(n, |i| Tracing::record(i as u64, act(i)), || {}));
        });
    });
    let telemetry = Telemetry::new();
    group.bench_function("peer opentelemetry batch", |b| {
        b.iter_custom(|n| batches(n, |i| telemetry.record(7, act(i)), || {}));
    });
    group.finish();
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn queue<Q: Queue>(group: &mut Group<'_>, name: &str, queue: Q) {
    let recorder = QueueRecorder::new(queue, host());
    group.bench_function(name, |b| {
        b.iter_custom(|n| batches(n, |i| drop_of(recorder.record(act(i))), || recorder.drain()));
    });
}

fn stores(c: &mut Criterion) {
    let mut group = c.benchmark_group("record by store");
    for (name, fill) in [("empty", 0), ("half", 9_000), ("full", 40_000)] {
        let trail = trails::with(Still, AgentSocket::default());
        for number in 0..fill {
            trail.record(&act(number).request());
        }
        group.bench_function(name, |b| {
            b.iter_custom(|n| {
                batches(
                    n,
                    |i| drop_of(trail.record(&act(i).request())),
                    || {
                        if fill == 0 {
                            trails::drain(&trail);
                        } else if fill < 10_000 && trail.lane(0).is_pressed() {
                            trails::drain(&trail);
                            (0..fill)
                                .for_each(|number| drop_of(trail.record(&act(number).request())));
                        }
                    },
                )
            });
        });
    }
    group.finish();
}

/// Wall time an event, all producers at once: with more of them than cores it counts waiting too.
fn producers(c: &mut Criterion) {
    let mut group = c.benchmark_group("record by producers");
    for count in [1, 2, 4, 8] {
        let trail = trails::with(host(), AgentSocket::default());
        group.bench_function(count.to_string(), |b| {
            b.iter_custom(|n| {
                let each = n.div_ceil(count);
                let start = Instant::now();
                thread::scope(|scope| {
                    for _ in 0..count {
                        scope.spawn(|| produce(&trail, each));
                    }
                });
                start.elapsed()
            });
        });
    }
    group.finish();
}

fn produce<P: Platform>(trail: &BenchTrail<P>, events: u64) {
    for number in 0..events {
        trail.record(&act(number as usize).request());
        if number % BATCH == BATCH - 1 {
            trails::drain(trail);
        }
    }
}

fn drop_of<T>(value: T) {
    black_box(value);
}

/// The clock of the kernel's tick.
struct Coarse(Host);

impl Clock for Coarse {
    fn wall(&self) -> Timestamp {
        let time = clock_gettime(ClockId::RealtimeCoarse);
        Timestamp::new(
            time.tv_sec.unsigned_abs(),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        )
    }

    fn monotonic(&self) -> throughline_core::Instant {
        self.0.monotonic()
    }
}

impl Entropy for Coarse {
    fn random(&self) -> [u8; 16] {
        self.0.random()
    }
}

impl Platform for Coarse {
    fn wake(&self, _: usize) {}
}

criterion_group!(benches, clocks, stores, producers);
criterion_main!(benches);
