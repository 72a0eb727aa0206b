//! The async driver in real time, woken by what should wake it and by nothing else, over a link whose
//! faults the suite sets.

mod support;

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use support::block_on;
use throughline_core::{Failure, Totals, Trail, Transport};
use throughline_embassy::{Device, Ended, Line, drive};
use throughline_testkit::{
    FaultyLink, Lines, Mood,
    driver_suite::{self, Finished, SETTINGS, Subject},
};

#[test]
fn the_async_driver_does_what_every_driver_does() {
    let run = driver_suite::run_all(Task::new);
    assert_eq!(run, driver_suite::scenarios().len());
}

/// A trail, the task that drives its flusher, and the link between them.
struct Task {
    trail: &'static TestTrail,
    link: AsyncLink,
    /// Started with the first thing that the scenario wants of it.
    thread: Option<JoinHandle<Ended>>,
}

struct TestTrail(
    Trail<CriticalSectionRawMutex, Device<CriticalSectionRawMutex>, Lines, Box<[u8]>, 4>,
);

impl Task {
    fn new() -> Self {
        let trail = Trail::new(Device::new(|| [7; 16]), Lines);
        for _ in 0..4 {
            assert!(trail.lane(0).lend(vec![0; 400].into()).is_ok());
        }
        Self {
            trail: Box::leak(Box::new(TestTrail(trail))),
            link: AsyncLink::default(),
            thread: None,
        }
    }

    fn start(&mut self) {
        let (trail, mut line) = (self.trail, self.link.clone());
        self.thread.get_or_insert_with(|| {
            thread::spawn(move || {
                let lane = trail.0.lane(0);
                block_on(drive(trail.0.platform(), 0, &lane, &mut line, SETTINGS))
            })
        });
    }
}

impl Subject for Task {
    fn record(&mut self, count: usize) {
        driver_suite::record(count, |request| {
            self.trail.0.record(request);
        });
    }

    fn pass(&mut self, time: Duration) {
        self.start();
        thread::sleep(time);
    }

    fn set_mood(&mut self, mood: Mood) -> bool {
        self.link.change(|link| link.mood = mood);
        true
    }

    fn set_credit(&mut self, bytes: usize) -> bool {
        self.link.change(|link| link.credit = bytes);
        true
    }

    fn hang_up(&mut self) {
        self.link.change(FaultyLink::hang_up);
    }

    fn carried(&self) -> Vec<String> {
        let shared = self.link.lock();
        let connections = shared.link.connections();
        connections
            .map(|bytes| String::from_utf8(bytes.to_vec()).expect("lines"))
            .collect()
    }

    fn totals(&self) -> Totals {
        self.trail.0.lane(0).totals()
    }

    fn finish(&mut self, drain: Duration) -> Finished {
        self.start();
        let before = Instant::now();
        self.trail.0.platform().finish(0, drain);
        let thread = self.thread.take().expect("finished once");
        let ended = thread.join().expect("the driver does not panic");
        Finished {
            took: before.elapsed(),
            counters: ended.counters,
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.trail.0.platform().finish(0, Duration::ZERO);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A link of the testkit, waited for.
#[derive(Clone, Default)]
struct AsyncLink(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    link: FaultyLink,
    waiting: Option<Waker>,
}

impl AsyncLink {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().expect("nobody panicked")
    }

    /// Changes the link, and wakes whoever waits for it to change.
    fn change(&self, change: impl FnOnce(&mut FaultyLink)) {
        let mut shared = self.lock();
        change(&mut shared.link);
        if let Some(waker) = shared.waiting.take() {
            waker.wake();
        }
    }

    fn poll<T>(
        &self,
        context: &Context<'_>,
        poll: impl FnOnce(&mut FaultyLink) -> Poll<T>,
    ) -> Poll<T> {
        let mut shared = self.lock();
        let polled = poll(&mut shared.link);
        shared.waiting = polled.is_pending().then(|| context.waker().clone());
        polled
    }
}

impl Line for AsyncLink {
    async fn open(&mut self) -> Result<(), Failure> {
        poll_fn(|context| self.poll(context, Transport::open)).await
    }

    async fn write(&mut self, frame: &[u8]) -> Result<usize, Failure> {
        poll_fn(|context| self.poll(context, |link| link.send(frame))).await
    }

    fn close(&mut self) {
        self.lock().link.close();
    }
}
