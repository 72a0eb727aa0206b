use core::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_time::Timer;
use throughline_core::{
    Counters, Entropy, Failure, Flusher, Instant, LinkStep, PIECES_A_TURN, Settings, Source,
};

use crate::{
    Device, Line,
    device::LaneSignals,
    time::{now, tick_at},
};

/// How a drive loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// What its flusher did.
    pub counters: Counters,
    /// Whether everything was written, to the end of the last session.
    pub is_drained: bool,
}

/// Drives a flusher that takes from `source` and writes to `line`, until [`Device::finish`] was
/// called for `lane` and everything is written or the time to drain is over.
///
/// This is the drive loop of core's docs with each wait an `await`: it sleeps until the flusher's own
/// timer, until enough frames are ready, or until the line takes bytes, and recording an event does not wake
/// it. It needs no executor in particular and allocates nothing. With a lane that the device does not
/// have it ends at once.
pub async fn drive<M, S, L, const LANES: usize>(
    device: &Device<M, LANES>,
    lane: usize,
    source: &S,
    line: &mut L,
    settings: Settings,
) -> Ended
where
    M: RawMutex,
    S: Source,
    L: Line,
{
    let mut flusher = Flusher::new(settings, seed(device));
    if let Some(signals) = device.lane(lane) {
        let mut driver = Driver {
            signals,
            flusher: &mut flusher,
            source,
            line,
        };
        driver.run().await;
    }
    Ended {
        counters: flusher.counters(),
        is_drained: flusher.is_drained(),
    }
}

struct Driver<'d, M: RawMutex, S: Source, L> {
    signals: &'d LaneSignals<M>,
    flusher: &'d mut Flusher<S::Block>,
    source: &'d S,
    line: &'d mut L,
}

/// What ended a wait.
enum Over<T> {
    Done(T),
    /// The flusher's timer ran out.
    Timeout,
    /// The loop is to end, with so much time to drain.
    Finish(Duration),
}

impl<M: RawMutex, S: Source, L: Line> Driver<'_, M, S, L> {
    async fn run(&mut self) {
        while !self.flusher.is_finished() {
            if self.turn().await {
                yield_now().await;
            } else if !self.flusher.is_finished() {
                self.wait().await;
            }
        }
        // Whatever became of it, it is not left open.
        self.line.close();
    }

    /// One pass; says whether there is more to do at once.
    async fn turn(&mut self) -> bool {
        let now = now();
        self.flusher.handle_timeout(now);
        match self.flusher.poll_link(now) {
            Some(LinkStep::Close) => self.line.close(),
            Some(LinkStep::Open) => return self.open().await,
            None => {}
        }
        for _ in 0..PIECES_A_TURN {
            if !self.write().await {
                return false;
            }
        }
        true
    }

    async fn open(&mut self) -> bool {
        let until = self.flusher.poll_timeout();
        match first_of(self.line.open(), until, self.signals).await {
            Over::Done(Ok(())) => self.flusher.handle_opened(now()),
            Over::Done(Err(failure)) => self.flusher.handle_closed(now(), failure),
            // The next pass tells the flusher; it is opened anew if there is time for that.
            Over::Timeout => {}
            Over::Finish(drain) => self.finish(now(), drain),
        }
        true
    }

    /// Writes a piece; says whether there was one.
    async fn write(&mut self) -> bool {
        let now = now();
        if self.flusher.poll_transmit(now, self.source).is_none() {
            return self.confirm();
        }
        // Asked for once more, because the frame lies in the flusher, which has a timer for it now.
        let until = self.flusher.poll_timeout();
        let frame = self.flusher.poll_transmit(now, self.source);
        let written = self.line.write(frame.unwrap_or_default());
        let (over, finish) = written_or_late(written, until, self.signals).await;
        match over {
            Some(Ok(len)) => {
                self.flusher.handle_written(len);
                self.confirm();
            }
            Some(Err(failure)) => self.flusher.handle_closed(crate::time::now(), failure),
            None => self.flusher.handle_timeout(crate::time::now()),
        }
        if let Some((at, drain)) = finish {
            self.finish(at, drain);
        }
        over.is_some()
    }

    /// A line never says that its receiver has kept a frame: to have written it is all there is to
    /// know. Says whether there was such a frame.
    fn confirm(&mut self) -> bool {
        let is_written = self.flusher.awaits_confirmation();
        self.flusher.handle_confirmed();
        is_written
    }

    /// Waits for a recorder's wake, or for the flusher's timer.
    async fn wait(&mut self) {
        let until = self.flusher.poll_timeout();
        if let Over::Finish(drain) = first_of(self.signals.wake.wait(), until, self.signals).await {
            self.finish(now(), drain);
        }
    }

    fn finish(&mut self, at: Instant, drain: Duration) {
        self.flusher.finish(at, at.after(drain));
    }
}

/// Waits for `work`, for `until`, or for the end to be asked for, whichever is first.
async fn first_of<M: RawMutex, T>(
    work: impl Future<Output = T>,
    until: Instant,
    signals: &LaneSignals<M>,
) -> Over<T> {
    let mut work = pin!(work);
    let mut finish = pin!(signals.finish.wait());
    let mut timer = pin!(Timer::at(tick_at(until)));
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Over::Done(done));
        }
        if let Poll::Ready(drain) = finish.as_mut().poll(context) {
            return Poll::Ready(Over::Finish(drain));
        }
        timer.as_mut().poll(context).map(|()| Over::Timeout)
    })
    .await
}

/// Waits for a write, which goes on when the end is asked for, though not beyond the time to drain.
///
/// `None` if it took too long; and when the end was asked for, and how long draining may take.
async fn written_or_late<M: RawMutex>(
    write: impl Future<Output = Result<usize, Failure>>,
    until: Instant,
    signals: &LaneSignals<M>,
) -> (Option<Result<usize, Failure>>, Option<(Instant, Duration)>) {
    let mut write: Pin<&mut _> = pin!(write);
    let mut until = until;
    let mut finish = None;
    loop {
        match first_of(write.as_mut(), until, signals).await {
            Over::Done(written) => return (Some(written), finish),
            Over::Timeout => return (None, finish),
            Over::Finish(drain) => {
                let at = now();
                until = until.min(at.after(drain));
                finish = Some((at, drain));
            }
        }
    }
}

/// Lets other tasks run.
async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if core::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn seed(entropy: &impl Entropy) -> u32 {
    let [a, b, c, d, ..] = entropy.random();
    u32::from_ne_bytes([a, b, c, d])
}
