//! Four producers, one event each every ten microseconds, a flusher and somebody who reads: how long
//! a record takes at its worst, and whether anything is lost.

use std::{
    io::Read,
    os::unix::net::UnixListener,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use throughline_benches::{
    events::act,
    rounds::{nanos, quantile},
    trails,
};
use throughline_core::Settings;
use throughline_socket::{FlushThread, SocketLink};

use crate::report::{Row, time};

const PRODUCERS: usize = 4;
const GAP: Duration = Duration::from_micros(10);
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(700);

pub(crate) fn rows() -> Vec<Row> {
    let rounds: Vec<_> = (0..ROUNDS).map(|_| round()).collect();
    let middle = |of: fn(&Round) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        quantile(&mut values, 0.5)
    };
    let events: u64 = rounds.iter().map(|round| round.events).sum();
    let lost: u64 = rounds.iter().map(|round| round.lost).sum();
    let (p50, p99) = (middle(|round| round.p50), middle(|round| round.p99));
    let p999 = middle(|round| round.p999);
    #[expect(clippy::cast_precision_loss, reason = "far from 2^53")]
    let lost_share = lost as f64;
    vec![
        Row::new("4 producers, one event each in 10 us: p99")
            .ours(time(p99))
            .floor("p50", time(p50))
            .at_most(p99 / 1e3, 1.0, " us")
            .note(format!(
                "{events} events in {ROUNDS} rounds, the median of the rounds; two readings of the clock are in it"
            )),
        Row::new("  p99.9")
            .ours(time(p999))
            .at_most(p999 / 1e3, 5.0, " us"),
        Row::new("  lost, with the default store")
            .ours(lost.to_string())
            .at_most(lost_share, 0.0, ""),
    ]
}

struct Round {
    events: u64,
    lost: u64,
    p50: f64,
    p99: f64,
    p999: f64,
}

fn round() -> Round {
    let trail = trails::on_host();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let link = SocketLink::to_path(&path).expect("a link");
    let flush =
        FlushThread::spawn(Arc::clone(&trail), 0, link, Settings::DEFAULT).expect("a thread");
    let reader = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the flusher");
        let mut buffer = vec![0; 1 << 20];
        while let Ok(1..) = stream.read(&mut buffer) {}
    });
    // The link is open once the receiver has had its time to answer.
    thread::sleep(SocketLink::PATIENCE + Duration::from_millis(50));
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|_| {
            let trail = Arc::clone(&trail);
            thread::spawn(move || produce(&trail))
        })
        .collect();
    let mut costs: Vec<f64> = producers
        .into_iter()
        .flat_map(|producer| producer.join().expect("a producer"))
        .collect();
    flush.finish(Duration::from_secs(5)).expect("the flusher");
    reader.join().expect("the reader");
    let totals = trail.lane(0).totals();
    assert_eq!(totals.written + totals.lost, costs.len() as u64);
    Round {
        events: totals.written,
        lost: totals.lost,
        p50: quantile(&mut costs, 0.5),
        p99: quantile(&mut costs, 0.99),
        p999: quantile(&mut costs, 0.999),
    }
}

/// Records when it is time, and otherwise lets others run: there may be fewer cores than threads.
fn produce(trail: &trails::BenchTrail) -> Vec<f64> {
    let start = Instant::now();
    let mut costs = Vec::with_capacity(100_000);
    let mut due = start;
    for number in 0.. {
        while Instant::now() < due {
            thread::yield_now();
        }
        let before = Instant::now();
        trail.record(&act(number).request());
        let after = Instant::now();
        costs.push(nanos(after - before));
        // Without catching up: a producer that was held makes no burst.
        due = before + GAP;
        if after - start > ROUND {
            break;
        }
    }
    costs
}
