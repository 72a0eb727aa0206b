use std::sync::{Mutex, PoisonError};

use embassy_sync::blocking_mutex::raw::RawMutex;

/// The lock of a trail on Linux: the standard library's mutex, which is a futex.
///
/// embassy-sync has none for `std` but one critical section for the whole process.
#[derive(Debug)]
pub struct FutexMutex(Mutex<()>);

// SAFETY: `RawMutex` asks that no two threads are inside `lock` of the same mutex at once. The guard
// of the standard mutex is held for as long as `f` runs, unwinding included, and a poisoned mutex is
// still locked by `into_inner`'s guard. rustix has futexes but no mutex.
#[allow(unsafe_code)]
unsafe impl RawMutex for FutexMutex {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self(Mutex::new(()));

    #[inline]
    fn lock<R>(&self, f: impl FnOnce() -> R) -> R {
        let _guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f()
    }
}
