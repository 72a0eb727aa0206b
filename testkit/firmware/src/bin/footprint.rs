//! What a device needs, and nothing else, so that its size tells what it costs: a trail, its flusher,
//! the agent socket's encoder, the raw header injector and a transaction.
#![no_std]
#![no_main]

use core::{hint::black_box, task::Poll};

// For its critical section.
use cortex_m as _;
use cortex_m_rt::entry;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use static_cell::{ConstStaticCell, StaticCell};
use throughline_core::{
    Change, Clock, Entropy, Failure, Flusher, HttpRequest, Instant, MatchedRule, Next,
    PhaseEmitter, PhaseRecord, Platform, Settings, Timestamp, Trail, Transaction, TransactionId,
    Transport, turn,
};
use throughline_headers::{HeadInjector, Names};
use throughline_protobuf::{AgentSocket, Tag};

type Block = &'static mut [u8; 2048];

/// The store, which is the product's choice and is not counted.
static STORE: ConstStaticCell<[[u8; 2048]; 4]> = ConstStaticCell::new([[0; 2048]; 4]);

static TRAIL: Trail<CriticalSectionRawMutex, Board, AgentSocket, Block, 4> =
    Trail::new(Board, AgentSocket::new(Tag::V2));
static FLUSHER: StaticCell<Flusher<Block>> = StaticCell::new();
static INJECTOR: StaticCell<HeadInjector> = StaticCell::new();

struct Board;

impl Clock for Board {
    fn wall(&self) -> Timestamp {
        Timestamp::new(black_box(0), black_box(0))
    }

    fn monotonic(&self) -> Instant {
        Instant::from_nanos(black_box(0))
    }
}

impl Entropy for Board {
    fn random(&self) -> [u8; 16] {
        black_box([0; 16])
    }
}

impl Platform for Board {
    fn wake(&self, lane: usize) {
        black_box(lane);
    }
}

impl Transport for Board {
    fn open(&mut self) -> Poll<Result<(), Failure>> {
        black_box(Poll::Pending)
    }

    fn send(&mut self, frame: &[u8]) -> Poll<Result<usize, Failure>> {
        black_box(Poll::Ready(Ok(black_box(frame).len())))
    }

    fn close(&mut self) {}
}

impl PhaseEmitter for Board {
    fn emit(&self, record: &PhaseRecord<'_>) {
        black_box((record.phase.as_str(), record.success));
    }
}

#[entry]
fn main() -> ! {
    for block in STORE.take() {
        black_box(TRAIL.lane(0).lend(block).is_ok());
    }
    let flusher = FLUSHER.init(Flusher::new(Settings::DEFAULT, black_box(7)));
    let injector = INJECTOR.init(HeadInjector::new(&Names::DEFAULT, TRAIL.session()));
    let mut out = [0; 512];
    loop {
        act(injector, &mut out);
        change();
        let lane = TRAIL.lane(0);
        while turn(flusher, &lane, &mut Board, Board.monotonic()) == Next::Turn {}
    }
}

fn act(injector: &HeadInjector, out: &mut [u8]) {
    let (url, rule) = (black_box(&b"http://a/"[..]), black_box("domain=a"));
    let stamp = match MatchedRule::new(rule) {
        Some(rule) => TRAIL.record(&HttpRequest::allowed("GET", url, rule)),
        None => TRAIL.record(&HttpRequest::denied("GET", url, rule)),
    };
    let head = black_box(&b"GET / HTTP/1.1\r\n\r\n"[..]);
    black_box(injector.rewrite(head, out, Some(stamp)).is_ok());
}

fn change() {
    let change = Change {
        transaction: TransactionId::draw(&Board),
        name: "calibration",
        position: Some(TRAIL.position()),
    };
    let captured = Transaction::start(Board, change).captured();
    if black_box(true) {
        captured.applied().validated().committed();
    } else {
        captured.apply_failed().rolled_back();
    }
}

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
