use heapless::{Deque, Vec};

use crate::{
    Batch, Block, Cause, Encoder, End, Event, Loss, Report, Sequence, SessionId, batch::OpenBlock,
    counter::add, loss::Ledger,
};

/// The blocks of one lane, what is in them, and the account of what is not.
#[derive(Debug)]
pub(crate) struct Store<B, const BLOCKS: usize> {
    open: Option<OpenBlock<B>>,
    sealed: Deque<Batch<B>, BLOCKS>,
    free: Vec<B, BLOCKS>,
    /// Blocks lent so far, wherever they are now.
    lent: usize,
    ledger: Ledger,
    accounts: Deque<Account, SESSIONS>,
    next: Next,
    /// The report that is out, with its session's generation: it is kept here, so that what moves is
    /// no larger than a batch.
    reporting: Option<(u32, Report)>,
    totals: Totals,
    /// What an event that finds no room is lost to.
    full: Cause,
    closed: bool,
}

/// An event on its way into a store, with the session that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) generation: u32,
    pub(crate) session: SessionId,
    pub(crate) event: Event<'a>,
}

/// What one lane has done with the numbers that were given out (counts, since the trail began).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events in frames that were written whole.
    pub written: u64,
    /// Events that will never be written.
    pub lost: u64,
    /// Events that were cut to fit a frame; they are among the others too.
    pub truncated: u64,
    /// Sessions whose end, and whatever was lost of them last, can no longer be reported: more
    /// sessions than a store remembers have ended without a receiver.
    pub forgotten_sessions: u64,
}

/// The event that should come next: that of the session that is recorded now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Next {
    /// 0 before there is a session.
    generation: u32,
    /// How many numbers were given out, as far as the store has seen them.
    number: u32,
}

impl Next {
    const NONE: Self = Self {
        generation: 0,
        number: 0,
    };
}

/// What is known of a session that has not been reported to its end.
#[derive(Clone, Copy, Debug)]
struct Account {
    generation: u32,
    session: SessionId,
    /// Numbers given out; known once the session is closed.
    recorded: u32,
    written: u32,
    lost: u32,
    closed: bool,
}

impl<B, const BLOCKS: usize> Store<B, BLOCKS> {
    pub(crate) const fn new() -> Self {
        Self {
            open: None,
            sealed: Deque::new(),
            free: Vec::new(),
            lent: 0,
            ledger: Ledger::new(),
            accounts: Deque::new(),
            next: Next::NONE,
            reporting: None,
            totals: Totals {
                written: 0,
                lost: 0,
                truncated: 0,
                forgotten_sessions: 0,
            },
            full: Cause::StoreFull,
            closed: false,
        }
    }

    pub(crate) const fn blame(&mut self, cause: Cause) {
        self.full = cause;
    }

    pub(crate) const fn totals(&self) -> Totals {
        self.totals
    }

    pub(crate) fn is_pressed(&self) -> bool {
        self.free.len() < self.lent.saturating_sub(self.free.len())
    }

    /// The losses that are yet to be reported, with their sessions, in order.
    pub(crate) fn losses(&self) -> impl Iterator<Item = (SessionId, Loss)> {
        self.ledger.iter().filter_map(|(generation, loss)| {
            let mut accounts = self.accounts.iter();
            let account = accounts.rfind(|account| account.generation == generation)?;
            Some((account.session, loss))
        })
    }
}

impl<B: Block, const BLOCKS: usize> Store<B, BLOCKS> {
    /// Takes a block, or gives it back if there are as many as can be.
    pub(crate) fn lend(&mut self, block: B) -> Result<(), B> {
        if self.lent >= BLOCKS {
            return Err(block);
        }
        self.free.push(block)?;
        self.lent = self.lent.saturating_add(1);
        Ok(())
    }

    /// Writes one event, or counts it as lost. Returns whether a flusher is to be woken.
    #[inline]
    pub(crate) fn push<E: Encoder>(&mut self, encoder: &E, entry: &Entry<'_>) -> bool {
        let expected = self.next.number == entry.event.sequence.value()
            && self.next.generation == entry.generation;
        if expected
            && let Some(open) = &mut self.open
            && (!open.reserved || entry.event.request.decision().is_denied())
        {
            // Below 2^31, as every sequence number.
            self.next.number = self.next.number.wrapping_add(1);
            return match open.append(encoder, &entry.event) {
                Ok(()) => open.is_full::<E>() && self.seal_open(),
                Err(_) => self.push_to_new(encoder, *entry),
            };
        }
        self.push_slowly(encoder, *entry)
    }

    /// An event that opens a session or a block, or is lost.
    #[cold]
    fn push_slowly<E: Encoder>(&mut self, encoder: &E, entry: Entry<'_>) -> bool {
        if self.closed {
            // The session has ended: nobody is told any more, but the count is kept.
            add(&mut self.totals.lost, 1);
            return false;
        }
        self.enter(&entry);
        if let Some(open) = &mut self.open {
            if open.reserved && !entry.event.request.decision().is_denied() {
                self.lose(&entry);
                return false;
            }
            if open.append(encoder, &entry.event).is_ok() {
                return open.is_full::<E>() && self.seal_open();
            }
        }
        self.push_to_new(encoder, entry)
    }

    /// The oldest thing that can leave: losses that come first, the oldest batch, the end of a
    /// session. A batch that is still being filled leaves only if it is `ripe`.
    pub(crate) fn take(&mut self, ripe: bool) -> Option<Taken<B>> {
        if self.reporting.is_some() {
            // Whoever took it went away without a word.
            return Some(Taken::Report);
        }
        if self.losses_come_first() {
            return self.take_losses();
        }
        if ripe && self.sealed.is_empty() {
            self.seal_open();
        }
        match self.sealed.pop_front() {
            Some(batch) => Some(Taken::Batch(batch)),
            None => self.take_end(),
        }
    }

    /// Takes a block back, its events written.
    pub(crate) fn written(&mut self, batch: Batch<B>) {
        let count = batch.count();
        add(&mut self.totals.written, count);
        if let Some(account) = self.account(batch.generation) {
            account.written = account.written.saturating_add(count);
        }
        self.reclaim(batch.block);
    }

    /// Takes a block back, its events lost.
    pub(crate) fn lost(&mut self, batch: Batch<B>, cause: Cause) {
        let loss = batch.as_loss(cause);
        self.add_loss(batch.generation, loss);
        self.reclaim(batch.block);
    }

    /// The report that is out, with its session's generation.
    pub(crate) const fn reporting(&mut self) -> &mut Option<(u32, Report)> {
        &mut self.reporting
    }

    /// Takes note that the report was written; the session is closed for good if it was its end.
    pub(crate) fn reported(&mut self) {
        let oldest = self.accounts.front().map(|account| account.generation);
        if let Some((generation, report)) = self.reporting.take()
            && report.end.is_some()
            && oldest == Some(generation)
        {
            self.accounts.pop_front();
        }
    }

    /// Puts the losses of the report back, which was not written.
    pub(crate) fn unreported(&mut self) {
        if let Some((generation, report)) = self.reporting.take() {
            for loss in &report.losses {
                self.ledger.add(generation, *loss);
            }
        }
    }

    /// Ends the current session: what is recorded from now on is lost.
    pub(crate) fn close(&mut self) {
        self.seal_open();
        self.closed = true;
        self.close_session();
    }

    /// Counts everything that is still here as lost.
    pub(crate) fn abandon(&mut self, cause: Cause) {
        self.seal_open();
        while let Some(batch) = self.sealed.pop_front() {
            self.lost(batch, cause);
        }
    }

    /// Makes sure that the event's session is the current one, and that no number before the
    /// event's is unaccounted for.
    fn enter(&mut self, entry: &Entry<'_>) {
        if self.next.generation != entry.generation {
            self.open_session(entry);
        }
        let (seen, number) = (self.next.number, entry.event.sequence.value());
        // Numbers can be missing only if the encoder called back into the trail.
        if let (Some(first), Some(last)) = (Sequence::new(seen), number.checked_sub(1))
            && seen < number
            && let Some(last) = Sequence::new(last)
        {
            let loss = Loss {
                first,
                last,
                count: number.saturating_sub(seen),
                cause: Cause::StoreFull,
            };
            self.add_loss(entry.generation, loss);
        }
        self.next.number = number.saturating_add(1);
    }

    fn open_session(&mut self, entry: &Entry<'_>) {
        self.seal_open();
        self.close_session();
        self.next = Next {
            generation: entry.generation,
            number: 0,
        };
        if self.accounts.is_full()
            && let Some(oldest) = self.accounts.pop_front()
        {
            self.ledger.forget(oldest.generation);
            add(&mut self.totals.forgotten_sessions, 1);
        }
        // There is room: the oldest made it.
        let _ = self.accounts.push_back(Account {
            generation: entry.generation,
            session: entry.session,
            recorded: 0,
            written: 0,
            lost: 0,
            closed: false,
        });
    }

    fn close_session(&mut self) {
        if let Some(account) = self.accounts.back_mut()
            && !account.closed
        {
            account.recorded = self.next.number;
            account.closed = true;
        }
    }

    #[cold]
    fn push_to_new<E: Encoder>(&mut self, encoder: &E, entry: Entry<'_>) -> bool {
        let reserved = self.free.len() <= self.reserve();
        if reserved && !entry.event.request.decision().is_denied() {
            self.lose(&entry);
            return false;
        }
        let Some(block) = self.free.pop() else {
            self.lose(&entry);
            return false;
        };
        match self.begin(encoder, block, &entry) {
            Ok(mut open) => {
                let ready = self.seal_open();
                open.reserved = reserved;
                self.open = Some(open);
                ready
            }
            Err(block) => {
                self.reclaim(block);
                self.lose(&entry);
                false
            }
        }
    }

    /// Begins a batch with the event, cut if a whole block does not hold it.
    fn begin<E: Encoder>(
        &mut self,
        encoder: &E,
        block: B,
        entry: &Entry<'_>,
    ) -> Result<OpenBlock<B>, B> {
        let (generation, session) = (entry.generation, entry.session);
        let begin = |block, event: &_| OpenBlock::begin(block, encoder, generation, session, event);
        let (block, too_long) = match begin(block, &entry.event) {
            Ok(open) => return Ok(open),
            Err(refused) => refused,
        };
        let excess = too_long.needed.saturating_sub(too_long.available);
        let shorter = entry.event.request.shortened(excess);
        let event = Event {
            request: &shorter,
            ..entry.event
        };
        let open = begin(block, &event).map_err(|(block, _)| block)?;
        add(&mut self.totals.truncated, 1);
        Ok(open)
    }

    fn lose(&mut self, entry: &Entry<'_>) {
        let loss = Loss::of(entry.event.sequence, self.full);
        self.add_loss(entry.generation, loss);
    }

    fn add_loss(&mut self, generation: u32, loss: Loss) {
        add(&mut self.totals.lost, loss.count);
        if let Some(account) = self.account(generation) {
            account.lost = account.lost.saturating_add(loss.count);
            self.ledger.add(generation, loss);
        }
    }

    /// Moves the open batch, if there is one, to those that are ready to leave; returns whether they
    /// have become so many that a flusher should not wait for its timer.
    fn seal_open(&mut self) -> bool {
        let Some(open) = self.open.take() else {
            return false;
        };
        // There are as many places as blocks.
        let _ = self.sealed.push_back(open.close());
        self.sealed.len() >= self.watermark()
    }

    /// So many batches that are ready are worth a wake (count, at least 1).
    fn watermark(&self) -> usize {
        (self.lent / WAKE_AT_ONE_IN).max(1)
    }

    fn losses_come_first(&self) -> bool {
        let Some(loss) = self.ledger.front() else {
            return false;
        };
        let next = match (self.sealed.front(), &self.open) {
            (Some(batch), _) => (batch.generation, batch.first()),
            (None, Some(open)) => open.front(),
            (None, None) => return true,
        };
        loss < next
    }

    fn take_losses(&mut self) -> Option<Taken<B>> {
        let (generation, losses) = self.ledger.take()?;
        let report = Report {
            session: self.account(generation)?.session,
            losses,
            end: None,
        };
        self.reporting = Some((generation, report));
        Some(Taken::Report)
    }

    /// The end of the oldest session, if nothing of it is left.
    fn take_end(&mut self) -> Option<Taken<B>> {
        let account = self.accounts.front()?;
        let settled = account.written.saturating_add(account.lost);
        if !account.closed || settled != account.recorded || self.ledger.holds(account.generation) {
            return None;
        }
        let report = Report {
            session: account.session,
            losses: Vec::new(),
            end: Some(End {
                recorded: account.recorded,
                written: account.written,
                lost: account.lost,
            }),
        };
        self.reporting = Some((account.generation, report));
        Some(Taken::Report)
    }

    fn account(&mut self, generation: u32) -> Option<&mut Account> {
        self.accounts
            .iter_mut()
            .rfind(|account| account.generation == generation)
    }

    /// Blocks that only a denied event may open (count).
    const fn reserve(&self) -> usize {
        self.lent.saturating_sub(1).div_ceil(RESERVED_ONE_IN)
    }

    fn reclaim(&mut self, block: B) {
        // It was lent, so there is a place for it.
        let _ = self.free.push(block);
    }
}

/// What leaves a store next.
#[derive(Debug)]
pub(crate) enum Taken<B> {
    Batch(Batch<B>),
    /// That which is [`reporting`](Store::reporting).
    Report,
}

/// One block in so many, rounded up, is kept for denied events; a single block is not.
const RESERVED_ONE_IN: usize = 8;

/// A flusher is woken once one block in so many is full. A wake costs whoever makes it as much as a
/// hundred events, so there should be far fewer of them than one in a thousand events; and what is
/// left of the store is room enough for the flusher to come.
const WAKE_AT_ONE_IN: usize = 8;

/// Sessions that a store remembers until their end is reported (count). Each has 2^31 numbers unless
/// the user of the trail wants less, so this many last for as long as a receiver may be away.
const SESSIONS: usize = 4;
