use crate::{Batch, Block, Cause, Report};

/// Where a flusher's frames come from, one at a time.
///
/// A lane of a [`Trail`](crate::Trail) is one, a spool of what an earlier run could not send is
/// another. No call waits.
pub trait Source {
    /// The memory that batches lie in.
    type Block: Block;

    /// Takes the oldest thing that can leave; a report's frame is written to `scratch`.
    ///
    /// A batch that is still being filled leaves only if `ripe`. A source has one parcel out at a
    /// time: it is settled before the next is taken.
    fn take(
        &self,
        ripe: bool,
        scratch: &mut [u8; Report::FRAME_MAX],
    ) -> Option<Parcel<Self::Block>>;

    /// Gives a parcel back, with what became of it.
    fn settle(&self, parcel: Parcel<Self::Block>, fate: Fate);

    /// Ends the source: what is recorded from now on is lost, and its end can be taken.
    fn close(&self);

    /// Counts everything that is still here as lost.
    fn abandon(&self, cause: Cause);
}

impl<S: Source + ?Sized> Source for &S {
    type Block = S::Block;

    fn take(
        &self,
        ripe: bool,
        scratch: &mut [u8; Report::FRAME_MAX],
    ) -> Option<Parcel<Self::Block>> {
        (**self).take(ripe, scratch)
    }

    fn settle(&self, parcel: Parcel<Self::Block>, fate: Fate) {
        (**self).settle(parcel, fate);
    }

    fn close(&self) {
        (**self).close();
    }

    fn abandon(&self, cause: Cause) {
        (**self).abandon(cause);
    }
}

/// Something that leaves as one frame.
#[derive(Debug)]
pub enum Parcel<B> {
    /// Events; the batch holds the frame.
    Batch(Batch<B>),
    /// Losses, the end of a session, or what else a source has to say; the frame is in the scratch
    /// room, and the source keeps what it needs to settle it.
    Report {
        /// Which kind it is: a lane's are 0, a source around it has numbers of its own.
        kind: u32,
        /// The length of the frame (bytes).
        len: usize,
    },
}

impl<B: Block> Parcel<B> {
    /// The frame, given the scratch room that the parcel was taken with.
    #[must_use]
    pub fn frame<'a>(&'a self, scratch: &'a [u8; Report::FRAME_MAX]) -> &'a [u8] {
        match self {
            Self::Batch(batch) => batch.frame(),
            Self::Report { len, .. } => scratch.get(..*len).unwrap_or_default(),
        }
    }
}

/// What became of a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its frame was written whole.
    Written,
    /// It never will be.
    Lost(Cause),
}
