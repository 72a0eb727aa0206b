//! A device that keeps a trail: two tasks and an interrupt record, a third task writes to the UART.
//!
//! It records [`EVENTS`] acts faster than its line can take them, so that its store is full at times,
//! writes what it kept and what it lost, says so to QEMU's console, and ends.
#![no_std]
#![no_main]

use core::{
    cell::{Cell, RefCell},
    fmt::Write as _,
    sync::atomic::{AtomicU32, Ordering},
};

use cortex_m::peripheral::{SYST, syst::SystClkSource};
use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::{debug, hprintln, syscall};
use critical_section::Mutex;
use embassy_executor::{Executor, SpawnError, Spawner};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time::Timer;
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;
use embedded_io_async::{ErrorType, Write};
use static_cell::{ConstStaticCell, StaticCell};
use throughline_core::{
    Change, HttpRequest, MatchedRule, Settings, Timestamp, Trail, Transaction, TransactionId,
};
use throughline_embassy::{Device, Phases, Serial, drive};
use throughline_postcard::LinkFormat;

static BLOCKS: ConstStaticCell<[[u8; 2048]; 8]> = ConstStaticCell::new([[0; 2048]; 8]);

static TRAIL: Trail<
    CriticalSectionRawMutex,
    Device<CriticalSectionRawMutex>,
    LinkFormat,
    &'static mut [u8; 2048],
    8,
> = Trail::new(Device::new(random), LinkFormat);

static PHASES: Phases<CriticalSectionRawMutex, 8> = Phases::new();
static EXECUTOR: StaticCell<Executor> = StaticCell::new();

/// How often randomness was asked for.
static RANDOM_CALLS: AtomicU32 = AtomicU32::new(0);

#[entry]
fn main() -> ! {
    for block in BLOCKS.take() {
        if TRAIL.lane(0).lend(block).is_err() {
            fail("a block is refused");
        }
    }
    TRAIL.platform().set_wall(calendar());
    if let Some(peripherals) = cortex_m::Peripherals::take() {
        start_ticking(peripherals.SYST);
    }
    EXECUTOR.init(Executor::new()).run(|spawner| {
        if start(spawner).is_err() {
            fail("a task is started twice");
        }
    })
}

fn start(spawner: Spawner) -> Result<(), SpawnError> {
    spawner.spawn(flush(Uart)?);
    spawner.spawn(poll_configuration()?);
    spawner.spawn(send_measurements()?);
    Ok(())
}

/// Writes the trail out, and ends the run once that is done.
#[embassy_executor::task]
async fn flush(uart: Uart) {
    let source = PHASES.beside(TRAIL.lane(0));
    let mut line = Serial::new(uart, (&TRAIL, 0));
    let ended = drive(TRAIL.platform(), 0, &source, &mut line, Settings::DEFAULT).await;
    let (position, totals) = (TRAIL.position(), TRAIL.lane(0).totals());
    hprintln!(
        "session {} issued {} written {} lost {} phases dropped {}",
        position.session,
        position.recorded,
        totals.written,
        totals.lost,
        PHASES.dropped()
    );
    if ended.is_drained {
        debug::exit(debug::EXIT_SUCCESS);
    }
    fail("not everything was written");
}

/// A task whose acts come one by one; the first is a change with phases.
#[embassy_executor::task]
async fn poll_configuration() {
    let change = Change {
        transaction: TransactionId::draw(TRAIL.platform()),
        name: "calibrate",
        position: Some(TRAIL.position()),
    };
    let emitter = PHASES.emitter(TRAIL.session());
    let transaction = Transaction::start(&emitter, change).captured();
    transaction.applied().validated().committed();
    let mut revision = 0;
    while is_open() {
        revision += 1;
        allow(
            "GET",
            "https://config.example/v2/desired?revision=",
            revision,
        );
        Timer::after_millis(1).await;
    }
    TRAIL
        .platform()
        .finish(0, core::time::Duration::from_secs(30));
}

/// A task whose acts come in bursts, now and then more than the store holds.
#[embassy_executor::task]
async fn send_measurements() {
    let mut at = 0;
    let mut bursts: u32 = 0;
    while is_open() {
        bursts += 1;
        let count = if bursts.is_multiple_of(16) { 200 } else { 40 };
        for _ in 0..count {
            at += 1;
            allow(
                "POST",
                "https://telemetry.example/ingest/temperature?at=",
                at,
            );
        }
        Timer::after_millis(25).await;
    }
}

/// Whether there is more to record: the interrupt takes what the tasks leave of the last burst.
fn is_open() -> bool {
    TRAIL.position().recorded < EVENTS
}

fn allow(method: &str, url: &str, number: u32) {
    let mut text = heapless::String::<96>::new();
    if !is_open() || write!(text, "{url}{number}").is_err() {
        return;
    }
    let Some(rule) = MatchedRule::new("domain=*.example") else {
        return;
    };
    critical_section::with(|_| {
        // Asked again, with the interrupt held off: it may have recorded the last one.
        if is_open() {
            TRAIL.record(&HttpRequest::allowed(method, text.as_str(), rule));
        }
    });
}

/// The interrupt: a millisecond has passed, and every tenth time something asks for what it may not.
#[exception]
fn SysTick() {
    let now = critical_section::with(|cs| {
        let now = TIME.millis.borrow(cs).get() + 1;
        TIME.millis.borrow(cs).set(now);
        TIME.queue.borrow(cs).borrow_mut().next_expiration(now);
        now
    });
    if now.is_multiple_of(10) && is_open() {
        TRAIL.record(&HttpRequest::denied(
            "GET",
            "http://169.254.169.254/latest/",
            "no rule",
        ));
    }
}

/// The first UART of the LM3S6965, as fast as 1 Mbit/s: 100 bytes a millisecond.
struct Uart;

impl ErrorType for Uart {
    type Error = core::convert::Infallible;
}

impl Write for Uart {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        let len = bytes.len().min(100);
        Timer::after_millis(1).await;
        for byte in bytes.iter().take(len) {
            // SAFETY: this is the UART's data register (LM3S6965 data sheet, UARTDR), which nothing
            // else in this program writes to, and QEMU's has always room.
            unsafe { UART_DATA.write_volatile(u32::from(*byte)) };
        }
        Ok(len)
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Milliseconds counted by the interrupt, and the tasks that wait for one.
struct Millis {
    millis: Mutex<Cell<u64>>,
    queue: Mutex<RefCell<Queue>>,
}

impl Driver for Millis {
    fn now(&self) -> u64 {
        critical_section::with(|cs| self.millis.borrow(cs).get())
    }

    fn schedule_wake(&self, at: u64, waker: &core::task::Waker) {
        critical_section::with(|cs| {
            let mut queue = self.queue.borrow(cs).borrow_mut();
            // The interrupt looks every millisecond, so there is no alarm to be set.
            let _ = queue.schedule_wake(at, waker);
        });
    }
}

embassy_time_driver::time_driver_impl!(static TIME: Millis = Millis {
    millis: Mutex::new(Cell::new(0)),
    queue: Mutex::new(RefCell::new(Queue::new())),
});

fn start_ticking(mut systick: SYST) {
    systick.set_clock_source(SystClkSource::Core);
    systick.set_reload(CORE_HZ / 1000 - 1);
    systick.clear_current();
    systick.enable_interrupt();
    systick.enable_counter();
}

/// The host's calendar, which a device would learn over a network.
fn calendar() -> Timestamp {
    // SAFETY: SYS_TIME takes no argument and returns seconds since 1970 (Semihosting for AArch32).
    let seconds = unsafe { syscall!(TIME) };
    Timestamp::from_nanos(u64::try_from(seconds).unwrap_or_default() * 1_000_000_000)
}

/// Bytes that differ from run to run and from call to call; a product asks its random number
/// generator.
fn random() -> [u8; 16] {
    let calls = RANDOM_CALLS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: SYS_CLOCK takes no argument and returns hundredths of a second since the start; SYS_TIME
    // as above.
    let (clock, time) = unsafe { (syscall!(CLOCK), syscall!(TIME)) };
    let (clock, time) = (clock as u64, time as u64);
    let mut state = (time << 20) ^ clock ^ (u64::from(SYST::get_current() ^ (calls << 16)) << 32);
    let mut bytes = [0; 16];
    for half in bytes.chunks_exact_mut(8) {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        half.copy_from_slice(&(state ^ (state >> 29)).to_le_bytes());
    }
    bytes
}

fn fail(what: &str) -> ! {
    hprintln!("failed: {}", what);
    debug::exit(debug::EXIT_FAILURE);
    loop {}
}

#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    debug::exit(debug::EXIT_FAILURE);
    loop {}
}

/// Acts that are recorded (count).
const EVENTS: u32 = 10_000;

/// The clock of QEMU's board after a reset.
const CORE_HZ: u32 = 12_500_000;

const UART_DATA: *mut u32 = 0x4000_c000 as *mut u32;
