use core::ops::Range;

use crate::{Encoder, Event, Loss, Origin, Sequence, SessionId, TooLong};

/// The memory that a store is lent in, such as `&'static mut [u8; 1024]` or `Box<[u8]>`.
///
/// A block moves by value from the store to the flusher and back, so that the flusher can send from
/// it while the recorder writes to the next one, with no lock held and nothing copied.
pub trait Block: AsRef<[u8]> + AsMut<[u8]> {}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Block for B {}

/// A run of encoded events of one session that leaves as one frame.
///
/// What identifies it is its session and its first and last number; the numbers in it rise, and
/// those that are missing between the two are losses.
#[derive(Debug)]
pub struct Batch<B> {
    pub(crate) block: B,
    pub(crate) generation: u32,
    session: SessionId,
    first: Sequence,
    last: Sequence,
    count: u32,
    /// Where in the block the events lie, and once it is sealed, the frame.
    span: Range<usize>,
}

impl<B: Block> Batch<B> {
    /// The frame: header, events and trailer as one slice.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        self.block
            .as_ref()
            .get(self.span.clone())
            .unwrap_or_default()
    }

    /// The session that its events belong to.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// The number of its first event.
    #[must_use]
    pub const fn first(&self) -> Sequence {
        self.first
    }

    /// The number of its last event (inclusive).
    #[must_use]
    pub const fn last(&self) -> Sequence {
        self.last
    }

    /// How many events it holds (count, at least 1).
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The batch as it counts if it will never be written.
    pub(crate) const fn as_loss(&self, cause: crate::Cause) -> Loss {
        Loss {
            first: self.first,
            last: self.last,
            count: self.count,
            cause,
        }
    }

    /// Puts the envelope around the events; `None` if the block has no room for it.
    pub(crate) fn seal<E: Encoder>(&mut self, encoder: &E, origin: Origin<'_>) -> Option<()> {
        let events = self.span.clone();
        self.span = encoder.seal(origin, self.block.as_mut(), events)?;
        Some(())
    }
}

/// A block that events are being written to.
#[derive(Debug)]
pub(crate) struct OpenBlock<B> {
    batch: Batch<B>,
    /// One past the last byte that an event may take.
    limit: usize,
    /// Whether it was opened for denied events, in the room that is kept for them.
    pub(crate) reserved: bool,
}

impl<B: Block> OpenBlock<B> {
    /// Begins a batch with `event`, or gives the block back if the event does not fit even so.
    pub(crate) fn begin<E: Encoder>(
        block: B,
        encoder: &E,
        generation: u32,
        session: SessionId,
        event: &Event<'_>,
    ) -> Result<Self, (B, TooLong)> {
        let limit = limit::<E>(block.as_ref().len());
        let batch = Batch {
            block,
            generation,
            session,
            first: event.sequence,
            last: event.sequence,
            count: 0,
            span: E::HEAD..E::HEAD,
        };
        let mut open = Self {
            batch,
            limit,
            reserved: false,
        };
        match open.append(encoder, event) {
            Ok(()) => Ok(open),
            Err(too_long) => Err((open.batch.block, too_long)),
        }
    }

    /// Writes `event` behind the others; if it does not fit, nothing is changed.
    #[inline]
    pub(crate) fn append<E: Encoder>(
        &mut self,
        encoder: &E,
        event: &Event<'_>,
    ) -> Result<(), TooLong> {
        let batch = &mut self.batch;
        let end = batch.span.end;
        // The events end at the limit or before it.
        let room = batch.block.as_mut().get_mut(end..self.limit);
        let written = encoder.encode(event, room.ok_or(TooLong::NO_ROOM)?)?;
        // Neither can wrap: what was written is within the block, and takes a byte at least.
        batch.span.end = end.wrapping_add(written);
        batch.last = event.sequence;
        batch.count = batch.count.wrapping_add(1);
        Ok(())
    }

    pub(crate) const fn is_full<E: Encoder>(&self) -> bool {
        self.batch.count >= E::EVENTS_MAX
    }

    /// The generation and the first number.
    pub(crate) const fn front(&self) -> (u32, Sequence) {
        (self.batch.generation, self.batch.first)
    }

    pub(crate) fn close(self) -> Batch<B> {
        self.batch
    }
}

/// The end of the room for events in a block of `len` bytes.
fn limit<E: Encoder>(len: usize) -> usize {
    len.min(E::FRAME_MAX).saturating_sub(E::TAIL)
}

/// Whether a block of `len` bytes holds any event, cut as far as it goes.
pub(crate) fn is_usable<E: Encoder>(len: usize) -> bool {
    limit::<E>(len) >= E::HEAD.saturating_add(LEAST_EVENT)
}

/// Room for an event with all of its fields cut (bytes): three texts of 64 and what goes with them.
const LEAST_EVENT: usize = 256;
