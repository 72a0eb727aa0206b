//! The proof that nothing in core, the protobuf and link formats, the rules, the raw headers or what a
//! device adds to them can panic or allocate. The async drive loop is not here: the compiler puts a
//! panic into every `async fn`, for those who poll one that has ended.
//!
//! Each entry point is called with values that the compiler cannot see through. The panic handler
//! calls a function that does not exist: if any path to it is left after optimisation, the link
//! fails with `undefined symbol: a_panic_can_be_reached`. There is no allocator, so one that was
//! asked for would fail to link as well.
#![no_std]
#![no_main]

use core::{hint::black_box, task::Poll};

// For its critical section.
use cortex_m as _;
use cortex_m_rt::entry;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time_driver::Driver;
use static_cell::ConstStaticCell;
use throughline_core::{
    Cause, Change, Clock, Entropy, Failure, Flusher, HttpRequest, Instant, MatchedRule, Next,
    PhaseEmitter, PhaseRecord, Platform, ProcessName, Sequence, Session, SessionId, Settings,
    Source, Stamp, Text, Timestamp, Trail, Transaction, TransactionId, Transport, turn,
};
use throughline_embassy::{Device, Greeter, Phases};
use throughline_headers::{HeadInjector, Names};
use throughline_postcard::{Decoder, Fed, LinkFormat, Message as LinkMessage, Packet};
use throughline_protobuf::{AgentSocket, Header, Message, Tag};
use throughline_rules::{Grammar, Redaction, Rule, Url, first_match};

type Bytes = &'static mut [u8];

static TRAIL: Trail<CriticalSectionRawMutex, Unknown, AgentSocket, Bytes, 3, 2> =
    Trail::new(Unknown, AgentSocket::new(Tag::V2));

static DEVICE_TRAIL: Trail<
    CriticalSectionRawMutex,
    Device<CriticalSectionRawMutex>,
    LinkFormat,
    Bytes,
    3,
> = Trail::new(Device::new(random), LinkFormat);
static PHASES: Phases<CriticalSectionRawMutex, 2> = Phases::new();
static DECODER: ConstStaticCell<Decoder> = ConstStaticCell::new(Decoder::new());

/// A machine of which nothing is known.
struct Unknown;

impl Clock for Unknown {
    fn wall(&self) -> Timestamp {
        Timestamp::new(black_box(0), black_box(0))
    }

    fn monotonic(&self) -> Instant {
        Instant::from_nanos(black_box(0))
    }
}

impl Entropy for Unknown {
    fn random(&self) -> [u8; 16] {
        black_box([0; 16])
    }
}

impl Platform for Unknown {
    fn wake(&self, lane: usize) {
        black_box(lane);
    }
}

impl Transport for Unknown {
    fn open(&mut self) -> Poll<Result<(), Failure>> {
        black_box(Poll::Pending)
    }

    fn send(&mut self, frame: &[u8]) -> Poll<Result<usize, Failure>> {
        black_box(Poll::Ready(Ok(black_box(frame).len())))
    }

    fn close(&mut self) {}
}

impl PhaseEmitter for Unknown {
    fn emit(&self, record: &PhaseRecord<'_>) {
        black_box((record.phase.as_str(), record.success, record.step));
    }
}

#[entry]
fn main() -> ! {
    let bytes = black_box(&b""[..]);
    #[cfg(feature = "deliberate-panic")]
    black_box(bytes[black_box(0)]);
    let text = black_box("");
    record(bytes, text);
    flush();
    name(bytes, text);
    change(text);
    receive(bytes);
    decide(bytes, text);
    rewrite(bytes);
    keep_a_trail(bytes, text);
    receive_from_a_line(bytes);
    loop {}
}

fn record(bytes: &[u8], text: &str) {
    let given = TRAIL.lane(black_box(0)).lend(black_box(&mut []));
    black_box(given.is_ok());
    let request = match MatchedRule::new(text) {
        Some(rule) => HttpRequest::allowed(bytes, bytes, rule),
        None => HttpRequest::denied(bytes, bytes, text),
    };
    black_box(TRAIL.record(&request));
    black_box(TRAIL.position());
}

fn flush() {
    let lane = TRAIL.lane(black_box(1));
    let mut flusher = Flusher::new(black_box(Settings::DEFAULT), black_box(7));
    while turn(&mut flusher, &lane, &mut black_box(Unknown), Unknown.monotonic()) == Next::Turn {}
    flusher.finish(Unknown.monotonic(), Unknown.monotonic());
    black_box((flusher.poll_timeout(), flusher.is_drained(), flusher.counters()));
    lane.blame(black_box(Cause::SpoolFull));
    lane.close();
    lane.abandon(black_box(Cause::SpoolFull));
    lane.each_loss(|session, loss| {
        black_box((session, loss));
    });
    black_box(lane.totals());
}

fn name(bytes: &[u8], text: &str) {
    let mut out = [0; 64];
    black_box(Text::new(bytes).cut(black_box(3)).write(&mut out));
    black_box(ProcessName::of_command(text).as_str());
    black_box(SessionId::draw(&Unknown).to_text().as_str());
    black_box(Sequence::new(black_box(5)).and_then(Sequence::next));
    let session = Session::new(SessionId::draw(&Unknown), Unknown.wall());
    black_box(session.started().subsec_nanos());
}

fn change(text: &str) {
    let change = Change {
        transaction: TransactionId::draw(&Unknown),
        name: text,
        position: Some(TRAIL.position()),
    };
    let captured = Transaction::start(Unknown, change).captured();
    if black_box(true) {
        captured.apply_failed().rolled_back();
    } else {
        captured.applied().validated().committed();
    }
    drop(Transaction::recover(Unknown, change, black_box(2)));
}

fn receive(bytes: &[u8]) {
    let header = Header::parse(black_box([2, 0, 0, 0]));
    let tag = header.map_or(Tag::V1, |header| header.tag);
    match Message::decode(tag, bytes) {
        Ok(Message::Logs(logs)) => black_box(logs.iter().count()),
        Ok(Message::Status(status)) => black_box(status.losses().count()),
        Ok(_) | Err(_) => 0,
    };
}

fn decide(bytes: &[u8], text: &str) {
    let rule = Rule::parse_as(text, black_box(Grammar::Strict));
    if let (Ok(rule), Ok(url)) = (rule, Url::parse(bytes)) {
        black_box(first_match(&[rule], text, &url).is_some());
    }
    let mut out = [0; 64];
    black_box(Redaction::new().redact(bytes).write_to(&mut out).is_ok());
}

fn rewrite(bytes: &[u8]) {
    let injector = HeadInjector::new(&Names::DEFAULT, SessionId::draw(&Unknown));
    let stamp = Stamp::new(SessionId::draw(&Unknown), Sequence::ZERO);
    let mut out = [0; 64];
    black_box(injector.rewrite(bytes, &mut out, black_box(Some(stamp))).is_ok());
}

/// What a device does, but for waiting.
fn keep_a_trail(bytes: &[u8], text: &str) {
    let device = DEVICE_TRAIL.platform();
    device.set_wall(Unknown.wall());
    device.finish(black_box(0), core::time::Duration::from_secs(black_box(1)));
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
    while turn(&mut flusher, &source, &mut black_box(Unknown), device.monotonic()) == Next::Turn {}
}

fn receive_from_a_line(bytes: &[u8]) {
    let Some(decoder) = DECODER.try_take() else {
        return;
    };
    match decoder.feed(bytes) {
        Fed::Consumed => {}
        Fed::Packet(packet, rest) => read_packet(packet, rest),
        Fed::Bad(bad, rest) => drop(black_box((bad, rest.len()))),
    }
    decoder.interrupted();
    black_box(decoder.counters());
}

fn read_packet(packet: Packet<'_>, rest: &[u8]) {
    black_box((packet.session.as_uuid().as_bytes(), rest.len()));
    match packet.message {
        LinkMessage::Begin { process, written } => drop(black_box((process.len(), written))),
        LinkMessage::Events(mut events) => events.for_each(|event| {
            black_box((event.sequence, event.request.url().len()));
        }),
        LinkMessage::Report(report) => drop(black_box((report.losses, report.end))),
        LinkMessage::Phase(record) => drop(black_box((record.phase.as_str(), record.step))),
        _ => {}
    }
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

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn a_panic_can_be_reached() -> !;
    }
    // SAFETY: it is never called: the symbol does not exist, so a binary that could call it does
    // not link.
    unsafe { a_panic_can_be_reached() }
}
