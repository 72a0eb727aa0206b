use core::fmt;

use crate::{Sequence, SessionId};

/// What an audit event, a pair of headers and a line of an upstream's log share.
///
/// No two acts have the same stamp: the session is unique to a run, the number to an act in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    session: SessionId,
    sequence: Sequence,
}

impl Stamp {
    /// The stamp of act `sequence` in `session`.
    #[must_use]
    pub const fn new(session: SessionId, sequence: Sequence) -> Self {
        Self { session, sequence }
    }

    /// The run that the act belongs to.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// The act's number in that run.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.session, self.sequence)
    }
}

/// A place in a trail: how many events the session had recorded.
///
/// It puts something that is no event, such as a phase record, in order with the events, and uses
/// up no number: position `n` lies after act `n - 1` and before act `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The session that was open.
    pub session: SessionId,
    /// The events that it had recorded (count, 0..=2^31).
    pub recorded: u32,
}
