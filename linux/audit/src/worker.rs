use std::{
    os::fd::BorrowedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::event::PollFlags;

use crate::{
    Record, Template,
    gate::{Gate, Kernel},
    notice::Announcer,
    shared::{Shared, Taken},
};

/// Where a worker brings its records.
pub(crate) trait Outlet {
    /// Brings one record.
    fn deliver(&mut self, record: &mut Record, shared: &Shared);

    /// Takes in what has come back meanwhile.
    fn absorb(&mut self, shared: &Shared);

    /// Where that comes from, if anything does.
    fn answers(&self) -> Option<BorrowedFd<'_>>;

    /// The emitter is closed: lets go of what it holds.
    fn end(self);
}

/// The loop that empties an emitter's ring.
///
/// While there is work it looks for more by its own timer, so that no caller has to wake it; after
/// a while without, it parks, and the next caller does.
pub(crate) struct Worker<O> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) template: Template,
    pub(crate) outlet: O,
}

impl<O: Outlet> Worker<O> {
    /// Runs until the emitter is closed.
    pub(crate) fn run(self) {
        let Self {
            shared,
            template,
            mut outlet,
        } = self;
        // Tells of the end by a panic of the observer, too.
        let _ended = Ended(&shared);
        let mut record = Record::empty();
        let mut turned_away = 0;
        let mut last = Instant::now();
        loop {
            match shared.take(&template, &mut record, &mut turned_away) {
                Taken::Closed => return outlet.end(),
                Taken::Record => {
                    outlet.deliver(&mut record, &shared);
                    last = Instant::now();
                }
                Taken::Nothing => {
                    rest(&outlet, &shared, last);
                    outlet.absorb(&shared);
                }
            }
        }
    }
}

fn rest(outlet: &impl Outlet, shared: &Shared, last: Instant) {
    let answers = outlet.answers().map(|fd| (fd, PollFlags::IN));
    if last.elapsed() < ACTIVE {
        shared.waker.doze(answers, TICK);
    } else {
        shared.waker.park(answers, || shared.has_work());
    }
}

struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.end_worker();
    }
}

/// The outlet that sends to the kernel itself.
pub(crate) struct Direct<K> {
    gate: Gate<K>,
    announcer: Announcer,
}

impl<K: Kernel> Direct<K> {
    pub(crate) const fn new(gate: Gate<K>, announcer: Announcer) -> Self {
        Self { gate, announcer }
    }
}

impl<K: Kernel> Outlet for Direct<K> {
    fn deliver(&mut self, record: &mut Record, shared: &Shared) {
        self.gate.submit(record);
        let tally = self.gate.tally();
        shared.report(tally);
        let max_send = Duration::from_nanos(tally.max_send_ns);
        self.announcer.caution(self.gate.caution());
        self.announcer.announce(self.gate.state(), max_send);
    }

    fn absorb(&mut self, _: &Shared) {}

    fn answers(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn end(self) {}
}

/// How often a worker looks for more.
const TICK: Duration = Duration::from_millis(1);

/// How long after the last record it does.
const ACTIVE: Duration = Duration::from_millis(50);
