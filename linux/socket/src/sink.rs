use std::io;

use throughline_core::{End, SessionId};
use throughline_protobuf::{Log, WireLoss};

/// Where a collector puts what it has received.
///
/// One sink takes from all connections. What came in one frame is given with any number of calls and
/// then [`commit`](Sink::commit)ted: it is kept then as a whole, or not at all. A frame that could not
/// be kept is not acknowledged, so a sender that asks for that sends it again.
pub trait Sink {
    /// Takes one event.
    fn event(&mut self, session: SessionId, log: &Log<'_>);

    /// Takes a range of events that will never come.
    fn loss(&mut self, session: SessionId, loss: &WireLoss);

    /// Takes the end of a session.
    fn end(&mut self, session: SessionId, end: &End);

    /// Keeps what was given since the last commit.
    ///
    /// # Errors
    ///
    /// If it cannot be kept. Nothing of it is, then, and it is forgotten.
    fn commit(&mut self) -> io::Result<()>;
}
