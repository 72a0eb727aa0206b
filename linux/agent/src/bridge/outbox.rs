use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::Poll,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use throughline_core::{Backoff, Failure, Transport};
use throughline_socket::SocketLink;

/// Frames on their way to a collector, and the thread that takes them there.
///
/// A frame is held until it was written whole and the collector has kept it, if it says so; if the
/// link breaks before, the whole frame is written again on the next one. Whoever fills it asks
/// whether it [`has_room`](Outbox::has_room) first, so its memory is bounded.
pub(crate) struct Outbox {
    shared: Arc<Shared>,
    thread: JoinHandle<Option<io::Error>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Box<[u8]>>,
    /// The length of the frames together (bytes).
    len: usize,
    /// Until when frames may still be written, once the thread is to end.
    end: Option<Instant>,
}

/// What an outbox has not delivered.
pub(crate) struct Undelivered {
    /// Frames that are left (count).
    pub(crate) frames: usize,
    /// What the link failed with last, if it ever did.
    pub(crate) last_error: Option<io::Error>,
}

impl Outbox {
    /// An outbox that is emptied over `link`.
    pub(crate) fn start(link: SocketLink) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            link,
            backoff: Backoff::new(BACKOFF_BASE, BACKOFF_CAP, std::process::id()),
        };
        let thread = thread::Builder::new()
            .name("outbox".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self { shared, thread })
    }

    /// Whether more frames may be put in.
    pub(crate) fn has_room(&self) -> bool {
        self.shared.lock().len < ROOM
    }

    pub(crate) fn push(&self, frame: &[u8]) {
        let mut state = self.shared.lock();
        state.len += frame.len();
        state.frames.push_back(frame.into());
        self.shared.changed.notify_one();
    }

    /// Delivers what is left, for `drain` at most, and ends the thread.
    pub(crate) fn finish(self, drain: Duration) -> Undelivered {
        self.shared.lock().end = Some(Instant::now() + drain);
        self.shared.changed.notify_one();
        let last_error = self.thread.join().ok().flatten();
        Undelivered {
            frames: self.shared.lock().frames.len(),
            last_error,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `time`, or less once the thread is to end. Returns whether its time is over.
    fn wait(&self, time: Duration) -> bool {
        let state = self.lock();
        let is_over = |state: &State| state.end.is_some_and(|end| Instant::now() >= end);
        if is_over(&state) {
            return true;
        }
        let (state, _) = self
            .changed
            .wait_timeout(state, time)
            .unwrap_or_else(PoisonError::into_inner);
        is_over(&state)
    }
}

struct Writer {
    shared: Arc<Shared>,
    link: SocketLink,
    backoff: Backoff,
}

/// The time to deliver is over.
struct Over;

impl Writer {
    fn run(mut self) -> Option<io::Error> {
        while let Some(frame) = self.next() {
            if self.deliver(&frame).is_err() {
                break;
            }
            let mut state = self.shared.lock();
            state.len -= frame.len();
            state.frames.pop_front();
        }
        self.link.close();
        self.link.last_error()
    }

    /// The oldest frame, waited for; `None` once there is none left and none will come. It stays in
    /// its place until it is delivered.
    fn next(&self) -> Option<Box<[u8]>> {
        let mut state = self.shared.lock();
        loop {
            if let Some(frame) = state.frames.front() {
                return Some(frame.clone());
            }
            if state.end.is_some() {
                return None;
            }
            let waited = self.shared.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn deliver(&mut self, frame: &[u8]) -> Result<(), Over> {
        loop {
            match self.try_once(frame)? {
                Ok(()) => {
                    self.backoff.reset();
                    return Ok(());
                }
                Err(failure) => {
                    let delay = match failure {
                        Failure::Transient => self.backoff.next_delay(),
                        Failure::Permanent => self.backoff.longest_delay(),
                    };
                    let until = Instant::now() + delay;
                    while Instant::now() < until {
                        self.wait(until.saturating_duration_since(Instant::now()))?;
                    }
                }
            }
        }
    }

    /// Opens the link if it is not open, and writes the frame whole.
    fn try_once(&mut self, frame: &[u8]) -> Result<Result<(), Failure>, Over> {
        if let Err(failure) = self.until_ready(|link| link.open())? {
            return Ok(Err(failure));
        }
        let mut rest = frame;
        while !rest.is_empty() {
            match self.until_ready(|link| link.send(rest))? {
                Ok(len) => rest = rest.get(len..).unwrap_or_default(),
                Err(failure) => return Ok(Err(failure)),
            }
        }
        self.until_ready(|link| link.confirm())
    }

    /// Asks again and again, a little later each time, for as long as one step may take.
    fn until_ready<T>(
        &mut self,
        mut step: impl FnMut(&mut SocketLink) -> Poll<Result<T, Failure>>,
    ) -> Result<Result<T, Failure>, Over> {
        let deadline = Instant::now() + STEP_MAX;
        let mut pause = PAUSE_MIN;
        loop {
            if let Poll::Ready(done) = step(&mut self.link) {
                return Ok(done);
            }
            if Instant::now() >= deadline {
                self.link.close();
                return Ok(Err(Failure::Transient));
            }
            self.wait(pause)?;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn wait(&self, time: Duration) -> Result<(), Over> {
        if self.shared.wait(time) {
            Err(Over)
        } else {
            Ok(())
        }
    }
}

/// How much may wait for a collector before the line is read no further (bytes).
const ROOM: usize = 8 << 20;

/// How long opening the link, writing a piece or keeping a frame may take.
const STEP_MAX: Duration = Duration::from_secs(5);

const BACKOFF_BASE: Duration = Duration::from_millis(50);
const BACKOFF_CAP: Duration = Duration::from_secs(5);

/// How long to wait before the link is asked again.
const PAUSE_MIN: Duration = Duration::from_micros(50);
const PAUSE_MAX: Duration = Duration::from_millis(5);
