//! The atomics of what threads share without a lock. The model checker has its own:
//!
//! ```text
//! RUSTFLAGS='--cfg loom' cargo test -p throughline-audit --lib --target-dir target/loom ring::model
//! ```

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
