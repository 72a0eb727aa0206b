use core::cell::{Cell, RefCell};

use embassy_sync::blocking_mutex::{Mutex, raw::RawMutex};

use crate::{
    Batch, Block, Cause, Clock, Encoder, Entropy, Event, HttpRequest, Loss, Origin, Position,
    ProcessName, Report, Sequence, Session, SessionId, Stamp, Timestamp, Totals, batch,
    source::{Fate, Parcel, Source},
    store::{Entry, Store, Taken},
};

/// What a trail asks of the machine that it runs on.
///
/// `wake` is called when a frame has become ready to leave and one block in eight of its lane is full
/// (rounded down, at least one), so at most once a frame and never for a single event. No lock is held
/// then. It must return at once.
pub trait Platform: Clock + Entropy {
    /// Tells the flusher of `lane` that frames are ready, if it waits.
    fn wake(&self, lane: usize);
}

/// The recorder of a run: takes events, gives stamps, holds the encoded events until they leave.
///
/// Recording is one step under one short lock: the number, the time and the encoded bytes. So the
/// events lie in the store in the order of their numbers, and their times never run back. A
/// recorder never waits for a flusher: an event that finds no room is counted as a [`Loss`] under
/// its number, and its caller gets the stamp all the same.
///
/// | parameter | is |
/// |---|---|
/// | `M` | the lock: a critical section on a microcontroller, a futex on Linux |
/// | `P` | the [`Platform`]: time, randomness, waking |
/// | `E` | the [`Encoder`]: the wire format |
/// | `B` | the [`Block`]s that the store is lent, by value |
/// | `BLOCKS` | how many blocks a lane holds at most |
/// | `LANES` | how many receivers there are; each has a store of its own and fails alone |
///
/// The store is what has been lent: `BLOCKS` times the size of a block (bytes), and nothing at
/// first. One block in eight is kept for denied events, so that a flood of allowed ones cannot
/// push them out. A trail is made in a constant, so that it can be a `static`; the session is
/// drawn when it is first needed, unless it was given.
///
/// ```
/// # use throughline_core::*;
/// # use embassy_sync::blocking_mutex::raw::NoopRawMutex;
/// # use throughline_testkit::{Host, Lines};
/// let trail: Trail<NoopRawMutex, _, _, Box<[u8]>, 4> = Trail::new(Host::new(), Lines);
/// assert!(trail.lane(0).lend(vec![0; 1024].into()).is_ok());
///
/// let rule = MatchedRule::new("domain=example.com").ok_or("a rule is never empty")?;
/// let first = trail.record(&HttpRequest::allowed("GET", "http://example.com/", rule));
/// let second = trail.record(&HttpRequest::denied("GET", "http://example.org/", "no rule"));
///
/// assert_eq!(first.session(), second.session());
/// assert_eq!((first.sequence().value(), second.sequence().value()), (0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Trail<M: RawMutex, P, E, B, const BLOCKS: usize, const LANES: usize = 1> {
    platform: P,
    encoder: E,
    process: ProcessName,
    last_number: Sequence,
    state: Mutex<M, State<B, BLOCKS, LANES>>,
}

#[derive(Debug)]
struct State<B, const BLOCKS: usize, const LANES: usize> {
    session: Cell<Option<Session>>,
    numbers: Cell<Numbers>,
    stores: RefCell<[Store<B, BLOCKS>; LANES]>,
}

/// Where the next number comes from.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    /// 1 for the first session of the trail, 2 for the next, ...
    generation: u32,
    /// How many numbers the session has given out, which is the next number.
    recorded: u32,
    latest: Timestamp,
}

impl<M: RawMutex, P, E, B, const BLOCKS: usize, const LANES: usize>
    Trail<M, P, E, B, BLOCKS, LANES>
{
    /// A trail whose session is drawn when it is first needed, with nothing lent to it yet.
    pub const fn new(platform: P, encoder: E) -> Self {
        let numbers = Numbers {
            generation: 1,
            recorded: 0,
            latest: Timestamp::EPOCH,
        };
        Self {
            platform,
            encoder,
            process: ProcessName::NONE,
            last_number: Sequence::MAX,
            state: Mutex::new(State {
                session: Cell::new(None),
                numbers: Cell::new(numbers),
                stores: RefCell::new([const { Store::new() }; LANES]),
            }),
        }
    }

    /// The same trail with a session that was named elsewhere.
    #[must_use]
    pub fn with_session(self, session: Session) -> Self {
        self.state.lock(|state| state.session.set(Some(session)));
        self
    }

    /// The same trail with the name of the program that it watches.
    #[must_use]
    pub fn with_process(self, process: ProcessName) -> Self {
        Self { process, ..self }
    }

    /// The same trail with sessions that end after act `last` (inclusive) at the latest.
    ///
    /// The act after it opens a new session at number 0. Without this, sessions end at
    /// [`Sequence::MAX`].
    #[must_use]
    pub fn with_last_number(self, last: Sequence) -> Self {
        Self {
            last_number: last,
            ..self
        }
    }

    /// The machine that the trail runs on.
    pub const fn platform(&self) -> &P {
        &self.platform
    }
}

impl<M, P, E, B, const BLOCKS: usize, const LANES: usize> Trail<M, P, E, B, BLOCKS, LANES>
where
    M: RawMutex,
    P: Platform,
    E: Encoder,
    B: Block,
{
    /// Records an act and gives it its stamp.
    ///
    /// Never fails, never waits for a flusher, and always numbers the act. What cannot be kept is
    /// a loss with that number. An act that no block holds is cut, see [`HttpRequest::shortened`].
    #[inline]
    pub fn record(&self, request: &HttpRequest<'_>) -> Stamp {
        let time = self.platform.wall();
        let (stamp, ready) = self.state.lock(|state| {
            let entry = self.number(state, time, request);
            (
                Stamp::new(entry.session, entry.event.sequence),
                self.push(state, &entry),
            )
        });
        self.wake(&ready);
        stamp
    }

    /// How far the trail has come; draws the session if there is none yet.
    pub fn position(&self) -> Position {
        self.state.lock(|state| {
            let session = self.session_of(state);
            Position {
                session: session.id(),
                recorded: state.numbers.get().recorded,
            }
        })
    }

    /// The session; drawn now if there is none yet.
    pub fn session(&self) -> SessionId {
        self.position().session
    }

    /// The name of the program that the trail watches.
    pub const fn process(&self) -> &ProcessName {
        &self.process
    }

    /// The way to one of the receivers, counted from 0.
    ///
    /// A lane that the trail does not have takes nothing and gives nothing.
    pub const fn lane(&self, index: usize) -> Lane<'_, M, P, E, B, BLOCKS, LANES> {
        Lane { trail: self, index }
    }

    /// Takes the next number, rotating the session after the last.
    #[inline]
    fn number<'r>(
        &self,
        state: &State<B, BLOCKS, LANES>,
        time: Timestamp,
        request: &'r HttpRequest<'r>,
    ) -> Entry<'r> {
        let next = self.last_number.at_most(state.numbers.get().recorded);
        let (session, sequence) = match (state.session.get(), next) {
            (Some(session), Some(sequence)) => (session, sequence),
            _ => self.turn_over(state),
        };
        let mut numbers = state.numbers.get();
        // No more than the last number and one, which is 2^31 at most.
        numbers.recorded = numbers.recorded.wrapping_add(1);
        numbers.latest = numbers.latest.or_later(time);
        state.numbers.set(numbers);
        Entry {
            generation: numbers.generation,
            session: session.id(),
            event: Event {
                sequence,
                time: numbers.latest,
                request,
            },
        }
    }

    /// Opens the first session, or the one after the last number; returns it with its first number.
    // Drawing a session sets single bytes of it. Inlined, that would have every event's session copied
    // in pieces, each of which waits for the last.
    #[cold]
    #[inline(never)]
    fn turn_over(&self, state: &State<B, BLOCKS, LANES>) -> (Session, Sequence) {
        if state.session.take().is_some() {
            let numbers = state.numbers.get();
            state.numbers.set(Numbers {
                generation: numbers.generation.saturating_add(1),
                recorded: 0,
                ..numbers
            });
        }
        (self.session_of(state), Sequence::ZERO)
    }

    /// The session; drawn now if there is none yet.
    fn session_of(&self, state: &State<B, BLOCKS, LANES>) -> Session {
        let session = state
            .session
            .get()
            .unwrap_or_else(|| Session::new(SessionId::draw(&self.platform), self.platform.wall()));
        state.session.set(Some(session));
        session
    }

    /// Gives the event to each lane; tells for each whether its flusher is to be woken.
    ///
    /// Were the encoder to call back into the trail, its event would be numbered and, the stores
    /// being in use, not kept; they find the number missing and count it as lost.
    #[inline]
    fn push(&self, state: &State<B, BLOCKS, LANES>, entry: &Entry<'_>) -> [bool; LANES] {
        let mut ready = [false; LANES];
        if let Ok(mut stores) = state.stores.try_borrow_mut() {
            for (store, ready) in stores.iter_mut().zip(&mut ready) {
                *ready = store.push(&self.encoder, entry);
            }
        }
        ready
    }

    #[inline]
    fn wake(&self, ready: &[bool; LANES]) {
        for (lane, _) in ready.iter().enumerate().filter(|(_, ready)| **ready) {
            self.platform.wake(lane);
        }
    }
}

/// The way from a trail to one of its receivers: what a flusher takes from.
#[derive(Debug)]
pub struct Lane<'t, M: RawMutex, P, E, B, const BLOCKS: usize, const LANES: usize> {
    trail: &'t Trail<M, P, E, B, BLOCKS, LANES>,
    index: usize,
}

impl<M, P, E, B, const BLOCKS: usize, const LANES: usize> Lane<'_, M, P, E, B, BLOCKS, LANES>
where
    M: RawMutex,
    P: Platform,
    E: Encoder,
    B: Block,
{
    /// Adds a block to the lane's store.
    ///
    /// # Errors
    ///
    /// Gives the block back if the lane has as many as it can hold, if there is no such lane, or
    /// if the block is too small for the wire format's envelope and the shortest event.
    pub fn lend(&self, block: B) -> Result<(), B> {
        if !batch::is_usable::<E>(block.as_ref().len()) {
            return Err(block);
        }
        let mut block = Some(block);
        let lent = self.with(|store| match block.take() {
            Some(lent) => store.lend(lent),
            None => Ok(()),
        });
        match (lent, block) {
            (Some(result), _) => result,
            (None, Some(block)) => Err(block),
            (None, None) => Ok(()),
        }
    }

    /// What the lane has done with the numbers given out so far.
    pub fn totals(&self) -> Totals {
        self.with(|store| store.totals()).unwrap_or_default()
    }

    /// Whether more than half of the blocks are in use: its receiver is slow, or gone.
    pub fn is_pressed(&self) -> bool {
        self.with(|store| store.is_pressed()).unwrap_or_default()
    }

    /// Says what events that find no room are lost to from now on: [`Cause::StoreFull`] at first.
    ///
    /// For whoever empties the lane into something else that has filled up, so that the auditor learns
    /// of the cause and not of what came of it.
    pub fn blame(&self, cause: Cause) {
        self.with(|store| store.blame(cause));
    }

    /// Shows each loss that is yet to be reported, with its session, in order.
    ///
    /// `show` is called with the lock held, so it has to be short.
    pub fn each_loss(&self, mut show: impl FnMut(SessionId, Loss)) {
        self.with(|store| {
            for (session, loss) in store.losses() {
                show(session, loss);
            }
        });
    }

    fn with<R>(&self, use_store: impl FnOnce(&mut Store<B, BLOCKS>) -> R) -> Option<R> {
        self.trail.state.lock(|state| {
            let mut stores = state.stores.try_borrow_mut().ok()?;
            stores.get_mut(self.index).map(use_store)
        })
    }

    fn origin(&self, session: SessionId) -> Origin<'_> {
        Origin {
            session,
            process: &self.trail.process,
        }
    }

    /// Makes a frame of the batch, outside the lock. What has no frame is lost.
    fn seal(&self, mut batch: Batch<B>) -> Option<Batch<B>> {
        let origin = self.origin(batch.session());
        match batch.seal(&self.trail.encoder, origin) {
            Some(()) => Some(batch),
            None => {
                self.with(|store| store.lost(batch, Cause::StoreFull));
                None
            }
        }
    }
}

impl<M, P, E, B, const BLOCKS: usize, const LANES: usize> Source
    for Lane<'_, M, P, E, B, BLOCKS, LANES>
where
    M: RawMutex,
    P: Platform,
    E: Encoder,
    B: Block,
{
    type Block = B;

    fn take(&self, ripe: bool, scratch: &mut [u8; Report::FRAME_MAX]) -> Option<Parcel<B>> {
        match self.with(|store| store.take(ripe))?? {
            Taken::Batch(batch) => self.seal(batch).map(Parcel::Batch),
            Taken::Report => {
                // Moved out and back, so that it is encoded outside the lock.
                let report = self.with(|store| store.reporting().take())??;
                let origin = self.origin(report.1.session);
                let encoded = self.trail.encoder.report(origin, &report.1, scratch);
                self.with(|store| *store.reporting() = Some(report));
                Some(Parcel::Report {
                    kind: 0,
                    len: encoded.unwrap_or_default(),
                })
            }
        }
    }

    fn settle(&self, parcel: Parcel<B>, fate: Fate) {
        self.with(|store| match (parcel, fate) {
            (Parcel::Batch(batch), Fate::Written) => store.written(batch),
            (Parcel::Batch(batch), Fate::Lost(cause)) => store.lost(batch, cause),
            (Parcel::Report { .. }, Fate::Written) => store.reported(),
            (Parcel::Report { .. }, Fate::Lost(_)) => store.unreported(),
        });
    }

    fn close(&self) {
        self.with(Store::close);
    }

    fn abandon(&self, cause: Cause) {
        self.with(|store| store.abandon(cause));
    }
}

#[cfg(test)]
mod tests {
    use embassy_sync::blocking_mutex::raw::NoopRawMutex;

    use super::*;
    use crate::{Instant, TooLong};

    struct Nothing;

    impl Clock for Nothing {
        fn wall(&self) -> Timestamp {
            Timestamp::EPOCH
        }

        fn monotonic(&self) -> Instant {
            Instant::ORIGIN
        }
    }

    impl Entropy for Nothing {
        fn random(&self) -> [u8; 16] {
            [1; 16]
        }
    }

    impl Platform for Nothing {
        fn wake(&self, _: usize) {}
    }

    impl Encoder for Nothing {
        const HEAD: usize = 0;
        const TAIL: usize = 0;
        const FRAME_MAX: usize = 0;
        const EVENTS_MAX: u32 = 0;

        fn encode(&self, _: &Event<'_>, _: &mut [u8]) -> Result<usize, TooLong> {
            Ok(0)
        }

        fn seal(
            &self,
            _: Origin<'_>,
            _: &mut [u8],
            _: core::ops::Range<usize>,
        ) -> Option<core::ops::Range<usize>> {
            None
        }

        fn report(&self, _: Origin<'_>, _: &Report, _: &mut [u8]) -> Option<usize> {
            None
        }
    }

    #[test]
    fn the_greatest_number_is_the_last_of_its_session() {
        let given = Session::new(
            SessionId::from_uuid(uuid::Uuid::from_u128(5)),
            Timestamp::EPOCH,
        );
        let trail: Trail<NoopRawMutex, _, _, [u8; 0], 1> =
            Trail::new(Nothing, Nothing).with_session(given);
        trail.state.lock(|state| {
            state.numbers.set(Numbers {
                recorded: Sequence::MAX.value(),
                ..state.numbers.get()
            });
        });
        let request = HttpRequest::denied("GET", "/", "no rule");
        let last = trail.record(&request);
        assert_eq!(
            (last.session(), last.sequence()),
            (given.id(), Sequence::MAX)
        );
        let next = trail.record(&request);
        assert_ne!(next.session(), given.id());
        assert_eq!(next.sequence(), Sequence::ZERO);
    }
}
