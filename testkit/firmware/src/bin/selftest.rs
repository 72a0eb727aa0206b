//! Core, the agent socket's encoder and the raw header injector on a Cortex-M3, checking themselves.
//!
//! Main and an interrupt record to one trail; the batches are sealed, decoded again and counted; a
//! request head is stamped; a transaction is walked. QEMU exits with 0 if all of it holds.
#![no_std]
#![no_main]

use core::{
    cell::RefCell,
    sync::atomic::{AtomicU32, Ordering},
    task::Poll,
};

use cortex_m::{Peripherals, peripheral::syst::SystClkSource};
use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::{debug, hprintln};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use static_cell::ConstStaticCell;
use throughline_core::{
    Change, Clock, Entropy, Failure, Flusher, HttpRequest, Instant, MatchedRule, Next, Outcome,
    Phase, PhaseEmitter, PhaseRecord, Platform, Settings, Timestamp, Trail, Transaction,
    TransactionId, Transport, turn,
};
use throughline_headers::{HeadInjector, Names};
use throughline_protobuf::{AgentSocket, Header, Message};

static BLOCKS: ConstStaticCell<[[u8; BLOCK]; COUNT]> = ConstStaticCell::new([[0; BLOCK]; COUNT]);

static TRAIL: Trail<CriticalSectionRawMutex, Board, AgentSocket, &'static mut [u8; BLOCK], COUNT> =
    Trail::new(Board, AgentSocket::new(throughline_protobuf::Tag::V2));

/// How often the interrupt has come.
static TICKS: AtomicU32 = AtomicU32::new(0);

const BLOCK: usize = 2048;
const COUNT: usize = 4;

/// A device without a calendar: time is the number of ticks.
struct Board;

impl Clock for Board {
    fn wall(&self) -> Timestamp {
        Timestamp::from_nanos(u64::from(TICKS.load(Ordering::Relaxed)) * 1_000_000)
    }

    fn monotonic(&self) -> Instant {
        Instant::from_nanos(self.wall().nanos())
    }
}

impl Entropy for Board {
    /// A test needs no secret; a product asks its random number generator.
    fn random(&self) -> [u8; 16] {
        [0x5a; 16]
    }
}

impl Platform for Board {
    fn wake(&self, _: usize) {}
}

#[exception]
fn SysTick() {
    TICKS.fetch_add(1, Ordering::Relaxed);
    TRAIL.record(&HttpRequest::denied("GET", "http://interrupt.example/", "no rule"));
}

#[entry]
fn main() -> ! {
    let outcome = test();
    match outcome {
        Ok(()) => debug::exit(debug::EXIT_SUCCESS),
        Err(what) => {
            hprintln!("failed: {}", what);
            debug::exit(debug::EXIT_FAILURE);
        }
    }
    loop {}
}

fn test() -> Result<(), &'static str> {
    for block in BLOCKS.take() {
        TRAIL.lane(0).lend(block).map_err(|_| "a block is refused")?;
    }
    record_from_two_priorities()?;
    inject()?;
    walk_a_transaction()
}

/// Both priorities record while the flusher drains, until main has recorded its share.
fn record_from_two_priorities() -> Result<(), &'static str> {
    let mut systick = Peripherals::take().ok_or("no peripherals")?.SYST;
    systick.set_clock_source(SystClkSource::Core);
    systick.set_reload(20_000);
    systick.clear_current();
    systick.enable_interrupt();
    systick.enable_counter();

    let mut flusher = Flusher::new(Settings::DEFAULT, 1);
    let mut wire = Wire::default();
    for number in 0..SHARE {
        TRAIL.record(&request());
        if number % 8 == 0 {
            drain(&mut flusher, &mut wire);
        }
    }
    systick.disable_interrupt();
    let now = Board.monotonic();
    flusher.finish(now, now.after(Settings::DEFAULT.max_age));
    drain(&mut flusher, &mut wire);

    let position = TRAIL.position();
    let ticks = TICKS.load(Ordering::Relaxed);
    let totals = TRAIL.lane(0).totals();
    hprintln!("recorded {} ({} by the interrupt)", position.recorded, ticks);
    hprintln!("written {} in {} frames, lost {}", wire.events, wire.frames, totals.lost);
    check(position.recorded == SHARE + ticks, "every act has a number")?;
    check(ticks > 0, "the interrupt came")?;
    check(totals.lost == 0, "nothing is lost")?;
    check(wire.next == position.recorded, "every number was read, in order")?;
    check(wire.is_ended, "the session has ended")?;
    check(wire.is_sound, "every frame is sound")
}

fn request() -> HttpRequest<'static> {
    match MatchedRule::new("domain=main.example") {
        Some(rule) => HttpRequest::allowed("POST", "http://main.example/measure", rule),
        None => HttpRequest::denied("POST", "http://main.example/measure", "no rule"),
    }
}

fn drain(flusher: &mut Flusher<&'static mut [u8; BLOCK]>, wire: &mut Wire) {
    let lane = TRAIL.lane(0);
    while turn(flusher, &lane, wire, Board.monotonic()) == Next::Turn {}
}

/// A receiver that decodes each frame as it comes.
struct Wire {
    frames: u32,
    events: u32,
    next: u32,
    is_ended: bool,
    is_sound: bool,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            frames: 0,
            events: 0,
            next: 0,
            is_ended: false,
            is_sound: true,
        }
    }
}

impl Transport for Wire {
    fn open(&mut self) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, frame: &[u8]) -> Poll<Result<usize, Failure>> {
        self.frames += 1;
        if self.read(frame).is_none() {
            self.is_sound = false;
        }
        Poll::Ready(Ok(frame.len()))
    }

    fn close(&mut self) {}
}

impl Wire {
    fn read(&mut self, frame: &[u8]) -> Option<()> {
        let (header, payload) = frame.split_first_chunk()?;
        let header = Header::parse(*header).ok()?;
        match Message::decode(header.tag, payload.get(..header.len)?).ok()? {
            Message::Logs(logs) => {
                for log in &logs {
                    self.events += 1;
                    let number = u32::try_from(log.sequence_number).ok()?;
                    self.is_sound &= number == self.next;
                    self.next = number + 1;
                }
            }
            Message::Status(status) => self.is_ended |= status.end.is_some(),
            _ => return None,
        }
        Some(())
    }
}

/// The head that leaves carries the stamp of the act, and no other.
fn inject() -> Result<(), &'static str> {
    let stamp = TRAIL.record(&request());
    let head = b"GET /measure HTTP/1.1\r\nhost: main.example\r\n\
        x-coder-agent-firewall-session-id: forged\r\naccept: */*\r\n\r\n";
    let mut out = [0; 512];
    let injector = HeadInjector::new(&Names::DEFAULT, stamp.session());
    let rewritten = injector
        .rewrite(head, &mut out, Some(stamp))
        .map_err(|_| "a head is refused")?;
    let text = core::str::from_utf8(out.get(..rewritten.written).unwrap_or_default())
        .map_err(|_| "a head is text")?;
    check(!text.contains("forged"), "what was forged is gone")?;
    check(text.contains(stamp.session().to_text().as_str()), "the session is there")?;
    check(text.contains("accept: */*"), "what was not ours is kept")
}

/// The phases of a change that cannot be validated, in order.
fn walk_a_transaction() -> Result<(), &'static str> {
    let phases = Phases(RefCell::new(heapless::Vec::new()));
    let change = Change {
        transaction: TransactionId::draw(&Board),
        name: "calibration",
        position: Some(TRAIL.position()),
    };
    let applied = Transaction::start(&phases, change).captured().applied();
    applied.validate_failed().rolled_back();
    drop(Transaction::start(&phases, change));
    let expected = [
        Phase::Started,
        Phase::Capture,
        Phase::Apply,
        Phase::Validate,
        Phase::Outcome(Outcome::RolledBack),
        Phase::Started,
        Phase::Outcome(Outcome::Errored),
    ];
    check(phases.0.into_inner() == expected, "the phases are in order")
}

struct Phases(RefCell<heapless::Vec<Phase, 8>>);

impl PhaseEmitter for Phases {
    fn emit(&self, record: &PhaseRecord<'_>) {
        let _ = self.0.borrow_mut().push(record.phase);
    }
}

fn check(holds: bool, what: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(what) }
}

#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    debug::exit(debug::EXIT_FAILURE);
    loop {}
}

/// Acts that main records (count).
const SHARE: u32 = 2000;
