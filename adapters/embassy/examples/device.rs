//! A device that keeps a trail: two tasks and an interrupt make requests, a third task writes the
//! trail to a UART.
//!
//! Run it as it is to see the frames on this machine:
//!
//! ```text
//! cargo run -p throughline-embassy --example device | xxd
//! ```
//!
//! In a product, `mod board` is the HAL, and the rest stays as it is.

use embassy_executor::{Executor, Spawner};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time::Timer;
use throughline_core::{
    Change, HttpRequest, MatchedRule, Settings, Trail, Transaction, TransactionId,
};
use throughline_embassy::{Device, Phases, Serial, drive};
use throughline_postcard::LinkFormat;

/// Every act of this device is recorded here, from wherever it happens.
static TRAIL: Trail<
    CriticalSectionRawMutex,
    Device<CriticalSectionRawMutex>,
    LinkFormat,
    &'static mut [u8; 1024],
    4,
> = Trail::new(Device::new(board::random), LinkFormat);

/// The phases of its changes, on their way to the same line.
static PHASES: Phases<CriticalSectionRawMutex, 8> = Phases::new();

fn main() -> ! {
    // The store is memory that is lent for good: four blocks of 1 KiB.
    for _ in 0..4 {
        let lent = TRAIL.lane(0).lend(Box::leak(Box::new([0; 1024])));
        assert!(lent.is_ok(), "a trail of four blocks takes four");
    }
    board::start_interrupt(|| {
        TRAIL.record(&HttpRequest::denied(
            "GET",
            "http://169.254.169.254/",
            "no rule",
        ));
    });
    let executor: &'static mut Executor = Box::leak(Box::new(Executor::new()));
    executor.run(|spawner| start(spawner).expect("each task is started once"))
}

fn start(spawner: Spawner) -> Result<(), embassy_executor::SpawnError> {
    spawner.spawn(flush(board::Uart)?);
    spawner.spawn(poll_configuration()?);
    spawner.spawn(send_measurements()?);
    Ok(())
}

/// Writes the trail out; sleeps until there is something to write.
#[embassy_executor::task]
async fn flush(uart: board::Uart) {
    let source = PHASES.beside(TRAIL.lane(0));
    let mut line = Serial::new(uart, (&TRAIL, 0));
    drive(TRAIL.platform(), 0, &source, &mut line, Settings::DEFAULT).await;
}

#[embassy_executor::task]
async fn poll_configuration() {
    let Some(rule) = MatchedRule::new("method=GET domain=config.example.com") else {
        return;
    };
    loop {
        TRAIL.record(&HttpRequest::allowed(
            "GET",
            "https://config.example.com/v2/desired",
            rule,
        ));
        // ... make the request, and apply what it says as a change with phases of its own ...
        let change = Change {
            transaction: TransactionId::draw(TRAIL.platform()),
            name: "calibrate",
            position: Some(TRAIL.position()),
        };
        let emitter = PHASES.emitter(TRAIL.session());
        let transaction = Transaction::start(&emitter, change).captured();
        transaction.applied().validated().committed();
        Timer::after_secs(2).await;
    }
}

#[embassy_executor::task]
async fn send_measurements() {
    let Some(rule) = MatchedRule::new("method=POST domain=telemetry.example.com") else {
        return;
    };
    loop {
        TRAIL.record(&HttpRequest::allowed(
            "POST",
            "https://telemetry.example.com/ingest",
            rule,
        ));
        // ... make the request ...
        Timer::after_millis(200).await;
    }
}

/// What a product's HAL brings; here it is this machine.
mod board {
    use std::{
        collections::hash_map::RandomState,
        convert::Infallible,
        hash::{BuildHasher, Hasher},
        io::Write as _,
        thread,
        time::Duration,
    };

    use embedded_io_async::{ErrorType, Write};

    pub(super) fn random() -> [u8; 16] {
        let mut bytes = [0; 16];
        for half in bytes.chunks_exact_mut(8) {
            half.copy_from_slice(&RandomState::new().build_hasher().finish().to_ne_bytes());
        }
        bytes
    }

    /// Calls `handle` twice a second.
    pub(super) fn start_interrupt(handle: fn()) {
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_millis(500));
                handle();
            }
        });
    }

    pub(super) struct Uart;

    impl ErrorType for Uart {
        type Error = Infallible;
    }

    impl Write for Uart {
        async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
            let mut out = std::io::stdout().lock();
            if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
                // Nobody reads any more.
                std::process::exit(0);
            }
            Ok(bytes.len())
        }

        async fn flush(&mut self) -> Result<(), Infallible> {
            Ok(())
        }
    }
}
