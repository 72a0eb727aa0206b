use std::sync::atomic::{AtomicBool, Ordering};

/// Whether somebody waits, or is about to: the half of a [`Waker`](crate::Waker) that needs no system call.
///
/// The waiter arms it, looks for work, and waits if there is none. Whoever has published work disarms it,
/// and wakes the waiter if it was armed. Both steps are sequentially consistent, so one of the two sees
/// the other, and of many who come at once one wakes.
#[derive(Debug, Default)]
pub(crate) struct Armed<F = AtomicBool>(F);

impl<F: Flag> Armed<F> {
    pub(crate) fn arm(&self) {
        self.0.set();
    }

    /// Whether it was armed, and the caller is the one who has to wake the waiter.
    pub(crate) fn disarm(&self) -> bool {
        // To look first keeps recorders from taking the flag's cache line from each other.
        self.0.is_set() && self.0.take()
    }
}

/// A flag that threads share; the model checker has its own.
pub(crate) trait Flag {
    fn set(&self);
    fn is_set(&self) -> bool;
    fn take(&self) -> bool;
}

impl Flag for AtomicBool {
    fn set(&self) {
        self.store(true, Ordering::SeqCst);
    }

    fn is_set(&self) -> bool {
        self.load(Ordering::SeqCst)
    }

    fn take(&self) -> bool {
        self.swap(false, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use loom::{
        sync::{Arc, Condvar, Mutex, atomic},
        thread,
    };

    use super::*;

    impl Flag for atomic::AtomicBool {
        fn set(&self) {
            self.store(true, Ordering::SeqCst);
        }

        fn is_set(&self) -> bool {
            self.load(Ordering::SeqCst)
        }

        fn take(&self) -> bool {
            self.swap(false, Ordering::SeqCst)
        }
    }

    /// A waiter, its work, and an event counter as eventfd(2) has it.
    #[derive(Default)]
    struct World {
        armed: Armed<atomic::AtomicBool>,
        work: Mutex<usize>,
        event: Mutex<usize>,
        written: Condvar,
        writes: atomic::AtomicUsize,
    }

    impl World {
        /// What a recorder does.
        fn publish(&self) {
            *self.work.lock().unwrap() += 1;
            if self.armed.disarm() {
                self.writes.fetch_add(1, Ordering::Relaxed);
                *self.event.lock().unwrap() += 1;
                self.written.notify_one();
            }
        }

        /// What the flusher's thread does until it has got `count` pieces of work; returns how often
        /// it has armed.
        fn serve(&self, count: usize) -> usize {
            let (mut got, mut turns) = (0, 0);
            loop {
                *self.event.lock().unwrap() = 0;
                self.armed.arm();
                turns += 1;
                got += std::mem::take(&mut *self.work.lock().unwrap());
                if got == count {
                    return turns;
                }
                let mut event = self.event.lock().unwrap();
                while *event == 0 {
                    event = self.written.wait(event).unwrap();
                }
            }
        }
    }

    /// The model checker tries every interleaving in which a thread is held up three times at most, and
    /// fails if the waiter sleeps for ever.
    #[test]
    fn no_wake_is_lost_and_none_is_written_twice() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let world = Arc::new(World::default());
            let recorders: Vec<_> = (0..2)
                .map(|_| {
                    let world = Arc::clone(&world);
                    thread::spawn(move || world.publish())
                })
                .collect();
            let turns = world.serve(2);
            recorders
                .into_iter()
                .for_each(|recorder| recorder.join().unwrap());
            assert!(world.writes.load(Ordering::Relaxed) <= turns);
        });
    }
}
