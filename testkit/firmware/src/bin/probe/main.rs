//! The proof that nothing in core, the protobuf and link formats, the rules, the raw headers or what a
//! device adds to them can panic or allocate. The async drive loop is not here: the compiler puts a
//! panic into every `async fn`, for those who poll one that has ended.
//!
//! Each entry point is called with values that the compiler cannot see through; `.ci/probe` looks that
//! none is missing. The panic handler calls a function that does not exist: if any path to it is left
//! after optimisation, the link fails with `undefined symbol: a_panic_can_be_reached`. There is no
//! allocator, so one that was asked for would fail to link as well.
#![no_std]
#![no_main]

mod change;
mod device;
mod heads;
mod link;
mod policy;
mod record;
mod unknown;
mod wire;

use core::hint::black_box;

// For its critical section.
use cortex_m as _;
use cortex_m_rt::entry;

#[entry]
fn main() -> ! {
    let bytes = black_box(&b""[..]);
    #[cfg(feature = "deliberate-panic")]
    black_box(bytes[black_box(0)]);
    let text = black_box("");
    record::words(bytes, text);
    record::events(bytes, text);
    record::flush();
    record::drive_by_hand();
    change::phases(text);
    change::outcomes(text);
    wire::frames(bytes);
    policy::decide(bytes, text);
    policy::redact(bytes, text);
    heads::rewrite(bytes, text);
    link::receive(bytes);
    device::keep_a_trail(bytes, text);
    loop {}
}

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn a_panic_can_be_reached() -> !;
    }
    // SAFETY: it is never called: the symbol does not exist, so a binary that could call it does
    // not link.
    unsafe { a_panic_can_be_reached() }
}
