//! How often a recorder wakes a flusher, and what that costs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};
use throughline_benches::{
    events::act,
    rounds::{nanos, quantile},
    trails,
};
use throughline_core::{Clock, Entropy, Platform, Timestamp};
use throughline_protobuf::AgentSocket;
use throughline_socket::{Host, Waker};

use crate::report::{Row, time};

pub(crate) fn rows() -> Vec<Row> {
    vec![a_frame(), below_the_watermark(), price()]
}

fn a_frame() -> Row {
    let trail = trails::with(Counted::new(), AgentSocket::default());
    let mut frames = 0;
    for number in 0..200_000 {
        trail.record(&act(number).request());
        if number % 5000 == 0 {
            frames += trails::drain(&trail);
        }
    }
    frames += trails::drain(&trail);
    let wakes = trail.platform().wakes();
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let each = wakes as f64 / frames as f64;
    Row::new("wakes of a flusher, for each frame")
        .ours(format!("{wakes} / {frames}"))
        .ratio(each)
        .at_most(each, 1.0, "")
}

fn below_the_watermark() -> Row {
    let trail = trails::with(Counted::new(), AgentSocket::default());
    let mut wakes = 0;
    for _ in 0..1000 {
        // A frame takes about 280 of these; a flusher comes by its own timer.
        for number in 0..200 {
            trail.record(&act(number).request());
        }
        wakes = trail.platform().wakes();
        trails::drain(&trail);
    }
    Row::new("  below the watermark")
        .ours(wakes.to_string())
        .at_most(count(wakes), 0.0, "")
}

#[expect(clippy::cast_precision_loss, reason = "thousands")]
const fn count(value: u64) -> f64 {
    value as f64
}

/// What the one wake costs the thread that makes it, with somebody parked and with nobody.
fn price() -> Row {
    let waker = Arc::new(Waker::new().expect("a waker"));
    let stop = Arc::new(AtomicBool::new(false));
    let parked = thread::spawn({
        let (waker, stop) = (Arc::clone(&waker), Arc::clone(&stop));
        move || {
            while !stop.load(Ordering::SeqCst) {
                waker.arm();
                let _ = poll(&mut [PollFd::new(&*waker, PollFlags::IN)], None);
            }
        }
    });
    let mut costs: Vec<f64> = (0..2000)
        .map(|_| {
            thread::sleep(Duration::from_micros(100));
            let start = Instant::now();
            waker.wake();
            nanos(start.elapsed())
        })
        .collect();
    stop.store(true, Ordering::SeqCst);
    while !parked.is_finished() {
        waker.wake();
        thread::sleep(Duration::from_millis(1));
    }
    Row::new("  what one costs, the thread parked")
        .ours(time(quantile(&mut costs, 0.5)))
        .note("the median; what is not paid below the watermark")
}

/// The machine, with its wakes counted instead of made.
struct Counted {
    host: Host,
    wakes: AtomicU64,
}

impl Counted {
    fn new() -> Self {
        Self {
            host: Host::new(1).expect("a waker"),
            wakes: AtomicU64::new(0),
        }
    }

    fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Relaxed)
    }
}

impl Clock for Counted {
    fn wall(&self) -> Timestamp {
        self.host.wall()
    }

    fn monotonic(&self) -> throughline_core::Instant {
        self.host.monotonic()
    }
}

impl Entropy for Counted {
    fn random(&self) -> [u8; 16] {
        self.host.random()
    }
}

impl Platform for Counted {
    fn wake(&self, _: usize) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }
}
