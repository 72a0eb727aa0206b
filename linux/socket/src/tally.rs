use std::{fmt, io};

/// What a collector has received and refused (counts).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Tally {
    /// Connections that were taken.
    pub connections: u64,
    /// Frames that came whole.
    pub frames: u64,
    /// Events in them.
    pub events: u64,
    /// Events that came again, and were not written again.
    pub duplicates: u64,
    /// Reports that came again, and were not written again.
    pub duplicate_statuses: u64,
    /// Events that their sessions' ends say were written and that did not come.
    pub missing: u64,
    /// Events that their senders reported as lost.
    pub lost: u64,
    /// Sessions that ended.
    pub ends: u64,
    /// Events that senders counted as dropped without saying which.
    pub dropped_unnamed: u64,
    /// Messages of a kind that this version does not know.
    pub unknown_messages: u64,
    /// Messages and events that were malformed.
    pub malformed: u64,
    /// Connections that were closed because their sender does not speak the protocol.
    pub refused_connections: u64,
    /// Connections that were closed by their sender in the middle of a frame.
    pub torn_connections: u64,
    /// Frames that could not be written; a sender that asks for it is told, and sends them again.
    pub unwritten: u64,
    /// What the writing failed with first.
    pub write_error: Option<io::Error>,
}

impl Tally {
    /// Whether everything that came was kept.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.malformed == 0 && self.refused_connections == 0 && self.unwritten == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "received {} events in {} frames from {} connections, {} reported lost, {} sessions ended",
            self.events, self.frames, self.connections, self.lost, self.ends
        )?;
        let troubles = [
            (self.duplicates, "came twice"),
            (self.missing, "missing"),
            (self.dropped_unnamed, "dropped without a name"),
            (self.malformed, "malformed"),
            (self.unknown_messages, "of an unknown kind"),
            (self.refused_connections, "connections refused"),
            (self.torn_connections, "connections cut in a frame"),
            (self.unwritten, "times not written"),
        ];
        for (count, trouble) in troubles.iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {trouble}")?;
        }
        Ok(())
    }
}
