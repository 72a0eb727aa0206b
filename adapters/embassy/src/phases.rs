use core::{
    cell::{Cell, RefCell},
    fmt,
};

use embassy_sync::blocking_mutex::{Mutex, raw::RawMutex};
use heapless::{Deque, Vec};
use throughline_core::{Cause, Fate, Parcel, PhaseEmitter, PhaseRecord, Report, SessionId, Source};
use throughline_postcard::LinkFormat;

/// Phase records on their way to the line: a queue of at most `DEPTH` of them.
///
/// A `static` of it takes what the device's transactions emit, through an
/// [`emitter`](Self::emitter), and the drive loop takes from it what it writes, through the source
/// that [`beside`](Self::beside) makes. A record that finds the queue full is dropped and counted.
pub struct Phases<M: RawMutex, const DEPTH: usize> {
    state: Mutex<M, State<DEPTH>>,
}

struct State<const DEPTH: usize> {
    queue: RefCell<Deque<Frame, DEPTH>>,
    dropped: Cell<u32>,
}

type Frame = Vec<u8, { LinkFormat::PHASE_MAX }>;

impl<M: RawMutex, const DEPTH: usize> Phases<M, DEPTH> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: Mutex::new(State {
                queue: RefCell::new(Deque::new()),
                dropped: Cell::new(0),
            }),
        }
    }

    /// What a transaction emits its phases to. Those without a position are of `session`.
    pub const fn emitter(&self, session: SessionId) -> Emitter<'_, M, DEPTH> {
        Emitter {
            phases: self,
            session,
        }
    }

    /// A source of the queue's records, and of what `source` has.
    pub const fn beside<S: Source>(&self, source: S) -> Beside<'_, S, M, DEPTH> {
        Beside {
            phases: self,
            source,
        }
    }

    /// Records that will not be written (count, saturating).
    pub fn dropped(&self) -> u32 {
        self.state.lock(|state| state.dropped.get())
    }

    fn push(&self, frame: Option<Frame>) {
        self.state.lock(|state| {
            let taken = match (frame, state.queue.try_borrow_mut()) {
                (Some(frame), Ok(mut queue)) => queue.push_back(frame).is_ok(),
                _ => false,
            };
            if !taken {
                state.drop_one();
            }
        });
    }

    /// Copies the oldest record's frame to `out`; it stays until it was written.
    fn front(&self, out: &mut [u8]) -> Option<usize> {
        self.state.lock(|state| {
            let queue = state.queue.try_borrow().ok()?;
            let frame = queue.front()?;
            out.get_mut(..frame.len())?.copy_from_slice(frame);
            Some(frame.len())
        })
    }

    fn pop(&self) -> bool {
        self.state
            .lock(|state| {
                let mut queue = state.queue.try_borrow_mut().ok()?;
                queue.pop_front()
            })
            .is_some()
    }
}

impl<M: RawMutex, const DEPTH: usize> Default for Phases<M, DEPTH> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: RawMutex, const DEPTH: usize> fmt::Debug for Phases<M, DEPTH> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phases").finish_non_exhaustive()
    }
}

impl<const DEPTH: usize> State<DEPTH> {
    fn drop_one(&self) {
        self.dropped.set(self.dropped.get().saturating_add(1));
    }
}

/// Takes phase records to a queue, see [`Phases::emitter`].
pub struct Emitter<'p, M: RawMutex, const DEPTH: usize> {
    phases: &'p Phases<M, DEPTH>,
    session: SessionId,
}

impl<M: RawMutex, const DEPTH: usize> PhaseEmitter for Emitter<'_, M, DEPTH> {
    fn emit(&self, record: &PhaseRecord<'_>) {
        let mut frame = Frame::new();
        // A frame of the greatest size fits, so this never falls short.
        let _ = frame.resize(LinkFormat::PHASE_MAX, 0);
        let len = LinkFormat.phase(self.session, record, &mut frame);
        self.phases.push(len.map(|len| {
            frame.truncate(len);
            frame
        }));
    }
}

impl<M: RawMutex, const DEPTH: usize> fmt::Debug for Emitter<'_, M, DEPTH> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter").finish_non_exhaustive()
    }
}

/// A source that has phase records beside its events, see [`Phases::beside`].
///
/// Records go first: their positions put them in order with the events.
pub struct Beside<'p, S, M: RawMutex, const DEPTH: usize> {
    phases: &'p Phases<M, DEPTH>,
    source: S,
}

impl<S: Source, M: RawMutex, const DEPTH: usize> Source for Beside<'_, S, M, DEPTH> {
    type Block = S::Block;

    fn take(
        &self,
        ripe: bool,
        scratch: &mut [u8; Report::FRAME_MAX],
    ) -> Option<Parcel<Self::Block>> {
        let Some(len) = self.phases.front(scratch) else {
            return self.source.take(ripe, scratch);
        };
        Some(Parcel::Report {
            kind: OF_A_PHASE,
            len,
        })
    }

    fn settle(&self, parcel: Parcel<Self::Block>, fate: Fate) {
        match parcel {
            Parcel::Report {
                kind: OF_A_PHASE, ..
            } => {
                // What was not written is still in the queue.
                if fate == Fate::Written {
                    self.phases.pop();
                }
            }
            parcel => self.source.settle(parcel, fate),
        }
    }

    fn close(&self) {
        self.source.close();
    }

    fn abandon(&self, cause: Cause) {
        while self.phases.pop() {
            self.phases.state.lock(State::drop_one);
        }
        self.source.abandon(cause);
    }
}

impl<S, M: RawMutex, const DEPTH: usize> fmt::Debug for Beside<'_, S, M, DEPTH> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside").finish_non_exhaustive()
    }
}

/// The kind of parcels that are phase records; a lane's are 0.
const OF_A_PHASE: u32 = 1;
