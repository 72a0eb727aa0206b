//! The async drive loop: a device's trail under any executor.
//!
//! A microcontroller records events wherever they happen, in tasks and in interrupts, into a
//! [`Trail`](throughline_core::Trail) that is a `static`. One task drives its flusher over whatever
//! implements embedded-io-async's `Write`. It sleeps until there is something to do: embassy-time
//! tells it the time, embassy-sync wakes it.
//!
//! ```
//! use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
//! use throughline_core::{HttpRequest, Settings, Trail};
//! use throughline_embassy::{Device, Serial, drive};
//! use throughline_postcard::LinkFormat;
//!
//! static TRAIL: Trail<CriticalSectionRawMutex, Device<CriticalSectionRawMutex>, LinkFormat, &'static mut [u8; 1024], 4> =
//!     Trail::new(Device::new(random), LinkFormat);
//!
//! fn random() -> [u8; 16] {
//!     // ... the hardware's random number generator ...
//! #   [7; 16]
//! }
//!
//! async fn flush(uart: impl embedded_io_async::Write) {
//!     let mut line = Serial::new(uart, (&TRAIL, 0));
//!     drive(TRAIL.platform(), 0, &TRAIL.lane(0), &mut line, Settings::DEFAULT).await;
//! }
//!
//! TRAIL.record(&HttpRequest::denied("GET", "http://example.com/", "no rule"));
//! # let mut wire = [0; 512];
//! # let _ = flush(&mut wire[..]);
//! ```
//!
//! # The words
//!
//! | type | is |
//! |---|---|
//! | [`Device`] | the platform of a trail: time, randomness, wake-ups, and the order to end |
//! | [`Line`] | a link that is waited for; [`Serial`] is one over a UART |
//! | [`drive`] | the loop; [`Ended`] says how it went |
//! | [`Phases`] | phase records of transactions, beside the events |
//!
//! # What it does not do
//!
//! It has no executor, no time driver and no UART: the product chooses them. It reads nothing from
//! the line: the link format has no way back, and a receiver that cannot keep up says so with the
//! line's own flow control, if it has any. It does not keep anything over a reset: what was not
//! written then is gone, and the receiver sees a session without an end.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

mod device;
mod drive;
mod line;
mod phases;
mod time;

pub use device::Device;
pub use drive::{Ended, drive};
pub use line::{Greeter, Line, Serial};
pub use phases::{Beside, Emitter, Phases};
