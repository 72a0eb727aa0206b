use core::{fmt, ops::Range};

use crate::{HttpRequest, ProcessName, Report, Sequence, SessionId, Timestamp};

/// An act with its number and its time: what an [`Encoder`] turns into bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its number in the session.
    pub sequence: Sequence,
    /// When it happened; never earlier than the event before it.
    pub time: Timestamp,
    /// What happened.
    pub request: &'a HttpRequest<'a>,
}

/// Whose events a batch holds, for its envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The session.
    pub session: SessionId,
    /// The base name of the confined program.
    pub process: &'a ProcessName,
}

/// A wire format: how events and reports become bytes.
///
/// An event is encoded once, straight to where it will be sent from:
///
/// ```text
///   0          HEAD                                    len - TAIL       len
///   | head-room | event | event | event | ... free ... |   tail-room    |
///        [ frame header . . . . . . . . . . session trailer ]
/// ```
///
/// [`seal`](Encoder::seal) writes the frame's header in front of the events and the trailer right
/// behind them, so that a frame is one slice. The same event gives the same bytes always. An
/// encoder does not call back into the trail that it serves.
pub trait Encoder {
    /// The room that a frame's header may need before the first event (bytes).
    const HEAD: usize;

    /// The room that a frame's trailer may need behind the last event (bytes).
    const TAIL: usize;

    /// The greatest size of a whole frame, header and trailer included (bytes, inclusive).
    const FRAME_MAX: usize;

    /// The greatest number of events in a frame (count, inclusive).
    const EVENTS_MAX: u32;

    /// Writes one event to the front of `out` and returns its length (bytes).
    ///
    /// # Errors
    ///
    /// [`TooLong`] if `out` is too short; it may then hold a part of the event.
    fn encode(&self, event: &Event<'_>, out: &mut [u8]) -> Result<usize, TooLong>;

    /// Makes a frame of the events that lie in `block[events]`, and returns where it lies.
    ///
    /// Returns `None` if the room before or behind is less than `HEAD` and `TAIL` ask for.
    fn seal(
        &self,
        origin: Origin<'_>,
        block: &mut [u8],
        events: Range<usize>,
    ) -> Option<Range<usize>>;

    /// Writes the whole frame of a report to the front of `out` and returns its length (bytes), or
    /// `None` if it does not fit. [`Report::FRAME_MAX`] bytes are always enough.
    fn report(&self, origin: Origin<'_>, report: &Report, out: &mut [u8]) -> Option<usize>;
}

/// An event does not fit the room that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// What the event takes (bytes).
    pub needed: usize,
    /// What there was (bytes).
    pub available: usize,
}

impl TooLong {
    pub(crate) const NO_ROOM: Self = Self {
        needed: 1,
        available: 0,
    };
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the event takes {} bytes and there are {}; cut it or lend larger blocks",
            self.needed, self.available
        )
    }
}

impl core::error::Error for TooLong {}
