use std::{
    hint,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use embassy_sync::blocking_mutex::raw::RawMutex;

/// The lock of a trail on Linux.
///
/// It is held for some hundred instructions, in which no system call is made. So whoever finds it taken
/// tries again at once, a hundred times; had the holder no core to run on, it then gives way, and after
/// that sleeps for 50 microseconds at a time, which lets the holder run whatever the two threads'
/// priorities are. To unlock is one plain store: a recorder never pays for waking another.
///
/// embassy-sync has none for `std` but one critical section for the whole process.
#[derive(Debug)]
pub struct HostMutex {
    taken: AtomicBool,
}

// SAFETY: `RawMutex` asks that no two threads are inside `lock` of the same mutex at once. Whoever is
// inside has changed `taken` from false to true, which one thread alone can do until it is false again;
// `Unlock` makes it so when `f` has returned or unwound, and nothing else does. The orders make what one
// holder did visible to the next. rustix has futexes but no mutex.
#[allow(unsafe_code)]
unsafe impl RawMutex for HostMutex {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self {
        taken: AtomicBool::new(false),
    };

    #[inline]
    fn lock<R>(&self, f: impl FnOnce() -> R) -> R {
        if !self.take() {
            self.wait();
        }
        let _unlock = Unlock(self);
        f()
    }
}

impl HostMutex {
    #[inline]
    fn take(&self) -> bool {
        !self.taken.swap(true, Ordering::Acquire)
    }

    #[cold]
    fn wait(&self) {
        let mut tries = 0_u32;
        loop {
            // To look first keeps the holder's cache line where it is.
            if !self.taken.load(Ordering::Relaxed) && self.take() {
                return;
            }
            match tries {
                0..SPINS => hint::spin_loop(),
                SPINS..YIELDS => thread::yield_now(),
                _ => thread::sleep(SLEEP),
            }
            tries = tries.saturating_add(1);
        }
    }
}

const SPINS: u32 = 100;
const YIELDS: u32 = SPINS + 4;
const SLEEP: Duration = Duration::from_micros(50);

struct Unlock<'a>(&'a HostMutex);

impl Drop for Unlock<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use embassy_sync::blocking_mutex::Mutex;

    use super::*;

    #[test]
    fn one_thread_is_inside_at_a_time() {
        let count: Mutex<HostMutex, Cell<u64>> = Mutex::new(Cell::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100_000 {
                        count.lock(|count| count.set(count.get() + 1));
                    }
                });
            }
        });
        assert_eq!(count.into_inner().get(), 400_000);
    }

    #[test]
    fn who_comes_while_the_holder_sleeps_gets_it_after() {
        let order: Mutex<HostMutex, Cell<u32>> = Mutex::new(Cell::new(0));
        let held = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                order.lock(|order| {
                    held.store(true, Ordering::Release);
                    thread::sleep(Duration::from_millis(20));
                    order.set(1);
                });
            });
            while !held.load(Ordering::Acquire) {
                thread::yield_now();
            }
            order.lock(|order| assert_eq!(order.get(), 1));
        });
    }

    #[test]
    fn a_panic_inside_leaves_it_free() {
        let mutex: Mutex<HostMutex, ()> = Mutex::new(());
        let panicked = catch_unwind(AssertUnwindSafe(|| mutex.lock(|()| panic!("inside"))));
        assert!(panicked.is_err());
        mutex.lock(|()| {});
    }
}
