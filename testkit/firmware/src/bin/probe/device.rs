use core::{hint::black_box, time::Duration};

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time_driver::Driver;
use throughline_core::{
    Change, Clock, Entropy, Flusher, HttpRequest, MatchedRule, Next, Settings, Trail, Transaction,
    TransactionId, turn,
};
use throughline_embassy::{Device, Greeter, Phases};
use throughline_postcard::LinkFormat;

use crate::unknown::Unknown;

type Bytes = &'static mut [u8];

static DEVICE_TRAIL: Trail<
    CriticalSectionRawMutex,
    Device<CriticalSectionRawMutex>,
    LinkFormat,
    Bytes,
    3,
> = Trail::new(Device::new(random), LinkFormat);
static PHASES: Phases<CriticalSectionRawMutex, 2> = Phases::new();
/// What a device does, but for waiting.
pub(crate) fn keep_a_trail(bytes: &[u8], text: &str) {
    let device = DEVICE_TRAIL.platform();
    device.set_wall(Unknown.wall());
    device.finish(black_box(0), Duration::from_secs(black_box(1)));
    let lane = DEVICE_TRAIL.lane(black_box(0));
    black_box(lane.lend(black_box(&mut [])).is_ok());
    let request = match MatchedRule::new(text) {
        Some(rule) => HttpRequest::allowed(bytes, bytes, rule),
        None => HttpRequest::denied(bytes, bytes, text),
    };
    black_box(DEVICE_TRAIL.record(&request));
    let mut out = [0; LinkFormat::BEGIN_MAX];
    black_box((&DEVICE_TRAIL, black_box(0)).greet(&mut out));

    let change = Change {
        transaction: TransactionId::draw(device),
        name: text,
        position: black_box(None),
    };
    let emitter = PHASES.emitter(DEVICE_TRAIL.session());
    Transaction::start(&emitter, change).captured().staged();
    black_box(PHASES.dropped());

    let source = PHASES.beside(lane);
    let mut flusher = Flusher::new(black_box(Settings::DEFAULT), black_box(7));
    while turn(
        &mut flusher,
        &source,
        &mut black_box(Unknown),
        device.monotonic(),
    ) == Next::Turn
    {}
}

fn random() -> [u8; 16] {
    Unknown.random()
}

/// A time driver of which nothing is known.
struct Ticks;

impl Driver for Ticks {
    fn now(&self) -> u64 {
        black_box(0)
    }

    fn schedule_wake(&self, at: u64, waker: &core::task::Waker) {
        black_box((at, waker.data()));
    }
}

embassy_time_driver::time_driver_impl!(static TICKS: Ticks = Ticks);
